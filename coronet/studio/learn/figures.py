"""What the live parts of the lessons found, as HTML and as figures, each figure with the same as a table."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from statistics import fmean
from typing import TYPE_CHECKING

from coronet.studio import text
from coronet.studio.charts import sentence
from coronet.studio.compare.comparison import image
from coronet.studio.glossary import marked
from coronet.studio.learn import text as words

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from PIL import Image

    from coronet.lessons.anatomy import Anatomy, Stage
    from coronet.lessons.knobs import Knobs, Turned
    from coronet.lessons.shares import EvenCut
    from coronet.lessons.small_samples import Draws
    from coronet.lessons.timing import Race, Runner

_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#808080"  # told apart by mark and dash as well
_LEGEND = {"orientation": "h", "y": -0.25}
_MARGIN = {"l": 60, "r": 16, "t": 24, "b": 48}


def anatomy(found: "Anatomy") -> str:
    """Show a picture's way through a net: its groups in order, with some channels of each."""
    widest = max(stage.share.of for stage in found.stages)
    steps = "".join(_stage(stage, widest) for stage in found.stages)
    first = f"<li class='end'>{_figure(found.source, text.INPUT_ALT, text.INPUT)}</li>"
    last = f"<li class='end'>{_figure(found.output, text.DENSE_ALT, words.DENSE)}</li>"
    return f"<ol class='stages'>{first}{steps}{last}</ol>"


def even_cut(found: "EvenCut") -> str:
    """Show what an even cut leaves, as bars with their numbers, and the pictures before and after."""
    share = found.kept / found.of
    kept = words.KEPT_OF.format(kept=found.kept, of=found.of)
    bars = "".join(
        (
            _bar(words.CHANNELS_LEFT, share, f" · {kept}"),
            _bar(words.MACS_LEFT, found.macs_share),
            _bar(words.PARAMETERS_LEFT, found.parameters_share),
        )
    )
    pictures = _figure(found.dense, text.DENSE_ALT, words.DENSE) + _figure(
        found.slim, words.CUT_ALT.format(share=100 * share), words.CUT
    )
    title = f"<h4 class='small'>{words.LEFT}</h4>"
    return (
        f"<div class='even'><div>{title}<dl class='bars'>{bars}</dl></div><div class='pictures'>{pictures}</div></div>"
    )


def turned(found: "Turned") -> str:
    """Show the picture of the dense net, of the turned latents, and of the net without the channels at 0."""
    pictures = [
        _figure(found.dense, text.DENSE_ALT, words.ALL_ONES),
        _figure(found.turned, words.TURNED, words.TURNED),
    ]
    if found.cut is not None:
        pictures.append(_figure(found.cut, words.CUT_OUT, words.CUT_OUT))
    said = words.NOT_CUT if found.cut is None else words.GAP.format(gap=found.gap)
    return f"<div class='pictures three'>{''.join(pictures)}</div>{sentence(said)}"


def knobs_caption(found: "Knobs") -> str:
    """Say which channels the knobs belong to."""
    return sentence(words.KNOBS_CAPTION.format(count=len(found.channels), of=found.of, group=found.group))


def draws_figure(found: "Sequence[Draws]") -> "go.Figure":
    """Draw every distance against the number of pictures, and a line through the means of each kind."""
    import plotly.graph_objects as go

    drawing = go.Figure()
    kinds = (
        (words.MODEL_AGAINST, [draws.model for draws in found], _ORANGE, "square", "dash"),
        (words.HALVES, [draws.halves for draws in found], _BLUE, "circle", "solid"),
    )
    for name, several, colour, symbol, dash in kinds:
        counts = [draws.count for draws, values in zip(found, several, strict=True) for _ in values]
        marker = {"color": colour, "symbol": symbol, "size": 7, "opacity": 0.5}
        points = [value for values in several for value in values]
        drawing.add_trace(go.Scatter(x=counts, y=points, mode="markers", marker=marker, showlegend=False, name=name))
        means = [fmean(values) for values in several]
        line = {"color": colour, "dash": dash, "width": 2.5}
        sizes = [draws.count for draws in found]
        drawing.add_trace(
            go.Scatter(x=sizes, y=means, mode="lines+markers", line=line, marker={"symbol": symbol}, name=name)
        )
    ticks = [draws.count for draws in found]
    drawing.update_xaxes(title_text=words.COUNT_AXIS, type="log", tickvals=ticks, ticktext=[str(n) for n in ticks])
    drawing.update_yaxes(title_text=words.DISTANCE_AXIS, rangemode="tozero")
    drawing.update_layout(height=380, margin=_MARGIN, legend=_LEGEND)
    return drawing


