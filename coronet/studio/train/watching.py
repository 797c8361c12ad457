"""What a watched run shows beside its progress: what its losses mean, its plan, and what went wrong."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from coronet.ending import is_ending
from coronet.jobs import Job
from coronet.runs import Run
from coronet.studio import run_words
from coronet.studio.charts import Event, sentence

_LOG = "worker.log"
_LAST_LINES = 12
_MOST_BYTES = 4000
_PLAN_POINTS = 50
_MOST_DRAWN = 300


def thinned(events: Sequence[Event]) -> Sequence[Event]:
    """Keep at most so many points as a plot of this width can show, the last one always."""
    stride = -(-len(events) // _MOST_DRAWN) or 1
    return events[::-1][::stride][::-1]


def explained(events: Sequence[Event]) -> str:
    """Say what each loss of a run means, closed until it is asked for."""
    names = dict.fromkeys(name for event in events for name in event["losses"])
    items = [f"<div><dt>{escape(name)}</dt><dd>{escape(loss_words(name))}</dd></div>" for name in names]
    if not any(map(loss_words, names)):
        return ""
    note = sentence(run_words.LOSS_NOTE)
    return f"<details><summary>{run_words.LOSS_LIST}</summary>{note}<dl class='words'>{''.join(items)}</dl></details>"


def loss_words(name: str) -> str:
    """Say what a loss means, in one sentence or two; nothing of an unknown one."""
    if name in run_words.LOSS_WORDS:
        return run_words.LOSS_WORDS[name]
    for suffix, words in run_words.LOSS_SUFFIXES.items():
        if name.endswith(suffix) and name.removesuffix(suffix) in run_words.LOSS_WORDS:
            return f"{run_words.LOSS_WORDS[name.removesuffix(suffix)]} {words}"
    return ""


def planned(run: Run, events: Sequence[Event]) -> tuple[list[int], list[float]]:
    """Give the steps of the search and the ratios that its plan has there; both empty where there is no plan."""
    first = next((event for event in events if event["phase"] == "search" and event.get("ratio")), None)
    ratio = run.settings.get("ratio")
    if first is None or not isinstance(ratio, int | float) or ratio < 1 or not isinstance(first.get("step"), int):
        return [], []
    from coronet.search import SearchPlan  # torch, which the channel map of such a run needs, too

    plan, total = SearchPlan(float(ratio)), max(1, int(first["steps"]))
    begin = first["done"] - first["step"]
    places = sorted({round(total * point / _PLAN_POINTS) for point in range(_PLAN_POINTS + 1)})
    return [begin + place for place in places], [plan.ratio_at(place / total) for place in places]


def trouble(job: Job, run: Run) -> str:
    """Say what becomes of a run that ends early, and of a failed one how to go on and what its log says last."""
    parts = []
    if is_ending(run.path) and job.state in ("queued", "running", "paused", "interrupted", "failed"):
        parts.append(sentence(run_words.ENDING))
    if job.state in ("failed", "interrupted"):
        lines = last_lines(run.path / _LOG)
        if job.state == "failed":
            parts.append(sentence(run_words.OFFER))
        if lines:
            log = f"<pre class='log' tabindex='0' aria-label='{run_words.LOG}'>{escape(lines)}</pre>"
            shown = " open" if job.state == "failed" else ""
            parts.append(f"<details{shown}><summary>{run_words.LOG}</summary>{log}</details>")
    return "".join(parts)


def last_lines(path: Path) -> str:
    """Read the last lines of a log; nothing where there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _MOST_BYTES))
            data = file.read()
    except OSError:  # not there yet, or removed
        return ""
    return "\n".join(data.decode("utf-8", "replace").splitlines()[-_LAST_LINES:])
