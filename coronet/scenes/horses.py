"""Horses and zebras: one or two animals in a meadow, and the same animals in the other coat."""

import numpy as np

from coronet.scenes import landscape
from coronet.scenes.animal import build, draw_pose
from coronet.scenes.base import Scene, World
from coronet.scenes.canvas import Floats, Random, blur, fill, grid, hsv, noise, over, strokes, to_pixels
from coronet.scenes.coats import Actor, Place, draw_coat, dress, layers


def _shadow(size: int, actor: Actor, sun: tuple[float, float, float]) -> Floats:
    """Give the alpha (S, S) of what an animal's shadow covers on flat ground."""
    animal, place = actor.animal, actor.place
    lean = 0.9 * sun[0] / sun[1]

    def cast(points: Floats) -> Floats:
        flat = place(points * np.array([1, 0]))
        rise = place.unit * points[:, 1]
        return np.asarray(flat + np.stack([lean * rise, -0.13 * rise], 1), np.float32)

    parts = [animal.trunk, animal.neck.outline(), animal.head, animal.tail.outline()]
    shapes = [cast(part) for part in (*parts, *(leg.outline() for leg in animal.legs))]
    turn = np.linspace(0, 2 * np.pi, 24)
    pool = place(np.stack([0.55 * np.cos(turn) - 0.02, 0.055 * np.sin(turn) + 0.03], 1))
    sharp = blur(fill(size, *shapes), 0.018 * place.unit)
    return np.asarray(np.clip(0.55 * sharp + 0.5 * blur(fill(size, pool), 0.03 * place.unit), 0, 0.72), np.float32)


def _grass(size: int, random: Random, actor: Actor) -> Floats:
    """Give the alpha (S, S) of blades that stand before an animal's feet."""
    unit = actor.place.unit
    lines = []
    for i, hoof in enumerate(actor.animal.hooves):
        x, y = actor.leg_place(i, hoof)[1:3].mean(0)
        if actor.place.y - y > 0.08 * unit:  # in the air
            continue
        for shift, tall, lean in random.uniform((-0.06, 0.03, -0.02), (0.06, 0.08, 0.02), (6, 3)) * unit:
            blade = (x + shift, y + 0.02 * unit), (x + shift + lean, y - tall)
            lines.append((blade, (0.012 * unit, 0.004 * unit)))
    return strokes(size, lines)


def _cast(random: Random) -> list[Actor]:
    """Draw one animal, or two with the farther one first."""
    first = _actor(random, float(random.uniform(0.35, 0.75)), None)
    if random.random() < 0.75:
        return [first]
    return [_actor(random, 0.0, first), first]


def _actor(random: Random, width: float, nearer: Actor | None) -> Actor:
    """Draw an animal that fills `width` of the picture, or a smaller one behind a nearer animal."""
    pose = draw_pose(random)
    animal = build(pose)
    ends = np.concatenate([part[:, 0] for part in (animal.tail.centres, animal.head, *animal.hooves)])
    squeeze = 1 - 0.16 * pose.turn**2
    facing = int(random.choice((-1, 1)))
    unit = nearer.place.unit * random.uniform(0.72, 0.85) if nearer else width / float(np.ptp(ends)) / squeeze
    unit = min(unit, 0.46)  # else feet or ears leave the picture
    middle = facing * unit * squeeze * float(ends.min() + ends.max()) / 2
    slack = max(0.0, 0.46 - unit * squeeze * float(np.ptp(ends)) / 2)
    shift, lift = random.uniform(-1, 1, 2)
    if nearer is None:
        centre, ground = 0.5 + slack * shift, min(0.94, 0.70 + 0.5 * unit + 0.03 * lift)
    else:
        centre = 0.5 + np.copysign(max(0.2, slack), 0.5 - nearer.place.x)
        ground = nearer.place.y - 0.45 * (nearer.place.unit - unit) - 0.02
    place = Place(float(centre - middle), float(ground), float(unit), facing, squeeze)
    return Actor(pose, animal, place, draw_coat(random))


