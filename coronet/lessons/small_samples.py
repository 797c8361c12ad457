"""Lesson 4: distances of small heaps of pictures, drawn again and again, on the features of the proxy network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coronet.demos import Demo
from coronet.images import to_tensor
from coronet.metrics.features import load_proxy, proxy_features
from coronet.metrics.frechet import frechet_distance, statistics
from coronet.randomness import seed_of
from coronet.recipes.preview import translate_picture
from coronet.scenes.write import draw_test_picture

SIZES = (10, 20, 40, 80)
DRAWS = 12
_SIZE = 128  # pixels
_BATCH = 16
Features = NDArray[np.float64]
Report = Callable[[int, int], None]  # pictures done, pictures in all


@dataclass(frozen=True, slots=True, eq=False)
class Heaps:
    """Features (N, D) of real pictures and (M, D) of a generator's; twice as many real ones, so that halves fit."""

    real: Features
    made: Features


@dataclass(frozen=True, slots=True)
class Draws:
    """Distances of repeated draws of `count` pictures: of two halves of the real heap, and of made against real."""

    count: int
    halves: tuple[float, ...]
    model: tuple[float, ...]


def gather(demo: Demo, report: Report) -> Heaps:
    """Draw real pictures of a demo model's target side and let the model translate others; no scene is in both."""
    count, total = SIZES[-1], 3 * SIZES[-1]
    network = load_proxy()

    def looked_at(pictures: Iterator[Image.Image], before: int) -> Features:
        batches = []
        waiting: list[Image.Image] = []
        for number, picture in enumerate(pictures, start=1):
            waiting.append(picture)
            if len(waiting) == _BATCH:
                batches.append(proxy_features(network, map(to_tensor, waiting)))
                waiting = []
            report(before + number, total)
        return np.concatenate([*batches, proxy_features(network, map(to_tensor, waiting))])

    real = looked_at(_pictures(demo, {"A": "B", "B": "A"}[demo.side], range(2 * count)), 0)
    sources = _pictures(demo, demo.side, range(2 * count, 3 * count))
    return Heaps(real, looked_at((translate_picture(demo.path, source) for source in sources), 2 * count))


def repeat(heaps: Heaps, seed: int, *, sizes: tuple[int, ...] = SIZES, draws: int = DRAWS) -> tuple[Draws, ...]:
    """Draw from the heaps again and again: for every size two halves of the real pictures, and made against real."""
    random = np.random.default_rng(seed_of("small samples", seed))
    return tuple(
        Draws(
            size,
            tuple(_halves(heaps.real, size, random) for _ in range(draws)),
            tuple(_distance(_some(heaps.real, size, random), _some(heaps.made, size, random)) for _ in range(draws)),
        )
        for size in sizes
    )


def _pictures(demo: Demo, side: str, numbers: range) -> Iterator[Image.Image]:
    return (Image.fromarray(draw_test_picture(demo.world, side, number, size=_SIZE)) for number in numbers)


def _some(features: Features, count: int, random: np.random.Generator) -> Features:
    return features[random.choice(len(features), count, replace=False)]


def _halves(features: Features, count: int, random: np.random.Generator) -> float:
    both = _some(features, 2 * count, random)
    return _distance(both[:count], both[count:])


def _distance(one: Features, other: Features) -> float:
    return frechet_distance(statistics(one), statistics(other))
