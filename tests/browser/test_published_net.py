"""An engineer's way: a published net and a zip of real photos, reloads, a second browser, cancel, resume, take home."""

import re
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import OpenStudio
from tests.browser.pages import NAMELESS, keep_screenshots, open_tab, set_advanced

pytestmark = [pytest.mark.browser, pytest.mark.real, pytest.mark.slow]  # minutes: 256 pixels a side, on photos

STUDENT = "gan_compression_horse2zebra_latest_net_G.pth"
STEPS = {"Image size": "256", "Search steps": "8", "Fine-tuning steps": "2000", "Warm-up": "0"}


@pytest.fixture
def photos(real_data: Path, tmp_path: Path) -> Path:
    """The whole of horse2zebra as one zip."""
    with zipfile.ZipFile(tmp_path / "horse2zebra.zip", "w") as archive:
        for path in sorted((real_data / "horse2zebra").rglob("*.*")):
            archive.write(path, path.relative_to(real_data))
    return tmp_path / "horse2zebra.zip"


def test_an_engineer_brings_a_published_net_and_photos(
    visitor: BrowserContext, other: BrowserContext, open_studio: OpenStudio, real_weights: Path, photos: Path
) -> None:
    address, _ = open_studio()
    page = visitor.new_page()
    page.goto(address)
    page.get_by_role("button", name="Add a model").click()
    page.locator("#model-file input[type=file]").set_input_files(real_weights / STUDENT)
    expect(page.locator("#model input")).to_have_value("uploaded/gan_compression_horse2zebra_latest_net_G")
    expect(page.locator("#facts")).to_contain_text("Mobile ResNet, 9 blocks")
    page.get_by_role("button", name="Add a data set").click()
    page.locator("#data-file input[type=file]").set_input_files(photos)
    expect(page.locator("#data-said")).to_contain_text("two unpaired sides", timeout=300_000)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a picture").click()
    with zipfile.ZipFile(photos) as archive:
        horse = archive.extract(next(name for name in archive.namelist() if "/testA/" in name), photos.parent)
    chooser.value.set_files(horse)
    open_tab(page, "Squeeze")
    page.get_by_role("button", name="2×").click()
    expect(page.locator("#numbers table")).to_be_visible()
    expect(page.locator("#ratio input")).to_have_value("2")
    keep_screenshots(page, "engineer-preview")

    open_tab(page, "Train")
    expect(page.locator("#data input")).to_have_value(re.compile("^horse2zebra"))
    set_advanced(page, STEPS)
    page.get_by_role("button", name="Start the run").click()
    expect(page).to_have_url(re.compile(r"&run=\d{8}-[0-9a-f]{12}$"))
    for _ in range(2):
        page.reload()
        expect(page.locator("#progress .state")).to_contain_text("of 2008", timeout=180_000)
    elsewhere = other.new_page()
    elsewhere.goto(page.url)
    expect(elsewhere.locator("#progress .state")).to_contain_text("of 2008")
    elsewhere.get_by_role("button", name="Cancel").click()
    for each in (elsewhere, page):
        expect(each.locator("#progress .state")).to_contain_text("Cancelled")
    elsewhere.get_by_role("button", name="Resume").click()
    expect(page.locator("#progress .state")).to_contain_text("fine-tuning", timeout=300_000)
    page.get_by_role("button", name="Stop and keep").click()
    for each in (elsewhere, page):
        expect(each.locator("#progress .state")).to_contain_text("Done", timeout=600_000)
    assert elsewhere.evaluate(NAMELESS) == []
    keep_screenshots(page, "engineer-done")

    with page.expect_download() as download:
        page.get_by_role("link", name="ONNX").click()
    download.value.save_as(photos.parent / "slim.onnx")
    with Image.open(horse) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((256, 256)), dtype=np.float32).transpose(2, 0, 1)[None]
    session = onnxruntime.InferenceSession(photos.parent / "slim.onnx")
    (answer,) = session.run(None, {session.get_inputs()[0].name: pixels / 127.5 - 1})
    assert answer.shape == (1, 3, 256, 256)
    assert np.isfinite(answer).all()
    assert np.ptp(answer) > 0.5
