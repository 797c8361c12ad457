"""What a job is, its states, what each event makes of them, and whose waiting job comes next: rules, no table.

Where jobs are kept, and who asks for these events, stands in `jobs`.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["queued", "running", "pausing", "cancelling", "paused", "done", "cancelled", "failed", "interrupted"]
Outcome = Literal["done", "failed", "stopped"]
Event = Outcome | Literal["start", "pause", "cancel", "resume", "lost"]
Moves = Mapping[State, State]

ACTIVE: tuple[State, ...] = ("running", "pausing", "cancelling")  # a process is at work
RESUMABLE: tuple[State, ...] = ("paused", "interrupted", "failed", "cancelled")
# What each event makes of each state; a state that is not named stays as it is. "stopped" is a worker that obeyed.
TRANSITIONS: Mapping[Event, Moves] = {
    "start": {"queued": "running"},
    "pause": {"queued": "paused", "running": "pausing"},
    "cancel": {
        "queued": "cancelled",
        "running": "cancelling",
        "pausing": "cancelling",
        "paused": "cancelled",
        "interrupted": "cancelled",
    },
    "resume": dict.fromkeys(RESUMABLE, "queued"),
    "done": dict.fromkeys(ACTIVE, "done"),
    "failed": dict.fromkeys(ACTIVE, "failed"),
    "stopped": {"running": "paused", "pausing": "paused", "cancelling": "cancelled"},
    "lost": {"running": "interrupted", "pausing": "interrupted", "cancelling": "cancelled"},
}


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


def fair_order(waiting: Iterable[tuple[str, str]], last_starts: Mapping[str, int]) -> list[str]:
    """Order waiting jobs so that their owners take turns: whose last start is longest ago goes first.

    waiting: (id, owner) in the order of asking, which stays within an owner and decides between owners who never had
    a start; last_starts: the number of each owner's last start, larger is later.
    """
    queues: dict[str, deque[str]] = {}
    for id, owner in waiting:
        queues.setdefault(owner, deque()).append(id)
    turn = {owner: last_starts.get(owner, 0) for owner in queues}
    start = max(turn.values(), default=0)
    order: list[str] = []
    while queues:
        owner = min(queues, key=turn.__getitem__)  # of equals the first, who asked first
        order.append(queues[owner].popleft())
        start += 1
        turn[owner] = start
        if not queues[owner]:
            del queues[owner]
    return order
