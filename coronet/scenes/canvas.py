"""Drawing with numpy: smooth shapes, noise and light on float pictures.

A picture is (S, S, 3) float32 in [0, 1], an alpha (S, S) float32 in [0, 1]. Places are (x, y) in units of the picture's
side, x to the right and y down, so that a scene looks the same at every size.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

Floats = NDArray[np.float32]
Random = np.random.Generator

_FINE = 4  # shapes are drawn this much larger and averaged: 17 levels along an edge


def grid(size: int) -> tuple[Floats, Floats]:
    """Give x and y of every pixel's centre, each (S, S)."""
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(centres, centres)
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def spline(points: ArrayLike, *, closed: bool = False, steps: int = 12) -> Floats:
    """Lay a Catmull-Rom curve through points (N, 2); gives (M, 2) with `steps` points per piece."""
    knots = np.asarray(points, dtype=np.float32)
    if closed:
        knots = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)[None, :, None]
    before, start, end, after = (knots[i : len(knots) - 3 + i, None, :] for i in range(4))
    curve = 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )
    flat = curve.reshape(-1, 2)
    return flat if closed else np.concatenate([flat, knots[-2:-1]])


def fill(size: int, *outlines: ArrayLike) -> Floats:
    """Give the alpha of polygons (N, 2), painted together."""
    return _drawn(size, [(outline, None) for outline in outlines])


def stroke(size: int, points: ArrayLike, width: float | Sequence[float]) -> Floats:
    """Give the alpha of a line through points (N, 2) with round ends; one width, or one per point (a taper)."""
    return _drawn(size, [(points, width)])


def strokes(size: int, lines: Sequence[tuple[ArrayLike, float | Sequence[float]]]) -> Floats:
    """Give the alpha of several lines, each (points, width), painted together: much faster than one by one."""
    return _drawn(size, list(lines))


def dots(size: int, centres: ArrayLike, widths: ArrayLike) -> Floats:
    """Give the alpha of round spots, centres (N, 2) and widths (N,): much faster than as many strokes."""
    image = Image.new("L", (size * _FINE, size * _FINE))
    pen = ImageDraw.Draw(image)
    half = 0.5 * np.asarray(widths, np.float32)[:, None]
    places = np.asarray(centres, np.float32).reshape(-1, 2)
    for box in (np.concatenate([places - half, places + half], axis=1) * (size * _FINE) - 0.5).tolist():
        pen.ellipse(box, fill=255)
    return np.asarray(np.asarray(image.reduce(_FINE)) / 255, np.float32)


def paint(
    size: int, ground: ArrayLike, shapes: Sequence[tuple[ArrayLike, float | Sequence[float] | None, ArrayLike]]
) -> Floats:
    """Paint shapes in their order on a ground of one colour (3,); gives a picture.

    A shape is (points, width, colour): a line of that width (or one per point), a filled polygon where it is None.
    """
    image = Image.new("RGB", (size * _FINE, size * _FINE), _ink(ground))
    pen = ImageDraw.Draw(image)
    for points, width, colour in shapes:
        _draw(pen, size, points, width, _ink(colour))
    return np.asarray(np.asarray(image.reduce(_FINE)) / 255, np.float32)


def _ink(colour: ArrayLike) -> tuple[int, ...]:
    return tuple(to_pixels(np.asarray(colour, np.float32)).tolist())


def _drawn(size: int, shapes: Sequence[tuple[ArrayLike, float | Sequence[float] | None]]) -> Floats:
    image = Image.new("L", (size * _FINE, size * _FINE))
    pen = ImageDraw.Draw(image)
    for points, width in shapes:
        _draw(pen, size, points, width, (255,))
    return np.asarray(np.asarray(image.reduce(_FINE)) / 255, np.float32)


