"""The verbs that leave a run folder: compress, train, resume. They show progress and stop cleanly at Ctrl-C."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from coronet.commands.arguments import add_settings, settings_from
from coronet.commands.progress import ProgressBar
from coronet.ending import end_early
from coronet.errors import CoronetError, RunError
from coronet.recipes.settings import CompressSettings, TrainSettings
from coronet.runs import Run
from coronet.settings import to_json


def compress(parsed: argparse.Namespace) -> dict[str, Any] | None:
    """Start a compression; give its report, None if it was interrupted."""
    settings = settings_from(parsed, CompressSettings)
    return _start(Run.create(Path(parsed.out), "compress", portable(to_json(settings))))


def train(parsed: argparse.Namespace) -> dict[str, Any] | None:
    """Start a training; give its report, None if it was interrupted."""
    settings = settings_from(parsed, TrainSettings)
    return _start(Run.create(Path(parsed.out), "train", portable(to_json(settings))))


def resume(parsed: argparse.Namespace) -> dict[str, Any] | None:
    """Go on with a run, or finish it with the net as it is; give its report, None if it was interrupted."""
    run = Run.open(Path(parsed.run))
    if parsed.keep:
        status = run.status()
        if status == "new":
            raise RunError(f"{run.path} has learned nothing yet that could be kept. Go on without --keep.")
        end_early(run.path)
        if status == "running":
            return _wait_for(run)
    return _follow(run)


def _wait_for(run: Run) -> dict[str, Any] | None:
    """Wait until another process has ended a run; give its report, None if it was interrupted."""
    sys.stderr.write(f"coronet: the process that executes {run.path} ends it now; waiting for its report.\n")
    while run.status() == "running":
        time.sleep(0.2)
    return run.report()


def portable(settings: dict[str, Any]) -> dict[str, Any]:
    """Make paths absolute, so that a run can be resumed from anywhere."""
    for name in ("data", "model", "start", "vgg"):
        value = settings.get(name)
        if value and not value.startswith(("demo/", "scenes/")):
            settings[name] = str(Path(value).absolute())
    return settings


def _start(run: Run) -> dict[str, Any] | None:
    """Follow a new run; a mistake found before its first step leaves nothing that stands in the way of another try."""
    try:
        return _follow(run)
    except CoronetError:
        run.drop_unstarted()
        raise


def _follow(run: Run) -> dict[str, Any] | None:
    """Execute a run and show its progress; None if it was interrupted."""
    progress = _Progress()
    try:
        with stop_after_step() as stopping:
            from coronet.recipes.execute import execute  # torch

            with closing(execute(run)) as steps:
                for step in steps:
                    progress.show(step.to_json())
                    if stopping:
                        break
    except KeyboardInterrupt:
        progress.end()
        sys.stderr.write(f"coronet: stopped at once. Go on with: coronet resume {run.path}\n")
        return None
    progress.end()
    if stopping and run.status() != "done":
        sys.stderr.write(f"coronet: stopped and saved. Go on with: coronet resume {run.path}\n")
        return None
    return run.report()


@contextmanager
def stop_after_step() -> Iterator[list[int]]:
    """Let Ctrl-C end the loop after the step under way; a second one ends it at once."""
    stopping: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if stopping:
            raise KeyboardInterrupt
        stopping.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, before)


class _Progress:
    """What the steps of a run say of themselves, and how long it will still take."""

    def __init__(self) -> None:
        self._bar = ProgressBar()
        self._first: tuple[float, int] | None = None

    def show(self, step: dict[str, Any]) -> None:
        now = time.monotonic()
        self._first = self._first or (now, step["done"])
        self._bar.show(step["done"], step["total"], self._line(step, now))

    def end(self) -> None:
        self._bar.end()

    def _line(self, step: dict[str, Any], now: float) -> str:
        assert self._first is not None
        begun, first = self._first
        pace = (now - begun) / max(1, step["done"] - first)
        left = pace * (step["total"] - step["done"])
        ratio = f" {step['ratio']:.2f}x" if step["ratio"] else ""
        losses = " ".join(f"{name} {value:.3g}" for name, value in step["losses"].items())
        return f"{step['phase']} {step['step']}/{step['steps']}{ratio}, {left / 60:.1f} min left; {losses}"


def add_compress(parser: argparse.ArgumentParser) -> None:
    """Add the options of `compress`."""
    add_settings(parser, CompressSettings, required=("model", "data"))
    parser.add_argument("--out", required=True, metavar="RUN", help="new folder for the run")


def add_train(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train`."""
    add_settings(parser, TrainSettings, required=("data",))
    parser.add_argument("--out", required=True, metavar="RUN", help="new folder for the run")


def add_resume(parser: argparse.ArgumentParser) -> None:
    """Add the options of `resume`."""
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument("--keep", action="store_true", help="end it now: cut to the ratio, score and export the net")
