"""Draw the sample sketches that the studio opens with: `python assets/make_sketches.py`. Outlines of shoes, 256x256."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE, SCALE = 256, 4
Points = list[tuple[float, float]]

# Every sketch is a list of strokes; a stroke is a list of points through which a smooth curve runs (0..256).
SKETCHES: dict[str, list[Points]] = {
    "sneaker": [
        [
            (28, 150),
            (30, 120),
            (44, 92),
            (70, 84),
            (92, 96),
            (112, 112),
            (150, 128),
            (196, 138),
            (226, 152),
            (236, 172),
        ],
        [(28, 150), (26, 178), (60, 190), (130, 192), (200, 190), (236, 184), (236, 172)],
        [(27, 166), (70, 174), (140, 176), (236, 172)],
        [(44, 92), (62, 102), (88, 106), (92, 96)],
        [(104, 108), (96, 126), (90, 150), (88, 174)],
        [(118, 116), (132, 106)],
        [(134, 122), (148, 112)],
        [(150, 128), (164, 118)],
        [(190, 137), (184, 154), (188, 175)],
        [(34, 112), (52, 122), (62, 146), (58, 172)],
    ],
    "boot": [
        [(92, 40), (150, 38), (156, 42), (152, 90), (158, 118), (184, 138), (216, 150), (230, 172), (228, 184)],
        [(92, 40), (88, 90), (84, 130), (78, 160), (78, 186)],
        [(78, 186), (78, 206), (112, 206), (114, 194), (150, 198), (190, 202), (228, 198), (228, 184)],
        [(78, 186), (112, 188), (160, 190), (228, 184)],
        [(90, 62), (152, 58)],
        [(152, 92), (128, 96)],
        [(154, 106), (130, 110)],
        [(160, 120), (138, 126)],
        [(88, 100), (106, 128), (100, 160), (104, 187)],
    ],
    "pump": [
        [(40, 72), (44, 104), (64, 130), (100, 146), (140, 160), (176, 170), (214, 182), (232, 196), (226, 204)],
        [(40, 72), (60, 80), (78, 104), (104, 124), (140, 132), (168, 136)],
        [(168, 136), (196, 150), (222, 172), (232, 196)],
        [(226, 204), (190, 202), (150, 190), (110, 168), (76, 152), (58, 146)],
        [(44, 104), (40, 130), (44, 170), (46, 206), (54, 206), (56, 170), (62, 146)],
        [(168, 136), (160, 150), (150, 164)],
    ],
}


def smooth(points: Points, steps: int = 24) -> Points:
    """Run a Catmull-Rom curve through the points."""
    path = np.array([points[0], *points, points[-1]], dtype=float)
    curve = []
    for before, start, end, after in zip(path, path[1:], path[2:], path[3:], strict=False):
        for share in np.linspace(0, 1, steps, endpoint=False):
            square, cube = share**2, share**3
            curve.append(
                0.5
                * (
                    2 * start
                    + (end - before) * share
                    + (2 * before - 5 * start + 4 * end - after) * square
                    + (3 * start - before - 3 * end + after) * cube
                )
            )
    return [tuple(point) for point in [*curve, path[-1]]]


def draw(strokes: list[Points]) -> Image.Image:
    """Draw black lines on white, anti-aliased."""
    canvas = Image.new("L", (SIZE * SCALE, SIZE * SCALE), 255)
    pen = ImageDraw.Draw(canvas)
    for stroke in strokes:
        pen.line([(x * SCALE, y * SCALE) for x, y in smooth(stroke)], fill=0, width=round(1.6 * SCALE), joint="curve")
    return canvas.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    folder = Path(__file__).parent / "sketches"
    folder.mkdir(exist_ok=True)
    for name, strokes in SKETCHES.items():
        draw(strokes).save(folder / f"{name}.png", optimize=True)
