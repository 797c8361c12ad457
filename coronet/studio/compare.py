"""The Compare tab: what the trained slim nets of a model are worth, and what each makes of the same picture."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from coronet.errors import DataError
from coronet.published import tasks
from coronet.studio import charts, comparison, differences, text
from coronet.studio.address import writer
from coronet.studio.choosing import Choosing
from coronet.studio.desk import Desk
from coronet.studio.differences import Compared
from coronet.studio.edge import edge
from coronet.studio.latest import Latest
from coronet.studio.literature import build_literature
from coronet.studio.outcomes import UNITS, Outcome, Unit, best_within
from coronet.studio.stopwatch import Stopwatch
from coronet.studio.visitors import visitor_of

_TAB = "compare"
_MOST_TRAINED = 8  # pictures of trained nets
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "undocumented"}
_PROGRESS = gr.Progress()
_TORCH: dict[str, Any] = {"concurrency_id": "torch", "trigger_mode": "always_last"}


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._latest = Latest()
        self._stopwatch = Stopwatch()

    def ask(self, opened: str, request: gr.Request) -> int:
        """Note that this visitor's choice has changed; while another tab is open, nobody waits for an answer."""
        return self._latest.ask(str(request.session_hash), is_seen=opened == _TAB)

    def nets(
        self,
        model: str | None,
        net: str | None,
        shown: Sequence[str],
        listed: Sequence[str],
        wanted: dict[str, Any],
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """List the trained nets of a model, and choose the published points of the task that its name speaks of.

        shown, listed: the nets that were chosen of those that there were; new ones are chosen. What is listed already
        is left alone: someone may be choosing from it right now. wanted: what the address asks for instead; it is asked
        once.
        """
        outcomes = self._desk.outcomes(model, visitor_of(request))
        choices = [(outcome.label, outcome.key) for outcome in outcomes]
        keys = [outcome.key for outcome in outcomes]
        if keys and keys == listed and not wanted:
            return (gr.skip(),) * 7
        kept = wanted.get("nets", [key for key in keys if key in shown or key not in listed])
        net = wanted.get("net", net)
        chosen = net if net in keys else next(iter(keys), None)
        task = next((task for task in tasks() if task in (model or "").lower()), text.NO_TASK)
        return (
            gr.CheckboxGroup(choices, value=[key for key in kept if key in keys][:_MOST_TRAINED]),
            gr.Radio(choices, value=chosen),
            task,
            wanted.get("limit", gr.skip()),
            wanted.get("unit", gr.skip()),
            keys,
            {},
        )

    def measure_times(self, model: str | None, request: gr.Request, progress: gr.Progress = _PROGRESS) -> str:
        """Time the trained nets of a model on this server, in turn; limits in ms hold for it then."""
        outcomes = self._desk.outcomes(model, visitor_of(request))
        if not outcomes:
            return charts.sentence(text.NO_OUTCOME)
        for share in self._stopwatch.measure(outcomes):
            progress(share, desc=text.MEASURING_MS)
        return charts.sentence(text.MEASURED_MS.format(time=time.strftime("%H:%M:%S")))

    def trained(
        self,
        model: str | None,
        image: Image.Image | None,
        name: str | None,
        nets: Sequence[str] | None,
        limit: float | None,
        unit: Unit,
        ticket: int | None,
        request: gr.Request,
    ) -> tuple[Any, Any, Any]:
        """Let the trained slim nets of a model translate a picture; their trade-off as a figure and as a table.

        name: of the picture; one of another world than a demo model's is about to be replaced, and not worth a wait.
        nets: those whose pictures are wanted, all where it is None. limit: the best net below it is marked.
        """
        is_stale = self._latest.is_stale(str(request.session_hash), ticket)
        if is_stale or (name and self._desk.sample_for(model, name)):
            return gr.skip(), gr.skip(), gr.skip()
        outcomes = self._timed(model, request)
        if not outcomes or image is None:
            return charts.sentence(text.NO_OUTCOME), gr.Plot(visible=False), ""
        wanted = [outcome for outcome in outcomes if nets is None or outcome.key in nets]
        shown = [(self._desk.translate(outcome, image), outcome.label) for outcome in wanted[:_MOST_TRAINED]]
        best = best_within(outcomes, limit, unit)
        drawn = gr.Plot(comparison.figure(outcomes, best), visible=True)
        return comparison.pictures(shown), drawn, comparison.table(outcomes, best)

    def best(self, model: str | None, limit: float | None, unit: Unit, request: gr.Request) -> str:
        """Name the best trained net of a model below a limit of cost."""
        outcomes = self._timed(model, request)
        if not limit or not outcomes:
            return ""
        if not any(UNITS[unit][0] in outcome.report["slim"] for outcome in outcomes):
            return charts.sentence(text.NO_MS)
        best = best_within(outcomes, limit, unit)
        return charts.sentence(
            (text.BEST_IS if best else text.NONE_UNDER).format(net=best.label if best else "", limit=limit, unit=unit)
        )

    def pick_net(self, event: gr.SelectData) -> str:
        """Choose the net whose row or point was pressed."""
        return str(event.value)

    def closer(
        self, opened: str, model: str | None, image: Image.Image | None, net: str | None, request: gr.Request
    ) -> Any:
        """Lay the dense net's picture and a slim net's over each other, and show where they differ."""
        if opened != _TAB:  # asked again when it is opened
            return gr.skip()
        found = self._desk.outcome(model, net, visitor_of(request))
        if found is None or image is None:
            return ""
        dense, slim = self._desk.translate_dense(model, image), self._desk.translate(found, image)
        return differences.closer(dense, slim, found.label)

    def worst(self, model: str | None, net: str | None, request: gr.Request) -> str:
        """Show the test pictures on which a slim net is furthest from the dense net."""
        visitor = visitor_of(request)
        found = self._desk.outcome(model, net, visitor)
        if found is None:
            raise DataError(text.NO_NET)
        compared = [
            Compared(name, picture, self._desk.translate_dense(model, picture), self._desk.translate(found, picture))
            for name, picture in self._desk.test_pictures(model, visitor).items()
        ]
        return differences.worst(compared)

    def _timed(self, model: str | None, request: gr.Request) -> list[Outcome]:
        return self._stopwatch.with_times(self._desk.outcomes(model, visitor_of(request)))


@dataclass(frozen=True, slots=True)
class Parts:
    """The components of this tab."""

    trade_off: gr.Plot
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


def build_compare(desk: Desk, choosing: Choosing, tab: gr.Tab, compared: gr.State) -> None:
    """Build this tab and its events inside the current layout; its nets are listed anew when it is opened.

    compared: what the address asks for when the page is opened.
    """
    gr.Markdown(f"## {text.TRADE_OFF}")
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            trade_off = gr.Plot(label=text.TRADE_OFF, visible=False, elem_id="trade-off")
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
    parts = Parts(trade_off, *limits, table, nets, trained, *closely, build_literature())
    handlers = Handlers(desk)
    _connect_nets(handlers, parts, choosing, tab, compared)
    _connect_best(handlers, parts, choosing)
    _connect_closer(handlers, parts, choosing)


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
    gr.on(
        [choosing.model.change, tab.select],
        edge(handlers.nets),
        [choosing.model, parts.net, parts.nets, listed, compared],
        [parts.nets, parts.net, parts.task, parts.limit, parts.unit, listed, compared],
        api_name="nets",
        **_QUIET,
    )
    written: dict[str, Any] = {"nets": parts.nets, "net": parts.net, "limit": parts.limit, "unit": parts.unit}
    for key, component in written.items():
        component.input(None, component, None, js=writer(key), api_name=f"write_{key}", **_QUIET)


def _connect_best(handlers: Handlers, parts: Parts, choosing: Choosing) -> None:
    source, ticket = choosing.source, gr.State(None)
    limits: list[Any] = [choosing.model, parts.limit, parts.unit]
    parts.measure.click(
        edge(handlers.measure_times),
        choosing.model,
        parts.measured,
        concurrency_id="torch",
        api_name="measure_times",
        api_visibility="undocumented",
    )
    choices: list[Any] = [*limits, parts.nets, source, choosing.opened]
    asked = gr.on(
        [*(choice.change for choice in choices), parts.measured.change],
        edge(handlers.ask),
        choosing.opened,
        ticket,
        queue=False,
        trigger_mode="multiple",
        api_name="ask_compare",
        **_QUIET,
    )
    asked.then(
        edge(handlers.trained),
        [choosing.model, source, choosing.picture, parts.nets, parts.limit, parts.unit, ticket],
        [parts.trained, parts.trade_off, parts.table],
        api_name="trained",
        **_QUIET,
        **_TORCH,
    )
    gr.on(
        [*(limit.change for limit in limits), parts.measured.change],
        edge(handlers.best),
        limits,
        parts.best,
        api_name="best",
        **_QUIET,
    )


def _connect_closer(handlers: Handlers, parts: Parts, choosing: Choosing) -> None:
    model, source = choosing.model, choosing.source
    picked = parts.table.select(edge(handlers.pick_net), None, parts.net, queue=False, api_name="pick_net", **_QUIET)
    picked.then(None, parts.net, None, js=writer("net"), api_name="write_picked_net", **_QUIET)
    gr.on(
        [parts.net.change, source.change, choosing.opened.change],
        edge(handlers.closer),
        [choosing.opened, model, source, parts.net],
        parts.closer,
        api_name="closer",
        **_QUIET,
        **_TORCH,
    )
    worst = edge(handlers.worst)
    parts.find_worst.click(
        worst,
        [model, parts.net],
        parts.worst,
        concurrency_id="torch",
        api_name="worst",
        api_visibility="undocumented",
    )
    parts.net.change(None, None, parts.worst, js="() => ''", api_name="clear_worst", **_QUIET)
