"""The Squeeze tab: slide, and see the slim net, its numbers and what was kept of every channel group at once."""

from dataclasses import dataclass
from math import log2
from typing import Any, Literal

import gradio as gr
from PIL import Image

from coronet.errors import BudgetError
from coronet.studio import channel_map, charts, text
from coronet.studio.address import FIRST_RATIO, LARGEST_RATIO
from coronet.studio.choosing import Choosing
from coronet.studio.desk import Desk
from coronet.studio.edge import edge
from coronet.studio.latest import NOW, Latest

_TAB = "squeeze"
_PRESETS = (2, 4, 8, 16)
_AIMS: dict[str, tuple[Literal["macs", "params"], float]] = {
    text.MILLION_MACS: ("macs", 1e6),
    text.THOUSAND_PARAMETERS: ("params", 1e3),
}
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
const show = (value) => {{
  shown.textContent = value.toFixed(1) + "×";
  range.setAttribute("aria-valuetext", value.toFixed(1) + " times");
}};
range.addEventListener("input", () => show(ratio()));
range.addEventListener("change", () => {{ props.value = ratio(); trigger("release"); }});
const follow = () => {{  // its own steps are coarser than a ratio that was typed
  if (!(props.value >= 1)) return;
  if (Math.abs(ratio() - props.value) > 0.05) range.value = Math.log2(props.value);
  show(props.value);
}};
watch("value", follow);
follow();
"""
# The answer to an aim may come late: a ratio that was chosen meanwhile is left alone.
_AIM = "(ratio) => { window.aimedFrom = ratio; return []; }"
_HIT = """(found, ratio) => {
  if (found === null || ratio !== window.aimedFrom) return ratio;
  window.aimedFrom = found;
  return found;
}"""


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._latest = Latest()

    def ask(self, at: float | None, request: gr.Request) -> None:
        """Note that this visitor's choice has changed."""
        self._latest.ask(str(request.session_hash), at)

    def preview(
        self,
        model: str | None,
        ratio: float | None,
        image: Image.Image | None,
        opened: str,
        at: float | None,
        request: gr.Request,
    ) -> tuple[Any, Any, Any]:
        """Slice a slim net of this compression ratio (1 to 40) and translate an image by it and by the dense net.

        opened: the tab that is seen; nobody waits for an answer in another. at: when it was asked, by the page's clock.
        """
        visitor = str(request.session_hash)
        if opened != _TAB:  # asked again when it is opened
            return gr.skip(), gr.skip(), gr.skip()
        if not model or ratio is None or image is None:
            return None, None, charts.sentence(text.NO_PICTURE if model else text.MISSING_MODEL)
        if not self._latest.is_stale(visitor, at):
            try:
                found = self._desk.preview(model, ratio, image)
            except BudgetError as error:  # what is shown must not be taken for this ratio
                return gr.skip(), None, charts.sentence(str(error), "problem")
            if not self._latest.is_stale(visitor, at):
                dense = charts.costs(found.dense_cost, found.seconds.get("dense"))
                slim = charts.costs(found.slim_cost, found.seconds.get("slim"))
                return found.dense, found.slim, charts.numbers_table(dense, slim)
        return gr.skip(), gr.skip(), gr.skip()

    def aim(self, model: str | None, image: Image.Image | None, amount: float | None, unit: str) -> float | None:
        """Give the least ratio at which the slim net has at most this amount of MACs or parameters."""
        if not model or image is None or not amount:
            return None
        budget, size = _AIMS[unit]
        return self._desk.ratio_within(model, image, amount * size, budget)

    def channels(
        self,
        model: str | None,
        ratio: float | None,
        image: Image.Image | None,
        opened: str,
        at: float | None,
        request: gr.Request,
    ) -> Any:
        """Show what a slim net of this compression ratio (1 to 40) keeps of every channel group."""
        if opened != _TAB or self._latest.is_stale(str(request.session_hash), at):
            return gr.skip()
        if not model or ratio is None or image is None:
            return ""
        try:
            return channel_map.channel_map(self._desk.channels(model, ratio, image))
        except BudgetError:  # the preview has said so
            return ""


@dataclass(frozen=True, slots=True)
class Squeeze:
    """The components of this tab."""

    slider: gr.HTML
    ratio: gr.Number
    aims: tuple[gr.Number, gr.Dropdown]
    shown: gr.Image
    dense: gr.Image
    slim: gr.Image
    numbers: gr.HTML
    channels: gr.HTML


