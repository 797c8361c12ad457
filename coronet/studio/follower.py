"""Following the events of running runs: each page asks every two seconds, but a line is read once."""

import threading
from dataclasses import dataclass, field
from typing import Any

from coronet.runs import EVENTS, Run

_MOST_EVENTS = 1000  # per run; beyond, every second one is forgotten
_MOST_RUNS = 50


@dataclass(slots=True)
class _Read:
    file: int  # the events file's inode: a rewound run has another one
    offset: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)


class Follower:
    """Reads on where it stopped and keeps a thinned-out course of each run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: dict[str, _Read] = {}

    def events(self, run: Run) -> list[dict[str, Any]]:
        """Give the run's events so far, thinned out when there are many; the last one is always the newest."""
        with self._lock:
            read = self._current(run)
            new, read.offset = run.events_after(read.offset)
            read.events += _with_widths(read.events, [event for event in new if _is_step(event)])
            while len(read.events) > _MOST_EVENTS:
                read.events = read.events[-1::-2][::-1]
            return list(read.events)

    def _current(self, run: Run) -> _Read:
        path = run.path / EVENTS
        file, size = (path.stat().st_ino, path.stat().st_size) if path.exists() else (0, 0)
        read = self._read.pop(run.name, None)
        if read is None or read.file != file or read.offset > size:
            read = _Read(file)
        self._read[run.name] = read
        while len(self._read) > _MOST_RUNS:
            del self._read[next(iter(self._read))]
        return read


def _with_widths(before: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Repeat the widths, which are written only where they change, in every step: any other may be forgotten."""
    known = before[-1].get("widths") if before else None
    found = []
    for event in new:
        known = event["widths"] if _are_widths(event.get("widths")) else known
        found.append({**event, "widths": known})
    return found


def _are_widths(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(width, int) for width in value.values())


def _is_step(event: dict[str, Any]) -> bool:
    """Tell whether a line has what the page draws; a damaged one may have anything."""
    numbers = (event.get("done"), event.get("total"), event.get("seconds"))
    named = isinstance(event.get("phase"), str) and isinstance(event.get("losses"), dict)
    return named and all(isinstance(number, int | float) for number in numbers)
