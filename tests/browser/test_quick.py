"""What a quick visitor does before the page knows its models, or while it still asks."""

import json
import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

pytestmark = pytest.mark.browser


def events(visitor: BrowserContext, studio: str) -> dict[str, int]:
    """The numbers of the page's events, by their names."""
    config = visitor.request.get(f"{studio}config").json()
    return {event["api_name"]: event["id"] for event in config["dependencies"]}


def held(event: int, hold: Callable[[Route], None]) -> Callable[[Route], None]:
    """Let what the page asks for pass, but hold what it asks at this event."""

    def sort(route: Route) -> None:
        if json.loads(route.request.post_data or "{}").get("fn_index") == event:
            hold(route)
        else:
            route.continue_()

    return sort


@pytest.mark.parametrize(("tab", "chosen"), [("Export", "ready-made 2.0×"), ("Play", "ready-made 4.0×")])
def test_a_tab_that_is_opened_before_the_page_knows_its_models_lists_their_nets(
    visitor: BrowserContext, studio: str, tab: str, chosen: str
) -> None:
    page, kept = visitor.new_page(), list[Route]()
    page.route("**/gradio_api/run/**", held(events(visitor, studio)["restore"], kept.append))
    page.goto(f"{studio}?model=demo%2Fshoes", wait_until="domcontentloaded")
    page.get_by_role("tab", name=tab).click()
    expect(page.locator("#opened textarea")).to_have_value(tab.lower())
    while not kept:
        page.wait_for_timeout(100)
    kept[0].continue_()
    expect(page.get_by_role("radio", name=chosen)).to_be_checked()
    expect(page).to_have_url(re.compile(f"tab={tab.lower()}"))


def later(page: Page, route: Route) -> None:
    page.wait_for_timeout(1500)
    route.continue_()


def test_a_list_that_comes_late_does_not_take_back_what_was_chosen(visitor: BrowserContext, studio: str) -> None:
    """A page that has just opened tells of its model again, mostly after a quick visitor has opened the tab."""
    late = events(visitor, studio)["export_changed"]
    for _ in range(3):
        page = visitor.new_page()
        page.route("**/gradio_api/run/**", held(late, partial(later, page)))
        page.goto(f"{studio}?model=demo%2Fshoes", wait_until="domcontentloaded")
        page.get_by_role("tab", name="Export").click()
        page.get_by_role("radio", name="ready-made 8.0×").check()
        page.wait_for_timeout(3000)
        expect(page.get_by_role("radio", name="ready-made 8.0×")).to_be_checked()
        page.unroute_all(behavior="wait")

    page.locator("#model input").fill("summer2winter")
    page.locator("#model input").press("Enter")
    expect(page.locator("#export-net")).to_contain_text("demo/summer2winter, not compressed")
    page.locator("#model input").fill("shoes")
    page.locator("#model input").press("Enter")
    expect(page.locator("#export-net")).to_contain_text("demo/shoes, not compressed")
    expect(page.get_by_role("radio", name="ready-made 8.0×")).to_be_checked()
