"""Published points of quality against cost, as facts with their source: assets/published_points.csv.

macs_g counts as the papers do; protocol names the real images (tt train and test, tr train, te test, ? unknown); only
points of one protocol compare. provenance: R read-me, S script, L log, A abstract, C computed, F read off a figure,
T third party, M remembered and not verified, issue: users' reproductions.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

PROTOCOLS = {
    "tt": "against train + test",
    "tr": "against train",
    "te": "against test",
    "?": "protocol unknown",
}
_SYMBOLS = {"tt": "circle", "tr": "square", "te": "diamond", "?": "triangle-up"}
_COLOURS = {"tt": "#0072B2", "tr": "#D55E00", "te": "#007A5A", "?": "#5F5F5F"}
_FILE = Path(__file__).resolve().parents[1] / "assets" / "published_points.csv"
_VERIFIED = frozenset("RSLAC")


@dataclass(frozen=True, slots=True)
class Point:
    """One published result; cost or size is None where it was not said."""

    task: str
    method: str
    variant: str
    macs_g: float | None  # 10^9, as published
    parameters_m: float | None  # 10^6
    fid: float
    protocol: str
    provenance: str
    source: str

    @property
    def verified(self) -> bool:
        """Whether every part of it was read at its source, as text and not off a figure."""
        return all(mark in _VERIFIED for mark in self.provenance.split("+"))


@cache
def published_points() -> tuple[Point, ...]:
    """Read all of them."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        return tuple(
            Point(
                row["task"], row["method"], row["variant"], _number(row["macs_g"]), _number(row["params_m"]),
                float(row["fid"]), row["proto"], row["prov"], row["source"],
            )
            for row in csv.DictReader(file)
        )  # fmt: skip


def tasks() -> tuple[str, ...]:
    """List the tasks that have points."""
    return tuple(dict.fromkeys(point.task for point in published_points()))


def published_traces(task: str | None, *, hollow: bool = False) -> "list[go.Scatter]":
    """Draw the points of a task that have a cost, one trace for every protocol: they compare with no other's.

    What was not verified at its source is hollow; `hollow`: all are, to stand beside what was measured.
    """
    import plotly.graph_objects as go

    points = [point for point in published_points() if point.task == task and point.macs_g is not None]
    traces = []
    for protocol, words in PROTOCOLS.items():
        own = [point for point in points if point.protocol == protocol]
        if own:
            opened = ["-open" if hollow or not point.verified else "" for point in own]
            traces.append(
                go.Scatter(
                    x=[1e9 * (point.macs_g or 0.0) for point in own],
                    y=[point.fid for point in own],
                    name=words,
                    mode="markers",
                    marker={
                        "symbol": [_SYMBOLS[protocol] + suffix for suffix in opened],
                        "size": 10,
                        "color": _COLOURS[protocol],
                    },
                    text=[_said(point) for point in own],
                )
            )
    return traces


def _said(point: Point) -> str:
    state = "read" if point.verified else "not verified"
    return f"{point.method} {point.variant}<br>{point.source} ({point.provenance}, {state} at its source)"


def _number(text: str) -> float | None:
    return float(text) if text else None
