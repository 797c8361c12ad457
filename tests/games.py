"""Tiny trainings of every task, built anew at every call, and what is needed to compare their states bit for bit."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from coronet.datasets import Batch
from coronet.hypernetwork import Hypernetwork
from coronet.importance import consumer_norm
from coronet.methods import Job, Lengths
from coronet.networks import (
    DiscriminatorConfig,
    Generator,
    GeneratorConfig,
    PatchDiscriminator,
    build,
    initialise,
    resnet_config,
    unet_config,
)
from coronet.objectives import LossWeights, Objective, PairedObjective, Teacher, UnpairedObjective
from coronet.search import SearchPlan, SearchTask
from coronet.tasks import GeneratorTask, WarmupTask
from coronet.training import Task, Training
from tests.worlds import random_weights

RESNET = resnet_config(ngf=4, blocks=1, image_size=32)
UNET = unet_config(ngf=4, image_size=64)  # six levels: the smallest with dropout
STEPS = 6


def net(config: GeneratorConfig, seed: int = 0) -> Generator:
    """Give a generator whose every tensor is drawn."""
    generator = build(config)
    generator.load_state_dict(random_weights(config, seed))
    return generator


def judge(channels: int, seed: int = 1, norm: str = "instance") -> PatchDiscriminator:
    """Give a discriminator with two strided layers."""
    network = PatchDiscriminator(DiscriminatorConfig(ndf=4, layers=2, norm=norm, input_channels=channels))
    initialise(network, torch.Generator().manual_seed(seed), gain=0.1)
    return network


def batches(config: GeneratorConfig, kind: str = "paired", count: int = 1) -> Callable[[int], Batch]:
    """Give random images as a function of the step."""
    shape = (count, 3, config.image_size, config.image_size)

    def batch_at(step: int) -> Batch:
        random = torch.Generator().manual_seed(1000 + step)
        source, target = (torch.rand(shape, generator=random) * 2 - 1 for _ in range(2))
        return Batch(source, None if kind == "single" else target, kind == "paired")

    return batch_at


def paired_game(config: GeneratorConfig, *, teacher: bool = False, **weights: Any) -> PairedObjective:
    """Give Pix2Pix's game with a fresh batch-norm discriminator."""
    frozen = Teacher(net(config)) if teacher else None
    return PairedObjective(LossWeights(**weights), frozen, {"discriminator": judge(6, norm="batch")})


def cycle_game(config: GeneratorConfig, *, pool_size: int = 3, **weights: Any) -> UnpairedObjective:
    """Give CycleGAN's whole game."""
    networks: dict[str, nn.Module] = {
        "discriminator": judge(3, 1),
        "backward": net(config, 2),
        "discriminator_backward": judge(3, 3),
    }
    return UnpairedObjective(LossWeights(**weights), None, networks, pool_size)


def pupil_game(config: GeneratorConfig, *, judged: bool = True, **weights: Any) -> UnpairedObjective:
    """Give the unpaired game with a teacher: one direction, one discriminator or none."""
    networks: dict[str, nn.Module] = {"discriminator": judge(3)} if judged else {}
    return UnpairedObjective(LossWeights(**weights), Teacher(net(config)), networks, 3)


def search_task(
    config: GeneratorConfig,
    objective: Objective,
    *,
    form: str = "factored",
    importance: Mapping[str, Tensor] | None = None,
    **plan: Any,
) -> SearchTask:
    """Give a search that starts at `net(config)`, ranked by consumer norms per cost unless said otherwise."""
    dense = net(config)
    plan = {"ratio": 3.0, "floor": 0.1, "events": 50} | plan
    if importance is None:
        importance = consumer_norm(dense)
    hypernetwork = Hypernetwork.from_generator(dense, form=form, embedding=2)
    return SearchTask(config, hypernetwork, objective, SearchPlan(**plan), importance)


def start(task: Task, *, steps: int = STEPS, seed: int = 0, **choices: Any) -> Training:
    """Give the training of a task."""
    choices = {"phase": "test", "learning_rate": 1e-2} | choices
    return Training(task, steps=steps, seed=seed, **choices)


def compression_job(
    config: GeneratorConfig, kind: str, *, teacher: bool, lengths: tuple[int, int] = (4, 4), **plan: Any
) -> Job:
    """Give a method's job on random images: Pix2Pix's game or CycleGAN's, or with a teacher the pupil's."""
    dense = net(config).eval()
    objective: Objective = cycle_game(config)
    if kind == "paired":
        objective = PairedObjective(
            LossWeights(), Teacher(dense) if teacher else None, {"discriminator": judge(6, norm="batch")}
        )
    elif teacher:
        networks = {} if kind == "single" else {"discriminator": judge(3)}
        objective = UnpairedObjective(LossWeights(), Teacher(dense), networks, 3)
    return Job(
        generator=dense,
        objective=objective,
        fresh=frozenset(),
        importance=lambda: consumer_norm(dense),
        batch_at=batches(config, kind),
        plan=SearchPlan(**{"ratio": 3.0} | plan),
        lengths=Lengths(0, *lengths),
        seed=0,
        search_learning_rate=1e-3,
        learning_rate=1e-3,
    )


# name: (config, kind of data, function that gives a fresh training)
TRAININGS: dict[str, tuple[GeneratorConfig, str, Callable[..., Training]]] = {
    "paired": (UNET, "paired", lambda: start(GeneratorTask(net(UNET), paired_game(UNET), ema=0.9), decay=True)),
    "cycle": (RESNET, "unpaired", lambda: start(GeneratorTask(net(RESNET), cycle_game(RESNET)))),
    "pupil": (RESNET, "single", lambda: start(GeneratorTask(net(RESNET, 9), pupil_game(RESNET, judged=False)))),
    "warmup": (
        RESNET,
        "unpaired",
        lambda: start(WarmupTask(net(RESNET), cycle_game(RESNET), frozenset({"discriminator", "backward"}))),
    ),
    "search_unet": (UNET, "paired", lambda: start(search_task(UNET, paired_game(UNET, teacher=True)))),
    "search_cycle": (RESNET, "unpaired", lambda: start(search_task(RESNET, cycle_game(RESNET), floor=0.25))),
    "search_paper": (
        RESNET,
        "unpaired",
        lambda: start(search_task(RESNET, pupil_game(RESNET), form="paper", floor=0.25)),
    ),
}


def stored(state: Mapping[str, Any]) -> dict[str, Any]:
    """Give a state as it comes back from a file."""
    file = io.BytesIO()
    torch.save(dict(state), file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def differences(first: Any, second: Any, place: str = "") -> list[str]:
    """List the places where two nested states are not bit for bit the same."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        missing = [f"{place}/{name}" for name in first.keys() ^ second.keys()]
        both = [name for name in first if name in second]
        return missing + [found for name in both for found in differences(first[name], second[name], f"{place}/{name}")]
    if isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        return [
            found
            for index, (a, b) in enumerate(zip(first, second, strict=True))
            for found in differences(a, b, f"{place}/{index}")
        ]
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        same = first.dtype == second.dtype and torch.equal(first, second)
    else:
        same = type(first) is type(second) and first == second
    return [] if same else [place or "/"]
