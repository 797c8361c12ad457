"""The data sets a run may be trained on: drawn worlds, folders that the operator allowed, and visitors' zips."""

import re
from dataclasses import dataclass
from pathlib import Path

from coronet.demos import find_demo
from coronet.errors import DataError
from coronet.studio import text
from coronet.studio.shelves import text as text_visitors
from coronet.studio.shelves.owned import PREFIX
from coronet.studio.shelves.sizes import data_sets
from coronet.studio.shelves.worlds import scenes
from coronet.studio.visitors import NOBODY, Visitor
from coronet.uploads import ImportedData, add_upload, find_imported, list_imported, remove_imported

_FOLDER = re.compile(r"[0-9]{8}-[0-9a-f]{12}")  # as add_upload names them
_MOST_MEASURED = 200  # pictures whose size is read for the report on an upload
# For an upload by a program that has neither a login nor a session; only a personal studio lists it.
_NO_ONE = "nobody"


@dataclass(frozen=True, slots=True)
class DataShelf:
    """Data sets by name. Uploaded ones are called uploaded/FOLDER and found for their owner only."""

    allowed: tuple[Path, ...]
    shelf: Path
    is_personal: bool

    def names(self, visitor: Visitor = NOBODY) -> tuple[str, ...]:
        """Give a visitor's uploads, the folders that look like data sets, and the drawn worlds."""
        own = (f"{PREFIX}{data.folder.name}" for data in self.uploads(visitor))
        return (*own, *(str(path) for path in data_sets(self.allowed)), *scenes())

    def choices(self, visitor: Visitor) -> list[tuple[str, str]]:
        """Give (words, name) of the data sets for a list."""
        words = {f"{PREFIX}{data.folder.name}": uploaded_words(data) for data in self.uploads(visitor)}
        return [(words.get(name, name), name) for name in self.names(visitor)]

    def uploads(self, visitor: Visitor) -> list[ImportedData]:
        """Give the data sets that a visitor uploaded, the youngest first."""
        return [data for owner in self._owners(visitor) for data in list_imported(self.shelf, owner)]

    def suited(self, model: str | None, data: str | None, visitor: Visitor) -> str | None:
        """Choose data for a model: for a demo model its own world, unless a folder was chosen."""
        demo, known = find_demo(model or ""), self.names(visitor)
        if data and data not in scenes():
            return data
        return demo.data if demo else next((name for name in known if name not in scenes()), known[0])

    def folder(self, written: str | None, visitor: Visitor) -> str:
        """Give what a visitor wrote: a drawn world, an upload of his, or a folder, whole or from an allowed one on.

        DataError when it is not allowed.
        """
        if written in scenes():
            return written
        if written and written.startswith(PREFIX):
            return str(self._find(written, visitor)[1].folder)
        if not self.allowed:
            raise DataError(text.NO_DATA)
        if not written or not written.strip():
            raise DataError(text.MISSING_DATA)
        allowed = ", ".join(map(str, self.allowed))
        if "\0" in written or len(written) > 1000:
            raise DataError(text.FOREIGN_DATA.format(path=written[:80].replace("\0", ""), folders=allowed))
        paths = [(folder / written.strip()).resolve() for folder in self.allowed]
        inside = [path for path in paths if any(path.is_relative_to(folder.resolve()) for folder in self.allowed)]
        if not inside:
            raise DataError(text.FOREIGN_DATA.format(path=written[:80], folders=allowed))
        for path in inside:
            if path.is_dir():
                return str(path)
        raise DataError(text.NOT_A_FOLDER.format(path=written[:80], folders=allowed))

    def add(self, zip_path: Path, visitor: Visitor) -> ImportedData:
        """Check a visitor's zip in a child and keep it; DataError says what is wrong or how many may be kept."""
        return add_upload(zip_path, self.shelf, visitor.owner or _NO_ONE)

    def own(self, name: str, visitor: Visitor) -> ImportedData:
        """Look a visitor's upload up; DataError where it is not his."""
        return self._find(name, visitor)[1]

    def remove(self, name: str, visitor: Visitor) -> None:
        """Remove a visitor's upload; DataError where it is not his. Make sure that no run reads it."""
        owner, data = self._find(name, visitor)
        remove_imported(self.shelf, owner, data.folder.name)

    def find_folder(self, name: str) -> Path | None:
        """Give the folder of an uploaded data set, whoever owns it; who knows its name has it from a link."""
        folder = self.shelf / name
        return folder if _FOLDER.fullmatch(name) and folder.is_dir() else None

    def _find(self, name: str, visitor: Visitor) -> tuple[str, ImportedData]:
        wanted = name.removeprefix(PREFIX)
        for owner in self._owners(visitor):
            if any(data.folder.name == wanted for data in list_imported(self.shelf, owner)):
                return owner, find_imported(self.shelf, owner, wanted)
        raise DataError(text_visitors.UNKNOWN_DATA.format(name=wanted[:40]))

    def _owners(self, visitor: Visitor) -> list[str]:
        return [owner for owner in (visitor.owner, _NO_ONE if self.is_personal else "") if owner]


def uploaded_words(data: ImportedData) -> str:
    """Name an uploaded data set for the eye."""
    return text_visitors.UPLOADED_DATA.format(name=data.name, count=sum(data.train) + sum(data.test))


def report(data: ImportedData) -> list[str]:
    """Say what was found in an uploaded data set, and what was left out and why, a sentence each."""
    sizes = _sizes(data.folder)
    size = text_visitors.SIZE.format(width=sizes[0][0], height=sizes[0][1])
    if len(sizes) > 1:
        size = text_visitors.SIZES.format(
            least=size, most=text_visitors.SIZE.format(width=sizes[-1][0], height=sizes[-1][1])
        )
    counts = text_visitors.COUNTS[data.kind].format(
        train=" + ".join(map(str, data.train)), test=" + ".join(map(str, data.test)) or "0"
    )
    found = text_visitors.FOUND.format(
        name=data.name, layout=text_visitors.LAYOUTS[data.kind], counts=counts, size=size
    )
    return [found, *data.notes]


def _sizes(folder: Path) -> list[tuple[int, int]]:
    """Give the different sizes of the first pictures, small ones first."""
    from coronet.images import IMAGE_SUFFIXES, image_size

    pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return sorted({image_size(path) for path in pictures[:_MOST_MEASURED]}, key=lambda size: size[0] * size[1])
