"""How far a long verb is, on stderr: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time

REPORT_SECONDS = 10.0  # between two lines where stderr is no terminal
_WIDTH = 24


class ProgressBar:
    """One line that is written again and again."""

    def __init__(self) -> None:
        """Look at what stderr is."""
        self._terminal = sys.stderr.isatty()
        self._last = 0.0

    def show(self, done: float, total: float | None, text: str) -> None:
        """Show `text` at done of total; too soon after the last time nothing is shown, except at the end."""
        now = time.monotonic()
        if now - self._last < (0.2 if self._terminal else REPORT_SECONDS) and done != total:
            return
        self._last = now
        if self._terminal:
            filled = round(_WIDTH * done / total) if total else 0
            sys.stderr.write(f"\r\033[K[{'#' * filled}{'.' * (_WIDTH - filled)}] {text}")
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            sys.stderr.write("\n")
