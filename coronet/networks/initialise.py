"""Initial weights as pytorch-CycleGAN-and-pix2pix draws them, except that enlarging starts smooth."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def initialise(network: nn.Module, random: torch.Generator, *, gain: float = 0.02) -> None:
    """Draw convolutions from N(0, gain), batch-norm weights from N(1, gain), set biases to 0 (in place).

    A transposed convolution of stride 2 starts as bilinear enlargement of a random mix of its channels. Independent
    numbers for its taps would start as a checkerboard, which a short training does not get rid of.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.weight.normal_(0.0, gain, generator=random)
            if isinstance(module, nn.ConvTranspose2d) and module.stride == (2, 2):
                module.weight.copy_(module.weight[:, :, :1, :1] * _bilinear(module.kernel_size[0]))
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.normal_(1.0, gain, generator=random)
            module.bias.zero_()


def _bilinear(side: int) -> Tensor:
    """Give the taps (side, side) of bilinear enlargement by 2, scaled to a mean square of 1."""
    distance = torch.arange(side) - (side - 1) / 2
    tap = (1 - distance.abs() / 2).clamp(min=0)
    taps = torch.outer(tap, tap)
    return taps / taps.square().mean().sqrt()
