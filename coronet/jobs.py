"""The job table: which run is executed when, and by which process.

A job is one row of an SQLite file beside the run folders; what a run is stands in `runs`, how a process is started in
`launcher`, what it does in `worker`. Nothing here knows the web or torch, and everything survives the process that
asked for it.
"""

import logging
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from coronet.errors import RunError
from coronet.files import make_folder
from coronet.launcher import Launcher, LocalLauncher, Process
from coronet.runs import Run

State = Literal["queued", "running", "pausing", "cancelling", "paused", "done", "cancelled", "failed", "interrupted"]
Outcome = Literal["done", "failed", "stopped"]
Event = Outcome | Literal["start", "pause", "cancel", "resume", "lost"]
Moves = Mapping[State, State]

ACTIVE: tuple[State, ...] = ("running", "pausing", "cancelling")  # a process is at work
RESUMABLE: tuple[State, ...] = ("paused", "interrupted", "failed", "cancelled")
# What each event makes of each state; a state that is not named stays as it is. "stopped" is a worker that obeyed.
TRANSITIONS: Mapping[Event, Moves] = {
    "start": {"queued": "running"},
    "pause": {"queued": "paused", "running": "pausing"},
    "cancel": {
        "queued": "cancelled",
        "running": "cancelling",
        "pausing": "cancelling",
        "paused": "cancelled",
        "interrupted": "cancelled",
    },
    "resume": dict.fromkeys(RESUMABLE, "queued"),
    "done": dict.fromkeys(ACTIVE, "done"),
    "failed": dict.fromkeys(ACTIVE, "failed"),
    "stopped": {"running": "paused", "pausing": "paused", "cancelling": "cancelled"},
    "lost": {"running": "interrupted", "pausing": "interrupted", "cancelling": "cancelled"},
}
LOST = "The run's process ended without a word: killed, out of memory, or the machine stopped. See its worker.log."

RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")  # folder names that may appear in addresses

