"""The forms of shoes: outlines, parts and marks as curves, each with its colour.

A shoe is built in its own units: (u, v) with u from 0 at the heel to 1 at the toe and v up from the insole, which lies
on the sole and climbs over the heel. `Shoe` holds everything already placed in the picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from coronet.scenes.canvas import Floats, Random, hsv, spline


@dataclass(frozen=True, slots=True)
class Form:
    """Measures of a shoe, in lengths of the shoe."""

    sole: float  # thickness
    heel: float  # height of the heel above the sole
    foot: float  # width of the heel at the ground
    back: float  # height of the upper at the back
    front_u: float  # where the opening ends in front
    front_v: float
    toe: float  # height of the toe box
    dip: float  # of the near rim of the opening
    rise: float  # of its far rim
    length: float  # of the shoe, in sides of the picture


RANGES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "sneaker": {
        "sole": (0.075, 0.12), "heel": (0, 0.02), "foot": (0, 0), "back": (0.27, 0.34),
        "front_u": (0.38, 0.43), "front_v": (0.33, 0.38), "toe": (0.16, 0.2), "dip": (0.05, 0.08),
        "rise": (0.03, 0.05), "length": (0.68, 0.86),
    },
    "oxford": {
        "sole": (0.025, 0.035), "heel": (0.05, 0.08), "foot": (0.2, 0.23), "back": (0.22, 0.26),
        "front_u": (0.38, 0.44), "front_v": (0.26, 0.3), "toe": (0.125, 0.155), "dip": (0.04, 0.06),
        "rise": (0.02, 0.04), "length": (0.68, 0.86),
    },
    "loafer": {
        "sole": (0.025, 0.04), "heel": (0.04, 0.07), "foot": (0.2, 0.24), "back": (0.2, 0.25),
        "front_u": (0.5, 0.55), "front_v": (0.2, 0.23), "toe": (0.13, 0.155), "dip": (0.04, 0.06),
        "rise": (0.015, 0.03), "length": (0.68, 0.86),
    },
    "ankle boot": {
        "sole": (0.03, 0.06), "heel": (0.05, 0.2), "foot": (0.15, 0.22), "back": (0.5, 0.68),
        "front_u": (0.41, 0.46), "front_v": (0.53, 0.7), "toe": (0.16, 0.2), "dip": (0.0, 0.05),
        "rise": (0.02, 0.04), "length": (0.62, 0.74),
    },
    "tall boot": {
        "sole": (0.025, 0.045), "heel": (0.05, 0.3), "foot": (0.1, 0.2), "back": (1.0, 1.25),
        "front_u": (0.43, 0.5), "front_v": (1.05, 1.3), "toe": (0.17, 0.21), "dip": (0.0, 0.06),
        "rise": (0.02, 0.05), "length": (0.43, 0.51),
    },
    "pump": {
        "sole": (0.018, 0.03), "heel": (0.24, 0.44), "foot": (0.035, 0.14), "back": (0.17, 0.22),
        "front_u": (0.64, 0.7), "front_v": (0.11, 0.13), "toe": (0.085, 0.1), "dip": (0.04, 0.065),
        "rise": (0.0, 0.01), "length": (0.66, 0.84),
    },
    "sandal": {
        "sole": (0.03, 0.05), "heel": (0.03, 0.3), "foot": (0.08, 0.2), "back": (0.25, 0.3),
        "front_u": (0.42, 0.47), "front_v": (0.26, 0.3), "toe": (0.11, 0.13), "dip": (0.0, 0.02),
        "rise": (0.01, 0.02), "length": (0.66, 0.84),
    },
}  # fmt: skip


@dataclass(slots=True)
class Shoe:
    """A shoe in the picture: curves (N, 2) in sides of the picture and colours (3,).

    The upper is what lies inside `upper` and, where there are any, inside one of the `bands`.
    """

    upper: Floats
    sole: Floats
    colours: Mapping[str, Floats]
    heel: Floats | None = None
    opening: Floats | None = None
    tongue: Floats | None = None
    bands: list[Floats] = field(default_factory=list)
    patches: list[tuple[Floats, Floats]] = field(default_factory=list)  # areas of another colour, cut by the upper
    seams: list[Floats] = field(default_factory=list)
    marks: list[tuple[Floats, float, Floats]] = field(default_factory=list)  # lines of a width on top of the upper
    pencil: list[tuple[Floats, Floats]] = field(default_factory=list)  # what a drawing shows, but for the marks
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a form stands in the picture."""

    form: Form
    left: float
    ground: float
    facing: int  # 1: the toe to the right, -1: to the left
    slope: float  # radians

    def under(self, u: Floats) -> Floats:
        """Give the height of the sole's lower side above the ground: a sole without a heel stands on it."""
        spring = 0.035 * np.clip((u - 0.7) / 0.3, 0, 1) ** 2
        return spring if self.form.foot == 0 else self.lift(u) - self.form.sole

    def lift(self, u: Floats) -> Floats:
        """Give the height of the insole above the ground."""
        climb = np.clip((0.67 - u) / 0.55, 0, 1)
        spring = 0.035 * np.clip((u - 0.7) / 0.3, 0, 1) ** 2
        return np.asarray(self.form.sole + self.form.heel * climb**2 * (3 - 2 * climb) + spring, np.float32)

    def on_foot(self, points: ArrayLike) -> Floats:
        """Place (u, v) with v above the insole."""
        curve = np.array(points, np.float32)
        curve[:, 1] += self.lift(curve[:, 0])
        return self.on_ground(curve)

    def on_ground(self, points: ArrayLike) -> Floats:
        """Place (u, v) with v above the ground."""
        curve = np.asarray(points, np.float32)
        along, up = (curve[:, 0] - 0.5) * self.form.length * self.facing, curve[:, 1] * self.form.length
        cos, sin = np.cos(self.slope), np.sin(self.slope)
        x = self.left + self.form.length / 2 + along * cos + up * sin
        return np.stack([x, self.ground + along * sin - up * cos], 1).astype(np.float32)


