"""Measures how far a net's translations are from real images: `python -m coronet.recipes.distances FOLDER`.

FOLDER holds wanted.json: a model, how its test images are read, and Inception's file. At last score.json has what
`evaluate` says, so that the numbers are those of the command line.
"""

import sys
from pathlib import Path
from typing import Any

from coronet.files import read_json, write_json_atomic
from coronet.prepared import SCORE, WANTED, prepare
from coronet.recipes.settings import DataChoices
from coronet.recipes.verbs import evaluate
from coronet.settings import from_json

_NICENESS = 10  # behind the pages, what is timed, and training


def main(arguments: list[str]) -> int:
    """Measure what the folder that is named asks for; give the exit status."""
    return prepare(Path(arguments[0]), SCORE, measure, niceness=_NICENESS)


def measure(folder: Path) -> None:
    """Write score.json: FID (or FID-768) and KID of a model's translations of the test images, with their intervals."""
    wanted: dict[str, Any] = read_json(folder / WANTED)
    choices = from_json(DataChoices, wanted["choices"])
    found = evaluate(str(wanted["model"]), choices, inception=Path(wanted["inception"]))
    write_json_atomic(folder / SCORE, {"fid": found["fid"], "kid": found["kid"]})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
