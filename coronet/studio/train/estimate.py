"""How long a run would take and what memory it needs: measured once per model and method, in the background.

What is measured stands in `recipes.timing`, what follows from it in `recipes.pace`. Nobody waits here: an answer is
there, or it is being made.
"""

import hashlib
import json
import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from coronet import launcher
from coronet.errors import CoronetError
from coronet.files import cache_folder, make_folder, read_json, write_json_atomic
from coronet.jobs import JobTable
from coronet.model_folders import resolve_model
from coronet.recipes.pace import Timing, run_seconds, stretches
from coronet.recipes.settings import CompressSettings
from coronet.settings import to_json
from coronet.studio import run_words, text
from coronet.studio.charts import sentence

_MODULE = "recipes.timing"
_MOST_SECONDS = 600.0  # that a measurement may take
_MOST_WAITING = 20
# Settings that change how many steps there are, and settings that change nothing of what a step costs.
_LENGTH = ("ratio", "preset", "minutes", "counted", "search_steps", "finetune_steps", "warmup_steps", "search_share")
_NO_WORK = ("seed", "ema", "learning_rate", "search_learning_rate", "latent_rate", "save_seconds", "preview_steps")

Ask = Callable[[str, str, str], int | None]
Found = Timing | str | None  # or a sentence that says why there is none, or None while it is measured


class Estimates:
    """What was measured, in memory and in a folder; one measurement runs at a time, in a thread that waits for it."""

    def __init__(self, folder: Path | None = None, ask: Ask | None = None) -> None:
        """Take the folder to remember in (default: the cache) and what runs the measuring module on two files."""
        self._folder = folder or cache_folder() / "pace"
        self._ask = ask or (lambda module, given, out: launcher.ask(module, given, out, seconds=_MOST_SECONDS))
        self._lock = threading.Lock()
        self._found: dict[str, Found] = {}
        self._waiting: queue.Queue[tuple[str, CompressSettings]] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None

    def timing(self, settings: CompressSettings) -> Found:
        """Give what is known; where nothing is, have it measured."""
        key = _key(settings)
        with self._lock:
            if key not in self._found:
                self._found[key] = self._remembered(key)
                if self._found[key] is None:
                    self._order(key, settings)
            found = self._found.get(key)
            if isinstance(found, str):
                del self._found[key]  # what was wrong may be mended by the next look
            return found

    def _remembered(self, key: str) -> Timing | None:
        with suppress(CoronetError, TypeError):  # not there, damaged, or of another version: it is measured
            return Timing.from_json(read_json(self._folder / f"{key}.json"))
        return None

    def _order(self, key: str, settings: CompressSettings) -> None:
        try:
            self._waiting.put_nowait((key, settings))
        except queue.Full:
            del self._found[key]  # asked again at the next look
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="estimates", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            key, settings = self._waiting.get()
            found = self._measured(key, settings)
            with self._lock:
                self._found[key] = found

    def _measured(self, key: str, settings: CompressSettings) -> Timing | str:
        try:
            with TemporaryDirectory(prefix="coronet-pace-") as folder:
                given, out = Path(folder) / "settings.json", Path(folder) / "timing.json"
                write_json_atomic(given, to_json(settings))
                status = self._ask(_MODULE, str(given), str(out))
                answer = read_json(out) if out.exists() else {}
            if status != 0:
                return str(answer.get("message") or run_words.NOT_TIMED)
            timing = Timing.from_json(answer)
            with suppress(CoronetError):  # a read-only cache costs time only
                make_folder(self._folder)
                write_json_atomic(self._folder / f"{key}.json", asdict(timing))
        except (CoronetError, OSError, TypeError):
            return run_words.NOT_TIMED
        return timing


def said(settings: CompressSettings, found: Found, table: JobTable, owner: str = "") -> str:
    """Say how long a run of this owner takes, what it needs, and how many come first."""
    if found is None:
        return sentence(run_words.TIMING)
    if isinstance(found, str):
        return sentence(found, "problem")
    parts = [
        run_words.STRETCH.format(
            steps=stretch.steps,
            phase=text.PHASES[stretch.phase],
            seconds=text.duration(stretch.seconds),
        )
        for stretch in stretches(settings, found)
    ]
    if not parts:
        return sentence(run_words.NO_STEPS, "problem")
    total = text.duration(run_seconds(settings, found))
    said = run_words.ESTIMATE.format(time=total, parts=", ".join(parts), memory=text.count(found.memory))
    return sentence(" ".join([said, *queue_words(table, owner)]))


def queue_words(table: JobTable, owner: str = "") -> list[str]:
    """Say how many runs come before one that this owner starts now; nothing where it would start at once."""
    ahead = table.count_before(owner)
    return [run_words.RUNS_FIRST.format(count=ahead)] if ahead else []


def _key(settings: CompressSettings) -> str:
    """Name all that a step's time hangs on: choices, the model's file, the program and this machine."""
    choices = {name: value for name, value in to_json(settings).items() if name not in (*_LENGTH, *_NO_WORK)}
    stamps = []
    with suppress(OSError, CoronetError):
        stamp = resolve_model(settings.model).stat()
        stamps = [stamp.st_mtime_ns, stamp.st_size]
    machine = [os.uname().nodename, os.cpu_count()] if hasattr(os, "uname") else [os.cpu_count()]
    written = json.dumps([choices, stamps, machine], sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:32]
