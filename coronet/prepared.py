"""What a process of its own prepares for the studio: the names of its files, and the frame of the program.

What is prepared stands in `bundle.kit` and `recipes.distances`; who asks for it, and how often, stands in the studio.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from coronet.errors import CoronetError
from coronet.files import locked_folder, write_json_atomic
from coronet.priority import step_back

WANTED, STAGE, FAILED = "wanted.json", "stage.json", "failed.json"
KIT, ZIP, INPUT = "kit.json", "bundle.zip", "input.png"  # of a bundle
SCORE = "score.json"  # of the distances of a net's translations
_log = logging.getLogger(__name__)


def prepare(folder: Path, last: str, make: Callable[[Path], None], *, niceness: int) -> int:
    """Fill a folder that holds wanted.json; give the exit status: 0 ready, 2 a mistake, 1 a bug.

    last: the file that `make` writes at the end, by which a folder is known as ready. Where it fails, failed.json says
    why.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    step_back(niceness)
    with locked_folder(folder):  # where another process has it, this one waits and then finds what was made
        if (folder / last).is_file():
            return 0
        try:
            make(folder)
        except CoronetError as error:
            write_json_atomic(folder / FAILED, {"message": str(error)})
            return 2
        except Exception as error:  # the edge of this process: the page shows one sentence, the log the traceback
            _log.exception("Preparing failed.")
            write_json_atomic(folder / FAILED, {"message": f"Preparing failed unexpectedly ({type(error).__name__})."})
            return 1
    return 0


def tell(folder: Path, stage: str) -> None:
    """Say at what the program is, for who looks into the folder."""
    write_json_atomic(folder / STAGE, {"stage": stage})
