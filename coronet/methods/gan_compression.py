"""GAN Compression, re-implemented from its description (Li et al., CVPR 2020): the fast pipeline.

A supernet of the mobile generator learns from scratch: every step draws a width for each group and plays with the
first channels of every convolution. It learns from the teacher's features through learnable 1x1 maps, from a
discriminator, and from the truth (pairs) or the teacher's images. Evolution then looks for the best widths within the
budget; they are cut out and trained on in the same game.

Departures: fitness is the distance L1 + 0.2 (1 - SSIM) to the truth or the teacher on training images, not FID; the
widths to choose from lie around the budget, whatever it is; what the best widths leave of it is filled by widening all
groups alike; the search is as long as the training allows. A U-Net, which the method never treated, has a U-Net
supernet of the same skeleton.
"""

import math
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coronet.channels import Kept, Widths, keep_all, select
from coronet.datasets import Batch
from coronet.losses import imitation
from coronet.methods import students
from coronet.methods.base import Carry, Job, Method, Phase
from coronet.methods.distilling import Remembering, received, tapped_widths
from coronet.methods.evolution import evolve, sized
from coronet.methods.parts import fine_tune, fresh_student, warm_up
from coronet.networks import Generator, GeneratorConfig, build_hollow
from coronet.objectives import ImagePool, Objective, Translate, Translation, tapped
from coronet.randomness import seeded
from coronet.search import SearchPlan
from coronet.slimming import choose, floor_counts, slim
from coronet.training import Cut, Gradients, Losses, Players, Task, Training

SHARES = (0.25, 0.375, 0.5, 0.75, 1.0)  # of the supernet's width, as published for CycleGAN
ABOVE_BUDGET = 2  # the supernet's width next to that of the uniform net at the budget; published: about 3
DISTILLATION = {True: 1.0, False: 0.01}  # weight of the features by whether the data are paired, as published
JUDGED_BATCHES = 4  # on which a choice of widths is judged
EVALUATIONS_PER_STEP = 0.1  # of the supernet's training; published: about the same


@dataclass(frozen=True, slots=True)
class Space:
    """The supernet and the widths its groups may have, rising."""

    supernet: GeneratorConfig
    rungs: dict[str, tuple[int, ...]]


def space(config: GeneratorConfig, plan: SearchPlan) -> Space:
    """Lay the widths to choose from around the uniform net at the budget; BudgetError where there is none.

    The supernet is no wider than the dense net, unless the budget asks for it.
    """
    even = students.mobile(config, plan)
    least = floor_counts(config.widths, plan.floor)
    supernet, rungs = {}, {}
    for group, width in even.widths.items():
        widest = max(width, min(ABOVE_BUDGET * width, config.widths[group]))
        units = {math.ceil(max(share * widest, least[group]) / plan.multiple_of) for share in SHARES}
        rungs[group] = tuple(sorted({min(widest, count * plan.multiple_of) for count in units}))
        supernet[group] = widest
    return Space(even.with_widths(supernet), rungs)


def phases(job: Job) -> list[Phase]:
    """Give the phases: warm up fresh players, train the supernet, evolve and fine-tune."""
    choice = space(job.generator.config, job.plan)
    objective = Distillation(job.objective, job.generator.config, choice.supernet, job.seed)

    def train(carry: Carry) -> Training:
        task = SupernetTask(fresh_student(job, choice.supernet), choice.rungs, objective)
        return job.training(task, "search", job.lengths.search, job.search_learning_rate, carry, decay=True)

    search = Phase("search", job.lengths.search, train, _after_search)
    return [warm_up(job), search, fine_tune(job, partial(evolved, job, choice), objective=objective)]


METHOD = Method(
    "GAN Compression, re-implemented",
    phases,
    searches=True,
    search_share=0.6,
    student=students.mobile,
    teacher="frozen",
)


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


class ChannelMaps(nn.Module):
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
        maps = ChannelMaps(tapped_widths(student), tapped_widths(dense), seeded(seed, "maps"))
        device = next(game.teacher.generator.parameters()).device
        super().__init__(game.weights, game.teacher, game.networks | {"maps": maps.to(device)})
        self._game = copy(game)
        self._game.teacher = None
        self._everything = keep_all(dense.widths)
        self._layers = maps.layers

    def pools(self) -> dict[str, ImagePool]:
        """Those of the game."""
        return self._game.pools()

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
        terms = [F.mse_loss(features, target[layer]) for layer, features in mapped.items()]
        losses = {"distillation": DISTILLATION[batch.paired] * torch.stack(terms).sum()}
        if not batch.paired and self.weights.imitation:
            losses["reconstruction"] = self.weights.imitation * F.l1_loss(translation.images, wanted.images)
        return losses


def evolved(job: Job, choice: Space, carry: Carry) -> Carry:
    """Look for the best widths within the budget and cut them out of the supernet."""
    supernet, plan = carry.student, job.plan
    assert supernet is not None
    cost = students.student_cost(choice.supernet, job.generator.config, plan)
    judged = [_wanted(job, job.lengths.search + index) for index in range(JUDGED_BATCHES)]
    best = evolve(
        choice.rungs,
        lambda widths: cost.at(widths) <= cost.total / plan.ratio,
        lambda widths: distance(supernet, widths, judged),
        sized(EVALUATIONS_PER_STEP * job.lengths.search),
        seeded(job.seed, "evolution"),
    )
    wider = {group: best[group] / torch.arange(1, width + 1) for group, width in choice.supernet.widths.items()}
    kept = choose(wider, cost, plan.ratio, floor=best, multiple_of=plan.multiple_of)
    return replace(carry, kept={}, student=slim(supernet, supernet.state_dict(), kept))


@torch.no_grad()
def distance(supernet: Generator, widths: Widths, judged: list[tuple[Tensor, Tensor]]) -> float:
    """Give the mean distance of a sub-net's translations to the images wanted, with the statistics of each batch."""
    skeleton, weights = sliced(supernet, widths)
    for module in skeleton.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    distances = [imitation(torch.func.functional_call(skeleton, weights, images), wanted) for images, wanted in judged]
    return float(torch.stack(distances).mean())


def _wanted(job: Job, step: int) -> tuple[Tensor, Tensor]:
    """Give training images and what they should become: the truth, or else the teacher's translation."""
    batch = job.batch_at(step)
    if batch.paired and batch.target is not None:
        return batch.source, batch.target
    assert job.objective.teacher is not None
    return batch.source, job.objective.teacher.translate(batch.source, {}).images


def _after_search(training: Training) -> Carry:
    task = training.task
    assert isinstance(task, SupernetTask)
    others = {player: kept for player, kept in training.optimisers.items() if player != "generator"}
    return Carry(kept={}, student=task.supernet, optimisers=others)
