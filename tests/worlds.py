"""Tiny generated data folders, 32 x 32 pixels, in which something can be learned, and tiny models for them."""

from pathlib import Path

import torch
from PIL import Image

from coronet.checkpoints import Checkpoint, save
from coronet.images import to_image
from coronet.networks import GeneratorConfig, build, resnet_config, unet_config

SIDE = 32  # pixels
TRAINING_IMAGES = 6  # per side
TEST_IMAGES = 2
CONFIGS = {
    "resnet": resnet_config(ngf=8, blocks=1, image_size=SIDE),
    "unet": unet_config(ngf=8, image_size=SIDE),
}


def make_world(kind: str, folder: Path) -> Path:
    """Write a data folder: paired (train, test), unpaired (trainA, trainB, testA, testB) or single; give its path."""
    phases = {"train": TRAINING_IMAGES, "test": TEST_IMAGES}
    for number, (phase, count) in enumerate(phases.items()):
        for index in range(count):
            source, target = _sketch(100 * number + index), _painting(100 * number + index)
            if kind == "paired":
                both = Image.new("RGB", (2 * SIDE, SIDE))
                both.paste(source, (0, 0))
                both.paste(target, (SIDE, 0))
                _save(both, folder / phase, index)
            elif kind == "unpaired":
                _save(source, folder / f"{phase}A", index)
                _save(_painting(50 + 100 * number + index), folder / f"{phase}B", index)
            else:
                _save(source, folder, 100 * number + index)
    return folder


def make_model(name: str, path: Path, *, seed: int = 0) -> Path:
    """Save a tiny random generator of CONFIGS; give its path."""
    config = CONFIGS[name]
    save(Checkpoint(config, random_weights(config, seed), {}, ()), path)
    return path


def random_weights(config: GeneratorConfig, seed: int) -> dict[str, torch.Tensor]:
    """Draw weights under which images differ visibly: every tensor is drawn, running variances stay positive."""
    random = torch.Generator().manual_seed(seed)
    weights = {}
    for name, tensor in build(config).state_dict().items():
        if not tensor.is_floating_point():
            weights[name] = tensor.clone()
            continue
        weights[name] = torch.randn(tensor.shape, generator=random) * (0.2 if tensor.dim() == 4 else 0.1)
        if name.endswith("running_var") or (name.endswith("weight") and tensor.dim() == 1):
            weights[name] = weights[name].abs() + 0.5
    return weights


def _sketch(seed: int) -> Image.Image:
    """Draw smooth grey noise."""
    random = torch.Generator().manual_seed(seed)
    return to_image(_smooth(random, 1).expand(3, SIDE, SIDE))


def _painting(seed: int) -> Image.Image:
    """Draw the sketch of the same seed in colour."""
    random = torch.Generator().manual_seed(seed)
    grey = _smooth(random, 1)
    return to_image(torch.cat([grey, -grey, 0.5 * grey]))


def _smooth(random: torch.Generator, channels: int) -> torch.Tensor:
    coarse = torch.rand(1, channels, 5, 5, generator=random) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear", align_corners=False)[0]


def _save(image: Image.Image, folder: Path, index: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / f"{index:04d}.png")


def write_published(path, weights, keys):
    """Write weights as published files have them: under these names, as a pickle."""
    renamed = {}
    for name, tensor in weights.items():
        prefix, _, end = name.rpartition(".")
        renamed[f"{keys[prefix]}.{end}"] = tensor.clone()
    torch.save(renamed, path)
