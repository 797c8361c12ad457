"""Generators as ONNX files: fp32, fp16 and int8, none of which is written before it was run and compared.

The exact model comes from tracing.py, the integers from quantisation.py; running a file is runtime.py's.
"""

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from coronet import quantisation
from coronet.errors import DataError, ExportError
from coronet.files import atomic_path
from coronet.networks import Generator, GeneratorConfig
from coronet.runtime import OnnxGenerator, Precision, open_onnx
from coronet.similarity import psnr
from coronet.tracing import describe, evaluation_copy, exact_model

if TYPE_CHECKING:
    import onnx

__all__ = [
    "Exported",
    "OnnxGenerator",
    "Precision",
    "complaint",
    "open_onnx",
    "synthetic_images",
    "to_onnx",
    "to_onnx_forms",
]

Checked = Literal["real images", "synthetic images"]
LARGEST_DIFFERENCE = 1e-3  # of an fp32 model to torch, per value in [-1, 1]; 4e-6 to 6e-5 is usual
LEAST_PSNR = {"fp16": 40.0, "int8": 28.0}  # dB to torch; 75 to 80 and 30 to 34 are usual
HIGHEST_PSNR = 200.0  # dB, stands for no difference at all
_UNSTABLE = (
    "The network answers an invisible change of the image with another picture, so that the export cannot be checked. "
    "Train it longer."
)
_SYNTHETIC_IMAGES = 4
_SECOND_SIZE = (48, 80)  # pixels, rounded up to the size multiple; larger multiples than 512 are not tried twice
_REMEDIES = {
    "fp16": "Export fp32 instead, or force it",
    "int8": "Give 16 or more typical images, export fp16 or fp32 instead, or force it",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """An ONNX file and how far its output lies from the original's.

    max_abs_difference: largest over all values and images, on the scale [-1, 1]. psnr_db: peak 2 (the width of that
    scale), mean over the images, at most 200. forced: it misses the bound of its precision and was wanted anyway.
    """

    path: Path
    precision: Precision
    bytes: int
    sha256: str
    max_abs_difference: float
    psnr_db: float
    forced: bool
    checked_on: Checked
    images: int

    def to_json(self) -> dict[str, Any]:
        """Turn into plain JSON values."""
        return asdict(self) | {"path": str(self.path)}


def to_onnx(
    generator: Generator,
    path: Path,
    *,
    images: Sequence[Tensor],
    calibration: Sequence[Tensor] = (),
    precision: Precision = "fp32",
    lineage: Mapping[str, Any] | None = None,
    force: bool = False,
) -> Exported:
    """Write a generator, in evaluation mode, as one ONNX file for any batch and size; the generator stays as it is.

    images: each (1, C, H, W) in [-1, 1]; the file is compared with torch on them, synthetic ones stand in for none.
    calibration: other ones like them, from which int8 takes its ranges; without any it takes them from `images`.
    lineage: JSON values for the file's metadata. force: accept an fp16 or int8 model below its LEAST_PSNR. Raises
    DataError for unusable images, ExportError where the file computes something else than the generator, RunError
    where it cannot be written. `path` is not touched before all checks have passed.
    """
    forms = {precision: path}
    return to_onnx_forms(generator, forms, images=images, calibration=calibration, lineage=lineage, force=force)[0]


def to_onnx_forms(
    generator: Generator,
    paths: Mapping[Precision, Path],
    *,
    images: Sequence[Tensor],
    calibration: Sequence[Tensor] = (),
    lineage: Mapping[str, Any] | None = None,
    force: bool = False,
    tell: Callable[[Precision], None] = lambda _: None,
) -> tuple[Exported, ...]:
    """Write a generator in several precisions, each with a path, like `to_onnx` but tracing it once.

    tell: is given each precision when it is begun.
    """
    for image in (*images, *calibration):
        _check_image(image, generator.config)
    with ExitStack() as stack:
        temporary = {precision: stack.enter_context(atomic_path(path)) for precision, path in paths.items()}
        tell("fp32")  # what the others are made of and compared with
        network = evaluation_copy(generator)
        exact = exact_model(network)
        describe(exact, network.config, "fp32", lineage or {})
        real, compared = _checks(network, _runtime(exact), images)
        examples = _plain(calibration) or [one.image for one in compared]
        checked_on: Checked = "real images" if real else "synthetic images"
        made = []
        for precision, path in paths.items():
            model, results = exact, compared
            if precision != "fp32":
                tell(precision)
                model = _CONVERSIONS[precision](_copy(exact), examples)
                describe(model, network.config, precision, lineage or {})
                results = _rerun(compared, _runtime(model))
            data = model.SerializeToString()
            made.append(_described(path, precision, data, results, force=force, checked_on=checked_on))
            temporary[precision].write_bytes(data)
    return tuple(made)


def _described(
    path: Path, precision: Precision, data: bytes, results: Sequence["_Comparison"], *, force: bool, checked_on: Checked
) -> Exported:
    """Judge a form by its comparisons; raises ExportError where it loses too much and is not forced."""
    difference, decibels = _scores(results)
    forced = _judge(precision, difference, decibels, force)
    digest = hashlib.sha256(data).hexdigest()
    return Exported(path, precision, len(data), digest, difference, decibels, forced, checked_on, len(results))


def complaint(precision: Precision, psnr_db: float) -> str:
    """Say that a precision loses too much of the picture; nothing where it does not, or for fp32, judged otherwise."""
    least = LEAST_PSNR.get(precision)
    if least is None or psnr_db >= least:
        return ""
    return f"{precision} loses too much: {psnr_db:.1f} dB to the original, at least {least:.0f} are needed."


def synthetic_images(config: GeneratorConfig) -> list[Tensor]:
    """Draw smooth images with a little texture, of the model's size, always the same four: each (1, C, S, S)."""
    random = torch.Generator().manual_seed(0)
    side = max(1, min(config.image_size, 256) // config.size_multiple) * config.size_multiple
    coarse = torch.randn(_SYNTHETIC_IMAGES, config.input_channels, 8, 8, generator=random)
    smooth = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)
    texture = 0.1 * torch.randn(smooth.shape, generator=random)
    return list(torch.split((smooth + texture).tanh(), 1))


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One image with its translations."""

    image: Tensor
    expected: Tensor  # by torch
    actual: Tensor  # by ONNX Runtime


def _check_image(image: Tensor, config: GeneratorConfig) -> None:
    shape, multiple = tuple(image.shape), config.size_multiple
    if len(shape) != 4 or shape[:2] != (1, config.input_channels):
        raise DataError(
            f"An image of shape {shape} cannot check the export. Give (1, {config.input_channels}, height, width)."
        )
    if 0 in shape or shape[2] % multiple or shape[3] % multiple:
        raise DataError(
            f"An image of {shape[3]} x {shape[2]} pixels cannot check the export. Give sides that are multiples "
            f"of {multiple}."
        )


def _plain(images: Sequence[Tensor]) -> list[Tensor]:
    return [image.detach().to("cpu", torch.float32) for image in images]


def _runtime(model: "onnx.ModelProto") -> OnnxGenerator:
    return OnnxGenerator(model.SerializeToString(), "The exported model", threads=torch.get_num_threads())


def _checks(network: Generator, exact: OnnxGenerator, images: Sequence[Tensor]) -> tuple[bool, list[_Comparison]]:
    """Compare the fp32 model with torch on the images, or on synthetic ones where none can be used (False)."""
    _try_second_size(network, exact)
    real = _comparisons(network, exact, _plain(images))
    compared = real or _comparisons(network, exact, synthetic_images(network.config))
    if not compared:
        raise ExportError(_UNSTABLE)
    return bool(real), compared


def _try_second_size(network: Generator, exact: OnnxGenerator) -> None:
    """Raise ExportError unless the fp32 model equals torch for a batch of two and unequal sides, too."""
    multiple = network.config.size_multiple
    if multiple > 512:
        return
    height, width = (-(-side // multiple) * multiple for side in _SECOND_SIZE)
    width += multiple if width == height else 0
    image = F.interpolate(
        synthetic_images(network.config)[0], size=(height, width), mode="bilinear", align_corners=False
    )
    if not _comparisons(network, exact, [torch.cat([image, -image])]):
        raise ExportError(_UNSTABLE)


@torch.inference_mode()
def _comparisons(network: Generator, exact: OnnxGenerator, images: Sequence[Tensor]) -> list[_Comparison]:
    """Translate every image with torch and the fp32 model; raises ExportError where these do not agree.

    Images are left out on which the net amplifies rounding errors: instance norm blows those of a blank page up to
    full scale.
    """
    compared = []
    for image in images:
        one = _Comparison(image, network(image), exact(image))
        difference, _ = _scores([one])
        if difference > LARGEST_DIFFERENCE and _response(network, one) > difference / 2:
            continue
        _judge("fp32", difference, 0.0, force=False)
        compared.append(one)
    return compared


def _response(network: Generator, one: _Comparison) -> float:
    """Measure how far torch's own output moves when the image changes by an 80th of a grey level."""
    noise = torch.rand(one.image.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return float((network(one.image + 1e-4 * noise) - one.expected).abs().max())


def _rerun(compared: Sequence[_Comparison], runtime: OnnxGenerator) -> list[_Comparison]:
    return [replace(one, actual=runtime(one.image)) for one in compared]


def _copy(model: "onnx.ModelProto") -> "onnx.ModelProto":
    other = type(model)()
    other.CopyFrom(model)
    return other


def _int8(model: "onnx.ModelProto", images: Sequence[Tensor]) -> "onnx.ModelProto":
    return quantisation.quantise(model, [image.numpy() for image in images])


def _fp16(model: "onnx.ModelProto", images: Sequence[Tensor]) -> "onnx.ModelProto":
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning for each weight below fp16's smallest number
        return convert_float_to_float16(model, keep_io_types=True)


_CONVERSIONS = {"fp16": _fp16, "int8": _int8}


def _scores(compared: Sequence[_Comparison]) -> tuple[float, float]:
    """Give the largest difference and the mean PSNR in dB between torch and ONNX Runtime; NaN for NaN outputs."""
    largest = torch.stack([(one.expected - one.actual).abs().max() for one in compared])
    decibels = torch.stack([psnr(one.expected, one.actual).clamp(max=HIGHEST_PSNR).mean() for one in compared])
    return float(largest.max()), float(decibels.mean())


def _judge(precision: Precision, difference: float, decibels: float, force: bool) -> bool:
    """Raise ExportError for a model that is not good enough; True if it is not, but forced."""
    if precision == "fp32":
        if not difference <= LARGEST_DIFFERENCE:  # NaN is refused, too
            raise ExportError(
                f"The ONNX model differs from the original by {difference:.2g}, more than {LARGEST_DIFFERENCE}. "
                "Check it on other images and report it with the model."
            )
        return False
    reason = complaint(precision, decibels)
    if reason and not force:
        raise ExportError(f"{reason} {_REMEDIES[precision]}.")
    return bool(reason)
