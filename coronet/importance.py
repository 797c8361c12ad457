"""How much each channel matters: consumer norms, the Taylor (Jacobian) score measured on images, and filter norms.

The first two look at the consumers' side. The filter norm, which magnitude pruning goes by, looks at the producers'
and says nothing in front of a norm layer, which rescales what they make.
Taylor scores are first-order changes, squared; divided by what a channel costs they are comparable across groups.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coronet.channels import Widths
from coronet.cost import CostModel
from coronet.networks import Generator

Importance = dict[str, Tensor]  # group -> (channels,) float64, not negative
Noise = Callable[[Sequence[int], torch.Generator], Tensor]  # shape -> a pattern of unit variance


def consumers(generator: Generator) -> dict[str, tuple[int, tuple[str, ...]]]:
    """List the kernels that mix channels: tensor name -> (input dimension, groups along it). Depthwise ones do not."""
    table = generator.axes()
    found = {}
    for name, module in generator.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.groups == 1:
            dimension = 0 if isinstance(module, nn.ConvTranspose2d) else 1
            groups = table[f"{name}.weight"][dimension]
            if groups:
                found[f"{name}.weight"] = (dimension, groups)
    return found


def consumer_norm(generator: Generator) -> Importance:
    """Score a channel by its share of the squared weights of every kernel that reads it. Needs no image."""
    tensors = generator.state_dict()
    squares = {}
    for name in consumers(generator):
        square = tensors[name].detach().double().square()
        squares[name] = square / square.sum().clamp_min(1e-300)
    return _gather(generator, squares)


def producer_norm(generator: Generator) -> Importance:
    """Score a channel by the mean size of the weights that make it, next to the layer's mean (L1, Li et al. 2017)."""
    widths = generator.config.widths
    found: dict[str, list[Tensor]] = {group: [] for group in widths}
    modules = dict(generator.named_modules())
    for name, dims in generator.axes().items():
        module = modules[name.rpartition(".")[0]]
        if not name.endswith(".weight") or not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            continue
        out = 1 if isinstance(module, nn.ConvTranspose2d) else 0
        if dims[out]:
            (group,) = dims[out]
            weight = module.weight.detach().double()
            size = weight.abs().mean(dim=[axis for axis in range(4) if axis != out]).cpu()
            found[group].append(size / size.mean().clamp_min(1e-300))
    return {group: torch.stack(sizes).mean(0) for group, sizes in found.items()}


def within_group(importance: Mapping[str, Tensor]) -> Importance:
    """Replace every score by its rank as a share of its group, so that a global ranking cuts all groups evenly."""
    return {
        group: values.argsort().argsort().double().add(1.0).div(len(values)) for group, values in importance.items()
    }


def white_noise(shape: Sequence[int], random: torch.Generator) -> Tensor:
    """Draw unit-variance noise of all frequencies, (N, C, H, W)."""
    return torch.randn(tuple(shape), generator=random)


def smooth_noise(shape: Sequence[int], random: torch.Generator, *, cells: int = 8) -> Tensor:
    """Draw unit-variance noise of low spatial frequency, (N, C, H, W); drawn on `cells` points per side."""
    coarse = torch.randn(shape[0], shape[1], min(cells, shape[2]), min(cells, shape[3]), generator=random)
    noise = F.interpolate(coarse, size=tuple(shape[2:]), mode="bilinear", align_corners=False)
    return noise / noise.square().mean().sqrt().clamp_min(1e-12)


def taylor(
    generator: Generator,
    images: Iterable[Tensor],
    random: torch.Generator,
    *,
    probes: int = 1,
    noise: Noise = white_noise,
) -> Importance:
    """Score a channel by the squared first-order change of the output when it is removed.

    The mean of `squared_change` over the images, (1, C, H, W) each, and some patterns for each (Molchanov et al. 2017,
    with the output in place of the loss). The generator must be in evaluation mode.
    """
    weights = generator.state_dict()
    found = [squared_change(generator, weights, image, random, noise) for image in images for _ in range(probes)]
    if not found:
        raise ValueError("Importance is measured on images, and none was given.")
    return {group: torch.stack([change[group] for change in found]).mean(0) for group in found[0]}


def squared_change(
    generator: Generator,
    weights: Mapping[str, Tensor],
    image: Tensor,
    random: torch.Generator,
    noise: Noise = white_noise,
) -> Importance:
    """Estimate what every channel changes in the output for an image (1, C, H, W): its mean square per value.

    Noise is laid over the output; the gradient of the sum with respect to a factor on the channel, at its consumers, is
    squared. In expectation white noise gives the square of the whole change (Hutchinson 1989), smooth noise that of its
    low frequencies. `weights` stand in for the generator's own; none of them needs a gradient. Costs one forward and
    backward pass.
    """
    kernels = {name: weights[name].detach().requires_grad_() for name in consumers(generator)}
    with torch.enable_grad():
        output = torch.func.functional_call(generator, {**_detached(weights), **kernels}, (image,))
        pattern = noise(output.shape, random).to(output)
        gradients = torch.autograd.grad((output * pattern).sum() / output.numel() ** 0.5, [*kernels.values()])
    changes = {
        name: kernel.detach() * gradient for (name, kernel), gradient in zip(kernels.items(), gradients, strict=True)
    }
    return {group: change.square().cpu() for group, change in _gather(generator, changes).items()}


def per_cost(importance: Mapping[str, Tensor], cost: CostModel, widths: Widths) -> Importance:
    """Divide every score by what one channel of its group costs, so that one ranking serves all groups."""
    marginal = dict(zip(cost.groups, cost.marginal(widths), strict=True))
    return {group: values.double() / max(float(marginal[group]), 1e-12) for group, values in importance.items()}


def _detached(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in tensors.items()}


def _gather(generator: Generator, values: Mapping[str, Tensor]) -> Importance:
    """Sum a value per weight over every kernel that reads a channel."""
    widths = generator.config.widths
    total = {group: torch.zeros(width, dtype=torch.float64) for group, width in widths.items()}
    for name, (dimension, groups) in consumers(generator).items():
        others = [axis for axis in range(values[name].dim()) if axis != dimension]
        summed = values[name].sum(dim=others, dtype=torch.float64).cpu()
        offset = 0
        for group in groups:
            total[group] = total[group] + summed[offset : offset + widths[group]]
            offset += widths[group]
    return total
