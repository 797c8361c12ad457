"""The teacher's page, behind a password of its own: everybody's runs, the wall, the rules, the reset.

Every handler asks the gate first. What it then calls stands in classroom.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from coronet.errors import AccessError
from coronet.studio import charts, text
from coronet.studio.desk import Desk
from coronet.studio.edge import edge
from coronet.studio.live import live_region
from coronet.studio.teacher import text as text_teacher
from coronet.studio.teacher import wall
from coronet.studio.teacher.classroom import Classroom, Row
from coronet.studio.teacher.gate import Gate
from coronet.studio.teacher.rules import PRESETS, Rules
from coronet.studio.visitors import visitor_of

PATH = "teacher"
_TICK_SECONDS = 3.0
_MOST_ROWS = 100
_UNKNOWN_ADDRESS = "unknown"

Seen = dict[str, Any]


class Handlers:
    """What happens on an event: values in, values out. Each asks the gate first."""

    def __init__(self, desk: Desk, gate: Gate) -> None:
        self._desk = desk
        self._gate = gate
        self._classroom = Classroom(desk)

    def enter(self, password: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Let the teacher in from this browser."""
        client = getattr(request, "client", None)
        address = str(client.host) if client is not None else _UNKNOWN_ADDRESS
        self._gate.enter(visitor_of(request), address, password)
        return "", *self.restore(request)

    def leave(self, request: gr.Request) -> tuple[Any, ...]:
        """Close the gate for this browser."""
        self._gate.leave(visitor_of(request))
        return "", *self.restore(request)

    def restore(self, request: gr.Request) -> tuple[Any, ...]:
        """Show the form, or what lies behind it, and the rules as they are; what is being typed stays."""
        is_open = self._gate.is_open(visitor_of(request))
        rules = self._desk.rule_book.rules() if is_open else None
        given = rules or Rules()
        return (
            gr.Column(visible=not is_open),
            gr.Column(visible=is_open),
            gr.Timer(active=is_open),
            list(given.presets),
            given.minutes,
            given.least_ratio,
            given.most_ratio,
            _rules_sentence(rules) if is_open else "",
        )

    def look(self, seen: Seen, request: gr.Request) -> tuple[Any, ...]:
        """Show everybody's runs and the wall; what the page shows already is not sent again."""
        self._gate.check(visitor_of(request))
        rows, points = self._classroom.rows(), self._classroom.points()
        now = {
            "runs": [row.job.id for row in rows],
            "points": [(point.outcome.folder.name, point.group) for point in points],
            "table": _jobs_table(rows),
        }
        choices = [(f"{row.group}: {row.words}", row.job.id) for row in rows]
        same_points = now["points"] == seen.get("points")
        drawn = gr.Plot(wall.figure(points), visible=True) if points else gr.Plot(visible=False)
        return (
            gr.skip() if now["table"] == seen.get("table") else now["table"],
            gr.skip() if now["runs"] == seen.get("runs") else gr.Dropdown(choices),
            gr.skip() if same_points else drawn,
            gr.skip() if same_points else wall.table(points),
            now,
        )

    def pause_any(self, id: str | None, request: gr.Request) -> str:
        """Ask any run to save and stop for now."""
        self._gate.check(visitor_of(request))
        return _asked(id, self._classroom.pause(id or ""))

    def stop_any(self, id: str | None, request: gr.Request) -> str:
        """Ask any run to save and stop for good."""
        self._gate.check(visitor_of(request))
        return _asked(id, self._classroom.stop(id or ""))

    def stop_all(self, request: gr.Request) -> str:
        """Ask all runs that wait or are executed to stop for good."""
        self._gate.check(visitor_of(request))
        return charts.plain_sentence(text_teacher.STOPPED.format(count=self._classroom.stop_all()))

    def lock(
        self,
        presets: Sequence[str] | None,
        minutes: float | None,
        least: float | None,
        most: float | None,
        request: gr.Request,
    ) -> str:
        """Let visitors choose only these presets, so many minutes and ratios of this range."""
        self._gate.check(visitor_of(request))
        return _rules_sentence(
            self._desk.rule_book.lock(tuple(presets or ()), minutes or 0.0, least or 0.0, most or 0.0)
        )

    def unlock(self, request: gr.Request) -> str:
        """Let visitors choose everything again."""
        self._gate.check(visitor_of(request))
        self._desk.rule_book.unlock()
        return _rules_sentence(None)

    def reset(self, word: str | None, request: gr.Request) -> tuple[str, str, str]:
        """Remove every visitor's runs and uploads; `word` confirms it."""
        self._gate.check(visitor_of(request))
        if (word or "").strip() != text_teacher.CONFIRM_WORD:
            raise AccessError(text_teacher.NOT_CONFIRMED)
        said = charts.plain_sentence(text_teacher.WAS_RESET.format(runs=self._classroom.reset()))
        return said, "", _rules_sentence(None)


