"""A run is a folder: settings, events, previews, the unfinished state and the report, each readable at any moment.

What writes here is the one process that holds the run's lock; what only looks never waits and never changes anything.
What is computed in a run lives in `recipes`, who executes it and when in `jobs`.
"""

import fcntl
import json
import logging
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal

from PIL import Image

from coronet.errors import RunError
from coronet.files import (
    atomic_path,
    first_line,
    make_folder,
    plain_os_errors,
    read_json,
    write_atomic,
    write_json_atomic,
)
from coronet.state_files import read_state

Status = Literal["done", "running", "unfinished", "new"]

SETTINGS = "settings.json"
EVENTS = "events.jsonl"
REPORT = "report.json"
STATE = "state.pt"
# The state before the last one. A kill never leaves a half-written state (files.py), but a disk can go bad and a run
# may be days old: twice the space until the run is done is the smaller price.
PREVIOUS_STATE = "state.previous.pt"
DAMAGED = ".damaged"  # in place of .pt
PREVIEWS = "previews"
LOCK = "lock"

_LOCK_PATIENCE = (0.0, 0.05, 0.2)  # seconds; `status` of another process holds the lock for microseconds
_log = logging.getLogger(__name__)


class Run:
    """One run folder. `verb` and `settings` are what its settings.json says."""

    def __init__(self, path: Path, verb: str, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.verb = verb
        self.settings = dict(settings)

    @classmethod
    def create(cls, path: Path | str, verb: str, settings: Mapping[str, Any]) -> "Run":
        """Make a run in a new or empty folder; RunError when something is in it already."""
        path = Path(path).absolute()
        make_folder(path)
        with plain_os_errors(path, "read the folder"):
            used = any(path.iterdir())
        if (path / SETTINGS).exists():
            raise RunError(f"{path} holds a run already. Choose another folder, or go on with: coronet resume {path}")
        if used:
            raise RunError(f"{path} is not empty. Choose another folder for the run, or empty this one.")
        write_json_atomic(path / SETTINGS, {"verb": verb, "settings": dict(settings)})
        return cls(path, verb, settings)

    @classmethod
    def open(cls, path: Path | str) -> "Run":
        """Open an existing run; RunError when the folder is none or its settings cannot be read."""
        path = Path(path).absolute()
        if not (path / SETTINGS).is_file():
            raise RunError(f"{path} is not a run: it has no {SETTINGS}. Choose the folder that a run was written to.")
        written = read_json(path / SETTINGS)
        verb, settings = written.get("verb"), written.get("settings")
        if not isinstance(verb, str) or not isinstance(settings, dict):
            raise RunError(f"{path / SETTINGS} is damaged: it names no verb and settings. Start the run again.")
        return cls(path, verb, settings)

    @property
    def name(self) -> str:
        """The folder's name, by which the job table knows the run."""
        return self.path.name

    def status(self) -> Status:
        """Say from the folder alone how far the run is; "unfinished" has a state from which it can go on."""
        if (self.path / REPORT).exists():
            return "done"
        if self._is_locked():
            return "running"
        return "unfinished" if self.has_state() else "new"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process alone; RunError when another one executes it. A dead process holds nothing."""
        with ExitStack() as held:
            with plain_os_errors(self.path / LOCK):  # and no error of what is done under the lock
                file = held.enter_context((self.path / LOCK).open("a+b"))
                _take(file, self.path)
                file.truncate(0)
                file.write(str(os.getpid()).encode())
                file.flush()
            yield

    # Events

    def record(self, step: Mapping[str, Any]) -> None:
        """Append one step to the events; numbers that are not finite become null."""
        line = json.dumps(_plain(step), ensure_ascii=False, allow_nan=False).encode() + b"\n"
        path = self.path / EVENTS
        with plain_os_errors(path), path.open("ab+") as file:
            _drop_half_line(file)
            file.write(line)

    def events(self) -> list[dict[str, Any]]:
        """Read every recorded step in order; the half-written last line of a killed run is left out."""
        return self.events_after(0)[0]

    def events_after(self, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Read the steps recorded after a byte offset, and give the offset from which to read next."""
        path = self.path / EVENTS
        if not path.exists():
            return [], 0
        with plain_os_errors(path, "read"), path.open("rb") as file:
            file.seek(offset)
            data = file.read()
        complete = data[: data.rfind(b"\n") + 1]
        return list(_parse_lines(complete.splitlines(), path)), offset + len(complete)

    def rewind(self, done: int) -> None:
        """Forget the events and previews after `done` steps, so that a resumed run reads like an uninterrupted one."""
        kept = [event for event in self.events() if event.get("done", 0) <= done]
        lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in kept)
        write_atomic(self.path / EVENTS, lines.encode())
        for step, preview in self.previews().items():
            if step > done:
                with plain_os_errors(preview, "remove"):
                    preview.unlink(missing_ok=True)

    # State

    def has_state(self) -> bool:
        """Tell whether there is a state from which the run can go on."""
        return (self.path / STATE).exists() or (self.path / PREVIOUS_STATE).exists()

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Replace the saved state by another: nested dicts and lists of tensors and plain values.

        A kill at any moment leaves the old or the new state. The one before stays as a second copy.
        """
        import torch  # heavy, and the web process never saves

        path = self.path / STATE
        with atomic_path(path) as temporary:
            try:
                torch.save(dict(state), temporary)
            except RuntimeError as error:  # torch's zip writer has no OSError: a full disk ends here
                raise RunError(
                    f"Cannot write {path}: is the disk full? Free some space and try again ({first_line(error)})."
                ) from error
            if path.exists():
                path.replace(self.path / PREVIOUS_STATE)

    def load_state(self) -> dict[str, Any] | None:
        """Read the saved state on the CPU, None where there is none.

        A damaged state is passed over for the one before, and kept under another name; RunError when both are damaged,
        or where there is too little memory.
        """
        written = [path for path in (self.path / STATE, self.path / PREVIOUS_STATE) if path.exists()]
        for path in written:
            state = read_state(path)
            if state is not None:
                return state
            _log.warning("%s is damaged; trying the state before it.", path)
            with plain_os_errors(path, "rename"):  # or the next save would put it in the place of the good one
                path.replace(path.with_suffix(DAMAGED))
        if written:
            kept = ", ".join(path.with_suffix(DAMAGED).name for path in written)
            raise RunError(
                f"The saved state in {self.path} is damaged (kept as {kept}). Start the run again in another folder."
            )
        return None

    def drop_state(self) -> None:
        """Remove the saved states; a finished run needs none."""
        for path in (self.path / STATE, self.path / PREVIOUS_STATE):
            for copy in (path, path.with_suffix(DAMAGED)):
                with plain_os_errors(copy, "remove"):
                    copy.unlink(missing_ok=True)

    def drop_unstarted(self) -> None:
        """Remove the run where nothing of it was done yet, so that a mistake in its settings can be mended.

        One that another process executes stays.
        """
        with suppress(OSError, RunError), self.lock():
            if not self.has_state() and not self.events():
                for file in self.path.iterdir():
                    file.unlink()
                self.path.rmdir()

    # Previews and report

    def save_preview(self, step: int, image: Image.Image) -> Path:
        """Keep a picture shown during the run under its step's number."""
        make_folder(self.path / PREVIEWS)
        path = self.path / PREVIEWS / f"{step:06d}.png"
        with atomic_path(path) as temporary:
            image.save(temporary, format="PNG")
        return path

    def previews(self) -> dict[int, Path]:
        """Give the previews by step, in order."""
        found = ((int(path.stem), path) for path in (self.path / PREVIEWS).glob("*.png") if path.stem.isdecimal())
        return dict(sorted(found))

    def write_report(self, report: Mapping[str, Any]) -> None:
        """Write what the run found; from here on the run is done."""
        write_json_atomic(self.path / REPORT, _plain(report))

    def report(self) -> dict[str, Any] | None:
        """Read the report, None while the run is not done."""
        return read_json(self.path / REPORT) if (self.path / REPORT).exists() else None

    def _is_locked(self) -> bool:
        path = self.path / LOCK
        if not path.exists():
            return False
        with plain_os_errors(path, "read"), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


def _take(file: BinaryIO, path: Path) -> None:
    for pause in _LOCK_PATIENCE:
        time.sleep(pause)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            continue
    file.seek(0)
    owner = file.read(20).decode("ascii", "replace") or "unknown"
    raise RunError(f"{path} is being executed by process {owner}. Wait until it ends, or stop that process first.")


def _drop_half_line(file: BinaryIO) -> None:
    """Cut what a kill left of the last line, so that the next one starts on its own."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return
    file.seek(size - 1)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _parse_lines(lines: Iterable[bytes], path: Path) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict):
            yield event
        else:  # a log with a hole is worth more than no log
            _log.warning("%s has a damaged line, which is left out.", path)


def _plain(value: Any) -> Any:
    """Copy JSON values with null in the place of nan and infinity, which JSON does not know."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
