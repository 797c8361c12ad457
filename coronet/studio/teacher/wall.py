"""The wall of results: every group's finished nets as points in one figure, as a table, and as CSV."""

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from coronet.studio import text
from coronet.studio.outcomes import Outcome, quality, score_of
from coronet.studio.sheets import as_csv
from coronet.studio.teacher import text as text_teacher
from coronet.ticks import MACS_TICKS

if TYPE_CHECKING:
    import plotly.graph_objects as go

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "pentagon", "cross")


@dataclass(frozen=True, slots=True)
class Point:
    """A finished net and whose it is."""

    group: str
    model: str
    outcome: Outcome


def figure(points: Sequence[Point]) -> "go.Figure":
    """Draw quality against MACs, each group with a colour and a mark of its own."""
    import plotly.graph_objects as go

    score = score_of([point.outcome for point in points])
    drawing = go.Figure()
    for number, (group, own) in enumerate(_by_group(points).items()):
        name = escape(group)  # Plotly reads tags in names
        drawing.add_trace(
            go.Scatter(
                x=[point.outcome.macs for point in own],
                y=[quality(point.outcome, score) for point in own],
                hovertext=[f"{name}: {escape(point.model)} {point.outcome.ratio:.1f}×" for point in own],
                hoverinfo="text+x+y",
                mode="markers",
                name=name,
                showlegend=True,
                marker={"symbol": _SYMBOLS[number % len(_SYMBOLS)], "size": 13, "color": _colour(number)},
            )
        )
    drawing.update_xaxes(title_text=text.MACS_AXIS, **MACS_TICKS)
    drawing.update_yaxes(title_text=f"{text.SCORES[score]}, PSNR (dB)")
    legend = {"orientation": "h", "y": -0.2}
    drawing.update_layout(height=460, margin={"l": 60, "r": 16, "t": 24, "b": 48}, legend=legend, uirevision="keep")
    return drawing


def table(points: Sequence[Point]) -> str:
    """Say the same as the figure as a table, the best first, and offer it as CSV."""
    if not points:
        return f"<p class='note'>{text_teacher.EMPTY_WALL}</p>"
    score = score_of([point.outcome for point in points])
    head = "".join(f"<th scope='col'>{name}</th>" for name in text_teacher.WALL_HEAD)
    ordered = sorted(points, key=lambda point: -quality(point.outcome, score))
    rows = "".join(
        f"<tr><th scope='row'>{escape(point.group)}</th><td>{escape(point.model)}</td>"
        f"<td>{point.outcome.ratio:.1f}×</td><td>{text.count(point.outcome.macs)}</td>"
        f"<td>{quality(point.outcome, score):.1f} dB</td></tr>"
        for point in ordered
    )
    caption = f"<caption>{text.SCORES[score]}</caption>"
    body = f"<table class='numbers'>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    link = f"<a download='wall.csv' href='data:text/csv;charset=utf-8,{quote(sheet(points))}'>{text.CSV}</a>"
    return f"<div class='scroll'>{body}</div><p class='note'>{link}</p>"


def sheet(points: Sequence[Point]) -> str:
    """Write the points as CSV, with every number their reports have of cost and paired scores."""
    return as_csv([_row(point) for point in points])


def _row(point: Point) -> Mapping[str, object]:
    report = point.outcome.report
    scores = {name: values for name, values in report["scores"].items() if name in text.SCORES}
    named = {"group": point.group, "model": point.model, "run": point.outcome.folder.name}
    numbers = {f"{name}.{part}": number for name, values in scores.items() for part, number in values.items()}
    return {**named, "method": report.get("method", ""), "ratio": point.outcome.ratio, **report["slim"], **numbers}


def _by_group(points: Sequence[Point]) -> dict[str, list[Point]]:
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.group, []).append(point)
    return groups


def _colour(number: int) -> str:
    """Give colours that stay apart however many there are: hues by the golden ratio, light enough for dark pages."""
    red, green, blue = colorsys.hls_to_rgb((0.6 + number * 0.618034) % 1.0, 0.48, 0.75)
    return f"#{int(255 * red):02x}{int(255 * green):02x}{int(255 * blue):02x}"
