"""The processes that execute runs: how one is started, recognised and ended.

The run folder is all a process shares with the one that started it; when a run is executed is decided in `jobs`.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from coronet.priority import SLEEPING


@dataclass(frozen=True, slots=True)
class Process:
    """A process beyond mistaking: ids are used again, id and start time together are not."""

    pid: int
    started: int  # clock ticks since the machine started; 0 where the system does not tell


class Launcher(Protocol):
    """Starts and ends the processes that execute runs; the run folder is all they share with the caller."""

    def start(self, run: Path) -> Process:
        """Start a worker for a run folder; OSError where that fails."""

    def alive(self, process: Process) -> bool:
        """Tell whether that very process still runs."""

    def kill(self, process: Process) -> None:
        """End the process and its children at once."""


class LocalLauncher:
    """Executes runs on this machine, each in its own session so that it outlives the server.

    module: of this package, the program that is given the folder; what it prints goes to a log of its name there.
    """

    def __init__(self, module: str = "worker") -> None:
        self._module = module
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, run: Path) -> Process:
        """Start `python -m coronet.worker RUN`; what it prints goes to worker.log in the run folder."""
        log_name = f"{self._module.rpartition('.')[2]}.log"
        package = Path(__file__).parent
        self._children = {pid: child for pid, child in self._children.items() if child.poll() is None}
        with (run / log_name).open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", f"{package.name}.{self._module}", str(run)],
                cwd=package.parent,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[child.pid] = child
        return identify(child.pid)

    def alive(self, process: Process) -> bool:
        """Tell whether that very process still runs."""
        child = self._children.get(process.pid)
        if child is not None and child.poll() is not None:  # polling also clears away an ended child
            del self._children[process.pid]
        return is_alive(process)

    def kill(self, process: Process) -> None:
        """End the process and its children at once."""
        if self.alive(process):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def ask(module: str, *arguments: str, seconds: float) -> int | None:
    """Run a module of this package as a run would be and give its exit status, None where it takes too long.

    What it prints is lost: it answers by files.
    """
    package = Path(__file__).parent
    command = [sys.executable, "-m", f"{package.name}.{module}", *arguments]
    with suppress(subprocess.TimeoutExpired):
        return subprocess.run(
            command,
            cwd=package.parent,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        ).returncode
    return None


def identify(pid: int) -> Process:
    """Tell a process from all that had or will have its id."""
    return Process(pid, _start_time(pid) or 0)


def is_alive(process: Process) -> bool:
    """Tell whether that very process still runs; a zombie does not."""
    if process.started:
        return _start_time(process.pid) == process.started
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _start_time(pid: int) -> int | None:
    """Read when a process started from /proc; None when it is gone, a zombie, or the system has no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
    except OSError:
        return None
    state, started = fields[0], int(fields[19])
    return None if state in "ZX" else started


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(_worker_threads()), **SLEEPING}


def _worker_threads() -> int:
    """Leave one processor to the pages."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, processors - 1)
