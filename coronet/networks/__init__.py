"""The generators and discriminators: plain modules that have never heard of pruning, jobs or a user interface."""

from collections.abc import Callable

import torch

from coronet.networks import patchgan, resnet, unet
from coronet.networks.config import GeneratorConfig, config_from_json, resnet_config, unet_config
from coronet.networks.initialise import initialise
from coronet.networks.patchgan import DiscriminatorConfig, PatchDiscriminator
from coronet.networks.resnet import ResnetGenerator
from coronet.networks.unet import UnetGenerator

__all__ = [
    "GENERATORS",
    "DiscriminatorConfig",
    "Generator",
    "GeneratorConfig",
    "PatchDiscriminator",
    "build",
    "build_hollow",
    "config_from_json",
    "initialise",
    "patchgan",
    "resnet",
    "resnet_config",
    "unet",
    "unet_config",
]

Generator = ResnetGenerator | UnetGenerator

GENERATORS: dict[str, Callable[[GeneratorConfig], Generator]] = {
    "resnet": ResnetGenerator,
    "mobile_resnet": ResnetGenerator,
    "unet": UnetGenerator,
}


def build(config: GeneratorConfig) -> Generator:
    """Build the generator a config describes, with torch's default initial weights."""
    return GENERATORS[config.architecture](config)


def build_hollow(config: GeneratorConfig) -> Generator:
    """Build a generator without memory and initial weights (on the meta device), to be given weights from elsewhere."""
    with torch.device("meta"):
        return build(config)
