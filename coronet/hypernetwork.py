"""The hypernetwork: a latent vector per channel group generates every convolution kernel of a generator.

W[o, i] = z_out[o] z_in[i] K[o, i]: covariant and free of biases, so a zero in a latent vector is exactly a missing
channel (CoroNetGAN, arXiv 2403.08261, figure 1; DHP, Li et al. 2020, without its bias terms, which leak). In the
factored form K is learned directly; in the paper's form K = w2 w1 over an embedding. It knows no budget and no loss.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from coronet.channels import Axes, Kept, along, select
from coronet.networks import Generator
from coronet.networks.layers import channels_last
from coronet.randomness import seeded

Form = Literal["factored", "paper"]
LEAST_LATENT = 0.02


class Hypernetwork:
    """Latents, kernels and the generator's ordinary tensors (biases, norms); `weights()` gives a full set of weights.

    latents: {group: (width,)}. kernels: the learned part of each convolution. ordinary: tensors that are not
    generated. buffers: running statistics, updated in place by a forward pass in training mode.
    """

    def __init__(
        self,
        axes: Axes,
        *,
        latents: Mapping[str, Tensor],
        kernels: Mapping[str, Tensor],
        ordinary: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        embeddings: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._axes = axes
        self.latents = _parameters(latents)
        self.kernels = _parameters(_as_gradients_come(kernels))
        self.embeddings = _parameters(embeddings or {})
        self.ordinary = _parameters(ordinary)
        self.buffers = {name: tensor.clone() for name, tensor in buffers.items()}

    @classmethod
    def from_generator(
        cls,
        generator: Generator,
        latents: Mapping[str, Tensor] | None = None,
        *,
        form: Form = "factored",
        embedding: int = 8,
        random: torch.Generator | None = None,
    ) -> "Hypernetwork":
        """Start exactly equal to the generator: K = W / (z_out z_in), for positive latents z, all ones unless given.

        Adam moves a weight by its rate times z_out z_in: with ones it learns as fast as in a plain net. embedding: m of
        the paper's form, whose redundant directions are drawn from `random` (hyperfan-in).
        """
        axes = generator.axes()
        first = next(generator.parameters())
        ones = {group: torch.ones(width) for group, width in generator.config.widths.items()}
        latents = {group: latent.to(first) for group, latent in (latents or ones).items()}
        parameters = dict(generator.named_parameters())
        kernels = {
            name: tensor.detach() / latent_product(axes[name], latents, tensor)
            for name, tensor in parameters.items()
            if tensor.dim() == 4
        }
        embeddings: dict[str, Tensor] = {}
        if form == "paper":
            fan_in = {name: tensor.numel() // _out_channels(generator, name) for name, tensor in kernels.items()}
            kernels, embeddings = _embed(kernels, fan_in, embedding, random or seeded("embedding"))
        ordinary = {name: tensor.detach() for name, tensor in parameters.items() if tensor.dim() != 4}
        return cls(
            axes,
            latents=latents,
            kernels=kernels,
            embeddings=embeddings,
            ordinary=ordinary,
            buffers=dict(generator.named_buffers()),
        )

    @property
    def widths(self) -> dict[str, int]:
        """Channels per group."""
        return {group: latent.numel() for group, latent in self.latents.items()}

    def parameters(self) -> dict[str, nn.Parameter]:
        """Give everything that is learned but the latents, by name."""
        embeddings = {f"embedding:{name}": tensor for name, tensor in self.embeddings.items()}
        return self.kernels | embeddings | self.ordinary

    def weights(self) -> dict[str, Tensor]:
        """Generate a full set of weights, named and shaped like the generator's state dict; differentiable."""
        generated = {
            name: kernel * latent_product(self._axes[name], self.latents, kernel)
            for name, kernel in self._plain_kernels().items()
        }
        return generated | dict(self.ordinary) | self.buffers

    def importance(self) -> dict[str, Tensor]:
        """Give |z| per channel; only ratios inside a group mean something."""
        return {group: latent.detach().abs() for group, latent in self.latents.items()}

    def alive(self) -> dict[str, Tensor]:
        """Give the channels whose latent is not zero."""
        return {group: latent.detach().abs().nonzero().flatten().cpu() for group, latent in self.latents.items()}

    @torch.no_grad()
    def shrink(self, threshold: Mapping[str, float | Tensor]) -> None:
        """Take the proximal step of an l1 penalty on the latents, z <- sign(z) max(|z| - threshold, 0), but for a rest.

        threshold: one number per group, or one per channel, as of a weighted penalty. A latent stops at LEAST_LATENT:
        at zero its channel would be gone, and no gradient could bring it back.
        """
        for group, latent in self.latents.items():
            size = latent.abs()
            shrunk = (size - threshold[group]).maximum(size.clamp_max(LEAST_LATENT))
            latent.copy_(latent.sign() * shrunk)

    def select(self, kept: Kept) -> "Hypernetwork":
        """Give the hypernetwork of the kept channels alone; exact where the others' latents are zero."""
        cut = self.selector(kept)
        return Hypernetwork(
            self._axes,
            latents={group: latent.detach()[kept[group].to(latent.device)] for group, latent in self.latents.items()},
            kernels=cut(_detached(self.kernels)),
            embeddings=cut(_detached(self.embeddings)),
            ordinary=cut(_detached(self.ordinary)),
            buffers=cut(self.buffers),
        )

    def selector(self, kept: Kept) -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]]:
        """Give the function that cuts tensors named like `parameters()`, so that an optimiser's moments can follow."""
        axes = self._axes | {f"embedding:{name}": self._axes[name] for name in self.kernels}
        widths = self.widths
        return lambda tensors: select(tensors, axes, widths, kept)

    def state(self) -> dict[str, Any]:
        """Give copies of all tensors, for a saved state."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "latents": self.latents,
            "kernels": self.kernels,
            "embeddings": self.embeddings,
            "ordinary": self.ordinary,
            "buffers": self.buffers,
        }
        return {part: {name: tensor.detach().clone() for name, tensor in held.items()} for part, held in parts.items()}

    def _plain_kernels(self) -> dict[str, Tensor]:
        if not self.embeddings:
            return dict(self.kernels)
        return {
            name: torch.einsum("abklm,abm->abkl", kernel, self.embeddings[name])
            for name, kernel in self.kernels.items()
        }


def latent_product(dims: tuple[tuple[str, ...], ...], latents: Mapping[str, Tensor], like: Tensor) -> Tensor:
    """Multiply the latents along every dimension of a kernel: (out, in, 1, 1), ones where a dimension is fixed."""
    product = torch.ones((), dtype=like.dtype, device=like.device)
    for dimension, groups in enumerate(dims):
        if groups:
            vector = torch.cat([latents[group] for group in groups]) if len(groups) > 1 else latents[groups[0]]
            product = product * along(vector, dimension, like.dim())
    return product


def _out_channels(generator: Generator, name: str) -> int:
    module = generator.get_submodule(name.removesuffix(".weight"))
    assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    return module.out_channels


def _embed(
    kernels: Mapping[str, Tensor], fan_in: Mapping[str, int], embedding: int, random: torch.Generator
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Solve w2 w1 = K for a random w1 != 0; w2 keeps hyperfan-in noise in the directions that w1 does not see."""
    second, first = {}, {}
    for name, kernel in kernels.items():
        w1 = (torch.rand(*kernel.shape[:2], embedding, generator=random) * 2 - 1).to(kernel) * 3**0.5
        w1 = w1 + torch.where(w1.square().sum(-1, keepdim=True) < 1e-3, 1.0, 0.0)
        noise = (torch.rand(*kernel.shape, embedding, generator=random) * 2 - 1).to(kernel)
        noise = noise * (3.0 / (embedding * fan_in[name])) ** 0.5
        direction = (w1 / w1.square().sum(-1, keepdim=True))[:, :, None, None, :]
        seen = (noise * w1[:, :, None, None, :]).sum(-1, keepdim=True)
        second[name] = noise + (kernel.unsqueeze(-1) - seen) * direction
        first[name] = w1
    return second, first


def _as_gradients_come(kernels: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put plain kernels in the order in memory of their gradients: every pass over both is faster then."""
    return {name: channels_last(kernel) if kernel.dim() == 4 else kernel for name, kernel in kernels.items()}


def _parameters(tensors: Mapping[str, Tensor]) -> dict[str, nn.Parameter]:
    return {name: nn.Parameter(tensor.detach().clone()) for name, tensor in tensors.items()}


def _detached(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in tensors.items()}
