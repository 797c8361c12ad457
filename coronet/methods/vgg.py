"""VGG-16 up to relu4_3 (Simonyan and Zisserman 2015), to which images look alike where they look alike to people.

Its weights do not ship with the project: a file of torchvision's is read, and the losses made of it stand where they
are used.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coronet.errors import CheckpointError
from coronet.tensor_files import read_tensor_file

_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))  # channels of the 3x3 convolutions between pools
_CHOOSE = "Choose torchvision's vgg16-*.pth, or a safetensors file of the same tensors."


class Vgg(nn.Module):
    """The ten convolutions in front of relu4_3, under torchvision's names; frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.ModuleDict()
        channels = 3
        for place, width in _places():
            self.features[str(place)] = nn.Conv2d(channels, width, 3, padding=1)
            channels = width
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Give relu1_2, relu2_2, relu3_3 and relu4_3 of images (N, 3, H, W) in [-1, 1].

        Images are only scaled to [0, 1], not to the mean and deviation of ImageNet, as OMGD does it.
        """
        layers = iter(self.features.values())
        found: list[Tensor] = []
        features = (images + 1.0) / 2.0
        for block in _BLOCKS:
            if found:
                features = F.max_pool2d(features, 2)
            for _ in block:
                features = F.relu(next(layers)(features))
            found.append(features)
        return tuple(found)


def load_vgg(path: Path) -> Vgg:
    """Read the weights of torchvision's VGG-16; tensors of other layers are ignored.

    A .pth is read in the sandbox. CheckpointError where the file cannot be read or is no VGG-16.
    """
    tensors = read_tensor_file(path).tensors
    with torch.device("meta"):
        network = Vgg()
    for name, wanted in network.state_dict().items():
        if name not in tensors:
            raise CheckpointError(f"{path.name} is no VGG-16: it has no tensor '{name}'. {_CHOOSE}")
        if tensors[name].shape != wanted.shape:
            raise CheckpointError(
                f"{path.name} is no VGG-16: it holds '{name}' as {tuple(tensors[name].shape)}, not as "
                f"{tuple(wanted.shape)}. {_CHOOSE}"
            )
    network.load_state_dict({name: tensors[name] for name in network.state_dict()}, assign=True)
    return network.requires_grad_(False).eval()


def gram(features: Tensor) -> Tensor:
    """Give the products of all channels (N, C, C) of features (N, C, H, W), divided by C H W."""
    count, channels, height, width = features.shape
    flat = features.float().reshape(count, channels, height * width)
    with torch.autocast(features.device.type, enabled=False):  # sums of thousands of products
        return flat @ flat.transpose(1, 2) / (channels * height * width)


def _places() -> Iterator[tuple[int, int]]:
    """Give the place of every convolution in torchvision's `features`, where ReLUs and pools count, and its width."""
    place = 0
    for block in _BLOCKS:
        for width in block:
            yield place, width
            place += 2
        place += 1
