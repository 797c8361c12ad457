"""Files in the form of the official FID Inception, with random weights under which features stay finite and differ."""

from functools import cache
from pathlib import Path

import safetensors.torch
import torch

from coronet.metrics.inception import FidInception, published_inception
from coronet.tensor_files import read_tensor_file


@cache
def random_weights() -> dict[str, torch.Tensor]:
    """Draw every tensor that the official file holds, the unused last layer too; always the same ones."""
    random = torch.Generator().manual_seed(0)
    weights = {}
    for name, shape in shapes().items():
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(1)
        elif len(shape) == 4:
            fan_in = shape[1] * shape[2] * shape[3]
            weights[name] = torch.randn(shape, generator=random) * (2.0 / fan_in) ** 0.5
        elif name.endswith(("running_var", "bn.weight")):
            weights[name] = torch.rand(shape, generator=random) * 0.5 + 0.75
        else:
            weights[name] = torch.randn(shape, generator=random) * 0.05
    return weights


def shapes() -> dict[str, torch.Size]:
    """Give the name and shape of every tensor of the official file."""
    found = {name: tensor.shape for name, tensor in FidInception.expected(2048).items()}
    return found | {"fc.weight": torch.Size([1008, 2048]), "fc.bias": torch.Size([1008])}


def write_random(path: Path, *, real: Path | None = None) -> Path:
    """Write all blocks as .pth or .safetensors, by the suffix; those that the file `real` holds are taken from it."""
    weights = random_weights() | ({} if real is None else dict(read_tensor_file(real).tensors))
    if path.suffix == ".pth":
        torch.save(weights, path)
    else:
        safetensors.torch.save_file(weights, path)
    return path


def write_stopping_at_6e(path: Path) -> Path:
    """Write a safetensors file of random weights without the blocks Mixed_7 and the last layer."""
    weights = {name: t for name, t in random_weights().items() if not name.startswith(("Mixed_7", "fc."))}
    safetensors.torch.save_file(weights, path)
    return path


def theirs(weights: dict[str, torch.Tensor], length: int, monkeypatch) -> torch.nn.Module:
    """Build pytorch-fid's own network on these weights, as its command does."""
    published = published_inception()
    full = random_weights() | weights
    monkeypatch.setattr(published, "load_state_dict_from_url", lambda *args, **choices: full)
    return published.InceptionV3([published.InceptionV3.BLOCK_INDEX_BY_DIM[length]]).eval()
