"""Drawing in a real browser: both nets answer while the stroke is under way, and nothing is asked of a closed tab."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.pages import NAMELESS, keep_screenshots, open_tab

pytestmark = pytest.mark.browser

SENDS_RUBBISH = """async () => {
  const pad = gradio_config.components.find((part) => part.props.elem_id === "pad");
  const body = {data: {model: "demo/shoes", net: "cut", ratio: 4, visitor: "x", picture: "data:,"}, session_hash: "x",
    component_id: pad.id, fn_name: "play_answer"};
  const answer = await fetch("gradio_api/component_server/", {method: "POST", body: JSON.stringify(body),
    headers: {"Content-Type": "application/json"}});
  return (await answer.json()).problem;
}"""


def answers(page: Page) -> list[str | None]:
    return [page.locator(f"#pad .{net} img").get_attribute("src") for net in ("dense", "slim")]


def expect_other_answers(page: Page, before: list[str | None]) -> None:
    for net, source in zip(("dense", "slim"), before, strict=True):
        expect(page.locator(f"#pad .{net} img")).not_to_have_attribute("src", source or "")


def begin_stroke(page: Page) -> None:
    """Press the mouse on the pad and move it; it stays pressed."""
    box = page.locator("#pad canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    for step in range(1, 5):
        page.mouse.move(box["x"] + (0.2 + 0.15 * step) * box["width"], box["y"] + 0.5 * box["height"])


def test_both_nets_answer_while_a_stroke_is_drawn_and_undo_takes_it_back(visitor: BrowserContext, studio: str) -> None:
    page = visitor.new_page()
    page.goto(studio + "?tab=play&net=ready%2Fshoes-8x")
    expect(page.locator("#pad .verdict")).to_contain_text("ms against", timeout=180_000)  # torch is loaded first
    expect(page.locator("#pad .slim .name")).to_have_text("ready-made 8.0×")
    expect(page.locator("#pad .said")).to_contain_text("ms against")  # the picture of the bar has been answered
    untouched = answers(page)

    begin_stroke(page)
    expect_other_answers(page, untouched)
    page.mouse.up()
    expect(page.locator("[data-act=undo]")).to_be_enabled()
    page.get_by_role("button", name="Undo").click()
    for net, source in zip(("dense", "slim"), untouched, strict=True):
        expect(page.locator(f"#pad .{net} img")).to_have_attribute("src", source or "")
    page.keyboard.press("Control+Shift+Z")
    expect_other_answers(page, untouched)

    page.get_by_role("button", name="Drawing of a shoe 4").press("Enter")
    expect(page.locator("[data-act=redo]")).to_be_disabled()
    page.get_by_label("ready-made 2.0×").check()
    expect(page).to_have_url(re.compile("net=ready%2Fshoes-2x"))
    expect(page.locator("#pad .slim .name")).to_have_text("ready-made 2.0×")
    page.get_by_role("button", name="Translate").press("Enter")
    assert "PNG" in page.evaluate(SENDS_RUBBISH)
    assert page.evaluate(NAMELESS) == []
    keep_screenshots(page, "play")


def test_the_camera_plays_along_until_the_tab_is_closed(visitor: BrowserContext, studio: str) -> None:
    visitor.grant_permissions(["camera"])
    page = visitor.new_page()
    page.goto(studio + "?tab=play")
    expect(page.locator("#pad .said")).to_contain_text("ms against", timeout=180_000)
    camera = page.get_by_role("button", name="Camera")
    camera.click()
    expect(camera).to_have_attribute("aria-pressed", "true")
    for _ in range(2):
        expect_other_answers(page, answers(page))
    open_tab(page, "Model")
    expect(camera).to_have_count(0)  # hidden parts have no role
    page.wait_for_timeout(3000)  # the answer that was under way
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "component_server" in request.url else None)
    page.wait_for_timeout(1000)
    assert asked == []
    open_tab(page, "Play")
    expect(camera).to_have_attribute("aria-pressed", "false")
