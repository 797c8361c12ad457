"""What a compression works on: settings, device, data, model and plan, and the Job that a method is given."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from coronet.checkpoints import Checkpoint, build_generator, load, resolve_model
from coronet.datasets import Dataset
from coronet.errors import DataError, SettingsError
from coronet.importance import Importance, consumer_norm, taylor
from coronet.methods import METHODS, Job, Lengths
from coronet.methods.vgg import Vgg, load_vgg
from coronet.networks import Generator
from coronet.objectives import Teacher, UnpairedObjective
from coronet.randomness import seeded
from coronet.recipes.machine import set_up, without_emulation
from coronet.recipes.opening import (
    Game,
    batches,
    calibration_images,
    check_direction,
    check_fit,
    compression_game,
    open_data,
    sized,
)
from coronet.recipes.settings import CompressSettings
from coronet.search import SearchPlan
from coronet.training import PUBLISHED_RATE

STANDING = "The teacher stands still: no backward generator was found beside the model, and a fresh one would spoil it."


@dataclass(frozen=True, slots=True)
class Opened:
    """Everything a compression works on."""

    settings: CompressSettings
    device: torch.device
    data: Dataset
    model: Path
    checkpoint: Checkpoint
    plan: SearchPlan
    vgg: Vgg | None = None

    @property
    def title(self) -> str:
        """Name the method as it is with what there is."""
        return METHODS[self.settings.method].named(vgg=self.vgg is not None)


def open_compression(settings: CompressSettings) -> Opened:
    """Open model and data and check that the method can meet the ratio with them."""
    device = set_up(settings.threads)
    settings = without_emulation(settings, device)
    model = resolve_model(settings.model)
    checkpoint = load(model, direction=settings.direction)
    settings = sized(settings, checkpoint.config.image_size)
    check_direction(settings, settings.model)
    data = open_data(settings)
    check_fit(settings, data, model, checkpoint.config)
    plan = search_plan(settings)
    METHODS[settings.method].student(checkpoint.config, plan)  # or a BudgetError
    _check_teacher(settings, data)
    vgg = load_vgg(Path(settings.vgg)) if settings.vgg and METHODS[settings.method].title_with_vgg else None
    return Opened(settings, device, data, model, checkpoint, plan, vgg)


def search_plan(settings: CompressSettings) -> SearchPlan:
    """Give the plan that the settings ask for."""
    return SearchPlan(
        ratio=settings.ratio,
        budget=settings.budget,
        multiple_of=settings.multiple_of,
        floor=settings.floor,
        latent_rate=settings.latent_rate,
    )


def tuning_rate(settings: CompressSettings) -> float:
    """Give the learning rate of fine-tuning: the one that was asked for, or 5e-4 times the square root of the ratio.

    Adam's best rate goes with one over a layer's inputs (Yang et al. 2022, arXiv 2203.03466), which fall with the root
    of the ratio; and imitating a teacher bears a higher one than the game alone, which is played at the published rate.
    """
    if settings.learning_rate is not None:
        return settings.learning_rate
    return 5e-4 * math.sqrt(settings.ratio) if settings.teacher else PUBLISHED_RATE


def search_rate(settings: CompressSettings) -> float:
    """Give the learning rate of the search: the one asked for, or 1e-3; without a teacher the published one."""
    if settings.search_learning_rate is not None:
        return settings.search_learning_rate
    return 1e-3 if settings.teacher else PUBLISHED_RATE


def dense_generator(opened: Opened) -> Generator:
    """Build the dense generator in evaluation mode on the device."""
    return build_generator(opened.checkpoint).to(opened.device)


def make_job(opened: Opened, dense: Generator, lengths: Lengths) -> Job:
    """Gather what a method needs; the players are made anew at every call."""
    settings = opened.settings
    game = _game(opened, dense)

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
        batch_at=batches(opened.data, settings, opened.device, opened.checkpoint.config.size_multiple),
        plan=opened.plan,
        lengths=lengths,
        seed=settings.seed,
        search_learning_rate=search_rate(settings),
        learning_rate=tuning_rate(settings),
        form=settings.hypernetwork,
        embedding=settings.embedding,
        ema=settings.ema,
        mixed_precision=settings.mixed_precision,
        players=game.notes,
        vgg=opened.vgg,
        deep_teacher=settings.deep_teacher,
    )


def _game(opened: Opened, dense: Generator) -> Game:
    """Set up the game; a dense net that goes on learning plays that of a net without a teacher.

    Against a fresh backward generator, whose cycles count most, it would lose what it knows: there it is the teacher.
    """
    settings, method = opened.settings, METHODS[opened.settings.method]
    learning = method.teacher == "learning"
    features = settings.lambda_feature if method.imitates_features else 0.0
    choices = replace(settings, teacher=settings.teacher and not learning, lambda_feature=features)
    game = compression_game(choices, opened.data, opened.model, dense, opened.device)
    if not learning or "backward" not in game.fresh:
        return game
    standing = UnpairedObjective(game.objective.weights, Teacher(dense), {}, pool_size=0)
    return Game(standing, frozenset(), (STANDING,))


def _check_teacher(settings: CompressSettings, data: Dataset) -> None:
    """Raise SettingsError or DataError where the method cannot have the teacher that it lives by."""
    method = METHODS[settings.method]
    title = method.named(vgg=bool(settings.vgg))
    if method.teacher != "as set" and not settings.teacher:
        raise SettingsError(
            f"'teacher' is off, but {title} learns from the dense net. Switch it on or choose another method."
        )
    if method.teacher == "learning" and data.kind == "single":
        raise DataError(
            f"{data.root.name} holds images of one side only, but the teacher of {title} goes on learning. "
            "Give paired or unpaired data, or choose another method."
        )
