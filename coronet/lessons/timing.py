"""Lesson 5: a net and slimmer versions of it, timed here, in turn: MACs fall as asked for, times as they will."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from coronet.cost import CostModel
from coronet.errors import BudgetError
from coronet.images import to_tensor
from coronet.metrics.latency import Latency, measure
from coronet.recipes.preview import PreviewModel, fitted, opened, timed

RATIOS = (2.0, 4.0, 8.0, 16.0)
_SECONDS = 6.0  # to be measured for, all nets together
_FEWEST, _MOST = 3, 15  # rounds
_WARMUP = 2


@dataclass(frozen=True, slots=True)
class Runner:
    """One net in the race: its MACs and its time, each also as how many times less than the dense net's."""

    name: str
    macs: float
    milliseconds: float
    macs_ratio: float
    time_ratio: float


@dataclass(frozen=True, slots=True)
class Race:
    """What was measured, the dense net first, and with what."""

    runners: tuple[Runner, ...]
    cpu: str
    threads: int
    repeats: int
    image_size: int


def race(model: str | Path, picture: Image.Image, *, ratios: tuple[float, ...] = RATIOS, threads: int = 1) -> Race:
    """Cut a model at these ratios, as far as it can be cut, and time all nets round after round, in turn."""
    found = opened(model)
    costs = CostModel(found.generator.config)
    nets = [("dense", found.generator, costs.total)]
    for ratio in ratios:
        with suppress(BudgetError):  # a tiny net cannot be cut so far
            smaller = found.cut([picture], ratio)
            nets.append((f"{ratio:g}×", smaller, costs.at(smaller.config.widths)))
    measured = measure(
        [(name, net) for name, net, _ in nets],
        image_size=found.generator.config.image_size,
        threads=threads,
        warmup=_WARMUP,
        repeats=_rounds(found, picture),
    )
    dense = measured[0]
    runners = (
        Runner(name, macs, one.median_ms, costs.total / macs, dense.median_ms / one.median_ms)
        for (name, _, macs), one in zip(nets, measured, strict=True)
    )
    return Race(tuple(runners), **_circumstances(dense))


def _rounds(found: PreviewModel, picture: Image.Image) -> int:
    """Choose how many rounds fit into the time: all nets together take about twice as long as the dense one."""
    _, seconds = timed(found.generator, to_tensor(fitted(picture, found.generator.config)).unsqueeze(0))
    return max(_FEWEST, min(_MOST, round(_SECONDS / (2 * seconds))))


def _circumstances(latency: Latency) -> dict[str, Any]:
    return {name: getattr(latency, name) for name in ("cpu", "threads", "repeats", "image_size")}
