"""Build everything that ships in checkpoints/demo from nothing: drawn scenes, teachers, ready-made runs.

    python -m coronet.demo_build --work FOLDER                     # some hours on two cores
    python -m coronet.demo_build --work FOLDER --world horses      # one world; several may run side by side

What is done already in the work folder is not done again, and what was interrupted goes on where it stopped.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from coronet.checkpoints import build_generator, load, load_discriminator, save, save_discriminator
from coronet.demo_card import card
from coronet.demos import DEMO_FOLDER, DEMOS, READY_MADE, Demo
from coronet.files import make_folder, write_atomic, write_json_atomic
from coronet.images import to_image
from coronet.recipes.execute import execute
from coronet.recipes.machine import best_device, has_bfloat16
from coronet.recipes.opening import open_data, spread_items
from coronet.recipes.previews import side_by_side, translate
from coronet.recipes.settings import CompressSettings, DataChoices, TrainSettings
from coronet.recipes.verbs import evaluate
from coronet.runs import EVENTS, REPORT, SETTINGS, Run
from coronet.scenes.write import Amount, write_scenes
from coronet.settings import from_json, to_json

SIZE = 128  # pixels a side
SHEET_ROWS = 8
RATIOS = (2.0, 4.0, 8.0, 16.0)
SCENES = {"shoes": Amount(2000, 100, SIZE), "horses": Amount(1000, 100, SIZE), "seasons": Amount(1000, 100, SIZE)}
# What a few thousand steps need and the published recipes do not: enlarging without a checkerboard, judges that learn
# more slowly than what they judge (with transposed convolutions and equal rates a grid was left on every sky), and an
# average of the weights (single steps of a CycleGAN differ by the colour of the whole sky).
_CYCLE_GAN = TrainSettings(
    kind="cycle_gan", ngf=24, blocks=6, ndf=32, upsample="resize", discriminator_rate=0.5, ema=0.998
)
_PIX2PIX = TrainSettings(kind="pix2pix", ngf=20, levels=5, ndf=32, upsample="resize", discriminator_rate=0.3)
TEACHERS = {
    "shoes": replace(_PIX2PIX, norm="instance", batch_size=4, learning_rate=1e-3, lambda_gan=0.5, steps=8000),
    "horses": replace(_CYCLE_GAN, steps=5000),
    "seasons": replace(_CYCLE_GAN, steps=3600),
}
_COMPRESSION = CompressSettings(search_steps=200, finetune_steps=600)
COMPRESSIONS = {"shoes": replace(_COMPRESSION, batch_size=4), "horses": _COMPRESSION, "seasons": _COMPRESSION}


def main() -> None:
    """Build the worlds asked for, stage by stage, and note how long each stage took."""
    parser = argparse.ArgumentParser(prog="python -m coronet.demo_build", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for scenes and unfinished runs")
    parser.add_argument("--world", choices=tuple(SCENES), action="append", help="default: all")
    chosen = parser.parse_args()
    for world in chosen.world or SCENES:
        build_world(world, chosen.work.absolute(), DEMO_FOLDER)


def build_world(world: str, work: Path, out: Path) -> None:
    """Draw a world, train its teacher, ship it, compress it at every ratio and ship the outcome."""
    scenes, teacher = work / "scenes" / world, work / "teachers" / world
    with _timed(out, world, "scenes"):
        if not scenes.exists():
            write_scenes(world, scenes, SCENES[world])
    settings = replace(TEACHERS[world], data=str(scenes), load_size=SIZE, **_everywhere())
    with _timed(out, world, "teacher"):
        _finish(teacher, "train", to_json(settings))
    _ship_teacher(world, teacher, out / world, scenes)
    for name, demo in DEMOS.items():
        if demo.world == world:
            for ratio in RATIOS:
                _build_run(name, demo, ratio, work, out)
            contact_sheet(name, demo, out).save(work / f"{name}.jpg", quality=90)


def _build_run(name: str, demo: Demo, ratio: float, work: Path, out: Path) -> None:
    label = f"{name}-{ratio:g}x"
    choices = {"model": f"demo/{name}", "data": demo.data, "direction": demo.direction, "ratio": ratio}
    settings = replace(COMPRESSIONS[demo.world], **_everywhere(), **choices)  # type: ignore[arg-type]
    with _timed(out, demo.world, label):
        run = _finish(work / "runs" / label, "compress", to_json(settings))
    _ship_run(run, out / READY_MADE / label)


def contact_sheet(name: str, demo: Demo, out: Path) -> Image.Image:
    """Put test scenes below each other: input, dense net, every ready-made slim net, truth."""
    files = [out / demo.world / demo.file]
    files += [out / READY_MADE / f"{name}-{ratio:g}x" / "slim.safetensors" for ratio in RATIOS]
    generators = [build_generator(load(file)) for file in files]
    rows = []
    for item in spread_items(open_data(DataChoices(demo.data, demo.direction, SIZE, SIZE)), SHEET_ROWS):
        assert item.target is not None
        images = [item.source, *(translate(generator, item.source) for generator in generators), item.target]
        rows.append(side_by_side([to_image(image) for image in images]))
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)))
    for number, row in enumerate(rows):
        sheet.paste(row, (0, number * row.height))
    return sheet


def _everywhere() -> dict[str, Any]:
    return {"image_size": SIZE, "threads": 1, "mixed_precision": has_bfloat16(best_device())}


def _finish(folder: Path, verb: str, settings: dict[str, Any]) -> Run:
    """Start a run or go on with it, to its end; `folder` is where it lies."""
    run = Run.open(folder) if (folder / SETTINGS).exists() else Run.create(folder, verb, settings)
    shown = time.monotonic()
    with closing(execute(run)) as steps:
        for step in steps:
            if time.monotonic() - shown > 30:
                shown = time.monotonic()
                sys.stderr.write(f"{folder.name}: {step.phase} {step.done}/{step.total}\n")
    return run


def _ship_teacher(world: str, teacher: Path, out: Path, scenes: Path) -> None:
    """Copy the networks of a training as float16, score what was copied and write the model card."""
    make_folder(out)
    for file in sorted(teacher.glob("*.safetensors")):
        if file.stem.startswith("D"):
            config, weights = load_discriminator(file)
            save_discriminator(config, weights, out / file.name, half=True)
        else:
            save(load(file), out / file.name, half=True)
    run = Run.open(teacher)
    report = {key: value for key, value in (run.report() or {}).items() if key not in ("data", "versions")}
    report["evaluated"] = {
        name: evaluate(str(out / demo.file), DataChoices(str(scenes), demo.direction, SIZE, SIZE))
        for name, demo in DEMOS.items()
        if demo.world == world
    }
    write_json_atomic(out / REPORT, report)
    settings = from_json(TrainSettings, run.settings)
    write_atomic(out / "card.md", card(world, SCENES[world], settings, report).encode())


def _ship_run(run: Run, out: Path) -> None:
    """Copy what the studio shows of a finished run: settings, report, some events, and the slim net as float16."""
    make_folder(out)
    save(load(run.path / "slim.safetensors"), out / "slim.safetensors", half=True)
    report = {key: value for key, value in (run.report() or {}).items() if key != "onnx"}  # exported on demand
    write_json_atomic(out / REPORT, report | {"stored": "float16"})
    write_json_atomic(out / SETTINGS, {"verb": run.verb, "settings": run.settings})
    events = [event for event in run.events() if not event["done"] % 20]
    write_atomic(out / EVENTS, "".join(json.dumps(event) + "\n" for event in events).encode())


@contextmanager
def _timed(out: Path, world: str, stage: str) -> Iterator[None]:
    """Add the seconds of a stage to the world's build.json; a stage that was done already adds next to none."""
    begin = time.monotonic()
    yield
    path = out / world / "build.json"
    seconds = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    seconds[stage] = seconds.get(stage, 0.0) + round(time.monotonic() - begin, 1)
    make_folder(path.parent)
    write_json_atomic(path, seconds)


if __name__ == "__main__":
    main()
