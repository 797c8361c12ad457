"""An animal on the stage: its parts as layers, the light on them, and the coats of horse and zebra."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coronet.scenes.animal import Animal, Pose
from coronet.scenes.canvas import Floats, Random, blur, dome, fill, grid, hsv, light, over, spline
from coronet.scenes.stripes import stripes

_DARK = (0.085, 0.075, 0.075)
_CREAM = (0.93, 0.90, 0.84)
_FAR_SHADE = 0.58
_ROUND = np.stack([np.cos(np.linspace(0, 6.28, 20)), np.sin(np.linspace(0, 6.28, 20))], 1)

# On the head, (along, up) from the poll.
_EAR = (0.015, 0.05), (-0.02, 0.12), (-0.10, 0.185), (-0.095, 0.10), (-0.045, 0.04)
_EAR_TIP = (-0.05, 0.15), (-0.11, 0.20), (-0.11, 0.14)
_EYE = (0.125, 0.035), (0.145, 0.050), (0.165, 0.036), (0.145, 0.018)
_NOSTRIL = (0.40, 0.012), (0.418, 0.02), (0.425, 0.0), (0.41, -0.006)
_MUZZLE = (0.355, 0.09), (0.46, 0.06), (0.48, -0.09), (0.34, -0.09)
_BLAZE = (0.08, 0.092), (0.2, 0.078), (0.34, 0.058), (0.36, 0.03), (0.2, 0.045), (0.1, 0.06)
_FORELOCK = (-0.10, 0.04), (-0.05, 0.12), (0.03, 0.115), (0.12, 0.10), (0.17, 0.06), (0.08, 0.06), (-0.02, 0.035)
_MUSCLES = ((-0.33, 0.75), (0.16, 0.17)), ((0.36, 0.68), (0.11, 0.17)), ((0.0, 0.70), (0.24, 0.18))  # centres, radii

# bay, chestnut, dark brown, palomino, grey: how often, hue, saturation, value, mane, dark legs
_COATS = (
    (0.36, 0.062, 0.70, 0.52, (0.09, 0.07, 0.06), 0.85),
    (0.26, 0.055, 0.68, 0.58, (0.40, 0.21, 0.10), 0.10),
    (0.20, 0.058, 0.58, 0.33, (0.08, 0.06, 0.055), 0.55),
    (0.12, 0.098, 0.56, 0.80, (0.90, 0.82, 0.64), 0.05),
    (0.06, 0.085, 0.12, 0.66, (0.30, 0.29, 0.29), 0.50),
)


@dataclass(frozen=True, slots=True)
class Coat:
    """A horse's colours: the coat's hue, saturation and value, the colour (3,) of mane and tail, and its marks."""

    hue: float
    saturation: float
    value: float
    mane: tuple[float, float, float]
    points: float  # how dark the lower legs are
    blaze: bool
    socks: int  # on so many legs


@dataclass(frozen=True, slots=True)
class Place:
    """Where an animal stands: its feet (x, y), its height at the withers, and 1 or -1 for facing right or left."""

    x: float
    y: float
    unit: float
    facing: int
    squeeze: float  # foreshortening of lengths

    def __call__(self, points: ArrayLike, ahead: float = 0.0, up: float = 0.0) -> Floats:
        """Turn places (N, 2) in the animal's frame, moved ahead and up, into places in the picture."""
        x, y = np.moveaxis(np.asarray(points, np.float32), -1, 0)
        along = self.x + self.facing * self.unit * self.squeeze * (x + ahead)
        return np.asarray(np.stack([along, self.y - self.unit * (y + up)], -1), np.float32)


@dataclass(frozen=True, slots=True)
class Actor:
    """One animal on the stage: what it does, where and in which coat."""

    pose: Pose
    animal: Animal
    place: Place
    coat: Coat

    def leg_place(self, leg: int, points: ArrayLike) -> Floats:
        """Give the places (N, 2) in the picture of points on a leg: those of the far side stand ahead and higher."""
        turn = self.pose.turn
        return self.place(points) if leg < 2 else self.place(points, 0.025 + 0.04 * turn, 0.02 + 0.02 * turn)

    def head_place(self, points: ArrayLike) -> Floats:
        """Give the places (N, 2) in the picture of points (along, up) on the head."""
        return self.place(self.animal.on_head(points))


