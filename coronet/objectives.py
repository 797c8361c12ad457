"""The games a generator is trained in: Pix2Pix's on pairs, CycleGAN's on unpaired images, each with or without teacher.

An objective holds the other players (discriminators, backward generator) and knows the order of the moves. It sees
the generator only as a function from images to a Translation, so dense, slim and generated weights train alike.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coronet.channels import Kept
from coronet.datasets import Batch
from coronet.losses import GanMode, feature_imitation, imitation, judged_real, softened, told_apart
from coronet.networks import Generator
from coronet.networks.layers import channels_last
from coronet.training import Losses, Players


@dataclass(frozen=True, slots=True)
class Translation:
    """A generator's images (N, C, H, W) in [-1, 1] and the features of its tapped layers."""

    images: Tensor
    features: dict[str, Tensor]


Translate = Callable[[Tensor], Translation]


@dataclass(frozen=True, slots=True)
class LossWeights:
    """What every term counts; 0 leaves it out. `identity` is relative to `cycle`, as published.

    soften, soften_judges: pixels by which CycleGAN's fakes are blurred before their cycle closes, and all images before
    they are judged. Generators hide the way back in dots (Chu et al. 2017, "CycleGAN, a master of steganography"), and
    discriminators ask for dots of the size of their strides: a blur leaves neither a place.
    """

    gan_mode: GanMode = "lsgan"
    gan: float = 1.0
    reconstruction: float = 100.0
    cycle: float = 10.0
    identity: float = 0.5
    imitation: float = 10.0
    features: float = 1.0
    soften: float = 0.0
    soften_judges: float = 0.0


class Teacher:
    """The frozen dense generator: images and features to imitate."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator.eval().requires_grad_(False)

    @torch.no_grad()
    def translate(self, images: Tensor, kept: Kept) -> Translation:
        """Translate; the features hold only the channels that the student still has, none where it has other ones."""
        translation = tapped(self.generator, images)
        groups = self.generator.feature_layers()
        cut = {
            layer: channels_last(features[:, kept[groups[layer]].to(features.device)])
            for layer, features in translation.features.items()
            if groups[layer] in kept
        }
        return Translation(translation.images, cut)


class ImagePool:
    """The last fakes; a discriminator is shown, half of the time, an old one instead of the new (Shrivastava 2017)."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def exchange(self, images: Tensor, random: torch.Generator) -> Tensor:
        """Give the images (N, C, H, W) to show and remember new ones."""
        shown = [self._exchange_one(image, random) for image in images] if self.size else list(images)
        return torch.stack(shown)

    def _exchange_one(self, image: Tensor, random: torch.Generator) -> Tensor:
        if len(self.images) < self.size:
            self.images.append(image.clone())
            return image
        keep_new, place = torch.randint(2, (), generator=random), torch.randint(self.size, (), generator=random)
        if keep_new:
            return image
        old, self.images[int(place)] = self.images[int(place)], image.clone()
        return old.to(image.device)  # a state is loaded on the CPU


