"""Official data sets and published generators, fetched when asked for by name and never otherwise.

Only the standard library is used. What is in the files is the business of `datasets` and `checkpoints`.
"""

import fcntl
import hashlib
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coronet.downloads.archives import unpack
from coronet.downloads.fetch import Fetch, Patience
from coronet.downloads.items import ITEMS, Item, Progress, find_item
from coronet.errors import DownloadError, SettingsError
from coronet.files import make_folder, plain_os_errors

__all__ = ["ITEMS", "Item", "Patience", "Place", "Progress", "download", "find_item", "is_offline", "place_of"]

_BLOCK = 2**20
_BEGINNINGS = {"tar.gz": (b"\x1f\x8b",), "zip": (b"PK",), "pth": (b"PK", b"\x80"), "file": (b"PK", b"\x80")}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item goes: the file that is fetched, or put there by hand, and what it becomes."""

    archive: Path
    target: Path  # a folder; for features the file itself


def place_of(item: Item, out: Path | None) -> Place:
    """Find the place of an item in the folder `out`; features go to torch's own folder where none is given."""
    if out is None:
        if item.kind != "features":
            raise SettingsError(f"'out' is missing: {item.name} becomes a folder inside of it. Add --out DIR.")
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        home = os.environ.get("TORCH_HOME") or f"{cache}/torch"
        out = Path(home).expanduser() / "hub" / "checkpoints"
    archive = out / item.file_name
    return Place(archive, archive if item.form == "file" else out / item.name)


def is_offline() -> bool:
    """Tell whether the environment forbids the network: CORONET_OFFLINE is set, and not to 0."""
    return os.environ.get("CORONET_OFFLINE", "0") not in ("", "0")


def download(
    item: Item | str,
    out: Path | None,
    *,
    offline: bool = False,
    address: str | None = None,
    patience: Patience | None = None,
) -> Generator[Progress, None, None]:
    """Fetch an item, check it and unpack it into out/NAME; iterate to the end, or stop and call again to go on.

    A file that lies at `place_of(...).archive` is taken instead of the network, and kept. `address` replaces the
    official one. Raises DownloadError (offline, no network, gone, another size or checksum, unsafe archive, already
    there), and RunError where the disk refuses.
    """
    item = find_item(item) if isinstance(item, str) else item
    if item.by_hand:
        raise DownloadError(item.by_hand)
    place = place_of(item, out)
    address = address or item.address
    _refuse_existing(item, place)
    if not place.archive.exists() and (offline or is_offline()):
        raise DownloadError(f"Offline: get {address} in another way, put it at {place.archive} and try again.")
    make_folder(place.archive.parent)
    with _alone(place):
        _refuse_existing(item, place)
        by_hand = place.archive.exists()
        if by_hand:
            yield from _check(item, place.archive, f"Replace it by {address}")
        else:
            yield from _fetch(item, place, address, patience)
        if item.form != "file":
            yield from unpack(place.archive, item.form, place.target)
            if not by_hand:
                place.archive.unlink()


def _fetch(item: Item, place: Place, address: str, patience: Patience | None) -> Iterator[Progress]:
    part = place.archive.with_name(f"{place.archive.name}.part")
    fetch = Fetch(address, part, size=item.size, unpacked=item.form != "file", patience=patience)
    yield from fetch.run()
    try:
        yield from _check(item, part, "Try again, or get it in another way")
    except DownloadError:
        fetch.discard()
        raise
    fetch.finish(place.archive)


def _check(item: Item, path: Path, advice: str) -> Iterator[Progress]:
    """Compare a file with what is known of it; DownloadError where it is another one."""
    with plain_os_errors(path, "read"), path.open("rb") as file:
        size = path.stat().st_size
        if item.size is not None and size != item.size:
            raise DownloadError(f"{path} has {size:,} bytes, but must have {item.size:,}. {advice}.")
        if not file.read(4).startswith(_BEGINNINGS[item.form]):
            raise DownloadError(f"{path} is no {item.form} file; it may be a page of the web. {advice}.")
        if item.sha256 is None:
            return
        file.seek(0)
        digest, done = hashlib.sha256(), 0
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            yield Progress("check", done, size)
    if digest.hexdigest() != item.sha256:
        raise DownloadError(
            f"{path} has the SHA-256 {digest.hexdigest()[:12]}..., but must have {item.sha256[:12]}...: it is damaged "
            f"or another file. {advice}."
        )


def _refuse_existing(item: Item, place: Place) -> None:
    if item.form != "file" and os.path.lexists(place.target):
        raise DownloadError(f"{place.target} is already there. Use it, move it away or choose another --out.")


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    """Keep a second program from fetching the same item into the same place."""
    path = place.archive.with_name(f".{place.archive.name}.lock")
    with plain_os_errors(path), path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DownloadError(f"Another program is fetching {place.archive}. Wait for it.") from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
