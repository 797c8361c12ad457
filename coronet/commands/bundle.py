"""The verb that packs a finished network with all that is needed to use it elsewhere."""

import argparse
import sys
from pathlib import Path
from typing import Any

from coronet.commands.arguments import add_settings, given
from coronet.files import cache_folder
from coronet.recipes.settings import DataChoices

_STAGES = {  # a line each: the longest takes a minute for a published network
    "fp32": "exporting fp32 and comparing it with the network",
    "fp16": "converting to fp16 and comparing",
    "int8": "calibrating int8 and comparing",
    "time": "timing all forms in turn",
    "pack": "packing, with test pictures",
}


def run_bundle(parsed: argparse.Namespace) -> dict[str, Any]:
    """Run `bundle`."""
    from coronet.bundle import PRECISIONS, open_finished, write_bundle  # torch
    from coronet.recipes.machine import use_threads

    use_threads(None)
    finished = open_finished(parsed.model, given(parsed, DataChoices))
    folder = cache_folder() / "variants"
    precisions = parsed.precision or PRECISIONS
    bundle = write_bundle(finished, Path(parsed.out), folder=folder, precisions=precisions, tell=_tell)
    for note in bundle.notes:
        sys.stderr.write(f"coronet: {note}\n")
    return bundle.to_json()


def _tell(stage: str) -> None:
    sys.stderr.write(f"{_STAGES[stage]}\n")
    sys.stderr.flush()


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bundle`."""
    parser.add_argument("--model", required=True, metavar="RUN_OR_MODEL", help="a finished run, or any model")
    parser.add_argument("--out", required=True, metavar="FILE.zip")
    parser.add_argument(
        "--precision", nargs="+", choices=("fp32", "fp16", "int8"), help="what to pack (default: all that pass)"
    )
    add_settings(parser, DataChoices)
