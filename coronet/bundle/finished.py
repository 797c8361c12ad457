"""What can be taken home: a finished run, a ready-made one, or any model, with test images to check its exports on.

Nothing is exported or written here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from coronet.checkpoints import Checkpoint, load, load_folder, resolve_model
from coronet.demos import find_demo
from coronet.errors import CoronetError, RunError
from coronet.files import harmless_name
from coronet.recipes.opening import check_direction, check_rgb, check_sides, sized, test_images, training_images
from coronet.recipes.settings import DataChoices
from coronet.recipes.verbs import EXPORT_IMAGES
from coronet.runs import SETTINGS, Run
from coronet.settings import fields_of, from_json

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A model with what is known about it.

    name: harmless as a file name. weights: the file. origin, data: the model it was made from (itself, without a run)
    and the images it has learned from, as their user named them; "" where unknown. images: test images (1, 3, H, W)
    in [-1, 1], at most 32; `note` says why there are none. calibration: as many training images for int8's ranges.
    verb, report: of the run; empty without one.
    """

    name: str
    checkpoint: Checkpoint
    weights: Path
    origin: str
    data: str
    images: tuple[Tensor, ...]
    calibration: tuple[Tensor, ...]
    note: str
    verb: str
    report: Mapping[str, Any]


def open_finished(model: str, given: Mapping[str, Any] = _NOTHING) -> Finished:
    """Open a run folder, or a model as every verb names it, and read test images.

    given: settings of DataChoices by name, in the place of those of the run. Without data in it, images that cannot be
    read are left out. Raises RunError for a run that is not finished, CheckpointError for an unusable model,
    SettingsError and DataError for unusable data that were asked for.
    """
    path = resolve_model(model)
    run = Run.open(path) if (path / SETTINGS).is_file() else None
    report = _report(run) if run else {}
    values = _known_data(model, run) | dict(given)
    direction = from_json(DataChoices, {key: values[key] for key in ("direction",) if key in values}).direction
    checkpoint = load(path, direction=direction)
    check_rgb(model, checkpoint.config.input_channels, checkpoint.config.output_channels)
    origin = _origin(run) if run else model
    (images, calibration), note = _images(values, checkpoint, origin, must="data" in given)
    return Finished(
        name=harmless_name(Path(model).stem if find_demo(model) or path.is_file() else path.resolve().name, "model"),
        checkpoint=checkpoint,
        weights=load_folder(path).generator(direction) if path.is_dir() else path,
        origin=origin,
        data=str(run.settings.get("data", "")) if run else "",
        images=images,
        calibration=calibration,
        note=note,
        verb=run.verb if run else "",
        report=report,
    )


def _report(run: Run) -> dict[str, Any]:
    report = run.report()
    if report is None:
        raise RunError(f"{run.path} is not finished. Wait for its end, or go on with: coronet resume {run.path}")
    return report


def _known_data(model: str, run: Run | None) -> dict[str, Any]:
    """Give the data settings of a run, or of a demo model."""
    if run is not None:
        names = {field.name for field in fields_of(DataChoices)}
        return {name: value for name, value in run.settings.items() if name in names}
    demo = find_demo(model)
    return {} if demo is None else {"data": demo.data, "direction": demo.direction}


def _origin(run: Run) -> str:
    """Name the model a run began with; "" where it began with none."""
    return str(run.settings.get("model" if run.verb == "compress" else "start") or "")


def _images(
    values: Mapping[str, Any], checkpoint: Checkpoint, origin: str, *, must: bool
) -> tuple[tuple[tuple[Tensor, ...], tuple[Tensor, ...]], str]:
    """Read test and training images; where there are none, raise if they must be there, else say why."""
    if not values.get("data"):
        return ((), ()), "No data are known for this model: it was checked on synthetic images. Name some with --data."
    try:
        choices = sized(from_json(DataChoices, values), checkpoint.config.image_size)
        check_direction(choices, origin)
        images = tuple(test_images(choices, EXPORT_IMAGES))
        calibration = tuple(training_images(choices, EXPORT_IMAGES))
        for image in (*images, *calibration):
            check_sides(image, checkpoint.config.size_multiple)
    except CoronetError as error:
        if must:
            raise
        return ((), ()), f"It was checked on synthetic images, for its own could not be read: {error}"
    return (images, calibration), ""
