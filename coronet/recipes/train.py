"""Train a dense generator from scratch: Pix2Pix on paired data, CycleGAN on unpaired data."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from coronet.checkpoints import (
    Checkpoint,
    Family,
    build_generator,
    companions,
    load,
    resolve_model,
    save,
    save_discriminator,
)
from coronet.cost import cost
from coronet.datasets import Batch, Dataset
from coronet.errors import DataError, SettingsError
from coronet.files import write_json_atomic
from coronet.methods import Carry, Phase
from coronet.networks import Generator, GeneratorConfig, PatchDiscriminator, resnet_config, unet_config
from coronet.recipes.finish import stopped_early, versions
from coronet.recipes.lengths import LENGTHS, step_seconds, stored_lengths
from coronet.recipes.machine import set_up, without_emulation
from coronet.recipes.opening import (
    DEFAULT_SIZE,
    batches,
    check_fit,
    check_test_images,
    fresh_generator,
    open_data,
    sized,
    training_game,
)
from coronet.recipes.pace import RESERVE
from coronet.recipes.phases import PhasedRun
from coronet.recipes.previews import Previewer
from coronet.recipes.scoring import paired_scores, reported_distances, translations
from coronet.recipes.settings import TrainSettings
from coronet.runs import Run
from coronet.tasks import GeneratorTask
from coronet.training import PUBLISHED_RATE, Steps, Training

DEFAULT_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a training starts with: a fresh generator, or one from a file and the players that lie beside it."""

    config: GeneratorConfig
    path: Path | None = None
    checkpoint: Checkpoint | None = None
    family: Family = field(default_factory=lambda: Family({}))

    def generator(self, seed: int) -> Generator:
        """Build it, on the CPU."""
        if self.checkpoint is None:
            return fresh_generator(self.config, seed, "generator")
        return build_generator(replace(self.checkpoint, config=self.config)).train()


def train(settings: TrainSettings, run: Run) -> Steps:
    """Do what is left of a training; report.json is written last.

    The folder then holds the generators and discriminators as safetensors, so that `compress` finds the companions.
    """
    device = set_up(settings.threads)
    settings = without_emulation(settings, device)
    beginning = _beginning(settings)
    settings = sized(settings, beginning.config.image_size)
    data = open_data(settings)
    _check_kind(settings, data)
    if beginning.path is not None:
        check_fit(settings, data, beginning.path, beginning.config)
    check_test_images(data, beginning.config.size_multiple)
    batch_at = batches(data, settings, device, beginning.config.size_multiple)

    def start(steps: int) -> Training:
        generator = beginning.generator(settings.seed).to(device)
        objective = training_game(settings, data, beginning.family, generator, device).objective
        task = GeneratorTask(generator, objective, ema=settings.ema)
        return Training(
            task,
            phase="train",
            steps=steps,
            learning_rate=PUBLISHED_RATE if settings.learning_rate is None else settings.learning_rate,
            seed=settings.seed,
            decay=True,
            mixed_precision=settings.mixed_precision,
            shares={player: settings.discriminator_rate for player in objective.networks if player != "backward"},
        )

    steps = _fixed_steps(settings, run, start, batch_at)
    phase = Phase("train", steps, lambda carry: start(steps), _after_train)
    phased = PhasedRun(run, [phase], device, batch_at, settings.save_seconds)
    previewer = Previewer(run, data, None, settings.preview_steps)
    with closing(phased.steps(run.load_state())) as all_steps:
        for step in all_steps:
            previewer.after(step, phased.current)
            yield step
    _finish(settings, run, data, phased, beginning)


def _beginning(settings: TrainSettings) -> Beginning:
    if not settings.start:
        return Beginning(generator_config(settings))
    path = resolve_model(settings.start)
    checkpoint = load(path, direction=settings.direction)
    config = replace(checkpoint.config, image_size=settings.image_size or checkpoint.config.image_size)
    return Beginning(config, path, checkpoint, companions(path))


