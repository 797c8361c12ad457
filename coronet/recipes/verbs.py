"""The short verbs: inspect, translate, evaluate, export, benchmark. Values in, values out."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from coronet.checkpoints import build_generator, load, resolve_model
from coronet.cost import cost
from coronet.datasets import Dataset, open_test
from coronet.demos import Direction
from coronet.errors import DataError, SettingsError
from coronet.export import Precision, open_onnx, to_onnx
from coronet.files import make_folder
from coronet.images import fit, list_images, open_image, save_image, to_image, to_tensor
from coronet.metrics.distribution import Extractor
from coronet.metrics.extractors import FeatureChoice, open_extractor
from coronet.metrics.latency import measure
from coronet.metrics.paired import PAIRED_METRICS, evaluate_pairs
from coronet.recipes.machine import use_threads
from coronet.recipes.opening import (
    DEFAULT_SIZE,
    check_direction,
    check_sides,
    data_folder,
    data_settings,
    sized,
    spread_items,
)
from coronet.recipes.preview import Preview, preview
from coronet.recipes.scoring import check_countable, set_scores
from coronet.recipes.settings import DataChoices
from coronet.sessions import peak_memory

__all__ = ["Preview", "benchmark", "evaluate", "export", "inspect", "preview", "translate"]

CALIBRATION_IMAGES = 32


def inspect(model: str) -> dict[str, Any]:
    """Recognise a model and say why."""
    path = resolve_model(model)
    checkpoint = load(path)
    config = checkpoint.config
    described = config.to_json()
    depth = {"levels": config.levels} if config.architecture == "unet" else {"blocks": config.blocks}
    return (
        {"architecture": described.pop("architecture")}
        | depth
        | described
        | cost(config).to_json()
        | {"reasons": list(checkpoint.reasons), "lineage": checkpoint.lineage}
    )


def translate(model: str, source: Path, out: Path, *, size: int | None = None) -> dict[str, Any]:
    """Apply a generator, torch or ONNX, to an image or a folder of images; PNG files of the same names go to `out`."""
    use_threads(None)
    paths = list_images(source) if source.is_dir() else (source,)
    if not paths:
        raise DataError(f"{source} holds no images. Name an image or a folder of images.")
    targets = [out / f"{path.stem}.png" for path in paths]
    if len(set(targets)) < len(targets) or {path.resolve() for path in paths} & {path.resolve() for path in targets}:
        raise DataError(f"Translations in {out} would replace images or one another. Choose another folder for them.")
    make_folder(out)
    translator = _translator(model)
    begin = time.perf_counter()
    for path, target in zip(paths, targets, strict=True):
        picture = fit(open_image(path), translator.multiple, size)
        if min(picture.size) < translator.least:
            raise DataError(
                f"{path.name} would be translated at {picture.width} x {picture.height} pixels, but the model needs "
                f"{translator.least}. Choose a larger image size."
            )
        save_image(to_image(translator.apply(to_tensor(picture).unsqueeze(0))), target)
    return {"images": len(paths), "seconds": time.perf_counter() - begin, "out": str(out)}


def evaluate(
    model: str,
    choices: DataChoices,
    *,
    reference: str | None = None,
    features: FeatureChoice = "auto",
    inception: Path | None = None,
) -> dict[str, Any]:
    """Score translations of the test images: against the truth or another model's, and as a set against real ones.

    `fid` and `kid` are None, with a `note`, where the data have too few images for them and `features` is "auto".
    """
    use_threads(None)
    translator = _translator(model, choices.direction)
    compare = None if reference is None else _translator(reference, choices.direction).apply
    extractor = open_extractor(features, inception)
    choices = sized(choices, translator.size)
    check_direction(choices, model)
    data = open_test(data_folder(choices), data_settings(choices))
    paired = data.test.has_truth or reference is not None
    reason = _why_no_set(data, extractor, must=features != "auto" or inception is not None, alone=not paired)
    pictures: list[Image.Image] = []

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for item in data.test.items():
            output = _translated(item.source, translator, model)
            wanted = item.target if compare is None else compare(item.source)
            yield (output if wanted is None else wanted), output
            pictures.append(to_image(output))

    scores: dict[str, Any] = evaluate_pairs(pairs(), tuple(PAIRED_METRICS) if paired else ())
    scores["images"] = len(data.test)
    if paired:
        scores["against"] = "truth" if reference is None else reference
    if reason:
        return scores | {"fid": None, "kid": None, "note": reason}
    found = set_scores(data, extractor, map(to_tensor, pictures))
    return scores | {"fid": found.frechet.to_json(), "kid": found.kernel.to_json()}


def export(
    model: str, out: Path, *, precision: Precision = "fp32", data: DataChoices | None = None, force: bool = False
) -> dict[str, Any]:
    """Write an ONNX file and its equality check on test images of `data`, or on synthetic ones without it."""
    use_threads(None)
    checkpoint = load(resolve_model(model), direction="AtoB" if data is None else data.direction)
    images = []
    if data is not None and data.data:
        images = list(_test_images(sized(data, checkpoint.config.image_size), CALIBRATION_IMAGES))
    generator = build_generator(checkpoint)
    result = to_onnx(generator, out, images=images, precision=precision, lineage=checkpoint.lineage, force=force)
    return result.to_json()


def benchmark(models: Sequence[str], *, image_size: int = 256, threads: int = 1) -> list[dict[str, Any]]:
    """Measure latency side by side in ONNX Runtime; models that are no ONNX file yet are exported for it first."""
    with TemporaryDirectory() as folder:
        contestants: list[tuple[str, Path]] = []
        macs: list[int | None] = []
        for number, model in enumerate(models):
            path = resolve_model(model)
            macs.append(None)
            if path.suffix != ".onnx":
                checkpoint = load(path)
                multiple = checkpoint.config.size_multiple
                if image_size % multiple:
                    raise SettingsError(f"'image_size' is {image_size}, but {model} needs a multiple of {multiple}.")
                path = Path(folder) / f"{number}.onnx"
                to_onnx(build_generator(checkpoint), path, images=[], lineage={})
                macs[-1] = cost(checkpoint.config, image_size).macs
            contestants.append((model, path))
        rows = measure(contestants, image_size=image_size, threads=threads)
        peaks = [peak_memory(path, image_size=image_size, threads=threads) for _, path in contestants]
    return [
        row.to_json() | {"macs": count, "peak_bytes": peak} for row, count, peak in zip(rows, macs, peaks, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Translator:
    """A function from images to images, torch or ONNX; its sides are multiples of `multiple`, not below `least`."""

    apply: Callable[[Tensor], Tensor]
    multiple: int
    least: int
    size: int  # pixels it was made for


def _translated(source: Tensor, translator: "_Translator", model: str) -> Tensor:
    check_sides(source, translator.multiple)
    output = translator.apply(source)
    if output.shape[1] != 3:
        raise DataError(f"{model} makes images of {output.shape[1]} channels, but only RGB images have scores.")
    return output


def _why_no_set(data: Dataset, extractor: Extractor, *, must: bool, alone: bool) -> str:
    """Say why the test images have no FID; DataError where it was asked for, or nothing else can be said."""
    try:
        check_countable(data, extractor)
    except DataError as error:
        if alone:
            raise DataError(f"{error} Or name a model to compare with: --reference MODEL.") from error
        if must:
            raise
        return str(error)
    return ""


def _translator(model: str, direction: Direction = "AtoB") -> _Translator:
    path = resolve_model(model)
    if path.suffix == ".onnx":
        loaded = open_onnx(path)
        return _Translator(loaded, loaded.size_multiple, 1, DEFAULT_SIZE)
    generator = build_generator(load(path, direction=direction))
    config = generator.config

    @torch.inference_mode()
    def apply(images: Tensor) -> Tensor:
        output: Tensor = generator(images)
        return output

    least = config.size_multiple * (1 if config.architecture == "unet" else 2)  # the trunk pads by reflection
    return _Translator(apply, config.size_multiple, least, config.image_size)


def _test_images(choices: DataChoices, most: int) -> Iterator[Tensor]:
    data = open_test(data_folder(choices), data_settings(choices))
    for item in spread_items(data, most):
        yield item.source
