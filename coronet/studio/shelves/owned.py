"""Files that visitors upload, in a folder for each owner, under names that no one can guess.

A name is a key: who has it, from a link, may use the file, and only its owner sees it listed and may remove it.
What the files are is not known here.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from coronet.errors import RunError
from coronet.files import harmless_name, plain_os_errors
from coronet.studio.shelves import text
from coronet.studio.visitors import Visitor

PREFIX = "uploaded/"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}-[0-9a-f]{12,32}")
_OWNER = re.compile(r"[0-9a-f]{64}")
_LEAST_FREE_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept, of one owner and of all of them."""

    files: int
    bytes: int
    files_of_all: int


@dataclass(frozen=True, slots=True)
class OwnedFiles:
    """Files of one kind: FOLDER/OWNER/STEM-TOKEN.suffix, and FOLDER/STEM-TOKEN.suffix where nobody owns them.

    is_personal: this studio serves one person only, to whom belongs what nobody owns, files of older versions
    with plain names among them.
    """

    folder: Path
    suffix: str
    is_personal: bool

    def of(self, visitor: Visitor) -> dict[str, Path]:
        """Give a visitor's files by name, the oldest first."""
        found = self._files(self.folder) if self.is_personal else []
        if visitor.owner:
            found += self._files(self._home(visitor))
        found.sort(key=lambda path: path.stat().st_mtime)
        return {f"{PREFIX}{path.stem}": path for path in found}

    def find(self, name: str) -> Path | None:
        """Look a file up by its name, whoever owns it; None where there is none."""
        stem = name.removeprefix(PREFIX)
        if not name.startswith(PREFIX):
            return None
        if _NAME.fullmatch(stem):
            for home in (self.folder, *self._homes()):
                if (path := home / f"{stem}{self.suffix}").is_file():
                    return path
        return self.of(Visitor()).get(name)

    def place(self, visitor: Visitor, wanted: str, token: str) -> Path:
        """Choose where to put a file that is called like this and make its folder."""
        home = self._home(visitor)
        with plain_os_errors(home, "create the folder"):
            home.mkdir(parents=True, exist_ok=True)
        return home / f"{harmless_name(wanted, 'file')[:47]}-{token}{self.suffix}"

    def refuse_full(self, visitor: Visitor, limits: Limits, words: str) -> None:
        """Raise RunError, in these words with {count}, {size} and {most}, where a visitor may keep no more files."""
        own = [path.stat().st_size for path in self.of(visitor).values()]
        if len(own) >= limits.files or sum(own) >= limits.bytes:
            most = f"{limits.files}, {limits.bytes / 1e6:,.0f} MB"
            raise RunError(words.format(count=len(own), size=f"{sum(own) / 1e6:,.0f} MB", most=most))
        every = sum(len(self._files(home)) for home in (self.folder, *self._homes()))
        if every >= limits.files_of_all or _free_bytes(self.folder) < _LEAST_FREE_BYTES:
            raise RunError(text.FULL_SHELF)

    def remove(self, visitor: Visitor, name: str, words: str) -> None:
        """Remove a visitor's own file; RunError in these words, with {name}, where it is not his."""
        path = self.of(visitor).get(name)
        if path is None:
            raise RunError(words.format(name=name[:80]))
        with plain_os_errors(path, "remove"):
            path.unlink(missing_ok=True)

    def remove_owned(self) -> None:
        """Remove the files of all owners; what nobody owns stays."""
        for home in self._homes():
            shutil.rmtree(home, ignore_errors=True)

    def _home(self, visitor: Visitor) -> Path:
        return self.folder / visitor.owner if visitor.owner else self.folder

    def _homes(self) -> list[Path]:
        return [path for path in self.folder.glob("[0-9a-f]*/") if _OWNER.fullmatch(path.name)]

    def _files(self, home: Path) -> list[Path]:
        return sorted(path for path in home.glob(f"*{self.suffix}") if path.is_file())


def plain_name(name: str) -> str:
    """Give an uploaded file's name without what makes it unguessable, for the eye."""
    stem, _, token = name.rpartition("-")
    return stem if stem and _NAME.fullmatch(name.removeprefix(PREFIX)) and len(token) >= 12 else name


def _free_bytes(folder: Path) -> int:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free
