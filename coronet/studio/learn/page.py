"""How a lesson is laid out: the list of lessons, the sentences, and the question that is guessed before it is answered.

What was guessed stays in the browser. The words stand in `text`, the live parts in `live`.
"""

from html import escape

from coronet.studio.glossary import marked
from coronet.studio.learn import text as words
from coronet.studio.learn.text import LESSONS, Answer, Lesson


def _list() -> str:
    items = "".join(
        f"<li><button type='button' data-lesson='{number}'><span class='number'>{number}</span>"
        f"<span>{escape(lesson.name)}</span></button></li>"
        for number, lesson in enumerate(LESSONS, start=1)
    )
    return f"<nav aria-label='{words.LESSON_LIST}'><ol class='lessons'>{items}</ol></nav>"


# The value is the number of the lesson that is shown.
LIST = _list()
LIST_SCRIPT = """
const buttons = [...element.querySelectorAll("button[data-lesson]")];
const show = () => buttons.forEach((button) => {
  if (button.dataset.lesson === String(props.value)) button.setAttribute("aria-current", "step");
  else button.removeAttribute("aria-current");
});
buttons.forEach((button) => button.addEventListener("click", () => {
  props.value = Number(button.dataset.lesson);
  show();
  trigger("select", {index: props.value - 1, value: props.value});
}));
watch("value", show);
show();
"""
# A guess is judged here, so that no other visitor and no server is asked; the live part below appears with it.
QUESTION_SCRIPT = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button.check, button.skip");
  if (!button) return;
  const quiz = button.closest(".quiz"), said = quiz.querySelector(".verdict");
  const chosen = quiz.querySelector("input:checked");
  if (button.matches(".check")) {
    said.textContent = chosen ? chosen.dataset.said : quiz.dataset.first;
    if (!chosen) return;
    quiz.classList.add("answered");
  }
  trigger("select", {index: 0, value: chosen ? chosen.value : ""});
});
"""


def lesson_page(number: int) -> str:
    """Give a lesson's title, its sentences, in which each term is marked once, and its question."""
    lesson = LESSONS[number - 1]
    sentences = marked("\n".join(lesson.sentences)).split("\n")
    said = "".join(f"<p>{sentence}</p>" for sentence in sentences)
    return f"<div class='lesson'><h2>{number} · {escape(lesson.title)}</h2>{said}{_question(number, lesson)}</div>"


def live_heading(number: int) -> str:
    """Give the heading of a lesson's live part, and what to do there."""
    lesson = LESSONS[number - 1]
    return f"<h3 class='live'>{escape(lesson.live)}</h3><p class='note'>{marked(lesson.hint)}</p>"


def _question(number: int, lesson: Lesson) -> str:
    answers = "".join(_answer(number, place, answer) for place, answer in enumerate(lesson.answers))
    buttons = (
        f"<p class='buttons'><button type='button' class='check'>{words.CHECK}</button> "
        f"<button type='button' class='link skip'>{words.SKIP}</button></p>"
    )
    legend = f"<legend><span>{words.GUESS}</span> {escape(lesson.question)}</legend>"
    first = escape(words.CHOOSE_FIRST, quote=True)
    verdict = "<p class='verdict' role='status'></p>"
    return f"<fieldset class='quiz' data-first='{first}'>{legend}{answers}{buttons}{verdict}</fieldset>"


def _answer(number: int, place: int, answer: Answer) -> str:
    said = escape(f"{words.RIGHT if answer.is_right else words.WRONG} {answer.reason}", quote=True)
    named = f"type='radio' name='guess-{number}' value='{place}' data-said='{said}'"
    tick = f"<span class='tick'>✓ {words.IS_RIGHT}</span>" if answer.is_right else ""
    return f"<label><input {named}><span>{escape(answer.words)}{tick}</span></label>"
