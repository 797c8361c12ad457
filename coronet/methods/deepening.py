"""OMGD's second teacher for pairs: a net as narrow as the student, but deeper by expansion blocks (Ren et al. 2021)."""

import torch.nn.functional as F
from torch import Tensor, nn

from coronet.networks import Generator, build
from coronet.networks.config import GeneratorConfig, Norm
from coronet.networks.layers import make_norm
from coronet.networks.unet import UnetGenerator

EXPANSION = 4  # times the channels inside a block


class ExpansionBlock(nn.Module):
    """A residual block: 1x1 to four times the channels, 3x3 there, 1x1 back and 3x3."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        inner = EXPANSION * channels
        shapes = ((channels, inner, 1), (inner, inner, 3), (inner, channels, 1), (channels, channels, 3))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, side, padding=side // 2, bias=norm == "instance") for before, after, side in shapes
        )
        self.norms = nn.ModuleList(make_norm(norm, after) for _, after, _ in shapes)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        changed = features
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            changed = norm(convolution(changed if number == 0 else F.relu(changed)))
        return features + changed


def deepened(config: GeneratorConfig) -> Generator:
    """Build the net that a config describes with more layers in it; it only translates, and cannot be slimmed.

    U-Net: two expansion blocks at every level, on both sides, but none where no norm stands. ResNet: behind every layer
    that halves or doubles the sides an expansion block and a 3x3 convolution, and two blocks half-way down the trunk.
    """
    generator = build(config)
    if isinstance(generator, UnetGenerator):
        for name, norm in list(generator.norms.items()):
            generator.norms[name] = nn.Sequential(norm, *_blocks(config, name, 2))
        return generator
    for layer, group in (("down1", "down1"), ("down2", "trunk"), ("up1", "up1"), ("up2", "up2")):
        width = config.widths[group]
        further = nn.Conv2d(width, width, 3, padding=1, bias=config.norm == "instance")
        norm = generator.get_submodule(f"{layer}_norm")
        steps = (norm, nn.ReLU(), *_blocks(config, group, 1), further, make_norm(config.norm, width))
        setattr(generator, f"{layer}_norm", nn.Sequential(*steps))
    middle = len(generator.blocks) // 2
    generator.blocks[middle] = nn.Sequential(*_blocks(config, "trunk", 2), generator.blocks[middle])
    return generator


def _blocks(config: GeneratorConfig, group: str, count: int) -> list[nn.Module]:
    return [ExpansionBlock(config.widths[group], config.norm) for _ in range(count)]
