"""What a job is, its states, and what each event makes of them. Who causes the events stands in `jobs` and `worker`."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal[
    "queued", "running", "pausing", "keeping", "cancelling", "discarding",
    "paused", "done", "cancelled", "failed", "interrupted",
]  # fmt: skip
Outcome = Literal["done", "failed", "stopped"]
Event = Outcome | Literal["start", "pause", "keep", "cancel", "discard", "resume", "lost"]
Moves = Mapping[State, State]

ACTIVE: tuple[State, ...] = ("running", "pausing", "keeping", "cancelling")  # a process is at work
RESUMABLE: tuple[State, ...] = ("paused", "interrupted", "failed", "cancelled")
# What each event makes of each state; a state that is not named stays as it is. "stopped" is a worker that obeyed.
TRANSITIONS: Mapping[Event, Moves] = {
    "start": {"queued": "running"},
    "pause": {"queued": "paused", "running": "pausing"},
    # The wish itself lies in the run folder, where it outlives the process: one that stopped needs a turn to obey.
    "keep": {"running": "keeping", "pausing": "keeping", **dict.fromkeys(RESUMABLE, "queued")},
    "cancel": {
        "queued": "cancelled",
        "running": "cancelling",
        "pausing": "cancelling",
        "keeping": "cancelling",
        "paused": "cancelled",
        "interrupted": "cancelled",
    },
    # A process may still be at work; `tick` ends it and removes the folder, whatever happens on the way.
    "discard": dict.fromkeys(("queued", *ACTIVE, *RESUMABLE, "done"), "discarding"),
    "resume": dict.fromkeys(RESUMABLE, "queued"),
    "done": dict.fromkeys(ACTIVE, "done"),
    "failed": dict.fromkeys(ACTIVE, "failed"),
    "stopped": {"running": "paused", "pausing": "paused", "keeping": "paused", "cancelling": "cancelled"},
    "lost": {
        "running": "interrupted",
        "pausing": "interrupted",
        "keeping": "interrupted",
        "cancelling": "cancelled",
    },
}
LOST = "The run's process ended without a word: killed, out of memory, or the machine stopped. See its worker.log."
FULL = "The run's process ended on a full disk: {free:.0f} MB are free for {folder}. Free some space, then resume."
RESTARTED = "The machine or the studio was restarted while this run was at work."
_FEW_BYTES = 50e6  # a state of the largest published generators needs more


@dataclass(frozen=True, slots=True)
class Job:
    """One row: the execution of the run folder with this name."""

    id: str
    state: State
    created: float  # seconds since 1970
    done: int  # steps of the whole run
    total: int
    message: str  # why it failed or was interrupted, else empty
    heartbeat: float | None  # when the last step was reported, seconds since 1970
    ahead: int  # queued jobs that come first
    owner: str = ""  # a hash of who asked for it, empty where nobody did: adopted, or asked for by a program

    @property
    def active(self) -> bool:
        """Tell whether a process is at work."""
        return self.state in ACTIVE


def lost_words(runs: Path) -> str:
    """Say why a process may have ended without a word. runs: their folder; on a full disk nobody could write why."""
    free = shutil.disk_usage(runs).free
    return FULL.format(free=free / 1e6, folder=runs.name) if free < _FEW_BYTES else LOST
