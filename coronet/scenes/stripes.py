"""Where a zebra's stripes run: between the edges of each body part, so that the pose alone places them."""

import numpy as np
from numpy.typing import NDArray

from coronet.scenes.animal import Animal
from coronet.scenes.canvas import Floats, spline

# The trunk's two edges from shoulder to thigh: stripes stand upright on the barrel and sweep back on the rump.
_BACK = (
    *((0.24, 1.06), (0.10, 1.00), (-0.06, 0.98), (-0.22, 1.00), (-0.36, 0.98)),
    *((-0.50, 0.90), (-0.57, 0.74), (-0.56, 0.60), (-0.52, 0.50)),
)
_BELLY = (
    *((0.49, 0.44), (0.34, 0.42), (0.20, 0.43), (0.06, 0.45), (-0.06, 0.48)),
    *((-0.13, 0.52), (-0.17, 0.53), (-0.18, 0.49), (-0.20, 0.42)),
)


def stripes(animal: Animal, phase: float) -> tuple[list[Floats], list[Floats]]:
    """Lay a zebra's stripes along body and limbs: polygons of the near side and of the far legs.

    They depend on the pose alone: `phase` in [0, 1) shifts them by up to one stripe.
    """
    back, belly = spline(_BACK), spline(_BELLY)
    crest = np.concatenate([[back[0]], animal.neck.at(np.linspace(0.32, 1, 6), 1.45)])
    throat = np.concatenate(
        [[(0.53, 0.52) if animal.skull[0][1] > 0.7 else (0.43, 0.46)], animal.neck.at(np.linspace(0.30, 1, 6), -1.02)]
    )
    near = _bands(back, belly, 6, phase, (0.30, 0.12), bend=0.7)
    near += _bands(crest, throat, 4, 1 - phase, (0.28, 0.16))
    brow = animal.on_head([(0.0, 0.10), (0.10, 0.09), (0.30, 0.055)])
    jaw = animal.on_head([(-0.04, -0.12), (0.06, -0.14), (0.24, -0.07)])
    near += _bands(brow, jaw, 3, phase, (0.26, 0.10))
    far: list[Floats] = []
    for i, leg in enumerate(animal.legs):
        start, count = (0.27, 5) if i % 2 == 0 else (0.36, 5)
        along = np.linspace(start, 0.97, 12)
        (near if i < 2 else far).extend(_bands(leg.at(along, 1.1), leg.at(along, -1.1), count, phase, (0.28, 0.22)))
    along = np.linspace(0.1, 0.5, 5)
    return near + _bands(animal.tail.at(along, 1.1), animal.tail.at(along, -1.1), 4, phase, (0.25, 0.25)), far


def _bands(
    top: Floats, bottom: Floats, count: int, phase: float, widths: tuple[float, float], bend: float = 0.0
) -> list[Floats]:
    """Cut a sheet between two edges into `count` stripes; half widths at the edges in stripes, bent by `bend`."""
    t = np.linspace(0, 1, 9)
    half = widths[0] * (1 - t) + widths[1] * t
    place = (np.arange(count)[:, None, None] + phase + np.stack([-half, half])) / count
    above, under = (_walked(edge, place) for edge in (top, bottom))
    middle = (above + under) / 2
    middle += bend * (np.stack([under[..., 0], above[..., 1]], -1) - middle)
    t = t[:, None]
    curves = (1 - t) ** 2 * above + 2 * t * (1 - t) * middle + t**2 * under
    return list(np.concatenate([curves[:, 0], curves[:, 1, ::-1]], 1))


def _walked(edge: Floats, place: NDArray[np.float64]) -> Floats:
    """Give the places (..., 2) after the parts `place` of the length of a line (M, 2), its ends beyond them."""
    way = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(edge, axis=0).T))])
    return np.stack([np.interp(place * way[-1], way, edge[:, i]) for i in range(2)], -1).astype(np.float32)