def generator_config(settings: TrainSettings) -> GeneratorConfig:
    """Describe the generator the settings ask for."""
    size = settings.image_size or DEFAULT_SIZE
    architecture = settings.netG or ("unet" if settings.kind == "pix2pix" else "resnet")
    if architecture == "unet":
        if size & (size - 1) or size > 512:
            raise SettingsError(
                f"'image_size' is {size}, but a U-Net needs 32, 64, 128, 256 or 512. Choose one of them."
            )
        if settings.levels and 2**settings.levels > size:
            raise SettingsError(
                f"'levels' is {settings.levels}, but {size} pixels can be halved {size.bit_length() - 1} times. "
                "Choose fewer levels."
            )
        return unet_config(
            ngf=settings.ngf,
            image_size=size,
            norm=settings.norm or "batch",
            dropout=not settings.no_dropout,
            levels=settings.levels,
            upsample=settings.upsample,
        )
    if size % 4:
        raise SettingsError(f"'image_size' is {size}, but must be a multiple of 4 for a ResNet.")
    return resnet_config(
        ngf=settings.ngf,
        blocks=settings.blocks,
        mobile=architecture == "mobile_resnet",
        norm=settings.norm or "instance",
        image_size=size,
        upsample=settings.upsample,
    )


def _check_kind(settings: TrainSettings, data: Dataset) -> None:
    needed = "paired" if settings.kind == "pix2pix" else "unpaired"
    if data.kind != needed:
        raise DataError(
            f"{data.root.name} holds {data.kind} images, but {settings.kind} learns from {needed} ones. "
            f"Choose the other kind or another folder."
        )


def _after_train(training: Training) -> Carry:
    return Carry(student=training.task.current())


def _fixed_steps(
    settings: TrainSettings, run: Run, start: Callable[[int], Training], batch_at: Callable[[int], Batch]
) -> int:
    """Give the number of steps, measured once where minutes were asked for."""
    path = run.path / LENGTHS
    if path.exists():
        return stored_lengths(path, ("train",))["train"]
    steps = settings.steps or DEFAULT_STEPS
    if settings.steps is None and settings.minutes is not None:
        steps = max(1, round(settings.minutes * 60 * (1 - RESERVE) / step_seconds(start(10**9), batch_at)))
    write_json_atomic(path, {"train": steps})
    return steps


def _finish(settings: TrainSettings, run: Run, data: Dataset, phased: PhasedRun, beginning: Beginning) -> None:
    task = phased.task()
    assert isinstance(task, GeneratorTask)
    generator = task.current().eval().cpu()
    lineage: dict[str, Any] = {"trained": settings.kind, "seed": settings.seed}
    if beginning.checkpoint is not None:
        lineage["parent"] = beginning.checkpoint.lineage
    names = _file_names(data.kind, settings.direction)
    save(Checkpoint(generator.config, dict(generator.state_dict()), lineage, ()), run.path / names["generator"])
    _save_players(task, run.path, names)
    counts = cost(generator.config)
    report = {
        "architecture": generator.config.architecture,
        "parameters": counts.parameters,
        "macs": counts.macs,
        "macs_as_published": counts.macs_as_published,
        "steps": phased.done,
        **stopped_early(phased),
        "seconds": {"total": sum(phased.seconds.values())},
        "scores": _scores(data, generator),
        "data": data.summary(),
        "seed": settings.seed,
        "mixed_precision": settings.mixed_precision,
        "versions": versions(),
    }
    run.write_report(report)
    run.drop_state()


def _scores(data: Dataset, generator: Generator) -> dict[str, Any]:
    pictures = translations(data, generator)
    scores: dict[str, Any] = dict(paired_scores(data, pictures, None)) if data.test.has_truth else {}
    return scores | reported_distances(data, [pictures])[0]


def _file_names(kind: str, direction: str) -> dict[str, str]:
    """Name the players' files so that `compress` finds each by its direction: G_A makes B, and D_A judges it."""
    if kind == "paired":
        names = {"generator": "generator", "discriminator": "D"}
    elif direction == "AtoB":
        names = {"generator": "generator", "backward": "backward", "discriminator": "D_A"}
        names["discriminator_backward"] = "D_B"
    else:
        names = {"generator": "generator_B", "backward": "generator_A", "discriminator": "D_B"}
        names["discriminator_backward"] = "D_A"
    return {player: f"{name}.safetensors" for player, name in names.items()}


def _save_players(task: GeneratorTask, folder: Path, names: dict[str, str]) -> None:
    for player, network in task.objective.networks.items():
        kept = network if isinstance(network, PatchDiscriminator) else task.kept_generator(player)
        weights = {name: tensor.detach().cpu() for name, tensor in kept.state_dict().items()}
        if isinstance(kept, PatchDiscriminator):
            save_discriminator(kept.config, weights, folder / names[player])
        else:
            save(Checkpoint(kept.config, weights, {"trained": player}, ()), folder / names[player])
