"""Pieces of a landscape: sky, clouds, hills, distant trees and ground.

Heights are counted as in `canvas`: y runs down from 0 to 1, so a hill of `height` 0.1 ends that far above its `base`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from coronet.scenes.canvas import Floats, Random, fill, grid, noise, over

_CAMERA = 0.15  # how far above the horizon line the ground would shrink to a point
_FINEST = 90.0  # lumps smaller than one part in so many of the side fade out


class Daylight(NamedTuple):
    """Colours (3,) of one time of day: the sky overhead, the air at the horizon and what the sun shines on."""

    zenith: Floats
    haze: Floats
    sun: Floats


def daylight(warmth: float) -> Daylight:
    """Give the colours between noon (warmth 0) and a low sun in the evening (1)."""
    noon = np.array([[0.24, 0.50, 0.86], [0.76, 0.88, 0.96], [1.0, 1.0, 0.97]], np.float32)
    evening = np.array([[0.36, 0.46, 0.74], [0.99, 0.83, 0.66], [1.06, 0.93, 0.76]], np.float32)
    return Daylight(*(noon * (1 - warmth) + evening * warmth))


def sky(size: int, horizon: float, light: Daylight) -> Floats:
    """Paint the sky (S, S, 3): from the zenith's colour down to the haze's at the horizon."""
    _, y = grid(size)
    return over(np.broadcast_to(light.zenith, (size, size, 3)), light.haze, np.clip(y / horizon, 0, 1) ** 0.8)


def clouds(size: int, random: Random, horizon: float, cover: float) -> tuple[Floats, Floats]:
    """Give alpha and brightness of soft clouds, each (S, S); cover 0 is a clear sky, 1 an overcast one."""
    _, y = grid(size)
    billows = noise(size, random, 4.5, octaves=5, stretch=2.2)
    thick = np.clip((billows - 1.5 + 2.4 * cover) / 1.1, 0, 1) * np.clip(1.25 - y / horizon, 0, 1)
    alpha = thick * thick * (3 - 2 * thick)
    below = np.roll(thick, -max(1, size // 32), axis=0)  # a cloud is bright where it ends above, grey beneath
    return np.asarray(0.9 * alpha, np.float32), np.asarray(0.93 - 0.28 * (thick - below), np.float32)


def skyline(random: Random, base: float, height: float, *, lumps: int = 4, rough: float = 0.4) -> Floats:
    """Draw the edge of hills as points (N, 2) from left to right, at most `height` above `base`.

    `lumps` counts the hills; with rough 0 they roll, towards 1 they break up into crags.
    """
    x = np.linspace(-0.05, 1.05, 133, dtype=np.float32)
    total = np.zeros_like(x)
    for octave in range(5):
        count = lumps * 2**octave
        knots = random.random(count + 2)
        place = (x + 0.05) / 1.1 * count
        step = place - np.floor(place)
        ease = step if rough > 0.5 else step * step * (3 - 2 * step)
        left = np.minimum(place.astype(int), count)
        total += (knots[left] * (1 - ease) + knots[left + 1] * ease) * (0.62 * rough) ** octave
    total = (total - total.min()) / (np.ptp(total) + 1e-6)
    return np.stack([x, base - height * total], axis=1).astype(np.float32)


def ridge(size: int, edge: ArrayLike) -> Floats:
    """Give the alpha (S, S) of everything under a skyline (N, 2)."""
    return fill(size, np.concatenate([np.asarray(edge, np.float32), [[1.05, 1.05], [-0.05, 1.05]]]))


def tree_line(size: int, random: Random, edge: Floats, height: float) -> Floats:
    """Give the alpha (S, S) of a distant wood that stands along a skyline (N, 2); the tallest tree has `height`."""
    shapes = []
    x = -0.05
    while x < 1.05:
        tall = height * random.uniform(0.45, 1)
        wide = tall * random.uniform(0.28, 0.62)
        foot = float(np.interp(x, edge[:, 0], edge[:, 1])) + 0.3 * height
        turn = np.linspace(0, np.pi, 9)
        round_top = random.random() < 0.6
        lift = np.sin(turn) ** 0.7 if round_top else 1 - np.abs(np.linspace(-1, 1, 9))
        shapes.append(np.stack([x - wide * np.cos(turn), foot - (tall + 0.3 * height) * lift], axis=1))
        x += wide * random.uniform(0.5, 1.1)
    return fill(size, *shapes)


def hazed(colour: ArrayLike, light: Daylight, distance: float) -> Floats:
    """Give a colour (3,) as it looks from afar: the air's own at distance 1."""
    return np.asarray(colour, np.float32) * (1 - distance) + light.haze * distance


def ground_texture(size: int, random: Random, horizon: float, *, coarsest: float = 2.5, octaves: int = 4) -> Floats:
    """Draw noise (S, S) that lies on flat ground: large lumps near by, fine and flattened ones at the horizon.

    Its mean is about 0 and its deviation about 1 near by, less far away. Above the horizon it has no meaning.
    """
    _, y = grid(size)
    depth = 1 / np.maximum(y - horizon + _CAMERA, 0.02)
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        cells = coarsest * 2**octave
        lumps = random.standard_normal((96, 128)).astype(np.float32)
        total += _on_ground(lumps, size, horizon - _CAMERA, cells) * np.clip(1.3 - cells * depth**2 / _FINEST, 0, 1)
    return np.asarray(total * 0.8, np.float32)


def _on_ground(lumps: Floats, size: int, vanishing: float, cells: float) -> Floats:
    """Look at a map of lumps, `cells` per unit of depth, lying on the ground below a vanishing line."""
    columns = lumps.shape[1]
    side = float(size)
    drop = -vanishing * side  # y - vanishing, in pixels, is y + drop
    across = (cells / drop, columns / 2 / drop, (columns / 2 * drop - cells * side / 2) / drop)
    down = (0.0, 0.0, cells * side / drop)
    spread = Image.fromarray(lumps).transform(
        (size, size),
        Image.Transform.PERSPECTIVE,
        (*across, *down, 0.0, 1 / drop),
        Image.Resampling.BICUBIC,
    )
    return np.asarray(spread, np.float32)


def meadow(size: int, random: Random, horizon: float, colour: ArrayLike, light: Daylight) -> Floats:
    """Paint grass (S, S, 3): patches of lighter, drier and darker green, fading into the haze at the horizon."""
    _, y = grid(size)
    patches = ground_texture(size, random, horizon, coarsest=1.5, octaves=2)
    blades = ground_texture(size, random, horizon, coarsest=9.0, octaves=3)
    tone = np.clip(1 + 0.07 * patches + 0.10 * blades, 0.5, 1.5)[..., None]
    dry = np.clip(0.12 + 0.10 * patches, 0, 0.5)
    near = np.clip((y - horizon) / (1 - horizon), 0, 1)
    grass = over(np.broadcast_to(np.asarray(colour, np.float32), (size, size, 3)), (0.62, 0.60, 0.25), dry)
    return np.asarray(over(grass * tone * light.sun, light.haze, 0.35 * (1 - near) ** 3), np.float32)
