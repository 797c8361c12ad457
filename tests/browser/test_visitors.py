"""Several visitors in real browsers: each sees what is his, a link shows more, and the teacher sees all."""

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import OpenStudio
from tests.browser.pages import NAMELESS, SCREENSHOTS, keep_screenshots, open_tab

pytestmark = pytest.mark.browser


@pytest.fixture
def tiny_zip(tiny_data: Path, tmp_path: Path) -> Path:
    """The tiny pairs as a visitor packs them, with a text among them."""
    with zipfile.ZipFile(tmp_path / "My blocks.zip", "w") as archive:
        for path in sorted(tiny_data.rglob("*.png")):
            archive.write(path, path.relative_to(tiny_data.parent))
        archive.writestr("blocks/notes.txt", "x")
    return tmp_path / "My blocks.zip"


def choices(page: Page, name: str) -> str:
    """Open a list and give the words in it."""
    page.locator(f"#{name} input").click()
    page.wait_for_timeout(300)
    words = page.locator("ul[role=listbox]").inner_text()
    page.keyboard.press("Escape")
    return words


def keep_dark(page: Page, address: str, name: str) -> None:
    """Keep pictures of the dark page, too."""
    dark = page.context.new_page()
    dark.goto(address + ("&" if "?" in address else "?") + "__theme=dark")
    dark.wait_for_timeout(2000)
    keep_screenshots(dark, f"{name}-dark")
    dark.close()


def test_a_zip_of_ones_own_is_trained_on_and_seen_by_no_one_else(
    visitor: BrowserContext, other: BrowserContext, open_studio: OpenStudio, tiny_model: Path, tiny_zip: Path
) -> None:
    address, _ = open_studio("--model", str(tiny_model))
    page = visitor.new_page()
    page.goto(address)
    page.get_by_role("button", name="Add a data set").click()
    bad = tiny_zip.with_name("bad.zip")
    bad.write_bytes(b"<html>404</html>")
    page.locator("#data-file input[type=file]").set_input_files(bad)
    expect(page.get_by_test_id("toast-body").first).to_contain_text("bad.zip is no zip archive")
    page.locator("#data-file input[type=file]").set_input_files(tiny_zip)
    said = page.locator("#data-said")
    expect(said).to_contain_text("My blocks was added: pairs A|B side by side, 4 pairs to train and 2 to test")
    expect(said).to_contain_text("32 pixels")
    expect(said).to_contain_text("Left out as no pictures: 1 file")
    expect(said.get_by_role("status")).to_contain_text("My blocks was added")
    expect(page.locator("#own-data input")).to_have_value(re.compile("My blocks"))
    assert page.evaluate(NAMELESS) == []
    keep_screenshots(page, "data-set")

    open_tab(page, "Train")
    expect(page.locator("#data input")).to_have_value(re.compile(r"^My blocks \(your upload, 6 pictures\)"))
    page.get_by_role("button", name="Start the run").click()
    expect(page).to_have_url(re.compile(r"&run=\d{8}-[0-9a-f]{12}$"))
    page.get_by_role("button", name="Pause").click()
    keep_screenshots(page, "own-data")

    elsewhere = other.new_page()
    elsewhere.goto(address)
    expect(elsewhere.locator("#model input")).to_have_value("tiny.safetensors")
    open_tab(elsewhere, "Train")
    assert "My blocks" not in choices(elsewhere, "data")
    elsewhere.goto(page.url)
    expect(elsewhere.locator("#run input")).to_have_value(re.compile("compress tiny 4×"))
    open_tab(page, "Model")
    page.get_by_role("button", name="Remove this data set").click()
    expect(page.get_by_test_id("toast-body").first).to_contain_text("still needs My blocks")


def test_an_uploaded_picture_is_opened_by_a_link(
    visitor: BrowserContext, other: BrowserContext, studio: str, tiny_data: Path
) -> None:
    page = visitor.new_page()
    page.goto(studio)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a picture").click()
    chooser.value.set_files(tiny_data / "test" / "1.png")
    expect(page).to_have_url(re.compile(r"picture=uploaded%2F1-[0-9a-f]{32}"))
    elsewhere = other.new_page()
    elsewhere.goto(page.url + "&tab=squeeze")
    expect(elsewhere.locator("#picture input")).to_have_value("uploaded: 1")
    expect(elsewhere.locator("#input img")).to_be_visible()


def test_a_class_and_its_teacher(
    visitor: BrowserContext, other: BrowserContext, open_studio: OpenStudio, tiny_model: Path, teacher_file: Path
) -> None:
    address, _ = open_studio("--model", str(tiny_model), "--teacher", teacher_file)
    page = visitor.new_page()
    page.goto(address)
    expect(page.locator("#model input")).to_have_value("tiny.safetensors")  # the page has chosen its tab
    open_tab(page, "Train")
    page.locator("#group-name input, #group-name textarea").fill("The <b>foxes</b>")
    page.locator("#group-name input, #group-name textarea").press("Enter")
    expect(page.locator("#group-said")).to_contain_text("The wall shows you as The <b>foxes</b>.")
    page.get_by_role("button", name="Start the run").click()
    expect(page).to_have_url(re.compile(r"&run="))

    teacher = other.new_page()
    teacher.goto(f"{address}teacher")
    teacher.locator("#teacher-password input").fill("a guess")
    teacher.get_by_role("button", name="Enter").click()
    expect(teacher.get_by_test_id("toast-body").first).to_contain_text("not the teacher's password")
    keep_screenshots(teacher, "teacher-form")
    teacher.locator("#teacher-password input").fill(teacher_file.read_text())
    teacher.get_by_role("button", name="Enter").click()
    expect(teacher.locator("#jobs table")).to_contain_text("The <b>foxes</b>")
    assert teacher.evaluate(NAMELESS) == []
    teacher.get_by_role("button", name="Lock", exact=True).click()
    expect(teacher.locator("#rules")).to_contain_text("The teacher has locked the choices: preset quick")
    teacher.get_by_role("button", name="Stop all").click()
    expect(teacher.locator("#jobs-said")).to_contain_text("runs were asked to stop")  # it may have ended by itself
    keep_screenshots(teacher, "teacher")
    keep_dark(teacher, f"{address}teacher", "teacher")

    page.close()
    page = visitor.new_page()
    page.goto(f"{address}?tab=train")
    expect(page.locator("#allowed-here")).to_contain_text("preset quick")
    keep_screenshots(page, "locked")
    assert (SCREENSHOTS / "locked-390.png").is_file()
    expect(teacher.locator("#teacher-room")).to_be_visible()
    teacher.locator("#confirm-reset input, #confirm-reset textarea").fill("RESET")
    teacher.get_by_role("button", name="Remove it all").click()
    expect(teacher.locator("#reset-said")).to_contain_text("1 runs and all uploads were removed")
    expect(teacher.locator("#jobs")).to_contain_text("Nobody has started a run yet")
