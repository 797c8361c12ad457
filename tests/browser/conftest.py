"""A real Chromium and a real studio in a process of its own; both are skipped with a reason where they cannot be."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, expect, sync_playwright

from tests.studios import TINY, save_tiny_model, served

expect.set_options(timeout=60_000)
OpenStudio = Callable[..., tuple[str, int]]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
]
# What a browser, and Gradio in it, say of requests under way when a page is left. That the studio itself did not stop
# is checked where it is ended.
LEAVING = ("ERR_ABORTED", "ERR_EMPTY", "AbortError", "network error", "Connection errored out", "Server stopped")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: install one to run the browser tests")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        except Error as error:
            pytest.skip(f"{CHROMIUM} does not start: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium: Browser, open_studio: OpenStudio) -> Iterator[BrowserContext]:
    """A browser context that fails the test when a page asks another machine or logs an error.

    It asks for the studio only so that it is closed first: a page whose server has gone reports that.
    """
    context = chromium.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    context.set_default_timeout(60_000)
    foreign: list[str] = []
    problems: list[str] = []
    here = ("http://127.0.0.1:", "data:", "blob:")
    context.on("request", lambda request: None if request.url.startswith(here) else foreign.append(request.url))
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on("console", lambda message: problems.append(_with_place(message)) if message.type == "error" else None)
    yield context
    context.close()
    assert foreign == []
    # Leaving a page ends its event streams, which the browser reports; nothing else may be reported.
    others = [problem for problem in problems if not any(word in problem for word in LEAVING)]
    assert others == [], "\n".join(others)


def _with_place(message: ConsoleMessage) -> str:
    return f"{message.text} ({message.location.get('url', '')})"


@pytest.fixture
def other(chromium: Browser, visitor: BrowserContext) -> Iterator[BrowserContext]:
    """Another browser, with cookies of its own."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(60_000)
    yield context
    context.close()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet generator of 4 channels, one block and random weights."""
    return save_tiny_model(tmp_path_factory.mktemp("model") / TINY)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pairs A|B of 32 pixels a side."""
    folder = tmp_path_factory.mktemp("data") / "blocks"
    random = np.random.default_rng(0)
    for phase, count in (("train", 4), ("test", 2)):
        (folder / phase).mkdir(parents=True)
        for number in range(count):
            colours = random.integers(0, 256, (2, 4, 3), dtype=np.uint8)
            Image.fromarray(colours).resize((64, 32), Image.Resampling.NEAREST).save(folder / phase / f"{number}.png")
    return folder


@pytest.fixture
def teacher_file(tmp_path: Path) -> Path:
    """The file with the teacher's password."""
    (tmp_path / "teacher").write_text("correct horse")
    (tmp_path / "teacher").chmod(0o600)
    return tmp_path / "teacher"


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a studio as it is after installation, for all tests that change nothing but their own things."""
    with served(tmp_path_factory.mktemp("studio")) as (address, _):
        yield address + "/"


@pytest.fixture
def open_studio(tmp_path: Path) -> Iterator[OpenStudio]:
    """Start a studio with arguments of its own; give its address and process id."""
    with ExitStack() as servers:

        def start(*arguments: str | Path) -> tuple[str, int]:
            address, process = servers.enter_context(served(tmp_path, *arguments))
            return address + "/", process

        yield start