def _backdrop(size: int, random: Random, horizon: float, warmth: float) -> tuple[Floats, landscape.Daylight]:
    """Paint the meadow, hills and sky behind the animals."""
    day = landscape.daylight(warmth)
    picture = landscape.sky(size, horizon, day)
    alpha, bright = landscape.clouds(size, random, horizon, float(random.uniform(0.1, 0.8)))
    picture = over(picture, bright[..., None] * day.sun, alpha)
    green = hsv(random.uniform(0.20, 0.29), random.uniform(0.45, 0.65), random.uniform(0.42, 0.6))
    grass = landscape.meadow(size, random, horizon, green, day)
    hills = landscape.skyline(random, horizon + 0.01, random.uniform(0.05, 0.16), lumps=int(random.integers(2, 5)))
    picture = over(picture, landscape.hazed((0.30, 0.42, 0.42), day, 0.5), landscape.ridge(size, hills))
    edge = landscape.skyline(random, horizon + 0.015, 0.02, lumps=2, rough=0.2)
    wood = landscape.tree_line(size, random, edge, random.uniform(0.03, 0.09))
    picture = over(picture, landscape.hazed(green * 0.55, day, 0.22) * day.sun, wood)
    picture = over(picture, grass, landscape.ridge(size, edge))
    for brightness in (0.72, 1.22):
        picture = over(picture, np.clip(green * brightness, 0, 1) * day.sun, 0.5 * _tufts(size, random, horizon))
    return picture, day


def _tufts(size: int, random: Random, horizon: float) -> Floats:
    """Give the alpha (S, S) of tufts of grass, larger near by."""
    lines = []
    for x, depth in random.random((22, 2)):
        near = 0.25 + 0.75 * depth
        foot = horizon + 0.08 + (0.97 - horizon) * depth**0.8
        for lean, tall in random.uniform((-0.012, 0.012), (0.012, 0.034), (4, 2)) * near:
            lines.append((((x + 0.4 * lean, foot), (x + 1.6 * lean, foot - tall)), (0.006 * near, 0.002 * near)))
    return strokes(size, lines)


def _draw(random: Random, size: int) -> Scene:
    horizon, warmth = float(random.uniform(0.34, 0.54)), float(random.random())
    side = float(random.choice((-1, 1)) * random.uniform(0.15, 0.75))
    sun = (side, -0.85 + 0.35 * warmth, 0.55)
    actors = _cast(random)
    ground, day = _backdrop(size, random, horizon, warmth)
    horse, mask = ground, np.zeros((size, size), np.float32)
    _, y = grid(size)
    for actor in actors:
        horse = horse * (1 - _shadow(size, actor, sun) * np.clip((y - horizon) / 0.04, 0, 1))[..., None]
    zebra = horse
    for actor in actors:
        parts = layers(size, actor, sun)
        hair = noise(size, random, 12 / actor.place.unit, octaves=2, stretch=0.5)
        blades = 1 - _grass(size, random, actor)
        horse, zebra = (
            over(under, dress(under, actor, parts, hair, day.sun, zebra=zebra_side), blades)
            for under, zebra_side in ((horse, False), (zebra, True))
        )
        mask = np.maximum(mask, parts.whole * blades)
    return Scene(to_pixels(horse), to_pixels(zebra), to_pixels(mask), _facts(actors, horizon, warmth, side))


def _facts(actors: list[Actor], horizon: float, warmth: float, side: float) -> dict[str, float]:
    main = actors[-1]
    gaits = ("graze", "stand", "walk", "trot")
    found = {
        "size": main.place.unit / 0.46,
        "x": main.place.x,
        "ground": main.place.y,
        "facing_right": (main.place.facing + 1) / 2,
        "head_height": main.animal.skull[0][1] / 1.5,
        "pace": gaits.index(main.pose.gait) / 3,
        "coat_hue": main.coat.hue / 0.12,
        "coat_brightness": main.coat.value,
        "horizon": horizon,
        "evening": warmth,
        "sun_from_right": (side + 1) / 2,
        "two_animals": float(len(actors) - 1),
    }
    return {name: float(np.clip(value, 0, 1)) for name, value in found.items()}


HORSES = World("Horses and zebras", paired=False, draw=_draw)
