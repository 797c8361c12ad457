"""Lesson 2 in a real browser, by keyboard alone: guess, see, slide, look a word up, and go on in Squeeze."""

import re

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.pages import NAMELESS, keep_screenshots

pytestmark = pytest.mark.browser


def test_lesson_2_by_keyboard(visitor: BrowserContext, studio: str) -> None:
    page = visitor.new_page()
    page.goto(f"{studio}?tab=learn&lesson=2")
    question, verdict = page.locator("#question-2"), page.locator("#question-2 .verdict")
    expect(question).to_be_visible()
    expect(page.locator("#question-1")).to_be_hidden()
    expect(page.locator("#lessons [aria-current=step]")).to_contain_text("Pruning")

    question.get_by_role("button", name="Check my guess").press("Enter")
    expect(verdict).to_have_text("Choose an answer first.")
    expect(page.locator("#live-2")).to_be_hidden()
    question.get_by_role("radio").first.press("Space")
    page.keyboard.press("Tab")
    expect(question.get_by_role("button", name="Check my guess")).to_be_focused()
    page.keyboard.press("Enter")
    expect(verdict).to_contain_text("Not quite.")
    question.get_by_role("radio").first.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    question.get_by_role("button", name="Check my guess").press("Enter")
    expect(verdict).to_contain_text("Right. Half of the channels in")

    expect(page.locator("#even")).to_contain_text("100 %")
    slider = page.locator("#share input[type=range]")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#even")).to_contain_text("27 %")
    assert page.locator("#even img").count() == 2
    assert page.evaluate(NAMELESS) == []
    keep_screenshots(page, "lesson")

    meaning = page.locator("#term-mac")
    expect(meaning).to_be_hidden()
    question.get_by_role("button", name="MACs").press("Enter")
    expect(meaning).to_contain_text("Multiply-accumulate")
    page.keyboard.press("Escape")
    expect(meaning).to_be_hidden()

    page.get_by_role("button", name="Try it in Squeeze").press("Enter")
    expect(page.get_by_role("tab", name="Squeeze")).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile("tab=squeeze"))
    expect(page.locator("#ratio input")).to_have_value("4")
    expect(page.locator("#numbers table")).to_be_visible()


def test_a_teachers_link_opens_its_lesson_and_the_list_changes_the_address(
    visitor: BrowserContext, studio: str
) -> None:
    page = visitor.new_page()
    page.goto(f"{studio}?tab=learn&lesson=4")
    expect(page.locator("#question-4")).to_be_visible()
    page.get_by_role("button", name="Latents").press("Enter")
    expect(page.locator("#question-3")).to_be_visible()
    expect(page.locator("#question-4")).to_be_hidden()
    expect(page).to_have_url(re.compile("lesson=3"))
    page.get_by_role("button", name="Show it without a guess").press("Enter")
    expect(page.locator("#turned img")).to_have_count(2)
    knob = page.locator("#live-3 input[type=range]").first
    knob.focus()
    page.keyboard.press("Home")
    expect(page.locator("#turned img")).to_have_count(3)
    expect(page.locator("#turned")).to_contain_text("Only rounding is left")
    keep_screenshots(page, "knobs")
