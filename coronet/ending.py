"""The wish that a run ends early and is finished with the net as it is: an empty file in its folder.

There it outlives every process. How a run obeys stands in `recipes.phases`, who may wish it in `jobs`.
"""

from pathlib import Path

from coronet.files import plain_os_errors, write_atomic

_WISH = "ending"


def end_early(run: Path) -> None:
    """Wish that the run in this folder ends after the step under way."""
    write_atomic(run / _WISH, b"")


def forget_ending(run: Path) -> None:
    """Take the wish back; nothing happens where there is none."""
    with plain_os_errors(run / _WISH, "remove"):
        (run / _WISH).unlink(missing_ok=True)


def is_ending(run: Path) -> bool:
    """Tell whether the run is wished to end early."""
    return (run / _WISH).exists()
