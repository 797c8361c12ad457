"""Write a world as a data folder, laid out as pytorch-CycleGAN-and-pix2pix expects its data sets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from coronet.errors import SettingsError
from coronet.files import new_folder
from coronet.images import save_image
from coronet.randomness import seed_of
from coronet.scenes import WORLDS, Scene, World
from coronet.scenes.base import Pixels

Report = Callable[[int, int], None]  # scenes done, scenes in all
SMALLEST, LARGEST = 16, 1024  # pixels a side
MOST = 100_000  # scenes


def draw_scene(name: str, phase: str, number: int, *, size: int, seed: int = 0) -> Scene:
    """Draw one scene of a world: a function of these values alone, whatever was drawn before.

    Raises SettingsError for an unknown world.
    """
    random = np.random.default_rng(seed_of("scene", name, phase, number, seed))
    return find_world(name).draw(random, size)


def draw_test_picture(name: str, side: str, number: int, *, size: int) -> Pixels:
    """Draw a test picture of one side, A or B: the same that `write_scenes` writes with seed 0."""
    phase = "test" if find_world(name).paired else f"test{side}"
    scene = draw_scene(name, phase, number, size=size)
    return scene.a if side == "A" else scene.b


def find_world(name: str) -> World:
    """Give the world of this name. Raises SettingsError where there is none."""
    if name not in WORLDS:
        raise SettingsError(f"There is no world '{name}'. Choose one of {', '.join(WORLDS)}.")
    return WORLDS[name]


@dataclass(frozen=True, slots=True)
class Amount:
    """How many scenes are written, and how large. Raises SettingsError where that makes no data set."""

    train: int
    test: int
    image_size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        for label, count in (("train", self.train), ("test", self.test)):
            if not 0 <= count <= MOST:
                raise SettingsError(f"'{label}' is {count}, but must lie between 0 and {MOST}.")
        if not self.train and not self.test:
            raise SettingsError("'train' and 'test' are both 0, so there is nothing to draw. Ask for some scenes.")
        if self.image_size % 4 or not SMALLEST <= self.image_size <= LARGEST:
            raise SettingsError(
                f"'image_size' is {self.image_size}, but must be a multiple of 4 from {SMALLEST} to {LARGEST}."
            )


def write_scenes(name: str, out: Path, amount: Amount, report: Report | None = None) -> dict[str, int]:
    """Write a world's training and test scenes as PNG files; give the folders made, each with its number of images.

    Paired worlds: train/ and test/ with A and B side by side. Unpaired ones: trainA, trainB, testA, testB, which never
    show both sides of one scene, and beside them the truth of every test image: truthA (what testA looks like on the
    other side) and maskA, where there is one; the same for B. `report` hears how many scenes of how many are done.

    The folder appears when it is complete. Raises SettingsError for an unknown world, RunError where the folder
    exists and is not empty or cannot be written.
    """
    world = find_world(name)
    counts = {"train": amount.train, "test": amount.test}
    total = sum(counts.values()) * (1 if world.paired else 2)
    done, folders = 0, dict[str, int]()
    with new_folder(out) as growing:
        for phase, count in counts.items():
            for side in [""] if world.paired else ["A", "B"]:
                for number in range(count):
                    scene = draw_scene(name, phase + side, number, size=amount.image_size, seed=amount.seed)
                    for folder, pixels in _pictures(scene, phase, side):
                        folders[folder] = folders.get(folder, 0) + 1
                        (growing / folder).mkdir(exist_ok=True)
                        save_image(Image.fromarray(pixels), growing / folder / f"{number:05d}.png")
                    done += 1
                    if report:
                        report(done, total)
    return folders


def _pictures(scene: Scene, phase: str, side: str) -> Iterator[tuple[str, Pixels]]:
    """Name the folder of every picture that a data set holds of a scene."""
    if not side:
        yield phase, np.concatenate([scene.a, scene.b], axis=1)
        return
    here, there = (scene.a, scene.b) if side == "A" else (scene.b, scene.a)
    yield f"{phase}{side}", here
    if phase == "test":
        yield f"truth{side}", there
        if scene.mask is not None:
            yield f"mask{side}", np.repeat(scene.mask[..., None], 3, axis=2)
