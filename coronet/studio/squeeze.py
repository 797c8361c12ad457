"""The first part of the page: choose a model and a picture, slide, and see the slim net at once."""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import count
from math import log2
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from coronet.studio import charts, text
from coronet.studio.desk import Desk
from coronet.studio.edge import edge
from coronet.studio.outcomes import figure as trade_off
from coronet.studio.outcomes import pictures
from coronet.studio.outcomes import table as outcome_table

LARGEST_RATIO = 40
FIRST_RATIO = 4.0
_MOST_VISITORS = 1000
_MOST_TRAINED = 8  # pictures of trained nets
_TICKS = (1, 2, 4, 8, 16, 40)

# The range counts doublings, so that each ratio has room; 5.35 rather than log2(40) = 5.32 keeps the steps even.
_LAST_DOUBLING = 5.35
_RANGE = f"""
<div class="ratio">
  <label for="ratio-range">{text.SLIDE}<output for="ratio-range">{FIRST_RATIO:.1f}×</output></label>
  <input id="ratio-range" type="range" min="0" max="{_LAST_DOUBLING}" step="0.05" value="{log2(FIRST_RATIO)}">
  <div class="ticks" aria-hidden="true">
    {"".join(f'<span style="left: {100 * log2(tick) / _LAST_DOUBLING:.1f}%">{tick}×</span>' for tick in _TICKS)}
  </div>
</div>"""
_RANGE_SCRIPT = f"""
const range = element.querySelector("input"), shown = element.querySelector("output");
const ratio = () => Math.min({LARGEST_RATIO}, Math.round(10 * 2 ** range.value) / 10);
const show = () => {{
  shown.textContent = ratio().toFixed(1) + "×";
  range.setAttribute("aria-valuetext", ratio().toFixed(1) + " times");
}};
range.addEventListener("input", show);
range.addEventListener("change", () => {{ props.value = ratio(); trigger("release"); }});
watch("value", () => {{
  if (props.value >= 1 && Math.abs(ratio() - props.value) > 0.05) {{ range.value = Math.log2(props.value); show(); }}
}});
show();
"""


class Latest:
    """Remembers each visitor's newest question, so that an answer nobody waits for any more is dropped."""

    def __init__(self) -> None:
        self._tickets: OrderedDict[str, int] = OrderedDict()
        self._numbers = count(1)

    def ask(self, visitor: str) -> int:
        """Note that a visitor asks something new; give the question's ticket."""
        ticket = self._tickets[visitor] = next(self._numbers)
        self._tickets.move_to_end(visitor)
        while len(self._tickets) > _MOST_VISITORS:
            self._tickets.popitem(last=False)
        return ticket

    def is_stale(self, visitor: str, ticket: int | None) -> bool:
        """Tell whether that visitor has asked something else since; one who never asked here is never late."""
        return self._tickets.get(visitor, ticket) != ticket


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._latest = Latest()

    def add_model(self, path: str | None) -> tuple[Any, Any]:
        """Check an uploaded generator (.pth or .safetensors), keep it and choose it."""
        if path is None:
            return gr.skip(), gr.skip()
        name = self._desk.import_model(Path(path))
        gr.Info(text.IMPORTED.format(name=name))
        return gr.Dropdown(list(self._desk.models()), value=name), gr.HTML(visible=False)

    def describe(self, model: str | None) -> str:
        """Say what a model is and why it was recognised as that."""
        return charts.facts(*self._desk.describe(model)) if model else ""

    def show_picture(self, name: str | None) -> Any:
        """Read one of the listed pictures."""
        return self._desk.picture(name or "") if name in self._desk.pictures() else gr.skip()

    def sample(self, model: str | None, name: str | None) -> tuple[Any, Any]:
        """Where a demo model meets a picture of another world, show one that it was made for."""
        wanted = self._desk.sample_for(model, name)
        return (gr.skip(), gr.skip()) if wanted is None else (wanted, self._desk.picture(wanted))

    def trained(self, model: str | None, image: Image.Image | None, name: str | None = None) -> tuple[Any, Any, Any]:
        """Let the trained slim nets of a model translate a picture; their trade-off as a figure and as a table.

        name: of the picture; one of another world than a demo model's is about to be replaced, and not worth a wait.
        """
        if name and self._desk.sample_for(model, name):
            return gr.skip(), gr.skip(), gr.skip()
        outcomes = self._desk.outcomes(model)
        if not outcomes or image is None:
            return charts.sentence(text.NO_OUTCOME), gr.Plot(visible=False), ""
        shown = [(self._desk.translate(outcome, image), outcome.label) for outcome in outcomes[:_MOST_TRAINED]]
        return pictures(shown), gr.Plot(trade_off(outcomes), visible=True), outcome_table(outcomes)

    def upload_picture(self, path: str) -> tuple[Image.Image, Any]:
        """Read an uploaded picture."""
        name = text.UPLOADED.format(name=Path(path).name[:60])
        return self._desk.uploaded_picture(Path(path)), gr.Dropdown([name, *self._desk.pictures()], value=name)

    def ask(self, request: gr.Request) -> int:
        """Note that this visitor's choice has changed."""
        return self._latest.ask(str(request.session_hash))

    def preview(
        self,
        model: str | None,
        ratio: float | None,
        image: Image.Image | None,
        ticket: int | None,
        request: gr.Request,
    ) -> tuple[Any, Any, Any]:
        """Slice a slim net of this compression ratio (1 to 40) and translate an image by it and by the dense net."""
        visitor = str(request.session_hash)
        if not model or ratio is None or image is None:
            return None, None, charts.sentence(text.NO_PICTURE if model else text.MISSING_MODEL)
        if not self._latest.is_stale(visitor, ticket):
            found = self._desk.preview(model, ratio, image)
            if not self._latest.is_stale(visitor, ticket):
                dense = charts.costs(found.dense_cost, found.seconds.get("dense"))
                slim = charts.costs(found.slim_cost, found.seconds.get("slim"))
                return found.dense, found.slim, charts.numbers_table(dense, slim)
        return gr.skip(), gr.skip(), gr.skip()


