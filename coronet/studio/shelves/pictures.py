"""The pictures a visitor may show the nets: drawn ones, those of data folders, and uploads, which a link reopens."""

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from coronet.demos import find_demo
from coronet.errors import DataError
from coronet.files import make_folder, write_atomic
from coronet.studio import text
from coronet.studio.shelves import text as text_visitors
from coronet.studio.shelves.data import DataShelf
from coronet.studio.shelves.owned import PREFIX, Limits, OwnedFiles, plain_name
from coronet.studio.shelves.sizes import find_pictures, pictures_of
from coronet.studio.shelves.worlds import draw_sample, samples, test_samples
from coronet.studio.translating import prepare_torch
from coronet.studio.visitors import NOBODY, Visitor

LIMITS = Limits(files=30, bytes=100_000_000, files_of_all=3000)
_LONGEST_SIDE = 1024  # pixels of a picture that is kept
_KEPT_SECONDS = 14 * 86_400
_MOST_TEST_PICTURES = 12
_OF_A_DATA_SET = re.compile(r"([0-9A-Za-z_-]{1,80})(/[^/]+){1,2}")


@dataclass(frozen=True, slots=True)
class PictureShelf:
    """The pictures of this studio, looked up by name."""

    uploaded: OwnedFiles
    data: DataShelf

    def names(self, visitor: Visitor = NOBODY) -> list[str]:
        """Name a visitor's uploads, some test pictures of the data folders and some of the drawn worlds."""
        of_sets = [name for data in self.data.uploads(visitor) for name in pictures_of(data.folder)]
        return [*reversed(self.uploaded.of(visitor)), *of_sets, *find_pictures(self.data.allowed), *samples()]

    def choices(self, visitor: Visitor) -> list[tuple[str, str]]:
        """Give (words, name) of the pictures for a list."""
        titles = {data.folder.name: data.name for data in self.data.uploads(visitor)}
        return [(picture_words(name, titles), name) for name in self.names(visitor)]

    def find(self, name: str | None) -> Callable[[], Image.Image] | None:
        """Look a picture up, whoever uploaded it, and give what reads or draws it; None where there is none."""
        if not name or "\0" in name:
            return None
        if name in samples():
            return lambda: draw_sample(*samples()[name])
        if (upload := self.uploaded.find(name)) is not None:
            return lambda: read_picture(upload)
        path = find_pictures(self.data.allowed).get(name) or self._of_data_set(name)
        return None if path is None else lambda: _left_half(path, read_picture(path))

    def picture(self, name: str) -> Image.Image:
        """Read a picture, or draw it; of a pair A|B the left half, A. DataError where there is none of that name."""
        found = self.find(name)
        if found is None:
            raise DataError(text.UNKNOWN_PICTURE.format(name=name[:80]))
        return found()

    def add(self, path: Path, visitor: Visitor) -> str:
        """Keep an uploaded picture, made smaller where it is large, and give its name; DataError says what is wrong.

        Old ones are removed first, and the visitor's oldest where he keeps too many.
        """
        picture = read_picture(path)
        picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        encoded = BytesIO()
        picture.save(encoded, "PNG")
        self._make_room(visitor)
        token = hashlib.sha256(encoded.getvalue()).hexdigest()[:32]
        target = self.uploaded.place(visitor, path.stem, token)
        make_folder(target.parent)
        write_atomic(target, encoded.getvalue())
        return f"{PREFIX}{target.stem}"

    def sample_for(self, model: str | None, picture: str | None) -> str | None:
        """Name a picture that a demo model was made for, where another world's is shown; None where all is well."""
        demo = find_demo(model or "")
        if demo is None or (picture and picture not in samples()):
            return None
        wanted = [name for name, (world, side, _) in samples().items() if (world, side) == (demo.world, demo.side)]
        return None if picture in wanted else wanted[0]

    def tests_of(self, model: str | None, visitor: Visitor) -> dict[str, Image.Image]:
        """Give some test pictures by name: of a demo model's own world, else the first of the list."""
        demo = find_demo(model or "")
        if demo:
            wanted = test_samples(demo.world, demo.side, _MOST_TEST_PICTURES)
            return {name: draw_sample(*sample) for name, sample in wanted.items()}
        return {name: self.picture(name) for name in self.names(visitor)[:_MOST_TEST_PICTURES]}

    def sweep(self) -> None:
        """Remove uploads that are older than they are kept."""
        for path in self.uploaded.folder.glob(f"**/*{self.uploaded.suffix}"):
            if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                path.unlink(missing_ok=True)

    def _make_room(self, visitor: Visitor) -> None:
        self.sweep()
        own = list(self.uploaded.of(visitor).values())
        while own and (len(own) >= LIMITS.files or sum(path.stat().st_size for path in own) > LIMITS.bytes):
            own.pop(0).unlink(missing_ok=True)
        self.uploaded.refuse_full(visitor, LIMITS, text_visitors.FULL_SHELF)

    def _of_data_set(self, name: str) -> Path | None:
        match = _OF_A_DATA_SET.fullmatch(name)
        folder = self.data.find_folder(match[1]) if match else None
        return pictures_of(folder).get(name) if folder else None


def read_picture(path: Path) -> Image.Image:
    """Read a picture file; DataError says what is wrong with it."""
    prepare_torch()
    from coronet import images

    return images.open_image(path)


def picture_words(name: str, titles: Mapping[str, str] = MappingProxyType({})) -> str:
    """Give a picture's name for the eye; `titles`: what uploaded data sets are called, by their folder's name."""
    if name.startswith(PREFIX):
        return text.UPLOADED.format(name=plain_name(name).removeprefix(PREFIX))
    folder, slash, rest = name.partition("/")
    return f"{titles.get(folder, folder)}{slash}{rest}"


def _left_half(path: Path, image: Image.Image) -> Image.Image:
    is_pair = path.parent.name in ("train", "val", "test") and image.width == 2 * image.height
    return image.crop((0, 0, image.width // 2, image.height)) if is_pair else image
