"""A real Chromium and a real studio in a process of its own; both are skipped with a reason where they cannot be."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Error, sync_playwright

from tests.studios import ROOT, TINY, save_tiny_model

SCREENSHOTS = ROOT / "scratch" / "screenshots"
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
def visitor(chromium: Browser, open_studio: Callable[..., tuple[str, int]]) -> Iterator[BrowserContext]:
    """A browser context that fails the test when a page asks another machine or logs an error.

    It needs the studio only so that it is closed first: a page whose server has gone reports that.
    """
    context = chromium.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    context.set_default_timeout(60_000)
    foreign: list[str] = []
    problems: list[str] = []
    here = ("http://127.0.0.1:", "data:", "blob:")
    context.on("request", lambda request: None if request.url.startswith(here) else foreign.append(request.url))
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield context
    context.close()
    assert foreign == []
    # Leaving a page ends its event streams, which the browser reports; nothing else may be reported.
    assert [problem for problem in problems if not any(word in problem for word in LEAVING)] == []


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
def open_studio(tmp_path: Path) -> Iterator[Callable[..., tuple[str, int]]]:
    """Start app.py with arguments; give its address and process id."""
    servers: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> tuple[str, int]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "app.py", "--port", str(port), "--runs", str(tmp_path / "runs"), *arguments]
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        servers.append(server)
        assert server.stderr is not None
        for line in server.stderr:
            if "ready after" in line:
                sys.stdout.write(line)
                return f"http://127.0.0.1:{port}/", server.pid
        pytest.fail(f"the studio ended with status {server.wait()} before it was ready")

    yield start
    stopped = [server.poll() for server in servers]
    for server in servers:
        server.terminate()
        sys.stdout.write(server.communicate(timeout=60)[1])
    assert stopped == [None] * len(servers), "the studio stopped under way"
