"""Trees, rocks and cabins in summer and winter: each is drawn once in its own small square and laid over both seasons.

Both seasons come from the same shapes: what the sun lights in summer carries the snow in winter.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from coronet.scenes.canvas import Floats, Random, dots, fill, grid, hsv, over, spline, strokes

SNOW = np.array([0.96, 0.975, 1.0], np.float32)
SNOW_SHADE = np.array([0.66, 0.75, 0.89], np.float32)


class Place(NamedTuple):
    """Where a thing stands: the middle of its foot and its height, in units of the picture's side."""

    x: float
    foot: float
    height: float


class Plot(NamedTuple):
    """The square of pixels around a thing. In it, points are counted in units of its height: foot at y 0.95."""

    pixels: int
    left: int
    top: int
    scale: float
    shift: tuple[float, float]

    def at(self, points: ArrayLike) -> Floats:
        """Turn points (N, 2) in units of the thing into points in units of the square."""
        return np.asarray(np.asarray(points, np.float32) * self.scale + np.asarray(self.shift, np.float32), np.float32)

    def lines(self, curves: list[tuple[Floats, list[float]]]) -> Floats:
        """Give the alpha of tapered lines, each (points, widths) in units of the thing."""
        return strokes(self.pixels, [(self.at(points), [w * self.scale for w in widths]) for points, widths in curves])

    def shapes(self, outlines: list[Floats]) -> Floats:
        """Give the alpha of polygons in units of the thing."""
        return fill(self.pixels, *(self.at(outline) for outline in outlines))

    def discs(self, centres: ArrayLike, widths: ArrayLike) -> Floats:
        """Give the alpha of round spots (N, 2) of so many widths (N,) in units of the thing."""
        return dots(self.pixels, self.at(centres), np.asarray(widths, np.float32) * self.scale)

    def sunward(self, sun: float) -> Floats:
        """Give -1 on the side in shade to 1 on the side to the sun, for something about 0.4 wide."""
        x, y = grid(self.pixels)
        across, down = (x - self.shift[0]) / self.scale - 0.5, (y - self.shift[1]) / self.scale - 0.5
        return np.asarray(np.clip(4.0 * sun * across - 1.2 * down, -1, 1), np.float32)


def plot(size: int, place: Place) -> Plot:
    """Mark out the square for a thing in a picture of `size` pixels."""
    side = place.height * size
    left, top = place.x * size - 0.5 * side, place.foot * size - 0.95 * side
    pixels = int(np.ceil(side)) + 1
    corner = int(np.floor(left)), int(np.floor(top))
    return Plot(pixels, *corner, side / pixels, ((left - corner[0]) / pixels, (top - corner[1]) / pixels))


def lay(seasons: Floats, spot: Plot, colour: Floats, alpha: Floats) -> None:
    """Lay a colour (2, ...) with an alpha (2, P, P) or (P, P) over both seasons (2, S, S, 3), in place."""
    size = seasons.shape[1]
    rows = slice(max(0, -spot.top), max(0, min(spot.pixels, size - spot.top)))
    columns = slice(max(0, -spot.left), max(0, min(spot.pixels, size - spot.left)))
    there = (
        slice(None),
        slice(rows.start + spot.top, rows.stop + spot.top),
        slice(columns.start + spot.left, columns.stop + spot.left),
    )
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    if colour.shape[1] > 1:
        colour = colour[:, rows, columns]
    seasons[there] = over(seasons[there], colour, alpha[..., rows, columns])


def pair(summer: ArrayLike, winter: ArrayLike) -> Floats:
    """Stack the colours (3,) or pictures (P, P, 3) of both seasons to (2, 1, 1, 3) or (2, P, P, 3)."""
    both = np.stack([np.asarray(summer, np.float32), np.asarray(winter, np.float32)])
    return both if both.ndim == 4 else both[:, None, None]


def conifer(seasons: Floats, random: Random, place: Place, green: Floats, sun: float) -> None:
    """Draw a fir: tiers of branches whose tops are lit or snowed on and whose undersides are dark."""
    spot = plot(seasons.shape[1], place)
    tiers = int(random.integers(5, 8))
    wide = random.uniform(0.17, 0.25)
    edges = np.linspace(0.02, 0.88, tiers + 1)
    bodies, fringes = [], []
    for tier in range(tiers):
        body, fringe = _tier(random, edges[tier], edges[tier + 1], wide * ((tier + 1) / tiers) ** 0.85)
        bodies.append(body)
        fringes.append(fringe)
    trunk = np.array([[0.48, 0.85], [0.52, 0.85], [0.525, 0.96], [0.475, 0.96]], np.float32)
    lay(seasons, spot, pair((0.26, 0.19, 0.13), (0.22, 0.19, 0.18)), spot.shapes([trunk]))
    side = spot.sunward(sun)[..., None]
    tops = pair(green * (1.05 + 0.3 * side), SNOW + (SNOW_SHADE - SNOW) * (0.45 - 0.5 * side).clip(0, 1))
    dark = pair(green * (0.55 + 0.12 * side), green * 0.38 + 0.05 + 0.03 * side)
    under = spot.shapes(fringes)
    lay(seasons, spot, over(tops, dark, under), spot.shapes(bodies))