@dataclass(frozen=True, slots=True)
class Squeeze:
    """The components of this part."""

    model: gr.Dropdown
    notice: gr.HTML
    facts: gr.HTML
    model_file: gr.File
    picture: gr.Dropdown
    picture_file: gr.UploadButton
    slider: gr.HTML
    ratio: gr.Number
    source: gr.Image
    dense: gr.Image
    slim: gr.Image
    numbers: gr.HTML
    trained: gr.HTML
    trade_off: gr.Plot
    outcomes: gr.HTML


def build_squeeze(desk: Desk) -> Squeeze:
    """Build this part and its events inside the current layout."""
    gr.Markdown(f"## {text.SQUEEZE}")
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            # Any text is let through to the desk, which looks it up: lists differ between sessions and programs.
            model = gr.Dropdown([], label=text.MODEL, allow_custom_value=True, elem_id="model")
            notice = gr.HTML(charts.sentence(text.NO_MODEL), label=text.MODEL, visible=False, elem_id="no-model")
            facts = gr.HTML(label=text.REASONS, elem_id="facts")
            with gr.Accordion(text.ADD_MODEL, open=False):
                types = [".pth", ".safetensors"]
                model_file = gr.File(label=text.MODEL_FILE, file_types=types, height=150, elem_id="model-file")
            picture = gr.Dropdown([], label=text.PICTURE, allow_custom_value=True, elem_id="picture")
            picture_file = gr.UploadButton(text.UPLOAD_PICTURE, file_types=["image"], elem_id="picture-file")
        with gr.Column(scale=2, min_width=320):
            slider, ratio = _slider()
            gr.HTML(charts.sentence(text.HEALING, "healing"), label=text.HEALING)
    with gr.Row():
        source = _picture(text.INPUT, text.INPUT_ALT, "input", 260)  # on a phone above the two that are compared
        dense = _picture(text.DENSE, text.DENSE_ALT, "dense", 150)
        slim = _picture(text.SLIM, text.SLIM_ALT, "slim", 150)
    numbers = gr.HTML(
        charts.sentence(text.WAITING), label=text.NUMBERS, elem_id="numbers", elem_classes="numbers-panel"
    )
    gr.Markdown(f"### {text.TRAINED}")
    trained = gr.HTML(label=text.TRAINED_PICTURES, elem_id="trained")
    with gr.Row():
        with gr.Column(min_width=300):
            trade_off = gr.Plot(label=text.TRADE_OFF, visible=False, elem_id="trade-off")
        with gr.Column(min_width=300):
            outcomes = gr.HTML(label=text.TRADE_OFF, elem_id="outcomes", elem_classes="numbers-panel")
    shown = (source, dense, slim, numbers, trained, trade_off, outcomes)
    parts = Squeeze(model, notice, facts, model_file, picture, picture_file, slider, ratio, *shown)
    handlers = Handlers(desk)
    _connect_choices(handlers, parts)
    _connect_preview(handlers, parts)
    return parts


