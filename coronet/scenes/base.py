"""What a world of scenes is: one function that draws a scene from random numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Scene:
    """Both sides of one scene, so that the truth is known.

    `a` and `b` are (S, S, 3) sRGB: the input and the answer. `mask` is (S, S), 255 on what a translation may change
    (None where that is everything). `facts` says what was drawn: numbers in [0, 1] with the same keys for every scene
    of a world.
    """

    a: Pixels
    b: Pixels
    mask: Pixels | None
    facts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class World:
    """A kind of scene. Paired data show both sides of each scene; unpaired data never do, except as truth for tests."""

    title: str
    paired: bool
    draw: Callable[[np.random.Generator, int], Scene]  # random numbers, side in pixels
