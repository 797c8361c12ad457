"""Five ways in which pictures get worse, each at any strength: to teach and to check scores that should notice."""

from collections.abc import Callable
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from coronet.errors import SettingsError
from coronet.images import to_image, to_tensor

Degradation = Callable[[Tensor, float, torch.Generator], Tensor]

BLUR_SIGMA = 0.025  # of the shorter side, at strength 1: 3.2 pixels of 128
NOISE_SIGMA = 0.5  # on [-1, 1], at strength 1
JPEG_QUALITY = (70, 5)  # at strengths 0 and 1
PATCHES = 8  # along each side
COLOUR_SHIFT = 0.6  # length of the shift on [-1, 1], at strength 1


def degrade(images: Tensor, kind: str, strength: float, random: torch.Generator) -> Tensor:
    """Make images (N, 3, H, W) in [-1, 1] worse; strength 0 gives them back, 1 is the worst.

    Raises SettingsError for an unknown kind or a strength out of range.
    """
    if kind not in DEGRADATIONS:
        raise SettingsError(f"There is no degradation '{kind}'. Choose one of {', '.join(DEGRADATIONS)}.")
    if not 0.0 <= strength <= 1.0:
        raise SettingsError(f"The strength is {strength}, but must lie between 0 and 1.")
    if strength == 0.0:
        return images
    return DEGRADATIONS[kind](images, strength, random).clamp(-1.0, 1.0)


def blur(images: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Blur with a Gaussian that grows with the strength; nothing is random in it."""
    sigma = BLUR_SIGMA * strength * min(images.shape[-2:])
    radius = min(max(1, round(3 * sigma)), min(images.shape[-2:]) - 1)
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    weights = (weights / weights.sum()).repeat(3, 1, 1, 1)
    padded = functional.pad(images, (radius, radius, radius, radius), mode="reflect")
    rows = functional.conv2d(padded, weights, groups=3)
    return functional.conv2d(rows, weights.transpose(2, 3), groups=3)


def noise(images: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Add Gaussian noise, independent in every value."""
    return images + NOISE_SIGMA * strength * torch.randn(images.shape, generator=random)


def jpeg(images: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Save as JPEG and read it back, the stronger the lower the quality; nothing is random in it."""
    best, worst = JPEG_QUALITY
    return torch.stack([_through_jpeg(image, round(best + (worst - best) * strength)) for image in images])


def patches(images: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Let patches of each image change places: at strength 1 nearly all of them."""
    return torch.stack([_with_moved_patches(image, strength, random) for image in images])


def colour(images: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Shift the colours of each image, every one in its own direction."""
    direction = torch.randn(len(images), 3, 1, 1, generator=random)
    return images + COLOUR_SHIFT * strength * functional.normalize(direction, dim=1)


DEGRADATIONS: dict[str, Degradation] = {
    "blur": blur,
    "noise": noise,
    "JPEG": jpeg,
    "patches": patches,
    "colour": colour,
}


def _through_jpeg(image: Tensor, quality: int) -> Tensor:
    file = BytesIO()
    to_image(image).save(file, format="JPEG", quality=quality)
    return to_tensor(Image.open(file))


def _with_moved_patches(image: Tensor, strength: float, random: torch.Generator) -> Tensor:
    height, width = image.shape[1] // PATCHES, image.shape[2] // PATCHES
    order = torch.randperm(PATCHES * PATCHES, generator=random)[: round(strength * PATCHES * PATCHES)].tolist()
    moved = image.clone()
    for here, there in zip(order, order[1:] + order[:1], strict=True):
        to_y, to_x = here // PATCHES * height, here % PATCHES * width
        y, x = there // PATCHES * height, there % PATCHES * width
        moved[:, to_y : to_y + height, to_x : to_x + width] = image[:, y : y + height, x : x + width]
    return moved
