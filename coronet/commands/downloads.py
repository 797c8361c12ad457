"""The verb `download`: what is in the table, and fetching one item of it with progress on stderr."""

import argparse
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from coronet.commands.progress import ProgressBar
from coronet.downloads import ITEMS, Item, Progress, download, find_item, place_of
from coronet.errors import SettingsError


def add_download(parser: argparse.ArgumentParser) -> None:
    """Add the options of `download`."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="what to fetch: see --list")
    parser.add_argument("--out", metavar="DIR", help="the new folder DIR/NAME is made; fid_inception needs none")
    parser.add_argument(
        "--offline", action="store_true", help="unpack a file put there by hand, or say where to put it"
    )
    parser.add_argument("--list", action="store_true", help="show what there is")
    parser.epilog = f"{parser.epilog} says where to put the file by hand; without --offline it is fetched."


def run_download(parsed: argparse.Namespace) -> dict[str, Any] | list[dict[str, Any]]:
    """Run `download`."""
    if parsed.list:
        return [_row(name) for name in ITEMS]
    if parsed.name is None:
        raise SettingsError("'name' is missing. Choose one of: coronet download --list")
    item = find_item(parsed.name)
    out = None if parsed.out is None else Path(parsed.out)
    line = _Line(item.name)
    try:
        with closing(download(item, out, offline=parsed.offline)) as steps:
            for step in steps:
                line.show(step)
    except KeyboardInterrupt:
        line.end()
        sys.stderr.write("coronet: what has arrived is kept. The same command goes on from there.\n")
        raise
    line.end()
    return {"name": item.name, "kind": item.kind, "path": str(place_of(item, out).target), "checked": _checked(item)}


def _row(name: str) -> dict[str, Any]:
    item = ITEMS[name]
    return {
        "name": name,
        "kind": item.kind,
        "megabytes": None if item.size is None else round(item.size / 1e6, 1),
        "checked": "" if item.by_hand else _checked(item),
        "address": f"by hand: {item.address}" if item.by_hand else item.address,
    }


def _checked(item: Item) -> str:
    if item.sha256 is not None:
        return "SHA-256"
    return "size" if item.size is not None else "length only"


class _Line:
    """Progress in megabytes, with speed and time left."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar = ProgressBar()
        self._shown = False
        self._first: tuple[str, float, int] = ("", 0.0, 0)

    def show(self, step: Progress) -> None:
        now = time.monotonic()
        if self._first[0] != step.phase:
            self._first = (step.phase, now, step.done)
        _, begun, first = self._first
        speed = (step.done - first) / max(1e-3, now - begun)  # bytes per second
        text = f"{self._name}: {step.phase} {step.done / 1e6:.1f}"
        if step.total is None:
            text += f" MB, {speed / 1e6:.1f} MB/s"
        else:
            left = (step.total - step.done) / max(1.0, speed) / 60
            text += f" of {step.total / 1e6:.1f} MB, {speed / 1e6:.1f} MB/s"
            text += f", {left:.1f} min left" if step.done > first else ""
        self._bar.show(step.done, step.total, text)
        self._shown = True

    def end(self) -> None:
        if self._shown:
            self._bar.end()
