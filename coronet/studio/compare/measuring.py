"""Measuring FID, below the figure of the Compare tab: a button, and a line that says how far it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from coronet.studio import charts
from coronet.studio.choosing import Choosing
from coronet.studio.compare import text
from coronet.studio.compare.distances import Distances, Standing, official_place
from coronet.studio.desk import Desk
from coronet.studio.edge import edge, on_any
from coronet.studio.live import live_region
from coronet.studio.visitors import visitor_of

_TAB = "compare"
_TICK_SECONDS = 2.0

Seen = list[Any]


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk, distances: Distances) -> None:
        self._desk = desk
        self._distances = distances

    def look(self, opened: str, model: str | None, seen: Seen, request: gr.Request) -> tuple[Any, ...]:
        """Show how far the nets of a model are; what the page shows already is not sent again."""
        if opened != _TAB or not model:  # asked again when it is opened
            return *(gr.skip(),) * 3, gr.Timer(active=False), gr.skip()
        outcomes = self._desk.outcomes(model, visitor_of(request))
        if not outcomes:
            return "", gr.Button(visible=False), gr.skip(), gr.Timer(active=False), []
        return self._shown(model, self._distances.look(model, outcomes), seen)

    def measure(self, model: str | None, seen: Seen, request: gr.Request) -> tuple[Any, ...]:
        """Have the dense net and all listed nets of a model measured, unless they are or it is under way."""
        outcomes = self._desk.outcomes(model, visitor_of(request))
        return self._shown(model, self._distances.measure(model, outcomes), seen)

    def _shown(self, model: str | None, found: Standing, seen: Seen) -> tuple[Any, ...]:
        name = self._distances.name
        status = self._status(found, name)
        now = [model, status, found.is_busy]
        if now == seen:
            return (gr.skip(),) * 5
        was_busy = seen[:1] == [model] and bool(seen[2])
        is_done = was_busy and not found.is_busy and found.done > 0
        is_wanted = self._distances.inception is not None and found.done < found.count
        return (
            status,
            gr.Button(text.MEASURE.format(name=name), visible=is_wanted, interactive=not found.is_busy),
            name if is_done else gr.skip(),
            gr.Timer(active=found.is_busy),
            now,
        )

    def _status(self, found: Standing, name: str) -> str:
        if self._distances.inception is None:
            place = text.AT_PATH.format(path=official_place()) if self._desk.is_personal else text.ON_SERVER
            return charts.sentence(text.NO_INCEPTION.format(place=place, command=text.DOWNLOAD))
        return status(found, name)


def status(found: Standing, name: str) -> str:
    """Say how far the nets are; while they are measured, with a bar."""
    if not found.count:
        return charts.sentence(text.ONE_SIDE)
    ended = found.done + found.failed
    if found.is_busy:
        running = text.RUNNING.format(number=min(ended + 1, found.count), count=found.count)
        said = text.WAITING.format(ahead=found.ahead) if found.ahead else running
        label = text.MEASURING.format(name=name)
        return f"{charts.sentence(said)}<progress value='{ended}' max='{found.count}' aria-label='{label}'></progress>"
    if found.failed:
        button = text.MEASURE.format(name=name)
        return charts.sentence(text.FAILED.format(net=found.net, message=found.message, button=button), "problem")
    words = text.MEASURED if found.done == found.count else text.PARTLY if found.done else text.NOT_MEASURED
    return charts.sentence(words.format(name=name, done=found.done, count=found.count))


@dataclass(frozen=True, slots=True)
class Measuring:
    """The components of this part; the state changes whenever there may be new scores."""

    state: gr.HTML
    measure: gr.Button
    timer: gr.Timer


def build_measuring(name: str) -> Measuring:
    """Build this part inside the current layout. name: what the distance is called."""
    measure = gr.Button(text.MEASURE.format(name=name), size="sm", visible=False, elem_id="measure-fid")
    state = live_region(text.MEASURING.format(name=name), "measured-fid")
    return Measuring(state, measure, gr.Timer(_TICK_SECONDS, active=False))


def connect_measuring(handlers: Handlers, parts: Measuring, choosing: Choosing, score: gr.Textbox) -> None:
    """Let the button, the clock and the opening of the tab show how far it is. score: is set once all is measured."""
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "undocumented", "queue": False}
    seen = gr.State([])
    shown = [parts.state, parts.measure, score, parts.timer, seen]
    look: Callable[..., Any] = edge(handlers.look)
    asked = [choosing.opened, choosing.model, seen]
    on_any([choosing.opened.change, choosing.model.change], look, asked, shown, api_name="look_at_scores", **quiet)
    parts.timer.tick(look, asked, shown, api_name="scores_tick", **quiet)
    parts.measure.click(edge(handlers.measure), [choosing.model, seen], shown, api_name="measure_fid", **quiet)
