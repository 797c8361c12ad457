"""The verb that packs a finished network with all that is needed to use it elsewhere."""

import argparse
import sys
from pathlib import Path
from typing import Any

from coronet.commands.arguments import add_settings, given
from coronet.files import cache_folder
from coronet.recipes.settings import DataChoices


def run_bundle(parsed: argparse.Namespace) -> dict[str, Any]:
    """Run `bundle`."""
    from coronet.bundle import PRECISIONS, open_finished, write_bundle  # torch
    from coronet.recipes.machine import use_threads

    use_threads(None)
    finished = open_finished(parsed.model, given(parsed, DataChoices))
    folder = cache_folder() / "variants"
    bundle = write_bundle(finished, Path(parsed.out), folder=folder, precisions=parsed.precision or PRECISIONS)
    for note in bundle.notes:
        sys.stderr.write(f"coronet: {note}\n")
    return bundle.to_json()


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bundle`."""
    parser.add_argument("--model", required=True, metavar="RUN_OR_MODEL", help="a finished run, or any model")
    parser.add_argument("--out", required=True, metavar="FILE.zip")
    parser.add_argument(
        "--precision", nargs="+", choices=("fp32", "fp16", "int8"), help="what to pack (default: all that pass)"
    )
    add_settings(parser, DataChoices)
