"""Seconds from the command until a page can be used: `python -m tests.benchmarks.first_paint [--rounds 3]`.

In turn: Gradio's smallest page, which has one button, as its manual starts it, and the studio, until the cards of the
models are there, and until their pictures are. Each in a browser that has seen nothing yet. Prints the medians.
"""

import argparse
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.studios import served

_SMALLEST = """
import sys
import gradio as gr
with gr.Blocks() as page:
    gr.Button("Go")
page.launch(server_port=int(sys.argv[1]), quiet=True)
"""
_Marks = dict[str, float]


def main() -> None:
    """Start each as often and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    kinds: dict[str, Callable[[Browser], _Marks]] = {"Gradio's smallest page": smallest, "the studio": studio}
    found: dict[str, list[_Marks]] = {kind: [] for kind in kinds}
    with sync_playwright() as playwright:
        for _ in range(rounds):
            for kind, measure in kinds.items():
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                found[kind].append(measure(browser))
                browser.close()
    print("| seconds after the command | " + " | ".join(found["the studio"][0]) + " |\n|---|---|---|---|")
    for kind, marks in found.items():
        print(f"| {kind} | " + " | ".join(f"{median(one[mark] for one in marks):.1f}" for mark in marks[0]) + " |")


def smallest(browser: Browser) -> _Marks:
    """Start Gradio's smallest page; its button is all that it has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begin = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", _SMALLEST, str(port)]) as process:
        try:
            while not _answers(port):
                time.sleep(0.05)
            marks = {"served": time.perf_counter() - begin}
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}", wait_until="commit")
            page.wait_for_selector("button:has-text('Go')")
            marks["usable"] = marks["pictures"] = time.perf_counter() - begin
        finally:
            process.kill()
    return marks


def studio(browser: Browser) -> _Marks:
    """Start the studio, empty."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (address, _):
        marks = {"served": time.perf_counter() - begin}
        page = browser.new_page()
        page.goto(address, wait_until="commit")
        page.wait_for_selector("#cards button:visible")
        marks["usable"] = time.perf_counter() - begin
        page.wait_for_selector("#cards img")
        marks["pictures"] = time.perf_counter() - begin
    return marks


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
