"""The same landscape in summer and in winter: meadows, mountains, trees and water."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from coronet.scenes.base import Scene, World
from coronet.scenes.canvas import Floats, Random, blur, dots, fill, grid, hsv, noise, over, strokes, to_pixels
from coronet.scenes.landscape import (
    Daylight,
    clouds,
    daylight,
    hazed,
    meadow,
    ridge,
    sky,
    skyline,
    tree_line,
)
from coronet.scenes.plants import SNOW, SNOW_SHADE, Place, broadleaf, cabin, conifer, pair, rock
from coronet.scenes.season_plan import Plan, choose, dry, facts


def draw(random: Random, size: int) -> Scene:
    """Draw one landscape in summer (a) and winter (b)."""
    plan = choose(random)
    light = daylight(plan.warmth)
    winter = _winter_light(plan.warmth)
    seasons = _heaven(size, random, plan, light, winter)
    seasons = _mountains(seasons, random, plan, light, winter)
    seasons = _hills(seasons, random, plan, light, winter)
    seasons = _ground(seasons, random, plan, light, winter)
    things = sorted(_things(random, plan, light), key=lambda thing: thing[0].foot)
    ripples = noise(size, random, 24, octaves=2, stretch=5)
    for place, paint in things:
        if place.foot <= plan.shore:
            paint(seasons, random, place)
    if plan.water is not None:
        seasons = _water(seasons, plan, plan.water, ripples, light)
    seasons = _tufts(seasons, random, plan)
    for place, paint in things:
        if place.foot > plan.shore:
            paint(seasons, random, place)
    return Scene(to_pixels(seasons[0]), to_pixels(seasons[1]), None, facts(plan))


def _things(random: Random, plan: Plan, light: Daylight) -> list[tuple[Place, Callable[[Floats, Random, Place], None]]]:
    """List what stands in the landscape and what draws it."""
    things: list[tuple[Place, Callable[[Floats, Random, Place], None]]] = []
    for place in plan.conifers:
        green = hsv(random.uniform(0.29, 0.36), random.uniform(0.5, 0.7), random.uniform(0.38, 0.52)) * light.sun
        things.append((place, partial(conifer, green=green, sun=plan.sun)))
    for place in plan.broadleaves:
        hue = plan.hue + random.uniform(-0.04, 0.04)
        green = hsv(hue, random.uniform(0.5, 0.7), random.uniform(0.38, 0.52)) * light.sun
        things.append((place, partial(broadleaf, green=green, sun=plan.sun)))
    things += [(place, partial(cabin, sun=plan.sun)) for place in plan.cabins]
    things += [(place, partial(rock, sun=plan.sun)) for place in plan.rocks]
    return things


def _winter_light(warmth: float) -> Daylight:
    """Give the pale colours of an overcast day, a little warmer where summer's evening is."""
    cold = np.array([[0.58, 0.67, 0.79], [0.86, 0.90, 0.95], [1, 1, 1]], np.float32)
    mild = np.array([[0.60, 0.63, 0.78], [0.97, 0.88, 0.85], [1.0, 0.95, 0.91]], np.float32)
    return Daylight(*(cold * (1 - warmth) + mild * warmth))


def _heaven(size: int, random: Random, plan: Plan, light: Daylight, winter: Daylight) -> Floats:
    seasons = np.stack([sky(size, plan.horizon, light), sky(size, plan.horizon, winter)])
    x, y = grid(size)
    glow = np.exp(-8 * ((x - 0.5 - 0.42 * plan.sun) ** 2 + (y - plan.horizon + 0.12) ** 2))
    seasons = over(seasons, pair((1, 0.95, 0.80), (0.97, 0.95, 0.93)), 0.5 * glow)
    alpha, bright = clouds(size, random, plan.horizon, plan.cover)
    white = np.clip(bright[..., None] * light.sun * 1.06, 0, 1)
    return over(seasons, pair(white, white * [0.86, 0.89, 0.93]), np.stack([alpha, 0.6 * alpha]))


