"""From the entries of a zip to a data folder: which picture goes where, under which name, and whether it opens.

It runs in the child. What a layout is and which pictures suffice is told by `datasets`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from shutil import disk_usage
from zipfile import ZipFile, ZipInfo

from coronet.containers import Refusal, plain
from coronet.datasets import Dataset, DataSettings, open_dataset
from coronet.datasets.layout import FOLDERS, Kind
from coronet.downloads.archives import BROKEN, Box
from coronet.errors import DataError
from coronet.files import harmless_name, plain_os_errors
from coronet.images import IMAGE_SUFFIXES, image_size, open_image, shown
from coronet.uploads.table import AGAIN, UploadLimits, survey

_LAYOUTS = "Name its folders train and test for pairs A|B, or trainA, trainB, testA and testB."
_MEANT = {name.lower(): name for name in FOLDERS}


@dataclass(frozen=True, slots=True)
class Found:
    """A data folder that was unpacked.

    train, test: usable pictures of each side, A and B of unpaired ones; test is empty where some are held out of train.
    """

    kind: Kind
    train: tuple[int, ...]
    test: tuple[int, ...]
    bytes: int
    notes: tuple[str, ...]


def unpack_pictures(zip_path: Path, root: Path, limits: UploadLimits) -> Found:
    """Unpack the pictures of a zip into the new folder `root`, check each and leave out those that do not open.

    Raises Refusal where the zip, DataError where the data set is unusable, RunError where the disk refuses. Messages
    on folders begin with `root` as it was given.
    """
    places, notes = place(survey(zip_path, limits))
    if len(places) > limits.pictures:
        raise Refusal(f"holds {len(places):,} pictures, more than {limits.pictures:,}. Pack fewer.")
    _unpack(zip_path, root, places, limits)
    broken = _drop_broken([root / target for target in places], limits.pixels)
    if 2 * len(broken) > len(places):
        raise Refusal(f"holds {len(places)} pictures, of which {len(broken)} do not open. {broken[0]}")
    dataset = open_dataset(root, DataSettings(preprocess="none"), cache_bytes=0)
    for path, reason in dataset.broken:  # too small, the others are gone
        path.unlink()
        broken.append(reason)
    if broken:
        notes += (f"Left out as damaged, too small or too large: {_count(len(broken), 'picture')}. {broken[0]}",)
    train, test = _sizes(dataset)
    if not test:
        notes += ("Without pictures for tests, every tenth one is kept from training.",)
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    return Found(dataset.kind, train, test, size, notes)


def place(members: Sequence[ZipInfo]) -> tuple[dict[str, ZipInfo], tuple[str, ...]]:
    """Choose harmless paths of the pictures, such as trainA/horse_1.jpg, and say what is left out.

    Folders around everything are dropped. Refusal where no picture lies where a layout has it.
    """
    paths = {PurePosixPath(member.orig_filename): member for member in members}
    pictures = {path: paths[path] for path in paths if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."}
    if not pictures:
        raise Refusal(f"holds no pictures among its {len(paths)} files. Pack PNG, JPEG, WebP, TIFF or BMP files.")
    inner = _without_wrappers(pictures)
    chosen = {path: member for path, member in inner.items() if _folder(path)}
    chosen = chosen or {path: member for path, member in inner.items() if len(path.parts) == 1}
    elsewhere = [path for path in inner if path not in chosen]
    if len(elsewhere) > len(chosen):
        folders = sorted({str(path.parent) for path in elsewhere if len(path.parts) > 1})
        where = "in " + ", ".join(f"'{plain(name, 40)}'" for name in folders[:4]) if folders else "beside its folders"
        raise Refusal(f"has {len(elsewhere)} of its {len(inner)} pictures {where}. {_LAYOUTS}")
    notes = []
    if elsewhere:
        notes.append(
            f"Left out for their folder: {_count(len(elsewhere), 'picture')}, such as '{plain(elsewhere[0])}'."
        )
    if others := len(paths) - len(pictures):
        first = next(path for path in paths if path not in pictures)
        notes.append(f"Left out as no pictures: {_count(others, 'file')}, such as '{plain(first)}'.")
    return _renamed(chosen), tuple(notes)


def _without_wrappers(pictures: Mapping[PurePosixPath, ZipInfo]) -> dict[PurePosixPath, ZipInfo]:
    inner = dict(pictures)
    while len({path.parts[0] for path in inner}) == 1 and all(len(path.parts) > 1 for path in inner):
        if any(map(_folder, inner)):
            break
        inner = {PurePosixPath(*path.parts[1:]): member for path, member in inner.items()}
    return inner


def _folder(path: PurePosixPath) -> str | None:
    """Give the folder of a layout in which a picture lies directly."""
    return _MEANT.get(path.parts[0].lower()) if len(path.parts) == 2 else None


def _renamed(chosen: Mapping[PurePosixPath, ZipInfo]) -> dict[str, ZipInfo]:
    renamed: dict[str, ZipInfo] = {}
    taken: set[str] = set()
    for path in sorted(chosen):
        stem, number = harmless_name(path.stem, "picture"), 1
        folder, suffix = _folder(path) or ".", path.suffix.lower()
        while (name := f"{folder}/{stem}{f'-{number}' if number > 1 else ''}{suffix}").lower() in taken:
            number += 1
        taken.add(name.lower())
        renamed[name] = chosen[path]
    return renamed


def _unpack(zip_path: Path, root: Path, places: Mapping[str, ZipInfo], limits: UploadLimits) -> None:
    def refuse(what: str) -> Refusal:
        return Refusal(f"{what}, which it did not declare: it may be a zip bomb. {AGAIN}")

    free = disk_usage(root.parent).free - limits.free_bytes
    if sum(member.file_size for member in places.values()) > free:
        raise Refusal(f"needs more than the {max(free, 0) / 1e6:,.0f} MB that are free here. Remove older data first.")
    box = Box(root, len(places), limits.most_bytes(zip_path.stat().st_size), refuse)
    with plain_os_errors(root), ZipFile(zip_path) as archive:
        root.mkdir()
        for target, member in places.items():
            try:
                box.put(target, partial(archive.open, member))
            except BROKEN as error:
                raise Refusal(f"is damaged at '{plain(member.orig_filename)}'. {AGAIN}") from error


def _drop_broken(paths: Iterable[Path], most_pixels: int) -> list[str]:
    reasons = []
    for path in paths:
        try:
            width, height = image_size(path)
            if width * height > most_pixels:
                most = f"{most_pixels / 1e6:g} megapixels"
                raise DataError(f"{shown(path)} is larger than {most} ({width} x {height}). Make it smaller.")
            open_image(path)
        except DataError as error:
            reasons.append(str(error))
            path.unlink()
    return reasons


def _sizes(dataset: Dataset) -> tuple[tuple[int, ...], tuple[int, ...]]:
    sides = 2 if dataset.kind == "unpaired" else 1
    train, test = ((len(s.source_paths), len(s.target_paths))[:sides] for s in (dataset.train, dataset.test))
    if dataset.test_origin == "test folder":
        return train, test
    return tuple(map(sum, zip(train, test, strict=True))), ()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
