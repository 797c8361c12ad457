"""The ResNet generator of CycleGAN (Johnson et al. 2016; Zhu et al. 2017) with dense or mobile residual blocks.

The mobile block replaces each 3x3 convolution by depthwise 3x3, norm, pointwise 1x1 (Li et al. 2020, GAN Compression).
Beside the modules stand their AXES table and the key map of the published releases.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from coronet.channels import Axes, convolution_axes, norm_axes
from coronet.networks.config import GeneratorConfig, Norm
from coronet.networks.layers import channels_last, make_norm


def enlarged(features: Tensor, config: GeneratorConfig) -> Tensor:
    """Prepare (N, C, H, W) for an enlarging convolution: a plain one gets (N, C, 2H + 2, 2W + 2), padded."""
    if config.upsample == "transposed":
        return features
    return _reflect(F.interpolate(features, scale_factor=2, mode="nearest"), 1)


class DenseBlock(nn.Module):
    """images + norm(conv3(relu(norm(conv3(images)))))."""

    def __init__(self, trunk: int, inner: int, norm: Norm, dropout: bool) -> None:
        super().__init__()
        bias = norm == "instance"
        self.conv1 = nn.Conv2d(trunk, inner, 3, bias=bias)
        self.norm1 = make_norm(norm, inner)
        self.dropout = nn.Dropout(0.5 if dropout else 0.0)
        self.conv2 = nn.Conv2d(inner, trunk, 3, bias=bias)
        self.norm2 = make_norm(norm, trunk)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, trunk, H, W) to the same shape."""
        inner = F.relu(self.norm1(self.conv1(_reflect(features, 1))))
        return features + self.norm2(self.conv2(_reflect(self.dropout(inner), 1)))


class MobileBlock(nn.Module):
    """The dense block with separable convolutions; depthwise kernels share the channels of their input."""

    def __init__(self, trunk: int, inner: int, norm: Norm, dropout: bool) -> None:
        super().__init__()
        bias = norm == "instance"
        self.depthwise1 = nn.Conv2d(trunk, trunk, 3, groups=trunk, bias=bias)
        self.depthwise_norm1 = make_norm(norm, trunk)
        self.pointwise1 = nn.Conv2d(trunk, inner, 1, bias=bias)
        self.norm1 = make_norm(norm, inner)
        self.dropout = nn.Dropout(0.5 if dropout else 0.0)
        self.depthwise2 = nn.Conv2d(inner, inner, 3, groups=inner, bias=bias)
        self.depthwise_norm2 = make_norm(norm, inner)
        self.pointwise2 = nn.Conv2d(inner, trunk, 1, bias=bias)
        self.norm2 = make_norm(norm, trunk)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, trunk, H, W) to the same shape."""
        inner = self.pointwise1(self.depthwise_norm1(self.depthwise1(_reflect(features, 1))))
        inner = self.dropout(F.relu(self.norm1(inner)))
        return features + self.norm2(self.pointwise2(self.depthwise_norm2(self.depthwise2(_reflect(inner, 1)))))


class ResnetGenerator(nn.Module):
    """7x7 stem, two stride-2 convolutions, residual trunk, two enlarging convolutions, 7x7 head, tanh."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        widths, norm = config.widths, config.norm
        bias = norm == "instance"
        block = MobileBlock if config.architecture == "mobile_resnet" else DenseBlock
        self.stem = nn.Conv2d(config.input_channels, widths["stem"], 7, bias=bias)
        self.stem_norm = make_norm(norm, widths["stem"])
        self.down1 = nn.Conv2d(widths["stem"], widths["down1"], 3, stride=2, padding=1, bias=bias)
        self.down1_norm = make_norm(norm, widths["down1"])
        self.down2 = nn.Conv2d(widths["down1"], widths["trunk"], 3, stride=2, padding=1, bias=bias)
        self.down2_norm = make_norm(norm, widths["trunk"])
        self.blocks = nn.ModuleList(
            block(widths["trunk"], widths[f"block{index}"], norm, config.dropout) for index in range(config.blocks)
        )
        self.up1 = _make_up(config, widths["trunk"], widths["up1"], bias)
        self.up1_norm = make_norm(norm, widths["up1"])
        self.up2 = _make_up(config, widths["up1"], widths["up2"], bias)
        self.up2_norm = make_norm(norm, widths["up2"])
        self.head = nn.Conv2d(widths["up2"], config.output_channels, 7)

    def forward(self, images: Tensor) -> Tensor:
        """Translate (N, C, H, W) in [-1, 1]; H and W are multiples of 4 (as the published nets, not checked here)."""
        features = F.relu(self.stem_norm(self.stem(_reflect(channels_last(images), 3))))
        features = F.relu(self.down1_norm(self.down1(features)))
        features = F.relu(self.down2_norm(self.down2(features)))
        for block in self.blocks:
            features = block(features)
        features = F.relu(self.up1_norm(self.up1(enlarged(features, self.config))))
        features = F.relu(self.up2_norm(self.up2(enlarged(features, self.config))))
        return self.head(_reflect(features, 3)).tanh().contiguous()

    def axes(self) -> Axes:
        """Give the AXES table: the channel groups along each tensor dimension."""
        table: dict[str, tuple[tuple[str, ...], ...]] = {}
        for name, group, source in (
            ("stem", "stem", ""),
            ("down1", "down1", "stem"),
            ("down2", "trunk", "down1"),
        ):
            table |= convolution_axes(name, [group], [source] if source else []) | norm_axes(f"{name}_norm", group)
        for index in range(len(self.blocks)):
            table |= _block_axes(f"blocks.{index}", f"block{index}", self.config.architecture == "mobile_resnet")
        for name, source in (("up1", "trunk"), ("up2", "up1")):
            table |= convolution_axes(name, [name], [source], transposed=self.config.upsample == "transposed")
            table |= norm_axes(f"{name}_norm", name)
        table |= convolution_axes("head", [], ["up2"])
        return {name: table[name] for name in self.state_dict() if name in table}

    def feature_layers(self) -> dict[str, str]:
        """Give the modules whose output a student may imitate, each with the channel group of that output."""
        return {"down2_norm": "trunk"} | {f"blocks.{index}": "trunk" for index in range(len(self.blocks))}


