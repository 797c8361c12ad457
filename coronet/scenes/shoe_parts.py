"""Building a shoe from its form: body, sole, and the caps, laces, stripes and straps of each family."""

import numpy as np

from coronet.scenes.canvas import Floats, Random, spline
from coronet.scenes.shoe_forms import (
    RANGES,
    Form,
    Place,
    Shoe,
    at,
    heel_curve,
    instep_curve,
    joined,
    palette,
    reach,
    rims,
)

_SHARES = {"sneaker": 0.27, "oxford": 0.14, "loafer": 0.1, "ankle boot": 0.17, "tall boot": 0.1, "pump": 0.13}


def build(random: Random, *, bare: bool = False) -> Shoe:
    """Build a shoe of random family, form, place and colours; a bare one has an upper of one colour without marks."""
    family = str(random.choice([*RANGES], p=[*_SHARES.values(), 1 - sum(_SHARES.values())]))
    form = Form(**{name: random.uniform(*ends) for name, ends in RANGES[family].items()})
    height = form.length * (form.sole + form.heel + max(form.back, form.front_v) + 0.05)
    left = 0.5 - form.length / 2 + random.uniform(-1, 1) * (0.455 - form.length / 2)
    ground = 0.5 + height / 2 + random.uniform(-1, 1) * max(0.0, 0.42 - height / 2)
    slope = random.uniform(-0.06, 0.06) if random.random() < 0.5 else 0.0
    place = Place(form, left, ground, 1 if random.random() < 0.5 else -1, slope)
    colours = palette(random, family)
    shoe = _body(place, colours, family)
    if not bare or family == "sandal":
        _DETAILS[family](random, place, shoe)
    red, green, blue = map(float, colours["upper"])
    shoe.facts = {
        "upper_red": red,
        "upper_green": green,
        "upper_blue": blue,
        "sole_brightness": float(colours["sole"].mean()),
        "shaft_height": form.back / 1.25,
        "heel_height": (form.heel + form.sole) / 0.5,
        "toe_right": float(place.facing == 1),
        "length": form.length,
        "middle_x": left + form.length / 2,
        "ground_y": ground,
        "marks": min(1.0, len(shoe.marks) / 12),
        "laced": float(shoe.tongue is not None),
    }
    return shoe


def _body(place: Place, colours: dict[str, Floats], family: str) -> Shoe:
    form = place.form
    heel, instep, (near, far) = heel_curve(form), instep_curve(form), rims(form)
    u = np.linspace(0.985, 0.03, 30)
    bottom = np.stack([u, 0 * u], 1)
    sole, block = _sole(place)
    shoe = Shoe(place.on_foot(joined(heel, near, instep, bottom)), sole, colours, block)
    shoe.pencil.append((joined(sole, sole[:1]), colours["sole"]))
    if block is not None:
        shoe.pencil.append((block, colours["heel"]))
    if family != "sandal":
        shoe.opening = place.on_foot(joined(near, far[::-1]))
        shoe.pencil.append((place.on_foot(far), colours["lining"]))
        for curve in (heel, near, instep):
            shoe.pencil.append((place.on_foot(curve), colours["upper"]))
    return shoe


def _sole(place: Place) -> tuple[Floats, Floats | None]:
    form = place.form
    u = np.linspace(0.01, 0.992, 40).astype(np.float32)
    turn = np.linspace(0, np.pi, 9)[1:-1]
    top, under = (np.stack([u, side(u)], 1) for side in (place.lift, place.under))
    ends: list[Floats] = []
    for high, low, out in ((top[-1], under[-1], 1), (top[0], under[0], -1)):
        round_end = (high + low) / 2 + np.cos(turn)[:, None] * (high - low) / 2
        round_end[:, 0] += out * np.sin(turn) * min(0.02, 0.6 * form.sole)
        ends.append(round_end.astype(np.float32))
    sole = place.on_ground(joined(top, ends[0], under[::-1], ends[1][::-1]))
    if form.foot == 0:
        return sole, None
    back = 0.02 + 0.06 * form.heel
    front = back + form.foot
    waist = min(0.24, front + 0.25 * (0.24 - front) + 0.02)
    seat = np.linspace(0.25, 0.0, 8).astype(np.float32)
    seam = np.stack([seat, place.under(seat) + 0.005], 1)
    left = spline([seam[-1], (back + 0.004, seam[-1][1] * 0.5), (back, 0)])
    right = spline([(front, 0), (waist, seam[0][1] * 0.6), seam[0]])
    return sole, place.on_ground(joined(left, right, seam))


def _seam(place: Place, shoe: Shoe, points: Floats, colour: str) -> None:
    """Draw a line inside the upper."""
    curve = place.on_foot(points)
    shoe.seams.append(curve)
    shoe.pencil.append((curve, shoe.colours[colour]))


