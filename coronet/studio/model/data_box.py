"""The box for data sets of one's own: a zip is checked, kept and listed, and can be removed again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from coronet.studio import charts
from coronet.studio.choosing import Choosing
from coronet.studio.desk import Desk
from coronet.studio.edge import edge, free_box
from coronet.studio.live import live_region
from coronet.studio.shelves import text as text_visitors
from coronet.studio.shelves.data import report, uploaded_words
from coronet.studio.shelves.owned import PREFIX
from coronet.studio.visitors import Visitor, visitor_of


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_data(self, path: str | None, request: gr.Request) -> tuple[Any, Any, Any, Any]:
        """Check a zip of pictures, keep it as a data set of this visitor and choose it; says what was found in it."""
        if path is None:
            return (gr.skip(),) * 4
        visitor = visitor_of(request)
        data = self._desk.import_data(Path(path), visitor)
        said = "".join(charts.sentence(sentence) for sentence in report(data))
        return said, *self._lists(visitor, f"{PREFIX}{data.folder.name}")

    def remove_data(
        self, name: str | None, model: str | None, chosen: str | None, request: gr.Request
    ) -> tuple[Any, Any, Any, Any]:
        """Remove a data set of one's own, unless a run still needs it; where it was the chosen one, the model's is."""
        visitor = visitor_of(request)
        data = self._desk.remove_data(name or "", visitor)
        said = charts.sentence(text_visitors.REMOVED.format(name=data.name))
        left = self._desk.data_for(model, None, visitor) if chosen == name else chosen
        return said, *self._lists(visitor, left)

    def list_data(self, request: gr.Request) -> tuple[Any, Any]:
        """List the data sets of this visitor."""
        own = self._own(visitor_of(request))
        return gr.Dropdown(own, value=own[0][1] if own else None), gr.Button(interactive=bool(own))

    def _lists(self, visitor: Visitor, chosen: str | None) -> tuple[Any, Any, Any]:
        own = self._own(visitor)
        return (
            gr.Dropdown(self._desk.data_choices(visitor), value=chosen),
            gr.Dropdown(own, value=own[0][1] if own else None),
            gr.Dropdown(self._desk.picture_choices(visitor)),
        )

    def _own(self, visitor: Visitor) -> list[tuple[str, str]]:
        return [
            (uploaded_words(data), f"{PREFIX}{data.folder.name}") for data in self._desk.data_shelf.uploads(visitor)
        ]


@dataclass(frozen=True, slots=True)
class DataBox:
    """The components of this box."""

    file: gr.File
    said: gr.HTML
    own: gr.Dropdown
    remove: gr.Button


def build_data_box() -> DataBox:
    """Build the box inside the current layout."""
    with gr.Accordion(text_visitors.ADD_DATA, open=False, elem_id="add-data"):
        with gr.Row():
            with gr.Column(min_width=300):
                gr.HTML(charts.sentence(text_visitors.DATA_FILE_NOTE), label=text_visitors.ADD_DATA)
                file = gr.File(label=text_visitors.DATA_FILE, file_types=[".zip"], height=150, elem_id="data-file")
            with gr.Column(min_width=300):
                own = gr.Dropdown([], label=text_visitors.OWN_DATA, allow_custom_value=True, elem_id="own-data")
                remove = gr.Button(text_visitors.REMOVE_DATA, size="sm", interactive=False, elem_id="remove-data")
                said = live_region(text_visitors.ADD_DATA, "data-said")
    return DataBox(file, said, own, remove)


@dataclass(frozen=True, slots=True)
class DataChoice:
    """Where a run's data set is chosen: the list, a button that adds to it, and what is said of an upload."""

    data: gr.Dropdown
    upload: gr.UploadButton
    said: gr.HTML


def build_data_choice(label: str, info: str) -> DataChoice:
    """Build the list of data sets and its button inside the current layout."""
    with gr.Column(scale=2, min_width=300):
        data = gr.Dropdown([], label=label, info=info, allow_custom_value=True, elem_id="data")
        upload = gr.UploadButton(text_visitors.UPLOAD_DATA, file_types=[".zip"], size="sm", elem_id="data-upload")
        said = live_region(text_visitors.UPLOAD_DATA, "upload-said")
    return DataChoice(data, upload, said)


def connect_data_box(page: gr.Blocks, desk: Desk, box: DataBox, choice: DataChoice, choosing: Choosing) -> None:
    """Let the box, and the button beside the list of Train, fill that list, the box's own and that of the pictures."""
    handlers = Handlers(desk)
    hidden: dict[str, Any] = {"api_visibility": "undocumented"}
    lists_shown = [choice.data, box.own, choosing.picture]
    shown = [box.said, *lists_shown]
    add, lists = edge(handlers.add_data), edge(handlers.list_data)
    added = box.file.upload(
        add, box.file, shown, show_progress_on=box.file, concurrency_id="uploads", api_name="add_data", **hidden
    )
    again = choice.upload.upload(
        add,
        choice.upload,
        [choice.said, *lists_shown],
        show_progress_on=choice.said,
        concurrency_id="uploads",
        api_name="add_data_to_train",
        **hidden,
    )
    removed = box.remove.click(
        edge(handlers.remove_data),
        [box.own, choosing.model, choice.data],
        shown,
        show_progress="hidden",
        api_name="remove_data",
        **hidden,
    )
    listed: dict[str, Any] = {**hidden, "queue": False, "show_progress": "hidden"}
    for number, event in enumerate((added, again, removed)):
        event.success(lists, None, [box.own, box.remove], api_name=f"list_data_{number}", **listed)
    page.load(lists, None, [box.own, box.remove], api_name="list_data", **listed)
    free_box(added, box.file, "data_file")
