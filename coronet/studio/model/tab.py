"""The Model tab: cards of the models with a sample translation each, an upload, and what the chosen model is."""

from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from coronet.studio import charts, text
from coronet.studio.address import once_opened
from coronet.studio.choosing import Choosing
from coronet.studio.desk import Desk
from coronet.studio.edge import edge, free_box, on_any
from coronet.studio.shelves import text as text_visitors
from coronet.studio.shelves.owned import plain_name
from coronet.studio.shelves.pictures import picture_words
from coronet.studio.visitors import NOBODY, Visitor, visitor_of

_MOST_CARDS = 12
_THUMBNAIL = 128  # pixels
# Pressed by click or key: the button does both.
_PRESSED = "trigger('select', {index: 0, value: card.dataset.model});"
_CARDS_SCRIPT = f"""
element.addEventListener("click", (event) => {{
  const card = event.target.closest("button[data-model]");
  if (card) {{ {once_opened(_PRESSED)} }}
}});
"""


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_model(self, path: str | None, request: gr.Request) -> tuple[Any, Any]:
        """Check an uploaded generator (.pth or .safetensors), keep it and choose it."""
        if path is None:
            return gr.skip(), gr.skip()
        visitor = visitor_of(request)
        name = self._desk.import_model(Path(path), visitor)
        gr.Info(text.IMPORTED.format(name=plain_name(name)))
        return gr.Dropdown(self._desk.model_choices(visitor), value=name), gr.HTML(visible=False)

    def remove_model(self, model: str | None, request: gr.Request) -> Any:
        """Remove an uploaded model of one's own; runs that were made from it stay."""
        visitor = visitor_of(request)
        self._desk.remove_model(model or "", visitor)
        gr.Info(text_visitors.REMOVED.format(name=plain_name(model or "")))
        choices = self._desk.model_choices(visitor)
        return gr.Dropdown(choices, value=next((name for _, name in choices), None))

    def is_own(self, model: str | None, request: gr.Request) -> Any:
        """Offer to remove a model that its visitor uploaded."""
        own = self._desk.model_shelf.uploaded.of(visitor_of(request))
        return gr.Button(visible=model in own)

    def describe(self, model: str | None) -> str:
        """Say what a model is, what it costs and why it was recognised as that."""
        if not model:
            return ""
        config, reasons = self._desk.describe(model)
        return charts.facts(config, reasons) + charts.cost_list(self._desk.cost(model)) + self._pair(model)

    def cards(self, chosen: str | None, request: gr.Request) -> str:
        """Show the models as cards, the demo models with a translation."""
        return self.cards_for(visitor_of(request), chosen)

    def cards_for(self, visitor: Visitor, chosen: str | None = None) -> str:
        """Draw the cards of the models that a visitor may see."""
        names = list(self._desk.models(visitor))[:_MOST_CARDS]
        cards = [self._card(name, is_chosen=name == chosen) for name in names]
        return f"<ul class='cards'>{''.join(cards)}</ul>"

    def _card(self, name: str, *, is_chosen: bool) -> str:
        title = text.MODEL_TITLES.get(name, plain_name(name))
        pictures = self._pair(name) if self._desk.is_demo(name) else ""
        button = (
            f"<button type='button' data-model='{escape(name, quote=True)}' aria-pressed='{str(is_chosen).lower()}'>"
        )
        return f"<li>{button}<strong>{escape(title)}</strong>{pictures}</button></li>"

    def _pair(self, name: str) -> str:
        picture, source, translation = self._desk.sample(name)
        words = text.SAMPLE_ALT.format(picture=picture_words(picture), model=plain_name(name))
        images = (_image(source, picture), "<span aria-hidden='true'>→</span>", _image(translation, words))
        return f"<span class='pair'>{''.join(images)}</span>"


@dataclass(frozen=True, slots=True)
class Models:
    """The components of this tab that others speak to."""

    cards: gr.HTML
    notice: gr.HTML


def build_models(desk: Desk, choosing: Choosing) -> Models:
    """Build this tab and its events inside the current layout."""
    notice = gr.HTML(charts.sentence(text.NO_MODEL), label=text.MODEL, visible=False, elem_id="no-model")
    gr.Markdown(f"## {text.MODELS}")
    handlers, model = Handlers(desk), choosing.model
    everybodys = handlers.cards_for(NOBODY)  # a part of the page itself: there as soon as that can be drawn
    cards = gr.HTML(everybodys, label=text.MODELS, js_on_load=_CARDS_SCRIPT, elem_id="cards")
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            gr.Markdown(f"## {text.CHOSEN_MODEL}")
            facts = gr.HTML(label=text.REASONS, elem_id="facts")
        with gr.Column(scale=1, min_width=300):
            with gr.Accordion(text.ADD_MODEL, open=False):
                types = [".pth", ".safetensors"]
                model_file = gr.File(label=text.MODEL_FILE, file_types=types, height=150, elem_id="model-file")
            remove = gr.Button(text_visitors.REMOVE_MODEL, size="sm", visible=False, elem_id="remove-model")
    hidden: dict[str, Any] = {"api_visibility": "undocumented"}
    add_model = edge(handlers.add_model)
    added = model_file.upload(
        add_model,
        model_file,
        [model, notice],
        show_progress_on=model_file,
        concurrency_id="uploads",
        api_name="add_model",
        **hidden,
    )
    free_box(added, model_file, "file")
    changed, quiet = [model.change], {**hidden, "show_progress": "hidden"}
    on_any(changed, edge(handlers.describe), model, facts, concurrency_id="torch", api_name="show_model", **hidden)
    remove.click(edge(handlers.remove_model), model, model, show_progress="hidden", api_name="remove_model", **hidden)
    on_any(changed, edge(handlers.is_own), model, remove, queue=False, api_name="is_own_model", **quiet)
    on_any(changed, edge(handlers.cards), model, cards, api_name="cards", **quiet)
    return Models(cards, notice)


def _image(image: Image.Image, words: str) -> str:
    small = image.copy()
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    source = f"data:image/webp;base64,{_encoded(small.size, small.tobytes())}"
    return f"<img src='{source}' alt='{escape(words, quote=True)}'>"


@lru_cache(maxsize=64)
def _encoded(size: tuple[int, int], pixels: bytes) -> str:
    """Encode an RGB picture as WEBP; all pages show the same ones."""
    file = BytesIO()
    Image.frombytes("RGB", size, pixels).save(file, "WEBP", quality=90)
    return b64encode(file.getvalue()).decode()
