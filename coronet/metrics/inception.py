"""The FID Inception (2015-12-05), made of pytorch-fid's own blocks: 2048 features for FID, 768 for FID-768.

The official file has all blocks; one that stops at Mixed_6e gives 768 features, and what is made with these is never
set beside published FIDs. Nothing is fetched here: `coronet download fid_inception` does that when it is asked to.
"""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from coronet.containers import plain
from coronet.downloads import find_item
from coronet.errors import CheckpointError
from coronet.tensor_files import TensorFile, read_tensor_file

Length = Literal[768, 2048]
OFFICIAL = find_item("fid_inception")
SIDE = 299  # pixels a side that every image is brought to
ADVICE = f"Choose {OFFICIAL.file_name}, which 'coronet download fid_inception' fetches"
CLASSES = 1008  # rows of the last layer, which no score uses; torchvision's ImageNet classifier has 1000
_ONLY_2048 = "Mixed_7a.branch3x3_1.conv.weight"
_LIBRARIES: list[Any] = []  # what they declare lasts as long as they live


class FidInception(nn.Module):
    """The FID Inception: images (N, 3, H, W) in [-1, 1] to features (N, 768) or (N, 2048).

    Batch norms are folded into the convolutions: the same function, sooner done.
    """

    def __init__(self, length: Length, weights: Mapping[str, Tensor]) -> None:
        """Take weights under pytorch-fid's names; further ones are left out."""
        super().__init__()
        self.length = length
        with torch.device("meta"):
            self.blocks = _blocks(length)
        self.blocks.load_state_dict(
            {name: weights.get(name, torch.zeros((), dtype=torch.int64)) for name in self.blocks.state_dict()},
            assign=True,
        )
        self.eval().requires_grad_(False)
        _fold(self.blocks)

    def forward(self, images: Tensor) -> Tensor:
        """Give the mean of the last block over the image."""
        features: Tensor = self.blocks(to_side(images))
        return features.mean(dim=(2, 3))

    @staticmethod
    def expected(length: Length) -> dict[str, Tensor]:
        """Give the weights it takes, without values: what stands in the official file up to the block it needs."""
        with torch.device("meta"):
            return _blocks(length).state_dict()


def load_inception(path: Path, length: Length | None = None) -> FidInception:
    """Load the network in eval mode for 768 or 2048 features; without a length, for as many as the file has.

    Raises CheckpointError where the file is missing, damaged, another network's or lacks blocks.
    """
    return inception_from(read_inception(path), path, length)


def read_inception(path: Path) -> TensorFile:
    """Read a weights file through the sandbox; what bears the official name must be the official file.

    Raises CheckpointError where the file is missing, damaged or has another SHA-256 than its name promises.
    """
    file = read_tensor_file(path)
    check_name(path, file.sha256)
    return file


def check_name(path: Path, sha256: str) -> None:
    """Raise CheckpointError for a file that bears the official name and is not the official file."""
    if path.name == OFFICIAL.file_name and sha256 != OFFICIAL.sha256:
        raise CheckpointError(
            f"{plain(path.name)} has the SHA-256 {sha256[:8]}..., but its name says 6726825d: it is damaged or "
            "another file. Delete it and run: coronet download fid_inception"
        )


def inception_from(file: TensorFile, path: Path, length: Length | None = None) -> FidInception:
    """Build the network from a file that was read.

    Raises CheckpointError where blocks are missing or misshapen, and for torchvision's ImageNet Inception, whose blocks
    have the same names and shapes.
    """
    _refuse_classifier(file, path)
    length = length or longest(file)
    for name, tensor in FidInception.expected(length).items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in file.tensors:
            raise CheckpointError(_missing(path, name, length, file))
        if file.tensors[name].shape != tensor.shape:
            shapes = f"{tuple(file.tensors[name].shape)} instead of {tuple(tensor.shape)}"
            raise CheckpointError(f"{plain(path.name)} has '{name}' of shape {shapes}: no FID Inception. {ADVICE}.")
    return FidInception(length, file.tensors)


def longest(file: TensorFile) -> Length:
    """Say how many features the blocks of a file can give at most."""
    return 2048 if _ONLY_2048 in file.tensors else 768


def to_side(images: Tensor) -> Tensor:
    """Resize images (N, 3, H, W) to 299 x 299 as pytorch-fid does."""
    if images.shape[2:] == (SIDE, SIDE):
        return images
    return functional.interpolate(images, size=(SIDE, SIDE), mode="bilinear", align_corners=False)


def published_inception() -> Any:
    """Import pytorch-fid's module of Inception, also where torchvision's wheel was built for CUDA and torch was not.

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


def _refuse_classifier(file: TensorFile, path: Path) -> None:
    """Raise CheckpointError for weights that were trained to classify ImageNet: their features give no FID."""
    last = file.tensors.get("fc.weight")
    found = "an auxiliary classifier" if any(name.startswith("AuxLogits.") for name in file.tensors) else ""
    if last is not None and (not last.ndim or len(last) != CLASSES):
        found = f"a last layer of shape {tuple(last.shape)} where the FID Inception has {CLASSES} rows"
    if found:
        raise CheckpointError(
            f"{plain(path.name)} has {found}: it is a classifier such as torchvision's, whose features give no FID. "
            f"{ADVICE}."
        )


def _missing(path: Path, name: str, length: Length, file: TensorFile) -> str:
    if length == 2048 and "Mixed_6e.branch1x1.conv.weight" in file.tensors:
        return (
            f"{plain(path.name)} stops at Mixed_6e, which has 768 features and not the 2048 of FID. "
            f"{ADVICE}, or the features inception-768."
        )
    return f"{plain(path.name)} does not hold '{name}' of the FID Inception. {ADVICE}."


def _blocks(length: Length) -> nn.Sequential:
    fid = published_inception()
    published = fid.torchvision.models.inception
    conv = published.BasicConv2d
    blocks = OrderedDict(
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
    if length == 2048:
        blocks |= OrderedDict(
            Mixed_7a=published.InceptionD(768),
            Mixed_7b=fid.FIDInceptionE_1(1280),
            Mixed_7c=fid.FIDInceptionE_2(2048),
        )
    return nn.Sequential(blocks)


def _fold(blocks: nn.Sequential) -> None:
    """Let every convolution do the work of the batch norm behind it."""
    for module in blocks.modules():
        conv, norm = getattr(module, "conv", None), getattr(module, "bn", None)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(conv, norm)
            module.bn = nn.Identity()