def _draw(
    pen: ImageDraw.ImageDraw,
    size: int,
    points: ArrayLike,
    width: float | Sequence[float] | None,
    ink: tuple[int, ...],
) -> None:
    places = np.asarray(points, dtype=np.float32) * (size * _FINE) - 0.5
    if width is None:
        pen.polygon([*map(tuple, places.tolist())], fill=ink)
    else:
        _draw_line(pen, places, np.full(len(places), np.asarray(width, np.float32) * (size * _FINE)), ink)


def _draw_line(pen: ImageDraw.ImageDraw, places: Floats, widths: Floats, ink: tuple[int, ...]) -> None:
    for (x, y), width in zip(places.tolist(), widths.tolist(), strict=True):
        pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=ink)
    for start, end, width in zip(places[:-1].tolist(), places[1:].tolist(), widths[:-1].tolist(), strict=True):
        pen.line((*start, *end), fill=ink, width=max(1, round(width)))


def noise(size: int, random: Random, cells: float, *, octaves: int = 3, stretch: float = 1.0) -> Floats:
    """Draw cloudy noise (S, S) of mean 0 and standard deviation 1: `cells` lumps down, each octave twice as many.

    With stretch > 1 the lumps are that much wider than high.
    """
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        down = max(2.0, cells * 2**octave)
        across = max(2.0, down / stretch)
        lumps = random.standard_normal((int(np.ceil(down)) + 3, int(np.ceil(across)) + 3)).astype(np.float32)
        inside = (1.0, 1.0, 1 + across, 1 + down)  # a margin for the kernel
        large = Image.fromarray(lumps).resize((size, size), Image.Resampling.BICUBIC, box=inside)
        total += np.asarray(large) * 0.5**octave
    return np.asarray((total - total.mean()) / (total.std() + 1e-6), np.float32)


def over(picture: Floats, colour: ArrayLike, alpha: Floats | float) -> Floats:
    """Lay a colour (3,) or a picture (S, S, 3) over a picture."""
    cover = np.asarray(alpha, np.float32)[..., None]
    return picture + (np.asarray(colour, np.float32) - picture) * cover


def blur(values: Floats, radius: float) -> Floats:
    """Blur the two image axes; the radius is in units of the picture's side."""
    sigma = radius * values.shape[0]
    return np.asarray(gaussian_filter(values, (sigma, sigma, *(0 for _ in values.shape[2:]))), np.float32)


def light(height: Floats, direction: tuple[float, float, float], *, relief: float = 1.0) -> Floats:
    """Shade a height map, in units of the picture's side: cosine of the light's angle, (S, S) in [0, 1].

    `direction` points to the light: x to the right, y down, z out of the picture.
    """
    size = height.shape[0]
    slope_y, slope_x = np.gradient(height * relief * size)
    towards = np.asarray(direction, np.float32) / np.linalg.norm(direction)
    dot = towards[2] - slope_x * towards[0] - slope_y * towards[1]
    return np.asarray(np.clip(dot / np.sqrt(1 + slope_x**2 + slope_y**2), 0, 1), np.float32)


def dome(alpha: Floats, radius: float) -> Floats:
    """Swell a shape to a rounded height map, in units of the side: it falls off within `radius` of the edge."""
    soft = np.clip(2 * blur(alpha, radius) - 1, 0, 1) * alpha
    return np.asarray(radius * np.sqrt(1 - (1 - soft) ** 2), np.float32)


def hsv(hue: float, saturation: float, value: float) -> Floats:
    """Turn hue (turns), saturation and value into RGB (3,)."""
    sector = (hue % 1.0) * 6 + np.array([5.0, 3.0, 1.0])
    wave = np.clip(np.minimum(sector % 6, 4 - sector % 6), 0, 1)
    return np.asarray(value * (1 - saturation * wave), np.float32)


def to_pixels(picture: Floats) -> NDArray[np.uint8]:
    """Round a picture or an alpha in [0, 1] to 8 bits."""
    return np.asarray(np.clip(picture, 0, 1) * 255 + 0.5, np.uint8)
