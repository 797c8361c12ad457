"""A class at its browsers: `python -m tests.benchmarks.visitors [--browsers 40] [--seconds 60]`.

Starts a studio with one run at work and a preview seen, so that torch is loaded. All browsers (threads that ask as a
page does, without drawing it) come within some seconds; when the last one is there, each follows the run every two
seconds and moves the slider of Squeeze now and then. Prints how long each kind of question took, and the memory of the
web process.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any

import httpx

from tests.studios import served

TICK_SECONDS = 2.0
MODEL, PICTURE = "demo/shoes", "Drawing of a shoe 1"


@dataclass(slots=True)
class Times:
    """Seconds that each kind of question took, and what went wrong."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def taken(self, kind: str) -> Any:
        """Note how long the block takes."""
        begin = time.perf_counter()
        try:
            yield
        except (httpx.HTTPError, RuntimeError) as error:
            with self.lock:
                self.problems.append(f"{kind}: {error!r}")
            return
        with self.lock:
            self.seconds.setdefault(kind, []).append(time.perf_counter() - begin)


class Page:
    """One open page: a session with its own cookies, and Gradio's protocol."""

    def __init__(self, address: str, number: int) -> None:
        self.client = httpx.Client(base_url=address, timeout=60.0)
        self.session = f"visitor{number:05d}"
        self.events: dict[str, Any] = {}

    def open(self) -> None:
        """Fetch the page, which holds its description; of scripts and styles nothing."""
        whole = self.client.get("/").raise_for_status().text
        config, _ = json.JSONDecoder().raw_decode(whole, whole.index("{", whole.index("window.gradio_config")))
        self.events = {event["api_name"]: event for event in config["dependencies"]}

    def ask(self, name: str, *data: Any) -> list[Any]:
        """Send an event and wait for its answer; RuntimeError where it is an error."""
        event = self.events[name]
        body = {"data": list(data), "fn_index": event["id"], "session_hash": self.session, "event_data": None}
        if event["queue"] is False:
            return self._data(self.client.post("/gradio_api/run/predict", json=body).raise_for_status().json())
        id = self.client.post("/gradio_api/queue/join", json=body).raise_for_status().json()["event_id"]
        address = f"/gradio_api/queue/data?session_hash={self.session}"
        with self.client.stream("GET", address) as stream:
            for line in stream.iter_lines():
                told = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if told.get("event_id") == id and told["msg"] == "process_completed":
                    if not told["success"]:
                        raise RuntimeError(told["output"].get("error"))
                    return self._data(told["output"])
        raise RuntimeError("the stream ended before the answer")

    def now(self, run: str) -> str:
        """Ask the plain address of a run, as its page does every two seconds; give the stamp of what is new."""
        return str(self.client.get(f"/runs/{run}/now").raise_for_status().json()["stamp"])

    @staticmethod
    def _data(answer: dict[str, Any]) -> list[Any]:
        if "data" not in answer:
            raise RuntimeError(answer.get("error") or str(answer)[:200])
        found: list[Any] = answer["data"]
        return found


def main() -> None:
    """Serve, visit, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browsers", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--coming", type=float, default=10.0, help="seconds within which all open the page")
    parser.add_argument("--moves", type=float, default=20.0, help="seconds between two moves of a slider, on average")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (address, process):
        times = Times()
        first = Page(address, 0)
        first.open()
        run = first.ask("start", MODEL, "", 4.0, {"minutes": 30.0, "threads": 1})[0]
        _until_running(first, run)
        first.ask("show_preview", MODEL, 4.0, first.ask("first_picture", PICTURE)[0], "squeeze", None)
        memory = [_memory(process, "VmRSS")]
        all_here = threading.Barrier(parsed.browsers, lambda: memory.append(_memory(process, "VmRSS")))
        plan = Plan(run, parsed.coming, parsed.seconds, parsed.moves)
        visits = [
            threading.Thread(target=_visit, args=(Page(address, number), plan, times, all_here))
            for number in range(1, parsed.browsers + 1)
        ]
        for visit in visits:
            visit.start()
        for visit in visits:
            visit.join()
        first.ask("cancel", run)
        _show(times, parsed.browsers)
        peak = _memory(process, "VmHWM")
        print(f"\nmemory of the web process: {memory[0]} MB alone, {memory[1]} MB with all, {peak} MB at most")


@dataclass(frozen=True, slots=True)
class Plan:
    """The run to follow, the seconds of coming and of looking, and those between two moves of a slider."""

    run: str
    coming: float
    seconds: float
    moves: float


def _visit(page: Page, plan: Plan, times: Times, all_here: threading.Barrier) -> None:
    random = Random(page.session)
    time.sleep(random.uniform(0.0, plan.coming))
    with times.taken("open the page"):
        page.open()
    with times.taken("fill the page"):
        page.ask("restore", "")
    with times.taken("say what the model is"):
        page.ask("show_model", MODEL)
        page.ask("cards", MODEL)
    source: Any = None
    with times.taken("show a picture"):
        source = page.ask("first_picture", PICTURE)[0]
    all_here.wait()
    end = time.monotonic() + plan.seconds
    time.sleep(random.uniform(0.0, TICK_SECONDS))
    next_move, stamp = time.monotonic() + random.uniform(0.0, plan.moves), ""
    while time.monotonic() < end:
        begin = time.monotonic()
        with times.taken("follow the run"):
            now = page.now(plan.run)
        if now != stamp:
            stamp = now
            with times.taken("look at what is new"):
                page.ask("move", plan.run, None)
        if source and begin >= next_move:
            next_move = begin + random.uniform(0.5, 1.5) * plan.moves
            with times.taken("move the slider"):
                at = 1000 * time.monotonic()
                page.ask("ask", at)
                page.ask("show_preview", MODEL, round(random.uniform(1.5, 16.0), 1), source, "squeeze", at)
        time.sleep(max(0.0, TICK_SECONDS - (time.monotonic() - begin)))


def _until_running(page: Page, run: str) -> None:
    while not (said := page.ask("run", run)[0])["done"]:
        if said["state"] not in ("queued", "running"):
            raise SystemExit(f"The run is {said['state']}: {said['message']}")
        time.sleep(1.0)


def _show(times: Times, browsers: int) -> None:
    print(f"{browsers} browsers, one run at work, {os.cpu_count()} processors\n")
    print("| question | asked | median | p95 | longest |\n|---|---|---|---|---|")
    for kind, seconds in times.seconds.items():
        middle = quantiles(seconds, n=100) if len(seconds) > 1 else [seconds[0]] * 99
        print(f"| {kind} | {len(seconds)} | {middle[49]:.2f} s | {middle[94]:.2f} s | {max(seconds):.2f} s |")
    print(f"\nproblems: {len(times.problems)}")
    for problem in times.problems[:5]:
        print(f"  {problem}")


def _memory(pid: int, kind: str) -> int:
    """Give a process's memory in MB: VmRSS now, VmHWM the most it ever was."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) // 1000 for line in lines if line.startswith(kind))


if __name__ == "__main__":
    main()
