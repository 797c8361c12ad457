"""Unpacking archives of strangers: plain files and folders only, within limits, and the whole of it or nothing.

What an entry must not be and how a folder is filled also holds for the zips that visitors of the studio upload.
"""

import gzip
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from coronet.downloads.items import Progress
from coronet.errors import DownloadError
from coronet.files import plain_os_errors

_BLOCK = 2**20
BROKEN = (  # what reading a damaged archive raises
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, ValueError),
)
_LITTER = ("__MACOSX", ".DS_Store", "Icon\r", "Thumbs.db", "desktop.ini")
_NAME_OF_MODEL = "latest_net_G.pth"  # as the scripts of pytorch-CycleGAN-and-pix2pix store it


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may become. Photos hardly shrink when they are packed."""

    entries: int = 500_000  # edges2handbags, the largest, has 137,000 images
    growth: int = 20  # unpacked bytes per packed byte
    bytes_for_any: int = 2**26  # unpacked bytes that are always allowed


def unpack(archive: Path, form: str, target: Path, limits: Limits | None = None) -> Iterator[Progress]:
    """Unpack a "tar.gz", a "zip" or a "pth" into the new folder `target`, which appears when all of it is there.

    A single folder around everything is left out. DownloadError where the archive is broken or holds what it must not.
    """
    workshop = target.with_name(f".{target.name}.unpacking")
    limits = limits or Limits()

    def refuse(what: str) -> DownloadError:
        return DownloadError(f"{archive} {what}, which is not safe to unpack. Delete it and get it again.")

    with plain_os_errors(target):
        shutil.rmtree(workshop, ignore_errors=True)  # of an earlier attempt that was killed
        workshop.mkdir()
        try:
            most_bytes = limits.bytes_for_any + limits.growth * archive.stat().st_size
            box = Box(workshop, limits.entries, most_bytes, refuse)
            try:
                yield from _FORMS[form](archive, box)
            except BROKEN as error:
                raise DownloadError(f"{archive} is no whole {form} archive. Delete it and get it again.") from error
            if not box.files:
                raise DownloadError(f"{archive} is empty. Delete it and get it again.")
            inside = list(workshop.iterdir())
            alone = len(inside) == 1 and inside[0].is_dir()
            (inside[0] if alone else workshop).rename(target)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)


def leaves_its_folder(name: str) -> bool:
    """Tell whether an entry's name could lead out of the folder it is unpacked into, on any system."""
    parts = PurePosixPath(name).parts
    return name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or ":" in "".join(parts[:1])


def is_litter(name: str) -> bool:
    """Tell whether an entry is what a Mac or Windows adds to every folder, or no name at all."""
    parts = PurePosixPath(name).parts
    return not parts or parts[0] in _LITTER or parts[-1] in _LITTER or parts[-1].startswith("._")


def what_is_unsafe(member: zipfile.ZipInfo) -> str | None:
    """Say what an entry of a zip is that is never unpacked, as the end of a sentence; None for files and folders."""
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return f"has a link or a device, {member.filename[:80]!a}"
    return "is encrypted" if member.flag_bits & 1 else None


class Box:
    """The folder that is filled. It refuses what would leave it or overfill it.

    refuse: turns the end of a sentence on what was found into the error to raise.
    """

    def __init__(self, folder: Path, most_entries: int, most_bytes: int, refuse: Callable[[str], Exception]) -> None:
        self.refuse = refuse
        self._folder, self._most_entries, self._most_bytes = folder, most_entries, most_bytes
        self._entries = 0
        self.files = 0
        self.bytes = 0

    def foresee(self, size: int) -> None:
        """Refuse early what says itself that it becomes too large."""
        if self.bytes + size > self._most_bytes:
            raise self.refuse(f"unpacks to more than {self._most_bytes / 1e6:,.0f} MB")

    def put(self, name: str, opened: Callable[[], IO[bytes]] | None) -> None:
        """Add a file, or a folder where there is nothing to open. What a Mac adds to archives is passed over."""
        self._entries += 1
        if self._entries > self._most_entries:
            raise self.refuse(f"has more than {self._most_entries:,} entries")
        if leaves_its_folder(name):
            raise self.refuse(f"has an entry outside of its folder, {name[:80]!a}")
        if is_litter(name):
            return
        path = self._folder / name
        try:
            (path.parent if opened else path).mkdir(parents=True, exist_ok=True)
            if opened:
                self._write(path, opened)
        except (FileExistsError, NotADirectoryError) as error:
            raise self.refuse(f"has two entries of one name, {name[:80]!a}") from error

    def _write(self, path: Path, opened: Callable[[], IO[bytes]]) -> None:
        with path.open("xb") as file, opened() as stream:
            while block := stream.read(_BLOCK):
                self.count(block)
                file.write(block)
        self.files += 1

    def count(self, block: bytes) -> None:
        self.foresee(len(block))
        self.bytes += len(block)


def _unpack_zip(archive: Path, box: Box) -> Iterator[Progress]:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        total = sum(member.file_size for member in members)
        box.foresee(total)
        for member in members:
            if unsafe := what_is_unsafe(member):
                raise box.refuse(unsafe)
            box.put(member.filename, None if member.filename.endswith("/") else partial(opened.open, member))
            yield Progress("unpack", box.bytes, total)


def _unpack_tar(archive: Path, box: Box) -> Iterator[Progress]:
    total = archive.stat().st_size
    with archive.open("rb") as file, gzip.GzipFile(fileobj=file) as unzipped:
        with tarfile.open(fileobj=unzipped, mode="r|") as opened:
            while member := opened.next():
                opened.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
                if not (member.isreg() or member.isdir()) or member.issparse():
                    raise box.refuse(f"has a link or a device, {member.name[:80]!a}")
                box.foresee(member.size)
                box.put(member.name, partial(_content, opened, member) if member.isreg() else None)
                yield Progress("unpack", min(file.tell(), total - 1), total)
        while block := unzipped.read(_BLOCK):  # to the end, where the checksum is
            box.count(block)
    yield Progress("unpack", total, total)


def _content(opened: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = opened.extractfile(member)
    assert stream is not None  # as for every plain file
    return stream


def _put_model(archive: Path, box: Box) -> Iterator[Progress]:
    size = archive.stat().st_size
    box.put(f"model/{_NAME_OF_MODEL}", lambda: archive.open("rb"))
    yield Progress("unpack", size, size)


_FORMS: dict[str, Callable[[Path, Box], Iterator[Progress]]] = {
    "tar.gz": _unpack_tar,
    "zip": _unpack_zip,
    "pth": _put_model,
}
