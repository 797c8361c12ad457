"""What GAN Compression trains (Li et al., CVPR 2020): a supernet, sub-nets of its first channels, and their game.

Which widths there are to draw, and which are best, is the business of `gan_compression`.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coronet.channels import Kept, Widths, keep_all, select
from coronet.datasets import Batch
from coronet.losses import mean_square
from coronet.methods.distilling import Remembering, received, tapped_widths
from coronet.networks import Generator, GeneratorConfig, build_hollow
from coronet.objectives import ImagePool, Objective, Translate, Translation, tapped
from coronet.randomness import seeded
from coronet.slimming import slim
from coronet.training import Cut, Gradients, Losses, Players, Task

DISTILLATION = {True: 1.0, False: 0.01}  # weight of the features by whether the data are paired, as published


def sliced(supernet: Generator, widths: Widths) -> tuple[Generator, dict[str, Tensor]]:
    """Give a skeleton of these widths and the supernet's first channels for it, through which gradients flow back."""
    tensors = dict(supernet.named_parameters()) | dict(supernet.named_buffers())
    weights = select(tensors, supernet.axes(), supernet.config.widths, keep_all(widths))
    return build_hollow(supernet.config.with_widths(widths)), weights


class SupernetTask(Task):
    """Train a supernet: every step plays with the first channels of widths that it draws."""

    def __init__(self, supernet: Generator, rungs: Mapping[str, tuple[int, ...]], objective: Objective) -> None:
        self.supernet = supernet.train()
        self.rungs = dict(rungs)
        self.objective = objective
        self._statistics: dict[str, Tensor] = {}  # of the norms that played

    def parameters(self) -> dict[str, dict[str, nn.Parameter]]:
        """The supernet and the other players."""
        return {"generator": dict(self.supernet.named_parameters())} | self.objective.parameters()

    def watched(self) -> dict[str, dict[str, nn.Parameter]]:
        """Nothing."""
        return {}

    def play(self, batch: Batch, random: torch.Generator) -> Iterator[tuple[Players, Losses]]:
        """Draw widths and play the objective's game with them."""
        widths = {
            group: rungs[int(torch.randint(len(rungs), (), generator=random))] for group, rungs in self.rungs.items()
        }
        skeleton, weights = sliced(self.supernet, widths)
        yield from self.objective.play(lambda images: tapped(skeleton, images, weights), {}, batch, random)
        buffers = dict(self.supernet.named_buffers())
        self._statistics = {name: weights[name] for name in buffers}

    @torch.no_grad()
    def after_step(self, gradients: Gradients, progress: float) -> dict[str, Cut]:
        """Hand the running statistics of the channels that played back to the supernet."""
        for name, buffer in self.supernet.named_buffers():
            played = self._statistics[name]
            (buffer[: len(played)] if played.dim() else buffer).copy_(played)  # a counter has no channels
        return {}

    def current(self) -> Generator:
        """Give the middle of the space: half of the supernet's widths."""
        middle = {group: rungs[len(rungs) // 2] for group, rungs in self.rungs.items()}
        return slim(self.supernet, self.supernet.state_dict(), keep_all(middle))

    def end_early(self) -> None:
        """Nothing: the widths are chosen after the training, however long it was."""

    def describe(self) -> tuple[float | None, dict[str, int] | None]:
        """The supernet has no widths of its own."""
        return None, None

    def state(self) -> dict[str, Any]:
        """The supernet and the other players."""
        return {"generator": dict(self.supernet.state_dict()), "objective": self.objective.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.supernet.load_state_dict(state["generator"])
        self.objective.load_state(state["objective"])


class FeatureMaps(nn.Module):
    """A learnable 1x1 convolution per tapped layer, from a student's channels to the teacher's."""

    def __init__(self, student: Mapping[str, int], teacher: Mapping[str, int], random: torch.Generator) -> None:
        super().__init__()
        self.layers = tuple(teacher)
        self.weights = nn.ParameterList(
            torch.randn(teacher[layer], student[layer], 1, 1, generator=random) / student[layer] ** 0.5
            for layer in self.layers
        )

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Map (N, k, H, W) of every layer by the map's first k columns."""
        return {
            layer: F.conv2d(features[layer], weight[:, : features[layer].shape[1]])
            for layer, weight in zip(self.layers, self.weights, strict=True)
        }


class Distillation(Objective):
    """A game in which the generator is also given the teacher's features and, without pairs, its images."""

    def __init__(self, game: Objective, dense: GeneratorConfig, student: GeneratorConfig, seed: int) -> None:
        """Take a game with a frozen teacher; its own terms of imitation are left out."""
        assert game.teacher is not None
        maps = FeatureMaps(tapped_widths(student), tapped_widths(dense), seeded(seed, "maps"))
        device = next(game.teacher.generator.parameters()).device
        super().__init__(game.weights, game.teacher, game.networks | {"maps": maps.to(device)})
        self._game = copy(game)
        self._game.teacher = None
        self._everything = keep_all(dense.widths)
        self._layers = maps.layers

    def pools(self) -> dict[str, ImagePool]:
        """Those of the game."""
        return self._game.pools()

    @property
    def imitates(self) -> bool:
        """Always: the maps do."""
        return True

    def unjudged(self) -> "Distillation":
        """Give the same game without its discriminators."""
        quiet = copy(self)
        quiet._game = self._game.unjudged()
        quiet.networks = quiet._game.networks | {"maps": self.networks["maps"]}
        return quiet

    def play(
        self, translate: Translate, kept: Kept, batch: Batch, random: torch.Generator
    ) -> Iterator[tuple[Players, Losses]]:
        """Yield the game's moves; the maps move with the generator."""
        remembering = Remembering(translate, batch.source)
        for players, losses in self._game.play(remembering, {}, batch, random):
            if "generator" in players:
                yield (*players, "maps"), losses | self._taught(remembering.translation, batch)
            else:
                yield players, losses

    def _taught(self, translation: Translation, batch: Batch) -> Losses:
        assert self.teacher is not None
        wanted = self.teacher.translate(batch.source, self._everything)
        target = received(wanted, self._layers)
        mapped: dict[str, Tensor] = self.networks["maps"](received(translation, self._layers))
        terms = [mean_square(features, target[layer]) for layer, features in mapped.items()]
        losses = {"distillation": DISTILLATION[batch.paired] * torch.stack(terms).sum()}
        if not batch.paired and self.weights.imitation:
            losses["reconstruction"] = self.weights.imitation * F.l1_loss(translation.images, wanted.images)
        return losses
