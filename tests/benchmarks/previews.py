"""By which noise an untrained cut is nearest to the dense net: `python -m tests.benchmarks.previews [FILE PICTURES]`.

Prints dB to the dense net for smooth noise, which the preview measures with, and for white noise, which ranks what will
be trained: the mean over four pictures of the demo models' worlds, or of a model and a folder of pictures.
"""

import argparse
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from PIL import Image

from coronet.checkpoints import resolve_model
from coronet.demos import DEMOS, demo_names
from coronet.importance import Noise, smooth_noise, taylor, white_noise
from coronet.recipes.preview import Preview, PreviewModel
from coronet.scenes.write import draw_test_picture

RATIOS = (1.5, 2.0, 4.0)
PICTURES = 4


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("pictures", type=Path, nargs="?")
    parsed = parser.parse_args()
    given = {str(parsed.model): _opened(parsed.pictures)} if parsed.pictures else _drawn()
    print("| | " + " | ".join(f"{ratio:g}x, smooth | white" for ratio in RATIOS) + " |\n|---" + "|---" * 6 + "|")
    for name, pictures in given.items():
        found = [_mean(name, pictures, noise) for noise in (smooth_noise, white_noise)]
        cells = [f"{decibels:.1f}" for both in zip(*found, strict=True) for decibels in both]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _drawn() -> dict[str, list[Image.Image]]:
    demos = {name: DEMOS[name.removeprefix("demo/")] for name in demo_names()}
    return {
        name: [Image.fromarray(draw_test_picture(demo.world, demo.side, place, size=128)) for place in range(PICTURES)]
        for name, demo in demos.items()
    }


def _opened(folder: Path) -> list[Image.Image]:
    return [Image.open(file).convert("RGB") for file in sorted(folder.iterdir())[:PICTURES]]


def _mean(name: str, pictures: list[Image.Image], noise: Noise) -> list[float]:
    """Give dB at every ratio; each picture ranks for itself, with nothing in the cache."""

    def cut(picture: Image.Image) -> list[Preview]:
        with TemporaryDirectory() as empty, patch.dict("os.environ", XDG_CACHE_HOME=empty):
            model = PreviewModel(resolve_model(name))
            return [model.preview(picture, ratio) for ratio in RATIOS]

    with patch("coronet.recipes.preview.taylor", lambda *given, **more: taylor(*given, **more | {"noise": noise})):
        found = [[_decibels(one) for one in cut(picture)] for picture in pictures]
    return [fmean(values) for values in zip(*found, strict=True)]


def _decibels(found: Preview) -> float:
    slim, dense = (np.asarray(image, dtype=float) for image in (found.slim, found.dense))
    return float(10 * np.log10(255**2 / np.square(slim - dense).mean()))


if __name__ == "__main__":
    main()
