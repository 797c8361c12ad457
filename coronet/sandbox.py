"""Reading strangers' files in a child process that may be lost: how it is started, confined and heard.

What is read there, and what the child answers, stands in the modules whose `main` it runs.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from coronet.containers import Refusal

if sys.platform != "win32":
    import resource

HEADROOM_BYTES = 512 * 2**20  # address space beyond what the imports took
# A bare `coronet` package keeps the child small: only what its module asks for is imported there.
_CHILD = (
    "import os, sys, types; coronet = types.ModuleType('coronet'); coronet.__path__ = [sys.argv.pop(1)]; "
    "sys.modules['coronet'] = coronet; sys.path.extend(sys.argv.pop(1).split(os.pathsep)); "
    "from importlib import import_module; sys.exit(import_module(sys.argv.pop(1)).main(sys.argv[1:]))"
)
_FORBIDDEN = ("os.", "subprocess.", "socket.", "shutil.", "pty.", "ctypes.", "webbrowser.", "ftplib.", "urllib.")
_READING = ("os.listdir", "os.scandir", "os.walk", "os.fwalk")
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_WRITING = ("os.mkdir", "os.remove")  # allowed in a folder that was named


def run(
    module: str, arguments: Sequence[str], *, needs: Sequence[str], folder: Path, seconds: int
) -> Mapping[str, Any]:
    """Run `main(arguments)` of a module in a child and give the JSON object that it wrote, with "ok" and "message".

    needs: packages that the child imports from where this process has them; folder: where it works; seconds: by the
    clock. Raises Refusal that says how the child was lost.
    """
    specs = [find_spec(name) for name in needs]
    places = {str(Path(spec.origin).resolve().parents[1]) for spec in specs if spec and spec.origin}
    package = str(Path(__file__).resolve().parent)
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-B", "-c", _CHILD, package, os.pathsep.join(sorted(places)), module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd=folder,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Refusal(
            f"was given up after {seconds} seconds. Try again when the machine is less busy; "
            "if that does not help, the file is damaged or hostile."
        ) from error
    try:
        outcome: dict[str, Any] = json.loads(done.stdout)
        _ = outcome["ok"], outcome["message"]
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(
            f"made its reader stop (status {done.returncode}): it is damaged or hostile. Do not use it."
        ) from error
    return outcome


def answer(outcome: Mapping[str, Any]) -> None:
    """Tell the parent, from inside the child, what was found."""
    sys.stdout.write(json.dumps(outcome) + "\n")


def confine(*, memory_bytes: int, file_bytes: int, seconds: int, writable: Path | None = None) -> None:
    """Take away for good what reading a file does not need: memory, time, processes, sockets, writing elsewhere.

    memory_bytes: address space beyond what is mapped now; file_bytes: of one file that is written; seconds: of
    processor time; writable: a folder in which Python may write. Call it after the imports: torch alone takes 0.6 GB
    of address space (several GB with CUDA), 0.2 GB of it resident.
    """
    if sys.platform != "win32":
        _limit(resource.RLIMIT_AS, _address_space() + memory_bytes)
        _limit(resource.RLIMIT_CPU, seconds)
        _limit(resource.RLIMIT_FSIZE, file_bytes)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_NPROC, 0)
    sys.dont_write_bytecode = True
    folder = os.path.realpath(writable) + os.sep if writable else None

    def allowed(path: object) -> bool:
        return folder is not None and isinstance(path, str | os.PathLike) and os.path.realpath(path).startswith(folder)

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        """Second lock behind careful readers: starting processes, opening sockets and writing through Python raise."""
        if event in _WRITING and allowed(arguments[0]):
            return
        if event.startswith(_FORBIDDEN) and not event.startswith(_READING):
            raise PermissionError(f"{event} is forbidden while a stranger's file is read")
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITE_FLAGS:
            if allowed(arguments[0]):
                return
            raise PermissionError("writing is forbidden while a stranger's file is read")

    sys.addaudithook(refuse)


@contextmanager
def little_memory() -> Iterator[None]:
    """Allow only little memory inside the block, for a first look before anything large is imported."""
    if sys.platform == "win32":
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_below(_address_space() + HEADROOM_BYTES, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _environment() -> dict[str, str]:
    passed = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "TEMP")
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return {key: os.environ[key] for key in passed if key in os.environ} | threads


def _limit(which: int, amount: int) -> None:
    if sys.platform != "win32":
        amount = _below(amount, resource.getrlimit(which)[1])
        with suppress(ValueError, OSError):  # macOS knows the names, but not all of the limits
            resource.setrlimit(which, (amount, amount))


def _below(amount: int, hard: int) -> int:
    return amount if sys.platform == "win32" or hard == resource.RLIM_INFINITY else min(amount, hard)


def _address_space() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:  # no Linux: a fixed allowance
        return 3 * 2**30
    return pages * os.sysconf("SC_PAGE_SIZE")
