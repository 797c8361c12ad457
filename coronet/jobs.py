"""The job table: which run is executed when, and by which process.

A job is one row of an SQLite file beside the run folders; what a run is stands in `runs`, how a process is started in
`launcher`, what it does in `worker`. Nothing here knows the web or torch, and everything survives the process that
asked for it.
"""

import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from coronet.ending import end_early, forget_ending
from coronet.errors import RunError
from coronet.files import make_folder
from coronet.job_states import ACTIVE, LOST, RESTARTED, RESUMABLE, TRANSITIONS, Event, Job, Outcome, State, lost_words
from coronet.launcher import Launcher, LocalLauncher, Process
from coronet.runs import Run
from coronet.turns import fair_order, refuse_long_queue

__all__ = ["ACTIVE", "LOST", "RESTARTED", "RESUMABLE", "RUN_ID", "TRANSITIONS", "Job", "JobTable", "State"]

RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")  # folder names that may appear in addresses

_TABLE = "jobs.sqlite"
_SCHEMA = """CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, turn INTEGER NOT NULL, state TEXT NOT NULL, created REAL NOT NULL,
    pid INTEGER, started INTEGER, heartbeat REAL, asked REAL,
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '',
    owner TEXT NOT NULL DEFAULT '')"""
# The number of each owner's last start among all starts: it outlives the job, or to discard one would win a turn.
_STARTS = "CREATE TABLE IF NOT EXISTS starts (owner TEXT PRIMARY KEY, number INTEGER NOT NULL)"
_ADDED = {"owner": "TEXT NOT NULL DEFAULT ''"}  # columns that older tables lack
_ASKING = ""  # in the place of the name of a job that is not there yet
_CANCEL_PATIENCE = 120.0  # seconds from the wish to cancel until the process is ended by force


class JobTable:
    """The jobs of one folder of runs; any number of processes may use the same table at the same time.

    Owners take turns. What an owner may see is not decided here, and a job without one belongs to nobody.
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
            rows.execute(_STARTS)
        with self._rows() as rows:
            known = {row["name"] for row in rows.execute("PRAGMA table_info(jobs)")}
            for name in _ADDED.keys() - known:
                rows.execute(f"ALTER TABLE jobs ADD COLUMN {name} {_ADDED[name]}")

    # What a user asks for

    def submit(self, run: Run, owner: str = "") -> str:
        """Queue a run of this folder and give its job's id; RunError when too many wait or it is not new."""
        if run.path.parent != self.runs:
            raise RunError(f"{run.path} does not lie in {self.runs}, whose jobs this table holds. Create it there.")
        with self._rows() as rows:
            sql = "INSERT OR IGNORE INTO jobs (id, turn, state, created, owner) VALUES (?, ?, 'queued', ?, ?)"
            if not rows.execute(sql, (run.name, _next_turn(rows), time.time(), owner)).rowcount:
                raise RunError(f"The run '{run.name}' was submitted before. Resume it instead.")
            _refuse_long_queue(rows, owner)
        return run.name

    def request_pause(self, id: str) -> State:
        """Ask a job to save and stop for now; give its state afterwards."""
        return self._move(id, "pause")

    def request_keep(self, id: str) -> State:
        """Ask a job, also a stopped one, to finish with the net as it is; RunError where nothing was learned yet."""
        run = Run.open(self.runs / self.job(id).id)
        with self._rows() as rows:
            row = _row(rows, id)
            if row["state"] in RESUMABLE and not run.has_state():
                raise RunError("This run has learned nothing yet that could be kept. Resume or discard it.")
            state = _apply(rows, row, "keep")  # may refuse: the wish goes into the folder last
            if row["state"] in TRANSITIONS["keep"]:
                end_early(run.path)
            return state

    def request_cancel(self, id: str) -> State:
        """Ask a job to save and stop for good, its net unfinished; give its state afterwards."""
        state = self._move(id, "cancel")
        if state in ("cancelling", "cancelled"):
            forget_ending(self.runs / self.job(id).id)
        return state

    def request_discard(self, id: str) -> State:
        """Ask for a job to be ended and its folder to be removed, with all that is in it; give its state afterwards."""
        return self._move(id, "discard")

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

    def count_before(self, owner: str = "") -> int:
        """Count the jobs at work and those that would have their turn before one that this owner asked for now."""
        with self._open() as rows:
            active = rows.execute(f"SELECT COUNT(*) FROM jobs WHERE state IN {ACTIVE}").fetchone()[0]
            return int(active) + _queue(rows, asking=owner).index(_ASKING)

    # What the server does

    def adopt(self) -> None:
        """Take up run folders that are not in the table: copied here, or made on the command line.

        Jobs whose process did not outlive the last server are marked as interrupted.
        """
        found = sorted(path.parent for path in self.runs.glob("*/settings.json"))
        folders = [folder for folder in found if RUN_ID.fullmatch(folder.name)]
        with self._rows() as rows:
            known = {row["id"] for row in rows.execute("SELECT id FROM jobs")}
            for folder in folders:
                if folder.name not in known and (status := Run(folder, "", {}).status()) != "running":
                    state = "done" if status == "done" else "interrupted"
                    sql = "INSERT INTO jobs (id, turn, state, created) VALUES (?, ?, ?, ?)"
                    rows.execute(sql, (folder.name, _next_turn(rows), state, folder.stat().st_mtime))
            for row in rows.execute(f"SELECT * FROM jobs WHERE state IN {ACTIVE}").fetchall():
                process = _process(row)
                if process is None or not self._launcher.alive(process):
                    _apply(rows, row, "lost", RESTARTED)

    def tick(self) -> None:
        """Notice ended workers, end those that do not obey, and start what waits while a place is free."""
        with self._rows() as rows:
            for row in rows.execute(f"SELECT * FROM jobs WHERE state IN {ACTIVE}").fetchall():
                self._look_after(rows, row)
            discarded = rows.execute("SELECT * FROM jobs WHERE state='discarding'").fetchall()
            active = sum(self._is_in_the_way(rows, row) for row in discarded)
            active += rows.execute(f"SELECT COUNT(*) FROM jobs WHERE state IN {ACTIVE}").fetchone()[0]
            for id in _queue(rows)[: max(0, self._workers - active)]:
                number = "(SELECT COALESCE(MAX(number), 0) + 1 FROM starts)"
                rows.execute(f"REPLACE INTO starts SELECT owner, {number} FROM jobs WHERE id=?", (id,))
                self._start(rows, id)

    # What a worker does

    def claim(self, id: str, process: Process) -> State | None:
        """Enter a worker's process; give the state it finds, or None when the job is another's or not to be run."""
        with self._rows() as rows:
            row = _row(rows, id)
            before = _process(row)
            if before not in (None, process) and row["state"] in ACTIVE and self._launcher.alive(before):
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
            return _apply(rows, row, event, message) if _process(row) == process else row["state"]

    def _move(self, id: str, event: Event) -> State:
        with self._rows() as rows:
            return _apply(rows, _row(rows, id), event)

    def _look_after(self, rows: sqlite3.Connection, row: sqlite3.Row) -> None:
        process = _process(row)
        if process is None or not self._launcher.alive(process):
            _apply(rows, row, "lost", lost_words(self.runs))
        elif row["state"] == "cancelling":
            self._lose_patience(row, process)

    def _lose_patience(self, row: sqlite3.Row, process: Process) -> None:
        if time.time() - (row["asked"] or 0.0) > _CANCEL_PATIENCE:
            self._launcher.kill(process)

    def _is_in_the_way(self, rows: sqlite3.Connection, row: sqlite3.Row) -> bool:
        """Remove a discarded run, unless a process is still at work in it; True as long as one is.

        The row goes last: what a kill interrupts is done at the next tick.
        """
        process = _process(row)
        if process is not None and self._launcher.alive(process):
            self._lose_patience(row, process)
            return True
        folder = self.runs / row["id"]
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            rows.execute("DELETE FROM jobs WHERE id=?", (row["id"],))
        return False

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


