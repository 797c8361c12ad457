"""The Train tab: start a run, watch it, stop it, take its result home."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from coronet.errors import CoronetError, RunError
from coronet.jobs import TRANSITIONS
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from coronet.settings import fields_of
from coronet.studio import channel_map, charts, estimate, live_run, run_words, text, time_lapse, watching
from coronet.studio.address import writer
from coronet.studio.choosing import Choosing
from coronet.studio.data_box import DataChoice, build_data_choice
from coronet.studio.desk import Desk
from coronet.studio.edge import edge
from coronet.studio.form import component_for, settings_form, values_of
from coronet.studio.live import live_region
from coronet.studio.routes import FILES
from coronet.studio.run_shelf import Wish
from coronet.studio.squeeze import Squeeze
from coronet.studio.starting import softening
from coronet.studio.visitors import visitor_of

_TICK_SECONDS = 2.0
_LOOK_SECONDS = 20.0  # a page whose own questions get no answer looks nevertheless
_ASKED_ABOVE = ("model", "data", "ratio", "preset", "minutes", "method", "vgg")  # not in the advanced fold

_TAB = "train"
_WISHES: dict[Wish, str] = {
    "pause": text.PAUSE,
    "resume": text.RESUME,
    "keep": run_words.KEEP,
    "cancel": text.CANCEL,
    "discard": run_words.DISCARD,
}
_REALLY = f"(run) => run && confirm({json.dumps(run_words.REALLY_DISCARD)}) ? run : ''"

Seen = dict[str, Any]


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk, advanced: Sequence[str]) -> None:
        self._desk = desk
        self._advanced = advanced
        self._estimates = estimate.Estimates()

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
            gr.skip() if is_drawn else self._figure(run, events),
            gr.skip() if not changed and steps[-1:] == seen.get("preview") else time_lapse.time_lapse(id, steps),
            gr.skip() if not changed and widths == seen.get("widths") else self._channels(run, widths),
            charts.result(run.report() if job.state == "done" else None) if changed else gr.skip(),
            charts.downloads(id, files) if changed else gr.skip(),
            gr.skip() if is_drawn else watching.explained(events),
            charts.sentence(text.STATES[job.state]) if changed else gr.skip(),
            *(_buttons(job.state) if changed else [gr.skip()] * len(_WISHES)),
            gr.Timer(active=live_run.is_moving(job)) if changed else gr.skip(),
            now,
        )

    def _figure(self, run: Run, events: Sequence[charts.Event]) -> Any:
        return charts.figure(watching.thinned(events), run.settings.get("ratio"), watching.planned(run, events))

    def _channels(self, run: Run, widths: dict[str, int] | None) -> str:
        return channel_map.channel_map(self._desk.run_channels(run, widths) if widths else ())


@dataclass(frozen=True, slots=True)
class Watch:
    """The components of this tab that the page fills when it opens."""

    data: gr.Dropdown
    data_choice: DataChoice
    run: gr.Dropdown


def build_train(desk: Desk, choosing: Choosing, squeeze: Squeeze, saved_run: gr.BrowserState) -> Watch:
    """Build this tab and its events inside the current layout; `saved_run` keeps the run that is looked at."""
    basic = {field.name: field for field in fields_of(CompressSettings)}
    gr.Markdown(f"## {text.TRAIN}")
    with gr.Row():
        folders = ", ".join(map(str, desk.data))
        info = text.DATA_INFO.format(folders=folders) if folders else text.NO_DATA
        choice = build_data_choice(text.DATA, info)
        data = choice.data
        method = component_for(basic["method"])  # by their titles once torch is there, which methods need
        preset = component_for(basic["preset"])
        minutes = component_for(basic["minutes"])
    with gr.Accordion(text.ADVANCED, open=False):
        advanced = settings_form(CompressSettings, leave_out=_ASKED_ABOVE)
    outlook = live_region(run_words.ESTIMATED, "estimate")
    start = gr.Button(text.START, variant="primary", elem_id="start")
    gr.HTML(charts.sentence(text.SAFE_TO_CLOSE), label=text.SAFE_TO_CLOSE)
    handlers = Handlers(desk, [*advanced, "method"])
    run = _build_watch(handlers, saved_run)
    choices = [choosing.model, squeeze.ratio, data, preset, minutes, *advanced.values(), method]
    _connect_estimate(handlers, [choosing.opened, *choices], outlook)
    start.click(
        edge(handlers.start),
        choices,
        run,
        concurrency_id="start",
        api_name="start_run",
        api_visibility="undocumented",
    )
    quiet: dict[str, Any] = {"api_visibility": "undocumented", "show_progress": "hidden"}
    choosing.model.change(
        edge(handlers.suit), [choosing.model, data], [data, advanced["soften_judges"]], api_name="suit", **quiet
    )
    choosing.model.change(edge(handlers.methods), None, method, concurrency_id="torch", api_name="methods", **quiet)
    return Watch(data, choice, run)


def _connect_estimate(handlers: Handlers, choices: Sequence[Any], outlook: gr.HTML) -> None:
    timer = gr.Timer(_TICK_SECONDS, active=False)
    gr.on(
        [*(choice.change for choice in choices), timer.tick],
        edge(handlers.estimate),
        list(choices),
        [outlook, timer],
        queue=False,
        trigger_mode="always_last",
        show_progress="hidden",
        api_name="estimate",
        api_visibility="undocumented",
    )


def _build_watch(handlers: Handlers, saved_run: gr.BrowserState) -> gr.Dropdown:
    gr.Markdown(f"## {text.WATCH}")
    seen, timer = gr.State({}), gr.Timer(_LOOK_SECONDS, active=False)
    run = gr.Dropdown([], label=text.RUN, allow_custom_value=True, elem_id="run")
    buttons = _build_wishes()
    state = gr.HTML(charts.sentence(text.NO_RUN), label=text.PROGRESS, js_on_load=live_run.SCRIPT, elem_id="progress")
    # What is shown changes with every step; a screen reader hears of a new state only.
    spoken = live_region(text.STATE, "spoken-state", "spoken")
    with gr.Row(visible=False) as panel:
        with gr.Column(min_width=320):
            preview = gr.HTML(label=text.PREVIEW, js_on_load=time_lapse.SCRIPT, elem_id="run-preview")
            result = gr.HTML(label=text.RESULT, elem_id="result", elem_classes="numbers-panel")
            downloads = gr.HTML(label=text.DOWNLOADS, elem_id="downloads")
        with gr.Column(min_width=320):
            plot = gr.Plot(label=text.PLOT, elem_id="plot")
            losses = gr.HTML(label=run_words.LOSS_LIST, elem_id="loss-words")
            channels = gr.HTML(
                label=text.MAP, js_on_load=channel_map.SCRIPT, elem_id="run-channels", elem_classes="numbers-panel"
            )
    shown = [state, panel, plot, preview, channels, result, downloads, losses, spoken, *buttons.values(), timer, seen]
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    hidden = {**quiet, "api_visibility": "undocumented"}
    look = edge(handlers.look)
    news = [timer.tick, state.select]
    gr.on(news, look, [run, seen], shown, queue=False, trigger_mode="once", api_name="tick", **hidden)
    run.change(look, [run, seen], shown, queue=False, api_name="look", **hidden)
    run.change(None, run, saved_run, js=writer("run"), api_name="to_address", **hidden)
    _connect_wishes(handlers, buttons, run, seen, shown)
    return run


def _connect_wishes(
    handlers: Handlers, buttons: dict[Wish, gr.Button], run: gr.Dropdown, seen: gr.State, shown: list[Any]
) -> None:
    answer = gr.Textbox(label=text.STATE, visible=False)  # the page looks at the run instead
    quiet: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "undocumented"}
    wishes: dict[Wish, Any] = {
        "pause": handlers.pause,
        "resume": handlers.resume,
        "keep": handlers.keep,
        "cancel": handlers.cancel,
    }
    for name, wish in wishes.items():
        asked = buttons[name].click(edge(wish), run, answer, api_name=f"{name}_run", **quiet)
        asked.then(edge(handlers.look), [run, seen], shown, api_name=f"after_{name}", **quiet)
    # Through the queue: only there does the page hear that it is under way.
    buttons["discard"].click(
        edge(handlers.discard),
        run,
        [answer, run],
        js=_REALLY,
        api_name="discard_run",
        show_progress="hidden",
        api_visibility="undocumented",
    )


def _build_wishes() -> dict[Wish, gr.Button]:
    with gr.Row():
        return {
            name: gr.Button(label, interactive=False, min_width=90, size="md", elem_id=name)
            for name, label in _WISHES.items()
        }


def _buttons(state: str) -> list[gr.Button]:
    """Make what can be wished a function of the state, never of the last click."""
    return [gr.Button(interactive=state in TRANSITIONS[wish]) for wish in _WISHES]
