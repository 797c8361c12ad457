"""The verb that writes procedural data sets."""

import argparse
from pathlib import Path
from typing import Any

from coronet.commands.arguments import whole_number_from
from coronet.commands.progress import ProgressBar


def run_scenes(parsed: argparse.Namespace) -> dict[str, Any]:
    """Run `scenes`."""
    from coronet.scenes.write import Amount, write_scenes  # scipy

    bar, names = ProgressBar(), ("train", "test", "image_size", "seed")
    numbers = {name: whole_number_from(getattr(parsed, name), name, least=0) for name in names}
    try:
        folders = write_scenes(parsed.name, Path(parsed.out), Amount(**numbers), lambda *done: _show(bar, *done))
    finally:
        bar.end()
    return {
        "images": sum(folders[name] for name in folders if not name.startswith(("truth", "mask"))),
        "folders": folders,
    }


def _show(bar: ProgressBar, done: int, total: int) -> None:
    bar.show(done, total, f"scene {done}/{total}")


def add_scenes(parser: argparse.ArgumentParser) -> None:
    """Add the options of `scenes`."""
    parser.add_argument("name", metavar="NAME", help="shoes (pairs A|B), horses or seasons (unpaired, with the truth)")
    parser.add_argument("--out", required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--train", default=1000, metavar="N", help="training scenes, per side (default 1000)")
    parser.add_argument("--test", default=100, metavar="N", help="test scenes, per side (default 100)")
    parser.add_argument("--image-size", default=128, metavar="S", help="pixels a side (default 128)")
    parser.add_argument("--seed", default=0, metavar="K", help="another seed, other scenes (default 0)")
