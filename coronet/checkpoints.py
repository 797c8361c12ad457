"""Checkpoints: a generator's config, weights and lineage, loaded from published files or our own, and saved as ours.

Ours is one safetensors file whose metadata holds the config and the lineage as JSON. Reading bytes safely stands in
`tensor_files`, recognising published networks in `recognise`, finding files in `model_folders`.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from coronet.containers import plain
from coronet.demos import Direction
from coronet.errors import CheckpointError
from coronet.files import write_atomic
from coronet.model_folders import Family, companions, crop_size, load_folder, options_beside, resolve_model
from coronet.networks import DiscriminatorConfig, Generator, GeneratorConfig, build_hollow, config_from_json
from coronet.recognise import (
    discriminator_shapes,
    generator_shapes,
    recognise_discriminator,
    recognise_generator,
)
from coronet.tensor_files import TensorFile, read_tensor_file, sha256_of

__all__ = [
    "Checkpoint",
    "Family",
    "build_generator",
    "companions",
    "load",
    "load_discriminator",
    "load_folder",
    "resolve_model",
    "save",
    "save_discriminator",
    "sha256_of",
]

FORMAT_VERSION = 1
_KEY = "coronet"  # of the safetensors metadata; one key, because the order of several is not fixed


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A generator: its config, its weights under our names (float32; counters int64), and where it came from.

    lineage: JSON values; `source`, `sha256` and `format` describe the file it was loaded from, `origin` the first file
    of the line. reasons: plain sentences on how the architecture was recognised.
    """

    config: GeneratorConfig
    weights: dict[str, Tensor]
    lineage: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


def load(path: Path | str, *, direction: Direction = "AtoB") -> Checkpoint:
    """Load a generator from a published .pth, safetensors, a checkpoint folder or a run folder.

    direction: picks G_B of a CycleGAN folder. CheckpointError says in one line what the file is instead.
    """
    path, reasons = Path(path), []
    if os.path.isdir(path):
        family = load_folder(path)
        path, options = family.generator(direction), family.options
        reasons.append(f"{plain(path.name)} was chosen from its folder.")
    else:
        options = options_beside(path)
    file = read_tensor_file(path)
    name = plain(path.name)
    description = _description(file.metadata, name)
    if description is not None:
        return _ours(file, description, path, reasons)
    found = recognise_generator(file.tensors, name)
    config, size_reasons = _with_crop_size(found.config, found.reasons, crop_size(options))
    lineage = {"source": path.name, "sha256": file.sha256, "format": file.format}
    return Checkpoint(config, found.weights, lineage, (*reasons, *file.notes, *size_reasons))


def save(checkpoint: Checkpoint, path: Path, *, half: bool = False) -> None:
    """Write a checkpoint atomically as safetensors, weights in float32, or convolutions in float16 with `half`.

    Raises CheckpointError where the weights do not fit the config or are not finite, RunError where writing fails.
    """
    shapes = generator_shapes(checkpoint.config)
    description = {"kind": "generator", "config": checkpoint.config.to_json(), "lineage": checkpoint.lineage}
    _write(path, description, _fitting(checkpoint.weights, shapes, plain(path.name)), half=half)


def build_generator(checkpoint: Checkpoint) -> Generator:
    """Build the generator with its own copy of the weights, in eval mode, on the CPU."""
    weights = _fitting(checkpoint.weights, generator_shapes(checkpoint.config), "The checkpoint")
    generator = build_hollow(checkpoint.config)
    kinds = {name: tensor.dtype for name, tensor in generator.state_dict().items()}
    copies = {name: tensor.to("cpu", kinds[name], copy=True) for name, tensor in weights.items()}
    generator.load_state_dict(copies, assign=True)
    return generator.eval()


def load_discriminator(path: Path | str) -> tuple[DiscriminatorConfig, dict[str, Tensor]]:
    """Load a PatchGAN discriminator from a published .pth or our safetensors; CheckpointError as `load`."""
    path = Path(path)
    file, name = read_tensor_file(path, "discriminator"), plain(path.name)
    description = _description(file.metadata, name)
    if description is None:
        return recognise_discriminator(file.tensors, name)
    if description["kind"] != "discriminator":
        raise CheckpointError(f"{name} is a {description['kind']}, not a discriminator. Choose another file.")
    try:
        config = DiscriminatorConfig(**description["config"])
        shapes = discriminator_shapes(config)
    except TypeError as error:
        raise CheckpointError(f"{name} describes no discriminator ({plain(error)}). Save it again.") from error
    except CheckpointError as error:
        raise CheckpointError(f"{name} {error}") from error
    return config, _fitting(file.tensors, shapes, name)


