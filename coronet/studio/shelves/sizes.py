"""Finding test pictures and data sets in the allowed folders by their names alone, before anything is opened.

How a data folder is read for training stands in `datasets`, which needs torch; this list must be quick.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_TESTS = ("test", "testA", "testB", "val", "valA", "valB", "train", "trainA", "trainB")
_MOST_PER_FOLDER = 12
_MOST_SETS = 50


def data_sets(folders: Sequence[Path]) -> list[Path]:
    """Give the folders, among these and what lies directly in them, that hold train or test pictures."""
    found = []
    for folder in folders:
        for candidate in (folder, *_subfolders(folder)):
            if any((candidate / name).is_dir() for name in _TESTS) or next(_images(candidate), None):
                found.append(candidate)
    return found[:_MOST_SETS]


def find_pictures(folders: Sequence[Path]) -> dict[str, Path]:
    """Give the first test pictures of each data set by a readable name; both sides of unpaired ones."""
    return {name: path for data_set in data_sets(folders) for name, path in pictures_of(data_set).items()}


def pictures_of(data_set: Path) -> dict[str, Path]:
    """Give the first test pictures of one data set by a name that begins with its folder's."""
    found = {}
    for folder in _test_folders(data_set):
        for name in sorted(_images(folder))[:_MOST_PER_FOLDER]:
            path = folder / name
            found[str(path.relative_to(data_set.parent))] = path
    return found


def _test_folders(data_set: Path) -> list[Path]:
    """Give test or testA and testB; where they are missing val, then train, then the folder itself."""
    for phase in ("test", "val", "train"):
        folders = [data_set / f"{phase}{side}" for side in ("", "A", "B")]
        filled = [folder for folder in folders if next(_images(folder), None)]
        if filled:
            return filled
    return [data_set]


def _images(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries if entry.name.lower().endswith(_SUFFIXES) and entry.is_file())
    except OSError:  # not there, or not ours to read
        return


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