class Objective(ABC):
    """The other players of the game and the order of the moves."""

    def __init__(self, weights: LossWeights, teacher: Teacher | None, networks: Mapping[str, nn.Module]) -> None:
        self.weights = weights
        self.teacher = teacher
        self.networks = dict(networks)

    @abstractmethod
    def play(
        self, translate: Translate, kept: Kept, batch: Batch, random: torch.Generator
    ) -> Iterator[tuple[Players, Losses]]:
        """Yield the moves of one step; the generator is the player "generator"."""

    @abstractmethod
    def pools(self) -> dict[str, ImagePool]:
        """Give the image pools, by name."""

    @property
    def imitates(self) -> bool:
        """Whether the generator is told what the teacher makes, so that it can learn without discriminators."""
        return self.teacher is not None and bool(self.weights.imitation or self.weights.features)

    def judges(self) -> tuple[str, ...]:
        """Name the players that are discriminators."""
        return tuple(player for player in self.networks if player.startswith("discriminator"))

    def unjudged(self) -> "Objective":
        """Give the same game without its discriminators: nobody hears what they say, and they learn nothing."""
        quiet = copy(self)
        quiet.networks = {player: network for player, network in self.networks.items() if player not in self.judges()}
        return quiet

    def parameters(self) -> dict[str, dict[str, nn.Parameter]]:
        """Give what the other players learn."""
        return {player: dict(network.named_parameters()) for player, network in self.networks.items()}

    def state(self) -> dict[str, Any]:
        """Give everything that changes."""
        return {
            "networks": {player: network.state_dict() for player, network in self.networks.items()},
            "pools": {name: pool.images for name, pool in self.pools().items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        for player, network in self.networks.items():
            network.load_state_dict(state["networks"][player])
        for name, pool in self.pools().items():
            pool.images = list(state["pools"][name])

    def imitate(self, translation: Translation, batch: Batch, kept: Kept) -> Losses:
        """Give the distances to the teacher's images and features, where there is a teacher."""
        if self.teacher is None or not self.imitates:
            return {}
        wanted = self.teacher.translate(batch.source, kept)
        losses = {}
        if self.weights.imitation:
            losses["imitation"] = self.weights.imitation * imitation(translation.images, wanted.images)
        if self.weights.features and wanted.features:
            losses["features"] = self.weights.features * feature_imitation(translation.features, wanted.features)
        return losses


class PairedObjective(Objective):
    """Pix2Pix: the discriminator judges (source, image) pairs and moves first; L1 to the target (Isola et al. 2017)."""

    def pools(self) -> dict[str, ImagePool]:
        """Pix2Pix keeps none."""
        return {}

    def play(
        self, translate: Translate, kept: Kept, batch: Batch, random: torch.Generator
    ) -> Iterator[tuple[Players, Losses]]:
        """Yield the discriminator's move, then the generator's."""
        assert batch.target is not None
        weights, judge = self.weights, self.networks.get("discriminator")
        translation = translate(batch.source)
        if judge is not None:
            real = judge(torch.cat([batch.source, batch.target], dim=1))
            fake = judge(torch.cat([batch.source, translation.images.detach()], dim=1))
            yield ("discriminator",), {"discriminator": told_apart(real, fake, weights.gan_mode)}
        losses = {}
        if weights.reconstruction:
            losses["L1"] = weights.reconstruction * F.l1_loss(translation.images, batch.target)
        if judge is not None and weights.gan:
            logits = judge(torch.cat([batch.source, translation.images], dim=1))
            losses["adversarial"] = weights.gan * judged_real(logits, weights.gan_mode)
        yield ("generator",), losses | self.imitate(translation, batch, kept)


class UnpairedObjective(Objective):
    """CycleGAN (Zhu et al. 2017): with a backward generator both cycles and identities, without one direction alone.

    networks: any of discriminator (judges the target domain), backward, discriminator_backward. With none of them the
    student imitates its teacher only.
    """

    def __init__(
        self, weights: LossWeights, teacher: Teacher | None, networks: Mapping[str, nn.Module], pool_size: int
    ) -> None:
        super().__init__(weights, teacher, networks)
        self._pools = {player: ImagePool(pool_size) for player in self.judges()}

    def pools(self) -> dict[str, ImagePool]:
        """One per discriminator."""
        return self._pools

    def play(
        self, translate: Translate, kept: Kept, batch: Batch, random: torch.Generator
    ) -> Iterator[tuple[Players, Losses]]:
        """Yield the move of both generators, then the discriminators'."""
        translation = translate(batch.source)
        losses = self._adversarial("discriminator", translation.images) | self.imitate(translation, batch, kept)
        fakes = {"discriminator": (translation.images, batch.target)}
        if "backward" in self.networks and batch.target is not None:
            backward_images = self.networks["backward"](batch.target)
            losses |= self._adversarial("discriminator_backward", backward_images)
            losses |= self._cycles(translate, batch.source, batch.target, translation.images, backward_images)
            fakes["discriminator_backward"] = (backward_images, batch.source)
        yield ("generator", "backward"), losses
        for player, (images, real) in fakes.items():
            if player in self.networks and real is not None:
                shown = self._pools[player].exchange(images.detach(), random)
                yield (
                    (player,),
                    {
                        player: told_apart(
                            self._judged(player, real), self._judged(player, shown), self.weights.gan_mode
                        )
                    },
                )

    def _adversarial(self, player: str, images: Tensor) -> Losses:
        if player not in self.networks or not self.weights.gan:
            return {}
        name = player.replace("discriminator", "adversarial")
        return {name: self.weights.gan * judged_real(self._judged(player, images), self.weights.gan_mode)}

    def _judged(self, player: str, images: Tensor) -> Tensor:
        logits: Tensor = self.networks[player](softened(images, self.weights.soften_judges))
        return logits

    def _cycles(
        self, translate: Translate, source: Tensor, target: Tensor, forward_images: Tensor, backward_images: Tensor
    ) -> Losses:
        backward, weights = self.networks["backward"], self.weights
        if not weights.cycle:
            return {}
        there, back = (softened(images, weights.soften) for images in (forward_images, backward_images))
        losses = {
            "cycle": weights.cycle * F.l1_loss(backward(there), source),
            "cycle_backward": weights.cycle * F.l1_loss(translate(back).images, target),
        }
        if weights.identity:
            scale = weights.cycle * weights.identity
            losses["identity"] = scale * F.l1_loss(translate(target).images, target)
            losses["identity_backward"] = scale * F.l1_loss(backward(source), source)
        return losses


def tapped(generator: Generator, images: Tensor, weights: Mapping[str, Tensor] | None = None) -> Translation:
    """Translate images, with other weights if given, and note the outputs of the layers a student may imitate."""
    features: dict[str, Tensor] = {}

    def note(layer: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, inputs, output: features.__setitem__(layer, output)

    hooks = [generator.get_submodule(layer).register_forward_hook(note(layer)) for layer in generator.feature_layers()]
    try:
        output = generator(images) if weights is None else torch.func.functional_call(generator, dict(weights), images)
    finally:
        for hook in hooks:
            hook.remove()
    return Translation(output, features)
