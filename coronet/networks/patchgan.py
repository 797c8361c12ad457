"""PatchGAN discriminators of Pix2Pix and CycleGAN: n strided layers (`basic` is three) and the 1x1 `pixel` variant."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from coronet.channels import Axes, convolution_axes, norm_axes
from coronet.networks.config import Norm
from coronet.networks.layers import channels_last, make_norm


@dataclass(frozen=True, slots=True)
class DiscriminatorConfig:
    """Kind, widths and input of a PatchGAN; `input_channels` is 6 where it judges (input, output) pairs.

    layers: number of strided convolutions of the n_layers kind (3 = the published `basic`, 70x70 patches).
    """

    kind: Literal["n_layers", "pixel"] = "n_layers"
    ndf: int = 64
    layers: int = 3
    norm: Norm = "instance"
    input_channels: int = 3

    def widths(self) -> dict[str, int]:
        """Give the channels per layer."""
        if self.kind == "pixel":
            return {"layer0": self.ndf, "layer1": 2 * self.ndf}
        return {f"layer{index}": self.ndf * min(2**index, 8) for index in range(self.layers + 1)}


class PatchDiscriminator(nn.Module):
    """Convolutions with LeakyReLU 0.2, no norm on the first, one logit per patch at the end."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        bias = config.norm == "instance"
        kernel, padding = (1, 0) if config.kind == "pixel" else (4, 1)
        channels = config.input_channels
        self.convs = nn.ModuleDict()
        self.norms = nn.ModuleDict()
        for index, (name, width) in enumerate(config.widths().items()):
            strided = config.kind == "n_layers" and index < config.layers
            self.convs[name] = nn.Conv2d(
                channels, width, kernel, stride=2 if strided else 1, padding=padding, bias=bias or index == 0
            )
            if index > 0:
                self.norms[name] = make_norm(config.norm, width)
            channels = width
        self.activation = nn.LeakyReLU(0.2)
        self.head = nn.Conv2d(channels, 1, kernel, padding=padding, bias=config.kind == "n_layers" or bias)

    def forward(self, images: Tensor) -> Tensor:
        """Judge (N, C, H, W): one logit per patch, (N, 1, h, w)."""
        features = channels_last(images)
        for name, conv in self.convs.items():
            features = conv(features)
            if name in self.norms:
                features = self.norms[name](features)
            features = self.activation(features)
        return self.head(features).contiguous()

    def axes(self) -> Axes:
        """Give the AXES table: the channel groups along each tensor dimension."""
        table: dict[str, tuple[tuple[str, ...], ...]] = {}
        source: list[str] = []
        for name in self.convs:
            table |= convolution_axes(f"convs.{name}", [name], source) | norm_axes(f"norms.{name}", name)
            source = [name]
        table |= convolution_axes("head", [], source)
        return {name: table[name] for name in self.state_dict() if name in table}


def published_keys(config: DiscriminatorConfig) -> dict[str, str]:
    """Map our tensor prefixes to those of a published file."""
    if config.kind == "pixel":
        return {"convs.layer0": "net.0", "convs.layer1": "net.2", "norms.layer1": "net.3", "head": "net.5"}
    keys = {"convs.layer0": "model.0"}
    for index in range(1, config.layers + 1):
        keys[f"convs.layer{index}"] = f"model.{3 * index - 1}"
        keys[f"norms.layer{index}"] = f"model.{3 * index}"
    return keys | {"head": f"model.{3 * config.layers + 2}"}
