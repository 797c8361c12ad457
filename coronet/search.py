"""The search: latents are driven to zero along a budget plan while the generator learns, and dead channels leave it.

What every channel changes in the output is measured all along and ranks them; no lambda is tuned.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coronet.channels import compose, keep_all, kept_widths
from coronet.cost import Budget, CostModel
from coronet.datasets import Batch
from coronet.hypernetwork import Hypernetwork
from coronet.importance import Importance, per_cost, squared_change
from coronet.networks import Generator, GeneratorConfig, build_hollow
from coronet.objectives import Objective, tapped
from coronet.slimming import check_ratio, choose, least_widths
from coronet.training import Cut, Gradients, Losses, Players, Task

NOTICE = 5  # events over which a channel fades before it is removed
MEASURED_EVERY = 4  # steps; a whole number of times in a round (`methods.base.ROUND`), by which time is told
LIVE_RATE = 0.1  # of the moving average of the importance, per measurement
FLOOR = 0.75  # of an even cut, below which no ranking of any method may go unless another floor is asked for
LAST_CUT = 1.1  # times the final cost: of fewer channels no choice came within 1 % of 16x and 30x


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """Where the search goes: the final ratio, what it counts, and how latents move.

    multiple_of: the final widths are multiples of this. floor: share of an even cut below which no group falls, None:
    `FLOOR`; a ranking across groups starves some, and published methods without one let it. latent_rate: step of a
    latent per unit of its group's mean. events: how often channels go.
    """

    ratio: float
    budget: Budget = "macs"
    multiple_of: int = 1
    floor: float | None = None
    latent_rate: float = 0.005
    events: int = 50

    def __post_init__(self) -> None:
        """Raise BudgetError where the ratio is none."""
        check_ratio(self.ratio)

    def floors(self, config: GeneratorConfig, *, power: float = 1.0) -> dict[str, int]:
        """Give the channels that every group keeps at least, in whole units; power: of the cut (`least_widths`)."""
        share = FLOOR if self.floor is None else self.floor
        least = least_widths(CostModel(config, None, self.budget), config.widths, self.ratio, share, power=power)
        return {group: max(1, count // self.multiple_of * self.multiple_of) for group, count in least.items()}

    def ratio_at(self, progress: float) -> float:
        """Give the ratio to reach at `progress` in 0..1: the share of the cost falls as (1 - t)^3, flat at the end.

        The last percents go at once: only among many channels is there a choice that comes near the ratio.
        """
        share = 1.0 / self.ratio
        wanted = share + (1.0 - share) * (1.0 - progress) ** 3
        return self.ratio if wanted <= share * LAST_CUT else 1.0 / wanted


class SearchTask(Task):
    """Drive latents to zero along the plan; channels whose latent is zero are removed at once, so steps get cheaper."""

    def __init__(
        self,
        config: GeneratorConfig,
        hypernetwork: Hypernetwork,
        objective: Objective,
        plan: SearchPlan,
        importance: Importance,
    ) -> None:
        """Take a hypernetwork of the dense net and what every channel changes in its output, which will be followed."""
        self.dense = config
        self.hypernetwork = hypernetwork
        self.objective = objective
        self.plan = plan
        self.kept: dict[str, Tensor] = keep_all(config.widths)  # of the dense net
        self._floors = plan.floors(config)
        self._cost = CostModel(config, None, plan.budget)  # of the dense net, at any widths
        self._events = 0  # so far
        self._plays = 0  # so far
        self._live = {group: scores.double().clone() for group, scores in importance.items()}
        self.skeleton = build_hollow(config)

    def parameters(self) -> dict[str, dict[str, nn.Parameter]]:
        """Kernels and ordinary tensors, and the other players."""
        return {"generator": self.hypernetwork.parameters()} | self.objective.parameters()

    def watched(self) -> dict[str, dict[str, nn.Parameter]]:
        """The latents."""
        return {"generator": dict(self.hypernetwork.latents)}

    def play(self, batch: Batch, random: torch.Generator) -> Iterator[tuple[Players, Losses]]:
        """Play the objective's game with generated weights; with a teacher to imitate, without discriminators.

        They would take most of the time of a step, and judge a net that will not be.
        """
        weights = self.hypernetwork.weights()
        if self._plays % MEASURED_EVERY == 0:
            self._measure(weights, batch.source[:1], random)
        self._plays += 1
        game = self.objective.unjudged() if self.objective.imitates else self.objective
        yield from game.play(lambda images: tapped(self.skeleton, images, weights), self.kept, batch, random)

    @torch.no_grad()
    def after_step(self, gradients: Gradients, progress: float) -> dict[str, Cut]:
        """Move the latents against their gradient; at an event of the plan shrink them and remove what is dead."""
        self._move_latents(gradients["generator"])
        event = int(progress * self.plan.events + 1e-9)
        if event <= self._events:
            return {}
        self._events = event
        kept = self._chosen(progress)
        self._fade(self._chosen(min(1.0, progress + NOTICE / self.plan.events)))
        return self.remove(kept)

    def _chosen(self, progress: float) -> dict[str, Tensor]:
        ratio = self.plan.ratio_at(progress)
        # Not by bisection alone: what an event removes beyond the plan never returns, and the last one would end below
        # the ratio (by 2 % at ngf 16). Whole units from the start, or the widths could not end as multiples.
        return choose(self._importance(), self._cost, ratio, floor=self._floors, multiple_of=self.plan.multiple_of)

    @torch.no_grad()
    def remove(self, kept: dict[str, Tensor]) -> dict[str, Cut]:
        """Take the channels that are not kept out of every tensor: the same as latents of zero, but cheaper."""
        widths = self.hypernetwork.widths
        if kept_widths(kept) == widths:
            return {}
        follow = self.hypernetwork.selector(kept)
        self.hypernetwork = self.hypernetwork.select(kept)
        self.kept = compose(self.kept, kept)
        self._live = {group: scores[kept[group]] for group, scores in self._live.items()}
        self.skeleton = build_hollow(self.dense.with_widths(self.hypernetwork.widths))
        return {"generator": follow}

    def _fade(self, later: Mapping[str, Tensor]) -> None:
        """Take a step of the proximal operator on the channels that the plan removes soon, and on no other.

        A threshold for all channels of a group would push the group's survivors towards zero, too: one group starves.
        """
        sizes = self.hypernetwork.importance()
        steps = {group: torch.full_like(size, float(size.mean()) / NOTICE) for group, size in sizes.items()}
        self.hypernetwork.shrink({group: _but(later[group], steps[group]) for group in sizes})

    def _measure(self, weights: Mapping[str, Tensor], image: Tensor, random: torch.Generator) -> None:
        """Follow what every channel changes in the output."""
        self.skeleton.eval()
        for group, change in squared_change(self.skeleton, weights, image, random).items():
            self._live[group].lerp_(change.to(self._live[group]), LIVE_RATE)
        self.skeleton.train()

    def _importance(self) -> dict[str, Tensor]:
        return per_cost(self._live, self._cost, self.hypernetwork.widths)

    def _move_latents(self, gradients: Mapping[str, Tensor]) -> None:
        for group, latent in self.hypernetwork.latents.items():
            gradient = gradients.get(group)
            if gradient is None or not self.plan.latent_rate:
                continue
            step = self.plan.latent_rate * latent.mean() * gradient / gradient.square().mean().sqrt().clamp_min(1e-30)
            latent.sub_(step).clamp_min_(1e-3 * float(latent.mean()))

    def current(self) -> Generator:
        """Give the slim generator as a plain module that knows nothing of latents."""
        student = build_hollow(self.dense.with_widths(self.hypernetwork.widths))
        plain = {"memory_format": torch.contiguous_format}
        weights = {name: tensor.detach().clone(**plain) for name, tensor in self.hypernetwork.weights().items()}
        student.load_state_dict(weights, assign=True)
        return student

    def end_early(self) -> None:
        """Cut the net to the ratio at once."""
        self.remove(self._chosen(1.0))

    def describe(self) -> tuple[float | None, dict[str, int] | None]:
        """Give the ratio reached and the widths."""
        widths = self.hypernetwork.widths
        return self._cost.total / self._cost.at(widths), widths

    def state(self) -> dict[str, Any]:
        """Hypernetwork, kept channels, progress and the other players."""
        return {
            "hypernetwork": self.hypernetwork.state(),
            "kept": self.kept,
            "events": self._events,
            "plays": self._plays,
            "live": {group: scores.clone() for group, scores in self._live.items()},
            "objective": self.objective.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.kept = dict(state["kept"])
        self._events = state["events"]
        self._plays = state["plays"]
        self._live = {group: scores.clone() for group, scores in state["live"].items()}
        device = next(iter(self.hypernetwork.latents.values())).device
        tensors = {
            part: {name: tensor.to(device) for name, tensor in named.items()}
            for part, named in state["hypernetwork"].items()
        }
        self.hypernetwork = Hypernetwork(self.skeleton.axes(), **tensors)
        self.skeleton = build_hollow(self.dense.with_widths(self.hypernetwork.widths))
        self.objective.load_state(state["objective"])


def _but(kept: Tensor, sizes: Tensor) -> Tensor:
    """Give the sizes, zero for the kept channels: the threshold that touches only the others."""
    threshold = sizes.clone()
    threshold[kept.to(sizes.device)] = 0.0
    return threshold
