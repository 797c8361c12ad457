"""Things that a process of its own prepares, one at a time: each has a folder, which is its own cache.

Knows no gradio and not what is made. A thing is named by a digest of all it depends on, so that asking twice computes
once, and what was made is still there after a restart.
"""

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from coronet.errors import RunError
from coronet.files import locked_folder, make_folder, read_json, write_json_atomic
from coronet.launcher import Launcher, LocalLauncher
from coronet.prepared import FAILED, STAGE, WANTED

_LEAST_FREE_BYTES = 1_000_000_000
_LOOK_SECONDS = 0.2
_PACKAGE = Path(__file__).parents[1]
NOTHING: Mapping[str, Any] = MappingProxyType({})

State = Literal["absent", "waiting", "running", "failed", "ready"]


@dataclass(frozen=True, slots=True)
class Trade:
    """What a workshop makes: by which program, within which bounds, and how it says what went wrong.

    last: the file that the program writes at the end. made: gives what there is in a folder; empty where it is not
    whole. full: knows {count} and {free}, not_started: knows {reason}.
    """

    program: str
    last: str
    made: Callable[[Path], Mapping[str, Any]]
    lost: str
    not_started: str
    full: str
    most_bytes: int
    most_kept: int
    most_waiting: int
    longest_seconds: float


@dataclass(frozen=True, slots=True)
class Preparation:
    """How far a thing is. `stage` is what is being done, `ahead` how many are done before it, `made` what there is."""

    id: str
    state: State
    stage: str = ""
    ahead: int = 0
    message: str = ""
    made: Mapping[str, Any] = field(default_factory=dict)


class Workshop:
    """Prepares things one after the other, and keeps the last used ones within bounds."""

    def __init__(self, folder: Path, trade: Trade, launcher: Launcher | None = None) -> None:
        self._folder = folder
        self._trade = trade
        self._launcher = launcher or LocalLauncher(trade.program)
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._running = ""
        self._thread: threading.Thread | None = None

    def look(self, id: str) -> Preparation:
        """Tell how far a thing is; nothing is begun."""
        with self._lock:
            return self._look(id)

    def prepare(self, id: str, wanted: Mapping[str, Any]) -> Preparation:
        """Have a thing made, unless it is there or under way; RunError where there is no place for it."""
        with self._lock:
            found = self._look(id)
            if found.state in ("ready", "waiting", "running"):
                self._start()
                return found
            make_folder(self._folder)
            free = shutil.disk_usage(self._folder).free
            if len(self._waiting) >= self._trade.most_waiting or free < _LEAST_FREE_BYTES:
                raise RunError(self._trade.full.format(count=len(self._waiting), free=free // 10**6))
            shutil.rmtree(self._folder / id, ignore_errors=True)
            make_folder(self._folder / id)
            write_json_atomic(self._folder / id / WANTED, wanted)
            self._waiting.append(id)
            self._start()
            return self._look(id)

    def _start(self) -> None:
        """Let a thread make what waits, where none does."""
        if self._waiting and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._work, name=self._trade.program, daemon=True)
            self._thread.start()

    def _look(self, id: str) -> Preparation:
        folder = self._folder / id
        if made := self._trade.made(folder):
            with suppress(OSError):  # what was used last is kept
                os.utime(folder / self._trade.last)
            return Preparation(id, "ready", made=made)
        ahead = self._waiting.index(id) + bool(self._running) if id in self._waiting else 0
        if ahead:
            return Preparation(id, "waiting", ahead=ahead)
        if id == self._running or id in self._waiting or _is_locked(folder):
            return Preparation(id, "running", stage=str(read(folder / STAGE).get("stage", "open")))
        if not (folder / WANTED).is_file() or (folder / self._trade.last).is_file():  # what is not whole is made again
            return Preparation(id, "absent")
        return Preparation(id, "failed", message=str(read(folder / FAILED).get("message") or self._trade.lost))

    def _work(self) -> None:
        """Make what waits, one after the other; the thread ends when nothing does."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                self._running = self._waiting.pop(0)
            try:
                self._make(self._folder / self._running)
            except OSError as error:
                with suppress(RunError):
                    message = self._trade.not_started.format(reason=error.strerror or error)
                    write_json_atomic(self._folder / self._running / FAILED, {"message": message})
            finally:
                with self._lock:
                    kept, self._running = self._running, ""
                    self._tidy(kept)

    def _make(self, folder: Path) -> None:
        process = self._launcher.start(folder)
        end = time.monotonic() + self._trade.longest_seconds
        while self._launcher.alive(process) and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
        self._launcher.kill(process)  # nothing happens where it has ended

    def _tidy(self, kept: str) -> None:
        """Remove those not used for longest until all that is left is within the bounds."""
        found = [folder for folder in self._folder.iterdir() if folder.is_dir()]
        room, places = self._trade.most_bytes, self._trade.most_kept
        for folder in sorted(found, key=self._last_used, reverse=True):
            room, places = room - _bytes(folder), places - 1
            is_used = folder.name in (kept, *self._waiting) or _is_locked(folder)
            if (room < 0 or places < 0) and not is_used:
                shutil.rmtree(folder, ignore_errors=True)

    def _last_used(self, folder: Path) -> float:
        file = folder / self._trade.last
        with suppress(OSError):
            return (file if file.is_file() else folder).stat().st_mtime
        return 0.0


def remove_made_of(folder: Path, sources: Sequence[Path]) -> None:
    """Remove from a workshop's folder what was made of a model below one of these folders."""
    for made in folder.glob("*/"):
        model = Path(str(read(made / WANTED).get("model", "")))
        if any(model.is_relative_to(source) for source in sources):
            shutil.rmtree(made, ignore_errors=True)


def digest_of(paths: Iterable[Path]) -> bytes:
    """Give a digest of the content of files and of the files in folders; a file is read again when it has changed."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        for file in sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]:
            state = file.stat()
            digest.update(_digest(file, state.st_mtime_ns, state.st_size))
    return digest.digest()


@cache
def maker(patterns: tuple[str, ...], packages: tuple[str, ...]) -> str:
    """Name the code that makes something, files of this project by patterns, and the packages it uses."""
    digest = hashlib.blake2b(digest_size=8)
    for pattern in patterns:
        for file in sorted(_PACKAGE.glob(pattern)):
            digest.update(file.read_bytes())
    return " ".join([*(f"{name} {version(name)}" for name in packages), digest.hexdigest()])


def read(path: Path) -> Mapping[str, Any]:
    """Give what a file of JSON says; nothing where it is not there, or damaged."""
    try:
        return read_json(path)
    except RunError:
        return NOTHING


@lru_cache(maxsize=256)
def _digest(file: Path, modified: int, size: int) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


def _is_locked(folder: Path) -> bool:
    """Tell whether a process is at work in a folder, be it of an earlier server."""
    try:
        with locked_folder(folder, wait=False) as free:
            return not free
    except OSError:  # not there
        return False


def _bytes(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # it may be gone by now
            total += file.stat().st_size if file.is_file() else 0
    return total
