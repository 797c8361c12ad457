"""How a process in the background lets others go first."""

import os
from contextlib import suppress
from pathlib import Path

_AUTOGROUP = Path("/proc/self/autogroup")


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
