"""What happens on an event of the Train tab: values in, values out."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from coronet.errors import CoronetError, RunError
from coronet.jobs import TRANSITIONS
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from coronet.studio import channel_map, charts, run_words, text
from coronet.studio.desk import Desk
from coronet.studio.shared import Shared
from coronet.studio.shelves.runs import Wish
from coronet.studio.starting import softening
from coronet.studio.train import estimate, live_run, time_lapse, watching
from coronet.studio.train.form import values_of
from coronet.studio.train.routes import FILES
from coronet.studio.visitors import visitor_of

_TAB = "train"
MOVING = (0, 2, 3, 4, 7, -1)  # progress, figure, preview, channels, losses, and what was seen, among what is shown
_FRESH_SECONDS = 3.0  # of a figure, whose drawing costs more than all else that is new
WISHES: dict[Wish, str] = {
    "pause": text.PAUSE,
    "resume": text.RESUME,
    "keep": run_words.KEEP,
    "cancel": text.CANCEL,
    "discard": run_words.DISCARD,
}

Seen = dict[str, Any]


class Handlers:
    """Start a run, estimate it, ask for what is wished of it, and show it as it is."""

    def __init__(self, desk: Desk, advanced: Sequence[str]) -> None:
        self._desk = desk
        self._advanced = advanced
        self._estimates = estimate.Estimates()
        self._figures: Shared[Any] = Shared(_FRESH_SECONDS)

    def suit(self, model: str | None, data: str | None, request: gr.Request) -> tuple[str | None, float]:
        """Choose the data that belong to a demo model, where no folder was chosen, and how its judges see pictures."""
        return self._desk.data_for(model, data, visitor_of(request)), softening(model)

    def methods(self) -> Any:
        """Give the compression methods with their titles."""
        return gr.Dropdown([(title, name) for name, title in self._desk.methods().items()])

    def start(
        self,
        model: str | None,
        ratio: float,
        data: str | None,
        preset: str,
        minutes: str,
        request: gr.Request,
        *advanced: Any,
    ) -> Any:
        """Queue a compression of a model on a data folder of the server and give the run's name."""
        visitor = visitor_of(request)
        id = self._desk.start(model, data, self._choices(ratio, preset, minutes, advanced), visitor)
        gr.Info(text.STARTED.format(id=id))
        return gr.Dropdown(self._desk.run_names(visitor), value=id)

    def pause(self, id: str | None) -> str:
        """Ask a run to save and stop for now; gives its state."""
        return self._desk.wish("pause", id)

    def resume(self, id: str | None) -> str:
        """Queue a run that stopped before its end; gives its state."""
        return self._desk.wish("resume", id)

    def cancel(self, id: str | None) -> str:
        """Ask a run to save and stop for good; gives its state."""
        return self._desk.wish("cancel", id)

    def keep(self, id: str | None) -> str:
        """Ask a run to end now and to finish with the net as it is; gives its state."""
        return self._desk.wish("keep", id)

    def discard(self, id: str | None, request: gr.Request) -> tuple[Any, Any]:
        """Ask for a run to be ended and removed with all its files; gives its state and the runs that are left."""
        if not id:  # the visitor thought again
            return gr.skip(), gr.skip()
        state = self._desk.wish("discard", id)
        gr.Info(run_words.DISCARDED.format(id=id))
        return state, gr.Dropdown(self._desk.run_names(visitor_of(request)), value=None)

    def estimate(
        self,
        opened: str,
        model: str | None,
        ratio: float,
        data: str | None,
        preset: str,
        minutes: str,
        request: gr.Request,
        *advanced: Any,
    ) -> tuple[Any, Any]:
        """Say how long a run with these choices would take; the timer asks again while that is measured."""
        if opened != _TAB:
            return gr.skip(), gr.Timer(active=False)
        visitor = visitor_of(request)
        try:
            settings = self._desk.settings(model, data, self._choices(ratio, preset, minutes, advanced), visitor)
            found = self._estimates.timing(settings)
            return estimate.said(settings, found, self._desk.table, visitor.owner), gr.Timer(active=found is None)
        except CoronetError as error:  # no mistake yet: the visitor is still choosing
            return charts.sentence(str(error), "problem"), gr.Timer(active=False)

    def _choices(self, ratio: float, preset: str, minutes: str, advanced: Sequence[Any]) -> dict[str, Any]:
        names = ("ratio", "preset", "minutes", *self._advanced)
        return values_of(CompressSettings, names, (ratio, preset, minutes, *advanced))

    def look(self, id: str | None, seen: Seen) -> tuple[Any, ...]:
        """Show a run as it is now; what the page shows already is not sent again."""
        try:
            if not id:
                raise RunError(text.NO_RUN)
            job, run = self._desk.run(id)
            events = self._desk.events(run)
        except RunError as error:
            closed = gr.Row(visible=False), None, "", "", "", "", "", "", *_buttons("none"), gr.Timer(active=False)
            return charts.sentence(str(error)), *closed, {"id": id}
        steps = list(run.previews())
        done, widths = (events[-1]["done"], events[-1]["widths"]) if events else (0, None)
        now = {"id": id, "state": job.state, "drawn": done, "preview": steps[-1:], "widths": widths}
        changed = (now["id"], now["state"]) != (seen.get("id"), seen.get("state"))
        is_drawn = not changed and done - seen.get("drawn", 0) < max(1, job.total / 100)
        if is_drawn:
            now["drawn"] = seen["drawn"]
        files = [name for name in FILES if (run.path / name).is_file()]
        return (
            live_run.followed(job, run, events),
            gr.Row(visible=True) if changed else gr.skip(),
            gr.skip() if is_drawn else self._figures.of((id, job.state), lambda: _figure(run, events)),
            gr.skip() if not changed and steps[-1:] == seen.get("preview") else time_lapse.time_lapse(id, steps),
            gr.skip() if not changed and widths == seen.get("widths") else self._channels(run, widths),
            charts.result(run.report() if job.state == "done" else None) if changed else gr.skip(),
            charts.downloads(id, files) if changed else gr.skip(),
            gr.skip() if is_drawn else watching.explained(events),
            charts.sentence(text.STATES[job.state]) if changed else gr.skip(),
            *(_buttons(job.state) if changed else [gr.skip()] * len(WISHES)),
            gr.Timer(active=live_run.is_moving(job)) if changed else gr.skip(),
            now,
        )

    def move(self, id: str | None, seen: Seen) -> tuple[Any, ...]:
        """Show what moves while a run is in one state, `MOVING` of what `look` gives: a class asks for it all the time.

        Every component costs Gradio time, also one that stays as it is.
        """
        shown = self.look(id, seen)
        now = shown[-1]
        if (now["id"], now.get("state")) != (seen.get("id"), seen.get("state")):  # the page hears of it and looks
            return (gr.skip(),) * len(MOVING)
        return tuple(shown[place] for place in MOVING)

    def _channels(self, run: Run, widths: dict[str, int] | None) -> str:
        return channel_map.channel_map(self._desk.run_channels(run, widths) if widths else ())


def _figure(run: Run, events: Sequence[charts.Event]) -> Any:
    return charts.figure(watching.thinned(events), run.settings.get("ratio"), watching.planned(run, events))


def _buttons(state: str) -> list[gr.Button]:
    """Make what can be wished a function of the state, never of the last click."""
    return [gr.Button(interactive=state in TRANSITIONS[wish]) for wish in WISHES]
