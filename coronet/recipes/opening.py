"""From settings to the things a recipe works on: data, the model with its companions, and the game to train it in."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from coronet.checkpoints import Family, build_generator, companions, load, load_discriminator
from coronet.datasets import Batch, Dataset, DataSettings, Item, has_training_images, open_dataset, open_test
from coronet.demos import find_demo
from coronet.errors import CheckpointError, DataError, SettingsError
from coronet.networks import DiscriminatorConfig, Generator, GeneratorConfig, PatchDiscriminator, build, initialise
from coronet.objectives import LossWeights, Objective, PairedObjective, Teacher, UnpairedObjective
from coronet.randomness import seeded
from coronet.recipes.settings import CompressSettings, DataChoices, OptimisationChoices
from coronet.scenes.cached import drawn_folder, is_scenes

LEAST_TRAINED_SIDE = 32  # pixels; patch discriminators see nothing in less
DEFAULT_SIZE = 256  # where neither the user nor a model says one
BESIDE_TEACHER = 0.1  # of the adversarial weight: all of it draws the student away from its teacher
Choices = TypeVar("Choices", bound=DataChoices)


@dataclass(frozen=True, slots=True)
class Game:
    """An objective and the players in it that start untrained, with a sentence for each choice made."""

    objective: Objective
    fresh: frozenset[str]
    notes: tuple[str, ...]


def open_data(choices: DataChoices) -> Dataset:
    """Open the data folder the settings name."""
    return open_dataset(data_folder(choices), data_settings(choices))


def data_folder(choices: DataChoices) -> Path:
    """Give the folder the settings name; scenes/WORLD is drawn where that has not been done yet."""
    if not choices.data:
        raise DataError("No data folder was given. Name one with paired, unpaired or single images, or scenes/shoes.")
    return drawn_folder(choices.data, choices.image_size) if is_scenes(choices.data) else Path(choices.data)


def check_direction(choices: DataChoices, model: str) -> None:
    """Raise SettingsError where a demo model gets its own scenes the wrong way round."""
    demo = find_demo(model)
    if demo is not None and demo.data == choices.data and demo.direction != choices.direction:
        raise SettingsError(
            f"'direction' is {choices.direction}, but {model} translates {demo.data} {demo.direction}. "
            f"Add --direction {demo.direction}."
        )


def check_rgb(model: str, taken: int, made: int) -> None:
    """Raise CheckpointError where a model takes or makes other than RGB images."""
    if (taken, made) != (3, 3):
        raise CheckpointError(
            f"{model} maps {taken} channels to {made}, but images here have 3. Choose a model for RGB images."
        )


def data_settings(choices: DataChoices) -> DataSettings:
    """Give the reading settings; without a load size photos are loaded 286/256 times the crop, as published."""
    size = choices.image_size or DEFAULT_SIZE
    if "crop" in choices.preprocess and size % 4:
        raise SettingsError(f"'image_size' is {size}, but must be a multiple of 4. Choose {size // 4 * 4}.")
    play = 1.0 if is_scenes(choices.data) else 286 / 256  # scenes vary in place and size as they are drawn
    load_size = choices.load_size or round(size * play)
    return DataSettings(
        direction=choices.direction,
        preprocess=choices.preprocess,
        load_size=load_size,
        crop_size=size,
        no_flip=choices.no_flip,
        max_dataset_size=choices.max_dataset_size,
    )


def check_sides(images: Tensor, multiple: int, least: int = 1) -> None:
    """Raise DataError where sides of images (N, C, H, W) are no multiples of what the model needs, or under `least`."""
    height, width = images.shape[-2:]
    if min(height, width) < least:
        small = f"One image is read as {width} x {height} pixels, but training needs {least} a side."
        raise DataError(f"{small} Leave it out, or choose a preprocess mode that resizes.")
    if height % multiple or width % multiple:
        raise DataError(
            f"The model needs image sides that are multiples of {multiple}, but one image is read as {width} x "
            f"{height}. Choose another image size, or a preprocess mode with a crop."
        )


def check_test_images(data: Dataset, multiple: int) -> None:
    """Raise DataError now where scores and previews would fail later; modes with a crop make all images alike."""
    for item in data.test.items():
        check_sides(item.source, multiple, LEAST_TRAINED_SIDE)


def batches(data: Dataset, choices: OptimisationChoices, device: torch.device, multiple: int) -> Callable[[int], Batch]:
    """Give the batch of a step as a function of the step's number alone; sides are multiples of `multiple`."""

    def batch_at(step: int) -> Batch:
        batch = data.train.batch(step, batch_size=choices.batch_size, seed=choices.seed)
        check_sides(batch.source, multiple, LEAST_TRAINED_SIDE)
        target = None if batch.target is None else batch.target.to(device)
        return Batch(batch.source.to(device), target, batch.paired)

    return batch_at


