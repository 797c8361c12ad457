"""The shelf of prepared bundles: each is made once, by a process of its own, under a name of all it is made of.

Knows no gradio. What is in a kit, and how it is made, stands in `coronet.bundle`; this process needs no torch for it.
"""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coronet.errors import DataError
from coronet.launcher import Launcher
from coronet.prepared import KIT, ZIP
from coronet.runs import REPORT, SETTINGS
from coronet.studio.desk import Desk
from coronet.studio.export import text
from coronet.studio.outcomes import SLIM, Outcome
from coronet.studio.shelves.owned import plain_name
from coronet.studio.visitors import Visitor
from coronet.studio.workshop import NOTHING, Preparation, Trade, Workshop, digest_of, maker, read, remove_made_of

ITSELF = "model"  # the key of the model that is not compressed
_CODE = ("bundle/*.py", "export.py", "quantisation.py", "tracing.py", "runtime.py")
_PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "pillow")


@dataclass(frozen=True, slots=True)
class Net:
    """A net that can be taken home: how the page names it, how `open_finished` does, and the files it consists of."""

    key: str
    label: str
    model: str
    files: tuple[Path, ...]


def kits_folder(desk: Desk) -> Path:
    """Give the folder for prepared bundles, beside the uploaded models."""
    return desk.imported.with_name("kits")


def nets(desk: Desk, model: str | None, visitor: Visitor) -> list[Net]:
    """List what a visitor can take home of a model: itself and its trained slim nets."""
    path = desk.model(model)
    name = str(model) if desk.is_demo(str(model)) else str(path)
    itself = Net(ITSELF, text.ITSELF.format(model=plain_name(str(model))), name, (path,))
    return [itself, *map(_slim, desk.outcomes(model, visitor))]


def find_net(desk: Desk, model: str | None, key: str | None, visitor: Visitor) -> Net:
    """Look up what a visitor names, be it another's whose link he has; DataError where there is no such net."""
    found = next((net for net in nets(desk, model, visitor) if net.key == key), None)
    if found is None and (slim := desk.outcome(model, key, visitor)) is not None:
        found = _slim(slim)
    if found is None:
        raise DataError(text.NO_SUCH_NET.format(net=(key or "")[:80], model=model))
    return found


def _slim(found: Outcome) -> Net:
    files = tuple(found.folder / name for name in (SLIM, REPORT, SETTINGS))
    return Net(found.key, found.label, str(found.folder), files)


def remove_kits(desk: Desk) -> None:
    """Remove the bundles that were made of runs and uploads of this studio; those of other models stay."""
    remove_made_of(kits_folder(desk), (desk.runs, desk.imported))


def whole_kit(folder: Path) -> Mapping[str, Any]:
    """Give what kit.json says, where all its files are as long as it says; else nothing."""
    kit = read(folder / KIT)
    try:
        sizes = {f"{row['precision']}.onnx": row["bytes"] for row in kit["variants"] if not row["refused"]}
        sizes[ZIP] = kit["bytes"]
        whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (KeyError, TypeError, OSError):
        return NOTHING
    return kit if whole else NOTHING


TRADE = Trade(
    program="bundle.kit",
    last=KIT,
    made=whole_kit,
    lost=text.LOST,
    not_started=text.NOT_STARTED,
    full=text.SHELF_IS_FULL,
    most_bytes=2_000_000_000,
    most_kept=200,
    most_waiting=20,
    longest_seconds=1800.0,
)


class Shelf:
    """Prepares bundles one after the other, and keeps the last used ones within a bound of bytes."""

    def __init__(self, folder: Path, launcher: Launcher | None = None, trade: Trade = TRADE) -> None:
        self._workshop = Workshop(folder, trade, launcher)

    def look(self, net: Net) -> Preparation:
        """Tell how far a net's bundle is; nothing is begun."""
        return self._workshop.look(_id(net))

    def prepare(self, net: Net) -> Preparation:
        """Have a net's bundle made, unless it is there or under way; RunError where there is no place for it."""
        return self._workshop.prepare(_id(net), {"model": net.model})


def _id(net: Net) -> str:
    """Name all that a bundle depends on but its test images: the net, this machine, and the code that makes it.

    Of a run its folder's name is a part, so that nobody can guess the name of another visitor's bundle.
    """
    made_by = f"{platform.node()} {platform.processor()} {maker(_CODE, _PACKAGES)}"
    digest = hashlib.blake2b(f"{made_by}\0{net.key}\0{net.model}".encode(), digest_size=16)
    digest.update(digest_of(net.files))
    return digest.hexdigest()
