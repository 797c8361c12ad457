"""What the browser tests do with a page: keep pictures of it, open a tab, set a run's settings, look for flaws."""

import re

from playwright.sync_api import Page

from tests.studios import ROOT

SCREENSHOTS = ROOT / "scratch" / "screenshots"


def keep_screenshots(page: Page, name: str) -> None:
    """Keep pictures for people to look at, and check that a phone needs no sideways scrolling."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 1000})
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1440, "height": 1000})


# A picture in a button or link that has words of its own is decoration, and says so with an empty alt.
NAMELESS = """() => [...document.querySelectorAll("input, textarea, select, button, a, img, progress")]
  .filter((control) => control.checkVisibility())
  .filter((control) => !(control.matches("img[alt='']") && control.closest("button, a")?.innerText.trim()))
  .filter((control) => !(control.labels?.length || control.ariaLabel || control.alt || control.title))
  .filter((control) => !(control.innerText?.trim() || control.querySelector("[aria-label], [title], [alt]")))
  .map((control) => control.outerHTML.slice(0, 200))"""


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def set_advanced(page: Page, values: dict[str, str]) -> None:
    page.get_by_role("button", name="Advanced settings").click()
    for label, value in values.items():
        page.get_by_label(re.compile(rf"^\s*{label}\b")).fill(value)
