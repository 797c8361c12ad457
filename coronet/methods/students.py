"""What a method's student looks like at a budget before anything is trained, or a BudgetError where none can meet it.

The ratio counts from the dense net in all of them, also where the student has other layers.
"""

from dataclasses import replace

import torch

from coronet.channels import kept_widths
from coronet.cost import CostModel
from coronet.networks import GeneratorConfig
from coronet.networks.config import MAX_WIDTH
from coronet.search import SearchPlan
from coronet.slimming import choose

_WIDER = 2  # times the dense widths, up to which a mobile student may go: its blocks cost a fifth or less


def narrow(config: GeneratorConfig, plan: SearchPlan) -> GeneratorConfig:
    """Give the dense net with the same share of every group's channels."""
    return _fitted(config, config, plan)


def mobile(config: GeneratorConfig, plan: SearchPlan) -> GeneratorConfig:
    """Give the net of uniform width whose residual blocks are mobile; of a U-Net, which has none, the narrow U-Net."""
    if config.architecture != "resnet":
        return narrow(config, plan)
    widths = {group: min(_WIDER * width, MAX_WIDTH) for group, width in config.widths.items()}
    widest = replace(config, architecture="mobile_resnet", widths=widths)
    return _fitted(widest, config, plan)


def student_cost(student: GeneratorConfig, dense: GeneratorConfig, plan: SearchPlan) -> CostModel:
    """Give the cost of a student's layers, with ratios that count from the dense net."""
    return CostModel(student, None, plan.budget, total=CostModel(dense, None, plan.budget).total)


def _fitted(widest: GeneratorConfig, dense: GeneratorConfig, plan: SearchPlan) -> GeneratorConfig:
    """Narrow a net evenly: the first channel of every group scores 1 and the last one next to 0."""
    even = {group: torch.arange(width, 0, -1) / width for group, width in widest.widths.items()}
    kept = choose(
        even, student_cost(widest, dense, plan), plan.ratio, floor=plan.floors(dense), multiple_of=plan.multiple_of
    )
    return widest.with_widths(kept_widths(kept))
