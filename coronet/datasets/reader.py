"""Reading one image of a data folder: pairs are cut in two, scaled as the mode says, and kept in memory.

Files and pixels are left to images.py; random crops and mirroring belong to split.py.
"""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coronet.datasets.layout import Kind
from coronet.datasets.settings import DataSettings
from coronet.errors import DataError
from coronet.images import image_size, open_image, resize, shown

Pixels = NDArray[np.uint8]  # (H, W, 3)
Purpose = Literal["train", "test"]

LEAST_SIDE = 8  # pixels; an image or half with a shorter side counts as broken

_log = logging.getLogger(__name__)


class Reader:
    """Reads and scales images; keeps what it decoded, up to `cache_bytes`, and why files failed."""

    def __init__(self, settings: DataSettings, kind: Kind, cache_bytes: int) -> None:
        self.settings = settings
        self.failed: dict[Path, str] = {}
        self._paired = kind == "paired"
        self._doubted = False  # whether one was found that does not look like a pair
        # First come, first kept: with shuffled epochs no order of eviction does better.
        self._cache: dict[tuple[Path, Purpose], tuple[Pixels, ...]] = {}
        self._free_bytes = cache_bytes

    def read(self, path: Path, purpose: Purpose) -> tuple[Pixels, ...]:
        """Give one image, or both halves of a pair as (source, target): scaled, and for tests cropped.

        Raises DataError, and records the reason, where the image is damaged or too small.
        """
        if (path, purpose) in self._cache:
            return self._cache[path, purpose]
        with self._recording(path):
            image = open_image(path)
            self._check_side(path, image.size)
            pixels = tuple(_prepare(half, self.settings, purpose) for half in self._halves(image))
        size = sum(half.nbytes for half in pixels)
        if size <= self._free_bytes:
            self._free_bytes -= size
            self._cache[path, purpose] = pixels
        return pixels

    def usable(self, paths: Sequence[Path], purpose: Purpose) -> tuple[Path, ...]:
        """Select the images that can be read; each is decoded and kept."""
        return tuple(path for path in paths if self._succeeds(path, purpose))

    def usable_by_header(self, paths: Sequence[Path]) -> tuple[Path, ...]:
        """Select the images whose headers can be read; damage behind the header shows only when they are used."""
        return tuple(path for path in paths if self._succeeds(path, None))

    def _succeeds(self, path: Path, purpose: Purpose | None) -> bool:
        try:
            if purpose:
                self.read(path, purpose)
            else:
                with self._recording(path):
                    self._check_side(path, image_size(path))
        except DataError:
            return False
        return True

    @contextlib.contextmanager
    def _recording(self, path: Path) -> Iterator[None]:
        """Keep and log why an image failed, so that it is not tried again."""
        if path in self.failed:
            raise DataError(self.failed[path])
        try:
            yield
        except DataError as error:
            self.failed[path] = str(error)
            _log.warning("An image is left out: %s", error)
            raise

    def _check_side(self, path: Path, size: tuple[int, int]) -> None:
        width, height = size[0] // 2 if self._paired else size[0], size[1]
        if min(width, height) < LEAST_SIDE:
            what = "Its halves have" if self._paired else "It has"
            raise DataError(f"{shown(path)} is too small. {what} {width} x {height} pixels; {LEAST_SIDE} are needed.")
        if self._paired and 4 * width < 3 * height and not self._doubted:
            self._doubted = True
            told = (shown(path), width, height)
            _log.warning(
                "%s is read as a pair, two pictures of %d x %d side by side. If it is a single picture, put such "
                "pictures into trainA and trainB, or right into the data folder.",
                *told,
            )

    def _halves(self, image: Image.Image) -> tuple[Image.Image, ...]:
        if not self._paired:
            return (image,)
        half = image.width // 2  # an odd column at the right is dropped
        a, b = (image.crop((left, 0, left + half, image.height)) for left in (0, half))
        return (a, b) if self.settings.direction == "AtoB" else (b, a)


def _prepare(image: Image.Image, settings: DataSettings, purpose: Purpose) -> Pixels:
    """Scale an image as the mode says; for tests without play between load_size and crop_size, and cropped."""
    mode, crop = settings.preprocess, settings.crop_size
    load = settings.test_load_size if purpose == "test" else settings.load_size
    width, height = image.size
    if mode.startswith("resize"):
        width, height = load, load
    elif mode.startswith("scale_width"):
        width, height = load, max(load * height // width, crop)
    elif mode == "crop" and min(width, height) < crop:  # enlarged, where the original pads with black
        width, height = (max(crop, round(side * crop / min(image.size))) for side in image.size)
    if "crop" not in mode:  # a ResNet gives back multiples of 4 only
        width, height = (max(1, round(side / 4)) * 4 for side in (width, height))
    scaled = resize(image, (width, height))
    if purpose == "test" and "crop" in mode:
        left, top = (width - crop) // 2, (height - crop) // 2
        scaled = scaled.crop((left, top, left + crop, top + crop))
    return np.asarray(scaled)