def colour(random: Random) -> Floats:
    """Choose a colour that shoes have."""
    kind = random.random()
    if kind < 0.22:  # leather
        return hsv(random.uniform(0.045, 0.09), random.uniform(0.45, 0.78), random.uniform(0.32, 0.75))
    if kind < 0.32:
        return hsv(random.random(), random.uniform(0, 0.12), random.uniform(0.13, 0.26))
    if kind < 0.42:
        return hsv(random.uniform(0.08, 0.14), random.uniform(0, 0.12), random.uniform(0.86, 0.94))
    if kind < 0.54:
        return hsv(random.uniform(0.97, 1.02), random.uniform(0.72, 0.88), random.uniform(0.5, 0.82))
    if kind < 0.66:
        return hsv(random.uniform(0.57, 0.64), random.uniform(0.5, 0.75), random.uniform(0.3, 0.7))
    return hsv(random.random(), random.uniform(0.35, 0.75), random.uniform(0.5, 0.88))


def companion(random: Random, main: Floats) -> Floats:
    """Choose a colour that goes with another one: its shade, its tint, a neutral or a new one."""
    kind = random.random()
    if kind < 0.3:
        return np.asarray(main * random.uniform(0.5, 0.7), np.float32)
    if kind < 0.5:
        return np.asarray(0.92 - (0.92 - main) * random.uniform(0.3, 0.55), np.float32)
    if kind < 0.75:
        return [hsv(0.1, 0.05, 0.92), hsv(0.6, 0.12, 0.18), hsv(0.075, 0.5, 0.6)][random.integers(3)]
    return colour(random)


def palette(random: Random, family: str) -> dict[str, Floats]:
    """Choose the colours of the parts."""
    upper = colour(random)
    black, tan, white = hsv(0.08, 0.2, 0.16), hsv(0.075, 0.5, 0.62), hsv(0.1, 0.05, 0.92)
    soles = (
        [white, white, white, companion(random, upper), black] if family == "sneaker" else [black, tan, upper, white]
    )
    sole = soles[random.integers(len(soles))]
    linings = [hsv(0.09, 0.35, 0.75), hsv(0.6, 0.12, 0.42), companion(random, upper)]
    return {
        "upper": upper,
        "accent": companion(random, upper),
        "second": companion(random, upper),
        "sole": sole,
        "heel": sole if random.random() < 0.6 else companion(random, upper),
        "lining": linings[random.integers(3)],
        "lace": [white, black, companion(random, upper)][random.integers(3)],
    }


def heel_curve(form: Form) -> Floats:
    """Draw the back of the upper from the insole to the opening."""
    if form.back > 0.45:
        middle = (0.38 + form.back) / 2
        calf = -0.012 if form.back > 0.9 else 0.035
        return spline([(0.03, 0), (0.0, 0.1), (0.025, 0.24), (0.045, 0.38), (calf, middle), (0.03, form.back)])
    return spline([(0.03, 0), (0.0, 0.33 * form.back), (0.018, 0.75 * form.back), (0.035, form.back)])


def instep_curve(form: Form) -> Floats:
    """Draw the front of the upper from the opening over the toes to the insole."""
    u, v, toe = form.front_u, form.front_v, form.toe
    box = max(0.8, u + 0.1)
    if form.back > 0.45:
        middle = (0.42 + v) / 2
        knots = [(u, v), (u - 0.012, middle), (u + 0.02, 0.4), (0.56, 0.27), (0.68, 0.09 + 0.65 * toe)]
    else:
        knots = [(u, v), ((u + box) / 2, (v + 1.1 * toe) / 2 - 0.1 * (v - toe))]
    knots += [(box, 1.05 * toe), (0.5 * box + 0.48, 0.88 * toe), (0.975, 0.6 * toe), (1.0, 0.25 * toe), (0.988, 0)]
    return spline(knots)


def rims(form: Form) -> tuple[Floats, Floats]:
    """Draw the near and the far rim of the opening from back to front."""
    back = np.array((heel_curve(form)[-1][0], form.back))
    front = np.array((form.front_u, form.front_v))
    down, up = np.array((0, form.dip)), np.array((0, form.rise))
    near = [back, back * 0.7 + front * 0.3 - down, back * 0.3 + front * 0.7 - down, front]
    return spline(near), spline([back, (back + front) / 2 + up, front])


def at(curve: Floats, share: float) -> Floats:
    """Give the point at a share of a curve's points."""
    return np.asarray(curve[round(share * (len(curve) - 1))], np.float32)


def reach(curve: Floats, u: float) -> tuple[float, float]:
    """Give the first point of the instep at or beyond u."""
    u, v = curve[int(np.argmax(curve[:, 0] >= u))].tolist()
    return u, v


def joined(*curves: ArrayLike) -> Floats:
    """Join curves to one."""
    return np.concatenate([np.asarray(curve, np.float32) for curve in curves])
