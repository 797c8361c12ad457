"""Seconds until pages can be used: `python -m tests.benchmarks.opening [--rounds 3]`; prints medians.

In turn, each in a browser that has seen nothing yet: Gradio's smallest page, which has one button, as its manual starts
it; the studio; and the studio without `edge.settle`. Usable is the button, or the cards of the models; busy is how long
the page could not answer until it rests. Then Squeeze is opened, moved once, and Train is opened.
"""

import argparse
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.pages import open_tab

_SMALLEST = """
import sys
import gradio as gr
with gr.Blocks() as page:
    gr.Button("Go")
page.launch(server_port=int(sys.argv[1]), quiet=True)
"""
_STUDIO = """
import sys
from coronet.studio.launch import main
main(["--port", sys.argv[1], "--runs", sys.argv[2]])
"""
_UNSETTLED = f"""
from coronet.studio.launch import import_gradio
import_gradio()
from coronet.studio import page
page.settle = lambda page: None
{_STUDIO}"""
_PROGRAMS = {"Gradio's smallest page": _SMALLEST, "the studio": _STUDIO, "without settle": _UNSETTLED}
_MARKS = ("served", "usable", "busy", "first preview", "next move", "busy with Train")
# The milliseconds in which the page could not answer: tasks of 50 and more.
_OBSERVE = """
window.busy = 0;
new PerformanceObserver((list) => { for (const task of list.getEntries()) window.busy += task.duration; })
  .observe({type: "longtask", buffered: true});
"""
_Marks = dict[str, float]


def main() -> None:
    """Start each as often and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    found: dict[str, list[_Marks]] = {kind: [] for kind in _PROGRAMS}
    with sync_playwright() as playwright:
        for _ in range(rounds):
            for kind, program in _PROGRAMS.items():
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                found[kind].append(_opened(browser, program))
                browser.close()
    print(f"| seconds | {' | '.join(_MARKS)} |\n|---|{'---|' * len(_MARKS)}")
    for kind, marks in found.items():
        cells = [f"{median(one[mark] for one in marks):.1f}" if mark in marks[0] else "" for mark in _MARKS]
        print(f"| {kind} | {' | '.join(cells)} |")


def _opened(browser: Browser, program: str) -> _Marks:
    with tempfile.TemporaryDirectory() as folder, _served(program, Path(folder)) as (address, begin):
        marks = {"served": time.perf_counter() - begin}
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.add_init_script(_OBSERVE)
        page.goto(address, wait_until="commit")
        page.wait_for_selector("button:has-text('Go')" if program is _SMALLEST else "#cards img")
        marks["usable"] = time.perf_counter() - begin
        return marks if program is _SMALLEST else marks | _used(page)


def _used(page: Page) -> _Marks:
    opening = _rest(page)
    begin = time.perf_counter()
    open_tab(page, "Squeeze")
    page.wait_for_selector("#numbers table")
    preview = time.perf_counter() - begin
    _rest(page)
    begin = time.perf_counter()
    page.get_by_role("button", name="8×", exact=True).click()
    page.wait_for_function("document.querySelector('#numbers').innerText.includes('8.0×')")
    move = time.perf_counter() - begin
    before = _rest(page)
    open_tab(page, "Train")
    page.wait_for_selector("#estimate p")
    train = _rest(page) - before
    return {"busy": opening, "first preview": preview, "next move": move, "busy with Train": train}


def _rest(page: Page) -> float:
    """Wait until the page was not busy for three seconds; give the seconds in which it was, so far."""
    before = -1.0
    while (busy := float(page.evaluate("window.busy"))) != before:
        before = busy
        page.wait_for_timeout(3000)
    return before / 1000


@contextmanager
def _served(program: str, folder: Path) -> Iterator[tuple[str, float]]:
    """Start a program; give its address when it answers, and when it was started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begin = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", program, str(port), folder], stderr=subprocess.DEVNULL) as process:
        try:
            while not _answers(port):
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}", begin
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
