"""Initial weights as pytorch-CycleGAN-and-pix2pix draws them."""

import torch
from torch import nn


@torch.no_grad()
def initialise(network: nn.Module, random: torch.Generator, *, gain: float = 0.02) -> None:
    """Draw convolutions from N(0, gain), batch-norm weights from N(1, gain), set biases to 0 (in place)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.weight.normal_(0.0, gain, generator=random)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.normal_(1.0, gain, generator=random)
            module.bias.zero_()
