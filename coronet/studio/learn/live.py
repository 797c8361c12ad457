"""The live parts of the lessons: what each asks the real code for, and the controls it is asked with.

How an answer is drawn stands in `figures`, what is computed in `coronet.lessons`.
"""

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from coronet.demos import demo_names, find_demo
from coronet.errors import DataError
from coronet.studio.charts import sentence
from coronet.studio.choosing import Choosing
from coronet.studio.desk import Desk
from coronet.studio.edge import edge, on_any
from coronet.studio.learn import figures
from coronet.studio.learn import text as words
from coronet.studio.translating import prepare_torch, shrunk

if TYPE_CHECKING:
    from coronet.lessons.small_samples import Heaps

_KNOBS = 6
_LOUDEST = 2.0
_QUIET: dict[str, Any] = {"api_visibility": "undocumented"}
_TORCH: dict[str, Any] = {**_QUIET, "concurrency_id": "torch", "trigger_mode": "always_last"}
_PROGRESS = gr.Progress()  # Gradio puts the one of the event in its place
# Gradio also reports a change where a value is only set again: what was there before is remembered in the page.
_CLEAR = f"""(old, model, picture) => {{
  const seen = window.coronetSeen ??= {{}}, now = model + "\\n" + picture, before = seen.NAME ?? now;
  seen.NAME = now;
  return old && before !== now ? {json.dumps(sentence(words.CHANGED))} : old;
}}"""

# Handler, inputs, outputs. A live part gives those that follow each other when it appears.
Step = tuple[Callable[..., Any], list[Any], list[Any]]


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._heaps: dict[str, Heaps] = {}

    def inside(self, model: str | None, image: Image.Image | None, name: str | None) -> str:
        """Translate a picture by a model and show some channels of every layer on the way."""
        path, picture = self._given(model, image, name)
        prepare_torch()
        from coronet.lessons.anatomy import look_inside

        return figures.anatomy(look_inside(path, picture))

    def cut(self, model: str | None, image: Image.Image | None, name: str | None, per_cent: float) -> str:
        """Cut every layer of a model to this share of its channels, count its MACs and translate a picture."""
        path, picture = self._given(model, image, name)
        prepare_torch()
        from coronet.lessons.shares import cut_evenly

        share = min(100.0, max(1.0, per_cent)) / 100
        return figures.even_cut(cut_evenly(path, share, picture))

    def knobs(self, model: str | None, image: Image.Image | None, name: str | None, group: str | None) -> list[Any]:
        """Name the groups of a model and the channels of one of them that get a knob, all at 1."""
        path, picture = self._given(model, image, name)
        prepare_torch()
        from coronet.lessons.knobs import find_knobs

        found = find_knobs(path, group, picture)
        labels = [words.KNOB.format(number=channel) for channel in found.channels]
        sliders = [gr.Slider(label=label, value=1, visible=True) for label in labels]
        unused = [gr.Slider(value=1, visible=False) for _ in range(_KNOBS - len(labels))]
        groups = gr.Dropdown(list(found.groups), value=found.group)
        return [groups, *sliders, *unused, figures.knobs_caption(found), gr.Column(visible=True), model]

    def turn(
        self, model: str | None, image: Image.Image | None, name: str | None, group: str | None, *latents: float
    ) -> str:
        """Set the latents of a group's most important channels and show what the net makes of a picture."""
        path, picture = self._given(model, image, name)
        prepare_torch()
        from coronet.lessons.knobs import find_knobs, turn

        channels = find_knobs(path, group, picture).channels
        chosen = {channel: min(_LOUDEST, max(0.0, latent)) for channel, latent in zip(channels, latents, strict=False)}
        return figures.turned(turn(path, picture, group or "", chosen))

    def forget(self, model: str | None, owner: str | None) -> Any:
        """Put the knobs away that belong to another model."""
        return gr.skip() if model == owner else gr.Column(visible=False)

    def draws(self, progress: gr.Progress = _PROGRESS) -> tuple[Any, str]:
        """Draw small heaps of pictures again and again and compare each with another; differs from call to call."""
        prepare_torch()
        from coronet.lessons.small_samples import gather, repeat

        name = next(iter(demo_names()), "")
        demo = find_demo(name)
        if demo is None:
            raise DataError(words.NO_DEMO)
        if name not in self._heaps:  # the pictures take seconds, the draws do not
            self._heaps[name] = gather(demo, lambda done, total: progress((done, total), desc=words.GATHERING))
        found = repeat(self._heaps[name], secrets.randbelow(2**31))
        return gr.Plot(figures.draws_figure(found), visible=True), figures.draws_table(found)

    def race(self, model: str | None, image: Image.Image | None, name: str | None) -> tuple[Any, str]:
        """Time a model and slimmer versions of it here, in turn."""
        path, picture = self._given(model, image, name)
        prepare_torch()
        from coronet.lessons.timing import race

        found = race(path, picture)
        return gr.Plot(figures.race_figure(found), visible=True), figures.race_table(found)

    def _given(self, model: str | None, image: Image.Image | None, name: str | None) -> tuple[Path, Image.Image]:
        """Give the chosen model and picture; one that the page has not shown yet is looked up by its name."""
        path = self._desk.model(model)
        if image is None:
            known = name if name and self._desk.knows_picture(name) else None
            image = self._desk.picture(known or self._desk.sample_for(model, None) or self._desk.pictures()[0])
        return path, shrunk(image)


