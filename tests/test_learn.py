"""The Learn tab: its lessons and questions, the glossary and the marks on words, and what its handlers answer."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from coronet.demos import demo_names, find_demo
from coronet.errors import CheckpointError
from coronet.jobs import JobTable
from coronet.lessons import small_samples
from coronet.lessons.small_samples import DRAWS, SIZES, Heaps
from coronet.recipes.settings import CompressSettings
from coronet.settings import fields_of
from coronet.studio import address, charts, glossary, text
from coronet.studio.desk import Desk
from coronet.studio.glossary import TERMS, marked
from coronet.studio.learn import page as lesson_page
from coronet.studio.learn import text as lesson_text
from coronet.studio.learn.live import Handlers as LiveHandlers
from coronet.studio.learn.tab import Handlers
from coronet.studio.learn.text import LESSONS, Lesson
from tests.studios import TINY, NoLauncher, save_tiny_model

NUMBERS = range(1, len(LESSONS) + 1)


@pytest.fixture
def live(tmp_path: Path) -> LiveHandlers:
    model = save_tiny_model(tmp_path / "tiny.safetensors")
    return LiveHandlers(Desk(JobTable(tmp_path / "runs", NoLauncher()), tmp_path / "runs" / "imported", (model,)))


GREY = Image.new("RGB", (32, 32), "#446688")


# Lessons


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_question_has_one_right_answer_and_a_reason_for_each(lesson: Lesson) -> None:
    assert sum(answer.is_right for answer in lesson.answers) == 1
    assert all(answer.words and answer.reason for answer in lesson.answers)
    assert len({answer.words for answer in lesson.answers}) == len(lesson.answers) >= 3


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_is_short_and_leads_to_a_tab(lesson: Lesson) -> None:
    assert 3 <= len(lesson.sentences) <= 6
    assert lesson.tab in address.TABS
    assert lesson.ratio is None or 1 <= lesson.ratio <= address.LARGEST_RATIO


@pytest.mark.parametrize(
    ("written", "number"), [("3", 3), ("5", 5), ("0", 1), ("6", 1), ("", 1), ("²", 1), ("-1", 1), ("03", 1), ("x", 1)]
)
def test_an_address_names_a_lesson(written: str, number: int) -> None:
    assert address.read_lesson({"lesson": written}) == number
    assert len(LESSONS) == address.LAST_LESSON
    shown = Handlers().opening(SimpleNamespace(query_params={"lesson": written}))
    assert shown[0] == number
    assert [panel.visible for panel in shown[1:]] == [place == number for place in NUMBERS]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_page_asks_its_question_by_radio_buttons_and_says_the_verdict_in_a_live_region(number: int) -> None:
    page, lesson = lesson_page.lesson_page(number), LESSONS[number - 1]
    assert page.count(f"type='radio' name='guess-{number}'") == len(lesson.answers)
    assert page.count("<p class='verdict' role='status'></p>") == 1
    assert page.count(f"data-said='{lesson_text.RIGHT} ") == 1
    assert page.count(f"data-said='{lesson_text.WRONG} ") == len(lesson.answers) - 1


def test_the_list_has_a_button_for_every_lesson() -> None:
    assert re.findall(r"data-lesson='(\d)'", lesson_page.LIST) == [str(number) for number in NUMBERS]


def test_a_lesson_goes_on_in_its_tab_with_its_ratio() -> None:
    tabs, ratio = Handlers().go(2)
    assert (tabs.selected, ratio) == ("squeeze", 4.0)
    assert Handlers().go(3)[1] == gr.skip()


def test_the_words_of_lesson_4_are_the_numbers_it_draws() -> None:
    sizes = f"{', '.join(map(str, SIZES[:-1]))} and {SIZES[-1]}"
    for said in (f"{2 * SIZES[-1]} real", f"{SIZES[-1]} more", sizes, f"{DRAWS} times"):
        assert said in LESSONS[3].hint


# Live parts


def test_a_picture_is_shown_on_its_way_through_every_group(live: LiveHandlers) -> None:
    shown = live.inside(TINY, GREY, None)
    assert shown.count("<li>") == 6
    assert shown.count("<img") == 2 + 6 * 4
    assert "stem: 4 channels of 32 × 32" in shown


def test_an_even_cut_is_said_in_numbers_and_shown(live: LiveHandlers) -> None:
    shown = live.cut(TINY, GREY, None, 50)
    assert "<dd>50 % · 28 of 56" in shown
    assert shown.count("<img") == 2
    assert live.cut(TINY, GREY, None, -5).count("<img") == 2


def test_knobs_stand_at_1_and_turning_one_off_shows_the_cut_net(live: LiveHandlers) -> None:
    group, *sliders, caption, panel, owner = live.knobs(TINY, GREY, None, None)
    assert (group.value, panel.visible, owner) == ("up2", True, TINY)
    assert [slider.visible for slider in sliders] == [True] * 3 + [False] * 3
    assert {slider.value for slider in sliders} == {1}
    assert "3 of the 4" in caption
    assert live.turn(TINY, GREY, None, "up2", *[1.0] * 6).count("<img") == 2
    shown = live.turn(TINY, GREY, None, "up2", 0, *[1.0] * 5)
    assert shown.count("<img") == 3
    assert float(re.search(r"pictures: (\S+),", shown)[1]) < 1e-5  # type: ignore[index]


def test_knobs_of_another_model_are_put_away(live: LiveHandlers) -> None:
    assert live.forget(TINY, TINY) == gr.skip()
    assert live.forget("demo/shoes", TINY).visible is False


def test_draws_are_a_figure_and_a_table_and_pictures_are_drawn_once(
    live: LiveHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered: list[Any] = []

    def gather(demo: Any, report: Any) -> Heaps:
        gathered.append(demo)
        report(1, 240)
        random = np.random.default_rng(0)
        return Heaps(random.normal(size=(160, 8)), random.normal(size=(80, 8)))

    monkeypatch.setattr(small_samples, "gather", gather)
    heard: list[Any] = []
    for _ in range(2):
        plot, table = live.draws(lambda done, desc: heard.append((done, desc)))
        assert plot.visible
        assert table.count("<tr>") == 1 + len(SIZES)
        assert "FID" not in table
    assert gathered == [find_demo(demo_names()[0])]
    assert heard == [((1, 240), lesson_text.GATHERING)]


def test_a_race_is_a_figure_and_a_table(live: LiveHandlers) -> None:
    plot, table = live.race(TINY, GREY, None)
    assert plot.visible
    assert table.count("<tr>") >= 3
    assert lesson_text.DENSE in table


def test_a_picture_that_is_not_shown_yet_is_looked_up_by_its_name(live: LiveHandlers) -> None:
    named, other = live.inside(TINY, None, "Horse 1"), live.inside(TINY, None, "Winter 1")
    assert named.count("<img") == 2 + 6 * 4
    assert named != other
    assert live.inside(TINY, None, "../../etc/passwd") == live.inside(TINY, None, None)


def test_a_live_part_needs_a_model(live: LiveHandlers) -> None:
    with pytest.raises(CheckpointError):
        live.race(None, GREY, None)


# Glossary


def shown_texts() -> list[str]:
    """Everything the studio says: its words, those of the lessons, and what the settings say of themselves."""
    said: list[str] = []

    def collect(value: Any) -> None:
        if isinstance(value, str):
            said.append(value)
        elif isinstance(value, dict):
            collect(list(value.values()))
        elif isinstance(value, list | tuple):
            for entry in value:
                collect(entry)

    for module in (text, lesson_text):
        collect([value for name, value in vars(module).items() if name.isupper() and name != "LESSONS"])
    for lesson in LESSONS:
        collect([lesson.title, lesson.question, lesson.hint, lesson.sentences])
        collect([[answer.words, answer.reason] for answer in lesson.answers])
    collect([[field.label, field.help] for field in fields_of(CompressSettings)])
    return said


def test_every_term_is_used_somewhere() -> None:
    used = {key for words in shown_texts() for key in re.findall(r"popovertarget='term-([^']+)'", marked(words))}
    assert set(TERMS) - used == set()


def test_every_spelling_belongs_to_one_term() -> None:
    spellings = [spelling for term in TERMS.values() for spelling in term.spellings]
    assert len(set(spellings)) == len(spellings)


def test_a_meaning_is_a_sentence() -> None:
    assert [term.name for term in TERMS.values() if not re.fullmatch(r"[A-ZF].*\.", term.meaning)] == []


def test_only_the_first_occurrence_of_a_term_is_marked() -> None:
    shown = marked("MACs and MACs, a channel, Channels")
    assert shown.count("<button") == 2
    assert "popovertarget='term-mac' aria-describedby='term-mac'>MACs</button> and MACs" in shown


def test_parts_of_other_words_are_not_marked() -> None:
    assert marked("FID-768, proxies, FIDelity, bandwidth") == "FID-768, proxies, FIDelity, bandwidth"


def test_marked_text_is_escaped() -> None:
    assert "<script" not in marked("<script>MACs</script>")
    assert marked("a < b & 'c'") == "a &lt; b &amp; &#x27;c&#x27;"


def test_every_mark_has_its_meaning_on_the_page() -> None:
    opened = set(re.findall(r"popovertarget='([^']+)'", "".join(map(marked, shown_texts()))))
    there = re.findall(r"<div popover id='([^']+)'", glossary.meanings())
    assert opened == set(there)
    assert len(there) == len(set(there))


def test_the_glossary_lists_every_term_by_name() -> None:
    names = re.findall(r"<dt>([^<]+)</dt>", glossary.listed())
    assert names == sorted((term.name for term in TERMS.values()), key=str.lower)
    assert len(names) >= 25


def test_tables_and_notes_of_other_tabs_are_marked() -> None:
    numbers = charts.numbers_table({"macs": 4}, {"macs": 2})
    assert "popovertarget='term-mac'" in numbers
    assert "popovertarget='term-generator'" in charts.sentence(text.LEAD, "lead")


def test_what_went_wrong_is_said_plainly() -> None:
    assert "<button" not in charts.sentence("The generator has no channels.", "problem")
