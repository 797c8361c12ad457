"""What a comparison leaves: a Markdown table, a CSV file and an interactive figure of quality against MACs."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coronet.files import write_atomic
from coronet.published import published_traces
from coronet.recipes.settings import CompressSettings
from coronet.recipes.table_rows import Row, measured_on, score_names, summary
from coronet.settings import to_json
from coronet.ticks import MACS_TICKS

if TYPE_CHECKING:
    import plotly.graph_objects as go

_AGAINST = {"to_truth": "to the truth", "to_teacher": "to the dense net"}
_MAIN_SCORES = ("FID.value", "FID-768.value", "to_truth.psnr_db", "to_teacher.psnr_db", "proxy.value")
_TOLD_ELSEWHERE = {"model", "data", "ratio", "method", "seed", "minutes", "counted", "threads", "onnx"}
_PAIRED = {"psnr_db": ("PSNR", ", dB ↑"), "ssim": ("SSIM", " ↑"), "l1": ("L1", " ↓")}


def write_comparison(
    found: Sequence[Row],
    out: Path,
    settings: CompressSettings,
    *,
    missing: Mapping[str, str] | None = None,
    task: str | None = None,
) -> None:
    """Write rows.csv (every run), table.md (seeds merged) and figure.html.

    settings: what the runs have in common. missing: why a run is not there. task: adds its published points to the
    figure.
    """
    merged = summary(found)
    notes = [
        *_conditions(settings),
        *_players(found),
        *_protocols(found),
        *(f"{name}: {reason}" for name, reason in (missing or {}).items()),
    ]
    if any(row["seeds"] > 1 for row in merged):
        notes.append("± is the standard deviation over seeds; the interval of every run's distance stands in rows.csv.")
    write_atomic(out / "rows.csv", as_csv(found).encode())
    write_atomic(out / "table.md", (as_markdown(merged) + "".join(f"\n- {note}" for note in notes) + "\n").encode())
    drawing = figure(merged, task)
    page = drawing.to_html(include_plotlyjs=True, full_html=True)  # readable without a network
    write_atomic(out / "figure.html", page.encode())


def as_csv(found: Sequence[Row]) -> str:
    """Write rows with every column that any of them has."""
    names = list(dict.fromkeys(name for row in found for name in row))
    text = StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue()


def as_cells(merged: Sequence[Row]) -> list[dict[str, str]]:
    """Put rows into the words of a table: method (its title), ratio, cost, time and every score, with the spread
    over seeds where there are several, else with the interval of a distance. MACs as published count transposed
    convolutions at output size.
    """
    scores = score_names(merged)
    return [
        {
            "method": str(row["title"]),
            "ratio": f"{row['ratio']:.2f}x",
            "GMACs": f"{row['macs'] / 1e9:.3f}",
            "GMACs as published": f"{row['macs_as_published'] / 1e9:.3f}",
            "parameters": f"{row['parameters']:,.0f}",
            "seconds": f"{row['seconds.total']:.0f}" if "seconds.total" in row else "",
            "seeds": str(row["seeds"]),
            **{label(name): _with_spread(row, name) for name in scores},
        }
        for row in merged
    ]


def as_markdown(merged: Sequence[Row]) -> str:
    """Write the cells as a Markdown table."""
    cells = as_cells(merged)
    lines = [f"| {' | '.join(cells[0])} |", "|---" * len(cells[0]) + "|"]
    lines += [f"| {' | '.join(row.values())} |" for row in cells]
    return "\n".join(lines) + "\n"


def label(score: str) -> str:
    """Say what a score is called, its unit, and whether more (↑) or less (↓) of it is better."""
    against, _, part = score.rpartition(".")
    if part == "value":
        return f"{against} ↓"
    name, unit = _PAIRED[part]
    return f"{name} {_AGAINST[against]}{unit}"


def main_score(found: Sequence[Row]) -> str | None:
    """Name the score a figure shows: FID or FID-768 where it was measured, else PSNR to the truth, else to the dense
    net, else the proxy, which tells the nets of unpaired data apart worst. One that all slim nets have goes first."""
    slim = [row for row in found if row.get("method") != "original"]
    shared = [name for name in _MAIN_SCORES if slim and all(name in row for row in slim)]
    return next(iter(shared), None) or next((name for name in _MAIN_SCORES if name in score_names(found)), None)


def figure(merged: Sequence[Row], task: str | None = None) -> "go.Figure":
    """Draw a score against MACs, a line for every method; published points of a task in a plot of their own below.

    Their FID is on another scale than a score measured here, and points of different protocols are never joined.
    """
    from plotly.subplots import make_subplots

    published = published_traces(task)
    score = main_score(merged)
    titles = [
        "Measured here" if score else "No score",
        *(["Published FID"] if published else []),
    ]
    drawing = make_subplots(rows=len(titles), cols=1, subplot_titles=titles, vertical_spacing=0.12)
    if score is not None:
        for trace in _measured(merged, score):
            drawing.add_trace(trace, row=1, col=1)
    for trace in published:
        drawing.add_trace(trace, row=2, col=1)
    drawing.update_xaxes(**MACS_TICKS, title_text="MACs as published: transposed convolutions at output size")
    drawing.update_xaxes(title_text="MACs", row=1, col=1)
    drawing.update_yaxes(title_text=f"{label(score)}{_bars(merged, score)}" if score else "", row=1, col=1)
    drawing.update_layout(height=460 * len(titles), template="simple_white")
    return drawing


def _measured(merged: Sequence[Row], score: str) -> "list[go.Scatter]":
    import plotly.graph_objects as go

    traces = []
    for method in dict.fromkeys(row["method"] for row in merged):
        own = [row for row in merged if row["method"] == method and score in row]
        if not own:
            continue
        own.sort(key=lambda row: float(row["macs"]))
        reach = [_spread(row, score) if _several(row) == _several(*merged) else (0.0, 0.0) for row in own]
        up, down = zip(*reach, strict=True)
        alike = len({measured_on(row, score.removesuffix(".value")) for row in own}) == 1
        spread = {"type": "data", "symmetric": False, "array": up, "arrayminus": down}
        traces.append(
            go.Scatter(
                x=[row["macs"] for row in own],
                y=[row[score] for row in own],
                error_y=spread,
                name=own[0]["title"],
                mode="lines+markers" if len(own) > 1 and alike else "markers",
                text=[_hover(row) for row in own],
            )
        )
    return traces


def _hover(row: Row) -> str:
    published = f"{row['macs_as_published'] / 1e9:.3f} GMACs as published"
    return f"{row['ratio']:.2f}x, {published}, {row['parameters']:,.0f} parameters"


def _several(*rows: Row) -> bool:
    return any(row["seeds"] > 1 for row in rows)


def _bars(merged: Sequence[Row], score: str) -> str:
    """Say what all bars of a figure are; a row that has only another kind has none."""
    if _several(*merged):
        return ", bars: standard deviation over seeds"
    return ", bars: 95 % interval" if score.endswith(".value") else ""


def _spread(row: Mapping[str, Any], score: str) -> tuple[float, float]:
    """Give how far a score reaches up and down: over seeds where there are several, else its own interval."""
    if f"{score}.sd" in row:
        return row[f"{score}.sd"], row[f"{score}.sd"]
    name = score.removesuffix(".value")
    if name != score and f"{name}.low" in row:
        return row[f"{name}.high"] - row[score], row[score] - row[f"{name}.low"]
    return 0.0, 0.0


def _with_spread(row: Mapping[str, Any], score: str) -> str:
    if score not in row:
        return ""
    up, down = _spread(row, score)
    if f"{score}.sd" in row:
        return f"{row[score]:.4g} ± {up:.3g}"
    return f"{row[score]:.4g}" + (f" [{row[score] - down:.4g}, {row[score] + up:.4g}]" if up or down else "")


def _conditions(settings: CompressSettings) -> list[str]:
    """Say what all runs had in common: their time, what their ratios count, their teacher, and what was chosen."""
    time = "Every run had the same number of steps, not the same time (`--minutes`)."
    if settings.minutes is not None:
        of = "of one processor" if settings.counted == "processor" else "by the clock"
        time = f"Every run was given {settings.minutes:g} minutes {of}; seconds are those it used to its last step."
    counted = "MACs" if settings.budget == "macs" else "parameters"
    teacher = "has the dense net as its teacher" if settings.teacher else "learns without the dense net as its teacher"
    usual = to_json(CompressSettings())
    chosen = {name: value for name, value in to_json(settings).items() if value != usual[name]}
    words = ", ".join(f"{name} {value}" for name, value in chosen.items() if name not in _TOLD_ELSEWHERE)
    return [
        time,
        f"Ratios count {counted}. MACs are those at the image size the model was made for.",
        f"Every net {teacher}, whatever its method.",
        *([f"Settings other than the defaults: {words}."] if words else []),
    ]


def _players(found: Sequence[Row]) -> list[str]:
    """Say for every method who played in its game, once where that is the same for all."""
    told = dict.fromkeys((row["title"], row["players"]) for row in found if row.get("players"))
    if len({players for _, players in told}) == 1:
        return [f"Players: {next(iter(told))[1]}"]
    return [f"Players of {title}: {players}" for title, players in told]


def _protocols(found: Sequence[Row]) -> list[str]:
    """Say what each distance of sets was measured on, and what makes it doubtful."""
    notes = []
    for distance in (name.removesuffix(".value") for name in score_names(found) if name.endswith(".value")):
        own = [row for row in found if f"{distance}.value" in row]
        told = dict.fromkeys(measured_on(row, distance) for row in own)
        notes += [
            f"{distance}: {fake} generated and {real} real images, {protocol}; brackets: 95 % interval for images "
            "generated anew."
            for protocol, real, fake in told
        ]
        if len(told) > 1:
            notes.append(f"{distance}: {len(told)} different protocols, so not all of these rows compare.")
        notes += _doubts(own, distance)
    return notes


def _doubts(own: Sequence[Row], distance: str) -> list[str]:
    """Say what makes a distance doubtful, and in which rows where not in all."""
    rows: dict[str, list[str]] = {}
    for row in own:
        if note := row.get(f"{distance}.note"):
            rows.setdefault(note, []).append(f"{row['title']}, {row['requested_ratio']:g}x, seed {row['seed']}")
    return [
        f"{distance}: {note}" if len(names) == len(own) else f"{distance} of {'; '.join(names)}: {note}"
        for note, names in rows.items()
    ]
