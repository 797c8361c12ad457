"""FID-768: features of the official FID Inception (2015-12-05) up to its block Mixed_6e, by pytorch-fid's own blocks.

The usual FID takes the 2048 features of a later block, so a number made with these is never set beside published ones.
"""

from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from coronet.containers import plain
from coronet.errors import CheckpointError
from coronet.metrics.features import as_saved
from coronet.tensor_files import read_tensor_file

PROTOCOL = (
    "FID-768: 8-bit RGB, 299 x 299 by bilinear interpolation, mean of Mixed_6e of the FID Inception of 2015-12-05"
)
_BATCH = 8
_LIBRARIES: list[Any] = []  # what they declare lasts as long as they live


class Inception768(nn.Module):
    """The FID Inception up to Mixed_6e: images (N, 3, H, W) in [-1, 1] to features (N, 768)."""

    def __init__(self) -> None:
        super().__init__()
        fid = _pytorch_fid()
        published = fid.torchvision.models.inception
        conv = published.BasicConv2d
        self.blocks = nn.Sequential(
            OrderedDict(
                Conv2d_1a_3x3=conv(3, 32, kernel_size=3, stride=2),
                Conv2d_2a_3x3=conv(32, 32, kernel_size=3),
                Conv2d_2b_3x3=conv(32, 64, kernel_size=3, padding=1),
                pool_1=nn.MaxPool2d(3, stride=2),
                Conv2d_3b_1x1=conv(64, 80, kernel_size=1),
                Conv2d_4a_3x3=conv(80, 192, kernel_size=3),
                pool_2=nn.MaxPool2d(3, stride=2),
                Mixed_5b=fid.FIDInceptionA(192, pool_features=32),
                Mixed_5c=fid.FIDInceptionA(256, pool_features=64),
                Mixed_5d=fid.FIDInceptionA(288, pool_features=64),
                Mixed_6a=published.InceptionB(288),
                Mixed_6b=fid.FIDInceptionC(768, channels_7x7=128),
                Mixed_6c=fid.FIDInceptionC(768, channels_7x7=160),
                Mixed_6d=fid.FIDInceptionC(768, channels_7x7=160),
                Mixed_6e=fid.FIDInceptionC(768, channels_7x7=192),
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        """Give the mean of Mixed_6e over the image."""
        resized = functional.interpolate(images, size=(299, 299), mode="bilinear", align_corners=False)
        features: Tensor = self.blocks(resized)
        return features.mean(dim=(2, 3))


def load_inception(path: Path) -> Inception768:
    """Load the blocks up to Mixed_6e, under pytorch-fid's names, in eval mode; further ones are left out.

    Raises CheckpointError where the file is missing, damaged or holds another network.
    """
    file = read_tensor_file(path)
    network = Inception768()
    wanted = network.blocks.state_dict()
    for name, tensor in wanted.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in file.tensors or file.tensors[name].shape != tensor.shape:
            raise CheckpointError(
                f"{plain(path.name)} does not hold '{name}' of the FID Inception. Choose its weights."
            )
    network.blocks.load_state_dict({name: file.tensors.get(name, tensor) for name, tensor in wanted.items()})
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def inception_features(network: Inception768, images: Iterable[Tensor]) -> NDArray[np.float64]:
    """Give features (N, 768) of images (3, H, W) or batches (N, 3, H, W) in [-1, 1], each as it would be saved."""
    found = []
    for batch in images:
        saved = as_saved(batch if batch.ndim == 4 else batch[None])
        for start in range(0, len(saved), _BATCH):
            found.append(network(saved[start : start + _BATCH]).double().numpy())
    return np.concatenate(found) if found else np.empty((0, 768))


def _pytorch_fid() -> Any:
    """Import pytorch-fid's Inception, also where torchvision's wheel was built for CUDA and torch was not.

    torchvision then stops over two operators of its missing library, which Inception never calls: they are declared.
    """
    try:
        from pytorch_fid import inception
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)
        from pytorch_fid import inception
    return inception
