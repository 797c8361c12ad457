"""The Train tab: start a run, watch it, stop it, take its result home."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from coronet.errors import RunError
from coronet.jobs import TRANSITIONS
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from coronet.settings import fields_of
from coronet.studio import channel_map, charts, text, time_lapse
from coronet.studio.address import writer
from coronet.studio.choosing import Choosing
from coronet.studio.data_box import DataChoice, build_data_choice
from coronet.studio.desk import Desk
from coronet.studio.edge import edge
from coronet.studio.follower import Follower
from coronet.studio.form import component_for, settings_form, values_of
from coronet.studio.routes import FILES
from coronet.studio.squeeze import Squeeze
from coronet.studio.visitors import visitor_of

_TICK_SECONDS = 2.0
_MOST_POINTS = 300
_ASKED_ABOVE = ("model", "data", "ratio", "preset", "minutes", "method", "vgg")  # not in the advanced fold

Seen = dict[str, Any]


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk, advanced: Sequence[str]) -> None:
        self._desk = desk
        self._advanced = advanced
        self._follower = Follower()

    def suit(self, model: str | None, data: str | None, request: gr.Request) -> str | None:
        """Choose the data that belong to a demo model, where no folder was chosen."""
        return self._desk.data_for(model, data, visitor_of(request))

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
        names = ("ratio", "preset", "minutes", *self._advanced)
        choices = values_of(CompressSettings, names, (ratio, preset, minutes, *advanced))
        visitor = visitor_of(request)
        id = self._desk.start(model, data, choices, visitor)
        gr.Info(text.STARTED.format(id=id))
        return gr.Dropdown(self._desk.run_names(visitor), value=id)

    def pause(self, id: str | None) -> str:
        """Ask a run to save and stop for now; gives its state."""
        return self._desk.table.request_pause(self._desk.run(id or "")[0].id)

    def resume(self, id: str | None) -> str:
        """Queue a run that stopped before its end; gives its state."""
        return self._desk.table.resume(self._desk.run(id or "")[0].id)

    def cancel(self, id: str | None) -> str:
        """Ask a run to save and stop for good; gives its state."""
        return self._desk.table.request_cancel(self._desk.run(id or "")[0].id)

    def look(self, id: str | None, seen: Seen) -> tuple[Any, ...]:
        """Show a run as it is now; what the page shows already is not sent again."""
        try:
            if not id:
                raise RunError(text.NO_RUN)
            job, run = self._desk.run(id)
            events = self._follower.events(run)
        except RunError as error:
            closed = gr.Row(visible=False), None, "", "", "", "", *_buttons("none"), gr.Timer(active=False)
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
            charts.progress(job, events),
            gr.Row(visible=True) if changed else gr.skip(),
            gr.skip() if is_drawn else charts.figure(_thin(events), run.settings.get("ratio")),
            gr.skip() if not changed and steps[-1:] == seen.get("preview") else time_lapse.time_lapse(id, steps),
            gr.skip() if not changed and widths == seen.get("widths") else self._channels(run, widths),
            charts.result(run.report() if job.state == "done" else None) if changed else gr.skip(),
            charts.downloads(id, files) if changed else gr.skip(),
            *(_buttons(job.state) if changed else [gr.skip()] * 3),
            gr.Timer(active=job.active or job.state == "queued") if changed else gr.skip(),
            now,
        )

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
    start = gr.Button(text.START, variant="primary", elem_id="start")
    gr.HTML(charts.sentence(text.SAFE_TO_CLOSE), label=text.SAFE_TO_CLOSE)
    handlers = Handlers(desk, [*advanced, "method"])
    run = _build_watch(handlers, saved_run)
    start.click(
        edge(handlers.start),
        [choosing.model, squeeze.ratio, data, preset, minutes, *advanced.values(), method],
        run,
        concurrency_id="start",
        api_name="start",
    )
    quiet: dict[str, Any] = {"api_visibility": "undocumented", "show_progress": "hidden"}
    choosing.model.change(edge(handlers.suit), [choosing.model, data], data, api_name="suit", **quiet)
    choosing.model.change(edge(handlers.methods), None, method, concurrency_id="torch", api_name="methods", **quiet)
    return Watch(data, choice, run)


def _build_watch(handlers: Handlers, saved_run: gr.BrowserState) -> gr.Dropdown:
    gr.Markdown(f"## {text.WATCH}")
    seen, timer = gr.State({}), gr.Timer(_TICK_SECONDS, active=False)
    run = gr.Dropdown([], label=text.RUN, allow_custom_value=True, elem_id="run")
    with gr.Row():
        buttons = [
            gr.Button(label, interactive=False, min_width=90, size="md", elem_id=name)
            for name, label in (("pause", text.PAUSE), ("resume", text.RESUME), ("cancel", text.CANCEL))
        ]
    state = gr.HTML(charts.sentence(text.NO_RUN), label=text.PROGRESS, elem_id="progress")
    with gr.Row(visible=False) as panel:
        with gr.Column(min_width=320):
            preview = gr.HTML(label=text.PREVIEW, js_on_load=time_lapse.SCRIPT, elem_id="run-preview")
            result = gr.HTML(label=text.RESULT, elem_id="result", elem_classes="numbers-panel")
            downloads = gr.HTML(label=text.DOWNLOADS, elem_id="downloads")
        with gr.Column(min_width=320):
            plot = gr.Plot(label=text.PLOT, elem_id="plot")
            channels = gr.HTML(
                label=text.MAP, js_on_load=channel_map.SCRIPT, elem_id="run-channels", elem_classes="numbers-panel"
            )
    shown = [state, panel, plot, preview, channels, result, downloads, *buttons, timer, seen]
    answer = gr.Textbox(label=text.STATE, visible=False)  # what the API gives; the page looks at the run instead
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    hidden = {**quiet, "api_visibility": "undocumented"}
    look = edge(handlers.look)
    timer.tick(look, [run, seen], shown, queue=False, api_name="tick", **hidden)
    run.change(look, [run, seen], shown, queue=False, api_name="look", **quiet)
    run.change(None, run, saved_run, js=writer("run"), api_name="to_address", **hidden)
    for button, wish in zip(buttons, (handlers.pause, handlers.resume, handlers.cancel), strict=True):
        name = wish.__name__
        asked = button.click(edge(wish), run, answer, queue=False, api_name=name, **quiet)
        asked.then(
            look, [run, seen], shown, queue=False, api_name=f"after_{name}", api_visibility="undocumented", **quiet
        )
    return run


def _buttons(state: str) -> list[gr.Button]:
    """Make pause, resume and cancel a function of the state, never of the last click."""
    possible = [event for event in ("pause", "resume", "cancel") if state in TRANSITIONS[event]]
    return [gr.Button(interactive=event in possible) for event in ("pause", "resume", "cancel")]


def _thin(events: Sequence[charts.Event]) -> Sequence[charts.Event]:
    """Keep at most so many points as a plot of this width can show, the last one always."""
    stride = -(-len(events) // _MOST_POINTS) or 1
    return events[::-1][::stride][::-1]
