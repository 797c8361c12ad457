"""What the page draws from numbers: tables and progress as HTML, a run's course as a Plotly figure."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from coronet.jobs import Job
from coronet.studio import run_words, text
from coronet.studio.glossary import marked

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from coronet.cost import Cost
    from coronet.networks import GeneratorConfig

Event = Mapping[str, Any]
# Told apart by lightness as well as hue (Okabe and Ito), and by dash.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5F5F5F")
_DASHES = ("solid", "dash", "dot", "dashdot")
_MOST_LOSSES = 7


def numbers_table(dense: Mapping[str, float], slim: Mapping[str, float], *, caption: str = text.NUMBERS) -> str:
    """Compare two nets as an HTML table; the names are those of text.ROWS."""
    rows = []
    for name, label in text.ROWS.items():
        if name in dense and name in slim:
            ratio = dense[name] / slim[name] if slim[name] else float("inf")
            cells = (_quantity(name, dense[name]), _quantity(name, slim[name]), f"{ratio:.1f}×")
            rows.append(f"<tr><th scope='row'>{marked(label)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    head = "".join(f"<th scope='col'>{name}</th>" if name else "<td></td>" for name in text.NUMBERS_HEAD)
    notes = sentence(f"{text.MACS_NOTE} {text.TIME_NOTE if 'seconds' in slim else ''}".rstrip())
    body = f"<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f"<table class='numbers'>{body}</table>{notes}"


def costs(cost: Any, seconds: float | None) -> dict[str, float]:
    """Gather a net's cost and time under the names of `numbers_table`."""
    values: dict[str, float] = {
        "macs": cost.macs,
        "macs_as_published": cost.macs_as_published,
        "parameters": cost.parameters,
        "bytes": cost.bytes,
    }
    return values if seconds is None else {**values, "seconds": seconds}


def facts(config: "GeneratorConfig", reasons: Sequence[str]) -> str:
    """Say what a model is and, on request, why."""
    words = text.LEVELS if config.architecture == "unet" else text.BLOCKS
    said = text.FACTS.format(
        architecture=text.ARCHITECTURES[config.architecture],
        depth=words.format(number=config.levels if config.architecture == "unet" else config.blocks),
        norm=config.norm,
        size=config.image_size,
    )
    items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
    return sentence(said) + (f"<details><summary>{text.REASONS}</summary><ul>{items}</ul></details>" if items else "")


def cost_list(cost: "Cost") -> str:
    """Say a model's size; MACs as papers count them, with the true count in the tooltip."""
    exact = text.MACS_EXACT.format(true=text.count(cost.macs), published=text.count(cost.macs_as_published))
    values = {
        text.ROWS["parameters"]: text.count(cost.parameters),
        text.ROWS["macs"]: f"<abbr title='{escape(exact, quote=True)}'>{text.count(cost.macs_as_published)}</abbr>",
        text.ROWS["bytes"]: f"{text.count(cost.bytes)}B",
    }
    return definitions(values)


def definitions(values: Mapping[str, str]) -> str:
    """List names and values side by side; the values are HTML."""
    items = "".join(f"<div><dt>{marked(name)}</dt><dd>{value}</dd></div>" for name, value in values.items())
    return f"<dl class='losses'>{items}</dl>"


def sentence(words: str, kind: str = "note") -> str:
    """Give a paragraph of a kind that the style sheet knows; what went wrong is said without marking its terms."""
    return plain_sentence(words, kind) if kind == "problem" else f"<p class='{kind}'>{marked(words)}</p>"


def plain_sentence(words: str, kind: str = "note") -> str:
    """Give a paragraph without marking its terms: where a teacher is a person, or no meanings lie on the page."""
    return f"<p class='{kind}'>{escape(words)}</p>"


def progress(job: Job, events: Sequence[Event]) -> str:
    """Say how a run goes: its state, a bar, and the last step's losses."""
    parts = [f"<p class='state {job.state}'>{escape(state_sentence(job, events))}</p>"]
    if job.message:
        parts.append(sentence(job.message, "problem"))
    if job.total:
        value = f"value='{job.done}' max='{job.total}'"
        parts.append(f"<progress {value} aria-label='{text.PROGRESS}'>{job.done} / {job.total}</progress>")
    losses = {name: value for name, value in (events[-1]["losses"] if events else {}).items() if value is not None}
    if losses:
        said = definitions({name: f"{value:.3g}" for name, value in losses.items()})
        parts.append(f"<p class='small'>{text.LOSSES}</p>{said}")
    return "".join(parts)