@dataclass(frozen=True, slots=True)
class Layers:
    """What both coats share: the alphas (S, S) of an animal's parts, and the light on it."""

    far: Floats  # the far legs where they show
    body: Floats
    mane: Floats  # where it stands above the body
    hooves: Floats
    features: Floats  # eye and nostril
    whole: Floats
    shade: Floats
    gloss: Floats


def draw_coat(random: Random) -> Coat:
    """Draw a horse's coat."""
    row = _COATS[int(random.choice(len(_COATS), p=[row[0] for row in _COATS]))]
    _, hue, saturation, value, mane, points = row
    shift = random.uniform(-1, 1, 3).tolist()
    return Coat(
        hue=hue + 0.012 * shift[0],
        saturation=saturation * (1 + 0.12 * shift[1]),
        value=value * (1 + 0.12 * shift[2]),
        mane=mane,
        points=points,
        blaze=bool(random.random() < 0.4),
        socks=int(random.choice((0, 0, 0, 1, 2, 4))),
    )


def layers(size: int, actor: Actor, sun: tuple[float, float, float]) -> Layers:
    """Draw an animal's parts in the light of a sun in the direction (x, y, z), as for `canvas.light`."""
    animal, place = actor.animal, actor.place
    legs = [fill(size, *(actor.leg_place(i, animal.legs[i].outline()) for i in pair)) for pair in ((0, 1), (2, 3))]
    near, far = (fill(size, *(actor.leg_place(i, animal.hooves[i]) for i in pair)) for pair in ((0, 1), (2, 3)))
    ear = animal.on_head(spline(_EAR, closed=True, steps=4))
    trunk = fill(size, place(animal.trunk), place(animal.neck.outline()), place(animal.head))
    core = np.maximum(trunk, legs[0])
    body = np.maximum(np.maximum(core, near), fill(size, place(ear), place(ear, 0.055, 0.004)))
    mane = fill(size, place(np.concatenate([animal.mane_edge(-0.1), animal.mane_edge(1.0)[::-1]])))
    hidden = np.maximum(legs[1], far)
    whole = np.maximum(np.maximum(body, hidden), np.maximum(mane, fill(size, place(animal.tail.outline()))))
    lit = light(_relief(actor, core, body, whole), sun, relief=1.3)
    behind = hidden * (1 - body)
    return Layers(
        far=behind,
        body=body,
        mane=mane * (1 - body),
        hooves=np.maximum(near, far * (1 - body)),
        features=fill(size, actor.head_place(_EYE), actor.head_place(_NOSTRIL)),
        whole=whole,
        shade=(0.42 + 0.68 * lit) * (1 - (1 - _FAR_SHADE) * behind),
        gloss=lit**12,
    )


def _relief(actor: Actor, core: Floats, body: Floats, whole: Floats) -> Floats:
    """Give the height map (S, S): the round body, muscles and cheek upon it, and thin parts."""
    size, place = len(core), actor.place
    muscles = [place(np.asarray(centre) + np.asarray(radii) * _ROUND) for centre, radii in _MUSCLES]
    swell = blur(fill(size, *muscles), 0.055 * place.unit) * body
    cheek = blur(fill(size, actor.head_place((0.1, -0.05) + 0.055 * _ROUND)), 0.02 * place.unit)
    height = dome(core, 0.12 * place.unit) + place.unit * (0.065 * swell + 0.012 * cheek)
    height += 0.6 * dome(body, 0.03 * place.unit) + 0.4 * dome(whole, 0.018 * place.unit)
    return np.asarray(height, np.float32)


def dress(picture: Floats, actor: Actor, parts: Layers, hair: Floats, sun: Floats, *, zebra: bool) -> Floats:
    """Lay an animal over a picture (S, S, 3), in its own coat or a zebra's.

    `hair` (S, S) is noise of deviation 1, `sun` (3,) the light's colour.
    """
    paint = (_zebra if zebra else _horse)(actor, parts, hair)
    paint = over(paint, (0.16, 0.13, 0.12), 0.9 * parts.hooves)
    paint = over(paint, (0.05, 0.04, 0.04), parts.features)
    shine = (0.05 if zebra else 0.12) * parts.gloss
    return over(picture, np.clip(paint * parts.shade[..., None] * sun + shine[..., None], 0, 1), parts.whole)


