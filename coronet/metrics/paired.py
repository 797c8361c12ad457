"""Scores of outputs against their ground truth: PSNR, SSIM and L1, each the mean over the images.

All three look at the images as they would be saved: clamped to [-1, 1] and rounded to 8 bits.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from coronet import similarity
from coronet.errors import DataError, SettingsError
from coronet.images import to_levels

HIGHEST_PSNR = 100.0  # dB, of equal images; the smallest 8-bit difference in 256 x 256 x 3 values is 101 dB


class PairedMetric(ABC):
    """The mean of a value that every image has by itself; `name` is its key in scores."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self._values: list[Tensor] = []

    def update(self, real: Tensor, fake: Tensor) -> None:
        """Take in a batch (N, C, H, W) of each kind; raises DataError where their shapes differ."""
        if real.shape != fake.shape or real.dim() != 4:
            raise DataError(
                f"An output of shape {tuple(fake.shape)} cannot be compared with a target of shape "
                f"{tuple(real.shape)}. Give both the same size."
            )
        with torch.no_grad():
            self._values.append(self.per_image(to_levels(real).double(), to_levels(fake).double()).cpu())

    def compute(self) -> float:
        """Give the mean over the images taken in so far."""
        if not self._values:
            raise DataError(f"No pair of images was given, but {self.name} needs one. Choose paired data.")
        return float(torch.cat(self._values).mean())

    @abstractmethod
    def per_image(self, real: Tensor, fake: Tensor) -> Tensor:
        """Give one value per image (N,) of two batches (N, C, H, W) with levels 0 to 255."""


class Psnr(PairedMetric):
    """Peak signal-to-noise ratio in dB with peak 255; an image without any difference counts as HIGHEST_PSNR."""

    name = "psnr_db"

    def per_image(self, real: Tensor, fake: Tensor) -> Tensor:
        """Give the dB of every image."""
        return similarity.psnr(real, fake, data_range=255.0).clamp(max=HIGHEST_PSNR)


class Ssim(PairedMetric):
    """Structural similarity (Wang et al. 2004): 11 x 11 Gaussian of 1.5 pixels, mean over the RGB channels."""

    name = "ssim"

    def per_image(self, real: Tensor, fake: Tensor) -> Tensor:
        """Give the SSIM of every image, at most 1; raises DataError for images below 11 x 11 pixels."""
        try:
            return similarity.ssim(real, fake, data_range=255.0, lowest=0.0)
        except ValueError as error:
            raise DataError(f"{error} Choose a larger image size.") from error


class L1(PairedMetric):
    """Mean absolute difference on the scale 0 (equal) to 1 (black against white)."""

    name = "l1"

    def per_image(self, real: Tensor, fake: Tensor) -> Tensor:
        """Give the mean absolute difference of every image."""
        return (real - fake).abs().mean(dim=(1, 2, 3)) / 255.0


PAIRED_METRICS: dict[str, type[PairedMetric]] = {metric.name: metric for metric in (Psnr, Ssim, L1)}


def evaluate_pairs(
    pairs: Iterable[tuple[Tensor, Tensor]], names: Sequence[str] = tuple(PAIRED_METRICS)
) -> dict[str, float]:
    """Score pairs of (target, output), each (N, C, H, W) in [-1, 1]; one pass for all metrics.

    Raises SettingsError for an unknown name and DataError for no pairs or unequal shapes.
    """
    for name in names:
        if name not in PAIRED_METRICS:
            raise SettingsError(f"There is no paired metric '{name}'. Known: {', '.join(PAIRED_METRICS)}.")
    metrics = [PAIRED_METRICS[name]() for name in names]
    for real, fake in pairs:
        for metric in metrics:
            metric.update(real, fake)
    return {metric.name: metric.compute() for metric in metrics}
