"""GAN Compression, re-implemented from its description (Li et al., CVPR 2020): the fast pipeline.

A supernet of the mobile generator learns from scratch: every step draws a width for each group and plays with the
first channels of every convolution. It learns from the teacher's features through learnable 1x1 maps, from a
discriminator, and from the truth (pairs) or the teacher's images. Evolution then looks for the best widths within the
budget; they are cut out and trained on in the same game.

Departures: fitness is the distance L1 + 0.2 (1 - SSIM) to the truth or the teacher, not FID, and on training images
drawn apart from those of every phase, where the recipe holds images out; the widths to choose from lie around the
budget, whatever it is; every block has its own width, where the recipe ties three, and mutation is always as likely as
for CycleGAN; the game's adversarial loss is the run's (`gan_mode`), not hinge on pairs, counts a tenth beside a teacher
and is played in every fourth step of fine-tuning, as for every method here (published: in full, always); unpaired fakes
go through the run's image pool (published: none); what the best widths leave of
it is filled by widening all groups alike; the search is as long as the training allows; supernet and student learn at
the run's rate (published: 2e-4), which is better in minutes (`assets/levers.md`). A U-Net, which the method
never treated, has a U-Net supernet of the same skeleton.
"""

import math
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from coronet.channels import Widths
from coronet.losses import imitation
from coronet.methods import students
from coronet.methods.base import Carry, Job, Method, Phase
from coronet.methods.evolution import evolve, sized
from coronet.methods.parts import fine_tune, fresh_student, warm_up
from coronet.methods.supernet import Distillation, SupernetTask, sliced
from coronet.networks import Generator, GeneratorConfig
from coronet.randomness import seeded
from coronet.search import SearchPlan
from coronet.slimming import choose, slim
from coronet.training import Training

SHARES = (0.25, 0.375, 0.5, 0.75, 1.0)  # of the supernet's width, as published for CycleGAN
ABOVE_BUDGET = 2  # the supernet's width next to that of the uniform net at the budget; published: about 3
JUDGED_BATCHES = 4  # on which a choice of widths is judged
JUDGED_FROM = 10**9  # the first of them: no phase has so many steps
EVALUATIONS_PER_STEP = 0.3  # of the supernet's training, which takes a sixth longer for it; published: 0.1


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
    least = plan.floors(config)
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
        return job.training(task, "search", job.lengths.search, job.learning_rate, carry, decay=True)

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


def evolved(job: Job, choice: Space, carry: Carry) -> Carry:
    """Look for the best widths within the budget and cut them out of the supernet."""
    supernet, plan = carry.student, job.plan
    assert supernet is not None
    cost = students.student_cost(choice.supernet, job.generator.config, plan)
    judged = [_wanted(job, JUDGED_FROM + index) for index in range(JUDGED_BATCHES)]
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
