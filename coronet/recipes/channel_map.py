"""What was kept of a net, group by group: the numbers of a channel map. How it is drawn stands with the page."""

from collections.abc import Mapping
from dataclasses import dataclass

from coronet.cost import CostModel
from coronet.networks import GeneratorConfig


@dataclass(frozen=True, slots=True)
class GroupShare:
    """One channel group of a slim net. share: of the slim net's MACs, 0 to 1, used by the layers that make it."""

    group: str
    kept: int
    of: int
    kernels: tuple[str, ...]  # "3 × 3", once for every layer
    share: float


def group_shares(dense: GeneratorConfig, widths: Mapping[str, int]) -> tuple[GroupShare, ...]:
    """Describe each group of a net cut to these widths, in the order in which an image meets them.

    The layer that makes the picture belongs to no group; its share is what is missing to 1.
    """
    layers = CostModel(dense).by_layer(widths)
    total = sum(layer.cost for layer in layers)
    groups = dict.fromkeys(layer.group for layer in layers if layer.group)
    return tuple(
        GroupShare(
            group,
            widths[group],
            dense.widths[group],
            tuple("{} × {}".format(*layer.kernel) for layer in layers if layer.group == group),
            sum(layer.cost for layer in layers if layer.group == group) / total,
        )
        for group in groups
    )
