"""The program that prepares one bundle in the background: `python -m coronet.bundle.kit FOLDER`.

FOLDER holds wanted.json and is filled with the zip, the ONNX files, what each makes of one test picture, and at last
kit.json. While it works, stage.json says at what; where it fails, failed.json says why. Who asks for it, and how often,
stands in the studio.
"""

import sys
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any

from coronet.bundle.finished import Finished, open_finished
from coronet.bundle.words import sample
from coronet.bundle.writing import Bundle, write_bundle
from coronet.export import open_onnx, synthetic_images
from coronet.files import read_json, write_json_atomic
from coronet.images import to_image, to_tensor
from coronet.prepared import INPUT, KIT, WANTED, ZIP, prepare, tell
from coronet.recipes.machine import use_threads

_FORMS = "forms"
_NICENESS = 5  # the pages answer first, but a training run does not starve what is timed here


def main(arguments: list[str]) -> int:
    """Prepare the bundle of the folder that is named; give the exit status."""
    return prepare(Path(arguments[0]), KIT, make_kit, niceness=_NICENESS)


def make_kit(folder: Path) -> None:
    """Fill a folder with everything that its wanted.json asks for; kit.json comes last."""
    tell(folder, "open")
    use_threads(None)
    finished = open_finished(str(read_json(folder / WANTED)["model"]))
    bundle = write_bundle(finished, folder / ZIP, folder=folder / _FORMS, tell=partial(tell, folder))
    for row in bundle.variants.usable:
        bundle.variants.file(row).replace(folder / f"{row.precision}.onnx")
    rmtree(folder / _FORMS)
    _translate(finished, bundle, folder)
    write_json_atomic(folder / KIT, _describe(finished, bundle))


def _translate(finished: Finished, bundle: Bundle, folder: Path) -> None:
    """Let every form translate one test picture."""
    images = finished.images or synthetic_images(finished.checkpoint.config)
    picture = to_image(images[0])
    picture.save(folder / INPUT)
    for row in bundle.variants.usable:
        translate = open_onnx(folder / f"{row.precision}.onnx")
        to_image(translate(to_tensor(picture)[None])).save(folder / f"{row.precision}.png")


def _describe(finished: Finished, bundle: Bundle) -> dict[str, Any]:
    config = finished.checkpoint.config
    described = bundle.to_json()
    del described["path"]
    first = f"{bundle.variants.usable[0].precision}.onnx"
    sides = {"size_multiple": config.size_multiple, "least_side": config.least_side}
    return described | sides | {"name": finished.name, "sample": sample(config, first)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
