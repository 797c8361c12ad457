"""From importance and a budget to the kept channels, and from kept channels to a plain, smaller generator."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coronet.channels import Kept, kept_widths, select
from coronet.cost import CostModel, Vector
from coronet.errors import BudgetError
from coronet.networks import Generator, build_hollow

NO_FLOOR: Mapping[str, int] = MappingProxyType({})
TOLERANCE = 0.005  # the fill stops once this share of the budget is left
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class _Units:
    """Every removable unit (`multiple_of` channels of one group), best first; within a group never out of order."""

    group: NDArray[np.int64]  # (units,) column of the group
    size: NDArray[np.int64]  # (units,) channels
    least: Vector  # (groups,) channels that always stay
    order: dict[str, Tensor]  # group -> channels, best first


def choose(
    importance: Mapping[str, Tensor],
    cost: CostModel,
    ratio: float,
    *,
    floor: Mapping[str, int] = NO_FLOOR,
    multiple_of: int = 1,
) -> dict[str, Tensor]:
    """Choose the channels that stay so that the cost is at most `cost.total / ratio` and as near to it as can be.

    importance: one score per channel and group, comparable across groups; the best stay.
    floor: channels of a group that always stay, 1 where none are named; multiple_of: size of a removable unit.
    Bisection over one global ranking, then the best channels that still fit are added back.
    The importance may be that of a net cut already; the ratio still counts from the net that `cost` describes.
    Raises BudgetError when even the floors cost more than the budget.
    """
    units = _rank(importance, cost, floor, multiple_of)
    target = _target(units, cost, ratio)
    return _kept(units, cost, _fill(units, cost, target, _bisect(units, cost, target)))


def least_widths(
    cost: CostModel, widths: Mapping[str, int], ratio: float, share: float, *, power: float = 1.0
) -> dict[str, int]:
    """Give `share` of the channels that a cut by rule at this ratio leaves of every group: what each should keep.

    A ranking across groups starves some: seen from the dense net, what is left of a group makes up for the rest.
    power: of the dense width; what is left goes with it. 1 cuts evenly, below it narrow groups keep more of theirs.
    """
    full = cost.vector(widths)
    shape = full.max() * (full / full.max()) ** power
    low, high = 0.0, 1.0

    def cut(factor: float) -> Vector:
        return np.clip(factor * shape, 1.0, full)  # a group of few channels may have no less than one

    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if cost.at(cut(middle)) <= cost.total / ratio else (low, middle)
    return {group: max(1, int(share * count)) for group, count in zip(cost.groups, cut(low), strict=True)}


def largest_ratio(
    importance: Mapping[str, Tensor], cost: CostModel, *, floor: Mapping[str, int] = NO_FLOOR, multiple_of: int = 1
) -> float:
    """Give the ratio at which every group is down to its floor."""
    return cost.total / cost.at(_rank(importance, cost, floor, multiple_of).least)


@torch.no_grad()
def slim(generator: Generator, weights: Mapping[str, Tensor], kept: Kept) -> Generator:
    """Build a new generator that holds only the kept channels of `weights` (names of `generator.state_dict()`)."""
    config = generator.config.with_widths(kept_widths(kept))
    smaller = build_hollow(config)
    tensors = select(weights, generator.axes(), generator.config.widths, kept)
    smaller.load_state_dict(tensors, assign=True)
    return smaller.train(generator.training)


def check_ratio(ratio: float) -> None:
    """Raise BudgetError unless it is at least 1."""
    if not ratio >= 1:
        raise BudgetError(f"The compression ratio is {ratio:g}, but must be at least 1. Choose 1 or more.")


def _target(units: _Units, cost: CostModel, ratio: float) -> float:
    check_ratio(ratio)
    target = cost.total / ratio * (1 + 1e-12)
    if cost.at(units.least) > target:
        raise BudgetError(_impossible(cost, units, ratio))
    return target


def _kept(units: _Units, cost: CostModel, counts: Vector) -> dict[str, Tensor]:
    return {
        group: units.order[group][: int(count)].sort().values for group, count in zip(cost.groups, counts, strict=True)
    }


def _rank(importance: Mapping[str, Tensor], cost: CostModel, floor: Mapping[str, int], multiple_of: int) -> _Units:
    groups, sizes, scores, order, least = [], [], [], {}, []
    for column, name in enumerate(cost.groups):
        values, channels = importance[name].detach().to(torch.float64).cpu().sort(descending=True, stable=True)
        order[name] = channels
        count = len(channels)
        starts = np.arange(0, count, multiple_of)
        size = np.minimum(multiple_of, count - starts)
        kept_units = max(1, math.ceil(floor.get(name, 1) / multiple_of))
        score = np.add.reduceat(values.numpy(), starts) / size
        groups.append(np.full(len(starts) - kept_units, column))
        sizes.append(size[kept_units:])
        scores.append(np.minimum.accumulate(score)[kept_units:])
        least.append(size[:kept_units].sum())
    ranking = np.argsort(-np.concatenate(scores), kind="stable")
    return _Units(
        np.concatenate(groups)[ranking], np.concatenate(sizes)[ranking], np.array(least, dtype=np.float64), order
    )


def _bisect(units: _Units, cost: CostModel, target: float) -> int:
    """Count the units of the ranking that fit from the top (the cost never falls with one more)."""
    low, high = 0, len(units.group)
    while low < high:
        middle = (low + high + 1) // 2
        if cost.at(_counts(units, middle)) <= target:
            low = middle
        else:
            high = middle - 1
    return low


def _counts(units: _Units, taken: int) -> Vector:
    added = np.bincount(units.group[:taken], weights=units.size[:taken], minlength=len(units.least))
    return np.asarray(units.least + added)


def _fill(units: _Units, cost: CostModel, target: float, taken: int) -> Vector:
    """Add the best units that still fit, a group's own order kept, until little of the budget is left.

    Where nothing fits any more, a unit is exchanged for worse ones of other groups, if that comes nearer.
    """
    counts = _counts(units, taken)
    ladder = _Ladder(units)
    while target - cost.at(counts) > TOLERANCE * target:
        step = _best_addition(ladder, cost, target, counts)
        if step is None:
            step = _best_exchange(ladder, cost, target, counts)
        if step is None:
            break
        counts = step
    return counts


class _Ladder:
    """The counts a group can have, from its floor to its full width, and the rank of each rung."""

    def __init__(self, units: _Units) -> None:
        self.rungs = []
        self.ranks = []
        for column, least in enumerate(units.least):
            rows = np.flatnonzero(units.group == column)
            self.rungs.append(np.concatenate([[least], least + np.cumsum(units.size[rows])]))
            self.ranks.append(rows)

    def above(self, column: int, count: float) -> tuple[int, float] | None:
        """Give rank and count of the next rung up, None at the top."""
        rung = int(np.searchsorted(self.rungs[column], count))
        if rung + 1 >= len(self.rungs[column]):
            return None
        return int(self.ranks[column][rung]), float(self.rungs[column][rung + 1])

    def below(self, column: int, count: float) -> tuple[int, float] | None:
        """Give rank of the rung and count of the next rung down, None at the floor."""
        rung = int(np.searchsorted(self.rungs[column], count))
        return (int(self.ranks[column][rung - 1]), float(self.rungs[column][rung - 1])) if rung > 0 else None


def _best_addition(ladder: _Ladder, cost: CostModel, target: float, counts: Vector) -> Vector | None:
    nexts = [(*rung, column) for column, count in enumerate(counts) if (rung := ladder.above(column, count))]
    for _, count, column in sorted(nexts):
        trial = _with(counts, column, count)
        if cost.at(trial) <= target:
            return trial
    return None


def _best_exchange(ladder: _Ladder, cost: CostModel, target: float, counts: Vector) -> Vector | None:
    """Add one unit of a group and drop the worst of all others, or of one, until it fits; None if none is nearer."""
    best, spent = None, cost.at(counts)
    for added in range(len(counts)):
        others = [column for column in range(len(counts)) if column != added]
        for dropped in (others, *([column] for column in others)):
            trial = _exchanged(ladder, cost, target, counts, added, dropped)
            if trial is not None and cost.at(trial) > spent:
                best, spent = trial, cost.at(trial)
    return best


def _exchanged(
    ladder: _Ladder, cost: CostModel, target: float, counts: Vector, added: int, dropped: Sequence[int]
) -> Vector | None:
    rung = ladder.above(added, counts[added])
    if rung is None:
        return None
    trial = _with(counts, added, rung[1])
    while cost.at(trial) > target:
        lower = [(*rung, column) for column in dropped if (rung := ladder.below(column, trial[column]))]
        if not lower:
            return None
        _, count, column = max(lower)
        trial = _with(trial, column, count)
    return trial


def _with(counts: Vector, column: int, count: float) -> Vector:
    changed = counts.copy()
    changed[column] = count
    return changed


def _impossible(cost: CostModel, units: _Units, ratio: float) -> str:
    shares = cost.marginal(units.least) * units.least
    group = cost.groups[int(np.argmax(shares))]
    count = int(units.least[int(np.argmax(shares))])
    multiple = int(units.size.max(initial=1))
    step, advice = ("", "the floor") if multiple == 1 else (f", in multiples of {multiple}", "the multiple, the floor")
    return (
        f"A ratio of {ratio:g} cannot be met: '{group}' must keep {count} of {len(units.order[group])} channels{step}. "
        f"The largest possible ratio is {cost.total / cost.at(units.least):.2f}; lower {advice} or the ratio."
    )