def _mountains(seasons: Floats, random: Random, plan: Plan, light: Daylight, winter: Daylight) -> Floats:
    """Draw crags with a sunny and a shady face, white at the top in summer and nearly everywhere in winter."""
    size = seasons.shape[1]
    x, y = grid(size)
    edge = skyline(random, plan.horizon + 0.03, plan.peaks + 0.03, lumps=int(random.integers(2, 5)), rough=0.75)
    rough = noise(size, random, 9, octaves=4)
    below = y - np.interp(x, edge[:, 0], edge[:, 1]).astype(np.float32)
    slope = np.gradient(np.convolve(edge[:, 1], np.ones(9) / 9, "same"), edge[:, 0])
    face = np.interp(x + 0.25 * below * rough, edge[:, 0], plan.sun * -slope)
    sunny = np.asarray(np.clip(0.5 - 1.4 * face + 0.10 * rough, 0, 1), np.float32)
    rocky = _mixed((0.29, 0.34, 0.44), (0.56, 0.54, 0.54), sunny) * (1 + 0.06 * rough[..., None])
    snow = _mixed(SNOW_SHADE, SNOW * winter.sun, sunny)
    line = np.asarray(np.clip((plan.peaks - 0.13) * 25 - 50 * below + 0.6 * rough, 0, 1), np.float32)
    bare = np.clip(0.7 * rough - 0.2, 0, 1) * 0.55  # too steep for snow
    air = np.asarray(0.25 * np.clip(below / 0.2, 0, 1), np.float32)
    summer = over(over(rocky, snow, line), light.haze, 0.40 + air)
    return over(seasons, pair(summer, over(over(snow, rocky * 0.9, bare), winter.haze, 0.25 + air)), ridge(size, edge))


def _mixed(first: ArrayLike, second: ArrayLike, share: Floats) -> Floats:
    """Paint a picture between two colours (3,): the share (S, S) is that of the second."""
    return over(np.broadcast_to(np.asarray(first, np.float32), (*share.shape, 3)), second, share)


def _hills(seasons: Floats, random: Random, plan: Plan, light: Daylight, winter: Daylight) -> Floats:
    """Draw two rolling hills, the nearer one wooded."""
    size = seasons.shape[1]
    green = hsv(plan.hue + 0.03, 0.5, 0.45)
    far = skyline(random, plan.horizon + 0.03, random.uniform(0.03, 0.09), lumps=3, rough=0.3)
    seasons = over(seasons, pair(hazed(green, light, 0.45), hazed((0.80, 0.85, 0.93), winter, 0.4)), ridge(size, far))
    near = skyline(random, plan.horizon + 0.05, random.uniform(0.02, 0.07), lumps=3, rough=0.2)
    wood = tree_line(size, random, near, random.uniform(0.025, 0.05))
    seasons = over(seasons, pair(hazed(green * 0.62, light, 0.22), hazed((0.36, 0.43, 0.47), winter, 0.35)), wood)
    colours = pair(hazed(green * 0.95, light, 0.25), hazed((0.84, 0.88, 0.95), winter, 0.3))
    return over(seasons, colours, ridge(size, near))


def _ground(seasons: Floats, random: Random, plan: Plan, light: Daylight, winter: Daylight) -> Floats:
    """Lay the meadow or the snow, with flowers and the shadows of what will stand there."""
    size = seasons.shape[1]
    _, y = grid(size)
    edge = skyline(random, plan.horizon + 0.06, random.uniform(0.01, 0.05), lumps=2, rough=0.1)
    grass = meadow(size, random, plan.horizon, hsv(plan.hue, 0.62, 0.62), light)
    level = (grass[..., 1] - blur(grass[..., 1], 0.2)) * 2.0 + 0.5
    snow = _mixed(SNOW_SHADE, SNOW * winter.sun, np.clip(0.03 + 1.3 * level, 0, 1))
    snow = over(snow, winter.haze, 0.5 * np.clip(1 - (y - plan.horizon) / 0.3, 0, 1))
    grass = _flowers(grass, random, plan)
    shade = _shadows(size, plan)
    grass, snow = over(grass, grass * [0.40, 0.46, 0.50], 0.8 * shade), over(snow, (0.50, 0.61, 0.83), 0.7 * shade)
    return over(seasons, pair(grass, snow), ridge(size, edge))


