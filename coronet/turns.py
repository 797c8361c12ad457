"""Whose waiting job comes next, and how many may wait: rules, no table. Jobs are kept in `jobs`."""

from collections import deque
from collections.abc import Iterable, Mapping

from coronet.errors import RunError

_MOST_QUEUED = 50
_MOST_QUEUED_OF_ONE = 5


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


def refuse_long_queue(waiting: int, own: int) -> None:
    """Raise RunError where too many jobs wait, of all or of the owner who asks for one (0 for nobody's)."""
    if own > _MOST_QUEUED_OF_ONE:
        most = f"{_MOST_QUEUED_OF_ONE} of your runs are waiting, and no more are allowed"
        raise RunError(f"{most}. Cancel one of them, or wait until one has started.")
    if waiting > _MOST_QUEUED:
        raise RunError(f"More than {_MOST_QUEUED} runs are waiting. Cancel some, or start yours later.")
