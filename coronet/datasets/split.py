"""The images of training or tests: the batch of every step, and every image once in order.

Which images there are is decided in opening.py, how one is read and scaled in reader.py.
"""

import functools
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from coronet.datasets.layout import Kind
from coronet.datasets.reader import Pixels, Reader
from coronet.datasets.settings import DataSettings
from coronet.errors import DataError
from coronet.images import shown, shown_folder, to_tensor
from coronet.randomness import seeded

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Images for one step: (N, 3, H, W) in [-1, 1]; only where `paired` do source and target show the same thing."""

    source: Tensor
    target: Tensor | None
    paired: bool


@dataclass(frozen=True, slots=True)
class Item:
    """One image without augmentation, (1, 3, H, W) in [-1, 1]; it has a target only where the truth is known."""

    name: str  # of the file, with suffix
    source: Tensor
    target: Tensor | None


@dataclass(frozen=True, slots=True)
class Side:
    """The files of one side; a side alone holds pairs or single images."""

    name: str  # "A", "B" or "" for a side alone; part of the seed
    paths: tuple[Path, ...]

    def only(self, places: Sequence[int] | None) -> "Side":
        """Give the side with the files at these places; the whole of it for None."""
        return self if places is None else Side(self.name, tuple(self.paths[place] for place in places))


class Split:
    """The training or the test images of a data folder; its length is the number of source images."""

    def __init__(self, kind: Kind, sides: Sequence[Side], reader: Reader, truth: Path | None = None) -> None:
        """Take sides, source first, and for unpaired images the folder where their truth lies under the same names."""
        self.kind = kind
        self.source_paths = sides[0].paths
        self.target_paths = sides[-1].paths if kind != "single" else ()  # of pairs: the same files as the sources
        self._sides = tuple(sides)  # source, then target
        self._reader = reader
        self._truth = None if truth is None else {path: truth / path.name for path in self.source_paths}
        missing = [path for path in (self._truth or {}).values() if not os.path.isfile(path)]
        self.has_truth = kind == "paired" or (self._truth is not None and not missing)
        if missing:
            told = (len(missing), len(self.source_paths), shown(missing[0]))
            _log.warning("The truth of %d of %d test images is missing, first %s: none is compared with it.", *told)

    @property
    def settings(self) -> DataSettings:
        """How the images are read."""
        return self._reader.settings

    def __len__(self) -> int:
        return len(self.source_paths)

    def batch(self, step: int, *, batch_size: int, seed: int) -> Batch:
        """Draw the augmented images of a step: a pure function of (seed, step).

        Batches run on over the end of an epoch, so step s of size 2 shows steps 2s and 2s + 1 of size 1. The two
        sides of unpaired data are shuffled independently. Raises DataError where the sizes in a batch differ.
        """
        if step < 0 or batch_size < 1:
            raise ValueError(f"Step {step} with batch size {batch_size}: use step >= 0 and batch size >= 1.")
        places = range(step * batch_size, (step + 1) * batch_size)
        columns: list[tuple[Tensor, ...]] = []  # one for each side or half, with one image for each place
        for side in self._sides:
            columns += zip(*(self._draw(side, place, seed) for place in places), strict=True)
        target = _stack(columns[1]) if len(columns) > 1 else None
        return Batch(_stack(columns[0]), target, self.kind == "paired")

    def items(self, places: Sequence[int] | None = None) -> Iterator[Item]:
        """Give the source images in order of name, with their targets where the truth is known, all prepared alike.

        `places` chooses some of them before they are read.
        Modes with a crop scale to crop_size and take the centre. What is damaged, or has a damaged target, is left out.
        """
        side = self._sides[0].only(places)
        for path, tensors in self._whole(side):
            if self._truth is None or not self.has_truth:
                yield Item(path.name, tensors[0], tensors[1] if len(tensors) > 1 else None)
                continue
            for _, targets in self._whole(Side(side.name, (self._truth[path],))):
                yield Item(path.name, tensors[0], targets[0])

    def targets(self, places: Sequence[int] | None = None) -> Iterator[Tensor]:
        """Give the real images of the target side, (1, 3, H, W), in order of name; none for single images.

        `places` chooses some of them before they are read. What is damaged is left out.
        """
        if self.kind != "single":
            for _, tensors in self._whole(self._sides[-1].only(places)):
                yield tensors[-1]

    def _draw(self, side: Side, place: int, seed: int) -> tuple[Tensor, ...]:
        """Draw what stands at a place of the endless row of shuffled epochs; halves share crop and mirroring."""
        if not side.paths:
            raise DataError("This part of the data holds no images. Open the folder for training.")
        epoch, rest = divmod(place, len(side.paths))
        pixels = self._read_from(side.paths, _permutation(len(side.paths), epoch, seed, side.name)[rest])
        settings = self._reader.settings
        height, width = pixels[0].shape[:2]
        window = settings.crop_size if "crop" in settings.preprocess else max(height, width)
        chance = seeded("augment", seed, side.name, place)
        top, left = (_draw_below(max(0, length - window) + 1, chance) for length in (height, width))
        turn = -1 if _draw_below(2, chance) and not settings.no_flip else 1
        return tuple(to_tensor(half[top : top + window, left : left + window][:, ::turn]) for half in pixels)

    def _read_from(self, paths: tuple[Path, ...], start: int) -> tuple[Pixels, ...]:
        """Read the image at `start` or, where it is damaged, the next good one: a step stays repeatable."""
        for offset in range(len(paths)):
            try:
                return self._reader.read(paths[(start + offset) % len(paths)], "train")
            except DataError:  # recorded and logged by the reader
                continue
        folder = shown_folder(paths[0].parent)
        raise DataError(f"None of the {len(paths)} images in {folder} can be read any more. Check the disk.")

    def _whole(self, side: Side) -> Iterator[tuple[Path, tuple[Tensor, ...]]]:
        for path in side.paths:
            try:
                pixels = self._reader.read(path, "test")
            except DataError:  # recorded and logged by the reader
                continue
            yield path, tuple(to_tensor(half).unsqueeze(0) for half in pixels)


def _stack(images: Sequence[Tensor]) -> Tensor:
    sizes = sorted({f"{image.shape[2]} x {image.shape[1]}" for image in images})
    if len(sizes) > 1:
        raise DataError(f"A batch holds images of {' and '.join(sizes[:2])}. Use batch size 1 or a mode with a crop.")
    return torch.stack(list(images))


@functools.lru_cache(maxsize=8)
def _permutation(count: int, epoch: int, seed: int, side: str) -> tuple[int, ...]:
    """Shuffle 0..count-1 for one epoch of one side."""
    return tuple(torch.randperm(count, generator=seeded("order", seed, side, epoch)).tolist())


def _draw_below(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=generator))