def save_discriminator(
    config: DiscriminatorConfig,
    weights: Mapping[str, Tensor],
    path: Path,
    *,
    lineage: Mapping[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Write a discriminator atomically as safetensors; `half` and errors as for `save`."""
    description = {"kind": "discriminator", "config": asdict(config), "lineage": dict(lineage or {})}
    _write(path, description, _fitting(weights, discriminator_shapes(config), plain(path.name)), half=half)


def _write(path: Path, description: Mapping[str, Any], weights: Mapping[str, Tensor], *, half: bool) -> None:
    stored = {name: _stored(tensor, half) for name, tensor in weights.items()}
    for name, tensor in stored.items():
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"{plain(path.name)} was not written: '{name}' is NaN or infinite. Use an earlier state of the weights."
            )
    text = json.dumps({"version": FORMAT_VERSION, **description}, sort_keys=True)
    write_atomic(path, safetensors.torch.save(stored, {_KEY: text}))


def _stored(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
    if tensor.is_floating_point():
        tensor = tensor.float()
        # Vectors stay exact: they are small, and running variances may leave the range of float16.
        if half and tensor.dim() > 1 and tensor.abs().amax() <= torch.finfo(torch.float16).max:
            return tensor.half()
    return tensor


def _description(metadata: Mapping[str, str], name: str) -> dict[str, Any] | None:
    """Read our description out of safetensors metadata; None where the file is not ours."""
    if _KEY not in metadata:
        return None
    try:
        description = json.loads(metadata[_KEY])
        version, config, lineage = description["version"], description["config"], description["lineage"]
        valid = isinstance(version, int) and isinstance(config, dict) and isinstance(lineage, dict)
        valid = valid and description["kind"] in ("generator", "discriminator")
    except (ValueError, KeyError, TypeError, RecursionError):
        valid = False
    if not valid:
        raise CheckpointError(f"{name} is damaged: its description cannot be read. Save or convert it again.")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{name} has format {version}, but this CoroNet Studio reads up to {FORMAT_VERSION}. Update the studio."
        )
    return dict(description)


def _ours(file: TensorFile, description: Mapping[str, Any], path: Path, reasons: list[str]) -> Checkpoint:
    name = plain(path.name)
    if description["kind"] != "generator":
        raise CheckpointError(f"{name} is a {description['kind']}, not a generator. Choose another file.")
    try:
        config = config_from_json(description["config"])
    except CheckpointError as error:
        raise CheckpointError(f"{name} cannot be used: {plain(error, 300)}") from error
    weights = _fitting(file.tensors, generator_shapes(config), name)
    stored = description["lineage"]
    lineage = {**stored, "source": path.name, "sha256": file.sha256, "format": f"coronet-{description['version']}"}
    if "origin" not in stored and "sha256" in stored:
        lineage["origin"] = {key: stored[key] for key in ("source", "sha256", "format") if key in stored}
    why = "Written by CoroNet Studio: the architecture and the widths are stored in the file."
    return Checkpoint(config, weights, lineage, (*reasons, why))


def _fitting(weights: Mapping[str, Tensor], shapes: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Give the weights in the order of the network; CheckpointError unless names, shapes and kinds are exactly its."""
    wrong = sorted(set(weights) ^ set(shapes))
    if wrong:
        relation = "lacks" if wrong[0] in shapes else "holds the unknown"
        raise CheckpointError(f"{name} {relation} tensor '{plain(wrong[0])}' of its network. Save it again.")
    for key, expected in shapes.items():
        tensor = weights[key]
        if tensor.shape != expected.shape or tensor.is_floating_point() != expected.is_floating_point():
            found, fitting = (f"{tuple(part.shape)} {part.dtype}" for part in (tensor, expected))
            raise CheckpointError(f"{name} holds '{plain(key)}' as {found}, but its config asks for {fitting}.")
    return {key: weights[key] for key in shapes}


def _with_crop_size(
    config: GeneratorConfig, reasons: tuple[str, ...], size: int | None
) -> tuple[GeneratorConfig, tuple[str, ...]]:
    """Take the image size from the options that a training left beside a published file, where they fit."""
    if size is None or size == config.image_size or size % config.size_multiple or not 4 <= size <= 8192:
        return config, reasons
    kept = tuple(reason for reason in reasons if not reason.startswith("Image size"))
    return replace(config, image_size=size), (*kept, f"Image size {size}: crop_size in the options beside the file.")
