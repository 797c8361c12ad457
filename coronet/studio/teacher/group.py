"""What a visitor of a class sees on the Train tab: what the teacher allows, and the name of the own group."""

from typing import Any

import gradio as gr

from coronet.studio import charts
from coronet.studio.choosing import Choosing
from coronet.studio.desk import Desk
from coronet.studio.edge import edge, on_any
from coronet.studio.live import live_region
from coronet.studio.teacher import text as text_teacher
from coronet.studio.visitors import visitor_of


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def show(self, request: gr.Request) -> tuple[str, Any]:
        """Say what the teacher allows, and how this visitor's group is called."""
        rules = self._desk.rule_book.rules()
        said = charts.plain_sentence(rules.sentence(), "healing") if rules else ""
        return said, self._desk.visitors.name(visitor_of(request).owner)

    def rename(self, name: str | None, request: gr.Request) -> tuple[str, str]:
        """Name this visitor's group, at most 30 letters."""
        kept = self._desk.visitors.rename(visitor_of(request), name or "")
        return kept, charts.plain_sentence(text_teacher.GROUP_KEPT.format(name=kept)) if kept else ""


def build_group(desk: Desk, choosing: Choosing, tab: gr.Tab) -> None:
    """Build this part of the Train tab and its events inside the current layout."""
    allowed = gr.HTML(label=text_teacher.RULES, elem_id="allowed-here")
    with gr.Row(equal_height=False):
        name = gr.Textbox(
            label=text_teacher.GROUP,
            info=text_teacher.GROUP_INFO,
            max_length=30,
            max_lines=1,
            elem_id="group-name",
        )
        said = live_region(text_teacher.GROUP, "group-said")
    handlers = Handlers(desk)
    hidden: dict[str, Any] = {"api_visibility": "undocumented", "queue": False, "show_progress": "hidden"}
    kept = gr.Textbox(label=text_teacher.GROUP, visible=False)
    shown = on_any(
        [choosing.model.change, tab.select], edge(handlers.show), None, [allowed, kept], api_name="group", **hidden
    )
    # What was typed while the answer was under way stays.
    shown.then(None, [kept, name], name, js="(kept, typed) => typed || kept", api_name="show_group", **hidden)
    gr.on([name.blur, name.submit], edge(handlers.rename), name, [name, said], api_name="rename_group", **hidden)