def build_anatomy(handlers: Handlers, choosing: Choosing) -> list[Step]:
    """Build the live part of lesson 1."""
    again = gr.Button(words.LOOK, size="md", elem_id="look", elem_classes="run")
    shown = gr.HTML(label=words.LOOK, elem_id="anatomy")
    question: Step = (edge(handlers.inside), _chosen(choosing), [shown])
    again.click(*question, api_name="inside", **_TORCH)
    _clear(choosing, shown, "anatomy")
    return [question]


def build_shares(handlers: Handlers, choosing: Choosing) -> list[Step]:
    """Build the live part of lesson 2."""
    share = gr.Slider(5, 100, value=100, step=5, label=words.SHARE, elem_id="share")
    shown = gr.HTML(label=words.LEFT, elem_id="even")
    question: Step = (edge(handlers.cut), [*_chosen(choosing), share], [shown])
    on_any([share.change], *question, show_progress="minimal", api_name="cut_evenly", **_TORCH)
    _clear(choosing, shown, "even")
    return [question]


def build_knobs(handlers: Handlers, choosing: Choosing) -> list[Step]:
    """Build the live part of lesson 3."""
    back = gr.Button(words.KNOBS_BACK, size="md", elem_id="knobs-back", elem_classes="run")
    with gr.Column(visible=False) as panel:
        group = gr.Dropdown([], label=words.GROUP, info=words.GROUP_INFO, elem_id="group")
        caption = gr.HTML(label=words.GROUP, elem_id="knobs-caption")
        with gr.Row():
            sliders = [
                gr.Slider(0, _LOUDEST, value=1, step=0.1, label=words.KNOB.format(number=place), min_width=150)
                for place in range(_KNOBS)
            ]
    shown, owner = gr.HTML(label=words.TURNED, elem_id="turned"), gr.State(None)
    chosen = _chosen(choosing)
    find: Step = (edge(handlers.knobs), [*chosen, group], [group, *sliders, caption, panel, owner])
    turn: Step = (edge(handlers.turn), [*chosen, group, *sliders], [shown])
    for name, event in (("knobs_back", back.click), ("knobs_of", group.input)):
        found = event(*find, show_progress_on=shown, api_name=name, **_TORCH)
        found.then(*turn, api_name=f"{name}_turned", **_TORCH)
    gr.on(
        [slider.input for slider in sliders],
        *turn,
        show_progress="minimal",
        api_name="turn",
        **_TORCH,
    )
    _clear(choosing, shown, "turned")
    hidden = {**_QUIET, "show_progress": "hidden"}
    changed, asked = [choosing.model.change], [choosing.model, owner]
    on_any(changed, handlers.forget, asked, panel, queue=False, api_name="put_away", **hidden)
    return [find, turn]


def build_draws(handlers: Handlers, choosing: Choosing) -> list[Step]:
    """Build the live part of lesson 4."""
    start = gr.Button(words.START_DRAWS, variant="primary", size="md", elem_id="draw", elem_classes="run")
    plot, table = _figure_and_table(words.DISTANCE_AXIS, "draws")
    start.click(edge(handlers.draws), None, [plot, table], show_progress_on=table, api_name="draws", **_TORCH)
    return []


def build_race(handlers: Handlers, choosing: Choosing) -> list[Step]:
    """Build the live part of lesson 5."""
    start = gr.Button(words.START_RACE, variant="primary", size="md", elem_id="measure", elem_classes="run")
    plot, table = _figure_and_table(words.MEASURED, "race")
    start.click(
        edge(handlers.race), _chosen(choosing), [plot, table], show_progress_on=table, api_name="race", **_TORCH
    )
    _clear(choosing, table, "race")
    return []


def _chosen(choosing: Choosing) -> list[Any]:
    return [choosing.model, choosing.source, choosing.picture]


def _figure_and_table(label: str, name: str) -> tuple[gr.Plot, gr.HTML]:
    """Lay both side by side, and below each other where there is no room."""
    with gr.Row():
        with gr.Column(min_width=320):
            plot = gr.Plot(label=label, visible=False, elem_id=name)
        with gr.Column(min_width=320):
            table = gr.HTML(label=label, elem_id=f"{name}-table", elem_classes="numbers-panel")
    return plot, table


def _clear(choosing: Choosing, shown: gr.HTML, name: str) -> None:
    """Take an answer away that belongs to another model or picture; the browser does it, so nothing is computed."""
    changes = [choosing.model.change, choosing.picture.change]
    asked = [shown, choosing.model, choosing.picture]
    script = _CLEAR.replace("NAME", name)
    gr.on(changes, None, asked, shown, js=script, api_name=f"clear_{name}", show_progress="hidden", **_QUIET)
