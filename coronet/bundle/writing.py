"""The bundle: one zip that is the same to the byte whenever it is made of the same things."""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from coronet.bundle.finished import Finished
from coronet.bundle.forms import PRECISIONS, Tell, Variants, tell_nobody, variants
from coronet.bundle.words import card, licence, preprocessing, sample
from coronet.checkpoints import Checkpoint, save
from coronet.errors import ExportError
from coronet.export import Precision, open_onnx, synthetic_images
from coronet.files import atomic_path
from coronet.images import to_image, to_tensor
from coronet.recipes.opening import spread_places

_PICTURES = 3
_SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A written zip: its files by name with their bytes, what they hold, and what its maker should know."""

    path: Path
    bytes: int
    sha256: str
    files: dict[str, int]
    variants: Variants
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Turn into plain JSON values."""
        values = {name: getattr(self, name) for name in ("bytes", "sha256", "files")}
        measured = self.variants.to_json()
        rows = measured.pop("rows")
        return {"path": str(self.path)} | values | {"variants": rows} | measured | {"notes": list(self.notes)}


def write_bundle(
    finished: Finished,
    path: Path,
    *,
    folder: Path,
    precisions: Sequence[Precision] = PRECISIONS,
    tell: Tell = tell_nobody,
) -> Bundle:
    """Write one zip: ONNX files, weights, card, licence, sums, a sample program, and test pictures for it.

    folder: keeps what `variants` finds. tell: is given each stage when it is begun. A precision that loses too much is
    left out and noted. Raises what `variants` raises, ExportError where no precision is left, RunError where the zip
    cannot be written; then `path` is untouched.
    """
    with atomic_path(path) as temporary:
        found = variants(finished, folder, precisions, tell)
        if not found.usable:
            raise ExportError(f"{' '.join(row.refused for row in found.rows)} Bundle fp32, too.")
        tell("pack")
        contents = _contents(finished, found)
        _write_zip(temporary, f"{finished.name}-bundle", contents)
        data = temporary.read_bytes()
    refused = [f"{row.refused} It is left out." for row in found.rows if row.refused]
    notes = tuple([*([finished.note] if finished.note else []), *refused])
    files = {name: len(content) for name, content in contents.items()}
    return Bundle(path, len(data), hashlib.sha256(data).hexdigest(), files, found, notes)


def _contents(finished: Finished, found: Variants) -> dict[str, bytes]:
    """Give every file of the zip by its name, in the order of names; the sums come last."""
    config = finished.checkpoint.config
    first = found.file(found.usable[0])
    slim = finished.verb == "compress" or "kept" in finished.checkpoint.lineage
    weights = "slim.safetensors" if slim else "generator.safetensors"
    contents = {found.file(row).name: found.file(row).read_bytes() for row in found.usable}
    contents[weights] = _weights(finished)
    texts = {
        "README.md": card(finished, found, weights),
        "LICENCE.txt": licence(finished),
        "preprocessing.json": preprocessing(config),
        "sample.py": sample(config, first.name),
    }
    contents |= {name: text.encode() for name, text in texts.items()}
    contents |= _pictures(finished, first)
    contents = dict(sorted(contents.items()))
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items())
    return contents | {_SUMS: sums.encode()}


def _weights(finished: Finished) -> bytes:
    """Give the model file where it is one of ours, else the same weights as one of ours."""
    checkpoint = finished.checkpoint
    if str(checkpoint.lineage.get("format", "")).startswith("coronet-"):
        return finished.weights.read_bytes()
    with TemporaryDirectory(prefix="coronet-bundle-") as folder:
        path = Path(folder, "generator.safetensors")
        save(Checkpoint(checkpoint.config, checkpoint.weights, checkpoint.lineage, ()), path)
        return path.read_bytes()


def _pictures(finished: Finished, file: Path) -> dict[str, bytes]:
    """Give test pictures and what the ONNX file of the sample makes of them, both as PNG files."""
    translate = open_onnx(file)
    images = finished.images or synthetic_images(finished.checkpoint.config)
    pictures = {}
    for number, place in enumerate(spread_places(len(images), _PICTURES), start=1):
        picture = to_image(images[place])
        pictures[f"test/{number}-input.png"] = _png(picture)
        pictures[f"test/{number}-output.png"] = _png(to_image(translate(to_tensor(picture)[None])))
    return pictures


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def _write_zip(path: Path, folder: str, contents: dict[str, bytes]) -> None:
    """Store files without compression, which is not the same everywhere, and with the oldest date a zip knows."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}")  # 1980
            entry.create_system = 3  # Unix, wherever it is written
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
