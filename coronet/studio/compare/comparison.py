"""How trained nets are compared: their trade-off as figures and as a table, and what they make of a picture."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from math import floor, log10
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from coronet.published import PROTOCOLS, published_points, published_traces
from coronet.studio import text
from coronet.studio.compare import as_picture
from coronet.studio.compare import text as text_scores
from coronet.studio.compare.scores import (
    Score,
    Value,
    as_csv,
    dense_value,
    notes_of,
    pareto,
    value_elsewhere,
    value_of,
)
from coronet.studio.glossary import marked
from coronet.studio.outcomes import Outcome
from coronet.ticks import MACS_TICKS

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from PIL import Image

_COLOURS = {"ready": "#0072B2", "own": "#D55E00", "linked": "#009E73"}
_SYMBOLS = {"ready": "circle", "own": "square", "linked": "triangle-up"}
_NOTHING = "–"
_LEGEND = {"orientation": "h", "y": -0.25}
# A row's button chooses its net; the figure beside does the same for a mouse.
TABLE_SCRIPT = (
    """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-net]");
  if (button) trigger("select", {index: 0, value: button.dataset.net});
});
const hook = () => {
  const drawing = document.querySelector("#trade-off .js-plotly-plot");
  if (!drawing?.on || drawing.dataset.hooked) return;
  drawing.dataset.hooked = "yes";
  drawing.on("plotly_click", (event) => {
    const net = event.points[0]?.customdata;
    if (net) trigger("select", {index: 0, value: net});
  });
};
new MutationObserver(hook).observe(document.body, {childList: true, subtree: true});
"""
    + as_picture.SCRIPT
)


def figure(outcomes: Sequence[Outcome], score: Score, best: Outcome | None = None) -> "go.Figure":
    """Draw a score of the trained nets against their MACs, with its intervals, the dense net as a diamond.

    A line joins those that no other one beats; a ring marks the best one where it is given.
    """
    import plotly.graph_objects as go

    drawing = go.Figure()
    scored = [outcome for outcome in outcomes if value_of(outcome, score)]
    for kind in dict.fromkeys(outcome.kind for outcome in scored):
        several = [outcome for outcome in scored if outcome.kind == kind]
        marker = {"symbol": _SYMBOLS[kind], "size": 10, "color": _COLOURS[kind]}
        bars = _bars([value_of(outcome, score) for outcome in several])
        drawing.add_trace(_points(several, score, text.KINDS[kind], marker, mode="markers+text", error_y=bars))
    front = pareto(outcomes, score)
    line = {"color": "#5F5F5F", "dash": "dot", "width": 1.5}
    drawing.add_trace(_points(front, score, text.PARETO, {"opacity": 0}, mode="lines", line=line, hoverinfo="skip"))
    if best is not None:
        ring = {"symbol": "circle-open", "size": 20, "color": "#000000", "line": {"width": 2}}
        drawing.add_trace(_points([best], score, text.BEST, ring, mode="markers", hoverinfo="skip"))
    if (dense := dense_value(outcomes, score)) is not None:
        marker = {"symbol": "diamond", "size": 13, "color": "#000000"}
        macs = outcomes[0].report["dense"]["macs"]
        looks = {"name": text.DENSE, "mode": "markers", "marker": marker, "error_y": _bars([dense])}
        drawing.add_trace(go.Scatter(x=[macs], y=[dense.value], **looks))
    drawing.update_xaxes(title_text=text.MACS_AXIS, **MACS_TICKS)
    drawing.update_yaxes(title_text=axis(score))
    # Gradio's label lies on the figure: above the highest point stands its ratio.
    drawing.update_layout(height=400, margin={"l": 60, "r": 16, "t": 44, "b": 48}, legend=_LEGEND)
    return drawing


def axis(score: Score) -> str:
    """Name the axis of a score: a distance by its own name, and which way is better."""
    words = text_scores.DISTANCE_AXIS if score.is_distance else text_scores.PSNR_AXIS
    return words.format(name=score.title, title=score.title)


def notes(outcomes: Sequence[Outcome], score: Score) -> str:
    """Say below the figure what its intervals mean, what makes the scores doubtful, and which nets are not in it."""
    said = [text_scores.DISTANCE_NOTE, *notes_of(outcomes, score)] if score.is_distance else []
    missing = [outcome for outcome in outcomes if not value_of(outcome, score)]
    without = [outcome.label for outcome in missing if not value_elsewhere(outcome, score)]
    if without:
        said.append(text_scores.NOT_SCORED.format(nets=", ".join(without)))
    if len(without) < len(missing):
        said.append(text_scores.ELSEWHERE)
    return "".join(f"<p class='note'>{marked(words)}</p>" for words in said)


def published_figure(task: str) -> "go.Figure":
    """Draw the published points of a task, a mark for every protocol; they are never joined."""
    import plotly.graph_objects as go

    drawing = go.Figure(published_traces(task, hollow=True))
    drawing.update_xaxes(title_text=text.PUBLISHED_X, **MACS_TICKS)
    drawing.update_yaxes(title_text=text.PUBLISHED_Y)
    drawing.update_layout(height=380, margin={"l": 60, "r": 16, "t": 24, "b": 48}, legend=_LEGEND)
    return drawing


def published_table(task: str) -> str:
    """Say the same as the figure of published points as a table, closed until it is asked for."""
    head = "".join(f"<th scope='col'>{marked(name)}</th>" for name in text.PUBLISHED_HEAD)
    rows = "".join(
        f"<tr><th scope='row'>{escape(f'{point.method} {point.variant}'.strip())}</th>"
        f"<td>{point.macs_g if point.macs_g is not None else '–'}</td><td>{point.fid:.1f}</td>"
        f"<td>{PROTOCOLS[point.protocol]}</td><td>{escape(point.source)}</td></tr>"
        for point in published_points()
        if point.task == task
    )
    table = f"<table class='numbers wrapped'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    note = f"<p class='note'>{marked(text.PUBLISHED_NOTE)}</p>"
    return f"{note}<details><summary>{text.AS_TABLE}</summary><div class='scroll'>{table}</div></details>"


def pictures(shown: "Sequence[tuple[Image.Image, str]]") -> str:
    """Lay pictures out with their labels below, as many in a row as fit."""
    figures = []
    for picture, label in shown:
        words = text.TRAINED_ALT.format(label=label)
        figures.append(f"<figure>{image(picture, words)}<figcaption>{escape(label)}</figcaption></figure>")
    return f"<div class='trained'>{''.join(figures)}</div>"


def image(picture: "Image.Image", words: str) -> str:
    """Give a picture as an image element that carries it."""
    file = BytesIO()
    picture.save(file, "PNG")
    source = f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
    return f"<img src='{source}' alt='{escape(words, quote=True)}'>"


def table(outcomes: Sequence[Outcome], score: Score, best: Outcome | None = None) -> str:
    """Say the same as the figure, and the bytes, as an HTML table whose rows choose a net, and offer it as CSV."""
    is_timed = any("ms" in outcome.report["slim"] for outcome in outcomes)
    judged = [text_scores.DISTANCE_HEAD.format(name=score.title)] if score.is_distance else text_scores.PSNR_HEAD
    names = [*text.OUTCOME_HEAD, *judged, *([text.MS_HEAD] if is_timed else [])]
    head = "".join(f"<th scope='col'>{marked(name)}</th>" for name in names)
    front = {outcome.key for outcome in pareto(outcomes, score)}
    rows = "".join(
        _row(outcome, score, is_best=outcome is best, is_front=outcome.key in front, is_timed=is_timed)
        for outcome in outcomes
    )
    rows += _dense_row(outcomes, score, is_timed=is_timed)
    inside = f"{_caption(outcomes, score)}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    sheet = quote(as_csv(outcomes, score))
    link = f"<a download='coronet.csv' href='data:text/csv;charset=utf-8,{sheet}'>{text.CSV}</a>"
    remarks = f"{text.PARETO_NOTE} {text.MS_NOTE}" if is_timed else text.PARETO_NOTE
    files = f"<p class='note files'>{link}{as_picture.button()}</p>"
    return f"<div class='scroll'><table class='numbers'>{inside}</table></div><p class='note'>{remarks}</p>{files}"


def _caption(outcomes: Sequence[Outcome], score: Score) -> str:
    words = text_scores.DISTANCE_CAPTION if score.is_distance else text_scores.PSNR_CAPTION
    count = outcomes[0].report["scores"].get("images", 0)
    counts = {"real": score.real_images, "fake": score.fake_images, "count": count}
    return f"<caption>{escape(words.format(name=score.title, title=score.title, **counts))}</caption>"


def _row(outcome: Outcome, score: Score, *, is_best: bool, is_front: bool, is_timed: bool) -> str:
    name = f"{escape(outcome.label)}{' ◆' if is_front else ''}{f' · {text.BEST}' if is_best else ''}"
    button = f"<button type='button' class='link' data-net='{escape(outcome.key, quote=True)}'>{name}</button>"
    elsewhere = value_elsewhere(outcome, score)
    value = value_of(outcome, score)
    said = [said_value(value, score) if value or not elsewhere else f"{said_value(elsewhere, score)} *"]
    if not score.is_distance:
        said.append(_ssim(outcome.report["scores"], score))
    return _cells(button, outcome.report["slim"], said, is_timed=is_timed)


def _dense_row(outcomes: Sequence[Outcome], score: Score, *, is_timed: bool) -> str:
    """Give the dense net's row where it has that score."""
    value = dense_value(outcomes, score)
    if value is None:
        return ""
    said = [said_value(value, score)]
    if not score.is_distance:
        said.append(_ssim(outcomes[0].report.get("teacher_scores", {}), score))
    return _cells(text.DENSE, outcomes[0].report["dense"], said, is_timed=is_timed)


