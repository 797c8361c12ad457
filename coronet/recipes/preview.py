"""The instant preview: the slim net itself, cut out of the untrained weights now, beside the dense net."""

import time
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from PIL import Image
from torch import Tensor, nn

from coronet.channels import kept_widths
from coronet.checkpoints import build_generator, load, resolve_model, sha256_of
from coronet.cost import Budget, Cost, CostModel, cost
from coronet.errors import BudgetError, CoronetError, DataError
from coronet.files import cache_folder, make_folder, write_atomic
from coronet.images import fit, to_image, to_rgb, to_tensor
from coronet.importance import Importance, per_cost, smooth_noise, taylor
from coronet.networks import Generator, GeneratorConfig
from coronet.randomness import seeded
from coronet.recipes.channel_map import GroupShare, group_shares
from coronet.search import SearchPlan
from coronet.slimming import choose, slim

IMPORTANCE_SIZE = 128  # pixels; measuring on a small picture ranks channels nearly as well
IMPORTANCE_PROBES = 4
LEAST_SIDE = 32  # pixels of the shorter side then
POWER = 0.5  # a group of half the width keeps 1.4 times the share of its channels
MOST_PIXELS = 512  # longer side of a previewed picture
_FLAT = 0.05  # deviation of pixels in [-1, 1], below which a picture says too little of channels to be remembered
LONG_RUN = 2.0  # seconds of one translation, in which setting kernels up is lost, also on a busy server


