"""What a compression works on: settings, device, data, model and plan, and the Job that a method is given."""

from dataclasses import dataclass
from pathlib import Path

import torch

from coronet.checkpoints import Checkpoint, build_generator, load, resolve_model
from coronet.cost import CostModel
from coronet.datasets import Dataset
from coronet.importance import Importance, consumer_norm, taylor
from coronet.methods import Job, Lengths
from coronet.networks import Generator
from coronet.randomness import seeded
from coronet.recipes.machine import set_up
from coronet.recipes.opening import calibration_images, check_direction, check_fit, compression_game, open_data, sized
from coronet.recipes.settings import CompressSettings
from coronet.search import SearchPlan
from coronet.slimming import choose


@dataclass(frozen=True, slots=True)
class Opened:
    """Everything a compression works on."""

    settings: CompressSettings
    device: torch.device
    data: Dataset
    model: Path
    checkpoint: Checkpoint
    plan: SearchPlan


def open_compression(settings: CompressSettings) -> Opened:
    """Open model and data and check that the ratio can be met."""
    device = set_up(settings.threads, mixed_precision=settings.mixed_precision)
    model = resolve_model(settings.model)
    checkpoint = load(model, direction=settings.direction)
    settings = sized(settings, checkpoint.config.image_size)
    check_direction(settings, settings.model)
    data = open_data(settings)
    check_fit(settings, data, model, checkpoint.config)
    plan = SearchPlan(
        ratio=settings.ratio,
        budget=settings.budget,
        multiple_of=settings.multiple_of,
        floor=settings.floor,
        latent_rate=settings.latent_rate,
    )
    _check_possible(checkpoint, plan)
    return Opened(settings, device, data, model, checkpoint, plan)


def dense_generator(opened: Opened) -> Generator:
    """Build the dense generator in evaluation mode on the device."""
    return build_generator(opened.checkpoint).to(opened.device)


def make_job(opened: Opened, dense: Generator, lengths: Lengths) -> Job:
    """Gather what a method needs; the players are made anew at every call."""
    settings = opened.settings
    game = compression_game(settings, opened.data, opened.model, dense, opened.device)

    def importance() -> Importance:
        if settings.importance == "consumer_norm":
            return consumer_norm(dense)
        images = calibration_images(opened.data, settings.importance_images, opened.device)
        return taylor(dense.eval(), images, seeded(settings.seed, "importance"))

    return Job(
        generator=dense,
        objective=game.objective,
        fresh=game.fresh,
        importance=importance,
        plan=opened.plan,
        lengths=lengths,
        seed=settings.seed,
        search_learning_rate=settings.search_learning_rate,
        learning_rate=settings.learning_rate,
        form=settings.hypernetwork,
        embedding=settings.embedding,
        ema=settings.ema,
        mixed_precision=settings.mixed_precision,
        players=game.notes,
    )


def _check_possible(checkpoint: Checkpoint, plan: SearchPlan) -> None:
    """Raise BudgetError at once where no search could end at the ratio."""
    config = checkpoint.config
    equal = {group: torch.ones(width) for group, width in config.widths.items()}
    choose(equal, CostModel(config, None, plan.budget), plan.ratio, floor=plan.floor, multiple_of=plan.multiple_of)