def _flowers(grass: Floats, random: Random, plan: Plan) -> Floats:
    count = int(260 * plan.bloom)
    near = random.random(count) ** 0.7
    foot, x = plan.horizon + 0.1 + near * (0.9 - plan.horizon), random.random(count)
    colours = hsv(random.choice([0.0, 0.13, 0.78, 0.92]), 0.65, 0.98), np.array([0.99, 0.97, 0.90], np.float32)
    for kind, colour in enumerate(colours):
        mine = slice(kind, count, 2)
        spots = dots(grass.shape[0], np.stack([x, foot], axis=1)[mine], (0.004 + 0.010 * near**2)[mine])
        grass = over(grass, colour, 0.9 * spots)
    return grass


def _tufts(seasons: Floats, random: Random, plan: Plan) -> Floats:
    """Draw blades of grass near the front; in winter their dry tips stand out of the snow."""
    lines = []
    for _ in range(int(random.integers(4, 12))):
        near = random.uniform(0.55, 1.0)
        x, foot, tall = random.random(), plan.horizon + near * (1 - plan.horizon), 0.045 * near
        leans = random.uniform(-0.5, 0.5, 6)
        for lean in leans if dry(plan.wet, x, foot) else ():
            middle = (x + 0.3 * lean * tall, foot - 0.6 * tall)
            lines.append(
                ([(x + 0.2 * lean * tall, foot), middle, (x + lean * tall, foot - tall)], [0.004, 0.003, 0.001])
            )
    blades = strokes(seasons.shape[1], lines)
    return over(seasons, pair(hsv(plan.hue, 0.6, 0.36), (0.60, 0.53, 0.42)), np.stack([0.65 * blades, 0.45 * blades]))


def _shadows(size: int, plan: Plan) -> Floats:
    """Give the alpha of the shadows that fall away from the sun."""
    turns = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    shapes = []
    for place in [*plan.conifers, *plan.broadleaves, *plan.rocks, *plan.cabins]:
        long = place.height * (0.22 + 0.12 * plan.warmth) * (2.0 if place in plan.rocks else 1.0)
        x = place.x - plan.sun * 0.75 * long + long * np.cos(turns)
        shapes.append(np.stack([x, place.foot + 0.012 * place.height + 0.2 * long * np.sin(turns)], axis=1))
    return blur(fill(size, *shapes), 0.006) if shapes else np.zeros((size, size), np.float32)


def _water(seasons: Floats, plan: Plan, outline: Floats, ripples: Floats, light: Daylight) -> Floats:
    """Mirror what stands behind the water in it; in winter it is ice, which mirrors little."""
    size = seasons.shape[1]
    _, y = grid(size)
    top = float(outline[:, 1].min()) + 0.02
    below = np.maximum(y - top, 0)
    # As in a picture book, the mirror image is squeezed until the sky shows in the lower half.
    squeeze = np.clip((top - plan.horizon + 0.12) / (0.55 * (float(outline[:, 1].max()) - top)), 1.2, 4.0)
    row = np.clip((top - squeeze * (below + 0.006 * ripples * (0.3 + 4 * below))) * size - 0.5, 0, size - 2)
    low = row.astype(int)
    part = (row - low)[..., None]
    columns = np.arange(size)[None, :]
    mirror = seasons[:, low, columns] * (1 - part) + seasons[:, low + 1, columns] * part
    tint = np.clip(ripples * 0.5, -1, 1)[..., None]
    water = mirror[0] * 0.80 + light.zenith * 0.17 + 0.03 * tint
    ice = mirror[1].mean(axis=-1, keepdims=True) * 0.30 + np.array([0.50, 0.58, 0.66], np.float32) + 0.02 * tint
    middle = outline.mean(axis=0)
    bank = fill(size, (outline - middle) * [1.03, 1.06] + middle + [0, -0.003])
    seasons = over(seasons, pair((0.42, 0.40, 0.24), (0.70, 0.78, 0.90)), 0.8 * blur(bank, 0.003))
    return over(seasons, pair(water, ice), fill(size, outline))


SEASONS = World("Seasons", paired=False, draw=draw)
