"""Fetching one file over HTTP into a .part, going on where an earlier attempt stopped.

Beside FILE.part lies FILE.part.json with what the server said of the file, so that parts of two versions never mix.
"""

import http.client
import json
import re
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from coronet.downloads.items import Progress
from coronet.errors import DownloadError
from coronet.files import plain_os_errors, write_json_atomic

_BLOCK = 2**18
_SPARE = 2**26  # bytes of the disk that stay free
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for. The pauses double from try to try."""

    timeout_seconds: float = 30.0
    tries: int = 6  # in a row that bring no new byte
    pause_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class _Note:
    """Which version of a file a .part is a part of."""

    address: str
    total: int | None
    etag: str | None
    last_modified: str | None

    def validator(self) -> str | None:
        """Give what If-Range may hold: a strong ETag or else the date."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified

    def continued_by(self, answer: "_Note") -> bool:
        """Tell whether an answer speaks of the same version; it may leave out what it has no need to repeat."""
        return (
            answer.total == self.total
            and answer.etag in (self.etag, None)
            and answer.last_modified in (self.last_modified, None)
        )


class _Dropped(Exception):
    """The connection broke or the server is busy: another try may bring more."""


class Fetch:
    """One file on its way from an address to `part`. Where it is already there in part, the rest is fetched."""

    def __init__(
        self, address: str, part: Path, *, size: int | None, unpacked: bool, patience: Patience | None = None
    ) -> None:
        """Take the expected size in bytes, if known; `unpacked`: as much room again is needed on the disk."""
        self._address, self._part, self._size, self._unpacked = address, part, size, unpacked
        self._patience = patience or Patience()
        self._note_path = part.with_name(f"{part.name}.json")
        self._opener = _opener()
        self._reached = False

    def run(self) -> Iterator[Progress]:
        """Fetch until the file is complete; whatever ends it early leaves the part for the next time.

        Raises DownloadError: no network, refused, gone, not of the expected size, no room on the disk.
        """
        if urlsplit(self._address).scheme not in ("http", "https"):
            raise DownloadError(f"{self._address} is no http address. {self._by_hand()}")
        furthest, failures = self._have(), 0
        while True:
            try:
                yield from self._try()
                return
            except _Dropped as error:
                failures = 1 if self._have() > furthest else failures + 1
                furthest = max(furthest, self._have())
                if failures >= self._patience.tries:
                    raise DownloadError(
                        f"{self._address} did not arrive in {failures} tries ({error}). Run the same command again: it "
                        f"goes on after {self._have():,} bytes. {self._by_hand()}"
                    ) from error
                time.sleep(self._patience.pause_seconds * 2 ** (failures - 1))

    def discard(self) -> None:
        """Throw away what has arrived."""
        self._part.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)

    def finish(self, path: Path) -> None:
        """Give the complete file its name, in one step."""
        with plain_os_errors(path):
            self._part.replace(path)
            self._note_path.unlink(missing_ok=True)

    def _try(self) -> Iterator[Progress]:
        note = self._read_note()
        offset = self._have() if note and note.validator() else 0
        if note and offset and offset == note.total:
            return
        with self._open(note, offset) as response:
            new = _Note(self._address, _total(response), response.headers["ETag"], response.headers["Last-Modified"])
            if response.status == HTTPStatus.PARTIAL_CONTENT:
                self._check_same(note, new, offset, response)
            else:
                offset = 0
            self._check_room(new.total, offset)
            if not offset:
                self.discard()
                write_json_atomic(self._note_path, asdict(new))
            yield from self._receive(response, offset, new.total)

    def _receive(self, response: http.client.HTTPResponse, done: int, total: int | None) -> Iterator[Progress]:
        with plain_os_errors(self._part), self._part.open("ab") as file:
            yield Progress("download", done, total)
            while total is None or done < total:
                block = _read(response, _BLOCK if total is None else min(_BLOCK, total - done))
                if not block:
                    break
                file.write(block)
                done += len(block)
                self._check_size(done, at_most=True)
                yield Progress("download", done, total)
        if total is not None and done < total:
            raise _Dropped(f"the connection broke after {done:,} of {total:,} bytes")
        self._check_size(done)

    def _open(self, note: _Note | None, offset: int) -> http.client.HTTPResponse:
        headers = {"User-Agent": "coronet-studio", "Accept-Encoding": "identity"}
        if offset and note:
            headers |= {"Range": f"bytes={offset}-", "If-Range": note.validator() or ""}
        try:
            asked = request.Request(self._address, headers=headers)
            response: http.client.HTTPResponse = self._opener.open(asked, timeout=self._patience.timeout_seconds)
        except HTTPError as error:
            with error:
                raise self._refusal(error.code) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._trouble(error) from error
        self._reached = True
        return response

    def _refusal(self, status: int) -> Exception:
        self._reached = True
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self.discard()
            return _Dropped("the file became shorter")
        if status in _TRY_AGAIN:
            return _Dropped(f"the server answers {status}")
        if status in (404, 410):
            return DownloadError(f"{self._address} is not there any more ({status}). {self._by_hand()}")
        if 300 <= status < 400:
            return DownloadError(f"{self._address} leads where it is not safe to follow ({status}). {self._by_hand()}")
        return DownloadError(f"The server refuses {self._address} ({status}). {self._by_hand()}")

    def _trouble(self, error: Exception) -> Exception:
        reason = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            return DownloadError(f"{self._address} is not trusted ({reason.verify_message}). {self._by_hand()}")
        if isinstance(reason, socket.gaierror) and not self._reached:
            host = urlsplit(self._address).hostname
            return DownloadError(f"There is no network, or {host} is unknown in it. {self._by_hand()}")
        return _Dropped(_words(reason))

    def _check_same(self, note: _Note | None, new: _Note, offset: int, response: http.client.HTTPResponse) -> None:
        """Make sure that the bytes to come belong to those that are there; else begin anew."""
        begins = re.match(r"bytes (\d+)-", response.headers["Content-Range"] or "")
        if note is None or begins is None or int(begins[1]) != offset or not note.continued_by(new):
            self.discard()
            raise _Dropped("the file on the server changed")

    def _check_room(self, total: int | None, offset: int) -> None:
        if total is not None:
            self._check_size(total)
        expected = total or self._size or 0
        needed = expected - offset + (expected if self._unpacked else 0) + _SPARE
        free = shutil.disk_usage(self._part.parent).free
        if free < needed:
            raise DownloadError(
                f"{self._part.parent} has room for {free / 1e6:,.0f} MB, but {needed / 1e6:,.0f} MB are needed. "
                "Free some space or choose another folder."
            )

    def _check_size(self, size: int, *, at_most: bool = False) -> None:
        if self._size is not None and (size > self._size if at_most else size != self._size):
            self.discard()
            raise DownloadError(
                f"{self._address} has {'more than ' if at_most else ''}{size:,} bytes, but must have {self._size:,}: "
                f"it is another file. {self._by_hand()}"
            )

    def _read_note(self) -> _Note | None:
        try:
            note = _Note(**json.loads(self._note_path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return note if note.address == self._address else None

    def _have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _by_hand(self) -> str:
        return f"You can also put the file at {self._part.with_suffix('')} by hand."


class SafeRedirects(request.HTTPRedirectHandler):
    """Follows redirects from web address to web address, never from https to http."""

    def redirect_request(
        self, req: request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> request.Request | None:
        """Give the next request; HTTPError where it may not be made."""
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            raise HTTPError(req.full_url, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _opener() -> request.OpenerDirector:
    """Make an opener that knows http and https only: neither files nor FTP."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
        SafeRedirects(),
    ):
        opener.add_handler(handler)
    return opener


def _read(response: http.client.HTTPResponse, count: int) -> bytes:
    try:
        return response.read1(count)
    except (OSError, http.client.HTTPException) as error:
        raise _Dropped(_words(error)) from error


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _total(response: http.client.HTTPResponse) -> int | None:
    """Give the size of the whole file, of which the answer may be the end."""
    text = response.headers["Content-Length"]
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        text = (response.headers["Content-Range"] or "").rpartition("/")[2]
    return int(text) if re.fullmatch(r"\d{1,15}", text or "") else None