def calibration_images(data: Dataset, count: int, device: torch.device) -> Iterator[Tensor]:
    """Give training images (1, C, H, W) on which importance or int8's ranges are measured; always the same ones."""
    for step in range(min(count, len(data.train))):
        yield data.train.batch(step, batch_size=1, seed=0).source.to(device)


def training_images(choices: DataChoices, most: int) -> Iterator[Tensor]:
    """Give at most `most` inputs (1, 3, H, W) for int8 to take its ranges from; none where all images are tests."""
    folder = data_folder(choices)
    if has_training_images(folder):
        yield from calibration_images(open_dataset(folder, data_settings(choices)), most, torch.device("cpu"))


def spread_items(data: Dataset, most: int) -> Iterator[Item]:
    """Give test images, evenly spread over the split where it holds more than `most`."""
    yield from data.test.items(spread_places(len(data.test), most))


def test_images(choices: DataChoices, most: int) -> Iterator[Tensor]:
    """Give at most `most` inputs (1, 3, H, W) of the test images of the folder the settings name."""
    for item in spread_items(open_test(data_folder(choices), data_settings(choices)), most):
        yield item.source


def spread_places(count: int, most: int) -> Sequence[int]:
    """Choose places 0 .. count - 1: all of them up to `most`, else `most` at even distances."""
    return range(count) if count <= most else [place * count // most for place in range(most)]


def sized(choices: Choices, size: int) -> Choices:
    """Fill in the image size where none was chosen."""
    return choices if choices.image_size is not None else replace(choices, image_size=size)


def check_fit(choices: DataChoices, data: Dataset, path: Path, config: GeneratorConfig) -> None:
    """Raise CheckpointError where the model does not fit the images as they are read."""
    size, multiple = choices.image_size or config.image_size, config.size_multiple
    if "crop" not in choices.preprocess:
        check_test_images(data, multiple)
    elif size % multiple:
        raise CheckpointError(
            f"{path.name} needs image sides that are multiples of {multiple}, but the image size is {size}. "
            f"Choose {max(1, size // multiple) * multiple}."
        )
    channels = data.train.batch(0, batch_size=1, seed=0).source.shape[1]
    if config.input_channels != channels or config.output_channels != channels:
        raise CheckpointError(
            f"{path.name} maps {config.input_channels} channels to {config.output_channels}, but images here have "
            f"{channels}. Choose a model for RGB images."
        )


def compression_game(
    choices: CompressSettings, data: Dataset, model: Path, generator: Generator, device: torch.device
) -> Game:
    """Set up the players for compressing: those of the checkpoint where they lie beside it, else fresh ones."""
    teacher = Teacher(generator) if choices.teacher else None
    if data.kind == "single" and teacher is None:
        raise DataError(
            f"{data.root.name} holds images of one side only, so there is nothing to learn from but the teacher. "
            "Switch the teacher on, or give paired or unpaired data."
        )
    return _game(choices, data, teacher, companions(model), generator, device)


def training_game(
    choices: OptimisationChoices, data: Dataset, family: Family, generator: Generator, device: torch.device
) -> Game:
    """Set up the players for training a dense generator: those of the family it starts from, else fresh ones."""
    return _game(choices, data, None, family, generator, device)


def fresh_generator(config: GeneratorConfig, seed: int, player: str) -> Generator:
    """Build a generator with published initial weights."""
    network = build(config)
    initialise(network, seeded(seed, player))
    return network


def _game(
    choices: OptimisationChoices,
    data: Dataset,
    teacher: Teacher | None,
    family: Family,
    generator: Generator,
    device: torch.device,
) -> Game:
    networks: dict[str, nn.Module] = {}
    fresh: set[str] = set()
    notes: list[str] = []
    for player in _players_needed(choices, data, teacher):
        network, is_fresh, note = _player(player, family, choices, data, generator)
        networks[player] = network.to(device)
        notes.append(note)
        if is_fresh:
            fresh.add(player)
    return Game(_objective(choices, data, teacher, networks), frozenset(fresh), tuple(notes))


def _players_needed(choices: OptimisationChoices, data: Dataset, teacher: Teacher | None) -> tuple[str, ...]:
    """Imitating a teacher needs one discriminator; without one, unpaired data need the whole of CycleGAN."""
    if data.kind == "single":
        return ()
    if data.kind == "unpaired" and teacher is None:
        return ("discriminator", "backward", "discriminator_backward")
    return ("discriminator",) if choices.lambda_gan > 0 else ()


def _objective(
    choices: OptimisationChoices, data: Dataset, teacher: Teacher | None, networks: dict[str, nn.Module]
) -> Objective:
    weights = LossWeights(
        gan_mode=choices.gan_mode,
        gan=choices.lambda_gan if teacher is None else choices.lambda_gan * BESIDE_TEACHER,
        reconstruction=choices.lambda_L1,
        cycle=choices.lambda_A,
        identity=choices.lambda_identity,
        soften=choices.soften,
        soften_judges=choices.soften_judges,
        imitation=choices.lambda_distill if isinstance(choices, CompressSettings) else 0.0,
        features=choices.lambda_feature if isinstance(choices, CompressSettings) else 0.0,
    )
    objective: Objective = (
        PairedObjective(weights, teacher, networks)
        if data.kind == "paired"
        else UnpairedObjective(weights, teacher, networks, choices.pool_size)
    )
    _check_anything_to_learn(objective, data)
    return objective


def _check_anything_to_learn(objective: Objective, data: Dataset) -> None:
    weights, networks = objective.weights, objective.networks
    judged = weights.gan and "discriminator" in networks
    compared = weights.reconstruction if data.kind == "paired" else weights.cycle and "backward" in networks
    if not (objective.imitates or judged or compared):
        raise SettingsError(
            f"Every loss that {data.kind} data allow has the weight 0, so there is nothing to learn from. Raise one of "
            "lambda_gan, lambda_L1, lambda_A, lambda_distill or, unless the method starts from scratch, lambda_feature."
        )


def _player(
    player: str, family: Family, choices: OptimisationChoices, data: Dataset, generator: Generator
) -> tuple[nn.Module, bool, str]:
    """Give a player, whether it is fresh, and a sentence about it."""
    path = _companion(player, family, choices.direction)
    reason = "none was found beside the model"
    if path is not None and player == "backward":
        found = load(path)
        sized_alike = replace(found.config, image_size=generator.config.image_size)
        backward = build_generator(replace(found, config=sized_alike)).train()
        return backward, False, f"Backward generator from {path.name}."
    if path is not None:
        config, weights = load_discriminator(path)
        if config.input_channels == _judged_channels(data):
            network = PatchDiscriminator(config)
            network.load_state_dict(weights)
            return network, False, f"{player} from {path.name}."
        reason = f"{path.name} judges {config.input_channels} channels, and {_judged_channels(data)} are needed"
    if player == "backward":
        backward = fresh_generator(generator.config, choices.seed, player)
        return backward, True, f"Fresh backward generator: {reason}."
    return _fresh_discriminator(choices, data, player), True, f"Fresh {player}: {reason}."


def _companion(player: str, family: Family, direction: str) -> Path | None:
    """Find a player of the translation's direction among the files beside the model (D_A judges what G_A makes)."""
    ahead, back = ("A", "B") if direction == "AtoB" else ("B", "A")
    if player == "backward":
        return family.generators.get(f"G_{back}")
    if player == "discriminator_backward":
        return family.discriminators.get(f"D_{back}")
    return family.discriminators.get("D") or family.discriminators.get(f"D_{ahead}")


def _fresh_discriminator(choices: OptimisationChoices, data: Dataset, player: str) -> nn.Module:
    norm = "batch" if data.kind == "paired" else "instance"
    config = DiscriminatorConfig(ndf=choices.ndf, norm=norm, input_channels=_judged_channels(data))  # type: ignore[arg-type]
    network = PatchDiscriminator(config)
    initialise(network, seeded(choices.seed, player))
    return network


def _judged_channels(data: Dataset) -> int:
    return 6 if data.kind == "paired" else 3
