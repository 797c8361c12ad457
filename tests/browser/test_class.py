"""A class of 25 browsers: six queue a run, the teacher stops one, and the wall shows what the others reached."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import OpenStudio
from tests.browser.pages import keep_screenshots, open_tab, set_advanced

PATIENCE = 600_000  # milliseconds; all browsers are drawn by the processors that also serve and train
SEATS = 25
GROUPS = ("Foxes", "Owls", "Bees", "Moles", "Newts", "Crows")
FEW_FRAMES = """
const frame = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (draw) => setTimeout(() => frame(draw), 500);
"""
SHORT = {"Image size": "32", "Search steps": "10", "Fine-tuning steps": "10", "Warm-up": "0"}
ENDLESS = {**SHORT, "Fine-tuning steps": "90000"}


def take_a_seat(browser: Browser) -> Page:
    """Open an empty page, and draw it at times only: Gradio's clock of a finished wait asks for frames for ever."""
    seat = browser.new_context(viewport={"width": 1440, "height": 1000})
    seat.set_default_timeout(PATIENCE)
    seat.add_init_script(FEW_FRAMES)
    return seat.new_page()


def start_a_run(page: Page, group: str, settings: dict[str, str]) -> None:
    """Name the group and start a run, as a pupil does."""
    open_tab(page, "Train")
    name = page.locator("#group-name input, #group-name textarea")
    name.fill(group)
    name.press("Enter")
    expect(page.locator("#group-said")).to_contain_text(group, timeout=PATIENCE)
    set_advanced(page, settings)
    page.get_by_role("button", name="Start the run").click()
    expect(page.locator("#progress .state")).to_contain_text(
        "Waiting" if settings is SHORT else "Running", timeout=PATIENCE
    )


@pytest.mark.slow  # 25 browsers on two processors take minutes
@pytest.mark.browser
def test_a_class_of_25(
    chromium: Browser,
    visitor: BrowserContext,
    open_studio: OpenStudio,
    tiny_model: Path,
    tiny_data: Path,
    teacher_file: Path,
) -> None:
    address, _ = open_studio("--model", tiny_model, "--data", tiny_data.parent, "--teacher", teacher_file)
    pages = [take_a_seat(chromium) for _ in range(SEATS)]
    for page in pages:
        page.goto(address)
        expect(page.locator("#model input")).to_have_value("tiny.safetensors", timeout=PATIENCE)
    for page, group in zip(pages, GROUPS, strict=False):
        start_a_run(page, group, ENDLESS if group == GROUPS[0] else SHORT)
    expect(pages[5].locator("#progress .state")).to_contain_text("before it", timeout=PATIENCE)

    teacher = visitor.new_page()
    teacher.goto(f"{address}teacher")
    teacher.locator("#teacher-password input").fill(teacher_file.read_text())
    teacher.get_by_role("button", name="Enter").click()
    expect(teacher.locator("#jobs tbody tr")).to_have_count(len(GROUPS), timeout=PATIENCE)
    keep_screenshots(teacher, "class-queue")
    teacher.locator("#any-run input").click()
    teacher.get_by_role("option", name=GROUPS[0]).click()
    teacher.get_by_role("button", name="Stop it").click()
    expect(pages[0].locator("#progress .state")).to_contain_text("Cancelled", timeout=PATIENCE)
    for page in pages[1:6]:
        expect(page.locator("#progress .state")).to_contain_text("Done", timeout=PATIENCE)
    for group in GROUPS[1:]:
        expect(teacher.locator("#wall-table")).to_contain_text(group, timeout=PATIENCE)
    expect(teacher.locator("#wall-table")).not_to_contain_text(GROUPS[0])
    keep_screenshots(teacher, "class-wall")
    for page in pages:
        page.context.close()
