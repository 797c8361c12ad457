"""What a visitor does, in a real browser: see a preview, slide, start a run, come back to it, take the result home."""

import re
from pathlib import Path

import onnxruntime
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from coronet.demos import demo_names
from tests.browser.conftest import OpenStudio
from tests.browser.pages import NAMELESS, keep_screenshots, open_tab, set_advanced

pytestmark = pytest.mark.browser


def slim_macs(page: Page) -> str:
    return page.locator("#numbers tr", has_text="MACs").first.locator("td").nth(1).inner_text()


def test_from_the_first_look_to_the_onnx_file(
    visitor: BrowserContext, open_studio: OpenStudio, tiny_model: Path, tiny_data: Path, tmp_path: Path
) -> None:
    address, _ = open_studio("--model", str(tiny_model), "--data", str(tiny_data.parent))
    page = visitor.new_page()
    page.goto(address)

    expect(page.locator("h1")).to_have_text("CoroNet Studio")
    wide = page.locator(".gradio-container").bounding_box()["width"]
    open_tab(page, "Squeeze")
    expect(page.locator("#numbers table")).to_be_visible()
    assert page.locator(".gradio-container").bounding_box()["width"] == wide, "the page keeps its width"
    for name in ("input", "dense", "slim"):
        expect(page.locator(f"#{name} img")).to_be_visible()
        assert page.locator(f"#{name} img").get_attribute("alt")
    before = slim_macs(page)
    page.get_by_role("slider", name="Compression ratio").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#numbers")).not_to_contain_text(before)
    expect(page.locator("#ratio input")).to_have_value("3.5")
    expect(page.get_by_role("slider", name="Compression ratio")).to_be_focused()
    expect(page).to_have_url(re.compile(r"[?&]ratio=3\.5(&|$)"))
    page.locator("#channels button").nth(2).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#channels .said")).to_contain_text("trunk: ")
    assert page.evaluate(NAMELESS) == []
    keep_screenshots(page, "preview")
    open_tab(page, "Train")

    set_advanced(page, {"Image size": "32", "Search steps": "20", "Fine-tuning steps": "580", "Warm-up": "0"})
    assert page.evaluate(NAMELESS) == []
    page.get_by_role("button", name="Start the run").click()
    expect(page).to_have_url(re.compile(r"&run=\d{8}-[0-9a-f]{12}$"))
    expect(page.locator("#progress progress")).to_be_visible()

    page.reload()
    expect(page.locator("#progress .state")).to_contain_text("of 600")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#progress .state")).to_contain_text("Paused")
    keep_screenshots(page, "paused")
    visitor.new_page().goto(address)
    elsewhere = visitor.pages[-1]
    open_tab(elsewhere, "Train")
    expect(elsewhere.locator("#progress .state")).to_contain_text("Paused")
    elsewhere.get_by_role("button", name="Resume").click()
    expect(elsewhere.locator("#progress .state")).not_to_contain_text("Paused")  # a page closed earlier asks nothing
    elsewhere.close()

    page.reload()
    expect(page.locator("#progress .state")).to_contain_text("Done", timeout=180_000)
    expect(page.locator("#run-preview img")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="ONNX").click()
    download.value.save_as(tmp_path / "slim.onnx")
    onnxruntime.InferenceSession(tmp_path / "slim.onnx")
    page.wait_for_selector("#plot .js-plotly-plot")
    keep_screenshots(page, "done")
    page.get_by_role("slider", name="Look back").press("Home")
    expect(page.locator("#run-preview figcaption")).to_contain_text("After 100 steps")

    open_tab(page, "Compare")
    expect(page.locator("#outcomes")).to_contain_text("your run 3.")
    page.get_by_role("slider", name="Left dense").press("End")
    expect(page.locator("#closer .before-after")).to_have_attribute("style", re.compile("100%"))
    assert page.evaluate(NAMELESS) == []
    keep_screenshots(page, "compared")


def test_a_fresh_studio_shows_its_demo_and_takes_an_upload(
    visitor: BrowserContext, studio: str, tiny_model: Path, tiny_data: Path
) -> None:
    page = visitor.new_page()
    page.goto(studio)
    expect(page.locator("#model input")).to_have_value(demo_names()[0])
    expect(page.locator("#cards img")).to_have_count(2 * len(demo_names()))
    keep_screenshots(page, "fresh")
    open_tab(page, "Train")
    expect(page.locator("#data input")).to_have_value(re.compile("^scenes/"))
    open_tab(page, "Squeeze")
    expect(page.locator("#numbers table")).to_be_visible()
    of_the_demo = slim_macs(page)

    open_tab(page, "Model")
    page.get_by_role("button", name="Add a model").click()
    page.locator("#model-file input[type=file]").set_input_files(tiny_data / "test" / "0.png")
    expect(page.get_by_test_id("toast-body").first).to_contain_text("Invalid file type")
    page.locator("#model-file input[type=file]").set_input_files(tiny_model)
    expect(page.locator("#model input")).to_have_value("uploaded/tiny")
    expect(page.locator("#no-model")).to_be_hidden()
    open_tab(page, "Squeeze")
    expect(page.locator("#numbers")).not_to_contain_text(of_the_demo)  # the tiny model has answered
    shown = page.locator("#dense img").get_attribute("src") or ""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a picture").click()
    chooser.value.set_files(tiny_data / "test" / "0.png")
    expect(page.locator("#dense img")).not_to_have_attribute("src", shown)
    expect(page.locator("#numbers table")).to_be_visible()


def test_a_link_reopens_the_same_view(visitor: BrowserContext, studio: str) -> None:
    name = demo_names()[-1]
    page = visitor.new_page()
    page.goto(studio)
    card = page.locator(f"#cards button[data-model='{name}']")
    card.press("Enter")
    expect(card).to_have_attribute("aria-pressed", "true")
    open_tab(page, "Squeeze")
    page.get_by_role("button", name="16×").click()
    expect(page.locator("#ratio input")).to_have_value("16")
    expect(page).to_have_url(re.compile("ratio=16"))
    expect(page).not_to_have_url(re.compile("picture=Drawing"))
    expect(page).to_have_url(re.compile(f"model={name.replace('/', '%2F')}"))

    page.locator("#ratio input").fill("8.7")  # between two steps of the slider
    page.locator("#ratio input").press("Tab")
    expect(page.locator(".ratio output")).to_have_text("8.7×")
    page.locator("#aim input").fill("100000")  # millions: the net as it is
    page.locator("#aim input").press("Enter")
    expect(page.locator("#ratio input")).to_have_value("1")
    page.get_by_role("button", name="16×").click()
    expect(page).to_have_url(re.compile(r"[?&]ratio=16(&|$)"))

    elsewhere = visitor.new_page()
    elsewhere.goto(page.url + "&run=none")
    expect(elsewhere.get_by_role("tab", name="Squeeze")).to_have_attribute("aria-selected", "true")
    expect(elsewhere.locator("#model input")).to_have_value(name)
    expect(elsewhere.locator("#picture input")).to_have_value(page.locator("#picture input").input_value())
    expect(elsewhere.locator("#ratio input")).to_have_value("16")
    expect(elsewhere.locator(".ratio output")).to_have_text("16.0×")
    expect(elsewhere.locator("#numbers table")).to_be_visible()
