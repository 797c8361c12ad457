"""Lesson 3: some latents of one channel group under the visitor's hand; a latent at 0 is exactly a missing channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from coronet.errors import SettingsError
from coronet.hypernetwork import Hypernetwork
from coronet.images import to_image, to_tensor
from coronet.networks import Generator
from coronet.recipes.channel_map import group_shares
from coronet.recipes.preview import fitted, opened, translated
from coronet.slimming import slim

MOST_KNOBS = 6


@dataclass(frozen=True, slots=True)
class Knobs:
    """The channels of one group whose latents may be turned, the most important first, and all groups in order."""

    groups: tuple[str, ...]
    group: str
    of: int  # channels of the group
    channels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Turned:
    """What latents do to a picture.

    cut: the picture of the net from which the channels at 0 were cut out; None where no latent is 0.
    gap: largest difference of a value between `turned` and `cut`, on the scale [-1, 1] that nets compute in.
    """

    dense: Image.Image
    turned: Image.Image
    muted: tuple[int, ...]
    cut: Image.Image | None
    gap: float


def find_knobs(model: str | Path, group: str | None, picture: Image.Image) -> Knobs:
    """Choose the most important channels of a group, always fewer than it has; the last group where it is unknown."""
    found = opened(model)
    groups = tuple(share.group for share in group_shares(found.generator.config, found.generator.config.widths))
    chosen = group if group in groups else groups[-1]
    scores = found.importance(fitted(picture, found.generator.config))[chosen]
    count = min(MOST_KNOBS, len(scores) - 1)  # a group without any channel is no net
    channels = scores.argsort(descending=True, stable=True)[:count]
    return Knobs(groups, chosen, len(scores), tuple(int(channel) for channel in channels))


def turn(model: str | Path, picture: Image.Image, group: str, latents: Mapping[int, float]) -> Turned:
    """Set latents of some channels of a group, the others stay 1, and translate a picture with what they generate.

    Raises SettingsError where the model has no such group or channel, or every latent of the group would be 0.
    """
    generator = opened(model).generator
    width = generator.config.widths.get(group, 0)
    if not all(0 <= channel < width for channel in latents):
        raise SettingsError(f"'{group[:40]}' has no such channel in this model. Put the knobs back first.")
    source = fitted(picture, generator.config)
    pixels = to_tensor(source).unsqueeze(0)
    hypernetwork = _turned(generator, group, latents)
    if not hypernetwork.alive()[group].numel():
        raise SettingsError(f"Every latent of '{group}' is 0, so no net is left. Turn one up.")
    turned = _generated(hypernetwork, generator, pixels)
    muted = tuple(sorted(channel for channel, latent in latents.items() if latent == 0))
    cut = _cut(hypernetwork, generator, pixels) if muted else None
    return Turned(
        dense=to_image(translated(generator, pixels)),
        turned=to_image(turned),
        muted=muted,
        cut=None if cut is None else to_image(cut),
        gap=0.0 if cut is None else float((turned - cut).abs().max()),
    )


def _turned(generator: Generator, group: str, latents: Mapping[int, float]) -> Hypernetwork:
    hypernetwork = Hypernetwork.from_generator(generator)
    with torch.no_grad():
        for channel, latent in latents.items():
            hypernetwork.latents[group][channel] = latent
    return hypernetwork


@torch.inference_mode()
def _generated(hypernetwork: Hypernetwork, generator: Generator, pixels: Tensor) -> Tensor:
    output: Tensor = torch.func.functional_call(generator, hypernetwork.weights(), (pixels,))
    return output


@torch.inference_mode()
def _cut(hypernetwork: Hypernetwork, generator: Generator, pixels: Tensor) -> Tensor:
    smaller: Tensor = slim(generator, hypernetwork.weights(), hypernetwork.alive())(pixels)
    return smaller
