"""The Train tab: start a run, watch it, stop it, take its result home."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from coronet.recipes.settings import CompressSettings
from coronet.settings import fields_of
from coronet.studio import channel_map, charts, run_words, text
from coronet.studio.address import writer
from coronet.studio.choosing import Choosing
from coronet.studio.desk import Desk
from coronet.studio.edge import edge, on_any
from coronet.studio.live import live_region
from coronet.studio.model.data_box import DataChoice, build_data_choice
from coronet.studio.shelves.runs import Wish
from coronet.studio.squeeze import Squeeze
from coronet.studio.train import live_run, time_lapse
from coronet.studio.train.form import component_for, settings_form
from coronet.studio.train.handlers import MOVING, WISHES, Handlers

_TICK_SECONDS = 2.0
_LOOK_SECONDS = 20.0  # a page whose own questions get no answer looks nevertheless
_ASKED_ABOVE = ("model", "data", "ratio", "preset", "minutes", "method", "vgg")  # not in the advanced fold

_REALLY = f"(run) => run && confirm({json.dumps(run_words.REALLY_DISCARD)}) ? run : ''"


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
    run, state = _build_watch(handlers, saved_run)
    choices = [choosing.model, squeeze.ratio, data, preset, minutes, *advanced.values(), method]
    _connect_estimate(handlers, [choosing.opened, *choices], outlook, state)
    start.click(
        edge(handlers.start),
        choices,
        run,
        concurrency_id="start",
        api_name="start_run",
        api_visibility="undocumented",
    )
    quiet: dict[str, Any] = {"api_visibility": "undocumented", "show_progress": "hidden"}
    changed, suited = [choosing.model.change], [data, advanced["soften_judges"]]
    on_any(changed, edge(handlers.suit), [choosing.model, data], suited, api_name="suit", **quiet)
    on_any(changed, edge(handlers.methods), None, method, concurrency_id="torch", api_name="methods", **quiet)
    return Watch(data, choice, run)


def _connect_estimate(handlers: Handlers, choices: Sequence[Any], outlook: gr.HTML, state: gr.HTML) -> None:
    """Let each choice, and the end of the run that is watched, ask how long a run would take."""
    timer = gr.Timer(_TICK_SECONDS, active=False)
    on_any(
        [*(choice.change for choice in choices), timer.tick, state.change],
        edge(handlers.estimate),
        list(choices),
        [outlook, timer],
        queue=False,
        show_progress="hidden",
        api_name="estimate",
        api_visibility="undocumented",
    )


def _build_watch(handlers: Handlers, saved_run: gr.BrowserState) -> tuple[gr.Dropdown, gr.HTML]:
    """Build what shows a run; give the list of runs, and the words that change with the run's state."""
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
    look, moving = edge(handlers.look), [shown[place] for place in MOVING]
    once: dict[str, Any] = {"queue": False, "trigger_mode": "once", **hidden}
    gr.on([timer.tick, state.select], look, [run, seen], shown, api_name="tick", **once)
    state.input(edge(handlers.move), [run, seen], moving, api_name="move", **once)
    on_any([run.change], look, [run, seen], shown, queue=False, api_name="look", **hidden)
    run.change(None, run, saved_run, js=writer("run"), api_name="to_address", **hidden)
    _connect_wishes(handlers, buttons, run, seen, shown)
    return run, spoken


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
        trigger_mode="multiple",  # whoever thought again is asked anew at once, not only after the server's answer
        show_progress="hidden",
        api_visibility="undocumented",
    )


def _build_wishes() -> dict[Wish, gr.Button]:
    with gr.Row():
        return {
            name: gr.Button(label, interactive=False, min_width=90, size="md", elem_id=name)
            for name, label in WISHES.items()
        }
