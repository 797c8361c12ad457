"""Every tab and the teacher's page through axe-core: nothing serious or critical, light and dark, wide and narrow."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from coronet.studio.address import TABS
from tests.browser.conftest import OpenStudio

pytestmark = pytest.mark.browser

# What a tab shows when it has loaded, so that it is judged with its contents.
LOADED = {
    "model": "#facts img",
    "squeeze": "#numbers table",
    "train": "#estimate p",
    "compare": "#outcomes table",
    "play": "#pad canvas",
    "export": "#prepare",
    "learn": "#question-1",
}


def flaws(page: Page) -> list[str]:
    """Give what axe-core calls serious or critical, with the places."""
    return [
        f"{found['impact']} {found['id']}: {place['html'][:200]} {place['any'][:1]}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in ("serious", "critical")
        for place in found["nodes"]
    ]


def test_axe_finds_nothing_serious_on_any_tab(visitor: BrowserContext, studio: str) -> None:
    found = []
    for tab in TABS:
        page = visitor.new_page()  # a page that is left in the middle of an answer reports that its session has ended
        page.goto(f"{studio}?tab={tab}")
        expect(page.locator(LOADED[tab]).first).to_be_visible(timeout=120_000)
        expect(page.locator("[aria-label='Empty value']:visible")).to_have_count(0)  # a plot on its way
        found += [f"{tab}: {flaw}" for flaw in flaws(page)]
        page.evaluate("document.body.classList.add('dark')")
        page.wait_for_timeout(500)  # colours move
        found += [f"{tab}, dark: {flaw}" for flaw in flaws(page)]
        page.close()
    assert found == [], "\n".join(found)


def test_axe_finds_nothing_serious_on_the_teachers_page(
    visitor: BrowserContext, open_studio: OpenStudio, tiny_model: Path, teacher_file: Path
) -> None:
    address, _ = open_studio("--model", tiny_model, "--teacher", teacher_file)
    page = visitor.new_page()
    page.goto(f"{address}teacher")
    page.locator("#teacher-password input").fill(teacher_file.read_text())
    found = flaws(page)
    page.get_by_role("button", name="Enter").click()
    expect(page.locator("#jobs")).to_contain_text("Nobody")
    assert found + flaws(page) == []