def _apply(rows: sqlite3.Connection, row: sqlite3.Row, event: Event, message: str = "") -> State:
    before: State = row["state"]
    after = TRANSITIONS[event].get(before, before)
    if after != before:
        sql = "UPDATE jobs SET state=?, message=?, asked=? WHERE id=?"
        rows.execute(sql, (after, message, time.time(), row["id"]))
        if after == "queued":
            _refuse_long_queue(rows, row["owner"])
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


def _process(row: sqlite3.Row) -> Process | None:
    return None if row["pid"] is None else Process(row["pid"], row["started"])


def _queue(rows: sqlite3.Connection, asking: str | None = None) -> list[str]:
    """Give what waits, in order; with an owner who asks, also the job he would ask for now."""
    found = rows.execute("SELECT id, owner FROM jobs WHERE state='queued' ORDER BY turn").fetchall()
    waiting = [(id, owner) for id, owner in found] + ([] if asking is None else [(_ASKING, asking)])
    return fair_order(waiting, dict(rows.execute("SELECT owner, number FROM starts").fetchall()))


def _next_turn(rows: sqlite3.Connection) -> int:
    return int(rows.execute("SELECT COALESCE(MAX(turn), 0) + 1 FROM jobs").fetchone()[0])


def _refuse_long_queue(rows: sqlite3.Connection, owner: str) -> None:
    sql = "SELECT COUNT(*), COALESCE(SUM(owner=?), 0) FROM jobs WHERE state='queued'"
    waiting, own = rows.execute(sql, (owner,)).fetchone()
    refuse_long_queue(waiting, own if owner else 0)


def _to_job(row: sqlite3.Row, queue: list[str]) -> Job:
    values: dict[str, Any] = {name: row[name] for name in Job.__dataclass_fields__ if name != "ahead"}
    return Job(**values, ahead=queue.index(row["id"]) if row["id"] in queue else 0)