@dataclass(frozen=True, slots=True)
class Parts:
    """The components of this page that several events speak to."""

    form: gr.Column
    room: gr.Column
    password: gr.Textbox
    timer: gr.Timer
    seen: gr.State
    jobs: gr.HTML
    run: gr.Dropdown
    said: gr.HTML
    plot: gr.Plot
    table: gr.HTML
    rules: tuple[Any, ...]
    rules_said: gr.HTML


def build_teacher(desk: Desk, gate: Gate, page: gr.Blocks) -> None:
    """Build the page as a route of its own beside the main one."""
    gr.Markdown(f"# {text_teacher.TITLE}\n\n{text_teacher.LEAD}")
    with gr.Column(elem_id="teacher-form") as form:
        password = gr.Textbox(label=text_teacher.PASSWORD, type="password", max_lines=1, elem_id="teacher-password")
        enter = gr.Button(text_teacher.ENTER, variant="primary", elem_id="enter")
    handlers = Handlers(desk, gate)
    with gr.Column(visible=False, elem_id="teacher-room") as room:
        leave = gr.Button(text_teacher.LEAVE, size="sm", elem_id="leave")
        jobs, run, said = _build_jobs(handlers)
        plot, table = _build_wall()
        rules, rules_said = _build_rules(handlers)
        _build_reset(handlers, rules_said)
    timer, seen = gr.Timer(_TICK_SECONDS, active=False), gr.State({})
    parts = Parts(form, room, password, timer, seen, jobs, run, said, plot, table, rules, rules_said)
    _connect(handlers, parts, page, enter, leave)


def _build_jobs(handlers: Handlers) -> tuple[gr.HTML, gr.Dropdown, gr.HTML]:
    gr.Markdown(f"## {text_teacher.JOBS}")
    jobs = gr.HTML(label=text_teacher.JOBS, elem_id="jobs", elem_classes="numbers-panel")
    with gr.Row(equal_height=False, elem_id="jobs-bar"):
        run = gr.Dropdown([], label=text_teacher.SELECTED, allow_custom_value=True, scale=3, elem_id="any-run")
        pause = gr.Button(text_teacher.PAUSE, min_width=90, elem_id="pause-any")
        stop = gr.Button(text_teacher.STOP, min_width=90, elem_id="stop-any")
        stop_all = gr.Button(text_teacher.STOP_ALL, variant="stop", min_width=90, elem_id="stop-all")
    said = live_region(text_teacher.JOBS, "jobs-said")
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "undocumented"}
    pause.click(edge(handlers.pause_any), run, said, api_name="pause_any", **quiet)
    stop.click(edge(handlers.stop_any), run, said, api_name="stop_any", **quiet)
    stop_all.click(edge(handlers.stop_all), None, said, api_name="stop_all", **quiet)
    return jobs, run, said


def _build_wall() -> tuple[gr.Plot, gr.HTML]:
    gr.Markdown(f"## {text_teacher.WALL}")
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            plot = gr.Plot(label=text_teacher.WALL, visible=False, elem_id="wall")
        with gr.Column(scale=2, min_width=300):
            table = gr.HTML(label=text_teacher.WALL, elem_id="wall-table", elem_classes="numbers-panel")
    return plot, table


