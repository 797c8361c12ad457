"""The seconds a run counts as its own: those of the clock, or those its process was given of the processor.

Runs beside other work can be compared by the processor's seconds only. Like the number of threads, the choice holds
for the process.
"""

import time
from collections.abc import Callable
from typing import Literal

Counted = Literal["clock", "processor"]

_COUNTERS: dict[Counted, Callable[[], float]] = {"clock": time.monotonic, "processor": time.process_time}
_counter = _COUNTERS["clock"]


def count(counted: Counted) -> None:
    """Choose what `seconds` counts from now on. The processor's count every thread, and none of a GPU's work."""
    global _counter
    _counter = _COUNTERS[counted]


def seconds() -> float:
    """Give seconds since some moment; only differences mean something."""
    return _counter()
