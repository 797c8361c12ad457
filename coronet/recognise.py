"""Recognising a published network from the names and shapes of its tensors, and saying why.

Known are the generators of pytorch-CycleGAN-and-pix2pix, the mobile students of GAN Compression and OMGD, and the
PatchGAN discriminators. How files are read stands in `tensor_files`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coronet.containers import plain
from coronet.errors import CheckpointError
from coronet.networks import DiscriminatorConfig, GeneratorConfig, PatchDiscriminator, build, patchgan, resnet, unet
from coronet.networks.config import MAX_WIDTH, Norm

MAX_DISCRIMINATOR_LAYERS = 8
_UNET_KEY = "model.model.0.weight"
_EVERYWHERE = ("module.", "_orig_mod.")  # DataParallel, torch.compile
_GENERATOR_PREFIXES = ("netG.", "netG_A.", "generator.", "G.", "G_A.", "gen.", "net.")
_DISCRIMINATOR_PREFIXES = ("netD.", "netD_A.", "discriminator.", "D.", "D_A.", "disc.")
_KNOWN = "Known are the generators of pytorch-CycleGAN-and-pix2pix, GAN Compression and OMGD."


@dataclass(frozen=True, slots=True, eq=False)
class Generator:
    """A recognised generator: weights under our names, reasons in plain sentences."""

    config: GeneratorConfig
    weights: dict[str, Tensor]
    reasons: tuple[str, ...]


def recognise_generator(tensors: Mapping[str, Tensor], name: str) -> Generator:
    """Find the generator a published state dict belongs to; `name` begins the message of CheckpointError."""
    try:
        tensors, reasons = _without_prefix(tensors, _GENERATOR_PREFIXES, ("model.",))
        if _UNET_KEY in tensors:
            return _unet(tensors, reasons)
        if "model.1.weight" in tensors and tensors["model.1.weight"].shape[2:] == (7, 7):
            return _resnet(tensors, reasons)
        _refuse_discriminator(tensors)
        raise CheckpointError(f"holds an unknown network (its first tensors: {_first(tensors)}). {_KNOWN}")
    except CheckpointError as error:
        raise CheckpointError(f"{name} {error}") from error


def recognise_discriminator(tensors: Mapping[str, Tensor], name: str) -> tuple[DiscriminatorConfig, dict[str, Tensor]]:
    """Find the PatchGAN a published state dict belongs to, with weights under our names; `name` begins the message."""
    try:
        tensors, _ = _without_prefix(tensors, _DISCRIMINATOR_PREFIXES, ("model.", "net."))
        config = _discriminator_config(tensors)
        if config is None:
            what = "a generator" if _UNET_KEY in tensors or "model.1.weight" in tensors else "no PatchGAN discriminator"
            raise CheckpointError(
                f"holds {what} (its first tensors: {_first(tensors)}). Choose the file whose name holds net_D."
            )
        keys = patchgan.published_keys(config)
        weights, _ = _translate(tensors, keys, discriminator_shapes(config), "this PatchGAN discriminator")
        return config, weights
    except CheckpointError as error:
        raise CheckpointError(f"{name} {error}") from error


def generator_shapes(config: GeneratorConfig) -> dict[str, Tensor]:
    """Give the state dict of a generator without memory, on the meta device."""
    with torch.device("meta"):
        return build(config).state_dict()


def discriminator_shapes(config: DiscriminatorConfig) -> dict[str, Tensor]:
    """Give the state dict of a discriminator without memory; CheckpointError where its numbers are out of range."""
    for key, most in (("ndf", MAX_WIDTH), ("layers", MAX_DISCRIMINATOR_LAYERS), ("input_channels", MAX_WIDTH)):
        value = getattr(config, key)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise CheckpointError(f"describes a discriminator with {key} {plain(value)}, but it must be 1 to {most}.")
    if config.kind not in ("n_layers", "pixel") or config.norm not in ("instance", "batch"):
        raise CheckpointError(f"describes an unknown discriminator '{plain(config.kind)}' with '{plain(config.norm)}'.")
    with torch.device("meta"):
        network: nn.Module = PatchDiscriminator(config)
    return network.state_dict()


def _without_prefix(
    tensors: Mapping[str, Tensor], prefixes: Iterable[str], roots: tuple[str, ...]
) -> tuple[Mapping[str, Tensor], list[str]]:
    """Take away what wrappers put before the names; a prefix of one network among several picks that network."""
    reasons: list[str] = []
    for _ in range(4):
        prefix = next((p for p in _EVERYWHERE if tensors and all(key.startswith(p) for key in tensors)), None)
        if prefix is None and not any(key.startswith(roots) for key in tensors):
            prefix = next((p for p in prefixes if any(key.startswith(_below(p, roots)) for key in tensors)), None)
        if prefix is None:
            break
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        reasons.append(f"Names begin with '{prefix}': it was taken away.")
    return tensors, reasons


def _below(prefix: str, roots: Iterable[str]) -> tuple[str, ...]:
    return tuple(prefix + wrapper + root for wrapper in ("", *_EVERYWHERE) for root in roots)


def _resnet(tensors: Mapping[str, Tensor], reasons: list[str]) -> Generator:
    found = {int(match[1]) for key in tensors if (match := re.match(r"model\.(\d{1,4})\.conv_block\.", key))}
    blocks = len(found)
    if found != set(range(10, 10 + blocks)):
        raise CheckpointError(
            f"holds residual blocks at model.{min(found)} to model.{max(found)} instead of model.10 to "
            f"model.{9 + blocks}: it is incomplete or another kind of ResNet. {_KNOWN}"
        )
    slot = blocks > 0 and not any(key.startswith("model.10.conv_block.5.") for key in tensors)
    mobile = "model.10.conv_block.1.conv.0.weight" in tensors
    inner = "conv.2.weight" if mobile else "weight"
    tail = 10 + blocks
    stem = _sizes(tensors, "model.1.weight")
    widths = {"stem": stem[0]}
    widths |= {group: _sizes(tensors, f"model.{at}.weight")[0] for group, at in (("down1", 4), ("trunk", 7))}
    for index in range(blocks):
        widths[f"block{index}"] = _sizes(tensors, f"model.{10 + index}.conv_block.1.{inner}")[0]
    widths |= {group: _sizes(tensors, f"model.{at}.weight")[1] for group, at in (("up1", tail), ("up2", tail + 3))}
    config = _config(
        architecture="mobile_resnet" if mobile else "resnet",
        widths=widths,
        norm=_norm(tensors, "model.2"),
        input_channels=stem[1],
        output_channels=_sizes(tensors, f"model.{tail + 7}.weight")[0],
    )
    title = f"a {'mobile ' if mobile else ''}ResNet with {blocks} blocks"
    keys = resnet.published_keys(config, dropout_slot=slot)
    weights, dropped = _translate(tensors, keys, generator_shapes(config), title)
    return Generator(config, weights, (*reasons, *_resnet_reasons(config, slot), *_common_reasons(config, dropped)))


def _config(**values: Any) -> GeneratorConfig:
    try:
        return GeneratorConfig(**values)
    except CheckpointError as error:
        raise CheckpointError(f"holds a network that cannot be built: {error}") from error


def _resnet_reasons(config: GeneratorConfig, slot: bool) -> list[str]:
    blocks, widths = config.blocks, config.widths
    reasons = ["ResNet: the first convolution model.1 has 7×7 kernels."]
    if blocks:
        reasons.append(f"{blocks} residual blocks: key names model.10 to model.{9 + blocks} hold conv_block.")
    if config.architecture == "mobile_resnet":
        reasons.append("Mobile blocks: conv_block.1.conv.0 is depthwise, one input channel per kernel.")
        if text := gan_compression_string(config):
            reasons.append(f"GAN Compression configuration {text}, from the shapes.")
    if slot:
        reasons.append("Dropout off: conv_block.6 leaves it a place, but the file does not say whether it was used.")
    text = f"stem {widths['stem']}, down1 {widths['down1']}, trunk {widths['trunk']}"
    return [*reasons, f"Widths from the shapes: {text}, up1 {widths['up1']}, up2 {widths['up2']}."]


def gan_compression_string(config: GeneratorConfig) -> str | None:
    """Give the 8 numbers of GAN Compression's configuration where the widths follow its rules, else None."""
    widths, third = config.widths, config.blocks // 3
    groups = [{widths[f"block{index}"] for index in range(part * third, (part + 1) * third)} for part in range(3)]
    if config.architecture != "mobile_resnet" or config.blocks != 9 or any(len(group) != 1 for group in groups):
        return None
    whole = [(widths["stem"], 1), (widths["down1"], 2), (widths["trunk"], 4)]
    whole += [(group.pop(), 4) for group in groups] + [(widths["up1"], 2), (widths["up2"], 1)]
    if any(width % factor for width, factor in whole):
        return None
    return "_".join(str(width // factor) for width, factor in whole)


def _unet(tensors: Mapping[str, Tensor], reasons: list[str]) -> Generator:
    prefix, levels = "model.model.1.model", 2
    while f"{prefix}.1.weight" in tensors and f"{prefix}.3.weight" not in tensors and levels <= 12:
        prefix, levels = f"{prefix}.3.model", levels + 1
    names = {f"down{level}": 0 for level in range(1, levels + 1)} | {f"up{level}": 0 for level in range(levels, 1, -1)}
    # A first guess of the right depth gives the key names; the widths are read from the tensors there.
    keys = unet.published_keys(_config(architecture="unet", widths=dict.fromkeys(names, 1)))
    widths = {
        group: _sizes(tensors, f"{keys[f'downs.{group}']}.weight")[0]
        if group.startswith("down")
        else _sizes(tensors, f"{keys[f'ups.{group}']}.weight")[1]
        for group in names
    }
    norm = _norm(tensors, keys["norms.up2"])
    config = _config(
        architecture="unet",
        widths=widths,
        norm=norm,
        input_channels=_sizes(tensors, _UNET_KEY)[1],
        output_channels=_sizes(tensors, "model.model.3.weight")[1],
        dropout=norm == "batch",
        image_size=2**levels,
    )
    weights, dropped = _translate(tensors, keys, generator_shapes(config), f"a U-Net of {levels} levels")
    down = ", ".join(str(widths[f"down{level}"]) for level in range(1, levels + 1))
    why = (
        f"U-Net of {levels} levels: the names nest as model.model.1.model.3.model.",
        f"Widths from the shapes: {down} downwards.",
        f"Dropout {'on' if config.dropout else 'off'} in training: not stored in the file, the default with its norm.",
    )
    return Generator(config, weights, (*reasons, *why, *_common_reasons(config, dropped)))


def _common_reasons(config: GeneratorConfig, dropped: int) -> list[str]:
    amount = "" if config.norm == "batch" else "no "
    reasons = [f"{config.norm.title()} normalisation: the file holds {amount}weights of norms."]
    if dropped:
        reasons.append(f"{dropped} running statistics of an old instance normalisation were dropped: they act nowhere.")
    reasons.append(f"{config.input_channels} input and {config.output_channels} output channels: outermost shapes.")
    size = "2 to the number of levels" if config.architecture == "unet" else "not stored in the file, the usual size"
    return [*reasons, f"Image size {config.image_size}: {size}."]


def _discriminator_config(tensors: Mapping[str, Tensor]) -> DiscriminatorConfig | None:
    kernels = {
        key: tuple(value.shape) for key, value in tensors.items() if key.endswith(".weight") and value.dim() == 4
    }
    if set(kernels) == {"net.0.weight", "net.2.weight", "net.5.weight"} and kernels["net.0.weight"][2:] == (1, 1):
        ndf, channels = kernels["net.0.weight"][:2]
        return DiscriminatorConfig(kind="pixel", ndf=ndf, norm=_norm(tensors, "net.3"), input_channels=channels)
    layers = len(kernels) - 2
    names = {"model.0.weight"} | {f"model.{3 * index - 1}.weight" for index in range(1, layers + 2)}
    if layers < 1 or set(kernels) != names or any(shape[2:] != (4, 4) for shape in kernels.values()):
        return None
    ndf, channels = kernels["model.0.weight"][:2]
    return DiscriminatorConfig(ndf=ndf, layers=layers, norm=_norm(tensors, "model.3"), input_channels=channels)


def _refuse_discriminator(tensors: Mapping[str, Tensor]) -> None:
    config = _discriminator_config(tensors)
    if config is not None:
        kind = "pixel" if config.kind == "pixel" else "basic" if config.layers == 3 else f"{config.layers}-layer"
        text = f"is a discriminator ({kind} PatchGAN, ndf {config.ndf}), not a generator."
        raise CheckpointError(f"{text} Choose the file whose name holds net_G.")


def _norm(tensors: Mapping[str, Tensor], at: str) -> Norm:
    if f"{at}.weight" not in tensors:
        return "instance"
    if f"{at}.running_mean" not in tensors:
        raise CheckpointError(
            f"uses a normalisation with weights but no running statistics ('{at}.weight'), which is not known here. "
            "Choose a network with plain instance or batch normalisation."
        )
    return "batch"


def _translate(
    tensors: Mapping[str, Tensor], keys: Mapping[str, str], expected: Mapping[str, Tensor], title: str
) -> tuple[dict[str, Tensor], int]:
    """Rename every tensor to ours and check every shape; gives the number of useless statistics left behind."""
    weights, used = {}, set()
    for ours, shape in expected.items():
        prefix, _, part = ours.rpartition(".")
        theirs = f"{keys[prefix]}.{part}"
        if theirs in tensors:
            weights[ours] = _checked(tensors[theirs], shape, theirs, title)
            used.add(theirs)
        elif part == "num_batches_tracked":  # absent before PyTorch 0.4.1
            weights[ours] = torch.zeros((), dtype=torch.int64)
        else:
            raise CheckpointError(f"looks like {title}, but lacks '{theirs}'. Save the whole state dict again.")
    statistics = {
        f"{theirs}.{part}"
        for ours, theirs in keys.items()
        if "norm" in ours
        for part in ("running_mean", "running_var", "num_batches_tracked")
    }
    extra = [key for key in tensors if key not in used and key not in statistics]
    if extra:
        raise CheckpointError(f"looks like {title}, but also holds {_first(extra)}. {_KNOWN}")
    return weights, len(tensors) - len(used)


def _checked(tensor: Tensor, expected: Tensor, key: str, title: str) -> Tensor:
    if tensor.shape != expected.shape:
        found, fitting = ("×".join(map(str, shape)) or "one number" for shape in (tensor.shape, expected.shape))
        raise CheckpointError(
            f"looks like {title}, but '{plain(key)}' is {found} where {fitting} would fit its neighbours. Choose an "
            "undamaged file."
        )
    return tensor


def _sizes(tensors: Mapping[str, Tensor], key: str) -> tuple[int, ...]:
    """Give the shape of a convolution's weight; CheckpointError where there is none under this name."""
    if key not in tensors or tensors[key].dim() != 4:
        raise CheckpointError(
            f"lacks the convolution '{key}', though its other names fit. Save the whole state dict again."
        )
    return tuple(tensors[key].shape)


def _first(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(f"'{plain(name, 50)}'" for name in names[:3]) + (", …" if len(names) > 3 else "")