def _tier(random: Random, top: float, bottom: float, half: float) -> tuple[Floats, Floats]:
    deep = bottom - top
    low = bottom + 0.25 * deep
    u = np.linspace(-1, 1, 9)
    jag = np.where(np.arange(9) % 2, 0.13, -0.05) * deep + random.uniform(-0.05, 0.05, 9) * deep
    hem = np.stack([0.5 + half * u, low - 0.42 * deep * u**2 + jag], axis=1)
    inner = np.stack([0.5 + 0.93 * half * u, low - (0.42 * u**2 + 0.42) * deep - 0.9 * jag], axis=1)
    body = np.concatenate([[[0.5, top - 0.12 * deep]], hem])
    return body.astype(np.float32), np.concatenate([hem, inner[::-1]]).astype(np.float32)


def broadleaf(seasons: Floats, random: Random, place: Place, green: Floats, sun: float) -> None:
    """Draw a tree with a round crown: clumps of leaves in summer, the boughs that carry them in winter."""
    spot = plot(seasons.shape[1], place)
    clumps, sizes = _clumps(random)
    fork = np.array([0.5 + random.uniform(-0.02, 0.02), 0.70], np.float32)
    trunk = (np.array([[0.5, 0.95], [0.5, 0.82], fork], np.float32), [0.062, 0.048, 0.042])
    bark = np.array([0.33, 0.24, 0.17], np.float32) if random.random() < 0.7 else np.array([0.62, 0.58, 0.52])
    boughs = [trunk]
    leaf, leaf_sizes = _leaves(random, clumps, sizes)
    for clump, tufts in zip(clumps, leaf.reshape(len(clumps), -1, 2), strict=True):
        boughs += _bough(fork, clump, tufts)
    wood = np.stack([spot.lines([line for line in boughs if len(line[1]) > 2]), spot.lines(boughs)])
    side = spot.sunward(sun)[..., None]
    up = np.array([0, 0.016], np.float32)
    snowy = spot.lines([(points - up, widths) for points, widths in boughs[1:]])
    towards = np.array([0.35 * sun, -0.5], np.float32)
    crown = spot.discs(np.concatenate([clumps, leaf + 0.01]), np.concatenate([sizes, leaf_sizes * 1.4]))
    lit = spot.discs(clumps + towards * 0.15 * sizes[:, None], sizes * 0.74)
    bright = spot.discs(leaf + towards * 0.06, leaf_sizes)

    none = np.zeros_like(crown)
    lay(seasons, spot, pair(bark, SNOW), np.stack([none, snowy]))
    lay(seasons, spot, pair(bark * 0.85, bark * 0.55 + 0.06) * (1 + 0.25 * side), wood)
    leaves = np.broadcast_to(green * 0.55, (*crown.shape, 3))
    leaves = over(over(leaves, green * 0.85, lit), green * 1.2, 0.7 * bright) * (1 + 0.28 * side)
    veil = np.broadcast_to(np.array([0.55, 0.54, 0.58], np.float32), leaves.shape)  # the finest twigs, too thin to draw
    lay(seasons, spot, pair(leaves, veil), np.stack([crown, 0.20 * lit]))
    lay(seasons, spot, pair(bark, SNOW), np.stack([none, 0.30 * bright]))


def _clumps(random: Random) -> tuple[Floats, Floats]:
    half, tall = random.uniform(0.17, 0.34), random.uniform(0.22, 0.31)
    turns = np.linspace(0, 2 * np.pi, 10, endpoint=False) + random.uniform(-0.2, 0.2, 10)
    ring = np.stack([0.5 + half * np.cos(turns), 0.40 + tall * np.sin(turns)], axis=1)
    inside = np.stack([0.5 + half * random.uniform(-0.5, 0.5, 5), 0.40 + tall * random.uniform(-0.55, 0.5, 5)], axis=1)
    sizes = random.uniform(0.17, 0.25, 15) * np.repeat([1, 1.4], [10, 5])
    return np.concatenate([ring, inside]).astype(np.float32), sizes.astype(np.float32)


