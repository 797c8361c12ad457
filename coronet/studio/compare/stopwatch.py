"""Milliseconds of trained nets on this server: measured side by side when someone asks, and then remembered.

How nets are timed stands in `metrics.latency`; the web process is no quiet place, so several rounds are taken.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from coronet.studio.outcomes import SLIM, Outcome
from coronet.studio.translating import prepare_torch

_ROUNDS = 5
_TURNS = 3  # of every net in a round
_Key = tuple[str, int]  # a net's file and when it was written


class Stopwatch:
    """What was measured since the server started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measured: dict[_Key, float] = {}

    def with_times(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Give the nets with "ms" beside their other costs, where it was measured."""
        with self._lock:
            return [_with_ms(outcome, self._measured.get(_key(outcome))) for outcome in outcomes]

    def measure(self, outcomes: Sequence[Outcome]) -> Iterator[float]:
        """Measure these nets in turn, one thread each; yields the share of the work that is done."""
        prepare_torch()
        from coronet.checkpoints import build_generator, load
        from coronet.metrics.latency import measure

        nets = [(outcome.key, build_generator(load(outcome.folder / SLIM)).eval()) for outcome in outcomes]
        taken: list[list[float]] = [[] for _ in nets]
        for turn in range(_ROUNDS):
            size = nets[0][1].config.image_size
            for times, row in zip(taken, measure(nets, image_size=size, warmup=1, repeats=_TURNS), strict=True):
                times.append(row.median_ms)
            yield (turn + 1) / _ROUNDS
        with self._lock:
            for outcome, times in zip(outcomes, taken, strict=True):
                self._measured[_key(outcome)] = median(times)


def _key(outcome: Outcome) -> _Key:
    path = outcome.folder / SLIM
    return str(path), path.stat().st_mtime_ns if path.exists() else 0


def _with_ms(outcome: Outcome, ms: float | None) -> Outcome:
    slim = outcome.report["slim"]
    return outcome if ms is None else replace(outcome, report={**outcome.report, "slim": {**slim, "ms": ms}})