def build_squeeze(desk: Desk, choosing: Choosing) -> Squeeze:
    """Build this tab and its events inside the current layout."""
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            slider, ratio = _slider()
            aims = _aims()
        with gr.Column(scale=1, min_width=300):
            gr.HTML(charts.sentence(text.HEALING, "healing"), label=text.HEALING)
    with gr.Row():
        shown = _picture(text.INPUT, text.INPUT_ALT, "input", 260)  # on a phone above the two that are compared
        dense = _picture(text.DENSE, text.DENSE_ALT, "dense", 150)
        slim = _picture(text.SLIM, text.SLIM_ALT, "slim", 150)
    with gr.Row():
        with gr.Column(min_width=300):
            numbers = gr.HTML(
                charts.sentence(text.WAITING), label=text.NUMBERS, elem_id="numbers", elem_classes="numbers-panel"
            )
        with gr.Column(min_width=300):
            channels = gr.HTML(
                label=text.MAP, js_on_load=channel_map.SCRIPT, elem_id="channels", elem_classes="numbers-panel"
            )
    parts = Squeeze(slider, ratio, aims, shown, dense, slim, numbers, channels)
    handlers = Handlers(desk)
    _connect(handlers, choosing, parts)
    _connect_aims(handlers, choosing, parts)
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
    with gr.Row(elem_id="presets"):
        for preset in _PRESETS:
            button = gr.Button(f"{preset}×", size="sm", min_width=60)
            button.click(
                None, None, ratio, js=f"() => {preset}", api_name=f"preset_{preset}", api_visibility="undocumented"
            )
    return slider, ratio


def _aims() -> tuple[gr.Number, gr.Dropdown]:
    """Build the other way to say how small: an amount, which the ratio follows."""
    with gr.Row():
        amount = gr.Number(None, label=text.AIM, info=text.AIM_INFO, minimum=0, min_width=130, elem_id="aim")
        unit = gr.Dropdown(
            list(_AIMS),
            value=text.MILLION_MACS,
            label=text.UNIT,
            info=text.AIM_UNIT_INFO,
            min_width=130,
            elem_id="aim-unit",
        )
    return amount, unit


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


def _connect(handlers: Handlers, choosing: Choosing, parts: Squeeze) -> None:
    hidden: dict[str, Any] = {"api_visibility": "undocumented", "show_progress": "hidden"}
    parts.slider.release(None, parts.slider, parts.ratio, js="(ratio) => ratio", api_name="slide", **hidden)
    parts.ratio.change(None, parts.ratio, parts.slider, js="(ratio) => ratio", api_name="follow", **hidden)
    model, source = choosing.model, choosing.source
    source.change(None, source, parts.shown, js="(picture) => picture", api_name="show_source", **hidden)
    changes = [model.change, parts.ratio.change, source.change, choosing.opened.change]
    at = choosing.asked_at
    chosen = gr.on(changes, None, None, at, js=NOW, api_name="choose", **hidden)
    asked = chosen.then(edge(handlers.ask), at, None, queue=False, trigger_mode="multiple", api_name="ask", **hidden)
    question = [model, parts.ratio, source, choosing.opened, at]
    previewed = asked.then(
        edge(handlers.preview),
        question,
        [parts.dense, parts.slim, parts.numbers],
        trigger_mode="always_last",
        show_progress_on=[parts.dense, parts.slim],
        concurrency_id="torch",
        api_name="show_preview",
        api_visibility="undocumented",
    )
    previewed.then(
        edge(handlers.channels),
        question,
        parts.channels,
        trigger_mode="always_last",
        concurrency_id="torch",
        api_name="channels",
        **hidden,
    )


def _connect_aims(handlers: Handlers, choosing: Choosing, parts: Squeeze) -> None:
    amount, unit = parts.aims
    hidden: dict[str, Any] = {"api_visibility": "undocumented", "show_progress": "hidden"}
    found = gr.Number(None, label=text.AIM, visible="hidden")
    aimed = gr.on([amount.submit, unit.input], None, parts.ratio, None, js=_AIM, api_name="before_aim", **hidden)
    answered = aimed.then(
        edge(handlers.aim),
        [choosing.model, choosing.source, amount, unit],
        found,
        trigger_mode="always_last",
        concurrency_id="torch",
        api_name="aim",
        **hidden,
    )
    answered.then(None, [found, parts.ratio], parts.ratio, js=_HIT, api_name="hit", **hidden)
