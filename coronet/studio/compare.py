"""The Compare tab: what the trained slim nets of a model are worth, and what each makes of the same picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
from PIL import Image

from coronet.errors import DataError
from coronet.published import tasks
from coronet.studio import charts, comparison, differences, text
from coronet.studio.choosing import Choosing
from coronet.studio.desk import Desk
from coronet.studio.differences import Compared
from coronet.studio.edge import edge
from coronet.studio.outcomes import Measure, Outcome, best_under, score_of
from coronet.studio.visitors import visitor_of

_MOST_TRAINED = 8  # pictures of trained nets
_UNITS: dict[str, tuple[Measure, float]] = {"MMACs": ("macs", 1e6), "MB": ("bytes", 1e6)}
Unit = Literal["MMACs", "MB"]
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "undocumented"}
_TORCH: dict[str, Any] = {"concurrency_id": "torch", "trigger_mode": "always_last"}


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def nets(self, model: str | None, net: str | None, request: gr.Request) -> tuple[Any, Any, Any]:
        """List the trained nets of a model, and choose the published points of the task that its name speaks of."""
        outcomes = self._desk.outcomes(model, visitor_of(request))
        choices = [(outcome.label, outcome.key) for outcome in outcomes]
        keys = [outcome.key for outcome in outcomes]
        chosen = net if net in keys else next(iter(keys), None)
        task = next((task for task in tasks() if task in (model or "").lower()), text.NO_TASK)
        return gr.CheckboxGroup(choices, value=keys[:_MOST_TRAINED]), gr.Radio(choices, value=chosen), task

    def trained(
        self,
        model: str | None,
        image: Image.Image | None,
        request: gr.Request,
        name: str | None = None,
        nets: Sequence[str] | None = None,
        limit: float | None = None,
        unit: Unit = "MMACs",
    ) -> tuple[Any, Any, Any]:
        """Let the trained slim nets of a model translate a picture; their trade-off as a figure and as a table.

        name: of the picture; one of another world than a demo model's is about to be replaced, and not worth a wait.
        nets: those whose pictures are wanted, all where it is None. limit: the best net below it is marked.
        """
        if name and self._desk.sample_for(model, name):
            return gr.skip(), gr.skip(), gr.skip()
        outcomes = self._desk.outcomes(model, visitor_of(request))
        if not outcomes or image is None:
            return charts.sentence(text.NO_OUTCOME), gr.Plot(visible=False), ""
        wanted = [outcome for outcome in outcomes if nets is None or outcome.key in nets]
        shown = [(self._desk.translate(outcome, image), outcome.label) for outcome in wanted[:_MOST_TRAINED]]
        best = _best(outcomes, limit, unit)
        drawn = gr.Plot(comparison.figure(outcomes, best), visible=True)
        return comparison.pictures(shown), drawn, comparison.table(outcomes, best)

    def best(self, model: str | None, limit: float | None, unit: Unit, request: gr.Request) -> str:
        """Name the best trained net of a model below a limit of cost."""
        outcomes = self._desk.outcomes(model, visitor_of(request))
        if not limit or not outcomes:
            return ""
        best = _best(outcomes, limit, unit)
        return charts.sentence(
            (text.BEST_IS if best else text.NONE_UNDER).format(net=best.label if best else "", limit=limit, unit=unit)
        )

    def pick_net(self, event: gr.SelectData) -> str:
        """Choose the net whose row or point was pressed."""
        return str(event.value)

    def closer(self, model: str | None, image: Image.Image | None, net: str | None, request: gr.Request) -> str:
        """Lay the dense net's picture and a slim net's over each other, and show where they differ."""
        found = self._find(model, net, request)
        if found is None or image is None:
            return ""
        dense, slim = self._desk.translate_dense(model, image), self._desk.translate(found, image)
        return differences.closer(dense, slim, found.label)

    def worst(self, model: str | None, net: str | None, request: gr.Request) -> str:
        """Show the test pictures on which a slim net is furthest from the dense net."""
        found = self._find(model, net, request)
        if found is None:
            raise DataError(text.NO_NET)
        compared = [
            Compared(name, picture, self._desk.translate_dense(model, picture), self._desk.translate(found, picture))
            for name, picture in self._desk.test_pictures(model, visitor_of(request)).items()
        ]
        return differences.worst(compared)

    def published(self, task: str) -> tuple[Any, str]:
        """Draw the published points of a task."""
        if task not in tasks():
            return gr.Plot(visible=False), ""
        return gr.Plot(comparison.published_figure(task), visible=True), comparison.published_table(task)

    def _find(self, model: str | None, net: str | None, request: gr.Request) -> Outcome | None:
        outcomes = self._desk.outcomes(model, visitor_of(request))
        return next((outcome for outcome in outcomes if outcome.key == net), None)


@dataclass(frozen=True, slots=True)
class Parts:
    """The components of this tab."""

    trade_off: gr.Plot
    limit: gr.Number
    unit: gr.Dropdown
    best: gr.HTML
    table: gr.HTML
    nets: gr.CheckboxGroup
    trained: gr.HTML
    net: gr.Radio
    closer: gr.HTML
    find_worst: gr.Button
    worst: gr.HTML
    task: gr.Dropdown
    published: gr.Plot
    points: gr.HTML


def build_compare(desk: Desk, choosing: Choosing, tab: gr.Tab) -> None:
    """Build this tab and its events inside the current layout; its nets are listed anew when it is opened."""
    gr.Markdown(f"## {text.TRADE_OFF}")
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            trade_off = gr.Plot(label=text.TRADE_OFF, visible=False, elem_id="trade-off")
        with gr.Column(scale=2, min_width=300):
            with gr.Row():
                limit = gr.Number(0, label=text.LIMIT, info=text.LIMIT_INFO, minimum=0, min_width=120, elem_id="limit")
                unit = gr.Dropdown(
                    list(_UNITS), value="MMACs", label=text.UNIT, info=text.UNIT_INFO, min_width=100, elem_id="unit"
                )
            best = gr.HTML(label=text.LIMIT, elem_id="best")
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
    gr.Markdown(f"## {text.PUBLISHED}")
    task = gr.Dropdown([text.NO_TASK, *tasks()], value=text.NO_TASK, label=text.TASK, elem_id="task")
    published = gr.Plot(label=text.PUBLISHED, visible=False, elem_id="published")
    points = gr.HTML(label=text.PUBLISHED, elem_id="published-points", elem_classes="numbers-panel")
    closely = (net, closer, find_worst, worst)
    parts = Parts(trade_off, limit, unit, best, table, nets, trained, *closely, task, published, points)
    handlers = Handlers(desk)
    _connect_nets(handlers, parts, choosing, tab)
    _connect_closer(handlers, parts, choosing)


def _connect_nets(handlers: Handlers, parts: Parts, choosing: Choosing, tab: gr.Tab) -> None:
    source = choosing.source
    gr.on(
        [choosing.model.change, tab.select],
        edge(handlers.nets),
        [choosing.model, parts.net],
        [parts.nets, parts.net, parts.task],
        api_name="nets",
        **_QUIET,
    )
    gr.on(
        [choosing.model.change, parts.nets.change, parts.limit.change, parts.unit.change, source.change],
        edge(handlers.trained),
        [choosing.model, source, choosing.picture, parts.nets, parts.limit, parts.unit],
        [parts.trained, parts.trade_off, parts.table],
        show_progress="hidden",
        api_name="trained",
        **_TORCH,
    )
    gr.on(
        [choosing.model.change, parts.limit.change, parts.unit.change],
        edge(handlers.best),
        [choosing.model, parts.limit, parts.unit],
        parts.best,
        api_name="best",
        **_QUIET,
    )


def _connect_closer(handlers: Handlers, parts: Parts, choosing: Choosing) -> None:
    model, source = choosing.model, choosing.source
    parts.table.select(edge(handlers.pick_net), None, parts.net, queue=False, api_name="pick_net", **_QUIET)
    gr.on(
        [parts.net.change, source.change],
        edge(handlers.closer),
        [model, source, parts.net],
        parts.closer,
        api_name="closer",
        **_QUIET,
        **_TORCH,
    )
    worst = edge(handlers.worst)
    parts.find_worst.click(worst, [model, parts.net], parts.worst, concurrency_id="torch", api_name="worst")
    parts.net.change(None, None, parts.worst, js="() => ''", api_name="clear_worst", **_QUIET)
    parts.task.change(
        edge(handlers.published), parts.task, [parts.published, parts.points], api_name="published", **_QUIET
    )


def _best(outcomes: Sequence[Outcome], limit: float | None, unit: Unit) -> Outcome | None:
    measure, size = _UNITS[unit]
    return best_under(outcomes, score_of(outcomes), measure, limit * size) if limit else None
