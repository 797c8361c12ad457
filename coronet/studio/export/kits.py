"""The shelf of prepared bundles: each is made once, by a process of its own, under a name of all it is made of.

Knows no gradio. What is in a kit, and how it is made, stands in `coronet.bundle`; this process needs no torch for it.
"""

import hashlib
import os
import platform
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from coronet.errors import DataError, RunError
from coronet.files import locked_folder, make_folder, read_json, write_json_atomic
from coronet.kit_files import FAILED, KIT, STAGE, WANTED, ZIP
from coronet.launcher import Launcher, LocalLauncher
from coronet.runs import REPORT, SETTINGS
from coronet.studio.desk import Desk
from coronet.studio.export import text
from coronet.studio.outcomes import SLIM, Outcome
from coronet.studio.shelves.owned import plain_name
from coronet.studio.visitors import Visitor

ITSELF = "model"  # the key of the model that is not compressed
_MOST_BYTES = 2_000_000_000
_MOST_KITS = 200
_MOST_WAITING = 20
_LEAST_FREE_BYTES = 1_000_000_000
_LONGEST_SECONDS = 1800.0
_LOOK_SECONDS = 0.2
_PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "pillow")
_NOTHING: Mapping[str, Any] = MappingProxyType({})

State = Literal["absent", "waiting", "running", "failed", "ready"]


@dataclass(frozen=True, slots=True)
class Net:
    """A net that can be taken home: how the page names it, how `open_finished` does, and the files it consists of."""

    key: str
    label: str
    model: str
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Preparation:
    """How far a bundle is. `stage` is what is being done, `ahead` how many are done before it, `kit` what was made."""

    id: str
    state: State
    stage: str = ""
    ahead: int = 0
    message: str = ""
    kit: Mapping[str, Any] = field(default_factory=dict)


def kits_folder(desk: Desk) -> Path:
    """Give the folder for prepared bundles, beside the uploaded models."""
    return desk.imported.with_name("kits")


def nets(desk: Desk, model: str | None, visitor: Visitor) -> list[Net]:
    """List what a visitor can take home of a model: itself and its trained slim nets."""
    path = desk.model(model)
    name = str(model) if desk.is_demo(str(model)) else str(path)
    itself = Net(ITSELF, text.ITSELF.format(model=plain_name(str(model))), name, (path,))
    return [itself, *map(_slim, desk.outcomes(model, visitor))]


def find_net(desk: Desk, model: str | None, key: str | None, visitor: Visitor) -> Net:
    """Look up what a visitor names, be it another's whose link he has; DataError where there is no such net."""
    found = next((net for net in nets(desk, model, visitor) if net.key == key), None)
    if found is None and (slim := desk.outcome(model, key, visitor)) is not None:
        found = _slim(slim)
    if found is None:
        raise DataError(text.NO_SUCH_NET.format(net=(key or "")[:80], model=model))
    return found


def _slim(found: Outcome) -> Net:
    files = tuple(found.folder / name for name in (SLIM, REPORT, SETTINGS))
    return Net(found.key, found.label, str(found.folder), files)


def remove_kits(desk: Desk) -> None:
    """Remove the bundles that were made of runs and uploads of this studio; those of other models stay."""
    for folder in kits_folder(desk).glob("*/"):
        model = Path(str(_read(folder / WANTED).get("model", "")))
        if model.is_relative_to(desk.runs) or model.is_relative_to(desk.imported):
            shutil.rmtree(folder, ignore_errors=True)


