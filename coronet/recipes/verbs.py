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
from coronet.networks import GeneratorConfig
from coronet.recipes.machine import use_threads
from coronet.recipes.opening import (
    DEFAULT_SIZE,
    check_direction,
    check_rgb,
    check_sides,
    data_folder,
    data_settings,
    sized,
    test_images,
    training_images,
)
from coronet.recipes.preview import Preview, preview
from coronet.recipes.scoring import check_countable, set_scores
from coronet.recipes.settings import DataChoices
from coronet.sessions import peak_memory

__all__ = ["Preview", "benchmark", "evaluate", "export", "inspect", "preview", "translate"]

EXPORT_IMAGES = 32


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
    compare = None if reference is None else _translator(reference, choices.direction)
    choices = sized(choices, translator.size)
    check_direction(choices, model)
    data = open_test(data_folder(choices), data_settings(choices))
    extractor = open_extractor(features, inception)
    paired = data.test.has_truth or compare is not None
    must = features != "auto" or inception is not None
    reason = _why_no_set(data, extractor, must=must, alone=not paired)
    pictures: list[Image.Image] = []

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for item in data.test.items():
            output = translator.translated(item.source)
            pictures.append(to_image(output))
            wanted = item.target if compare is None else compare.translated(item.source)
            yield (output if wanted is None else wanted), output

    scores: dict[str, Any] = evaluate_pairs(pairs(), tuple(PAIRED_METRICS) if paired else ())
    scores["images"] = len(pictures)
    if paired:
        scores["against"] = "truth" if reference is None else reference
    return scores | _scores_of_sets(data, extractor, pictures, reason, must=must or not paired)


def export(
    model: str, out: Path, *, precision: Precision = "fp32", data: DataChoices | None = None, force: bool = False
) -> dict[str, Any]:
    """Write an ONNX file and its equality check on test images of `data`, or on synthetic ones without it.

    int8 takes its ranges from training images where `data` has some.
    """
    use_threads(None)
    checkpoint = load(resolve_model(model), direction="AtoB" if data is None else data.direction)
    images, calibration = [], []
    if data is not None and data.data:
        choices = sized(data, checkpoint.config.image_size)
        images = list(test_images(choices, EXPORT_IMAGES))
        calibration = list(training_images(choices, EXPORT_IMAGES)) if precision == "int8" else []
    result = to_onnx(
        build_generator(checkpoint),
        out,
        images=images,
        calibration=calibration,
        precision=precision,
        lineage=checkpoint.lineage,
        force=force,
    )
    return result.to_json()


def benchmark(models: Sequence[str], *, image_size: int = 256, threads: int = 1) -> list[dict[str, Any]]:
    """Measure latency side by side in ONNX Runtime; models that are no ONNX file yet are exported for it first.

    `macs` are those of the network that the exporter noted; None for ONNX files without such a note.
    """
    with TemporaryDirectory() as folder:
        contestants = [
            (model, _as_onnx(model, Path(folder) / f"{number}.onnx", image_size)) for number, model in enumerate(models)
        ]
        rows = measure(contestants, image_size=image_size, threads=threads)
        opened = [(path, open_onnx(path)) for _, path in contestants]
        macs = [_macs(one.config, image_size) for _, one in opened]
        peaks = [
            peak_memory(path, image_size=image_size, threads=threads, channels=one.input_channels)
            for path, one in opened
        ]
    return [
        row.to_json() | {"macs": count, "peak_bytes": peak} for row, count, peak in zip(rows, macs, peaks, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Translator:
    """A function from images to images, torch or ONNX; its sides are multiples of `multiple`, not below `least`."""

    name: str
    apply: Callable[[Tensor], Tensor]
    multiple: int
    least: int
    size: int  # pixels it was made for

    def translated(self, source: Tensor) -> Tensor:
        """Translate RGB images (N, 3, H, W); raises DataError where their size or the model's output does not fit."""
        check_sides(source, self.multiple)
        height, width = source.shape[2:]
        if min(height, width) < self.least:
            raise DataError(
                f"{self.name} needs images of at least {self.least} pixels a side, but one is read as {width} x "
                f"{height}. Choose a larger image size."
            )
        output = self.apply(source)
        if output.shape[1] != 3:
            raise DataError(f"{self.name} makes images of {output.shape[1]} channels. Choose a model for RGB images.")
        return output


def _scores_of_sets(
    data: Dataset, extractor: Extractor, pictures: Sequence[Image.Image], reason: str, *, must: bool
) -> dict[str, Any]:
    """Score the translations as a set unless there is a reason not to; where it fails, raise or say why."""
    if not reason:
        try:
            found = set_scores(data, extractor, map(to_tensor, pictures))
            return {"fid": found.frechet.to_json(), "kid": found.kernel.to_json()}
        except DataError as error:
            if must:
                raise
            reason = str(error)
    return {"fid": None, "kid": None, "note": reason}


def _as_onnx(model: str, path: Path, image_size: int) -> Path:
    """Give the model's own ONNX file, or export it to `path`; SettingsError for a size it does not take."""
    found = resolve_model(model)
    if found.suffix == ".onnx":
        return found
    checkpoint = load(found)
    multiple, least = checkpoint.config.size_multiple, checkpoint.config.least_side
    if image_size % multiple or image_size < least:
        raise SettingsError(
            f"'image_size' is {image_size}, but {model} needs a multiple of {multiple}, at least {least}."
        )
    to_onnx(build_generator(checkpoint), path, images=[], lineage={})
    return path


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


def _macs(config: GeneratorConfig | None, image_size: int) -> int | None:
    """Count the MACs of a network that a file describes; None without a description, or with one that cannot be its."""
    return None if config is None or image_size % config.size_multiple else cost(config, image_size).macs


def _translator(model: str, direction: Direction = "AtoB") -> _Translator:
    """Open a model; raises CheckpointError where it takes or makes other than RGB images."""
    path = resolve_model(model)
    if path.suffix == ".onnx":
        loaded = open_onnx(path)
        check_rgb(model, loaded.input_channels, loaded.output_channels)
        return _Translator(model, loaded, loaded.size_multiple, 1, loaded.image_size or DEFAULT_SIZE)
    generator = build_generator(load(path, direction=direction))
    config = generator.config
    check_rgb(model, config.input_channels, config.output_channels)

    @torch.inference_mode()
    def apply(images: Tensor) -> Tensor:
        output: Tensor = generator(images)
        return output

    return _Translator(model, apply, config.size_multiple, config.least_side, config.image_size)
