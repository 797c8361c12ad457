"""The U-Net generator of Pix2Pix (Isola et al. 2017), its AXES table and the key map of the published releases."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coronet.channels import Axes, convolution_axes, norm_axes
from coronet.networks.config import GeneratorConfig
from coronet.networks.layers import channels_last, make_norm
from coronet.networks.resnet import enlarged


class UnetGenerator(nn.Module):
    """Stride-2 4x4 convolutions down to the innermost level and back up, with concatenated skips.

    Level k (1 = outermost) has `down{k}`, `up{k}`; the outermost and innermost down convolutions carry no norm.
    Dropout of 0.5 stands behind the inner ups from level 5 to the last but one, as published.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.levels = levels = config.levels
        bias = config.norm == "instance"
        widths = dict(config.widths)
        into = {1: config.input_channels} | {k: widths[f"down{k - 1}"] for k in range(2, levels + 1)}
        out = {1: config.output_channels} | {k: widths[f"up{k}"] for k in range(2, levels + 1)}
        self.downs = nn.ModuleDict()
        self.ups = nn.ModuleDict()
        self.norms = nn.ModuleDict()
        for level in range(1, levels + 1):
            down = widths[f"down{level}"]
            skip = 0 if level == levels else widths[f"up{level + 1}"]
            self.downs[f"down{level}"] = nn.Conv2d(into[level], down, 4, stride=2, padding=1, bias=bias)
            self.ups[f"up{level}"] = _make_up(config, down + skip, out[level], bias or level == 1)
            if 1 < level < levels:
                self.norms[f"down{level}"] = make_norm(config.norm, down)
            if level > 1:
                self.norms[f"up{level}"] = make_norm(config.norm, out[level])
        self.dropout = nn.Dropout(0.5 if config.dropout else 0.0)

    def forward(self, images: Tensor) -> Tensor:
        """Translate (N, C, H, W) in [-1, 1]; H and W are multiples of 2 ** levels."""
        skips = [self.downs["down1"](channels_last(images))]
        for level in range(2, self.levels + 1):
            features = self.downs[f"down{level}"](F.leaky_relu(skips[-1], 0.2))
            skips.append(self.norms[f"down{level}"](features) if level < self.levels else features)
        features = skips.pop()
        for level in range(self.levels, 1, -1):
            features = self.norms[f"up{level}"](self._up(level, features))
            if 5 <= level < self.levels:
                features = self.dropout(features)
            features = torch.cat([skips.pop(), features], dim=1)
        return self._up(1, features).tanh().contiguous()

    def _up(self, level: int, features: Tensor) -> Tensor:
        """Enlarge, with channels last: the single pixels of the innermost level know no order that could stay."""
        return self.ups[f"up{level}"](channels_last(enlarged(F.relu(features), self.config)))

    def axes(self) -> Axes:
        """Give the AXES table: the channel groups along each tensor dimension."""
        table: dict[str, tuple[tuple[str, ...], ...]] = {}
        transposed = self.config.upsample == "transposed"
        for level in range(1, self.levels + 1):
            down, up = f"down{level}", f"up{level}"
            source = [f"down{level - 1}"] if level > 1 else []
            joined = [down] if level == self.levels else [down, f"up{level + 1}"]
            table |= convolution_axes(f"downs.{down}", [down], source) | norm_axes(f"norms.{down}", down)
            table |= convolution_axes(f"ups.{up}", [up] if level > 1 else [], joined, transposed=transposed)
            table |= norm_axes(f"norms.{up}", up)
        return {name: table[name] for name in self.state_dict() if name in table}

    def feature_layers(self) -> dict[str, str]:
        """Give the modules whose output a student may imitate, each with the channel group of that output."""
        return {f"norms.up{level}": f"up{level}" for level in range(2, min(self.levels, 5) + 1)}


def _make_up(config: GeneratorConfig, channels: int, out: int, bias: bool) -> nn.Module:
    if config.upsample == "resize":
        return nn.Conv2d(channels, out, 3, bias=bias)
    return nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1, bias=bias)


def published_keys(config: GeneratorConfig) -> dict[str, str]:
    """Map our tensor prefixes to the nested ones of a published file."""
    keys: dict[str, str] = {}
    prefix = "model"
    for level in range(1, config.levels + 1):
        innermost, outermost = level == config.levels, level == 1
        down, up = (0, 3) if outermost else (1, 3) if innermost else (1, 5)
        keys[f"downs.down{level}"] = f"{prefix}.model.{down}" if outermost else f"{prefix}.{down}"
        keys[f"ups.up{level}"] = f"{prefix}.model.{up}" if outermost else f"{prefix}.{up}"
        keys[f"norms.down{level}"] = f"{prefix}.2"
        keys[f"norms.up{level}"] = f"{prefix}.{up + 1}"
        prefix = "model.model.1.model" if outermost else f"{prefix}.3.model"
    return {ours: theirs for ours, theirs in keys.items() if _exists(ours, config.levels)}


def _exists(name: str, levels: int) -> bool:
    return name not in ("norms.down1", "norms.up1", f"norms.down{levels}")