def state_sentence(job: Job, events: Sequence[Event]) -> str:
    """Say a job's state, where it is, and how long it will still take."""
    parts = [text.STATES[job.state]]
    if job.state == "queued" and job.ahead:
        parts.append(text.AHEAD.format(count=job.ahead))
    elif job.state == "queued":
        parts.append(run_words.NEXT)
    if events and job.state != "done":
        last = events[-1]
        phase = text.PHASES.get(last["phase"], last["phase"])
        parts.append(text.STEP.format(phase=phase, done=last["done"], total=last["total"]))
        if last.get("ratio") is not None:
            parts.append(text.RATIO_NOW.format(ratio=last["ratio"]))
    if job.state == "running":
        parts.append(_outlook(events))
    return " · ".join(part for part in parts if part)


def figure(
    events: Sequence[Event], target: float | None, plan: tuple[Sequence[int], Sequence[float]] = ((), ())
) -> "go.Figure":
    """Draw ratio and losses against the steps of the whole run; plan: steps, and the ratios meant to be reached."""
    import plotly.graph_objects as go  # half a second, and only a run needs it
    from plotly.subplots import make_subplots

    drawing = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08, row_heights=[0.4, 0.6])
    steps = [event["done"] for event in events]
    ratios = [event.get("ratio") for event in events]
    line = {"color": _COLOURS[0], "width": 2}
    drawing.add_trace(go.Scatter(x=steps, y=ratios, name=text.RATIO_AXIS, line=line, showlegend=False), row=1, col=1)
    if plan[0]:
        dotted = {"color": _COLOURS[6], "width": 1.5, "dash": "dot"}
        planned = go.Scatter(x=plan[0], y=plan[1], name=run_words.PLAN, mode="lines", line=dotted, showlegend=False)
        drawing.add_trace(planned, row=1, col=1)
    if target is not None:
        drawing.add_hline(y=target, line_dash="dot", annotation_text=f"{text.TARGET} {target:g}×", row=1, col=1)
    for number, name in enumerate(_loss_names(events)):
        values = [event["losses"].get(name) for event in events]
        style = {"color": _COLOURS[number % 7], "dash": _DASHES[number % 4], "width": 1.5}
        drawing.add_trace(go.Scatter(x=steps, y=values, name=name, line=style), row=2, col=1)
    drawing.update_yaxes(title_text=text.RATIO_AXIS, ticksuffix="×", rangemode="tozero", row=1, col=1)
    drawing.update_yaxes(title_text=text.LOSS_AXIS, row=2, col=1)
    drawing.update_xaxes(title_text=text.STEP_AXIS, row=2, col=1)
    drawing.update_layout(
        height=420,
        margin={"l": 60, "r": 16, "t": 44, "b": 48},
        uirevision="keep",
        legend={"orientation": "h", "y": -0.2},
    )
    return drawing


def downloads(id: str, names: Sequence[str]) -> str:
    """Give links to the files of a run that exist."""
    links = "".join(
        f"<li><a href='/runs/{escape(id)}/{name}' download>{text.DOWNLOAD_NAMES[name]}</a></li>" for name in names
    )
    return f"<p class='small'>{text.DOWNLOADS}</p><ul class='downloads'>{links}</ul>" if links else ""


def result(report: Mapping[str, Any] | None) -> str:
    """Show what a finished run found; nothing for a run that is not done or has another kind of report."""
    if not report or not all(isinstance(report.get(net), dict) for net in ("dense", "slim", "scores")):
        return ""
    parts = [numbers_table(report["dense"], report["slim"], caption=text.RESULT)]
    stopped = report.get("stopped")
    if isinstance(stopped, dict) and stopped.get("phase") in run_words.STOPPED:
        parts.insert(0, sentence(run_words.STOPPED[stopped["phase"]].format(**stopped), "problem"))
    for name, words in text.SCORES.items():
        values = report["scores"].get(name) or {}
        said = [said.format(value=values[key]) for key, said in text.SCORE_WORDS.items() if key in values]
        if said:
            parts.append(sentence(f"{words}: {', '.join(said)}"))
    return "".join(parts)


def _quantity(name: str, value: float) -> str:
    if name == "seconds":
        return text.duration(value)
    return text.count(value) + ("B" if name == "bytes" else "")


def _outlook(events: Sequence[Event]) -> str:
    if not events:
        return text.LOADING
    last = events[-1]
    if last["done"] >= last["total"]:
        return text.FINISHING
    seconds = _seconds_per_step(events)
    return (
        "" if seconds is None else text.REMAINING.format(time=text.duration(seconds * (last["total"] - last["done"])))
    )


def _seconds_per_step(events: Sequence[Event]) -> float | None:
    """Measure the pace of the last steps; a step's `seconds` start again with each phase and each resume."""
    newer = last = events[-1]
    for earlier in reversed(events[-40:-1]):
        if earlier["phase"] != last["phase"] or earlier["seconds"] >= newer["seconds"]:
            break
        newer = earlier
    steps = last["done"] - newer["done"]
    return (last["seconds"] - newer["seconds"]) / steps if steps > 0 else None


def _loss_names(events: Sequence[Event]) -> list[str]:
    names = dict.fromkeys(name for event in events for name in event["losses"])
    return list(names)[:_MOST_LOSSES]
