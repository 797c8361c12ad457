"""Who asks: a visitor is known by a random cookie, of which only a hash is kept, and what is noted of each.

The guard sets the cookie and vouches for what `visitor_of` reads. What a visitor owns is kept with the thing owned.
"""

import hashlib
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coronet.errors import RunError
from coronet.files import make_folder

COOKIE = "coronet-visitor"
COOKIE_SECONDS = 400 * 86_400  # browsers keep none longer
# What the guard found out of a request; whatever a client writes there itself is thrown away.
OWNER_HEADER = "x-coronet-owner"
LOGIN_HEADER = "x-coronet-login"

_COOKIE_FORM = re.compile(r"[A-Za-z0-9_-]{32}")
_TABLE = "visitors.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS visitors (owner TEXT PRIMARY KEY, login TEXT NOT NULL DEFAULT '',
    name TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS opened (owner TEXT NOT NULL, run TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (owner, run));
"""
_MOST_OPENED = 50
_LONGEST_NAME = 30


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. owner: what stands beside his things, a hash, empty for a program without a session."""

    owner: str = ""
    login: str = ""  # the name he logged in with, which a whole class may share
    has_cookie: bool = False


NOBODY = Visitor()


def visitor_of(request: Any) -> Visitor:
    """Tell who sent a request (gradio's or starlette's) that passed the guard.

    A browser is known by its cookie. A program has none: it is known by its login, so that it finds its runs again,
    and without a login by its session.
    """
    owner, login = (str(request.headers.get(name) or "") for name in (OWNER_HEADER, LOGIN_HEADER))
    if owner:
        return Visitor(owner, login, has_cookie=True)
    session = getattr(request, "session_hash", None)
    if login or session:
        return Visitor(_hashed(f"login:{login}" if login else f"session:{session}"), login)
    return NOBODY


def new_cookie() -> str:
    """Draw a cookie of 192 random bits."""
    return secrets.token_urlsafe(24)


def is_cookie(value: str | None) -> bool:
    """Tell whether a value has the form of our cookies."""
    return value is not None and _COOKIE_FORM.fullmatch(value) is not None


def owner_of(cookie: str, login: str) -> str:
    """Give what is kept of a cookie. Two people who log in by their own names in one browser stay apart."""
    return _hashed(f"cookie:{login}:{cookie}")


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


class VisitorTable:
    """What is noted of visitors, in a file of its own beside the runs: their group's name, runs opened by a link."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _TABLE
        make_folder(folder)
        with self._rows() as rows:
            rows.executescript(_SCHEMA)

    def name(self, owner: str) -> str:
        """Give the name a visitor's group gave itself, else an empty one."""
        return self.names().get(owner, ("", ""))[0]

    def names(self) -> Mapping[str, tuple[str, str]]:
        """Give (group name, login) of all visitors of whom something is known, by owner."""
        with self._rows() as rows:
            return {
                owner: (name, login) for owner, name, login in rows.execute("SELECT owner, name, login FROM visitors")
            }

    def rename(self, visitor: Visitor, name: str) -> str:
        """Note a group's name, shortened and without control characters; give it as it is kept."""
        kept = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())[:_LONGEST_NAME]
        with self._rows() as rows:
            sql = "INSERT INTO visitors (owner, login, name) VALUES (?, ?, ?)"
            rows.execute(
                f"{sql} ON CONFLICT (owner) DO UPDATE SET login=excluded.login, name=excluded.name",
                (visitor.owner, visitor.login, kept),
            )
        return kept

    def note_login(self, visitor: Visitor) -> None:
        """Note by which name a visitor is logged in."""
        if visitor.login:
            with self._rows() as rows:
                sql = "INSERT INTO visitors (owner, login) VALUES (?, ?) ON CONFLICT (owner) DO NOTHING"
                rows.execute(sql, (visitor.owner, visitor.login))

    def note_opened(self, visitor: Visitor, run: str) -> None:
        """Note that a visitor opened another's run by its link; the oldest are forgotten when they are many."""
        if not visitor.owner:
            return
        with self._rows() as rows:
            rows.execute("INSERT OR REPLACE INTO opened VALUES (?, ?, ?)", (visitor.owner, run, time.time()))
            kept = "SELECT run FROM opened WHERE owner=? ORDER BY at DESC LIMIT ?"
            rows.execute(
                f"DELETE FROM opened WHERE owner=? AND run NOT IN ({kept})",
                (visitor.owner, visitor.owner, _MOST_OPENED),
            )

    def opened(self, owner: str) -> frozenset[str]:
        """Give the runs of others that a visitor opened by a link."""
        with self._rows() as rows:
            return frozenset(run for (run,) in rows.execute("SELECT run FROM opened WHERE owner=?", (owner,)))

    def forget_all(self) -> None:
        """Forget every visitor's name and opened runs."""
        with self._rows() as rows:
            rows.execute("DELETE FROM visitors")
            rows.execute("DELETE FROM opened")

    @contextmanager
    def _rows(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=30)) as rows, rows:
                yield rows
        except sqlite3.Error as error:
            advice = "Is the disk full or read-only? If the file is damaged, move it away: it holds names only."
            raise RunError(f"The table {self._path} cannot be used ({error}). {advice}") from error
