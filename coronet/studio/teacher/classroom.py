"""What the teacher sees and does: everybody's runs, the wall, the rules, the reset. Knows no gradio.

Whether somebody is the teacher is asked in gate.py, before anything of this is called.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from coronet.errors import RunError
from coronet.jobs import ACTIVE, Job
from coronet.runs import Run
from coronet.studio.compare.distances import remove_scores
from coronet.studio.desk import Desk
from coronet.studio.export.kits import remove_kits
from coronet.studio.outcomes import read_outcome
from coronet.studio.shelves.owned import plain_name
from coronet.studio.teacher import text
from coronet.studio.teacher.wall import Point

_MOST_POINTS = 500


@dataclass(frozen=True, slots=True)
class Row:
    """A job as the teacher reads it."""

    job: Job
    group: str
    words: str


class Classroom:
    """Everybody's runs and uploads at one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def rows(self) -> list[Row]:
        """Give all jobs, the youngest first, each with whose it is."""
        jobs = self._desk.table.list()
        groups = self._groups(jobs)
        return [Row(job, groups[job.owner], self._words(job.id)) for job in jobs]

    def points(self) -> list[Point]:
        """Give the finished nets of all, the youngest first."""
        jobs = self._desk.table.list()
        groups = self._groups(jobs)
        found = []
        for job in jobs:
            outcome = read_outcome(self._desk.runs / job.id) if job.state == "done" else None
            if outcome is not None:
                found.append(Point(groups[job.owner], self._model(job.id), outcome))
        return found[:_MOST_POINTS]

    def pause(self, id: str) -> str:
        """Ask any run to save and stop for now; give its state."""
        return self._desk.table.request_pause(id)

    def stop(self, id: str) -> str:
        """Ask any run to save and stop for good; give its state."""
        return self._desk.table.request_cancel(id)

    def stop_all(self) -> int:
        """Ask all runs that wait or are executed to stop for good; give how many."""
        going = [job.id for job in self._desk.table.list() if job.state in ("queued", *ACTIVE)]
        for id in going:
            self._desk.table.request_cancel(id)
        return len(going)

    def reset(self) -> int:
        """Remove every visitor's runs and uploads with their bundles, the names and the rules; give the number of runs.

        What nobody owns stays: what was run on the server itself, and what ships with the studio.
        """
        runs = [job.id for job in self._desk.table.list() if job.owner]
        for id in runs:
            self._desk.table.request_discard(id)
        self._desk.table.tick()  # removes them now, but those that a process must leave first
        for shelf in (self._desk.model_shelf, self._desk.picture_shelf):
            shelf.uploaded.remove_owned()
        shutil.rmtree(self._desk.data_shelf.shelf, ignore_errors=True)
        remove_kits(self._desk)
        remove_scores(self._desk)
        self._desk.visitors.forget_all()
        self._desk.rule_book.unlock()
        return len(runs)

    def _words(self, id: str) -> str:
        """Say what a run is. The page may be shown to a class: a whole name would let anyone touch the run."""
        return self._desk.run_shelf.describe(id).replace(id, f"…{id[-4:]}")

    def _model(self, id: str) -> str:
        try:
            model = str(Run.open(self._desk.runs / id).settings.get("model", ""))
        except RunError:
            return ""
        return model if self._desk.is_demo(model) else plain_name(Path(model).stem)

    def _groups(self, jobs: tuple[Job, ...]) -> dict[str, str]:
        """Name each owner: as the group calls itself, else by login, else by a number in the order of arrival."""
        names = self._desk.visitors.names()
        groups = {"": text.OPERATOR}
        for job in reversed(jobs):
            name, login = names.get(job.owner, ("", ""))
            number = text.NO_GROUP.format(number=len(groups))
            groups.setdefault(job.owner, name or (f"{login}, {number}" if login else number))
        return groups
