"""The proxy network: a small convnet, trained on this project's own drawn scenes to feel pictures as FID-768 does.

It stands in for Inception where its weights are absent; what is measured with it is called "proxy", never FID.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from coronet.containers import plain
from coronet.errors import CheckpointError, DataError
from coronet.files import write_atomic
from coronet.images import to_levels
from coronet.tensor_files import read_tensor_file

PROXY_FILE = Path(__file__).parents[2] / "checkpoints" / "features" / "proxy.safetensors"
SIZE = 128  # pixels a side that every image is brought to
SMALLEST = 32  # pixels a side that the five stages need
WIDTHS = (24, 40, 64, 96, 128)  # channels of the stages; each halves the image
POOLED = 2 * sum(WIDTHS)  # mean and log spread of every channel
HIDDEN = 256
FEATURES = 96
PROTOCOL = (
    f"proxy-2: 8-bit RGB, {SIZE} x {SIZE} by antialiased bicubic interpolation, "
    f"{FEATURES} features of the proxy network"
)
_KEY = "coronet"  # of the safetensors metadata
_BATCH = 32


class ProxyNetwork(nn.Module):
    """Five stages of two convolutions; the means and spreads of all their channels give features (N, 96).

    The features are on the scale of Inception's: the leading principal components of its Mixed_6e, up to an offset.
    Early stages feel blur, noise and JPEG, late ones content. Spreads are logarithmic: a change counts by its share.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = (3, *WIDTHS[:-1])
        self.stages = nn.ModuleList(_stage(before, width) for before, width in zip(channels, WIDTHS, strict=True))
        self.standard = nn.BatchNorm1d(POOLED, affine=False, momentum=0.02)
        self.hidden = nn.Linear(POOLED, HIDDEN)
        self.settled = nn.BatchNorm1d(HIDDEN, momentum=0.02)
        self.answer = nn.Linear(HIDDEN, FEATURES)

    def forward(self, images: Tensor) -> Tensor:
        """Turn images (N, 3, H, W) in [-1, 1], sides at least 32, into features (N, 96)."""
        pooled, current = [], images
        for stage in self.stages:
            current = stage(current)
            exact = current.float()
            pooled += [exact.mean(dim=(2, 3)), exact.var(dim=(2, 3), correction=0).add(1e-4).log()]
        hidden = self.settled(self.hidden(self.standard(torch.cat(pooled, dim=1))))
        features: Tensor = self.answer(functional.leaky_relu(hidden, 0.1))
        return features


def load_proxy(path: Path = PROXY_FILE) -> ProxyNetwork:
    """Load the proxy network in eval mode; raises CheckpointError where the file is missing, damaged or another's."""
    file = read_tensor_file(path)
    name = plain(path.name)
    try:
        kind = json.loads(file.metadata[_KEY])["kind"]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{name} does not say what it holds. Choose the file of a proxy network.") from error
    if kind != "proxy":
        raise CheckpointError(f"{name} holds a {plain(kind)}, not a proxy network. Choose the file of a proxy network.")
    with torch.device("meta"):
        network = ProxyNetwork()
    network.to_empty(device="cpu")
    expected = {key: tensor.shape for key, tensor in network.state_dict().items()}
    if expected != {key: tensor.shape for key, tensor in file.tensors.items()}:
        raise CheckpointError(f"{name} does not fit this version's proxy network. Take the file that came with it.")
    network.load_state_dict(dict(file.tensors))
    return network.eval().requires_grad_(False)


def save_proxy(network: ProxyNetwork, path: Path, lineage: dict[str, Any]) -> None:
    """Write the network atomically, kernels as float16, with how it was made; raises RunError where that fails."""
    stored = {
        name: tensor.half() if tensor.ndim > 1 else tensor.clone() for name, tensor in network.state_dict().items()
    }
    text = json.dumps({"kind": "proxy", "version": 2, "lineage": lineage}, sort_keys=True)
    write_atomic(path, safetensors.torch.save(stored, {_KEY: text}))


def as_saved(images: Tensor) -> Tensor:
    """Round images in [-1, 1] to the 8 bits that a file would keep, in float32; NaN is mid-grey."""
    return to_levels(images).float().div(127.5).sub(1.0)


def in_batches(images: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    """Regroup batches (N, C, H, W) of any lengths N into batches of `size`; the last may be smaller."""
    waiting: list[Tensor] = []
    for several in images:
        waiting.extend(several)
        while len(waiting) >= size:
            yield torch.stack(waiting[:size])
            waiting = waiting[size:]
    if waiting:
        yield torch.stack(waiting)


def to_protocol(images: Tensor) -> Tensor:
    """Bring images (3, H, W) or (N, 3, H, W) to (N, 3, 128, 128), as they would be saved and then resized.

    Raises DataError for other shapes and for sides below 32 pixels.
    """
    batch = images[None] if images.ndim == 3 else images
    if batch.ndim != 4 or batch.shape[1] != 3 or min(batch.shape[2:]) < SMALLEST:
        raise DataError(
            f"Images of shape {tuple(images.shape)} have no proxy features. Give RGB images of at least {SMALLEST} "
            "pixels a side."
        )
    rounded = as_saved(batch)
    if rounded.shape[2:] == (SIZE, SIZE):
        return rounded
    resized = functional.interpolate(rounded, (SIZE, SIZE), mode="bicubic", antialias=True, align_corners=False)
    return resized.clamp(-1.0, 1.0)


@torch.inference_mode()
def proxy_features(network: ProxyNetwork, images: Iterable[Tensor]) -> NDArray[np.float64]:
    """Give features (N, 96) of images (3, H, W) or batches (N, 3, H, W) in [-1, 1], of any size from 32 pixels."""
    found = [network(batch) for batch in in_batches(map(to_protocol, images), _BATCH)]
    return torch.cat(found).double().cpu().numpy() if found else np.empty((0, FEATURES))


def _stage(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.LeakyReLU(0.1),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.LeakyReLU(0.1),
    )
