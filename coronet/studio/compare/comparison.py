"""How trained nets are compared: their trade-off as figures and as a table, and what they make of a picture."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import quote

from coronet.published import PROTOCOLS, published_points, published_traces
from coronet.studio import text
from coronet.studio.compare import as_picture
from coronet.studio.glossary import marked
from coronet.studio.outcomes import Outcome, as_csv, pareto, quality, score_of

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from PIL import Image

_COLOURS = {"ready": "#0072B2", "own": "#D55E00", "linked": "#009E73"}
_SYMBOLS = {"ready": "circle", "own": "square", "linked": "triangle-up"}
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


def figure(outcomes: Sequence[Outcome], best: Outcome | None = None) -> "go.Figure":
    """Draw the quality of the trained nets against their MACs, the dense net as a diamond where it has a score.

    A line joins those that no other one beats; a ring marks the best one where it is given.
    """
    import plotly.graph_objects as go

    score = score_of(outcomes)
    drawing = go.Figure()
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        several = [outcome for outcome in outcomes if outcome.kind == kind]
        marker = {"symbol": _SYMBOLS[kind], "size": 10, "color": _COLOURS[kind]}
        drawing.add_trace(_points(several, score, text.KINDS[kind], marker, mode="markers+text"))
    front = pareto(outcomes, score)
    line = {"color": "#5F5F5F", "dash": "dot", "width": 1.5}
    drawing.add_trace(_points(front, score, text.PARETO, {"opacity": 0}, mode="lines", line=line, hoverinfo="skip"))
    if best is not None:
        ring = {"symbol": "circle-open", "size": 20, "color": "#000000", "line": {"width": 2}}
        drawing.add_trace(_points([best], score, text.BEST, ring, mode="markers", hoverinfo="skip"))
    dense = outcomes[0].report
    if score in dense.get("teacher_scores", {}):
        marker = {"symbol": "diamond", "size": 13, "color": "#000000"}
        value = dense["teacher_scores"][score]["psnr_db"]
        point = go.Scatter(x=[dense["dense"]["macs"]], y=[value], name=text.DENSE, mode="markers", marker=marker)
        drawing.add_trace(point)
    drawing.update_xaxes(title_text=text.MACS_AXIS, type="log", exponentformat="SI")
    drawing.update_yaxes(title_text=f"PSNR, dB · {text.SCORES[score]}")
    drawing.update_layout(height=380, margin={"l": 60, "r": 16, "t": 24, "b": 48}, legend=_LEGEND)
    return drawing


def published_figure(task: str) -> "go.Figure":
    """Draw the published points of a task, a mark for every protocol; they are never joined."""
    import plotly.graph_objects as go

    drawing = go.Figure(published_traces(task, hollow=True))
    drawing.update_xaxes(title_text=text.PUBLISHED_X, type="log", exponentformat="SI")
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


def table(outcomes: Sequence[Outcome], best: Outcome | None = None) -> str:
    """Say the same as the figure, and the bytes, as an HTML table whose rows choose a net, and offer it as CSV."""
    score = score_of(outcomes)
    is_timed = any("ms" in outcome.report["slim"] for outcome in outcomes)
    names = (*text.OUTCOME_HEAD, text.MS_HEAD) if is_timed else text.OUTCOME_HEAD
    head = "".join(f"<th scope='col'>{marked(name)}</th>" for name in names)
    front = {outcome.key for outcome in pareto(outcomes, score)}
    rows = "".join(
        _row(outcome, score, is_best=outcome is best, is_front=outcome.key in front, is_timed=is_timed)
        for outcome in outcomes
    )
    count = outcomes[0].report["scores"].get("images", 0)
    caption = f"<caption>{text.SCORES[score]}, {count} {text.TEST_IMAGES}</caption>"
    body = f"<table class='numbers'>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    link = f"<a download='coronet.csv' href='data:text/csv;charset=utf-8,{quote(as_csv(outcomes))}'>{text.CSV}</a>"
    notes = f"{text.PARETO_NOTE} {text.MS_NOTE}" if is_timed else text.PARETO_NOTE
    files = f"<p class='note files'>{link}{as_picture.button()}</p>"
    return f"<div class='scroll'>{body}</div><p class='note'>{notes}</p>{files}"


def _row(outcome: Outcome, score: str, *, is_best: bool, is_front: bool, is_timed: bool) -> str:
    slim = outcome.report["slim"]
    times = [f"{slim['ms']:.1f}" if "ms" in slim else "–"] if is_timed else []
    cells = (
        text.count(slim["macs"]),
        f"{text.count(slim['bytes'])}B" if "bytes" in slim else "–",
        f"{quality(outcome, score):.1f} dB",
        f"{outcome.report['scores'][score]['ssim']:.3f}",
        *times,
    )
    name = f"{escape(outcome.label)}{' ◆' if is_front else ''}{f' · {text.BEST}' if is_best else ''}"
    button = f"<button type='button' class='link' data-net='{escape(outcome.key, quote=True)}'>{name}</button>"
    return f"<tr><th scope='row'>{button}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _points(outcomes: Sequence[Outcome], score: str, name: str, marker: object, **more: object) -> "go.Scatter":
    import plotly.graph_objects as go

    return go.Scatter(
        x=[outcome.macs for outcome in outcomes],
        y=[quality(outcome, score) for outcome in outcomes],
        text=[f"{outcome.ratio:.1f}×" for outcome in outcomes],
        hovertext=[outcome.label for outcome in outcomes],
        customdata=[outcome.key for outcome in outcomes],
        textposition="top center",
        name=name,
        marker=marker,
        **more,
    )
