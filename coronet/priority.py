"""How a process lets others go first: one in the background, and one whose threads wait."""

import os
from contextlib import suppress
from pathlib import Path

_AUTOGROUP = Path("/proc/self/autogroup")


SLEEPING = {"OMP_WAIT_POLICY": "PASSIVE"}  # of an environment: OpenMP's threads sleep while they wait for each other


def wait_asleep() -> None:
    """Let this process's threads sleep while they wait, unless it was told otherwise; before torch is loaded.

    Spinning ones take the processors from those they wait for, where a run or a browser keeps them busy
    (`tests.benchmarks.waiting`).
    """
    for name, value in SLEEPING.items():
        os.environ.setdefault(name, value)


def step_back(niceness: int) -> None:
    """Let processes of less niceness (0 to 19) go first; where the system does not allow it, nothing happens.

    CORONET_NICENESS in the environment is used in its place: 0 on a machine that does nothing else.

    Linux shares the processors among sessions before it looks at the niceness of processes (man 7 sched, "autogroup"):
    a process that leads a session of its own gives it the same niceness. Without it a preview of two threads takes
    twenty times as long beside a run on two processors.
    """
    chosen = os.environ.get("CORONET_NICENESS", "")
    niceness = int(chosen) if chosen.isdecimal() else niceness
    with suppress(OSError):
        os.nice(niceness)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            _AUTOGROUP.write_text(str(niceness), encoding="ascii")
