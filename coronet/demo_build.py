"""Build everything that ships in checkpoints/demo from nothing: drawn scenes, teachers, ready-made runs.

    python -m coronet.demo_build --work FOLDER                     # some hours on two cores
    python -m coronet.demo_build --work FOLDER --world horses      # one world; several may run side by side
    python -m coronet.demo_build --work FOLDER --ready-made        # keep the teachers that ship, compress them anew

What is done already in the work folder is not done again, and what was interrupted goes on where it stopped.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import closing
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
from coronet.recipes.opening import open_data, spread_items
from coronet.recipes.preview import translate_picture
from coronet.recipes.previews import side_by_side, translate
from coronet.recipes.settings import CompressSettings, DataChoices, TrainSettings
from coronet.recipes.verbs import evaluate
from coronet.runs import EVENTS, REPORT, SETTINGS, Run
from coronet.scenes.write import Amount, draw_test_picture, write_scenes
from coronet.settings import from_json, to_json

SIZE = 128  # pixels a side
SHEET_ROWS = 8
RATIOS = (2.0, 4.0, 8.0, 16.0)
SCENES = {"shoes": Amount(2000, 100, SIZE), "horses": Amount(1000, 100, SIZE), "seasons": Amount(1000, 100, SIZE)}
# What a few thousand steps need and the published recipes do not: enlarging without a checkerboard (transposed
# convolutions left a grid on every sky), judges and a way back without dots (else horses grew dots instead of
# stripes after 2,000 steps), and averaged weights (single steps differ by the colour of the sky).
# In float32, as the teachers that ship were trained.
_CYCLE_GAN = TrainSettings(
    kind="cycle_gan", ngf=24, blocks=6, ndf=32, upsample="resize", soften=1.5, ema=0.998, mixed_precision=False
)
# A step on a quarter of the picture costs a quarter; the whole picture follows when there is little left to learn, and
# judges see finer things when the coarse ones are right.
_CROPS = replace(_CYCLE_GAN, image_size=64)
_WHOLE = replace(_CYCLE_GAN, image_size=SIZE, soften=1.0, soften_judges=1.0)
_PIX2PIX = TrainSettings(
    kind="pix2pix",
    ngf=20,
    levels=5,
    norm="instance",
    ndf=32,
    upsample="resize",
    discriminator_rate=0.3,
    image_size=SIZE,
)
TEACHERS = {  # stages: each starts from what the one before it left
    "shoes": (replace(_PIX2PIX, batch_size=4, learning_rate=1e-3, lambda_gan=0.5, steps=8000),),
    "horses": (
        replace(_CROPS, steps=1400),
        replace(_WHOLE, ema=0.99, steps=200),
        replace(_WHOLE, ema=0.99, steps=200),
        replace(_WHOLE, ema=0.99, steps=400),
        replace(_WHOLE, ema=0.99, soften=1.5, soften_judges=1.5, lambda_identity=1.0, learning_rate=1e-4, steps=200),
    ),
    "seasons": (replace(_CROPS, soften_judges=1.5, steps=1000), replace(_WHOLE, learning_rate=1e-4, steps=200)),
}
_UNPAIRED = CompressSettings(search_steps=300, finetune_steps=900)
COMPRESSIONS = {
    "shoes": CompressSettings(search_steps=1500, finetune_steps=4500, batch_size=4),
    "horses": _UNPAIRED,
    "seasons": _UNPAIRED,
}


def main() -> None:
    """Build the worlds asked for, stage by stage, and note how long each stage took."""
    parser = argparse.ArgumentParser(prog="python -m coronet.demo_build", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for scenes and unfinished runs")
    parser.add_argument("--world", choices=tuple(SCENES), action="append", help="default: all")
    parser.add_argument("--ready-made", action="store_true", help="only the ready-made runs")
    chosen = parser.parse_args()
    for world in chosen.world or SCENES:
        if not chosen.ready_made:
            build_teacher(world, chosen.work.absolute(), DEMO_FOLDER)
        build_ready_made(world, chosen.work.absolute(), DEMO_FOLDER)


def build_teacher(world: str, work: Path, out: Path) -> None:
    """Draw a world, train its teacher and ship it."""
    scenes = work / "scenes" / world
    if not scenes.exists():
        begin = time.monotonic()
        write_scenes(world, scenes, SCENES[world])
        _note_seconds(out, world, "scenes", time.monotonic() - begin)
    stages = _train(world, work, scenes)
    _note_seconds(out, world, "teacher", sum(_report(run)["seconds"]["total"] for run in stages))
    _ship_teacher(world, stages, out / world, scenes)
    for demo in DEMOS.values():
        if demo.world == world:
            sample(demo, out).save(out / world / demo.sample.name)


def build_ready_made(world: str, work: Path, out: Path) -> None:
    """Compress a world's models at every ratio and ship the outcome."""
    for name, demo in DEMOS.items():
        if demo.world == world:
            for ratio in RATIOS:
                _build_run(name, demo, ratio, work, out)
            contact_sheet(name, demo, out).save(work / f"{name}.jpg", quality=90)


