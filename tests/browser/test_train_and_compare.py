"""Train and Compare in a real browser: an estimate, a run that is kept and then discarded, a comparison by its link."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import OpenStudio
from tests.browser.pages import NAMELESS, keep_screenshots, set_advanced

pytestmark = pytest.mark.browser


def test_a_run_is_estimated_kept_and_discarded(
    visitor: BrowserContext, open_studio: OpenStudio, tiny_model: Path, tiny_data: Path
) -> None:
    address, _ = open_studio("--model", str(tiny_model), "--data", str(tiny_data.parent))
    page = visitor.new_page()
    page.goto(f"{address}?tab=train&model=tiny.safetensors")
    expect(page.locator("#estimate")).to_contain_text("on this machine", timeout=180_000)
    set_advanced(page, {"Image size": "32", "Search steps": "20", "Fine-tuning steps": "9000", "Warm-up": "0"})
    page.get_by_role("button", name="Start the run").click()
    expect(page.locator("#progress .state")).to_contain_text("fine-tuning", timeout=180_000)
    page.get_by_text("What the losses mean").click()
    expect(page.locator("#loss-words")).to_contain_text("How far the slim net’s pictures are from the dense net’s")
    page.get_by_role("button", name="Stop and keep").click()
    expect(page.locator("#progress .state")).to_contain_text("Done", timeout=180_000)
    expect(page.locator("#result")).to_contain_text("Stopped early")
    expect(page.locator("#spoken-state")).to_contain_text("Done")
    assert page.evaluate(NAMELESS) == []
    keep_screenshots(page, "kept")

    answers = iter([False, True])
    page.on("dialog", lambda dialog: dialog.accept() if next(answers) else dialog.dismiss())
    page.get_by_role("button", name="Discard").click()
    expect(page.locator("#result")).to_contain_text("Stopped early")
    page.get_by_role("button", name="Discard").click()
    expect(page.locator("#progress")).to_contain_text("No run is chosen")
    expect(page).not_to_have_url(re.compile("run="))


def test_a_link_opens_the_same_comparison(visitor: BrowserContext, studio: str, tmp_path: Path) -> None:
    page = visitor.new_page()
    page.goto(f"{studio}?tab=compare&model=demo%2Fshoes")
    page.wait_for_selector("#trade-off .scatterlayer .trace")
    assert page.locator("#trade-off .xtick").all_text_contents() == ["20M", "50M", "100M", "200M"]
    page.locator("#nets input").nth(1).uncheck()
    page.get_by_role("radio", name="proxy").click()
    expect(page.locator("#outcomes caption")).to_contain_text("proxy: 100 translated and 100 real test images")
    expect(page.locator("#trade-off .ytitle")).to_have_text("proxy, lower is better")
    expect(page.locator("#trade-off .errorbar")).not_to_have_count(0)
    page.get_by_role("button", name="Measure milliseconds here").click()
    expect(page.locator("#outcomes th", has_text="ms").first).to_be_visible(timeout=60_000)
    page.locator("#limit input").fill("100000")
    page.locator("#limit input").press("Tab")
    page.locator("#unit input").click()
    page.get_by_role("option", name="ms").click()
    expect(page.locator("#best")).to_contain_text("Best under 100000 ms")
    expect(page).to_have_url(re.compile("score=proxy.*unit=ms"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as PNG").click()
    download.value.save_as(tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size[0] == 1800
    assert page.locator("#trade-off .scatterlayer .trace").count() >= 3
    assert page.evaluate(NAMELESS) == []
    keep_screenshots(page, "limited")

    elsewhere = visitor.new_page()
    elsewhere.goto(page.url)
    expect(elsewhere.locator("#unit input")).to_have_value("ms")
    expect(elsewhere.locator("#limit input")).to_have_value("100000")
    expect(elsewhere.get_by_role("radio", name="proxy")).to_be_checked()
    expect(elsewhere.locator("#nets input").nth(1)).not_to_be_checked()
    expect(elsewhere.locator("#nets input").nth(0)).to_be_checked()
    expect(elsewhere.locator("#best")).to_contain_text("Best under 100000 ms")
