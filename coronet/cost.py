"""What a generator costs: parameters and multiply-accumulates (MACs), as a function of its widths.

This is the only place that counts. `macs` is the true number (a transposed convolution multiplies at its input
resolution); `macs_as_published` counts it at its output resolution, as torchprofile and most papers do. Convolutions
only; norms, activations and biases (< 0.5 %) are left out of both. FLOPs are twice the MACs.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coronet.channels import Axes
from coronet.networks import Generator, GeneratorConfig, build_hollow

Budget = Literal["macs", "params"]
Convention = Literal["macs", "macs_as_published", "params"]
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts for one image of the stated size."""

    macs: int
    macs_as_published: int
    parameters: int

    @property
    def bytes(self) -> int:
        """Of the parameters in float32."""
        return 4 * self.parameters

    def to_json(self) -> dict[str, int]:
        """Turn into plain JSON values."""
        return {**asdict(self), "bytes": self.bytes}


@dataclass(frozen=True, slots=True)
class _Layer:
    """One tensor: its positions (how often each of its numbers is used per image) and its dimensions."""

    name: str
    shape: tuple[int, ...]
    positions: int
    positions_as_published: int
    turn: int  # of a convolution: its place in the order in which an image meets them
    is_transposed: bool


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One convolution: the group of the channels it makes ("" for the picture itself), its kernel, and its cost."""

    group: str
    kernel: tuple[int, int]
    cost: float


def cost(config: GeneratorConfig, image_size: int | None = None) -> Cost:
    """Count one generator for square images of `image_size` pixels (default: the size it was made for)."""
    counts = {
        convention: CostModel(config, image_size, convention).at(config.widths)
        for convention in ("macs", "macs_as_published", "params")
    }
    return Cost(int(counts["macs"]), int(counts["macs_as_published"]), int(counts["params"]))


class CostModel:
    """The cost of one net at any widths, in microseconds: every term is a product of at most two channel counts.

    `total` is what compression ratios count from: the cost of the net itself, or that of another one if given.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        image_size: int | None = None,
        convention: Convention = "macs",
        *,
        total: float | None = None,
    ) -> None:
        self.groups = tuple(config.widths)
        narrow = config.with_widths(dict.fromkeys(config.widths, 2))  # where a kernel is used depends on no width
        generator, layers = _measured_layers(narrow, image_size or config.image_size)
        index = {group: column for column, group in enumerate(self.groups)}
        axes = generator.axes()
        rows = [layer for layer in layers if convention == "params" or layer.positions]
        self._factor = np.array([_factor(layer, axes, convention) for layer in rows])
        self._first = _Extent(rows, axes, index, 0)
        self._second = _Extent(rows, axes, index, 1)
        self._made = [_made_group(layer, axes) for layer in rows]
        self._layers = rows
        self.total = self.at(config.widths) if total is None else total

    def vector(self, widths: Mapping[str, int]) -> Vector:
        """Order widths as this model does."""
        return np.array([widths[group] for group in self.groups], dtype=np.float64)

    def at(self, widths: Mapping[str, int] | Vector) -> float:
        """Give the cost at these widths."""
        counts = widths if isinstance(widths, np.ndarray) else self.vector(widths)
        return float(self._factor @ (self._first.at(counts) * self._second.at(counts)))

    def by_layer(self, widths: Mapping[str, int]) -> tuple[LayerCost, ...]:
        """Give the cost of every convolution at these widths, in the order in which an image meets them."""
        counts = self.vector(widths)
        costs = self._factor * self._first.at(counts) * self._second.at(counts)
        found = zip(self._layers, self._made, costs, strict=True)
        met = sorted(
            (layer.turn, group, layer.shape[2:], cost) for layer, group, cost in found if len(layer.shape) == 4
        )
        return tuple(LayerCost(group, (kernel[0], kernel[1]), float(cost)) for _, group, kernel, cost in met)

    def marginal(self, widths: Mapping[str, int] | Vector) -> Vector:
        """Give the cost that one more channel would add, per group in the order of `groups`."""
        counts = widths if isinstance(widths, np.ndarray) else self.vector(widths)
        first, second = self._first, self._second
        return np.asarray(
            (self._factor * second.at(counts)) @ first.slope
            + (self._factor * first.at(counts)) @ second.slope
            + self._factor @ (first.slope * second.slope)
        )


class _Extent:
    """The length of one dimension of every tensor, as a linear function of the widths."""

    def __init__(self, rows: list[_Layer], axes: Axes, index: Mapping[str, int], dimension: int) -> None:
        self.slope = np.zeros((len(rows), len(index)))
        self.constant = np.ones(len(rows))
        for row, layer in enumerate(rows):
            dims = axes[layer.name]
            if dimension < len(dims) and dims[dimension]:
                self.constant[row] = 0.0
                for group in dims[dimension]:
                    self.slope[row, index[group]] += 1.0

    def at(self, counts: Vector) -> Vector:
        return np.asarray(self.slope @ counts + self.constant)


def _made_group(layer: _Layer, axes: Axes) -> str:
    """Name the group of the channels that a layer makes; "" where it makes the picture."""
    out = axes[layer.name][1 if layer.is_transposed else 0]
    return out[0] if out else ""


def _factor(layer: _Layer, axes: Axes, convention: Convention) -> float:
    """Multiply the dimensions that no group lies along, and the positions."""
    dims = axes[layer.name]
    fixed = [size for axis, size in enumerate(layer.shape) if axis >= len(dims) or not dims[axis]]
    positions = {"macs": layer.positions, "macs_as_published": layer.positions_as_published, "params": 1}
    return float(np.prod(fixed) * positions[convention]) if fixed else float(positions[convention])


@lru_cache(maxsize=64)
def _measured_layers(config: GeneratorConfig, image_size: int) -> tuple[Generator, tuple[_Layer, ...]]:
    """Run the net once, with zeros as weights on the smallest image, and note how often its convolutions are used.

    The positions grow with the image's area. The meta device would need no arithmetic, but two seconds and 70 MB for
    the packages that it imports.
    """
    side = config.least_side
    generator = build_hollow(config).eval()
    zeros = {name: torch.zeros(tensor.shape, dtype=tensor.dtype) for name, tensor in generator.state_dict().items()}
    generator.load_state_dict(zeros, assign=True)
    met: dict[str, tuple[int, int, int, bool]] = {}
    hooks = [
        module.register_forward_hook(_recorder(name, met))
        for name, module in generator.named_modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with torch.inference_mode():
        generator(torch.zeros(1, config.input_channels, side, side))
    for hook in hooks:
        hook.remove()
    layers = []
    for name, parameter in generator.named_parameters():
        true, published, turn, is_transposed = met.get(name.removesuffix(".weight"), (0, 0, -1, False))
        true, published = (count * image_size**2 // side**2 for count in (true, published))
        layers.append(_Layer(name, tuple(parameter.shape), true, published, turn, is_transposed))
    return generator, tuple(layers)


def _recorder(name: str, met: dict[str, tuple[int, int, int, bool]]):  # type: ignore[no-untyped-def]
    def record(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        is_transposed = isinstance(module, nn.ConvTranspose2d)
        out = output.shape[-2] * output.shape[-1]
        into = inputs[0].shape[-2] * inputs[0].shape[-1]
        met[name] = (into if is_transposed else out, out, len(met), is_transposed)

    return record
