"""Simple pruning: rank the channels once, cut once, fine-tune. What any search must beat in the same time.

taylor ranks by the change of the output per MAC (Molchanov et al. 2017); the magnitude methods by the L1 norm of the
filters that make a channel (Li et al. 2017), over the whole net or with the same share of every layer. Departure: no
group falls below most of what an even cut leaves it (`SearchPlan.floors`).
"""

from collections.abc import Callable
from dataclasses import replace

from coronet.cost import CostModel
from coronet.importance import Importance, per_cost, producer_norm, within_group
from coronet.methods.base import Carry, Job, Method, Phase
from coronet.methods.parts import fine_tune, warm_up
from coronet.slimming import choose, slim

Ranking = Callable[[Job, CostModel], Importance]


def _by_taylor(job: Job, cost: CostModel) -> Importance:
    return per_cost(job.importance(), cost, job.generator.config.widths)


def _by_magnitude(job: Job, cost: CostModel) -> Importance:
    return producer_norm(job.generator)


def _evenly(job: Job, cost: CostModel) -> Importance:
    return within_group(producer_norm(job.generator))


def _method(title: str, ranking: Ranking, *, measures: bool = False) -> Method:
    def phases(job: Job) -> list[Phase]:
        def cut(carry: Carry) -> Carry:
            plan, generator = job.plan, job.generator
            cost = CostModel(generator.config, None, plan.budget)
            importance = ranking(job, cost)
            kept = choose(
                importance, cost, plan.ratio, floor=plan.floors(generator.config), multiple_of=plan.multiple_of
            )
            return replace(carry, kept=kept, student=slim(generator, generator.state_dict(), kept))

        return [warm_up(job), fine_tune(job, cut)]

    return Method(title, phases, measures=measures)


TAYLOR = _method("One-shot Taylor", _by_taylor, measures=True)
MAGNITUDE = _method("Magnitude, global", _by_magnitude)
MAGNITUDE_UNIFORM = _method("Magnitude, uniform", _evenly)
