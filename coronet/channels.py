"""Which channel groups lie along which tensor dimension, and the two meanings of "remove a channel".

`select` cuts dead channels out, `mask` sets them to zero; that both give the same function is the project's first
law. Nothing here knows a network: everything is read from an Axes table.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

# For every tensor name, for each leading dimension, the ordered channel groups along it. An empty tuple is a fixed
# dimension (RGB, kernel); two names are a concatenation (U-Net skip). Trailing dimensions may be left out.
Axes = dict[str, tuple[tuple[str, ...], ...]]
Widths = Mapping[str, int]
Kept = Mapping[str, Tensor]  # group -> sorted indices of the channels that stay, int64


def convolution_axes(name: str, out: Sequence[str], into: Sequence[str], *, transposed: bool = False) -> Axes:
    """Give the rows of one convolution: weight (out, in, k, k), or (in, out, k, k) if transposed, and bias (out)."""
    dims = (tuple(into), tuple(out)) if transposed else (tuple(out), tuple(into))
    return {f"{name}.weight": dims, f"{name}.bias": (tuple(out),)}


def norm_axes(name: str, group: str) -> Axes:
    """Give the rows of an affine normalisation layer with running statistics over one group."""
    return {f"{name}.{part}": ((group,),) for part in ("weight", "bias", "running_mean", "running_var")}


def kept_widths(kept: Kept) -> dict[str, int]:
    """Count the channels that stay in every group."""
    return {group: int(indices.numel()) for group, indices in kept.items()}


def keep_all(widths: Widths) -> dict[str, Tensor]:
    """Keep every channel of every group."""
    return {group: torch.arange(width) for group, width in widths.items()}


def select(tensors: Mapping[str, Tensor], axes: Axes, widths: Widths, kept: Kept) -> dict[str, Tensor]:
    """Cut the dead channels out of every tensor; `widths` are the counts before the cut.

    Tensors that the table does not name (counters) pass unchanged. Returns new tensors.
    """
    return {name: _select_one(tensor, axes.get(name, ()), widths, kept) for name, tensor in tensors.items()}


def mask(tensors: Mapping[str, Tensor], axes: Axes, widths: Widths, kept: Kept) -> dict[str, Tensor]:
    """Set the slices of dead channels to zero: weights, biases, norm weights and running means, never variances."""
    return {
        name: tensor.clone() if name.endswith("running_var") else _mask_one(tensor, axes.get(name, ()), widths, kept)
        for name, tensor in tensors.items()
    }


def compose(first: Kept, second: Kept) -> dict[str, Tensor]:
    """Express two cuts in a row, `second` counted inside `first`, as one."""
    return {group: first[group][second[group]] for group in first}


def _select_one(tensor: Tensor, dims: tuple[tuple[str, ...], ...], widths: Widths, kept: Kept) -> Tensor:
    for dimension, groups in enumerate(dims):
        if groups and any(kept[group].numel() != widths[group] for group in groups):
            tensor = tensor.index_select(dimension, concatenated(groups, widths, kept).to(tensor.device))
    return tensor.clone()


def _mask_one(tensor: Tensor, dims: tuple[tuple[str, ...], ...], widths: Widths, kept: Kept) -> Tensor:
    tensor = tensor.clone()
    for dimension, groups in enumerate(dims):
        if groups:
            alive = torch.zeros(tensor.shape[dimension], dtype=tensor.dtype, device=tensor.device)
            alive[concatenated(groups, widths, kept).to(tensor.device)] = 1
            tensor = tensor * along(alive, dimension, tensor.dim())
    return tensor


def concatenated(groups: Sequence[str], widths: Widths, kept: Kept) -> Tensor:
    """Index of the kept channels in a dimension where the groups lie one after the other."""
    parts, offset = [], 0
    for group in groups:
        parts.append(kept[group] + offset)
        offset += widths[group]
    return torch.cat(parts)


def along(vector: Tensor, dimension: int, dimensions: int) -> Tensor:
    """Shape a vector so that it broadcasts along one dimension of a tensor."""
    shape = [1] * dimensions
    shape[dimension] = -1
    return vector.reshape(shape)
