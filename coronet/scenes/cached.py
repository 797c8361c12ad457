"""The drawn data sets by name: scenes/shoes is drawn when it is first asked for, and kept."""

import hashlib
from pathlib import Path

from coronet.errors import RunError
from coronet.files import cache_folder
from coronet.scenes.write import Amount, Report, find_world, write_scenes

PREFIX = "scenes/"
TRAIN, TEST = 500, 100  # scenes per side; drawing them takes half a minute
DRAWN_SIZE = 128  # pixels a side, where nothing else is asked for


def is_scenes(data: str) -> bool:
    """Tell whether a data folder is named as scenes/WORLD."""
    return data.startswith(PREFIX)


def drawn_folder(data: str, size: int | None = None, report: Report | None = None) -> Path:
    """Give the folder of scenes/WORLD at a size in pixels; it is drawn where it is not there yet.

    It lies in the cache under a hash of the drawing code. Raises SettingsError for an unknown world or size.
    """
    name = data.removeprefix(PREFIX)
    find_world(name)
    amount = Amount(TRAIN, TEST, size or DRAWN_SIZE)
    folder = cache_folder() / "scenes" / f"{name}-{amount.image_size}-{TRAIN}-{TEST}-{_drawing()}"
    if not folder.is_dir():
        try:
            write_scenes(name, folder, amount, report)
        except RunError:
            if not folder.is_dir():  # another process was faster
                raise
    return folder


def _drawing() -> str:
    """Name the present state of the drawing code: other code draws other scenes."""
    digest = hashlib.blake2b(digest_size=5)
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