def _horse(actor: Actor, parts: Layers, hair: Floats) -> Floats:
    """Paint a horse's coat without light: (S, S, 3)."""
    size, animal, place, coat = len(hair), actor.animal, actor.place, actor.coat
    base = hsv(coat.hue, coat.saturation, coat.value)
    depth = np.clip((grid(size)[1] - place.y) / place.unit + 1, 0, 1)  # 0 at the withers, 1 at the feet
    belly = 0.55 * np.exp(-(((depth - 0.5) / 0.1) ** 2)) * parts.body
    paint = base * (1 + 0.03 * hair[..., None])
    paint = over(paint, np.minimum(1, base * 1.18 + 0.03), belly)
    paint = over(paint, coat.mane, coat.points * np.clip((depth - 0.62) / 0.13, 0, 1))
    muzzle = blur(fill(size, actor.head_place(_MUZZLE)), 0.02 * place.unit)
    paint = over(paint, base * 0.35 + 0.03, 0.75 * muzzle)
    paint = over(paint, (0.93, 0.91, 0.87), _marks(actor, size))
    strands = (1 + 0.16 * hair)[..., None] * np.asarray(coat.mane, np.float32)
    loose = fill(size, place(animal.tail.outline())) * (1 - parts.body)
    mane = fill(size, place(_falling_mane(animal)), actor.head_place(_FORELOCK))
    return over(paint, strands, np.maximum(np.maximum(loose, parts.mane), mane))


def _marks(actor: Actor, size: int) -> Floats:
    """Give the alpha (S, S) of an animal's white marks: blaze and socks."""
    white = np.zeros((size, size), np.float32)
    if actor.coat.blaze:
        white = 0.9 * fill(size, actor.head_place(_BLAZE))
    if actor.coat.socks:
        legs = (1, 0, 3, 2)[: actor.coat.socks]
        socks = [actor.leg_place(i, actor.animal.legs[i].outline(0.74, 1.0, -1.3, 1.3)) for i in legs]
        white = np.maximum(white, blur(fill(size, *socks), 0.012 * actor.place.unit))
    return np.asarray(white, np.float32)


def _zebra(actor: Actor, parts: Layers, hair: Floats) -> Floats:
    """Paint a zebra's coat without light: (S, S, 3).

    Its stripes have a shade of the horse's colour, and its white marks have none. So each coat tells the other, and a
    translation there and back has nothing to hide.
    """
    size, animal, place, coat = len(hair), actor.animal, actor.place, actor.coat
    base = np.asarray(hsv(coat.hue, coat.saturation, coat.value), np.float32)
    dark = 0.55 * np.asarray(_DARK, np.float32) + 0.3 * base
    pale = 0.85 * np.asarray(_CREAM, np.float32) + 0.15 * base / base.max()
    near, far = stripes(animal, actor.pose.stride)
    black = fill(size, *map(place, near)) * (1 - parts.far)
    black += fill(size, *(actor.leg_place(2, band) for band in far)) * parts.far
    black *= 1 - _marks(actor, size)
    paint = over(pale * (1 + 0.02 * hair[..., None]), dark, 0.95 * black)
    muzzle = blur(fill(size, actor.head_place(_MUZZLE)), 0.012 * place.unit)
    paint = over(paint, (0.13, 0.11, 0.11), muzzle)
    bristles = np.concatenate([animal.mane_edge(1.0), animal.mane_edge(0.75)[::-1]])
    paint = over(paint, dark, 0.6 * fill(size, place(bristles)))
    tuft = fill(size, place(animal.tail.outline(0.5))) * (1 - parts.body)
    return over(paint, dark, np.maximum(tuft, fill(size, actor.head_place(_EAR_TIP))))


def _falling_mane(animal: Animal) -> Floats:
    """Give the outline (N, 2) of a mane that falls down the neck in locks."""
    along = np.linspace(0.22, 1.0, 33)
    locks = (0.10 + 0.22 * np.abs(np.sin(np.arange(33) * 1.7))) * np.sin(np.pi * np.linspace(0.01, 0.75, 33)) ** 0.7
    return np.concatenate([animal.mane_edge(1.1), animal.neck.at(along - 0.07 * locks / 0.3, 0.95 - 3 * locks)[::-1]])
