"""A visitor's zip becomes a data folder, which appears when all of it is there, with a record of what it is.

The zip is opened in a confined child only. Whose it is and how many there may be is told in shelf.py.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from coronet import sandbox
from coronet.containers import Refusal, plain
from coronet.errors import DataError, RunError
from coronet.files import harmless_name, locked_folder, make_folder, plain_os_errors, read_json, write_json_atomic
from coronet.uploads.child import seconds_for
from coronet.uploads.table import UploadLimits

_RECORD = "imported.json"  # beside the folders train and test
_GROWING = ".importing"


@dataclass(frozen=True, slots=True)
class ImportedData:
    """A data folder that came from a visitor's zip.

    name: of the zip, for the eye; train, test: pictures of each side, A and B of unpaired ones; test is empty where
    some are held out of train; notes: plain sentences on what was left out; imported: seconds since 1970.
    """

    folder: Path
    name: str
    kind: str
    train: tuple[int, ...]
    test: tuple[int, ...]
    bytes: int
    notes: tuple[str, ...]
    owner: str
    imported: float


def import_zip(zip_path: Path, folder: Path, limits: UploadLimits | None = None, *, owner: str = "") -> ImportedData:
    """Check a zip in a child and unpack its pictures into the new `folder`, which `datasets.open_dataset` opens.

    owner: noted as it is. Raises DataError that says in one line why it is refused, RunError where the disk refuses.
    What imports that were killed left beside `folder` is swept first.
    """
    limits = limits or UploadLimits()
    shown = plain(zip_path.name)
    with plain_os_errors(zip_path, "read"):
        if not zip_path.is_file():
            raise DataError(f"{shown} is no file. Choose a .zip file.")
        size = zip_path.stat().st_size
    if size > limits.zip_bytes:
        most = f"{limits.zip_bytes / 1e6:,.1f}"
        raise DataError(f"{shown} has {size / 1e6:,.1f} MB, more than {most}. Pack fewer or smaller pictures.")
    make_folder(folder.parent)
    with _workshop(folder, shown, limits.at_once) as workshop:
        name = harmless_name(zip_path.stem, "data")
        found = _run_child(zip_path, name, workshop, limits)
        record = {key: found[key] for key in ("kind", "train", "test", "bytes", "notes")}
        record |= {"name": plain(zip_path.stem, 60), "owner": owner, "imported": time.time()}
        write_json_atomic(workshop / name / _RECORD, record)
        (workshop / name).rename(folder)
    return read_imported(folder)


def read_imported(folder: Path) -> ImportedData:
    """Read what a folder of `import_zip` is; RunError where there is no whole record."""
    record: dict[str, Any] = read_json(folder / _RECORD)
    try:
        return ImportedData(
            folder=folder,
            name=str(record["name"]),
            kind=str(record["kind"]),
            train=tuple(map(int, record["train"])),
            test=tuple(map(int, record["test"])),
            bytes=int(record["bytes"]),
            notes=tuple(map(str, record["notes"])),
            owner=str(record["owner"]),
            imported=float(record["imported"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{folder / _RECORD} is damaged. Remove the folder and import the zip again.") from error


def discard(folder: Path) -> None:
    """Remove an imported folder; a kill on the way leaves what the next import sweeps."""
    gone = folder.with_name(f".{folder.name}{_GROWING}")
    with plain_os_errors(folder, "remove"):
        folder.rename(gone)
        rmtree(gone, ignore_errors=True)


def _run_child(zip_path: Path, name: str, workshop: Path, limits: UploadLimits) -> dict[str, Any]:
    seconds = 4 * seconds_for(zip_path.stat().st_size)
    arguments = [str(zip_path.resolve()), name, json.dumps(asdict(limits))]
    needs = ("torch", "PIL", "numpy")
    try:
        found = sandbox.run("coronet.uploads.child", arguments, needs=needs, folder=workshop, seconds=seconds)
    except Refusal as refusal:
        raise DataError(f"{plain(zip_path.name)} {refusal}") from refusal
    if not found["ok"]:
        raise DataError(plain(found["message"], 400))
    return dict(found)


@contextmanager
def _workshop(folder: Path, shown: str, at_once: int) -> Iterator[Path]:
    """Give a hidden folder beside `folder` that is gone afterwards; those whose process died are swept first."""
    workshop = folder.with_name(f".{folder.name}{_GROWING}")
    with ExitStack() as held:
        with plain_os_errors(folder, "create the folder"), locked_folder(folder.parent):
            if _sweep(folder.parent) >= at_once:
                raise DataError(f"{shown} has to wait: other uploads are being checked. Try again in a minute.")
            if folder.exists():
                raise RunError(f"{folder} is already there. Choose another folder.")
            workshop.mkdir()
            held.enter_context(locked_folder(workshop))
        try:
            with plain_os_errors(folder):
                yield workshop
        finally:
            rmtree(workshop, ignore_errors=True)


def _sweep(parent: Path) -> int:
    """Remove what dead imports left and count the living ones."""
    living = 0
    for left in parent.glob(f".*{_GROWING}"):
        # What is finished or swept meanwhile is gone; a file of such a name is not ours.
        with suppress(FileNotFoundError, NotADirectoryError), locked_folder(left, wait=False) as dead:
            living += not dead
            if dead:
                rmtree(left, ignore_errors=True)
    return living
