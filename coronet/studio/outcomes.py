"""What trained slim nets of a model there are, ready-made or of this studio's runs, and their trade-off as a figure."""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coronet.runs import REPORT, SETTINGS
from coronet.studio import text

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from PIL import Image

_COLOURS = {"ready": "#0072B2", "own": "#D55E00"}
_SYMBOLS = {"ready": "circle", "own": "square"}
SLIM = "slim.safetensors"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trained slim net beside its dense net."""

    folder: Path
    kind: str  # "ready" or "own"
    ratio: float
    report: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What it is called below its picture and in the figure."""
        return text.OUTCOME[self.kind].format(ratio=self.ratio)


def find_outcomes(model: str, path: Path, ready: Iterable[Path], own: Iterable[Path]) -> list[Outcome]:
    """Find the finished compressions of a model, small ratios first; `model` is its name, `path` its file."""
    found = []
    for kind, folders in (("ready", ready), ("own", own)):
        for folder in folders:
            report, settings = (_read(folder / name) for name in (REPORT, SETTINGS))
            meant = settings.get("settings", {}).get("model")
            if meant in (model, str(path)) and _is_complete(report) and (folder / SLIM).is_file():
                found.append(Outcome(folder, kind, float(report["ratio"]), report))
    return sorted(found, key=lambda outcome: outcome.ratio)


def score_of(outcomes: Sequence[Outcome]) -> str:
    """Name the comparison that all of them have: to the truth where it is known, else to the dense net."""
    known = all("to_truth" in outcome.report["scores"] for outcome in outcomes)
    return "to_truth" if known else "to_teacher"


def figure(outcomes: Sequence[Outcome]) -> "go.Figure":
    """Draw the quality of the trained nets against their MACs, the dense net as a diamond where it has a score."""
    import plotly.graph_objects as go

    score = score_of(outcomes)
    drawing = go.Figure()
    dense = outcomes[0].report
    if score in dense.get("teacher_scores", {}):
        value = dense["teacher_scores"][score]["psnr_db"]
        marker = {"symbol": "diamond", "size": 13, "color": "#000000"}
        drawing.add_trace(
            go.Scatter(x=[dense["dense"]["macs"]], y=[value], name=text.DENSE, mode="markers", marker=marker)
        )
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        several = [outcome for outcome in outcomes if outcome.kind == kind]
        drawing.add_trace(
            go.Scatter(
                x=[outcome.report["slim"]["macs"] for outcome in several],
                y=[outcome.report["scores"][score]["psnr_db"] for outcome in several],
                text=[f"{outcome.ratio:.1f}×" for outcome in several],
                name=text.KINDS[kind],
                mode="lines+markers+text" if kind == "ready" else "markers+text",
                textposition="top center",
                marker={"symbol": _SYMBOLS[kind], "size": 10, "color": _COLOURS[kind]},
            )
        )
    drawing.update_xaxes(title_text=text.MACS_AXIS, type="log")
    drawing.update_yaxes(title_text=f"PSNR, dB · {text.SCORES[score]}")
    drawing.update_layout(
        height=340, margin={"l": 60, "r": 16, "t": 24, "b": 48}, legend={"orientation": "h", "y": -0.25}
    )
    return drawing


def pictures(shown: Sequence[tuple["Image.Image", str]]) -> str:
    """Lay pictures out with their labels below, as many in a row as fit."""
    figures = []
    for picture, label in shown:
        file = BytesIO()
        picture.save(file, "PNG")
        source = f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
        words = escape(text.TRAINED_ALT.format(label=label), quote=True)
        figures.append(f"<figure><img src='{source}' alt='{words}'><figcaption>{escape(label)}</figcaption></figure>")
    return f"<div class='trained'>{''.join(figures)}</div>"


def table(outcomes: Sequence[Outcome]) -> str:
    """Say the same as the figure, and the bytes, as an HTML table."""
    score = score_of(outcomes)
    head = "".join(f"<th scope='col'>{name}</th>" if name else "<td></td>" for name in text.OUTCOME_HEAD)
    rows = []
    for outcome in outcomes:
        values, slim = outcome.report["scores"][score], outcome.report["slim"]
        cells = (
            f"{text.count(slim['macs'])}",
            f"{text.count(slim['parameters'])}",
            f"{values['psnr_db']:.1f} dB",
            f"{values['ssim']:.3f}",
        )
        body = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f"<tr><th scope='row'>{escape(outcome.label)}</th>{body}</tr>")
    caption = (
        f"<caption>{text.SCORES[score]}, {outcomes[0].report['scores'].get('images', 0)} {text.TEST_IMAGES}</caption>"
    )
    return f"<table class='numbers'>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there yet, or damaged: then there is no outcome to show
        return {}
    return value if isinstance(value, dict) else {}


def _is_complete(report: Mapping[str, Any]) -> bool:
    parts = (report.get("dense"), report.get("slim"), report.get("scores"))
    return isinstance(report.get("ratio"), int | float) and all(isinstance(part, dict) for part in parts)
