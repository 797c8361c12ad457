"""Timing a few steps of a compression on this machine, in a process of its own: python -m coronet.recipes.timing.

Nothing of a run is written; of a drawn world a handful of scenes stands for the whole. What follows from the seconds
stands in `pace`.
"""

import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from coronet.checkpoints import load, resolve_model
from coronet.errors import BudgetError, CoronetError, ExportError
from coronet.export import to_onnx
from coronet.files import read_json, write_json_atomic
from coronet.importance import taylor
from coronet.methods import METHODS
from coronet.priority import step_back
from coronet.randomness import seeded
from coronet.recipes.lengths import phase_seconds
from coronet.recipes.opening import calibration_images, spread_items
from coronet.recipes.pace import FIRST_RATIO, SECOND_RATIO, Timing
from coronet.recipes.preparing import Opened, dense_generator, open_compression
from coronet.recipes.previews import translate
from coronet.recipes.scoring import REPORTED_IMAGES
from coronet.recipes.settings import CompressSettings
from coronet.scenes.cached import PREFIX, is_scenes
from coronet.scenes.write import Amount, write_scenes
from coronet.settings import from_json

FEW = 4  # scenes of each kind that stand for a drawn world
KILOBYTE = 1024
NICENESS = 10  # as a run has: the pages answer first


def main(arguments: Sequence[str] | None = None) -> int:
    """Time the settings of one JSON file and write the outcome to another; status 2 with {"message"} for a mistake."""
    if arguments is None:  # a process of its own
        step_back(NICENESS)
    given, out = map(Path, sys.argv[1:] if arguments is None else arguments)
    try:
        found = asdict(measure(from_json(CompressSettings, read_json(given))))
    except CoronetError as error:
        write_json_atomic(out, {"message": str(error)})
        return 2
    write_json_atomic(out, found)
    return 0


def measure(settings: CompressSettings) -> Timing:
    """Time a round of steps of every phase. Raises what the run would raise before its first step."""
    if not is_scenes(settings.data):
        return _measured(settings)
    size = settings.image_size or load(resolve_model(settings.model)).config.image_size
    with TemporaryDirectory() as folder:
        scenes = Path(folder) / "scenes"
        write_scenes(settings.data.removeprefix(PREFIX), scenes, Amount(FEW, FEW, size))
        return _measured(replace(settings, data=str(scenes), load_size=settings.load_size or size), REPORTED_IMAGES)


def _measured(settings: CompressSettings, tests: int | None = None) -> Timing:
    """Time what there is; tests: test images of the whole that a few scenes stand for, and training images alike."""
    begin = time.process_time()
    opened = open_compression(replace(settings, ratio=FIRST_RATIO))
    opening = time.process_time() - begin
    method = METHODS[settings.method]
    with _share() as share:
        first = phase_seconds(opened)
        second = first["finetune"]
        with suppress(BudgetError):  # a tiny net cannot be made so small: then one ratio must do
            second = phase_seconds(_at(opened, SECOND_RATIO))["finetune"]
        ranking, scoring, exporting = _surroundings(opened)
    ranked = min(settings.importance_images, tests or len(opened.data.train)) if method.measures else 0
    scored = min(REPORTED_IMAGES, tests or len(opened.data.test))
    return Timing(
        warmup=share[0] * first["warmup"],
        search=share[0] * first["search"],
        first=share[0] * first["finetune"],
        second=share[0] * second,
        searches=method.searches,
        search_cost=method.search_cost,
        search_share=method.search_share,
        before=opening + share[0] * ranking * ranked,
        after=share[0] * (scoring * scored + exporting),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE,
    )


@contextmanager
def _share() -> Iterator[list[float]]:
    """Measure the share of the time in which this process had a processor, at most 1; it is there after the block.

    On a machine that is busy for the moment, the clock tells how busy it is, not how long a step takes.
    """
    clock, busy = time.monotonic(), time.process_time()
    found: list[float] = []
    yield found
    found.append(min(1.0, (time.process_time() - busy) / max(time.monotonic() - clock, 1e-9)))


def _at(opened: Opened, ratio: float) -> Opened:
    """Give the same compression at another ratio; BudgetError where it cannot be met."""
    plan = replace(opened.plan, ratio=ratio)
    METHODS[opened.settings.method].student(opened.checkpoint.config, plan)
    return replace(opened, plan=plan)


def _surroundings(opened: Opened) -> tuple[float, float, float]:
    """Give the seconds of ranking the channels on one image, of scoring one by dense and slim net, and of export."""
    dense = dense_generator(opened).eval()
    images = list(calibration_images(opened.data, 1, opened.device))
    begin = time.monotonic()
    taylor(dense, images, seeded(0, "timing"))
    ranked = time.monotonic()
    source = next(iter(spread_items(opened.data, 1))).source
    translate(dense, source)
    translated = time.monotonic()
    with TemporaryDirectory() as folder, suppress(ExportError):
        to_onnx(dense.cpu(), Path(folder) / "dense.onnx", images=[source], lineage={})
    return ranked - begin, 2 * (translated - ranked), time.monotonic() - translated


if __name__ == "__main__":
    sys.exit(main())
