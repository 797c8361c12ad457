"""Shoes: a drawing in coloured pencil as the input, the shoe as a product photo as the answer.

Every part has a line of its own colour in the drawing, so that the drawing decides the photo: the light never changes.
"""

import numpy as np

from coronet.scenes.base import Scene, World
from coronet.scenes.canvas import Floats, Random, blur, fill, light, over, paint, strokes, to_pixels
from coronet.scenes.shoe_forms import Shoe
from coronet.scenes.shoe_parts import build

_SUN = (-0.35, -0.75, 0.75)
_GLINT = (-0.2, -0.5, 1.0)  # half way between the sun and the eye
_TONE = 0.86  # a pencil's share of its part's colour: a white shoe still shows on white paper


def _draw(random: Random, size: int) -> Scene:
    plain = random.random() < 0.2  # drawn with a mouse and one pen
    shoe = build(random, bare=plain and random.random() < 0.5)
    return Scene(to_pixels(_drawing(random, size, shoe, plain=plain)), to_pixels(_photo(size, shoe)), None, shoe.facts)


def _drawing(random: Random, size: int, shoe: Shoe, *, plain: bool) -> Floats:
    width = random.uniform(0.011, 0.026)
    care = 0.0 if plain else random.uniform(0.1, 1.0)
    shapes = []
    for points, colour in shoe.pencil:
        for piece in [points] if plain else _by_hand(random, points, care):
            taper = width if plain else width * random.uniform(0.86, 1.14)
            shapes.append((piece, taper, colour * _TONE))
    for points, mark, colour in shoe.marks:
        piece = points if plain else _by_hand(random, points, 0.5 * care, gaps=False)[0]
        shapes.append((piece, width if plain else max(width, 0.8 * mark), colour * _TONE))
    return paint(size, (1, 1, 1), shapes)


def _by_hand(random: Random, points: Floats, care: float, *, gaps: bool = True) -> list[Floats]:
    """Redraw a line unsteadily, a little too long, sometimes with a gap; more `care` means rougher."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    way = np.concatenate([[0], np.cumsum(steps)])
    total = float(way[-1])
    count = max(4, int(total / 0.012))
    where = np.linspace(0, total, count)
    smooth = np.stack([np.interp(where, way, points[:, axis]) for axis in (0, 1)], 1)
    knots = random.standard_normal((2, max(4, int(total / 0.07)) + 1))
    shake = [np.interp(where, np.linspace(0, total, knots.shape[1]), knot) for knot in knots]
    line = (smooth + 0.0035 * care * np.stack(shake, 1)).astype(np.float32)
    if gaps:
        line = _longer(line, 0.018 * care * random.random())
    if not gaps or total < 0.15 or random.random() > 0.5 * care:
        return [line]
    cut = int(random.uniform(0.15, 0.85) * count)
    gap = max(1, int(random.uniform(0.01, 0.025) / total * count))
    return [part for part in (line[:cut], line[cut + gap :]) if len(part) > 1]


def _longer(line: Floats, length: float) -> Floats:
    ends = []
    for end, inner in ((line[0], line[1]), (line[-1], line[-2])):
        ends.append(end + (end - inner) / (np.linalg.norm(end - inner) + 1e-6) * length)
    return np.concatenate([[ends[0]], line, [ends[1]]])


def _photo(size: int, shoe: Shoe) -> Floats:
    colours = shoe.colours
    upper = fill(size, shoe.upper)
    if shoe.bands:
        upper = upper * fill(size, *shoe.bands)
    bottoms = [shoe.sole] if shoe.heel is None else [shoe.sole, shoe.heel]
    sole = fill(size, *bottoms)
    picture = over(np.ones((size, size, 3), np.float32), (0.25, 0.26, 0.3), 0.5 * _shadow(size, shoe))
    soft = blur(upper, 0.03)
    if shoe.opening is not None:
        depth = np.clip(1.05 - 1.1 * soft, 0.2, 1)[..., None]
        picture = over(picture, colours["lining"] * depth, fill(size, shoe.opening))
    if shoe.tongue is not None:
        picture = over(picture, colours["second"] * (1 - 0.5 * soft)[..., None], fill(size, shoe.tongue))
    ground = [] if shoe.heel is None else [(shoe.heel, None, colours["heel"])]
    albedo = paint(size, colours["sole"], [*ground, (shoe.sole, None, colours["sole"])])
    picture = over(picture, _lit(albedo, sole, 0.02, 0.06), sole)
    albedo = paint(size, colours["upper"], [(area, None, colour) for area, colour in shoe.patches])
    albedo = albedo * (1 - 0.4 * strokes(size, [(seam, 0.006) for seam in shoe.seams]))[..., None]
    picture = over(picture, _lit(albedo, upper, 0.07, 0.3), upper)
    return _marked(picture, shoe, upper)


def _shadow(size: int, shoe: Shoe) -> Floats:
    outline = shoe.sole if shoe.heel is None else np.concatenate([shoe.sole, shoe.heel])
    left, right = outline[:, 0].min(), outline[:, 0].max()
    bottom = outline[:, 1].max()
    turn = np.linspace(0, 2 * np.pi, 40)
    x = (left + right) / 2 + 0.52 * (right - left) * np.cos(turn)
    return blur(fill(size, np.stack([x, bottom + 0.012 * np.sin(turn)], 1)), 0.014)


def _lit(albedo: Floats, alpha: Floats, radius: float, gloss: float) -> Floats:
    """Shade a shape that swells over `radius`, with a rounder rim."""
    rim = blur(alpha, 0.2 * radius)
    height = 1.9 * radius * blur(alpha, radius) + 0.3 * radius * rim
    shade = (0.38 + 0.74 * light(height, _SUN)) * (0.8 + 0.2 * np.clip(2 * rim - 1, 0, 1))
    return albedo * shade[..., None] + gloss * (light(height, _GLINT) ** 20)[..., None]


def _marked(picture: Floats, shoe: Shoe, upper: Floats) -> Floats:
    if not shoe.marks:
        return picture
    size = len(picture)
    cover = strokes(size, [(points, width) for points, width, _ in shoe.marks])
    colour = paint(size, shoe.marks[0][2], [(points, 1.5 * width, ink) for points, width, ink in shoe.marks])
    picture = over(picture, (0, 0, 0), 0.35 * blur(cover, 0.006) * upper)
    return over(picture, colour * 0.95, cover)


SHOES = World("Shoes", paired=True, draw=_draw)
