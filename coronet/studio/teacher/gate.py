"""Who may act as the teacher: a password opens the gate for one browser, and wrong ones close it for a while.

Every handler of the teacher's page asks here, on the server; what he may do then stands in classroom.py.
"""

import secrets
import threading
import time
from collections import defaultdict

from coronet.errors import AccessError
from coronet.studio.teacher import text
from coronet.studio.visitors import Visitor

_MOST_WRONG = 5  # passwords from one address, and ten times as many from all together
_WRONG_SECONDS = 300.0
_OPEN_SECONDS = 12 * 3600.0
_EVERYBODY = ""


class Gate:
    """Remembers, until the server ends, which browsers the teacher's password was given from."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()
        self._lock = threading.Lock()
        self._opened: dict[str, float] = {}  # owner: until when
        self._wrong: defaultdict[str, list[float]] = defaultdict(list)  # address: when

    def enter(self, visitor: Visitor, address: str, password: str | None) -> None:
        """Open the gate for a browser; AccessError where the password is wrong or was wrong too often.

        A program without a cookie cannot enter: it may share what it is known by with a whole class.
        """
        if not visitor.has_cookie:
            raise AccessError(text.NO_COOKIE)
        with self._lock:
            self._refuse_guessing(address)
            if not secrets.compare_digest((password or "").encode(), self._password):
                now = time.monotonic()
                self._wrong[address].append(now)
                self._wrong[_EVERYBODY].append(now)
                raise AccessError(text.WRONG_PASSWORD.format(left=_MOST_WRONG - len(self._wrong[address])))
            self._wrong.pop(address, None)
            self._opened[visitor.owner] = time.monotonic() + _OPEN_SECONDS

    def leave(self, visitor: Visitor) -> None:
        """Close the gate for a browser."""
        with self._lock:
            self._opened.pop(visitor.owner, None)

    def is_open(self, visitor: Visitor) -> bool:
        """Tell whether this browser acts as the teacher."""
        with self._lock:
            until = self._opened.get(visitor.owner) if visitor.has_cookie else None
            return until is not None and time.monotonic() < until

    def check(self, visitor: Visitor) -> None:
        """Raise AccessError unless this browser acts as the teacher."""
        if not self.is_open(visitor):
            raise AccessError(text.ENTER_FIRST)

    def _refuse_guessing(self, address: str) -> None:
        begin = time.monotonic() - _WRONG_SECONDS
        for who in list(self._wrong):
            self._wrong[who] = [when for when in self._wrong[who] if when > begin]
            if not self._wrong[who]:
                del self._wrong[who]
        of_one, of_all = (len(self._wrong.get(who, ())) for who in (address, _EVERYBODY))
        if of_one >= _MOST_WRONG or of_all >= 10 * _MOST_WRONG:
            raise AccessError(text.TOO_MANY_GUESSES.format(minutes=f"{_WRONG_SECONDS / 60:.0f}"))
