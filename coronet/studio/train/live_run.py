"""A run as it is this second, at a plain address, for all pages that follow it: one snapshot, shared by them.

Such an answer costs a fraction of an event of Gradio's. A page asks for what moves when the snapshot's stamp changes,
and for all the rest when the state does, with which a stamp begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from coronet.errors import RunError
from coronet.jobs import Job
from coronet.runs import Run
from coronet.studio import charts
from coronet.studio.desk import Desk
from coronet.studio.shared import Shared
from coronet.studio.train import watching

_FRESH_SECONDS = 1.0
_BETWEEN_STAMPS = 5.0  # seconds of training, where steps are all that is new

SCRIPT = """
let isAsking = false, ticks = 0;
const follow = async () => {
  const place = element.querySelector("[data-run]");
  if (!place || isAsking || document.hidden || !place.offsetParent) return;
  if (place.dataset.rests && ++ticks % 5) return;  // someone may resume it on another page
  isAsking = true;
  try {
    const answer = await fetch("runs/" + place.dataset.run + "/now");
    const now = answer.ok && await answer.json();
    if (!now || !place.isConnected) return;
    if (now.stamp === place.dataset.stamp) { place.innerHTML = now.html; return; }
    const isOneState = now.stamp.split("-")[0] === place.dataset.stamp.split("-")[0];
    place.dataset.stamp = now.stamp;
    trigger(isOneState ? "input" : "select", {index: 0, value: now.stamp});
  } catch { return; } finally { isAsking = false; }
};
setInterval(follow, 2000);
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the page shows of a run's progress, and what tells whether anything else is new."""

    html: str
    stamp: str


def snapshot(job: Job, run: Run, events: Sequence[charts.Event]) -> Snapshot:
    """Describe a run's progress."""
    previews = list(run.previews())[-1:]
    trained = events[-1]["seconds"] // _BETWEEN_STAMPS if events else 0
    html = charts.progress(job, events) + watching.trouble(job, run)
    return Snapshot(html, f"{job.state}-{previews}-{trained:.0f}")


def is_moving(job: Job) -> bool:
    """Tell whether a run may change by itself."""
    return job.active or job.state in ("queued", "discarding")


def followed(job: Job, run: Run, events: Sequence[charts.Event]) -> str:
    """Give the progress of a run as HTML that follows it by `SCRIPT`, more slowly where it rests, until it is done."""
    now = snapshot(job, run, events)
    if job.state == "done":
        return now.html
    rests = "" if is_moving(job) else " data-rests='yes'"
    return f"<div data-run='{job.id}' data-stamp='{now.stamp}'{rests}>{now.html}</div>"


def live_routes(desk: Desk) -> list[BaseRoute]:
    """Give the route /runs/ID/now; who knows a run's name was given it."""
    snapshots: Shared[Snapshot] = Shared(_FRESH_SECONDS)

    def look(id: str) -> Snapshot:
        job, run = desk.run(id)
        return snapshot(job, run, desk.events(run))

    def serve_now(request: Request) -> Response:
        id = request.path_params["id"]
        try:
            now = snapshots.of(id, lambda: look(id))
        except RunError:  # discarded, or reset: the page that follows it looks once more, and is told
            now = Snapshot("", "gone")
        return JSONResponse({"html": now.html, "stamp": now.stamp}, headers={"Cache-Control": "no-store"})

    return [Route("/runs/{id}/now", serve_now)]
