"""The frozen description from which a generator is built; it is what a checkpoint stores beside the weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from coronet.errors import CheckpointError

Architecture = Literal["resnet", "mobile_resnet", "unet"]
Norm = Literal["instance", "batch"]
Upsample = Literal["transposed", "resize"]
RESNET_FIXED_GROUPS = ("stem", "down1", "trunk", "up1", "up2")
MAX_WIDTH = 8192
MAX_BLOCKS = 64


@dataclass(frozen=True)
class GeneratorConfig:
    """Architecture and widths of one generator.

    widths: channels per group. ResNet: stem, down1, trunk, block0 .. block{n-1}, up1, up2. U-Net: down1 .. down{L},
    up{L} .. up2 (up{k} is the output of the k-th transposed convolution, counted from the outside).
    image_size: side in pixels the model was made for; `dropout` acts in training only.
    upsample: how features are enlarged: by transposed convolutions, as published, or by nearest neighbours and a plain
    3x3 convolution (Odena et al. 2016), which costs more MACs and leaves no checkerboard.
    """

    architecture: Architecture
    widths: Mapping[str, int]
    norm: Norm = "instance"
    input_channels: int = 3
    output_channels: int = 3
    dropout: bool = False
    image_size: int = 256
    upsample: Upsample = "transposed"

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", MappingProxyType(dict(self.widths)))
        _check(self)

    def __hash__(self) -> int:
        return hash((*self.skeleton(), frozenset(self.widths.items())))  # equal whatever the order

    def __reduce__(self) -> tuple[Any, ...]:
        return config_from_json, (self.to_json(),)

    @property
    def blocks(self) -> int:
        """Number of residual blocks (0 for a U-Net)."""
        return sum(name.startswith("block") for name in self.widths)

    @property
    def levels(self) -> int:
        """Number of halvings: 2 for a ResNet, the depth of a U-Net."""
        return sum(name.startswith("down") for name in self.widths) if self.architecture == "unet" else 2

    @property
    def size_multiple(self) -> int:
        """Image sides must be multiples of this."""
        return int(2**self.levels)

    @property
    def least_side(self) -> int:
        """The smallest side of an image in pixels: the trunk of a ResNet pads by reflection."""
        return self.size_multiple * (1 if self.architecture == "unet" else 2)

    def skeleton(self) -> tuple[Any, ...]:
        """Everything but the widths: nets with equal skeletons have the same layers."""
        return (
            self.architecture,
            self.blocks,
            self.levels,
            self.norm,
            self.upsample,
            self.input_channels,
            self.output_channels,
        )

    def with_widths(self, widths: Mapping[str, int]) -> "GeneratorConfig":
        """Give the same net with other widths."""
        return replace(self, widths=dict(widths))

    def to_json(self) -> dict[str, Any]:
        """Turn into plain JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "widths"} | {
            "widths": dict(self.widths)
        }


def config_from_json(values: Mapping[str, Any]) -> GeneratorConfig:
    """Build a config from plain values; anything unknown, missing or out of range raises CheckpointError."""
    names = set(GeneratorConfig.__dataclass_fields__)
    if not isinstance(values, Mapping) or not {"architecture", "widths"} <= set(values) <= names:
        raise CheckpointError(
            "The model's description is damaged: these are not the fields of a generator. Convert it again."
        )
    try:
        return GeneratorConfig(**values)
    except (TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"The model's description is damaged ({error}). Convert it again.") from error


def resnet_config(
    *,
    ngf: int = 64,
    blocks: int = 9,
    mobile: bool = False,
    norm: Norm = "instance",
    dropout: bool = False,
    image_size: int = 256,
    upsample: Upsample = "transposed",
) -> GeneratorConfig:
    """Describe the CycleGAN generator with the usual widths (ngf, 2 ngf, 4 ngf)."""
    widths = {"stem": ngf, "down1": 2 * ngf, "trunk": 4 * ngf}
    widths |= {f"block{index}": 4 * ngf for index in range(blocks)}
    widths |= {"up1": 2 * ngf, "up2": ngf}
    return GeneratorConfig(
        architecture="mobile_resnet" if mobile else "resnet",
        widths=widths,
        norm=norm,
        dropout=dropout,
        image_size=image_size,
        upsample=upsample,
    )


def unet_config(
    *,
    ngf: int = 64,
    image_size: int = 256,
    norm: Norm = "batch",
    dropout: bool = True,
    levels: int | None = None,
    upsample: Upsample = "transposed",
) -> GeneratorConfig:
    """Describe the Pix2Pix U-Net with the usual widths (ngf times 1, 2, 4, 8, 8, ...).

    It halves the image as often as the size is even: down to one pixel for a power of two, as published.
    """
    levels = levels or (image_size & -image_size).bit_length() - 1
    down = {f"down{level}": ngf * min(2 ** (level - 1), 8) for level in range(1, levels + 1)}
    up = {f"up{level}": down[f"down{level - 1}"] for level in range(levels, 1, -1)}
    return GeneratorConfig(
        architecture="unet",
        widths=down | up,
        norm=norm,
        dropout=dropout,
        image_size=image_size,
        upsample=upsample,
    )


def _check(config: GeneratorConfig) -> None:
    if config.architecture not in get_args(Architecture) or config.norm not in get_args(Norm):
        raise CheckpointError(
            f"There is no '{config.architecture}' generator with '{config.norm}' norm. "
            f"Known: {', '.join(get_args(Architecture))} with {' or '.join(get_args(Norm))}."
        )
    if config.upsample not in get_args(Upsample):
        raise CheckpointError(f"'upsample' is {config.upsample!r}, but must be {' or '.join(get_args(Upsample))}.")
    numbers = {
        **config.widths,
        "input_channels": config.input_channels,
        "output_channels": config.output_channels,
    }
    for name, width in numbers.items():
        if not isinstance(width, int) or isinstance(width, bool) or not 1 <= width <= MAX_WIDTH:
            raise CheckpointError(f"'{name}' is {width!r}, but must be between 1 and {MAX_WIDTH} channels.")
    if not isinstance(config.image_size, int) or not 4 <= config.image_size <= 8192:
        raise CheckpointError(f"'image_size' is {config.image_size!r}, but must be between 4 and 8192 pixels.")
    if not isinstance(config.dropout, bool):
        raise CheckpointError(f"'dropout' is {config.dropout!r}, but must be true or false.")
    if set(config.widths) != set(_expected_groups(config)):
        raise CheckpointError(f"These channel groups make no {config.architecture}: {', '.join(config.widths)}.")
    if config.image_size % config.size_multiple or config.image_size < config.least_side:
        raise CheckpointError(
            f"'image_size' is {config.image_size}, but must be a multiple of {config.size_multiple}, "
            f"at least {config.least_side}, for this {config.architecture}."
        )


def _expected_groups(config: GeneratorConfig) -> list[str]:
    if config.architecture == "unet":
        levels = config.levels
        if not 2 <= levels <= 12:
            raise CheckpointError(f"A U-Net of {levels} levels cannot be built. It needs 2 to 12.")
        return [f"down{level}" for level in range(1, levels + 1)] + [f"up{level}" for level in range(2, levels + 1)]
    if not 0 <= config.blocks <= MAX_BLOCKS:
        raise CheckpointError(f"{config.blocks} residual blocks are more than the {MAX_BLOCKS} that can be built.")
    return [*RESNET_FIXED_GROUPS, *(f"block{index}" for index in range(config.blocks))]