def draws_table(found: "Sequence[Draws]") -> str:
    """Say what the draws show, and the same as the figure as a table."""
    few, many = found[0], found[-1]
    said = words.DRAWS_SAID.format(
        small=fmean(few.halves),
        few=few.count,
        large=fmean(many.halves),
        many=many.count,
        first=fmean(few.model),
        last=fmean(many.model),
    )
    rows = [(str(draws.count), _spread(draws.halves), _spread(draws.model)) for draws in found]
    caption = words.DRAWS_CAPTION.format(draws=len(few.halves))
    return f"<p class='finding' role='status'>{marked(said)}</p>{_table(caption, words.DRAWS_HEAD, rows)}"


def race_figure(race: "Race") -> "go.Figure":
    """Draw how many times faster each net is against how many times fewer MACs it has, beside the ideal line."""
    import plotly.graph_objects as go

    macs = [runner.macs_ratio for runner in race.runners]
    times = [runner.time_ratio for runner in race.runners]
    drawing = go.Figure()
    ideal = {"color": _GREY, "dash": "dot", "width": 2}
    drawing.add_trace(go.Scatter(x=macs, y=macs, mode="lines", line=ideal, name=words.IDEAL))
    drawing.add_trace(
        go.Scatter(
            x=macs,
            y=times,
            mode="lines+markers",
            line={"color": _BLUE, "width": 2.5},
            marker={"size": 10},
            name=words.MEASURED,
            text=[f"{runner.name}: {runner.milliseconds:.1f} ms" for runner in race.runners],
            hoverinfo="text",
        )
    )
    ticks = [round(value, 1) for value in macs]
    drawing.update_xaxes(title_text=words.RACE_X, type="log", tickvals=ticks, ticktext=[f"{n:g}×" for n in ticks])
    drawing.update_yaxes(title_text=words.RACE_Y, type="log", tickvals=[1, 2, 4, 8, 16], ticksuffix="×")
    drawing.update_layout(height=380, margin=_MARGIN, legend=_LEGEND)
    return drawing


def race_table(race: "Race") -> str:
    """Say what the race shows, and the same as the figure as a table."""
    slimmest = race.runners[-1]
    said = words.RACE_SAID.format(macs=slimmest.macs_ratio, time=slimmest.time_ratio)
    caption = words.RACE_CAPTION.format(repeats=race.repeats, size=race.image_size, threads=race.threads, cpu=race.cpu)
    rows = [_runner(runner) for runner in race.runners]
    return f"<p class='finding' role='status'>{marked(said)}</p>{_table(caption, words.RACE_HEAD, rows)}"


def _runner(runner: "Runner") -> tuple[str, ...]:
    name = words.DENSE if runner.name == "dense" else runner.name
    ratios = (f"{runner.macs_ratio:.1f}×", f"{runner.time_ratio:.1f}×")
    return (name, text.count(runner.macs), f"{runner.milliseconds:.1f}", *ratios)


def _stage(stage: "Stage", widest: int) -> str:
    share = stage.share
    said = words.STAGE.format(group=share.group, channels=share.of, width=stage.size[0], height=stage.size[1])
    kernels = ", ".join(
        words.STAGE_KERNEL.format(count=count, kernel=kernel) for kernel, count in Counter(share.kernels).items()
    )
    alt = words.MAP_ALT.format(group=share.group)
    maps = "".join(image(drawn, alt) for drawn in stage.maps)
    bar = f"<span class='bar' aria-hidden='true' style='--share:{100 * share.of / widest:.1f}%'></span>"
    made = f"<p class='note'>{escape(words.STAGE_LAYERS.format(kernels=kernels))}</p>"
    return f"<li><p>{escape(said)}</p>{bar}{made}<div class='maps'>{maps}</div></li>"


def _bar(name: str, share: float, more: str = "") -> str:
    value = words.PER_CENT.format(share=100 * share) + more
    bar = f"<span class='bar' aria-hidden='true' style='--share:{100 * share:.1f}%'></span>"
    return f"<div><dt>{marked(name)}</dt><dd>{escape(value)}{bar}</dd></div>"


def _figure(picture: "Image.Image", alt: str, caption: str) -> str:
    return f"<figure>{image(picture, alt)}<figcaption>{escape(caption)}</figcaption></figure>"


def _spread(values: Sequence[float]) -> str:
    return words.DRAWS_CELL.format(mean=fmean(values), low=min(values), high=max(values))


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    names = "".join(f"<th scope='col'>{marked(name)}</th>" for name in head)
    body = "".join(
        f"<tr><th scope='row'>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for first, *cells in rows
    )
    inside = f"<caption>{escape(caption)}</caption><thead><tr>{names}</tr></thead><tbody>{body}</tbody>"
    return f"<div class='scroll'><table class='numbers wrapped'>{inside}</table></div>"