def _cells(name: str, cost: Mapping[str, Any], said: Sequence[str], *, is_timed: bool) -> str:
    times = [f"{cost['ms']:.1f}" if "ms" in cost else _NOTHING] if is_timed else []
    size = f"{text.count(cost['bytes'])}B" if "bytes" in cost else _NOTHING
    cells = (text.count(cost["macs"]), size, *said, *times)
    return f"<tr><th scope='row'>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _ssim(scores: Mapping[str, Any], score: Score) -> str:
    ssim = scores.get(score.key, {}).get("ssim")
    return _NOTHING if ssim is None else f"{ssim:.3f}"


def said_value(value: Value | None, score: Score) -> str:
    """Write a score for the table, with its interval."""
    if value is None:
        return _NOTHING
    if not score.is_distance:
        return f"{value.value:.1f} dB"
    if value.low is None or value.high is None:
        return f"{value.value:.3g}"
    places = max(0, 2 - floor(log10(abs(value.value)))) if value.value else 3  # three digits of the value
    return f"{value.value:.{places}f}<br>[{value.low:.{places}f}, {value.high:.{places}f}]"


def _bars(values: Sequence[Value | None]) -> dict[str, Any] | None:
    """Give the error bars of values that have intervals."""
    reaches = [value.reach for value in values if value and value.reach]
    if not reaches or len(reaches) < len(values):
        return None
    up, down = zip(*reaches, strict=True)
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1.5, "width": 5}


def _points(outcomes: Sequence[Outcome], score: Score, name: str, marker: object, **more: object) -> "go.Scatter":
    import plotly.graph_objects as go

    return go.Scatter(
        x=[outcome.macs for outcome in outcomes],
        y=[value.value for outcome in outcomes if (value := value_of(outcome, score))],
        text=[f"{outcome.ratio:.1f}×" for outcome in outcomes],
        hovertext=[outcome.label for outcome in outcomes],
        customdata=[outcome.key for outcome in outcomes],
        textposition="top right" if score.is_distance else "top center",  # beside the intervals
        cliponaxis=False,  # or the words above the highest point are cut off
        name=name,
        marker=marker,
        **more,
    )
