"""The runs of a visitor: started, found again, and what came of them.

Lists show a visitor's own runs and those he opened by a link. A run's name has 48 random bits: who knows it was given
it, and may look at the run, pause, resume, keep, cancel and discard it. What nobody owns, because it was made on the
command line, copied here or asked for by a program, is listed in a personal studio only, which serves one machine
without a login.
"""

import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from coronet.errors import RunError
from coronet.jobs import ACTIVE, RUN_ID, Job, JobTable, State
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from coronet.settings import to_json
from coronet.studio.shelves import text as text_visitors
from coronet.studio.shelves.owned import plain_name
from coronet.studio.visitors import NOBODY, Visitor, VisitorTable

Wish = Literal["pause", "resume", "keep", "cancel", "discard"]
_UNGUESSABLE = re.compile(r"[0-9]{8}-[0-9a-f]{12}")  # as `start` names runs
_MOST_LISTED = 50
_NEEDS_ITS_INPUT = ("queued", *ACTIVE, "paused", "interrupted")


def is_reachable(id: str, *, is_personal: bool) -> bool:
    """Tell whether a run may be asked for by this name: a harmless one, and among others one that no one guesses."""
    return (RUN_ID if is_personal else _UNGUESSABLE).fullmatch(id) is not None


@dataclass(frozen=True, slots=True)
class RunShelf:
    """The runs of this studio."""

    table: JobTable
    visitors: VisitorTable
    is_personal: bool

    def start(self, settings: CompressSettings, visitor: Visitor) -> str:
        """Queue a compression and give the run's name; RunError where too many wait."""
        # The name sorts by day, and no one can guess another visitor's.
        folder = self.table.runs / f"{time.strftime('%Y%m%d')}-{secrets.token_hex(6)}"
        run = Run.create(folder, "compress", to_json(settings))
        try:
            id = self.table.submit(run, visitor.owner)
        except RunError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self.visitors.note_login(visitor)
        return id

    def job(self, id: str | None) -> Job:
        """Look a job up by its run's name, whoever owns it; RunError when there is no such run.

        A name that could be guessed, of a run that was not started here, is no key where the studio serves others.
        """
        if not is_reachable(id or "", is_personal=self.is_personal):
            raise RunError(text_visitors.UNKNOWN_RUN.format(id=(id or "")[:80]))
        return self.table.job(id or "")

    def run(self, id: str) -> tuple[Job, Run]:
        """Look a run up by its name, whoever owns it; RunError when there is no such run."""
        return self.job(id), Run.open(self.table.runs / id)

    def wish(self, wish: Wish, id: str | None) -> State:
        """Ask for what shall become of a run, whoever owns it; give its state afterwards."""
        ask = {
            "pause": self.table.request_pause,
            "resume": self.table.resume,
            "keep": self.table.request_keep,
            "cancel": self.table.request_cancel,
            "discard": self.table.request_discard,
        }
        return ask[wish](self.job(id).id)

    def open_link(self, id: str, visitor: Visitor) -> None:
        """List another's run from now on among those of a visitor who opened it by its link."""
        if not self._owns(self.table.job(id), visitor):
            self.visitors.note_opened(visitor, id)

    def own(self, visitor: Visitor) -> list[Job]:
        """Give a visitor's own runs, the youngest first."""
        return [job for job in self.table.list() if self._owns(job, visitor)]

    def linked(self, visitor: Visitor) -> list[Job]:
        """Give the runs of others that a visitor opened by a link, the youngest first."""
        opened = self.visitors.opened(visitor.owner) if visitor.owner else frozenset()
        return [job for job in self.table.list() if job.id in opened and not self._owns(job, visitor)]

    def names(self, visitor: Visitor = NOBODY) -> list[tuple[str, str]]:
        """Give (words, id) of the youngest runs that a visitor owns or opened by a link."""
        known = [job for job in (*self.own(visitor), *self.linked(visitor)) if job.state != "discarding"]
        jobs = sorted(known, key=lambda job: job.created, reverse=True)
        return [(self.describe(job.id), job.id) for job in jobs[:_MOST_LISTED]]

    def describe(self, id: str) -> str:
        """Say in a few words what a run is."""
        try:
            run = Run.open(self.table.runs / id)
        except RunError:
            return id
        ratio = f" {run.settings['ratio']:g}×" if isinstance(run.settings.get("ratio"), int | float) else ""
        model = plain_name(Path(str(run.settings.get("model", ""))).stem)
        return f"{run.verb} {model}{ratio} · {id}"

    def refuse_needed(self, setting: str, value: str, words: str) -> None:
        """Raise RunError where a run that has not ended was given this value, of something that is called `words`."""
        for job in self.table.list():
            if job.state in _NEEDS_ITS_INPUT and self._settings(job.id).get(setting) == value:
                # Which run is not told: it may be another visitor's, who has the name of an upload from a link.
                raise RunError(text_visitors.IN_USE.format(name=words))

    def _settings(self, id: str) -> Mapping[str, Any]:
        try:
            return Run.open(self.table.runs / id).settings
        except RunError:  # its folder was removed by hand
            return {}

    def _owns(self, job: Job, visitor: Visitor) -> bool:
        return job.owner == visitor.owner if job.owner else self.is_personal