_TABLE = "jobs.sqlite"
_SCHEMA = """CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, turn INTEGER NOT NULL, state TEXT NOT NULL, created REAL NOT NULL,
    pid INTEGER, started INTEGER, heartbeat REAL, asked REAL,
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '')"""
_MOST_QUEUED = 50
_CANCEL_PATIENCE = 120.0  # seconds from the wish to cancel until the process is ended by force
_LOOP_SECONDS = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One row: the execution of the run folder with this name."""

    id: str
    state: State
    created: float  # seconds since 1970
    done: int  # steps of the whole run
    total: int
    message: str  # why it failed or was interrupted, else empty
    heartbeat: float | None  # when the last step was reported, seconds since 1970
    ahead: int  # queued jobs that come first

    @property
    def active(self) -> bool:
        """Tell whether a process is at work."""
        return self.state in ACTIVE


class JobTable:
    """The jobs of one folder of runs; any number of processes may use the same table at the same time.

    Everything that takes an id raises RunError when there is no such job.
    """

    def __init__(self, runs: Path | str, launcher: Launcher | None = None, *, workers: int = 1) -> None:
        self.runs = Path(runs).absolute()
        self._launcher = launcher or LocalLauncher()
        self._workers = workers
        make_folder(self.runs)
        with self._open() as rows:
            rows.execute("PRAGMA journal_mode=WAL")
            rows.execute(_SCHEMA)

    # What a user asks for

    def submit(self, run: Run) -> str:
        """Queue a run of this folder and give its job's id; RunError when too many wait or it is not new."""
        if run.path.parent != self.runs:
            raise RunError(f"{run.path} does not lie in {self.runs}, whose jobs this table holds. Create it there.")
        with self._rows() as rows:
            sql = "INSERT OR IGNORE INTO jobs (id, turn, state, created) VALUES (?, ?, 'queued', ?)"
            if not rows.execute(sql, (run.name, _next_turn(rows), time.time())).rowcount:
                raise RunError(f"The run '{run.name}' was submitted before. Resume it instead.")
            _refuse_long_queue(rows)
        return run.name

    def request_pause(self, id: str) -> State:
        """Ask a job to save and stop for now; give its state afterwards."""
        return self._move(id, "pause")

    def request_cancel(self, id: str) -> State:
        """Ask a job to save and stop for good; give its state afterwards."""
        return self._move(id, "cancel")

    def resume(self, id: str) -> State:
        """Queue a job that stopped before its end; give its state afterwards."""
        Run.open(self.runs / self.job(id).id)
        return self._move(id, "resume")

    def state(self, id: str) -> State:
        """Give a job's state."""
        with self._open() as rows:
            return _row(rows, id)["state"]

    def job(self, id: str) -> Job:
        """Give a job."""
        with self._open() as rows:
            return _to_job(_row(rows, id), _queue(rows))

    def list(self) -> tuple[Job, ...]:
        """Give all jobs, the youngest first."""
        with self._open() as rows:
            queue = _queue(rows)
            return tuple(_to_job(row, queue) for row in rows.execute("SELECT * FROM jobs ORDER BY created DESC, id"))

    # What the server does

    def adopt(self) -> None:
        """Take up run folders that are not in the table: copied here, or made on the command line."""
        found = sorted(path.parent for path in self.runs.glob("*/settings.json"))
        folders = [folder for folder in found if RUN_ID.fullmatch(folder.name)]
        with self._rows() as rows:
            known = {row["id"] for row in rows.execute("SELECT id FROM jobs")}
            for folder in folders:
                if folder.name not in known and (status := Run(folder, "", {}).status()) != "running":
                    state = "done" if status == "done" else "interrupted"
                    sql = "INSERT INTO jobs (id, turn, state, created) VALUES (?, ?, ?, ?)"
                    rows.execute(sql, (folder.name, _next_turn(rows), state, folder.stat().st_mtime))

    def tick(self) -> None:
        """Notice ended workers, end those that do not obey, and start what waits while a place is free."""
        with self._rows() as rows:
            for row in rows.execute(f"SELECT * FROM jobs WHERE state IN {ACTIVE}").fetchall():
                self._look_after(rows, row)
            active = rows.execute(f"SELECT COUNT(*) FROM jobs WHERE state IN {ACTIVE}").fetchone()[0]
            for id in _queue(rows)[: max(0, self._workers - active)]:
                self._start(rows, id)

    # What a worker does

    def claim(self, id: str, process: Process) -> State | None:
        """Enter a worker's process; give the state it finds, or None when the job is another's or not to be run."""
        with self._rows() as rows:
            row = _row(rows, id)
            owner = _owner(row)
            if owner not in (None, process) and row["state"] in ACTIVE and self._launcher.alive(owner):
                return None
            state = TRANSITIONS["start"].get(row["state"], row["state"])
            if state not in ACTIVE:
                return None
            _enter(rows, id, state, process)
            return state

    def heartbeat(self, id: str, process: Process, done: int, total: int) -> None:
        """Report a worker's progress in steps of the whole run."""
        with self._rows() as rows:
            sql = "UPDATE jobs SET heartbeat=?, done=?, total=? WHERE id=? AND pid=? AND started=?"
            rows.execute(sql, (time.time(), done, total, id, process.pid, process.started))

    def finish(self, id: str, process: Process, event: Outcome, message: str = "") -> State:
        """Write how a worker's execution ended; nothing happens when the job has passed to another process."""
        with self._rows() as rows:
            row = _row(rows, id)
            return _apply(rows, row, event, message) if _owner(row) == process else row["state"]

    def _move(self, id: str, event: Event) -> State:
        with self._rows() as rows:
            return _apply(rows, _row(rows, id), event)

    def _look_after(self, rows: sqlite3.Connection, row: sqlite3.Row) -> None:
        owner = _owner(row)
        if owner is None or not self._launcher.alive(owner):
            _apply(rows, row, "lost", LOST)
        elif row["state"] == "cancelling" and time.time() - (row["asked"] or 0.0) > _CANCEL_PATIENCE:
            self._launcher.kill(owner)

    def _start(self, rows: sqlite3.Connection, id: str) -> None:
        # Inside the transaction: a server that dies here leaves the row queued, and the worker enters itself.
        try:
            process = self._launcher.start(self.runs / id)
        except OSError as error:
            message = f"The run could not be started ({error.strerror}). Look at its folder and resume it."
            rows.execute("UPDATE jobs SET state='failed', message=? WHERE id=?", (message, id))
        else:
            _enter(rows, id, "running", process)

    @contextmanager
    def _rows(self) -> Iterator[sqlite3.Connection]:
        """Open the table for one transaction that reads and writes; an error inside undoes it."""
        with self._open() as rows:
            rows.execute("BEGIN IMMEDIATE")
            with rows:
                yield rows

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Connect to the table; one that cannot be used is a RunError."""
        path = self.runs / _TABLE
        try:
            with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as rows:
                rows.row_factory = sqlite3.Row
                rows.execute("PRAGMA synchronous=NORMAL")
                yield rows
        except sqlite3.Error as error:
            advice = "Is the disk full or read-only? If the file is damaged, move it away: the runs are kept."
            raise RunError(f"The job table {path} cannot be used ({error}). {advice}") from error


class Scheduler:
    """A thread that ticks a job table inside its `with` block; workers go on after it."""

    def __init__(self, table: JobTable) -> None:
        self._table = table
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="scheduler", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self._table.tick()
            except Exception:  # an edge: without this thread no queued run would ever start
                _log.exception("The scheduler goes on after an error.")
            self._stop.wait(_LOOP_SECONDS)


def _apply(rows: sqlite3.Connection, row: sqlite3.Row, event: Event, message: str = "") -> State:
    before: State = row["state"]
    after = TRANSITIONS[event].get(before, before)
    if after != before:
        sql = "UPDATE jobs SET state=?, message=?, asked=? WHERE id=?"
        rows.execute(sql, (after, message, time.time(), row["id"]))
        if after == "queued":
            _refuse_long_queue(rows)
            rows.execute("UPDATE jobs SET turn=?, pid=NULL, started=NULL WHERE id=?", (_next_turn(rows), row["id"]))
    return after


def _enter(rows: sqlite3.Connection, id: str, state: State, process: Process) -> None:
    values = (state, process.pid, process.started, time.time(), id)
    rows.execute("UPDATE jobs SET state=?, pid=?, started=?, heartbeat=?, message='' WHERE id=?", values)


def _row(rows: sqlite3.Connection, id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = rows.execute("SELECT * FROM jobs WHERE id=?", (id,)).fetchone()
    if row is None:
        raise RunError(f"There is no run '{id[:80]}' here. Choose one from the list of runs.")
    return row


def _owner(row: sqlite3.Row) -> Process | None:
    return None if row["pid"] is None else Process(row["pid"], row["started"])


def _queue(rows: sqlite3.Connection) -> list[str]:
    return [row["id"] for row in rows.execute("SELECT id FROM jobs WHERE state='queued' ORDER BY turn")]


def _next_turn(rows: sqlite3.Connection) -> int:
    return int(rows.execute("SELECT COALESCE(MAX(turn), 0) + 1 FROM jobs").fetchone()[0])


def _refuse_long_queue(rows: sqlite3.Connection) -> None:
    if len(_queue(rows)) > _MOST_QUEUED:
        raise RunError(f"More than {_MOST_QUEUED} runs are waiting. Cancel some, or start yours later.")


def _to_job(row: sqlite3.Row, queue: list[str]) -> Job:
    values: dict[str, Any] = {name: row[name] for name in Job.__dataclass_fields__ if name != "ahead"}
    return Job(**values, ahead=queue.index(row["id"]) if row["id"] in queue else 0)
