"""The narrow net: the same architecture with evenly fewer channels, trained from scratch."""

from dataclasses import replace

from coronet.channels import kept_widths
from coronet.cost import CostModel
from coronet.importance import producer_norm, within_group
from coronet.methods.base import Carry, Job, Method, Phase
from coronet.methods.parts import fine_tune, warm_up
from coronet.networks import build, initialise
from coronet.randomness import seeded
from coronet.slimming import choose


def phases(job: Job) -> list[Phase]:
    """Give the phases: warm up fresh players, train."""

    def begin(carry: Carry) -> Carry:
        plan, generator = job.plan, job.generator
        cost = CostModel(generator.config, None, plan.budget)
        even = within_group(producer_norm(generator))
        widths = kept_widths(choose(even, cost, plan.ratio, floor=plan.floor, multiple_of=plan.multiple_of))
        student = build(generator.config.with_widths(widths)).to(next(generator.parameters()).device)
        initialise(student, seeded(job.seed, "narrow"))
        return replace(carry, kept={}, student=student)  # no channel of it is one of the dense net's

    return [warm_up(job), fine_tune(job, begin)]


METHOD = Method("Narrow, from scratch", phases)
