"""The table at the end of a visitor's zip: what may be unpacked, and everything for which the whole zip is refused.

Nothing is unpacked and no picture is opened here; that is done in pictures.py.
"""

import struct
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from coronet.containers import Refusal, plain
from coronet.downloads.archives import BROKEN, is_litter, leaves_its_folder, what_is_unsafe

AGAIN = "Pack the folder again and upload it once more."
_BYTES_OF_ENTRY = 512  # of the table, with the name and what some programs add; 120 are usual
_END = struct.Struct("<4s6xHI6x")  # signature, entries, bytes of the table
_LONG_END = struct.Struct("<4s28xQQ8x")  # the same of a large zip, before a locator of 20 bytes
_LONGEST_END = _LONG_END.size + 20 + _END.size + 2**16
_ARCHIVES = (
    *(".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".iso", ".cab", ".jar"),
)


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What one uploaded zip may be and become."""

    zip_bytes: int = 500_000_000
    unpacked_bytes: int = 1_000_000_000
    growth: int = 20  # unpacked bytes per packed byte; photos hardly shrink
    bytes_for_any: int = 2**26  # unpacked bytes that no growth forbids
    entries: int = 20_000  # pictures, folders and all else
    pictures: int = 10_000
    pixels: int = 32_000_000  # of one picture; `images` reads twice as many from folders of one's own
    free_bytes: int = 1_000_000_000  # disk space that is left when all is unpacked
    at_once: int = 2  # zips that are checked at the same time beside each other

    def most_bytes(self, packed: int) -> int:
        """Compute how many bytes a zip of this size may unpack to."""
        return min(self.unpacked_bytes, self.bytes_for_any + self.growth * packed)


def survey(path: Path, limits: UploadLimits) -> list[ZipInfo]:
    """List the files of a zip in its order, without folders and litter; Refusal where one of them is not harmless."""
    packed = path.stat().st_size
    with path.open("rb") as file:
        _refuse_crowds(file, packed, limits)
        try:
            with ZipFile(file) as archive:
                members = archive.infolist()
        except BROKEN as error:
            raise Refusal(f"is damaged: the table at its end is wrong. {AGAIN}") from error
    if any(member.header_offset < 0 for member in members):
        raise Refusal(f"is damaged: the table at its end points before its beginning. {AGAIN}")
    if len(members) > limits.entries:  # the count at the end was a lie
        raise _crowded(len(members), limits)
    for member in members:
        _refuse_member(member)
    files = [member for member in members if not member.filename.endswith("/") and not is_litter(member.orig_filename)]
    for member in files:
        _refuse_name(member.orig_filename)
    _refuse_twins(files)
    _refuse_size(sum(member.file_size for member in files), packed, limits)
    return files


def _refuse_crowds(file: IO[bytes], packed: int, limits: UploadLimits) -> None:
    """Refuse by the last bytes alone what is no zip or lists too much, before the table is read."""
    head = file.read(4)
    if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        what = f"begins with {head.hex(' ')}" if head else "is empty"
        raise Refusal(f"is no zip archive: it {what}. Pack the folder of pictures as a .zip.")
    file.seek(max(0, packed - _LONGEST_END))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < _END.size:
        raise Refusal(f"is cut off: the table at its end is missing. {AGAIN}")
    _, entries, table_bytes = _END.unpack_from(tail, end)
    start = end - 20 - _LONG_END.size
    if start >= 0 and tail[start : start + 4] == b"PK\x06\x06":
        _, entries, table_bytes = _LONG_END.unpack_from(tail, start)
    if entries > limits.entries or table_bytes > limits.entries * _BYTES_OF_ENTRY:
        raise _crowded(max(entries, table_bytes // _BYTES_OF_ENTRY), limits)


def _crowded(entries: int, limits: UploadLimits) -> Refusal:
    return Refusal(f"lists about {entries:,} files, more than {limits.entries:,}. Pack fewer pictures.")


def _refuse_member(member: ZipInfo) -> None:
    name = plain(member.orig_filename)
    if leaves_its_folder(member.orig_filename):
        raise Refusal(f"names a file outside of its folder, '{name}'. It was not unpacked. {AGAIN}")
    if unsafe := what_is_unsafe(member):
        raise Refusal(f"{unsafe}. Pack plain pictures, without links and without a password.")
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise Refusal(f"packs '{name}' with a rare method, number {member.compress_type}. Pack an ordinary zip.")


def _refuse_name(name: str) -> None:
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        raise Refusal(f"holds control characters in the name '{plain(name)}'. Rename the file and pack again.")
    if name.lower().endswith(_ARCHIVES):
        raise Refusal(f"holds another archive, '{plain(name)}'. Unpack it and pack the pictures themselves.")


def _refuse_twins(files: Sequence[ZipInfo]) -> None:
    seen: dict[str, str] = {}
    for member in files:
        same = str(PurePosixPath(unicodedata.normalize("NFC", member.orig_filename).casefold()))
        if same in seen:
            both = f"'{plain(seen[same])}' and '{plain(member.orig_filename)}'"
            raise Refusal(f"holds two files of one name, {both}. Rename one of them and pack again.")
        seen[same] = member.orig_filename


def _refuse_size(unpacked: int, packed: int, limits: UploadLimits) -> None:
    if unpacked > limits.unpacked_bytes:
        size, most = f"{unpacked / 1e6:,.0f} MB", f"{limits.unpacked_bytes / 1e6:,.0f}"
        raise Refusal(f"unpacks to {size}, more than {most}. Pack fewer or smaller pictures.")
    if unpacked > limits.most_bytes(packed):
        size = f"{unpacked / max(packed, 1):,.0f} times its size"
        raise Refusal(f"unpacks to {size}, which no pictures do: it may be a zip bomb. It was not unpacked.")
