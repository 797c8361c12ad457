"""Writing files so that a reader sees the old or the new content and never half of it."""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any
from uuid import uuid4

from coronet.errors import RunError

_REASONS = {
    errno.ENOSPC: "the disk is full. Free some space",
    errno.EDQUOT: "the disk quota is used up. Free some space",
    errno.EACCES: "permission was denied. Choose a folder you may write to",
    errno.EPERM: "permission was denied. Choose a folder you may write to",
    errno.EROFS: "the file system is read-only. Choose another folder",
    errno.ENOENT: "its folder does not exist. Create it first",
    errno.ENOTDIR: "a file stands where a folder is needed. Choose another path",
    errno.EISDIR: "a folder stands where a file is needed. Choose another path",
    errno.EEXIST: "something of that name is there already. Choose another path",
    errno.ENOTEMPTY: "something is in that folder already. Choose another path",
    errno.ENAMETOOLONG: "the name is too long. Choose a shorter one",
}


@contextmanager
def plain_os_errors(path: Path, action: str = "write") -> Iterator[None]:
    """Turn an OSError inside the block into a RunError that says what, where and what to do."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}. Check the disk")
        raise RunError(f"Cannot {action} {path}: {reason} and try again.") from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on leaving without an error it replaces `path` in one step.

    Raises RunError when the disk is full, the folder is missing or may not be written.
    """
    with plain_os_errors(path):
        temporary = path.with_name(f".{path.name[:40]}.{uuid4().hex[:8]}.part")
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write bytes so that `path` never holds a part of them."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_json_atomic(path: Path, value: Any) -> None:
    """Write a value as readable JSON in UTF-8, atomically."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomic(path, text.encode("utf-8", "surrogatepass"))  # names of files need not be UTF-8


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; RunError where the file cannot be read or holds something else."""
    with plain_os_errors(path, "read"):
        data = path.read_bytes()
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged ({first_line(error)}). Restore it or start the run again.") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} is damaged: it holds no JSON object. Restore it or start the run again.")
    return value


def make_folder(path: Path) -> None:
    """Create a folder and its parents; RunError says why where that fails."""
    with plain_os_errors(path, "create the folder"):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; on leaving without an error it becomes `path` in one step.

    Raises RunError where `path` holds anything already, or where the disk refuses.
    """
    make_folder(path.parent)
    with plain_os_errors(path, "create the folder"):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunError(f"{path} exists and is not empty. Nothing was changed: choose another folder.")
        growing = path.with_name(f".{path.name[:40]}.{uuid4().hex[:8]}.part")
        growing.mkdir()
        try:
            yield growing
            growing.replace(path)
        finally:
            rmtree(growing, ignore_errors=True)


def harmless_name(wanted: str, otherwise: str) -> str:
    """Make a file name of a stranger's text: at most 60 ASCII letters, digits, - and _; `otherwise` if none is left."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in wanted)
    return plain.strip("_-")[:60] or otherwise


@contextmanager
def locked_folder(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a folder's lock, which ends with the process at the latest; gives False where another one has it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def keep_newest(folder: Path, pattern: str, count: int) -> None:
    """Delete the files used longest ago until `count` are left; another process may delete them, too."""
    with suppress(OSError):
        by_age = sorted(folder.glob(pattern), key=lambda kept: kept.stat().st_mtime)
        for old in by_age[:-count]:
            old.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Give the folder for what can be made again, converted models and drawn scenes.

    It is $XDG_CACHE_HOME/coronet or ~/.cache/coronet.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "coronet"


def first_line(error: BaseException) -> str:
    """Give the first line of what an error says."""
    return (str(error) or type(error).__name__).splitlines()[0][:120]
