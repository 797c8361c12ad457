"""The imported data sets of all visitors in one folder: whose they are, how many there may be, and removing them.

An owner is any text that only he knows, such as a cookie; its hash is kept beside the data. There is no other table.
"""

import hashlib
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from coronet.errors import DataError, RunError
from coronet.uploads.importing import ImportedData, discard, import_zip, read_imported
from coronet.uploads.table import UploadLimits


@dataclass(frozen=True, slots=True)
class Quota:
    """How much the shelf holds, for one owner and for all of them."""

    data_sets: int = 5
    bytes: int = 1_500_000_000
    data_sets_of_all: int = 100
    bytes_of_all: int = 20_000_000_000


def add_upload(
    zip_path: Path, shelf: Path, owner: str, *, quota: Quota | None = None, limits: UploadLimits | None = None
) -> ImportedData:
    """Import a zip for an owner into a new folder of the shelf, under a name that no one can guess.

    Raises DataError where the zip is refused or a quota would be passed, RunError where the disk refuses.
    """
    quota = quota or Quota()
    if not owner:
        raise DataError("An upload needs an owner, but none was given. Reload the page and try again.")
    _refuse_full(shelf, owner, quota, more=1)
    folder = shelf / f"{time.strftime('%Y%m%d')}-{secrets.token_hex(6)}"
    imported = import_zip(zip_path, folder, limits, owner=_hashed(owner))
    try:
        _refuse_full(shelf, owner, quota, more=0)  # now with its bytes, and with what came in meanwhile
    except DataError:
        discard(folder)
        raise
    return imported


def list_imported(shelf: Path, owner: str) -> tuple[ImportedData, ...]:
    """List an owner's data sets, the youngest first; empty where there is no shelf."""
    return tuple(data for data in _all(shelf) if data.owner == _hashed(owner))


def find_imported(shelf: Path, owner: str, name: str) -> ImportedData:
    """Look an owner's data set up by the name of its folder; DataError where it is not his or not there."""
    for data in list_imported(shelf, owner):
        if data.folder.name == name:
            return data
    raise DataError(f"You have no data set {name[:40]!a}. Choose one of yours or upload it again.")


def remove_imported(shelf: Path, owner: str, name: str) -> None:
    """Remove an owner's data set; make sure that no run reads it. DataError where it is not his or not there."""
    discard(find_imported(shelf, owner, name).folder)


def _all(shelf: Path) -> list[ImportedData]:
    found = []
    for folder in shelf.glob("[!.]*/"):
        try:
            found.append(read_imported(folder))
        except RunError:  # put there by someone else, or just being removed
            continue
    return sorted(found, key=lambda data: data.imported, reverse=True)


def _refuse_full(shelf: Path, owner: str, quota: Quota, *, more: int) -> None:
    """Raise DataError where the shelf with `more` data sets would hold more than it may."""
    every = _all(shelf)
    own = [data for data in every if data.owner == _hashed(owner)]
    if len(own) + more > quota.data_sets:
        raise DataError(f"You keep {len(own)} of {quota.data_sets} allowed data sets. Remove one of them first.")
    own_bytes, all_bytes = (sum(data.bytes for data in several) for several in (own, every))
    if own_bytes > quota.bytes - more:
        sizes = f"{own_bytes / 1e6:,.1f} MB, and {quota.bytes / 1e6:,.1f}"
        raise DataError(f"Your data sets take {sizes} are allowed. Remove one of them first.")
    if len(every) + more > quota.data_sets_of_all or all_bytes > quota.bytes_of_all - more:
        raise DataError(f"This studio keeps {len(every)} data sets of its visitors, and is full. Try again later.")


def _hashed(owner: str) -> str:
    return hashlib.sha256(owner.encode("utf-8", "replace")).hexdigest()
