"""Taking a net home in a real browser: prepare, reload, download, and run the sample program on the test picture."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.pages import NAMELESS, keep_screenshots

pytestmark = pytest.mark.browser

PREPARED = 600_000  # milliseconds on a busy machine
# Stands for onnxruntime-web: it gives back what it is given, so that only what goes in and out is tested.
_MIRROR = """async (program) => {
  const ort = { Tensor: class { constructor(type, data, dims) { Object.assign(this, {type, data, dims}); } },
    InferenceSession: { create: async () => ({ run: async ({ input }) => { window.given = input; return { output: input }; } }) } };
  window.ort = ort;
  const code = program.replace(/^import .*$/m, "const ort = window.ort;");
  const module = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const picture = document.querySelector("#forms th img"), shown = document.createElement("canvas");
  await module.translate(picture, shown);
  const pixels = shown.getContext("2d").getImageData(0, 0, shown.width, shown.height).data;
  return { dims: window.given.dims, input: [...window.given.data], pixels: [...pixels] };
}"""  # noqa: E501


def levels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def check_sample(folder: Path) -> None:
    """Run the sample program as its owner would, and compare with the picture beside it."""
    command = [sys.executable, "-I", str(folder / "sample.py"), str(folder / "test" / "1-input.png"), "out.png"]
    subprocess.run(command, cwd=folder, check=True)
    assert np.abs(levels(folder / "out.png") - levels(folder / "test" / "1-output.png")).max() <= 1


def check_snippet(page: Page, folder: Path) -> None:
    """The JavaScript must put the same numbers into the net as Python does, and come out where it began."""
    program = page.locator("#code pre").nth(1).inner_text()
    found = page.evaluate(_MIRROR, program)
    expected = levels(folder / "test" / "1-input.png")
    height, width, _ = expected.shape
    assert found["dims"] == [1, 3, height, width]
    assert np.allclose(
        np.reshape(found["input"], (3, height, width)), expected.transpose(2, 0, 1) / 127.5 - 1, atol=1e-5
    )
    assert np.array_equal(np.reshape(found["pixels"], (height, width, 4))[..., :3], expected)


def test_a_ready_made_net_is_taken_home(visitor: BrowserContext, studio: str, tmp_path: Path) -> None:
    page = visitor.new_page()
    page.goto(f"{studio}?model=demo%2Fshoes")
    expect(page.locator("#model input")).to_have_value("demo/shoes")  # the studio has been read
    page.get_by_role("tab", name="Export").click()
    page.get_by_role("radio", name="ready-made 8.0×").check()
    expect(page).to_have_url(re.compile("net=ready%2Fshoes-8x"))
    page.get_by_role("button", name="Prepare").click()
    expect(page.locator("#preparation progress")).to_be_visible()
    expect(page.locator("#preparation")).to_contain_text("step ")

    page.reload()
    expect(page.locator("#forms table")).to_be_visible(timeout=PREPARED)
    expect(page.locator("#preparation")).to_contain_text("Prepared")
    expect(page.locator("#forms img")).to_have_count(4)
    assert page.evaluate(NAMELESS) == []
    keep_screenshots(page, "export")
    with page.expect_download() as download:
        page.get_by_role("link", name="Everything in one zip").click()
    download.value.save_as(tmp_path / "home.zip")
    with zipfile.ZipFile(tmp_path / "home.zip") as archive:
        archive.extractall(tmp_path)
    check_sample(tmp_path / "shoes-8x-bundle")
    check_snippet(page, tmp_path / "shoes-8x-bundle")

    elsewhere = visitor.new_page()
    elsewhere.goto(page.url)
    expect(elsewhere.locator("#forms table")).to_be_visible()
