"""The Learn tab: one lesson at a time, its question, its live part, and the way to the tab where it goes on.

Nothing is computed before a visitor asks for it there; another model or picture only clears what is shown.
"""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from coronet.studio import address, glossary
from coronet.studio.charts import sentence
from coronet.studio.choosing import Choosing
from coronet.studio.desk import Desk
from coronet.studio.edge import edge
from coronet.studio.learn import live as lesson_live
from coronet.studio.learn import page as lesson_page
from coronet.studio.learn import text as words
from coronet.studio.learn.text import LESSONS

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "undocumented"}
# The button that was pressed is out of sight now: the keyboard goes on at the tab that was opened.
_FOCUS = """() => setTimeout(() => {
  document.querySelector("#tabs [role=tab][aria-selected=true]")?.focus();
  window.scrollTo(0, 0);
}, 200)"""


class Handlers:
    """What happens on an event: values in, values out."""

    def opening(self, request: gr.Request) -> tuple[Any, ...]:
        """Show the lesson that the address names, else the first."""
        number = address.read_lesson(request.query_params)
        return (number, *self.show(number))

    def show(self, number: int | None) -> list[Any]:
        """Show one lesson and hide the others."""
        return [gr.Column(visible=place == number) for place in range(1, len(LESSONS) + 1)]

    def reveal(self) -> Any:
        """Show a lesson's live part, once something was guessed."""
        return gr.Column(visible=True)

    def go(self, number: int) -> tuple[Any, Any]:
        """Open the tab where a lesson goes on, with the ratio it speaks of."""
        lesson = LESSONS[number - 1]
        return gr.Tabs(selected=lesson.tab), gr.skip() if lesson.ratio is None else lesson.ratio


@dataclass(frozen=True, slots=True)
class Ways:
    """What a lesson needs to lead elsewhere."""

    tabs: gr.Tabs
    ratio: gr.Number


def build_learn(page: gr.Blocks, desk: Desk, choosing: Choosing, ways: Ways) -> None:
    """Build this tab and its events inside the current layout."""
    gr.HTML(sentence(words.LEARN_LEAD, "lead"), label=words.LESSON_LIST)
    lessons = gr.HTML(
        1,
        label=words.LESSON_LIST,
        html_template=lesson_page.LIST,
        js_on_load=lesson_page.LIST_SCRIPT,
        elem_id="lessons",
    )
    handlers, live = Handlers(), lesson_live.Handlers(desk)
    panels = [_build_lesson(number, handlers, live, choosing, ways) for number in range(1, len(LESSONS) + 1)]
    gr.Markdown(f"## {words.GLOSSARY}")
    gr.HTML(sentence(words.GLOSSARY_LEAD) + glossary.listed(), label=words.GLOSSARY, elem_id="glossary")
    lessons.select(handlers.show, lessons, panels, queue=False, api_name="show_lesson", **_QUIET)
    lessons.select(None, lessons, None, js=address.writer("lesson"), api_name="write_lesson", **_QUIET)
    page.load(edge(handlers.opening), None, [lessons, *panels], queue=False, api_name="first_lesson", **_QUIET)


def _build_lesson(
    number: int, handlers: Handlers, live: lesson_live.Handlers, choosing: Choosing, ways: Ways
) -> gr.Column:
    lesson = LESSONS[number - 1]
    with gr.Column(visible=number == 1, elem_id=f"lesson-{number}") as panel:
        question = gr.HTML(
            lesson_page.lesson_page(number),
            label=lesson.title,
            js_on_load=lesson_page.QUESTION_SCRIPT,
            elem_id=f"question-{number}",
        )
        with gr.Column(visible=False, elem_id=f"live-{number}", elem_classes="live-part") as part:
            gr.HTML(lesson_page.live_heading(number), label=lesson.live)
            steps = _LIVE[number - 1](live, choosing)
        further = gr.Button(lesson.try_in, size="md", elem_id=f"try-{number}", elem_classes="further")
    event = question.select(handlers.reveal, None, part, queue=False, api_name=f"reveal_{number}", **_QUIET)
    for place, step in enumerate(steps, start=1):
        names = {"api_name": f"first_{number}_{place}", "api_visibility": "undocumented"}
        event = event.then(*step, show_progress_on=steps[-1][2], concurrency_id="torch", **names)
    going = further.click(
        lambda: handlers.go(number), None, [ways.tabs, ways.ratio], queue=False, api_name=f"go_{number}", **_QUIET
    )
    writing = address.writer("tab", lesson.tab)
    going.then(None, None, None, js=f"() => {{ ({writing})(); ({_FOCUS})(); }}", api_name=f"went_{number}", **_QUIET)
    return panel


_LIVE = (
    lesson_live.build_anatomy,
    lesson_live.build_shares,
    lesson_live.build_knobs,
    lesson_live.build_draws,
    lesson_live.build_race,
)
