"""The Compare tab: what the trained slim nets of a model are worth, and what each makes of the same picture."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from coronet.studio import charts, text
from coronet.studio.address import writer
from coronet.studio.choosing import Choosing
from coronet.studio.compare import comparison, differences
from coronet.studio.compare import text as text_scores
from coronet.studio.compare.distances import Distances
from coronet.studio.compare.handlers import Handlers
from coronet.studio.compare.literature import build_literature
from coronet.studio.compare.measuring import Handlers as MeasuringHandlers
from coronet.studio.compare.measuring import Measuring, build_measuring, connect_measuring
from coronet.studio.desk import Desk
from coronet.studio.edge import edge, on_any
from coronet.studio.latest import NOW
from coronet.studio.outcomes import UNITS

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "undocumented"}
_TORCH: dict[str, Any] = {"concurrency_id": "torch", "trigger_mode": "always_last"}


@dataclass(frozen=True, slots=True)
class Parts:
    """The components of this tab."""

    judge: gr.Radio
    score: gr.Textbox
    trade_off: gr.Plot
    notes: gr.HTML
    measuring: Measuring
    limit: gr.Number
    unit: gr.Dropdown
    best: gr.HTML
    measure: gr.Button
    measured: gr.HTML
    table: gr.HTML
    nets: gr.CheckboxGroup
    trained: gr.HTML
    net: gr.Radio
    closer: gr.HTML
    find_worst: gr.Button
    worst: gr.HTML
    task: gr.Dropdown


def build_compare(desk: Desk, distances: Distances, choosing: Choosing, tab: gr.Tab, compared: gr.State) -> None:
    """Build this tab and its events inside the current layout; its nets are listed anew when it is opened.

    compared: what the address asks for when the page is opened.
    """
    gr.Markdown(f"## {text.TRADE_OFF}")
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            drawn = _build_drawn(distances.name)
        with gr.Column(scale=2, min_width=300):
            limits = _build_limits()
            table = gr.HTML(
                label=text.TRADE_OFF,
                js_on_load=comparison.TABLE_SCRIPT,
                elem_id="outcomes",
                elem_classes="numbers-panel",
            )
    gr.Markdown(f"## {text.TRAINED}")
    nets = gr.CheckboxGroup([], label=text.NETS, elem_id="nets")
    trained = gr.HTML(charts.sentence(text.NO_OUTCOME), label=text.TRAINED_PICTURES, elem_id="trained")
    gr.Markdown(f"## {text.CLOSER}")
    net = gr.Radio([], label=text.NET, elem_id="net")
    closer = gr.HTML(label=text.CLOSER, js_on_load=differences.SCRIPT, elem_id="closer")
    find_worst = gr.Button(text.FIND_WORST, elem_id="find-worst")
    worst = gr.HTML(label=text.FIND_WORST, elem_id="worst")
    closely = (net, closer, find_worst, worst)
    parts = Parts(*drawn, *limits, table, nets, trained, *closely, build_literature())
    handlers = Handlers(desk, distances)
    connect_measuring(MeasuringHandlers(desk, distances), parts.measuring, choosing, parts.score)
    _connect_nets(handlers, parts, choosing, tab, compared)
    _connect_best(handlers, parts, choosing)
    _connect_trained(handlers, parts, choosing)
    _connect_closer(handlers, parts, choosing)


def _build_drawn(name: str) -> tuple[gr.Radio, gr.Textbox, gr.Plot, gr.HTML, Measuring]:
    judge = gr.Radio([], label=text_scores.JUDGE, info=text_scores.JUDGE_INFO, visible=False, elem_id="judge")
    # What the visitor chose, "" for the usual score. Gradio checks a radio against the list of its session, which a
    # restart of the server empties while this page goes on asking.
    score = gr.Textbox(label=text_scores.JUDGE, visible="hidden", elem_id="score")
    trade_off = gr.Plot(label=text.TRADE_OFF, visible=False, elem_id="trade-off")
    notes = gr.HTML(label=text_scores.JUDGE, elem_id="score-notes")
    return judge, score, trade_off, notes, build_measuring(name)


def _build_limits() -> tuple[gr.Number, gr.Dropdown, gr.HTML, gr.Button, gr.HTML]:
    with gr.Row():
        limit = gr.Number(0, label=text.LIMIT, info=text.LIMIT_INFO, minimum=0, min_width=120, elem_id="limit")
        unit = gr.Dropdown(
            list(UNITS), value="MMACs", label=text.UNIT, info=text.UNIT_INFO, min_width=100, elem_id="unit"
        )
    best = gr.HTML(label=text.LIMIT, elem_id="best")
    measure = gr.Button(text.MEASURE_MS, size="sm", elem_id="measure-ms")
    measured = gr.HTML(label=text.MEASURE_MS, elem_id="measured-ms")
    return limit, unit, best, measure, measured


def _connect_nets(handlers: Handlers, parts: Parts, choosing: Choosing, tab: gr.Tab, compared: gr.State) -> None:
    listed = gr.State([])
    on_any(
        [choosing.model.change, tab.select],
        edge(handlers.nets),
        [choosing.model, parts.net, parts.nets, listed, compared],
        [parts.nets, parts.net, parts.task, parts.limit, parts.unit, parts.score, listed, compared],
        api_name="nets",
        **_QUIET,
    )
    written: dict[str, Any] = {"nets": parts.nets, "net": parts.net, "limit": parts.limit, "unit": parts.unit}
    for key, component in written.items():
        component.input(None, component, None, js=writer(key), api_name=f"write_{key}", **_QUIET)
    parts.judge.input(None, parts.judge, parts.score, js="(score) => score", api_name="choose_score", **_QUIET)
    parts.score.change(None, parts.score, None, js=writer("score"), api_name="write_score", **_QUIET)


def _connect_best(handlers: Handlers, parts: Parts, choosing: Choosing) -> None:
    judged: list[Any] = [choosing.model, parts.score, parts.limit, parts.unit]
    parts.measure.click(
        edge(handlers.measure_times),
        choosing.model,
        parts.measured,
        concurrency_id="torch",
        api_name="measure_times",
        api_visibility="undocumented",
    )
    rated: list[Any] = [*(choice.change for choice in judged), parts.measured.change, parts.measuring.state.change]
    offered = gr.State([])
    on_any(
        [*rated, choosing.opened.change],
        edge(handlers.judged),
        [choosing.opened, *judged, offered],
        [parts.judge, parts.trade_off, parts.notes, parts.table, offered],
        api_name="judged",
        **_QUIET,
    )
    on_any(rated, edge(handlers.best), judged, parts.best, api_name="best", **_QUIET)


def _connect_trained(handlers: Handlers, parts: Parts, choosing: Choosing) -> None:
    source, at = choosing.source, choosing.asked_at
    choices: list[Any] = [choosing.model, parts.nets, source, choosing.opened]
    chosen = gr.on([choice.change for choice in choices], None, None, at, js=NOW, api_name="choose_compared", **_QUIET)
    asked = chosen.then(
        edge(handlers.ask), at, None, queue=False, trigger_mode="multiple", api_name="ask_compare", **_QUIET
    )
    asked.then(
        edge(handlers.trained),
        [choosing.model, source, parts.nets, choosing.opened, at],
        parts.trained,
        api_name="trained",
        **_QUIET,
        **_TORCH,
    )


def _connect_closer(handlers: Handlers, parts: Parts, choosing: Choosing) -> None:
    model, source = choosing.model, choosing.source
    picked = parts.table.select(edge(handlers.pick_net), None, parts.net, queue=False, api_name="pick_net", **_QUIET)
    picked.then(None, parts.net, None, js=writer("net"), api_name="write_picked_net", **_QUIET)
    on_any(
        [parts.net.change, source.change, choosing.opened.change],
        edge(handlers.closer),
        [choosing.opened, model, source, parts.net],
        parts.closer,
        api_name="closer",
        **_QUIET,
        **_TORCH,
    )
    on_any(
        [parts.find_worst.click],
        edge(handlers.worst),
        [model, parts.net],
        parts.worst,
        concurrency_id="torch",
        api_name="worst",
        api_visibility="undocumented",
    )
    parts.net.change(None, None, parts.worst, js="() => ''", api_name="clear_worst", **_QUIET)
