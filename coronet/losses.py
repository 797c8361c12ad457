"""Loss terms of Pix2Pix, CycleGAN and distillation: pure functions of tensors, each returning one number."""

import math
from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from coronet.similarity import exact, gaussian_window, ssim

GanMode = Literal["lsgan", "vanilla", "hinge"]
SSIM_SHARE = 0.2  # weight of 1 - SSIM beside the L1 distance in `imitation`


def judged_real(logits: Tensor, mode: GanMode) -> Tensor:
    """Loss of a generator that wants its images (logits (N, 1, h, w)) to be taken for real ones."""
    if mode == "hinge":
        return -logits.mean()
    return _towards(logits, 1.0, mode)


def told_apart(real: Tensor, fake: Tensor, mode: GanMode) -> Tensor:
    """Loss of a discriminator that should tell real from fake: half the sum of both sides, as published."""
    if mode == "hinge":
        return 0.5 * (F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean())
    return 0.5 * (_towards(real, 1.0, mode) + _towards(fake, 0.0, mode))


def imitation(images: Tensor, target: Tensor) -> Tensor:
    """Distance of a student's images to its teacher's: L1 + 0.2 (1 - SSIM), both (N, C, H, W) in [-1, 1]."""
    return F.l1_loss(images, target) + SSIM_SHARE * (1.0 - ssim(images, target).mean())


def feature_imitation(features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
    """Mean squared distance of features in units of the teacher's variance, averaged over layers."""
    terms = [
        mean_square(features[layer], wanted) / exact(wanted).var().clamp_min(1e-6) for layer, wanted in target.items()
    ]
    return torch.stack(terms).mean()


def mean_square(features: Tensor, target: Tensor) -> Tensor:
    """Mean squared distance whose gradient lies in memory as the features do; a mean's does not."""
    return (exact(features) - exact(target)).square().sum() / target.numel()


def softened(images: Tensor, sigma: float) -> Tensor:
    """Blur images (N, C, H, W) with a Gaussian of `sigma` pixels, mirrored at the borders; 0 changes nothing."""
    if not sigma:
        return images
    reach = min(math.ceil(2.5 * sigma), min(images.shape[-2:]) - 1)
    row = gaussian_window(2 * reach + 1, sigma).to(images).expand(images.shape[1], 1, 1, -1)
    padded = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    rows = F.conv2d(padded, row, groups=images.shape[1])
    return F.conv2d(rows, row.transpose(2, 3), groups=images.shape[1])


def _towards(logits: Tensor, label: float, mode: GanMode) -> Tensor:
    target = torch.full_like(logits, label)
    if mode == "lsgan":
        return F.mse_loss(logits, target)
    return F.binary_cross_entropy_with_logits(logits, target)
