"""Published points of quality against cost, as facts with their source: assets/published_points.csv.

macs_g counts as the papers do; protocol names the real images (tt train and test, tr train, te test, ? unknown); only
points of one protocol compare. provenance: R read-me, S script, L log, A abstract, C computed, F read off a figure,
T third party, M remembered and not verified, issue: users' reproductions.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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


def _number(text: str) -> float | None:
    return float(text) if text else None
