"""FID of trained nets, measured when someone asks, each net by a process of its own, and then kept. Knows no gradio.

Which network gives the features, and so what a distance is called, follows from Inception's file alone.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from coronet.downloads import find_item, place_of
from coronet.launcher import Launcher
from coronet.prepared import SCORE
from coronet.recipes.settings import DataChoices
from coronet.runs import SETTINGS
from coronet.settings import fields_of
from coronet.studio import text as page_text
from coronet.studio.compare import text
from coronet.studio.compare.scores import FID
from coronet.studio.desk import Desk
from coronet.studio.outcomes import SLIM, Outcome
from coronet.studio.workshop import Preparation, Trade, Workshop, digest_of, maker, read, remove_made_of

PARTIAL = "FID-768"
_CODE = ("metrics/*.py", "datasets/*.py", "networks/*.py", "images.py", "recipes/scoring.py", "recipes/opening.py")
_PACKAGES = ("torch", "numpy", "pillow", "pytorch-fid")
_DATA = tuple(field.name for field in fields_of(DataChoices))
_MOST_HEADER = 10_000_000  # bytes of a safetensors header that are looked at
_Choices = Mapping[str, Any]

TRADE = Trade(
    program="recipes.distances",
    last=SCORE,
    made=lambda folder: read(folder / SCORE),
    lost=text.LOST,
    not_started=text.NOT_STARTED,
    full=text.FULL,
    most_bytes=100_000_000,
    most_kept=5000,
    most_waiting=100,
    longest_seconds=3600.0,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A net and the data it is measured on: how the program opens both, and the files the net consists of."""

    label: str
    model: str
    files: tuple[Path, ...]
    choices: _Choices


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the nets of a model are: `done` of `count`; `ahead`: how many of others are measured before.

    net, message: the first that failed, and why.
    """

    count: int
    done: int = 0
    failed: int = 0
    is_busy: bool = False
    ahead: int = 0
    net: str = ""
    message: str = ""


def scores_folder(desk: Desk) -> Path:
    """Give the folder for what was measured, beside the uploaded models."""
    return desk.imported.with_name("scores")


def remove_scores(desk: Desk) -> None:
    """Remove what was measured of runs and uploads of this studio."""
    remove_made_of(scores_folder(desk), (desk.runs, desk.imported))


def official_place() -> Path:
    """Say where Inception's official file belongs."""
    return place_of(find_item("fid_inception"), None).target


class Distances:
    """Measures nets one after the other and remembers on disk what came of it."""

    def __init__(self, desk: Desk, launcher: Launcher | None = None) -> None:
        self._desk = desk
        self._workshop = Workshop(scores_folder(desk), TRADE, launcher)

    @property
    def inception(self) -> Path | None:
        """Inception's file: the one the operator named, else the official one; None where there is none."""
        path = self._desk.inception or official_place()
        return path if path.is_file() else None

    @property
    def name(self) -> str:
        """What the distance is called that would be measured."""
        path = self.inception
        return PARTIAL if path is not None and _is_partial(path, path.stat().st_mtime_ns) else FID

    def with_scores(self, model: str | None, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Give the nets with "fid" and "kid" among their and the dense net's scores, where they were measured."""
        path = self.inception
        return list(outcomes) if path is None else [self._with_scores(model, found, path) for found in outcomes]

    def look(self, model: str | None, outcomes: Sequence[Outcome]) -> Standing:
        """Tell how far the nets of a model are; nothing is begun."""
        subjects = self._subjects(model, outcomes)
        return _standing(subjects, [self._workshop.look(id) for id in subjects])

    def measure(self, model: str | None, outcomes: Sequence[Outcome]) -> Standing:
        """Have all nets measured that are not yet; RunError where too many wait."""
        subjects, path = self._subjects(model, outcomes), self.inception
        for id, subject in subjects.items():
            wanted = {"model": subject.model, "choices": dict(subject.choices), "inception": str(path)}
            self._workshop.prepare(id, wanted)
        return self.look(model, outcomes)

    def _subjects(self, model: str | None, outcomes: Sequence[Outcome]) -> dict[str, Subject]:
        """Give the nets to measure by their names on disk: before those of the same data comes the dense net."""
        path = self.inception
        if path is None:
            return {}
        found = (subject for outcome in outcomes for subject in self._pair(model, outcome))
        return {_id(subject, path): subject for subject in found}

    def _pair(self, model: str | None, outcome: Outcome) -> Iterator[Subject]:
        """Give the dense and the slim net with the data of the run; nothing where these have one side only."""
        if outcome.report.get("data", {}).get("kind") == "single":
            return
        settings = read(outcome.folder / SETTINGS).get("settings", {})
        choices = {name: settings[name] for name in _DATA if name in settings}
        slim, dense = outcome.folder / SLIM, self._desk.model(model)
        name = str(model) if self._desk.is_demo(str(model)) else str(dense)
        yield Subject(page_text.DENSE, name, (dense,), choices)
        yield Subject(outcome.label, str(slim), (slim,), choices)

    def _with_scores(self, model: str | None, outcome: Outcome, inception: Path) -> Outcome:
        made = [self._workshop.look(_id(subject, inception)).made for subject in self._pair(model, outcome)]
        report = dict(outcome.report)
        for part, scores in zip(("teacher_scores", "scores"), made, strict=False):
            report[part] = {**report.get(part, {}), **scores}
        return replace(outcome, report=report)


def _standing(subjects: Mapping[str, Subject], states: Sequence[Preparation]) -> Standing:
    going = [found for found in states if found.state in ("waiting", "running")]
    failed = [found for found in states if found.state == "failed"]
    return Standing(
        count=len(states),
        done=sum(found.state == "ready" for found in states),
        failed=len(failed),
        is_busy=bool(going),
        ahead=min((found.ahead for found in going), default=0),
        net=subjects[failed[0].id].label if failed else "",
        message=failed[0].message if failed else "",
    )


def _id(subject: Subject, inception: Path) -> str:
    """Name all that a measurement depends on: the net's bytes, its data as they are read, Inception and the code."""
    data = {"choices": dict(subject.choices), "state": _state_of(str(subject.choices.get("data", "")))}
    digest = hashlib.blake2b(maker(_CODE, _PACKAGES).encode(), digest_size=16)
    digest.update(json.dumps(data, sort_keys=True).encode())
    digest.update(digest_of((inception,)))
    digest.update(digest_of(subject.files))
    return digest.hexdigest()


def _state_of(data: str) -> list[int]:
    """Tell when pictures were added to a data folder or taken away; of a drawn world there is nothing to tell."""
    found: list[int] = []
    with suppress(OSError):
        folder = Path(data)
        folders = [folder, *sorted(entry for entry in folder.iterdir() if entry.is_dir())] if folder.is_dir() else []
        found = [entry.stat().st_mtime_ns for entry in folders]
    return found


@lru_cache(maxsize=8)
def _is_partial(path: Path, modified: int) -> bool:
    """Tell whether a safetensors file ends at Mixed_6e; other files are taken for whole."""
    if path.suffix != ".safetensors":
        return False
    with suppress(OSError), path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return b'"Mixed_7a.' not in file.read(min(length, _MOST_HEADER))
    return False