def _toe_cap(place: Place, shoe: Shoe, u: float, colour: str = "accent") -> None:
    top = reach(instep_curve(place.form), u)
    line = spline([top, (u + 0.03, 0.6 * top[1]), (u + 0.01, 0.25 * top[1]), (u - 0.05, 0)])
    area = joined([(u - 0.02, top[1] + 0.1)], line, [(u - 0.06, -0.05), (1.1, -0.05), (1.1, top[1] + 0.1)])
    shoe.patches.append((place.on_foot(area), shoe.colours[colour]))
    _seam(place, shoe, line, colour)


def _counter(place: Place, shoe: Shoe, width: float, colour: str = "accent") -> None:
    height = min(0.75 * place.form.back, 0.3)
    start = heel_curve(place.form)
    start = start[int(np.argmax(start[:, 1] >= height))]
    line = spline([start, (0.5 * width + 0.02, 0.9 * height), (0.9 * width, 0.45 * height), (width, 0)])
    area = joined([(-0.1, height)], line, [(width, -0.05), (-0.1, -0.05)])
    shoe.patches.append((place.on_foot(area), shoe.colours[colour]))
    _seam(place, shoe, line, colour)


def _laces(random: Random, place: Place, shoe: Shoe, *, stay: bool) -> None:
    """Lace the instep, over a strip of another colour if `stay`."""
    form = place.form
    instep = instep_curve(form)
    end = 0.42 if form.back > 0.45 else 0.2
    count = int(random.integers(4, 7))
    edge = np.array([at(instep, s) for s in np.linspace(0, end + 0.04, 12)])
    along = np.gradient(edge, axis=0)
    inward = np.stack([along[:, 1], -along[:, 0]], 1) / np.linalg.norm(along, axis=1, keepdims=True)
    width = np.full((12, 1), 0.105)
    width[-1] = 0.06
    inner = spline(edge + inward * width)
    if stay:
        area = joined(inner, (edge - 0.1 * inward)[::-1])
        shoe.patches.append((place.on_foot(area), shoe.colours["second"]))
    _seam(place, shoe, joined(inner, edge[-1:]), "second" if stay else "upper")
    flap = [(-0.1, -0.03), (-0.125, 0.04), (-0.115, 0.082), (-0.06, 0.09), (-0.025, 0.05), (0.012, -0.01)]
    tongue = spline(edge[0] + np.array(flap) * (0.7 if form.back > 0.45 else 1))
    shoe.tongue = place.on_foot(joined(tongue, edge[1:4]))
    shoe.pencil.append((place.on_foot(tongue), shoe.colours["second"]))
    for share in (np.arange(count) + 0.35) / count * 10:
        row = int(share)
        start = edge[row] * (1 - share + row) + edge[row + 1] * (share - row)
        lace = place.on_foot(spline([start - 0.005 * inward[row], start + 0.075 * inward[row] + 0.012 * along[row]]))
        shoe.marks.append((lace, 0.022 * form.length, shoe.colours["lace"]))


def _stripes(random: Random, place: Place, shoe: Shoe) -> None:
    form = place.form
    top = 0.75 * min(form.back, form.front_v)
    if random.random() < 0.4:  # a wave along the side
        wave = spline([(0.2, 0.75 * top), (0.3, 0.35 * top), (0.42, 0.25 * top), (0.56, 0.4 * top), (0.66, 0.62 * top)])
        shoe.marks.append((place.on_foot(wave), 0.034 * form.length, shoe.colours["accent"]))
        return
    count, lean = int(random.integers(1, 5)), random.uniform(-0.12, 0.1)
    for u in 0.43 + 0.062 * (np.arange(count) - count / 2):
        stripe = spline([(u, 0.03), (u + lean, 0.8 * top)])
        shoe.marks.append((place.on_foot(stripe), 0.03 * form.length, shoe.colours["accent"]))


def _sneaker(random: Random, place: Place, shoe: Shoe) -> None:
    if random.random() < 0.7:
        _toe_cap(place, shoe, random.uniform(0.78, 0.84))
    if random.random() < 0.7:
        _counter(place, shoe, random.uniform(0.16, 0.24))
    if random.random() < 0.75:
        _stripes(random, place, shoe)
    _laces(random, place, shoe, stay=random.random() < 0.6)
    if random.random() < 0.5:  # a line along the sole
        u = np.linspace(0.0, 0.995, 30).astype(np.float32)
        line = place.on_ground(np.stack([u, 0.6 * place.lift(u) + 0.4 * place.under(u)], 1))
        shoe.marks.append((line, 0.02 * place.form.length, shoe.colours["accent"]))


def _oxford(random: Random, place: Place, shoe: Shoe) -> None:
    if random.random() < 0.7:
        _toe_cap(place, shoe, random.uniform(0.76, 0.82))
    if random.random() < 0.5:
        _counter(place, shoe, random.uniform(0.2, 0.28))
    _laces(random, place, shoe, stay=random.random() < 0.4)


