"""The process that executes one run: `python -m coronet.worker RUN`. It stops when the job table says so.

SIGTERM means pause: the state is saved, and the run can be resumed. Nothing else starts training in the background.
"""

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from coronet.errors import CoronetError
from coronet.jobs import JobTable
from coronet.launcher import Process, identify
from coronet.priority import step_back
from coronet.runs import Run

_NICENESS = 10  # the pages answer first
_HEARTBEAT_SECONDS = 1.0
_AT_WORK = ("running", "keeping")  # whether it is to end early, the run itself looks up
_log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Execute the run folder named on the command line; give the exit status: 0 ended as asked, 2 a user's, 1 a bug."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    paths = sys.argv[1:] if arguments is None else arguments
    if len(paths) != 1:
        sys.stderr.write("coronet: the worker takes one run folder: python -m coronet.worker checkpoints/runs/0007\n")
        return 2
    terminated = _catch_terminate()
    step_back(_NICENESS)
    try:
        run = Run.open(Path(paths[0]))
        return work(run, JobTable(run.path.parent), terminated)
    except CoronetError as error:
        sys.stderr.write(f"coronet: {error}\n")
        return 2


def work(run: Run, table: JobTable, terminated: Callable[[], bool]) -> int:
    """Execute a run until it is done or someone wants it to stop, and write to the table how it ended."""
    process = identify(os.getpid())
    state = table.claim(run.name, process)
    if state is None:
        _log.info("Nothing to do: the run is not queued, or another process executes it.")
        return 0
    try:
        completed = state in _AT_WORK and _execute(run, table, process, terminated)
    except CoronetError as error:
        _log.error("%s", error)
        table.finish(run.name, process, "failed", str(error))
        return 2
    except Exception as error:  # the edge of this process: the page shows one sentence, the log the traceback
        _log.exception("The run failed.")
        message = f"The run failed unexpectedly ({type(error).__name__}: {error}). Its folder has a worker.log."
        table.finish(run.name, process, "failed", message.replace("\n", " ")[:400])
        return 1
    ended = table.finish(run.name, process, "done" if completed else "stopped")
    _log.info("The run is %s.", ended)
    return 0


def _execute(run: Run, table: JobTable, process: Process, terminated: Callable[[], bool]) -> bool:
    """Take the run's steps; True when it came to its end. Closing the iterator saves the state."""
    from coronet.recipes.execute import execute  # torch: loaded after the job is claimed, and here only

    reported = 0.0
    with contextlib.closing(execute(run)) as steps:
        for step in steps:
            stop = terminated() or table.state(run.name) not in _AT_WORK
            if stop or step.done == step.total or time.monotonic() - reported >= _HEARTBEAT_SECONDS:
                table.heartbeat(run.name, process, step.done, step.total)
                reported = time.monotonic()
            if stop:
                return False
    return True


def _catch_terminate() -> Callable[[], bool]:
    """Turn SIGTERM and Ctrl-C into a question that the loop asks after each step."""
    caught: list[int] = []

    def note(number: int, frame: object) -> None:
        caught.append(number)

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, note)
    return lambda: bool(caught)


if __name__ == "__main__":
    sys.exit(main())