def _slider() -> tuple[gr.HTML, gr.Number]:
    """Build the range and, beside it, the ratio as a number that can be typed; each follows the other."""
    with gr.Row(equal_height=True):
        with gr.Column(scale=5, min_width=260):
            slider = gr.HTML(
                FIRST_RATIO, label=text.SLIDE, html_template=_RANGE, js_on_load=_RANGE_SCRIPT, elem_id="slider"
            )
        with gr.Column(scale=1, min_width=130):
            ratio = gr.Number(
                FIRST_RATIO,
                label=text.RATIO,
                info=text.RATIO_INFO,
                minimum=1,
                maximum=LARGEST_RATIO,
                step=0.1,
                elem_id="ratio",
            )
    return slider, ratio


def _picture(label: str, alt: str, name: str, min_width: int) -> gr.Image:
    return gr.Image(
        label=label,
        alt_text=alt,
        type="pil",
        format="png",
        interactive=False,
        min_width=min_width,
        buttons=["download", "fullscreen"],
        elem_id=name,
        elem_classes="picture",
    )


def _connect_choices(handlers: Handlers, parts: Squeeze) -> None:
    hidden: dict[str, Any] = {"api_visibility": "undocumented"}
    added = parts.model_file.upload(
        edge(handlers.add_model),
        parts.model_file,
        [parts.model, parts.notice],
        concurrency_id="torch",
        api_name="add_model",
    )
    # The box is free for the next file, whether this one was good or not.
    added.then(None, None, parts.model_file, js="() => null", api_name="clear_file", **hidden)
    parts.picture.input(edge(handlers.show_picture), parts.picture, parts.source, api_name="show_picture", **hidden)
    parts.picture_file.upload(
        edge(handlers.upload_picture),
        parts.picture_file,
        [parts.source, parts.picture],
        api_name="upload_picture",
        **hidden,
    )
    parts.model.change(edge(handlers.describe), parts.model, parts.facts, concurrency_id="torch", api_name="describe")
    parts.model.input(
        edge(handlers.sample), [parts.model, parts.picture], [parts.picture, parts.source], api_name="sample", **hidden
    )
    gr.on(
        [parts.model.change, parts.source.change],
        edge(handlers.trained),
        [parts.model, parts.source, parts.picture],
        [parts.trained, parts.trade_off, parts.outcomes],
        trigger_mode="always_last",
        show_progress="hidden",
        concurrency_id="torch",
        api_name="trained",
    )


def _connect_preview(handlers: Handlers, parts: Squeeze) -> None:
    hidden: dict[str, Any] = {"api_visibility": "undocumented", "show_progress": "hidden"}
    parts.slider.release(None, parts.slider, parts.ratio, js="(ratio) => ratio", api_name="slide", **hidden)
    parts.ratio.change(None, parts.ratio, parts.slider, js="(ratio) => ratio", api_name="follow", **hidden)
    ticket = gr.State(None)
    asked = gr.on(
        [parts.model.change, parts.ratio.change, parts.source.change],
        edge(handlers.ask),
        None,
        ticket,
        queue=False,
        trigger_mode="multiple",
        api_name="ask",
        **hidden,
    )
    asked.then(
        edge(handlers.preview),
        [parts.model, parts.ratio, parts.source, ticket],
        [parts.dense, parts.slim, parts.numbers],
        trigger_mode="always_last",
        show_progress_on=[parts.dense, parts.slim],
        concurrency_id="torch",
        api_name="preview",
    )
