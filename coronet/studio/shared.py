"""What many pages ask for at about the same time: made once for all of them."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_MOST_KEPT = 50
T = TypeVar("T")


class Shared(Generic[T]):
    """The last things made, each of a key; one is made anew when it is older than some seconds."""

    def __init__(self, fresh_seconds: float) -> None:
        self._fresh_seconds = fresh_seconds
        self._lock = threading.Lock()
        self._made: dict[Hashable, tuple[float, T]] = {}

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        """Give what was made of a key, or make it; what `make` raises is raised, and nothing is kept."""
        with self._lock:
            made = self._made.get(key)
            if made is None or time.monotonic() - made[0] > self._fresh_seconds:
                made = time.monotonic(), make()
                self._made.pop(key, None)
                self._made[key] = made
                while len(self._made) > _MOST_KEPT:
                    del self._made[next(iter(self._made))]
            return made[1]