@dataclass(frozen=True, slots=True)
class Preview:
    """Dense and slim translation of one picture, with what both cost at the size the model was made for."""

    source: Image.Image
    dense: Image.Image
    slim: Image.Image
    ratio: float
    widths: dict[str, int]
    dense_widths: dict[str, int]
    dense_cost: Cost
    slim_cost: Cost
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Turn all but the pictures into plain JSON values."""
        return {
            "ratio": self.ratio,
            "widths": self.widths,
            "dense_widths": self.dense_widths,
            "dense": self.dense_cost.to_json(),
            "slim": self.slim_cost.to_json(),
            "seconds": self.seconds,
        }


class PreviewModel:
    """A loaded model, ready to be cut at any ratio; the last dense translation is remembered."""

    def __init__(self, path: Path) -> None:
        self.generator = build_generator(load(path))
        self._path = path
        self._importance: Importance | None = None
        self._last: tuple[bytes, Tensor, float] | None = None

    def preview(self, image: Image.Image, ratio: float, *, budget: Budget = "macs", multiple_of: int = 1) -> Preview:
        """Cut, translate and count. Raises BudgetError where the ratio is out of reach."""
        config = self.generator.config
        source = fitted(image, config)
        pixels = to_tensor(source).unsqueeze(0)
        self.importance(source)  # once, and no part of the cut's time
        begin = time.perf_counter()
        model = CostModel(config, None, budget)
        kept = self._choose(source, _plan(ratio, budget, multiple_of), model)
        smaller = slim(self.generator, self.generator.state_dict(), kept)
        cut_seconds = time.perf_counter() - begin
        dense, dense_seconds = self._dense(source, pixels)
        recalibrate(smaller, pixels)
        output, slim_seconds = timed(smaller, pixels)
        seconds = {"cut": cut_seconds, "dense": dense_seconds, "slim": slim_seconds}
        full, small = model.total, model.at(kept_widths(kept))
        return Preview(
            source,
            to_image(dense),
            to_image(output),
            full / small,
            kept_widths(kept),
            dict(config.widths),
            cost(config),
            cost(smaller.config),
            seconds,
        )

    def cut(self, images: Sequence[Image.Image], ratio: float) -> Generator:
        """Give the slim net of a ratio, its batch norms measured on images of one size. Raises BudgetError."""
        config = self.generator.config
        sources = [fitted(image, config) for image in images]
        kept = self._choose(sources[0], _plan(ratio), CostModel(config))
        smaller = slim(self.generator, self.generator.state_dict(), kept)
        recalibrate(smaller, torch.stack([to_tensor(image) for image in sources]))
        return smaller

    def widths_at(self, image: Image.Image, ratio: float) -> dict[str, int]:
        """Give the widths that a preview with this picture has. Raises BudgetError where the ratio is out of reach."""
        config = self.generator.config
        return kept_widths(self._choose(fitted(image, config), _plan(ratio), CostModel(config)))

    def ratio_within(self, image: Image.Image, amount: float, budget: Budget, most: float) -> float:
        """Give the least ratio of MACs, in tenths, whose slim net has at most this amount of MACs or parameters.

        Raises BudgetError where no ratio up to `most` has.
        """
        count = CostModel(self.generator.config, None, budget)

        def fits(tenths: int) -> bool:
            try:
                return count.at(self.widths_at(image, tenths / 10)) <= amount
            except BudgetError:  # beyond what one channel a group allows: look below
                return True

        ratio = (10 + bisect_left(range(10, round(10 * most) + 1), True, key=fits)) / 10
        if ratio > most:
            least = count.at(self.widths_at(image, most))
            counted = "MACs" if budget == "macs" else "parameters"
            raise BudgetError(f"At {most:g} times fewer MACs the net still has {least:,.0f} {counted}. Aim at more.")
        self.widths_at(image, ratio)
        return ratio

    def _choose(self, source: Image.Image, plan: SearchPlan, model: CostModel) -> dict[str, Tensor]:
        config = self.generator.config
        scores = per_cost(self.importance(source), model, config.widths)
        floor = plan.floors(config, power=POWER)
        return choose(scores, model, plan.ratio, floor=floor, multiple_of=plan.multiple_of)

    def importance(self, image: Image.Image) -> Importance:
        """Give the Taylor importance, measured once per model on a small version of the picture and then kept."""
        if self._importance is None:
            self._importance = _stored_importance(self._path, self.generator, image)
        return self._importance

    def _dense(self, source: Image.Image, pixels: Tensor) -> tuple[Tensor, float]:
        key = source.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = (key, *timed(self.generator, pixels))
        return self._last[1], self._last[2]


def _plan(ratio: float, budget: Budget = "macs", multiple_of: int = 1) -> SearchPlan:
    """Plan a cut that nothing trains: the more goes, the less its ranking may leave the rule for widths."""
    return SearchPlan(ratio, budget, multiple_of, floor=1.0 - 0.5 / max(ratio, 1.0))


def preview(
    model: str | Path, ratio: float, image: Image.Image, *, budget: Budget = "macs", multiple_of: int = 1
) -> Preview:
    """Cut a model at a ratio, without training, and translate a picture with the dense and the slim net."""
    return opened(model).preview(image, ratio, budget=budget, multiple_of=multiple_of)


def preview_channels(model: str | Path, ratio: float, image: Image.Image) -> tuple[GroupShare, ...]:
    """Say what a preview keeps of each channel group, without translating the picture."""
    found = opened(model)
    return group_shares(found.generator.config, found.widths_at(image, ratio))


def ratio_within(model: str | Path, image: Image.Image, amount: float, budget: Budget, most: float) -> float:
    """Give the least ratio whose preview has at most this amount; see PreviewModel.ratio_within."""
    return opened(model).ratio_within(image, amount, budget, most)


def translate_picture(model: Path, image: Image.Image) -> Image.Image:
    """Translate a picture by a generator file, at the size a preview has."""
    stamp = model.stat()
    generator = _open_slim(model, stamp.st_mtime_ns, stamp.st_size)
    with torch.inference_mode():
        return to_image(generator(to_tensor(fitted(image, generator.config)).unsqueeze(0)))


def opened(model: str | Path) -> PreviewModel:
    """Open a model, or give the one that was opened last time; a file that has changed is read anew."""
    path = resolve_model(str(model))
    stamp = path.stat()
    return _open(path, stamp.st_mtime_ns, stamp.st_size)


@torch.inference_mode()
def translated(generator: Generator, pixels: Tensor) -> Tensor:
    """Translate images (N, C, H, W) in [-1, 1]."""
    output: Tensor = generator(pixels)
    return output


@torch.inference_mode()
def timed(generator: Generator, pixels: Tensor) -> tuple[Tensor, float]:
    """Translate and give the seconds; a first run in which torch sets up its kernels is no time of the model."""
    for first in (True, False):
        begin = time.perf_counter()
        output: Tensor = generator(pixels)
        seconds = time.perf_counter() - begin
        if first and seconds > LONG_RUN:
            break
    return output, seconds


def fitted(image: Image.Image, config: GeneratorConfig) -> Image.Image:
    """Scale a picture to what a net takes: a U-Net the size it was made for, a ResNet any.

    Raises DataError where it is so thin that a side would be too small for the net.
    """
    image.load()  # before it is turned upright: some files turn themselves when they are read
    side = config.image_size if config.architecture == "unet" else min(MOST_PIXELS, max(image.size))
    found = fit(to_rgb(image), config.size_multiple, side)
    if min(found.size) < config.least_side:
        width, height = image.size
        raise DataError(
            f"The picture has {width} x {height} pixels, and would have {found.width} x {found.height}, but this net "
            f"needs {config.least_side} a side. Choose a less narrow one."
        )
    return found


@torch.no_grad()
def recalibrate(generator: Generator, images: Tensor) -> None:
    """Measure the running statistics of batch norms anew on images, in place; without batch norm nothing happens."""
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches that follow
        norm.train()
    generator(images)
    for norm in norms:
        norm.momentum = 0.1
        norm.eval()


@lru_cache(maxsize=4)
def _open(path: Path, modified: int, size: int) -> PreviewModel:
    return PreviewModel(path)


@lru_cache(maxsize=16)
def _open_slim(path: Path, modified: int, size: int) -> Generator:
    return build_generator(load(path))


def _stored_importance(path: Path, generator: Generator, image: Image.Image) -> Importance:
    name = f"{sha256_of(path)}.importance.safetensors" if path.is_file() else None
    stored = cache_folder() / name if name else None
    widths = generator.config.widths
    if stored is not None and stored.is_file():
        with suppress(OSError, safetensors.SafetensorError):  # a damaged cache entry is measured again
            found = safetensors.torch.load_file(stored)
            if {group: tensor.numel() for group, tensor in found.items()} == dict(widths):
                return found
    longer, shorter = max(image.size), min(image.size)
    size = max(IMPORTANCE_SIZE, generator.config.size_multiple, round(LEAST_SIDE * longer / shorter))
    small = fit(image, generator.config.size_multiple, size)
    images = [to_tensor(small).unsqueeze(0)]
    # Of cuts that nothing trains, the published horse -> zebra student's are better by low frequencies alone.
    measured = taylor(generator, images, seeded("preview"), probes=IMPORTANCE_PROBES, noise=smooth_noise)
    if stored is not None and float(images[0].std()) > _FLAT:
        with suppress(CoronetError):  # a read-only cache costs speed only
            make_folder(stored.parent)
            write_atomic(stored, safetensors.torch.save(measured))
    return measured
