"""Whose answer is still waited for: what a visitor asked before, or asked for a closed tab, is not computed."""

from collections import OrderedDict
from itertools import count

_MOST_VISITORS = 1000
NOBODY = 0  # the ticket of a question whose answer nobody sees: always stale


class Latest:
    """Remembers each visitor's newest question, so that an answer nobody waits for any more is dropped."""

    def __init__(self) -> None:
        self._tickets: OrderedDict[str, int] = OrderedDict()
        self._numbers = count(NOBODY + 1)

    def ask(self, visitor: str, *, is_seen: bool = True) -> int:
        """Note that a visitor asks something new; give the question's ticket. is_seen: whether its tab is open."""
        ticket = self._tickets[visitor] = next(self._numbers)
        self._tickets.move_to_end(visitor)
        while len(self._tickets) > _MOST_VISITORS:
            self._tickets.popitem(last=False)
        return ticket if is_seen else NOBODY

    def is_stale(self, visitor: str, ticket: int | None) -> bool:
        """Tell whether that visitor has asked something else since; one who never asked here is never late."""
        return ticket == NOBODY or self._tickets.get(visitor, ticket) != ticket
