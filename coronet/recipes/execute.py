"""Execute a run, whatever its verb, from wherever it stopped. The worker and the command line both call this."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

from coronet import clock
from coronet.ending import forget_ending
from coronet.errors import RunError
from coronet.files import plain_os_errors
from coronet.recipes.compress import compress
from coronet.recipes.settings import CompressSettings, TrainSettings
from coronet.recipes.train import train
from coronet.runs import Run
from coronet.settings import from_json
from coronet.training import Steps

RECIPES: dict[str, tuple[type, Callable[[Any, Run], Steps]]] = {
    "compress": (CompressSettings, compress),
    "train": (TrainSettings, train),
}


def execute(run: Run) -> Steps:
    """Do what is left of a run and record every step in it. Closing the iterator saves the state first.

    A finished run yields nothing, and one that is wished to end early no more steps.
    Raises RunError for an unknown verb or a run that another process executes.
    """
    if run.verb not in RECIPES:
        raise RunError(f"{run.path} is a run of the unknown verb '{run.verb}'. Known: {', '.join(RECIPES)}.")
    settings_class, recipe = RECIPES[run.verb]
    if _is_finished(run):
        return
    with run.lock():
        if _is_finished(run):  # by another process, until a moment ago
            return
        _remove_leftovers(run)
        known: dict[str, int] | None = None
        settings: Any = from_json(settings_class, run.settings)
        clock.count(getattr(settings, "counted", "clock"))
        with closing(recipe(settings, run)) as steps:
            for step in steps:  # widths are recorded where they change
                if known is None:
                    known = _last_widths(run)
                run.record(replace(step, widths=None if step.widths == known else step.widths).to_json())
                known = step.widths or known
                yield step
        forget_ending(run.path)


def _is_finished(run: Run) -> bool:
    if run.status() != "done":
        return False
    run.drop_state()  # a kill may have come between the report and this
    forget_ending(run.path)
    return True


def _last_widths(run: Run) -> dict[str, int]:
    """Give the widths recorded last, by the session before; none are recorded before the search."""
    return next((event["widths"] for event in reversed(run.events()) if event.get("widths")), {})


def _remove_leftovers(run: Run) -> None:
    """Remove what a killed process was writing: states are large."""
    for part in run.path.rglob(".*.part"):
        with plain_os_errors(part, "remove"):
            part.unlink(missing_ok=True)