def _build_rules(handlers: Handlers) -> tuple[tuple[Any, ...], gr.HTML]:
    gr.Markdown(f"## {text_teacher.RULES}\n\n{text_teacher.RULES_INFO}")
    start = Rules()
    with gr.Row():
        presets = gr.CheckboxGroup(
            list(PRESETS), value=list(start.presets), label=text_teacher.ALLOWED, elem_id="allowed"
        )
        minutes = gr.Number(start.minutes, label=text_teacher.MINUTES, info=text_teacher.MINUTES_INFO, minimum=0)
        least = gr.Number(start.least_ratio, label=text_teacher.LEAST_RATIO, minimum=1)
        most = gr.Number(start.most_ratio, label=text_teacher.MOST_RATIO, minimum=1)
    rules = (presets, minutes, least, most)
    with gr.Row():
        lock = gr.Button(text_teacher.LOCK, variant="primary", elem_id="lock")
        unlock = gr.Button(text_teacher.UNLOCK, elem_id="unlock")
    said = live_region(text_teacher.RULES, "rules")
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "undocumented"}
    lock.click(edge(handlers.lock), list(rules), said, api_name="lock", **quiet)
    unlock.click(edge(handlers.unlock), None, said, api_name="unlock", **quiet)
    return rules, said


def _build_reset(handlers: Handlers, rules_said: gr.HTML) -> None:
    gr.Markdown(f"## {text_teacher.RESET}\n\n{text_teacher.RESET_INFO}")
    with gr.Row(equal_height=False):
        word = gr.Textbox(label=text_teacher.CONFIRM, max_lines=1, elem_id="confirm-reset")
        reset = gr.Button(text_teacher.RESET_NOW, variant="stop", elem_id="reset")
    said = live_region(text_teacher.RESET, "reset-said")
    hidden: dict[str, Any] = {"api_visibility": "undocumented"}
    shown = [said, word, rules_said]
    reset.click(edge(handlers.reset), word, shown, show_progress_on=reset, api_name="reset", **hidden)


def _connect(handlers: Handlers, parts: Parts, page: gr.Blocks, enter: gr.Button, leave: gr.Button) -> None:
    # Gradio shows the errors of queued events only.
    quiet: dict[str, Any] = {"api_visibility": "undocumented", "show_progress": "hidden"}
    shown = [parts.form, parts.room, parts.timer, *parts.rules, parts.rules_said]
    emptied = [parts.password, *shown]
    looked = [parts.jobs, parts.run, parts.plot, parts.table, parts.seen]
    look = edge(handlers.look)
    entered = gr.on(
        [enter.click, parts.password.submit], edge(handlers.enter), parts.password, emptied, api_name="enter", **quiet
    )
    entered.success(look, parts.seen, looked, queue=False, api_name="first_look", **quiet)
    leave.click(edge(handlers.leave), None, emptied, api_name="leave", **quiet)
    page.load(edge(handlers.restore), None, shown, queue=False, api_name="restore_teacher", **quiet)
    parts.timer.tick(look, parts.seen, looked, queue=False, api_name="look_at_all", **quiet)


def _asked(id: str | None, state: str) -> str:
    return charts.plain_sentence(text_teacher.ASKED.format(id=f"…{(id or '')[-4:]}", state=text.STATES[state]))


def _rules_sentence(rules: Rules | None) -> str:
    return charts.plain_sentence(rules.sentence() if rules else text_teacher.FREE, "state" if rules else "note")


def _jobs_table(rows: Sequence[Row]) -> str:
    if not rows:
        return charts.plain_sentence(text_teacher.NO_JOBS)
    head = "".join(f"<th scope='col'>{name}</th>" for name in text_teacher.JOBS_HEAD)
    lines = "".join(
        f"<tr><th scope='row'>{escape(row.group)}</th><td>{escape(row.words)}</td>"
        f"<td>{escape(text.STATES[row.job.state].partition(':')[0].partition('.')[0])}</td>"
        f"<td>{f'{row.job.done} / {row.job.total}' if row.job.total else '–'}</td></tr>"
        for row in rows[:_MOST_ROWS]
    )
    body = f"<table class='numbers wrapped'><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
    return f"<div class='scroll'>{body}</div>"
