"""The bar above the tabs: which model and which picture all of them speak of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from coronet.studio import address, text
from coronet.studio.desk import Desk
from coronet.studio.edge import edge, on_any
from coronet.studio.visitors import visitor_of

# The clipboard is closed to pages that came over plain HTTP from another machine: they show the address instead.
_COPY = f"""async () => {{
  try {{ await navigator.clipboard.writeText(location.href); }}
  catch {{ window.prompt({text.COPY_BY_HAND!r}, location.href); }}
}}"""


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def pick(self, event: gr.SelectData) -> str:
        """Choose the model whose card was pressed."""
        self._desk.model(str(event.value))
        return str(event.value)

    def show_picture(self, name: str | None) -> Any:
        """Read one of the listed pictures."""
        return self._desk.picture(name or "") if self._desk.knows_picture(name) else gr.skip()

    def sample(self, model: str | None, name: str | None) -> tuple[Any, Any]:
        """Where a demo model meets a picture of another world, show one that it was made for."""
        wanted = self._desk.sample_for(model, name)
        return (gr.skip(), gr.skip()) if wanted is None else (wanted, self._desk.picture(wanted))

    def upload_picture(self, path: str, request: gr.Request) -> tuple[Image.Image, Any]:
        """Keep an uploaded picture, so that a link opens it again, and choose it."""
        visitor = visitor_of(request)
        name = self._desk.import_picture(Path(path), visitor)
        return self._desk.picture(name), gr.Dropdown(self._desk.picture_choices(visitor), value=name)


@dataclass(frozen=True, slots=True)
class Choosing:
    """The components of the bar."""

    model: gr.Dropdown
    picture: gr.Dropdown
    picture_file: gr.UploadButton
    source: gr.Image
    opened: gr.Textbox  # the name of the tab that is seen
    asked_at: gr.Number  # the time of the newest choice, by the page's clock


def build_choosing() -> Choosing:
    """Build the bar inside the current layout."""
    with gr.Row(equal_height=False, elem_id="choosing"):
        # Any text is let through to the desk, which looks it up: lists differ between sessions and programs.
        model = gr.Dropdown([], label=text.MODEL, allow_custom_value=True, min_width=150, elem_id="model")
        picture = gr.Dropdown([], label=text.PICTURE, allow_custom_value=True, min_width=150, elem_id="picture")
        with gr.Column(scale=0, min_width=150, elem_id="bar-buttons"):
            picture_file = gr.UploadButton(text.UPLOAD_PICTURE, file_types=["image"], size="sm", elem_id="picture-file")
            link = gr.Button(text.COPY_LINK, size="sm", elem_id="copy-link")
    # Gradio builds a tab when it is first opened. What every tab waits for is therefore here, and out of sight.
    source = gr.Image(
        label=text.INPUT, alt_text=text.INPUT_ALT, type="pil", format="png", interactive=False, visible="hidden"
    )
    opened = gr.Textbox(address.TABS[0], label=text.OPENED, visible="hidden", elem_id="opened")
    asked_at = gr.Number(0, label=text.OPENED, visible="hidden")
    link.click(None, None, None, js=_COPY, api_name="copy_link", api_visibility="undocumented")
    return Choosing(model, picture, picture_file, source, opened, asked_at)


def connect_choosing(desk: Desk, choosing: Choosing, cards: gr.HTML) -> None:
    """Let the choices, and the cards of models, decide what the picture is."""
    handlers = Handlers(desk)
    hidden: dict[str, Any] = {"api_visibility": "undocumented", "show_progress": "hidden"}
    model, picture, source = choosing.model, choosing.picture, choosing.source
    on_any([picture.input], edge(handlers.show_picture), picture, source, api_name="show_picture", **hidden)
    choosing.picture_file.upload(
        edge(handlers.upload_picture),
        choosing.picture_file,
        [source, picture],
        show_progress_on=picture,
        api_name="upload_picture",
        api_visibility="undocumented",
    )
    picked = cards.select(edge(handlers.pick), None, model, queue=False, api_name="pick", **hidden)
    sample = edge(handlers.sample)
    on_any([model.input], sample, [model, picture], [picture, source], api_name="sample", **hidden)
    last: dict[str, Any] = {"trigger_mode": "always_last", **hidden}
    picked.then(sample, [model, picture], [picture, source], api_name="sample_of_card", **last)
