"""The published networks rebuilt from their description, with the module names of the releases: an oracle of ours.

Indices inside nn.Sequential give the published key names; nothing here uses our networks.
"""

import itertools

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    def __init__(self, trunk: int, inner: int, norm: str, *, slot: bool, mobile: bool) -> None:
        super().__init__()
        bias = norm != "batch"
        layers: list[nn.Module] = []
        for index, (source, out) in enumerate(((trunk, inner), (inner, trunk))):
            layers += [nn.ReflectionPad2d(1), _convolution(source, out, norm, bias, mobile), _norm(norm, out)]
            if index == 0:
                layers += [nn.ReLU(), *([nn.Dropout(0.5)] if slot else [])]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.conv_block(features)


class Separable(nn.Module):
    def __init__(self, source: int, out: int, norm: str, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(source, source, 3, groups=source, bias=bias),
            _norm(norm, source),
            nn.Conv2d(source, out, 1, bias=bias),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.conv(features)


class Resnet(nn.Module):
    """widths: stem, down1, trunk, one inner width per block, up1, up2."""

    def __init__(
        self,
        widths: list[int],
        norm: str = "instance",
        *,
        slot: bool = False,
        mobile: bool = False,
        channels: tuple[int, int] = (3, 3),
    ) -> None:
        super().__init__()
        stem, down1, trunk, *inner, up1, up2 = widths
        bias = norm != "batch"
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(channels[0], stem, 7, bias=bias)]
        layers += [_norm(norm, stem), nn.ReLU()]
        for source, out in ((stem, down1), (down1, trunk)):
            layers += [nn.Conv2d(source, out, 3, 2, 1, bias=bias), _norm(norm, out), nn.ReLU()]
        layers += [Residual(trunk, width, norm, slot=slot, mobile=mobile) for width in inner]
        for source, out in ((trunk, up1), (up1, up2)):
            layers += [nn.ConvTranspose2d(source, out, 3, 2, 1, 1, bias=bias), _norm(norm, out), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(up2, channels[1], 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


class UnetLevel(nn.Module):
    def __init__(
        self, outer: int, inner: int, norm: str, *, source: int | None = None, below: nn.Module | None
    ) -> None:
        super().__init__()
        self.outermost = source is not None
        bias = norm != "batch"
        down = nn.Conv2d(source or outer, inner, 4, 2, 1, bias=bias)
        skip = inner if below is None else 2 * inner
        up = nn.ConvTranspose2d(skip, outer, 4, 2, 1, bias=bias or self.outermost)
        if self.outermost:
            layers = [down, below, nn.ReLU(), up, nn.Tanh()]
        elif below is None:
            layers = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, _norm(norm, outer)]
        else:
            layers = [nn.LeakyReLU(0.2), down, _norm(norm, inner), below, nn.ReLU(), up, _norm(norm, outer)]
        self.model = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        return self.model(features) if self.outermost else torch.cat([features, self.model(features)], 1)


class Unet(nn.Module):
    """widths: down1 .. down{L}; every up level gives back the width above it."""

    def __init__(self, widths: list[int], norm: str = "batch", *, channels: tuple[int, int] = (3, 3)) -> None:
        super().__init__()
        below: nn.Module | None = None
        for outer, inner in reversed(list(itertools.pairwise(widths))):
            below = UnetLevel(outer, inner, norm, below=below)
        self.model = UnetLevel(channels[1], widths[0], norm, source=channels[0], below=below)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


class Patch(nn.Module):
    def __init__(self, ndf: int, layers: int, norm: str, channels: int = 3) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(channels, ndf, 4, 2, 1), nn.LeakyReLU(0.2)]
        source = ndf
        for index in range(1, layers + 1):
            out = ndf * min(2**index, 8)
            stride = 2 if index < layers else 1
            parts += [
                nn.Conv2d(source, out, 4, stride, 1, bias=norm != "batch"),
                _norm(norm, out),
                nn.LeakyReLU(0.2),
            ]
            source = out
        self.model = nn.Sequential(*parts, nn.Conv2d(source, 1, 4, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


class Pixel(nn.Module):
    def __init__(self, ndf: int, norm: str, channels: int = 3) -> None:
        super().__init__()
        bias = norm != "batch"
        self.net = nn.Sequential(
            nn.Conv2d(channels, ndf, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(ndf, 2 * ndf, 1, bias=bias),
            _norm(norm, 2 * ndf),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * ndf, 1, 1, bias=bias),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """Draw every tensor, running statistics too, and switch to evaluation (of instance norm as it is used today)."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=random) * 0.2)
                if key.endswith("running_var"):
                    tensor.abs_().add_(0.3)
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.train()
    return network


def _convolution(source: int, out: int, norm: str, bias: bool, mobile: bool) -> nn.Module:
    return Separable(source, out, norm, bias) if mobile else nn.Conv2d(source, out, 3, bias=bias)


def _norm(norm: str, channels: int) -> nn.Module:
    if norm == "old_instance":  # PyTorch before 0.4 kept running statistics that nothing uses
        return nn.InstanceNorm2d(channels, track_running_stats=True)
    return nn.BatchNorm2d(channels) if norm == "batch" else nn.InstanceNorm2d(channels)
