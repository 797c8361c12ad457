"""Opening a data folder: its layout is recognised, its images are checked, and tests are kept apart from training.

How images are drawn afterwards is told in split.py.
"""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from coronet.datasets.layout import Kind, Layout, find_layout
from coronet.datasets.reader import Reader
from coronet.datasets.settings import DataSettings, check_sizes
from coronet.datasets.split import Side, Split
from coronet.errors import DataError
from coronet.images import list_images, shown, shown_folder

LEAST_TRAINING = 2  # images per side
HELD_OUT_EVERY = 10  # without a test folder, every tenth training image is a test image
CACHE_BYTES = 2**30
# Up to both limits every image is decoded when the folder is opened (about 3 ms for 256 x 256); beyond, only the
# headers are read, and an image that turns out damaged later is replaced by the next one in the list.
FULL_CHECK_IMAGES = 4_000
FULL_CHECK_BYTES = 400_000_000

_Files = dict[Path, tuple[Path, ...]]  # folder: its images


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data folder that was found usable."""

    root: Path
    kind: Kind
    train: Split
    test: Split
    test_origin: Literal["test folder", "held out of train"]
    _failed: dict[Path, str]

    @property
    def broken(self) -> tuple[tuple[Path, str], ...]:
        """Images that were left out, each with the reason; may grow while a large folder is used."""
        return tuple(sorted(self._failed.items()))

    def summary(self) -> dict[str, Any]:
        """Describe the folder in plain JSON values; of the broken images the first 20 are named."""
        return {
            "kind": self.kind,
            "train": {"source": len(self.train.source_paths), "target": len(self.train.target_paths)},
            "test": {"source": len(self.test.source_paths), "target": len(self.test.target_paths)},
            "test_origin": self.test_origin,
            "broken": len(self._failed),
            "broken_first": [{"name": shown(path), "reason": reason} for path, reason in self.broken[:20]],
        }


def open_dataset(root: Path, settings: DataSettings, *, cache_bytes: int = CACHE_BYTES) -> Dataset:
    """Find a folder's layout, check its images and count the broken ones.

    Layouts: train with A|B side by side; trainA and trainB; or one flat folder. Tests come from test (testA, testB),
    else from val, else every tenth training image is held out. Decoded images stay in memory up to `cache_bytes`.
    Raises DataError where images are missing, SettingsError for sizes that do not fit together.
    """
    check_sizes(settings)
    layout = find_layout(root)
    if not layout.train:
        raise DataError(f"{shown_folder(root)} has test images only. Add a folder train, or trainA and trainB.")
    return _open(root, layout, Reader(settings, layout.kind, cache_bytes))


def has_training_images(root: Path) -> bool:
    """Whether a folder has more than tests. Raises DataError where it has no layout."""
    return bool(find_layout(root).train)


def open_test(root: Path, settings: DataSettings, *, cache_bytes: int = CACHE_BYTES) -> Dataset:
    """Open a folder for its test images alone: where it has a test folder, that suffices and `train` is empty."""
    check_sizes(settings)
    layout = find_layout(root)
    if layout.test:
        layout = dataclasses.replace(layout, train=())
    return _open(root, layout, Reader(settings, layout.kind, cache_bytes))


def _open(root: Path, layout: Layout, reader: Reader) -> Dataset:
    held_out = not layout.test
    most = reader.settings.max_dataset_size
    if most and held_out:
        most += most // (HELD_OUT_EVERY - 1) + 1
    listed = {folder: list_images(folder)[:most] for folder in layout.train}
    listed |= {folder: list_images(folder) for folder in layout.test}
    usable = _select_usable(listed, layout, reader)
    _require(listed, usable, layout, reader.failed)
    train, test = ([usable[folder] for folder in folders] for folders in (layout.train, layout.test))
    if held_out:
        test = [_hold_out(listed[folder], usable[folder]) for folder in layout.train]
        train = [tuple(sorted({*paths} - {*held})) for paths, held in zip(train, test, strict=True)]
        train = [paths[: reader.settings.max_dataset_size] for paths in train]
    for path in layout.loose:
        reader.failed[path] = f"{shown(path)} lies beside the folders for training and tests. Move it into one."
    return Dataset(
        root=root,
        kind=layout.kind,
        train=Split(layout.kind, _sides(layout.kind, train, reader.settings), reader),
        test=Split(layout.kind, _sides(layout.kind, test, reader.settings), reader, _truth(layout, reader.settings)),
        test_origin="held out of train" if held_out else "test folder",
        _failed=reader.failed,
    )


def _select_usable(listed: _Files, layout: Layout, reader: Reader) -> _Files:
    """Decode every image or, where that would take minutes, read the headers; leave out what fails."""
    if not _is_quick(listed):
        return {folder: reader.usable_by_header(paths) for folder, paths in listed.items()}
    return {
        folder: reader.usable(paths, "train" if folder in layout.train else "test") for folder, paths in listed.items()
    }


def _hold_out(listed: tuple[Path, ...], usable: tuple[Path, ...]) -> tuple[Path, ...]:
    """Choose test images by their place among all files, so that damage to one does not move the others."""
    chosen = {*listed[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]}
    return tuple(path for path in usable if path in chosen) or usable[-1:]


def _is_quick(listed: _Files) -> bool:
    paths = [path for several in listed.values() for path in several if os.path.isfile(path)]
    return len(paths) <= FULL_CHECK_IMAGES and sum(map(os.path.getsize, paths)) <= FULL_CHECK_BYTES


def _require(listed: _Files, usable: _Files, layout: Layout, failed: dict[Path, str]) -> None:
    """Raise DataError at the first folder with too few usable images; it tells why the first broken one is."""
    for folder, paths in usable.items():
        least, purpose = 1, "tests need"
        if folder in layout.train:
            least, purpose = LEAST_TRAINING, "training needs"
            if not layout.test:
                least, purpose = LEAST_TRAINING + 1, "training and one held-out test image need"
        if len(paths) < least:
            broken = [path for path in listed[folder] if path in failed]
            count = f"{len(paths)} usable image{'' if len(paths) == 1 else 's'}"
            advice = f"{len(broken)} cannot be used: {failed[broken[0]]}" if broken else "Add images."
            raise DataError(f"{shown_folder(folder)} holds {count}, but {purpose} at least {least}. {advice}")


def _truth(layout: Layout, settings: DataSettings) -> Path | None:
    """Give the folder with the truth of the test images of the source side, where there is one."""
    wanted = "truthA" if settings.direction == "AtoB" else "truthB"
    return next((folder for folder in layout.truth if folder.name == wanted and layout.test), None)


def _sides(kind: Kind, paths: Sequence[tuple[Path, ...]], settings: DataSettings) -> tuple[Side, ...]:
    """Name the sides, source first; without any folder they are empty."""
    names = ("A", "B") if kind == "unpaired" else ("",)
    sides = tuple(Side(name, paths[place] if paths else ()) for place, name in enumerate(names))
    return sides if settings.direction == "AtoB" else sides[::-1]