def _train(world: str, work: Path, scenes: Path) -> list[Run]:
    """Train the stages of a teacher, one after the other."""
    stages: list[Run] = []
    for number, stage in enumerate(TEACHERS[world], start=1):
        start = str(stages[-1].path) if stages else ""
        settings = replace(stage, data=str(scenes), load_size=SIZE, start=start, threads=1)
        stages.append(_finish(work / "teachers" / f"{world}-{number}", "train", to_json(settings)))
    return stages


def _build_run(name: str, demo: Demo, ratio: float, work: Path, out: Path) -> None:
    label = f"{name}-{ratio:g}x"
    settings = replace(
        COMPRESSIONS[demo.world],
        model=f"demo/{name}",
        data=demo.data,
        direction=demo.direction,
        ratio=ratio,
        image_size=SIZE,
        soften_judges=demo.soften_judges,
        threads=1,
    )
    run = _finish(work / "runs" / label, "compress", to_json(settings))
    _note_seconds(out, demo.world, label, _report(run)["seconds"]["total"])
    _ship_run(run, out / READY_MADE / label)


def sample(demo: Demo, out: Path) -> Image.Image:
    """Put the first test picture of a model's world beside its translation."""
    picture = Image.fromarray(draw_test_picture(demo.world, demo.side, 0, size=SIZE))
    return side_by_side([picture, translate_picture(out / demo.world / demo.file, picture)])


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


def _ship_teacher(world: str, stages: Sequence[Run], out: Path, scenes: Path) -> None:
    """Copy the networks of the last training as float16, score what was copied and write the model card."""
    make_folder(out)
    for file in sorted(stages[-1].path.glob("*.safetensors")):
        if file.stem.startswith("D"):
            config, weights = load_discriminator(file)
            save_discriminator(config, weights, out / file.name, half=True)
        else:
            save(load(file), out / file.name, half=True)
    reports = [_report(run) for run in stages]
    report = {key: value for key, value in reports[-1].items() if key not in ("data", "versions")}
    report["steps"] = sum(each["steps"] for each in reports)
    report["seconds"] = {"total": sum(each["seconds"]["total"] for each in reports)}
    report["evaluated"] = {
        name: evaluate(str(out / demo.file), DataChoices(str(scenes), demo.direction, SIZE, SIZE))
        for name, demo in DEMOS.items()
        if demo.world == world
    }
    write_json_atomic(out / REPORT, report)
    settings = [from_json(TrainSettings, run.settings) for run in stages]
    write_atomic(out / "card.md", card(world, SCENES[world], settings, report).encode())


def _ship_run(run: Run, out: Path) -> None:
    """Copy what the studio shows of a finished run: settings, report, some events, and the slim net as float16."""
    make_folder(out)
    save(load(run.path / "slim.safetensors"), out / "slim.safetensors", half=True)
    report = {key: value for key, value in _report(run).items() if key != "onnx"}  # exported on demand
    write_json_atomic(out / REPORT, report | {"stored": "float16"})
    write_json_atomic(out / SETTINGS, {"verb": run.verb, "settings": run.settings})
    events = [event for event in run.events() if not event["done"] % 20]
    write_atomic(out / EVENTS, "".join(json.dumps(event) + "\n" for event in events).encode())


def _report(run: Run) -> dict[str, Any]:
    report = run.report()
    assert report is not None, f"{run.path.name} did not end"
    return report


def _note_seconds(out: Path, world: str, stage: str, seconds: float) -> None:
    """Note in the world's build.json what a stage took; a training's and a compression's seconds are its report's."""
    path = out / world / "build.json"
    noted = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    make_folder(path.parent)
    write_json_atomic(path, noted | {stage: round(seconds, 1)})


if __name__ == "__main__":
    main()
