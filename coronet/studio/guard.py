"""The guard in front of every request: who may ask, from which site, and what is never served.

It stands before Gradio and before our own routes alike, because a route beside Gradio is not behind its login.
It gives each browser a cookie and writes into the request who that is; what a visitor is stands in visitors.py.
"""

import base64
import binascii
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coronet.errors import SettingsError
from coronet.studio.visitors import (
    COOKIE,
    COOKIE_SECONDS,
    LOGIN_HEADER,
    OWNER_HEADER,
    is_cookie,
    new_cookie,
    owner_of,
)

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
_SHORTEST_PASSWORD = 8
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATH = "/gradio_api/startup-events"  # Gradio asks itself once, without credentials; it tells nothing
_FETCHING = ("file=http", "file=/http", "/file/http", "/file//http")  # Gradio would fetch the address for the visitor
_UPLOAD_PATH = "/gradio_api/upload"  # the only one that takes a file, piece by piece
_MOST_ASKED = 4_000_000  # bytes; a drawing is the most that is sent beside files
# Everything comes from this server; Gradio needs inline scripts, and its templates need eval.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; base-uri 'self'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Guard:
    """ASGI middleware; `people` maps names to passwords, and nobody has to log in where it is empty."""

    def __init__(self, app: ASGIApp, *, people: Mapping[str, str], loopback_only: bool) -> None:
        self._app = app
        self._people = people
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what may not pass and hand on the rest."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope)
        refusal = self._refuse(scope, given)
        cookie = _cookie(given)
        written = _set_cookie(cookie, scope) if refusal is None and _opens_a_page(scope, given) else None

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if written is not None:
                    headers.append("set-cookie", written)
            await send(message)

        await (refusal or self._app)(self._named(scope, given, cookie), receive, send_with_headers)

    def _named(self, scope: Scope, given: Headers, cookie: str | None) -> Scope:
        """Write into a request who sent it, in place of what the client may have written there."""
        login = _credentials(given.get("authorization", ""))[0] if self._people else ""
        ours = {OWNER_HEADER: owner_of(cookie, login) if cookie else "", LOGIN_HEADER: login}
        kept = [(name, value) for name, value in scope["headers"] if name.decode("latin-1").lower() not in ours]
        named = [(name.encode(), value.encode("latin-1", "replace")) for name, value in ours.items() if value]
        return {**scope, "headers": kept + named}

    def _refuse(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        if self._loopback_only and _host_name(headers) not in LOOPBACK:  # a foreign name that resolves to this machine
            return PlainTextResponse("This studio answers on this machine only.", 403)
        if scope["method"] not in _READING and not _is_same_site(headers):
            return PlainTextResponse("Requests from other sites are refused.", 403)
        path = scope["path"].lower()
        if any(mark in path for mark in _FETCHING):
            return PlainTextResponse("This studio fetches nothing from other addresses.", 403)
        is_large = scope["method"] not in _READING and path.rstrip("/") != _UPLOAD_PATH and not _is_small(headers)
        if is_large:  # Gradio would read all of it into memory first
            return PlainTextResponse("This is more than the page sends.", 413)
        if self._people and path != _OPEN_PATH and not self._knows(headers.get("authorization", "")):
            return PlainTextResponse("Please log in.", 401, {"WWW-Authenticate": 'Basic realm="CoroNet Studio"'})
        return None

    def _knows(self, authorization: str) -> bool:
        name, password = _credentials(authorization)
        expected = self._people.get(name, secrets.token_hex())  # an unknown name costs the same time
        return secrets.compare_digest(password.encode(), expected.encode())


def read_people(path: Path) -> dict[str, str]:
    """Read names and passwords, one `name:password` a line; SettingsError where that fails or others may read it."""
    entries = [line.partition(":") for line in _private_lines(path, "login")]
    if not entries or not all(name and password for name, _, password in entries):
        raise SettingsError(f"The login file {path} needs a line 'name:password' for each person. Add one.")
    return {name: password for name, _, password in entries}


def read_password(path: Path) -> str:
    """Read the teacher's password, the one line of a file; SettingsError where that fails or others may read it."""
    lines = _private_lines(path, "teacher's")
    if len(lines) != 1 or len(lines[0].strip()) < _SHORTEST_PASSWORD:
        least = f"one line, a password of at least {_SHORTEST_PASSWORD} characters"
        raise SettingsError(f"The teacher's file {path} needs {least}. Write one.")
    return lines[0].strip()


def _private_lines(path: Path, which: str) -> list[str]:
    try:
        others_may_read = path.stat().st_mode & 0o077
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The {which} file {path} cannot be read ({error}). Give a text file.") from error
    if others_may_read:
        raise SettingsError(f"The {which} file {path} can be read by other users. Change that with: chmod 600 {path}")
    return [line for line in lines if line.strip() and not line.startswith("#")]


def _credentials(authorization: str) -> tuple[str, str]:
    """Give name and password of a basic login, both empty where there is none."""
    kind, _, value = authorization.partition(" ")
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (name, password) if kind.lower() == "basic" else ("", "")


def _cookie(headers: Headers) -> str | None:
    value = cookie_parser(headers.get("cookie", "")).get(COOKIE)
    return value if is_cookie(value) else None


def _opens_a_page(scope: Scope, headers: Headers) -> bool:
    """Tell whether a browser opens a page: the requests that follow must not each get a cookie of its own."""
    return scope["method"] == "GET" and "text/html" in headers.get("accept", "")


def _set_cookie(cookie: str | None, scope: Scope) -> str:
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    value = cookie or new_cookie()
    return f"{COOKIE}={value}; Max-Age={COOKIE_SECONDS}; Path=/; HttpOnly; SameSite=Lax{secure}"


def _host_name(headers: Headers) -> str:
    return urlsplit(f"//{headers.get('host', '')}").hostname or ""


def _is_small(headers: Headers) -> bool:
    length = headers.get("content-length", "")
    return length.isdecimal() and len(length) < 10 and int(length) <= _MOST_ASKED


def _is_same_site(headers: Headers) -> bool:
    """Tell whether a page of ours sent the request, or a program, which names no origin."""
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc in (headers.get("host"), headers.get("x-forwarded-host"))
