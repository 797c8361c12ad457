"""What trained slim nets of a model there are, ready-made or of this studio's runs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from coronet.runs import REPORT, SETTINGS
from coronet.studio import run_words, text
from coronet.studio.address import OWN

Measure = Literal["macs", "bytes", "ms"]
Unit = Literal["MMACs", "MB", "ms"]
UNITS: Mapping[Unit, tuple[Measure, float]] = {"MMACs": ("macs", 1e6), "MB": ("bytes", 1e6), "ms": ("ms", 1.0)}
SLIM = "slim.safetensors"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trained slim net beside its dense net."""

    folder: Path
    kind: str  # "ready", "own", or "linked": of another visitor, who gave its link
    ratio: float
    report: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What it is called below its picture and in the figure."""
        label = text.OUTCOME[self.kind].format(ratio=self.ratio)
        is_ours = self.report.get("method", "coronet") == "coronet"
        notes = [] if is_ours else [str(self.report.get("title") or self.report["method"])]
        if isinstance(self.report.get("stopped"), dict):
            notes.append(run_words.STOPPED_LABEL.format(**self.report["stopped"]))
        return f"{label} ({', '.join(notes)})" if notes else label

    @property
    def key(self) -> str:
        """What it is called in choices and in links: the same for who owns it and for who was given the link."""
        return f"ready/{self.folder.name}" if self.kind == "ready" else f"{OWN}{self.folder.name}"

    @property
    def macs(self) -> int:
        """Of the slim net."""
        return int(self.report["slim"]["macs"])


def find_outcomes(
    model: str, path: Path, ready: Iterable[Path], own: Iterable[Path], linked: Iterable[Path] = ()
) -> list[Outcome]:
    """Find the finished compressions of a model, small ratios first; `model` is its name, `path` its file."""
    found = []
    for kind, folders in (("ready", ready), ("own", own), ("linked", linked)):
        for folder in folders:
            meant = _read(folder / SETTINGS).get("settings", {}).get("model")
            outcome = read_outcome(folder, kind) if meant in (model, str(path)) else None
            if outcome is not None:
                found.append(outcome)
    return sorted(found, key=lambda outcome: outcome.ratio)


def read_outcome(folder: Path, kind: str = "own") -> Outcome | None:
    """Read what came of a run; None where it is not finished or found something else."""
    report = _read(folder / REPORT)
    if not _is_complete(report) or not (folder / SLIM).is_file():
        return None
    return Outcome(folder, kind, float(report["ratio"]), report)


def score_of(outcomes: Sequence[Outcome]) -> str:
    """Name the comparison that all of them have: to the truth where it is known, else to the dense net."""
    known = all("to_truth" in outcome.report["scores"] for outcome in outcomes)
    return "to_truth" if known else "to_teacher"


def quality(outcome: Outcome, score: str) -> float:
    """Give the PSNR of that comparison in dB."""
    return float(outcome.report["scores"][score]["psnr_db"])


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there yet, or damaged: then there is no outcome to show
        return {}
    return value if isinstance(value, dict) else {}


def _is_complete(report: Mapping[str, Any]) -> bool:
    parts = (report.get("dense"), report.get("slim"), report.get("scores"))
    return isinstance(report.get("ratio"), int | float) and all(isinstance(part, dict) for part in parts)
