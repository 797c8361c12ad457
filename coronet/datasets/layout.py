"""Layouts of data folders: which subfolder holds which side of the training and the test images.

The names are those of pytorch-CycleGAN-and-pix2pix. No image is opened here; that is done in reader.py.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from coronet.errors import DataError
from coronet.images import list_images, shown, shown_folder

Kind = Literal["paired", "unpaired", "single"]

_PHASES = ("train", "test", "val")
_SIDES = tuple(f"{phase}{side}" for phase in _PHASES for side in "AB")
_TRUTH = ("truthA", "truthB")  # as `coronet scenes` writes them
FOLDERS = (*_PHASES, *_SIDES, *_TRUTH)  # every subfolder that means something


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the images lie: one folder per side (A, then B), or one folder of pairs or single images."""

    kind: Kind
    train: tuple[Path, ...]  # empty where there are test images only
    test: tuple[Path, ...]  # empty where there are no test images
    loose: tuple[Path, ...]  # images beside the folders, which belong to nothing
    truth: tuple[Path, ...] = ()  # unpaired: what testA shows on the other side, then testB; under the same names


def find_layout(root: Path) -> Layout:
    """Recognise a data folder; tests are looked for in test (testA, testB), then in val (valA, valB).

    Raises DataError with what is missing where the folder is none, mixes layouts or lacks one side.
    """
    images = list_images(root)
    pairs = _present(root, _PHASES)
    sides = _present(root, _SIDES)
    if pairs and sides:
        raise DataError(
            f"{shown_folder(root)} mixes two layouts: {pairs[0]} is for pairs A|B, {sides[0]} for unpaired images. "
            "Keep one of them."
        )
    if pairs:
        train, *tests = (tuple(root / name for name in pairs if name == phase) for phase in _PHASES)
        return _filled(root, Layout("paired", train, _first_filled(tests), images))
    if sides:
        train, *tests = (_both_sides(root, phase) for phase in _PHASES)
        truth = tuple(root / name for name in _present(root, _TRUTH))
        return _filled(root, Layout("unpaired", train, _first_filled(tests), images, truth))
    if not images:
        raise DataError(f"{shown_folder(root)} {_what_is_missing(root)}.")
    return Layout("single", (root,), (), ())


def _filled(root: Path, layout: Layout) -> Layout:
    if not layout.train and not layout.test:
        raise DataError(
            f"{shown_folder(root)} has folders for tests only, and they hold no images. Add images there, or a folder "
            "train, or trainA and trainB."
        )
    return layout


def _present(root: Path, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if os.path.isdir(root / name))  # unlike Path.is_dir it never raises


def _both_sides(root: Path, phase: str) -> tuple[Path, ...]:
    found = _present(root, (f"{phase}A", f"{phase}B"))
    if len(found) == 1:
        missing = f"{phase}B" if found[0].endswith("A") else f"{phase}A"
        raise DataError(f"{shown_folder(root)} has {found[0]} but no {missing}. Add the folder {missing}.")
    return tuple(root / name for name in found)


def _first_filled(choices: Sequence[tuple[Path, ...]]) -> tuple[Path, ...]:
    """Choose the first test folders that hold any image; empty ones count as absent."""
    return next((folders for folders in choices if any(list_images(folder) for folder in folders)), ())


def _what_is_missing(root: Path) -> str:
    """Say what an unusable folder lacks, and which of its subfolders may be the one that was meant."""
    missing = "holds no images and no folder train, or trainA and trainB"
    for folder in sorted(path for path in root.iterdir() if os.path.isdir(path)):
        if any(os.path.isdir(folder / name) for name in ("train", "trainA", "test", "testA")):
            return f"{missing}. Choose its folder {shown(folder)}"
    return f"{missing}. Choose another folder or add images"