def published_keys(config: GeneratorConfig, *, dropout_slot: bool) -> dict[str, str]:
    """Map our tensor prefixes to those of a published file; `dropout_slot` is the layout with conv_block.6."""
    tail = 10 + config.blocks
    keys = {"stem": "model.1", "stem_norm": "model.2", "down1": "model.4", "down1_norm": "model.5"}
    keys |= {"down2": "model.7", "down2_norm": "model.8"}
    keys |= {"up1": f"model.{tail}", "up1_norm": f"model.{tail + 1}"}
    keys |= {"up2": f"model.{tail + 3}", "up2_norm": f"model.{tail + 4}", "head": f"model.{tail + 7}"}
    second = 6 if dropout_slot else 5
    for index in range(config.blocks):
        ours, theirs = f"blocks.{index}", f"model.{10 + index}.conv_block"
        for number, slot in ((1, 1), (2, second)):
            if config.architecture == "mobile_resnet":
                keys[f"{ours}.depthwise{number}"] = f"{theirs}.{slot}.conv.0"
                keys[f"{ours}.depthwise_norm{number}"] = f"{theirs}.{slot}.conv.1"
                keys[f"{ours}.pointwise{number}"] = f"{theirs}.{slot}.conv.2"
            else:
                keys[f"{ours}.conv{number}"] = f"{theirs}.{slot}"
            keys[f"{ours}.norm{number}"] = f"{theirs}.{slot + 1}"
    return keys


def _block_axes(name: str, inner: str, mobile: bool) -> Axes:
    table: dict[str, tuple[tuple[str, ...], ...]] = {}
    for number, group, source in ((1, inner, "trunk"), (2, "trunk", inner)):
        if mobile:
            table |= convolution_axes(f"{name}.depthwise{number}", [source], [])
            table |= norm_axes(f"{name}.depthwise_norm{number}", source)
            table |= convolution_axes(f"{name}.pointwise{number}", [group], [source])
        else:
            table |= convolution_axes(f"{name}.conv{number}", [group], [source])
        table |= norm_axes(f"{name}.norm{number}", group)
    return table


def _make_up(config: GeneratorConfig, channels: int, out: int, bias: bool) -> nn.Module:
    if config.upsample == "resize":
        return nn.Conv2d(channels, out, 3, bias=bias)
    return nn.ConvTranspose2d(channels, out, 3, stride=2, padding=1, output_padding=1, bias=bias)


def _reflect(features: Tensor, by: int) -> Tensor:
    return F.pad(features, (by, by, by, by), mode="reflect")