def _loafer(random: Random, place: Place, shoe: Shoe) -> None:
    form = place.form
    apron = spline([(form.front_u + 0.03, 0.12), (0.72, 0.085), (0.86, 0.07), (0.955, 0.07)])
    _seam(place, shoe, apron, "upper")
    _band(place, shoe, form.front_u + 0.015, form.front_u + random.uniform(0.09, 0.13), -0.02)
    if random.random() < 0.5:
        _counter(place, shoe, random.uniform(0.2, 0.26))


def _band(place: Place, shoe: Shoe, start: float, end: float, lean: float) -> None:
    """Lay a strip of the accent colour from the instep down to the sole."""
    instep = instep_curve(place.form)
    edges = []
    for u in (start, end):
        top = reach(instep, u)
        edges.append(spline([top, (u + lean, 0.5 * top[1]), (u + 2 * lean, 0)]))
        _seam(place, shoe, edges[-1], "accent")
    area = joined([edges[0][0] + (0, 0.05)], edges[0], edges[1][::-1], [edges[1][0] + (0, 0.05)])
    shoe.patches.append((place.on_foot(area), shoe.colours["accent"]))


def _ankle_boot(random: Random, place: Place, shoe: Shoe) -> None:
    form = place.form
    if random.random() < 0.45:
        _toe_cap(place, shoe, random.uniform(0.78, 0.84))
    if random.random() < 0.4:
        _counter(place, shoe, random.uniform(0.2, 0.28))
    if random.random() < 0.55:
        _laces(random, place, shoe, stay=random.random() < 0.4)
        return
    top = form.back - form.dip  # an elastic wedge at the side
    line = spline([(0.15, top), (0.2, 0.6 * top), (0.26, 0.22), (0.3, 0.6 * top), (0.34, top + 0.01)])
    shoe.patches.append((place.on_foot(joined(line, [(0.34, top + 0.1), (0.15, top + 0.1)])), shoe.colours["accent"]))
    _seam(place, shoe, line, "accent")


def _tall_boot(random: Random, place: Place, shoe: Shoe) -> None:
    form = place.form
    if random.random() < 0.5:
        _toe_cap(place, shoe, random.uniform(0.76, 0.84))
    if random.random() < 0.5:  # a cuff
        low = form.back - form.dip - random.uniform(0.1, 0.2)
        line = np.array([(0.0, low), (0.25, low - 0.02), (form.front_u, low + 0.01)], np.float32)
        area = joined([(-0.1, low)], line, [(0.7, low), (0.7, low + 0.5), (-0.1, low + 0.5)])
        shoe.patches.append((place.on_foot(area), shoe.colours["accent"]))
        _seam(place, shoe, line, "accent")
    if random.random() < 0.6:  # a strap round the ankle
        height = random.uniform(0.3, 0.38)
        strap = spline([(0.045, height), (0.2, height - 0.04), (0.36, height - 0.02), (0.46, height + 0.03)])
        shoe.marks.append((place.on_foot(strap), 0.05 * form.length, shoe.colours["second"]))


def _pump(random: Random, place: Place, shoe: Shoe) -> None:
    if random.random() < 0.4:
        _toe_cap(place, shoe, random.uniform(0.82, 0.86))
    if random.random() < 0.35:
        _counter(place, shoe, random.uniform(0.16, 0.22))


def _sandal(random: Random, place: Place, shoe: Shoe) -> None:
    instep, heel = instep_curve(place.form), heel_curve(place.form)
    slide = random.random() < 0.3  # one wide band and nothing else
    narrow = random.random() < 0.5
    for start, end in [(0.5, 0.84)] if slide else [(0.56, 0.67), (0.73, 0.85)] if narrow else [(0.6, 0.85)]:
        a, b = (int(np.argmax(instep[:, 0] >= u)) for u in (start, end))
        first, last = reach(instep, start), reach(instep, end)
        left = spline([first, (start - 0.01, 0.5 * first[1]), (start - 0.03, 0)])
        right = spline([last, (end + 0.01, 0.5 * last[1]), (end, 0)])
        _strap(place, shoe, joined(left[::-1], instep[a:b], right))
    if slide:
        return
    back = heel[: int(0.9 * len(heel))]
    high = float(back[-1][1])
    _strap(place, shoe, joined(back, [(0.13, high - 0.01)], spline([(0.14, 0.1), (0.2, 0)])))
    top, low = reach(instep, place.form.front_u + 0.01), reach(instep, place.form.front_u + 0.07)
    over, under = (
        spline([(0.02, high), (0.2, high - 0.005), top]),
        spline([low, (0.24, high - 0.075), (0.02, high - 0.08)]),
    )
    _strap(place, shoe, joined(over, under, over[:1]))


def _strap(place: Place, shoe: Shoe, outline: Floats) -> None:
    curve = place.on_foot(outline)
    shoe.bands.append(curve)
    shoe.pencil.append((curve, shoe.colours["upper"]))


_DETAILS = {
    "sneaker": _sneaker,
    "oxford": _oxford,
    "loafer": _loafer,
    "ankle boot": _ankle_boot,
    "tall boot": _tall_boot,
    "pump": _pump,
    "sandal": _sandal,
}