class Shelf:
    """Prepares bundles one after the other, and keeps the last used ones within a bound of bytes."""

    def __init__(self, folder: Path, launcher: Launcher | None = None) -> None:
        self._folder = folder
        self._launcher = launcher or LocalLauncher("bundle.kit")
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._running = ""
        self._thread: threading.Thread | None = None

    def look(self, net: Net) -> Preparation:
        """Tell how far a net's bundle is; nothing is begun."""
        id = _id(net)
        with self._lock:
            return self._look(id)

    def prepare(self, net: Net) -> Preparation:
        """Have a net's bundle made, unless it is there or under way; RunError where there is no place for it."""
        id = _id(net)
        with self._lock:
            found = self._look(id)
            if found.state in ("ready", "waiting", "running"):
                return found
            make_folder(self._folder)
            free = shutil.disk_usage(self._folder).free
            if len(self._waiting) >= _MOST_WAITING or free < _LEAST_FREE_BYTES:
                raise RunError(text.SHELF_IS_FULL.format(count=len(self._waiting), free=free // 10**6))
            shutil.rmtree(self._folder / id, ignore_errors=True)
            make_folder(self._folder / id)
            write_json_atomic(self._folder / id / WANTED, {"model": net.model})
            self._waiting.append(id)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="kits", daemon=True)
                self._thread.start()
            return self._look(id)

    def _look(self, id: str) -> Preparation:
        folder = self._folder / id
        if kit := _whole_kit(folder):
            with suppress(OSError):  # the shelf keeps what was used last
                os.utime(folder / KIT)
            return Preparation(id, "ready", kit=kit)
        ahead = self._waiting.index(id) + bool(self._running) if id in self._waiting else 0
        if ahead:
            return Preparation(id, "waiting", ahead=ahead)
        if id == self._running or id in self._waiting or _is_locked(folder):
            return Preparation(id, "running", stage=str(_read(folder / STAGE).get("stage", "open")))
        if not (folder / WANTED).is_file() or (folder / KIT).is_file():  # a kit that is not whole is made again
            return Preparation(id, "absent")
        return Preparation(id, "failed", message=str(_read(folder / FAILED).get("message") or text.LOST))

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
                    message = text.NOT_STARTED.format(reason=error.strerror or error)
                    write_json_atomic(self._folder / self._running / FAILED, {"message": message})
            finally:
                with self._lock:
                    kept, self._running = self._running, ""
                    self._tidy(kept)

    def _make(self, folder: Path) -> None:
        process = self._launcher.start(folder)
        end = time.monotonic() + _LONGEST_SECONDS
        while self._launcher.alive(process) and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
        self._launcher.kill(process)  # nothing happens where it has ended

    def _tidy(self, kept: str) -> None:
        """Remove those not used for longest until all that is left is within the bounds."""
        found = [folder for folder in self._folder.iterdir() if folder.is_dir()]
        room, places = _MOST_BYTES, _MOST_KITS
        for folder in sorted(found, key=_last_used, reverse=True):
            room, places = room - _bytes(folder), places - 1
            is_used = folder.name in (kept, *self._waiting) or _is_locked(folder)
            if (room < 0 or places < 0) and not is_used:
                shutil.rmtree(folder, ignore_errors=True)


def _id(net: Net) -> str:
    """Name all that a bundle depends on but its test images: the net, this machine, and the code that makes it.

    Of a run its folder's name is a part, so that nobody can guess the name of another visitor's bundle.
    """
    digest = hashlib.blake2b(_maker().encode(), digest_size=16)
    digest.update(f"{net.key}\0{net.model}".encode())
    for path in net.files:
        files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
        for file in files:
            state = file.stat()
            digest.update(_digest(file, state.st_mtime_ns, state.st_size))
    return digest.hexdigest()


@lru_cache(maxsize=256)
def _digest(file: Path, modified: int, size: int) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


@cache
def _maker() -> str:
    """Name this machine, the libraries and the code that make bundles."""
    package = Path(__file__).parents[2]
    digest = hashlib.blake2b(digest_size=8)
    modules = (package / f"{name}.py" for name in ("export", "quantisation", "tracing", "runtime"))
    for file in (*sorted((package / "bundle").glob("*.py")), *modules):
        digest.update(file.read_bytes())
    versions = " ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"{platform.node()} {platform.processor()} {versions} {digest.hexdigest()}"


def _whole_kit(folder: Path) -> Mapping[str, Any]:
    """Give what kit.json says, where all its files are as long as it says; else nothing."""
    kit = _read(folder / KIT)
    try:
        sizes = {f"{row['precision']}.onnx": row["bytes"] for row in kit["variants"] if not row["refused"]}
        sizes[ZIP] = kit["bytes"]
        whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (KeyError, TypeError, OSError):
        return _NOTHING
    return kit if whole else _NOTHING


def _is_locked(folder: Path) -> bool:
    """Tell whether a process is at work in a folder, be it of an earlier server."""
    try:
        with locked_folder(folder, wait=False) as free:
            return not free
    except OSError:  # not there
        return False


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return read_json(path)
    except RunError:  # not there, or damaged: as good as nothing
        return _NOTHING


def _last_used(folder: Path) -> float:
    file = folder / KIT
    with suppress(OSError):
        return (file if file.is_file() else folder).stat().st_mtime
    return 0.0


def _bytes(folder: Path) -> int:
    files: Sequence[Path] = [file for file in folder.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
