"""What a landscape of the seasons shows and where, chosen before anything is drawn."""

from typing import NamedTuple

import numpy as np

from coronet.scenes.canvas import Floats, Random, fill, spline
from coronet.scenes.plants import Place

_COARSE = 64  # side of the map that says where water is, the same for every size of picture


class Plan(NamedTuple):
    """What is chosen before anything is drawn: heights and shares in units of the side."""

    horizon: float
    warmth: float  # 0 noon, 1 evening
    sun: float  # -1 from the left, 1 from the right
    cover: float  # clouds
    peaks: float  # height of the mountains
    hue: float  # of the meadow, turns
    bloom: float  # how many flowers
    water: Floats | None  # outline of a lake or river (N, 2)
    wet: Floats  # coarse map of it (64, 64)
    conifers: list[Place]
    broadleaves: list[Place]
    rocks: list[Place]
    cabins: list[Place]

    @property
    def shore(self) -> float:
        """Say where the middle of the water lies; what stands behind it is mirrored."""
        return 1.0 if self.water is None else float(self.water[:, 1].mean())


def choose(random: Random) -> Plan:
    """Choose a landscape."""
    horizon = random.uniform(0.34, 0.54)
    water = _outline(random, horizon)
    wet = np.zeros((_COARSE, _COARSE), np.float32) if water is None else fill(_COARSE, water)
    wanted = int(random.integers(0, 8)), int(random.integers(0, 6))
    taken: list[Place] = []
    sites = [p for p in _stand(random, wet, horizon, 4, []) if 0.12 < p.x < 0.88 and p.foot < horizon + 0.3]
    cabins = [Place(p.x, p.foot, 0.5 * p.height) for p in sites[: int(random.random() < 0.35)]]
    taken += cabins
    conifers = _stand(random, wet, horizon, wanted[0] + (wanted[1] < 2), taken)
    broadleaves = _stand(random, wet, horizon, wanted[1], taken)
    rocks = []
    for _ in range(random.integers(0, 4)):
        x, foot = random.uniform(0.05, 0.95), random.uniform(horizon + 0.2, 0.98)
        place = Place(x, foot, random.uniform(0.1, 0.16) * (foot - horizon + 0.15))
        rocks += [place] if dry(wet, x, foot) else []
    return Plan(
        horizon,
        random.random() ** 1.5,
        float(random.choice([-1.0, 1.0])),
        random.random(),
        random.uniform(0.06, 0.26),
        random.uniform(0.22, 0.30),
        max(0.0, random.uniform(-0.5, 1)),
        water,
        wet,
        conifers,
        broadleaves,
        rocks,
        cabins,
    )


def _outline(random: Random, horizon: float) -> Floats | None:
    """Choose a lake, a river or dry land."""
    kind = random.random()
    if kind < 0.45:
        middle = random.uniform(0.2, 0.8), random.uniform(horizon + 0.16, 0.80)
        wide = random.uniform(0.22, 0.5)
        tall = wide * random.uniform(0.18, 0.28)
        turns = np.linspace(0, 2 * np.pi, 9, endpoint=False)
        reach = random.uniform(0.8, 1.1, 9)
        knots = np.stack([middle[0] + wide * reach * np.cos(turns), middle[1] + tall * reach * np.sin(turns)], axis=1)
        return spline(knots, closed=True)
    if kind < 0.65:
        y = np.array([horizon + 0.07, horizon + 0.12, horizon + 0.22, 0.85, 1.08])
        bends = random.uniform(0.25, 0.75) + np.cumsum(
            random.uniform(0.05, 0.16, 5) * random.choice([-1, 1]) * [1, -1, 1.4, -1.4, 1]
        )
        half = 0.30 * (y - horizon - 0.05)
        left, right = spline(np.stack([bends - half, y], axis=1)), spline(np.stack([bends + half, y], axis=1))
        return np.concatenate([left, right[::-1]])
    return None


def _stand(random: Random, wet: Floats, horizon: float, count: int, taken: list[Place]) -> list[Place]:
    """Find dry places for trees, small ones far away and tall ones towards the sides of the picture."""
    found: list[Place] = []
    for _ in range(6 * count):
        near = random.random() ** 1.6
        foot = horizon + 0.07 + near * (0.93 - horizon)
        x = random.uniform(0.03, 0.97)
        if near > 0.35:
            x = 0.30 * x if x < 0.5 else 1 - 0.30 * (1 - x)
        height = random.uniform(0.75, 1.15) * (0.10 + 0.95 * (foot - horizon))
        place = Place(x, foot, min(height, 0.62, foot - 0.03))
        if len(found) < count and dry(wet, x, foot) and not any(_crowds(place, other) for other in taken):
            found.append(place)
            taken.append(place)
    return found


def _crowds(one: Place, other: Place) -> bool:
    """Say whether a thing would hide much of another: winter shows what stands behind a bare crown."""
    apart = abs(one.x - other.x) > 0.24 * (one.height + other.height)
    return not apart and one.foot > other.foot - other.height and other.foot > one.foot - one.height


def dry(wet: Floats, x: float, y: float) -> bool:
    """Say whether a place is clear of the water on a plan's map."""
    row, column = (int(np.clip(v * _COARSE, 1, _COARSE - 2)) for v in (y, x))
    return bool(wet[row - 1 : row + 2, column - 1 : column + 2].max() == 0)


def facts(chosen: Plan) -> dict[str, float]:
    """Say what a landscape shows in numbers from 0 to 1."""
    heights = [place.height for place in chosen.conifers + chosen.broadleaves]
    return {
        "horizon": (chosen.horizon - 0.34) / 0.20,
        "evening": chosen.warmth,
        "sun from the right": 0.5 + 0.5 * chosen.sun,
        "clouds": chosen.cover,
        "mountains": (chosen.peaks - 0.06) / 0.20,
        "green of the meadow": (chosen.hue - 0.22) / 0.08,
        "flowers": chosen.bloom,
        "water": min(1.0, 4 * float(chosen.wet.mean())),
        "conifers": len(chosen.conifers) / 8,
        "broad-leaved trees": len(chosen.broadleaves) / 5,
        "cabin": float(len(chosen.cabins)),
        "tallest tree": max(heights, default=0.0) / 0.62,
    }
