"""Whose answer is still waited for: what a visitor asked before he asked for something else is not computed.

A question carries the time of its page's clock, so that the order in which requests arrive does not matter.
"""

from collections import OrderedDict

_MOST_VISITORS = 1000
# JavaScript for the moment of a choice, in milliseconds since its page was opened.
NOW = "() => performance.now()"


class Latest:
    """Remembers when each visitor asked last, so that an answer nobody waits for any more is dropped."""

    def __init__(self) -> None:
        self._asked: OrderedDict[str, float] = OrderedDict()

    def ask(self, visitor: str, at: float | None) -> None:
        """Note that a visitor asked something new at this time of his page."""
        self._asked[visitor] = max(at or 0.0, self._asked.get(visitor, 0.0))
        self._asked.move_to_end(visitor)
        while len(self._asked) > _MOST_VISITORS:
            self._asked.popitem(last=False)

    def is_stale(self, visitor: str, at: float | None) -> bool:
        """Tell whether that visitor has asked something else since; a program, which has no time, never has."""
        return at is not None and self._asked.get(visitor, 0.0) > at
