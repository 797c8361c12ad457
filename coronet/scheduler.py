"""The thread of a server that keeps a job table moving. What moves stands in `jobs`."""

import logging
import threading

from coronet.jobs import JobTable

_LOOP_SECONDS = 1.0
_log = logging.getLogger(__name__)


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
