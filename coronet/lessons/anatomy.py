"""Lesson 1: a picture on its way through a generator, and some of the channels that every layer makes of it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from coronet.images import to_image, to_tensor
from coronet.networks import Generator
from coronet.recipes.channel_map import GroupShare, group_shares
from coronet.recipes.preview import fitted, opened

SHOWN = 4  # channels of a layer


@dataclass(frozen=True, slots=True)
class Stage:
    """What one channel group holds of a picture: `size` is (width, height) of each channel, `maps` are some of them."""

    share: GroupShare
    size: tuple[int, int]
    maps: tuple[Image.Image, ...]  # grey, each from its smallest to its largest value


@dataclass(frozen=True, slots=True)
class Anatomy:
    """One translation, step by step, in the order in which the picture meets the groups."""

    source: Image.Image
    stages: tuple[Stage, ...]
    output: Image.Image


def look_inside(model: str | Path, picture: Image.Image) -> Anatomy:
    """Translate a picture and keep, of what first makes each group, the channels that vary most."""
    generator = opened(model).generator
    source = fitted(picture, generator.config)
    features, output = _watched(generator, to_tensor(source).unsqueeze(0))
    stages = []
    for share in group_shares(generator.config, generator.config.widths):
        made = features[share.group][0]
        loudest = made.std(dim=(1, 2), correction=0).argsort(descending=True)[:SHOWN]
        maps = tuple(_grey(made[channel]) for channel in loudest)
        stages.append(Stage(share, (made.shape[2], made.shape[1]), maps))
    return Anatomy(source, tuple(stages), to_image(output))


@torch.inference_mode()
def _watched(generator: Generator, pixels: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Translate (1, C, H, W) and give what each group's first convolution made, by group, and the output."""
    found: dict[str, Tensor] = {}
    table = generator.axes()

    def record(group: str, output: Tensor) -> None:
        found.setdefault(group, output)

    hooks = []
    for name, module in generator.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            out = table[f"{name}.weight"][1 if isinstance(module, nn.ConvTranspose2d) else 0]
            if out:
                hooks.append(module.register_forward_hook(lambda _m, _i, made, group=out[0]: record(group, made)))
    try:
        output = generator(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    return found, output


def _grey(channel: Tensor) -> Image.Image:
    low, high = channel.min(), channel.max()
    levels = (channel - low) / (high - low).clamp_min(1e-12) * 255.0
    return Image.fromarray(levels.round().to(torch.uint8).numpy())