def _bough(fork: Floats, tip: Floats, tufts: Floats) -> list[tuple[Floats, list[float]]]:
    """Draw one bough from the fork to the middle of a clump, and twigs on to its tufts of leaves."""
    middle = 0.5 * (fork + tip) + np.array([0.22 * (tip[0] - fork[0]), 0.02], np.float32)
    curve = spline([fork, middle, tip], steps=2)
    onwards = 0.18 * (tip - fork)
    twigs = [(np.stack([tip, 0.3 * tip + 0.7 * tuft + onwards]), [0.010, 0.006]) for tuft in tufts[:4]]
    return [(curve, [0.028, 0.024, 0.019, 0.014, 0.010]), *twigs]


def _leaves(random: Random, clumps: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Scatter tufts of leaves over the clumps."""
    turns, reach = random.random((15, 5)) * 2 * np.pi, random.uniform(0.1, 0.55, (15, 5))
    away = np.stack([np.cos(turns), np.sin(turns)], axis=-1) * (reach * sizes[:, None])[..., None]
    return (clumps[:, None] + away).reshape(-1, 2).astype(np.float32), random.uniform(0.03, 0.06, 75).astype(np.float32)


def cabin(seasons: Floats, random: Random, place: Place, sun: float) -> None:
    """Draw a log cabin seen from the front and one side, with lit windows and, in winter, snow on its roof."""
    spot = plot(seasons.shape[1], place)
    flip = -1 if random.random() < 0.5 else 1

    def face(*corners: tuple[float, float]) -> Floats:
        return spot.shapes([np.array([(0.5 + flip * x, y) for x, y in corners], np.float32)])

    wall = np.array([0.50, 0.33, 0.20], np.float32) * random.uniform(0.8, 1.2)
    tiles = hsv(random.choice([0.02, 0.05, 0.6]), 0.45, 0.42)
    front, long_side = (1.1, 0.75) if flip * sun < 0 else (0.75, 1.1)
    lay(seasons, spot, pair(wall * 0.6, wall * 0.5), face((0.22, 0.18), (0.29, 0.18), (0.29, 0.40), (0.22, 0.40)))
    lay(
        seasons,
        spot,
        pair(wall * long_side, wall * 0.85 * long_side),
        face((0, 0.55), (0.46, 0.55), (0.46, 0.93), (0, 0.95)),
    )
    gable = face((-0.42, 0.93), (-0.42, 0.56), (-0.21, 0.30), (0.0, 0.56), (0.0, 0.95))
    lay(seasons, spot, pair(wall * front, wall * 0.85 * front), gable)
    roof = face((-0.23, 0.24), (0.30, 0.24), (0.50, 0.58), (0.02, 0.58))
    lay(seasons, spot, pair(tiles * long_side * 1.1, SNOW * (0.80 + 0.18 * long_side)), roof)
    eaves = spot.lines(
        [(np.array([(0.5 + flip * x, y) for x, y in ((-0.47, 0.60), (-0.22, 0.26), (0.02, 0.58))]), [0.05] * 3)]
    )
    lay(seasons, spot, pair(tiles * 0.7, SNOW), eaves)
    lay(seasons, spot, pair(wall * 0.35, wall * 0.3), face((-0.28, 0.94), (-0.28, 0.68), (-0.14, 0.68), (-0.14, 0.945)))
    panes = face((0.14, 0.66), (0.32, 0.66), (0.32, 0.80), (0.14, 0.80))
    lay(seasons, spot, pair((0.75, 0.82, 0.85), (1.0, 0.83, 0.45)), panes)


def rock(seasons: Floats, random: Random, place: Place, sun: float) -> None:
    """Draw a boulder, grey in summer and under a cap of snow in winter."""
    spot = plot(seasons.shape[1], place)
    turns = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    reach = random.uniform(0.8, 1.05, 9)
    outline = np.stack([0.5 + 0.48 * reach * np.cos(turns), 0.72 + 0.25 * reach * np.sin(turns)], axis=1)
    cap = (outline - [0.5, 0.72]) * [0.85, 0.62] + [0.5 + 0.05 * sun, 0.60]
    side = spot.sunward(sun)[..., None]
    body = np.array([0.47, 0.46, 0.45], np.float32) * (0.85 + 0.25 * side)
    lay(seasons, spot, pair(body, body * 0.8), spot.shapes([outline.astype(np.float32)]))
    top = spot.shapes([spline(cap, closed=True, steps=4)])
    lay(seasons, spot, pair(body * 1.3, SNOW + (SNOW_SHADE - SNOW) * (0.3 - 0.4 * side).clip(0, 1)), top)
