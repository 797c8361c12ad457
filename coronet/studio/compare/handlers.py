"""What happens on an event of the Compare tab: values in, values out."""

import time
from collections.abc import Sequence
from typing import Any

import gradio as gr
from PIL import Image

from coronet.errors import DataError
from coronet.published import tasks
from coronet.studio import charts, text
from coronet.studio.compare import comparison, differences
from coronet.studio.compare import text as text_scores
from coronet.studio.compare.differences import Compared
from coronet.studio.compare.distances import Distances
from coronet.studio.compare.scores import best_within, choose_score, scores_of
from coronet.studio.compare.stopwatch import Stopwatch
from coronet.studio.desk import Desk
from coronet.studio.latest import Latest
from coronet.studio.outcomes import UNITS, Outcome, Unit
from coronet.studio.visitors import visitor_of

_TAB = "compare"
_MOST_TRAINED = 8  # pictures of trained nets
_PROGRESS = gr.Progress()


class Handlers:
    """List the trained nets of a model, time, draw and describe them, and lay their pictures side by side."""

    def __init__(self, desk: Desk, distances: Distances) -> None:
        self._desk = desk
        self._distances = distances
        self._latest = Latest()
        self._stopwatch = Stopwatch()

    def ask(self, at: float | None, request: gr.Request) -> None:
        """Note that this visitor's choice has changed."""
        self._latest.ask(str(request.session_hash), at)

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
            return (gr.skip(),) * 8
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
            wanted.get("score", gr.skip()),
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
        nets: Sequence[str] | None,
        opened: str,
        at: float | None,
        request: gr.Request,
    ) -> Any:
        """Let the trained slim nets of a model translate a picture.

        nets: those whose pictures are wanted, all where it is None. opened: the tab that is seen; nobody waits for an
        answer in another. at: when it was asked, by the page's clock.
        """
        if opened != _TAB or self._latest.is_stale(str(request.session_hash), at):
            return gr.skip()
        outcomes = self._desk.outcomes(model, visitor_of(request))
        if not outcomes or image is None:
            return charts.sentence(text.NO_OUTCOME)
        wanted = [outcome for outcome in outcomes if nets is None or outcome.key in nets]
        shown = [(self._desk.translate(outcome, image), outcome.label) for outcome in wanted[:_MOST_TRAINED]]
        return comparison.pictures(shown)

    def judged(
        self,
        opened: str,
        model: str | None,
        score: str | None,
        limit: float | None,
        unit: Unit,
        offered: Sequence[str],
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Show the scores there are to choose from, and the trade-off by one: as a figure, its notes, and a table.

        score: the one that was chosen, "" for the usual one. limit: the best net below it is marked. offered: what the
        list of scores showed last, the chosen one first; where it is the same, a choice made meanwhile is left alone.
        """
        if opened != _TAB:  # asked again when it is opened
            return (gr.skip(),) * 5
        outcomes = self._rated(model, request)
        if not outcomes:
            return gr.Radio(visible=False), gr.Plot(visible=False), "", "", []
        chosen = choose_score(outcomes, score)
        best = best_within(outcomes, chosen, limit, unit)
        titles = [(entry.title, key) for key, entry in scores_of(outcomes).items()]
        now = [chosen.key, *(key for _, key in titles)]
        is_known = now[1:] == list(offered[1:])
        radio = gr.Radio(value=chosen.key) if is_known else gr.Radio(titles, value=chosen.key, visible=True)
        return (
            gr.skip() if now == list(offered) else radio,
            gr.Plot(comparison.figure(outcomes, chosen, best), visible=True),
            comparison.notes(outcomes, chosen),
            comparison.table(outcomes, chosen, best),
            now,
        )

    def best(self, model: str | None, score: str | None, limit: float | None, unit: Unit, request: gr.Request) -> str:
        """Name the best trained net of a model below a limit of cost."""
        outcomes = self._rated(model, request)
        if not limit or not outcomes:
            return ""
        if not any(UNITS[unit][0] in outcome.report["slim"] for outcome in outcomes):
            return charts.sentence(text.NO_MS)
        chosen = choose_score(outcomes, score)
        best = best_within(outcomes, chosen, limit, unit)
        said = (text_scores.BEST_IS if best else text.NONE_UNDER).format(
            net=best.label if best else "", limit=limit, unit=unit, score=chosen.title
        )
        return charts.sentence(said)

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
        return differences.worst(compared, found.label)

    def _rated(self, model: str | None, request: gr.Request) -> list[Outcome]:
        """Give the nets with what was measured of them since their runs."""
        outcomes = self._desk.outcomes(model, visitor_of(request))
        return self._distances.with_scores(model, self._stopwatch.with_times(outcomes))
