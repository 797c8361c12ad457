"""Image files and image tensors: the only place that knows RGB, (N, 3, H, W) and [-1, 1].

Every file is taken as hostile: what cannot be read becomes a DataError of one sentence. Which images belong
together is told in `datasets`, not here.
"""

import errno
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError
from torch import Tensor

from coronet.errors import DataError
from coronet.files import atomic_path

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
PIXEL_LIMIT = 64_000_000  # pixels of one image, read from its header before anything is decoded
BYTE_LIMIT = 256_000_000  # bytes of one file: 64 megapixels of uncompressed RGBA

_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
_MAGIC = (b"BM", b"\xff\xd8", b"\x89PNG", b"II*\0", b"MM\0*", b"RIFF")
_OTHER_CONTENTS = {
    b"PK": "a zip archive",
    b"%PDF": "a PDF document",
    b"<": "a web page or other text",
    b"{": "JSON text",
    b"GIF8": "a GIF",
    b"version https://git-lfs": "a Git LFS pointer instead of the image",
}
_SAVED = {  # suffix: format, longest side it can store, options
    ".png": ("PNG", 2**31 - 1, {}),
    ".jpg": ("JPEG", 65_500, {"quality": 95}),
    ".jpeg": ("JPEG", 65_500, {"quality": 95}),
    ".webp": ("WEBP", 16_383, {"quality": 95}),
}
# Pillow's decoders raise all of these on damaged files; they have no common base but Exception.
_CARELESS = (TypeError, LookupError, ArithmeticError, AttributeError, AssertionError, RuntimeError)
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, *_CARELESS)
_TURNS = {  # EXIF orientation: how to turn the stored picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
# warnings.catch_warnings changes the whole process, so two threads must not be inside it at once.
_WARNINGS_LOCK = threading.RLock()


def open_image(path: Path) -> Image.Image:
    """Read a PNG, JPEG, WebP, TIFF or BMP file, recognised by its content, as an upright RGB image.

    Animations and pages give their first picture. Raises DataError for anything else, for a damaged file and
    for more than PIXEL_LIMIT pixels.
    """
    with _opened(path) as image:
        image.load()
        return to_rgb(image, shown(path))


def image_size(path: Path) -> tuple[int, int]:
    """Read (width, height) from a file's header, before any EXIF rotation; the picture is not decoded.

    Raises DataError like open_image, but misses damage behind the header.
    """
    with _opened(path) as image:
        return image.size


def to_rgb(image: Image.Image, name: str = "The image") -> Image.Image:
    """Turn any Pillow image into RGB with 8 bits: EXIF rotation applied, transparent parts on white.

    16-bit grey is scaled, not clipped. Raises DataError, which calls the image `name`, for floating-point pixels.
    """
    orientation = _orientation(image)
    if image.mode.startswith("I"):
        image = Image.fromarray(_to_eight_bits(np.asarray(image)))
    elif image.mode == "F":
        raise DataError(f"{name} stores floating-point pixels. Save it with 8 or 16 bits per channel.")
    elif image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, "white")
        image = Image.alpha_composite(white, colours)
    rgb = image.convert("RGB")
    upright = rgb.transpose(_TURNS[orientation]) if orientation in _TURNS else rgb
    upright.info.clear()  # or it would be turned once more; places and names of photographers go, too
    return upright


def to_tensor(image: Image.Image | NDArray[np.uint8]) -> Tensor:
    """Turn an image or its uint8 pixels (H, W, 3) into a float32 tensor (3, H, W) in [-1, 1]."""
    pixels = np.array(to_rgb(image) if isinstance(image, Image.Image) else image)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous().float().div(127.5).sub(1.0)


def to_image(tensor: Tensor) -> Image.Image:
    """Turn a tensor (3, H, W) or (1, 3, H, W) in [-1, 1] into an image; clamps, rounds, NaN becomes mid-grey.

    Raises ValueError for another shape.
    """
    picture = tensor[0] if tensor.ndim == 4 and tensor.shape[0] == 1 else tensor
    if picture.ndim != 3 or picture.shape[0] != 3:
        raise ValueError(f"A picture has shape (3, H, W) or (1, 3, H, W), not {tuple(tensor.shape)}.")
    return Image.fromarray(to_levels(picture).permute(1, 2, 0).cpu().contiguous().numpy())


def to_levels(images: Tensor) -> Tensor:
    """Give the 8-bit levels (uint8) that a file of images in [-1, 1] holds; clamps, rounds, NaN becomes mid-grey."""
    return torch.nan_to_num(images.detach().float(), nan=0.0).clamp(-1.0, 1.0).add(1.0).mul(127.5).round().byte()


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize to (width, height) with the bicubic filter; the image itself is returned where nothing changes.

    Raises DataError for more than PIXEL_LIMIT pixels.
    """
    width, height = size
    if width * height > PIXEL_LIMIT:
        raise DataError(
            f"Resizing {image.width} x {image.height} pixels to {width} x {height} needs more than "
            f"{PIXEL_LIMIT // 10**6} megapixels. Crop the image or choose a smaller size."
        )
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def fit(image: Image.Image, multiple: int, size: int | None = None) -> Image.Image:
    """Resize so that both sides are multiples of `multiple`, the nearest ones, at least one of each.

    With `size` the longer side becomes `size` first and the other one follows in proportion; without it the
    sides are only rounded. The proportions change by the rounding alone; nothing is cropped or padded.
    """
    factor = 1.0 if size is None else size / max(image.size)

    def rounded(side: int) -> int:
        return max(1, round(side * factor / multiple)) * multiple

    return resize(image, (rounded(image.width), rounded(image.height)))


def save_image(image: Image.Image, path: Path) -> None:
    """Write a PNG, JPEG or WebP file, chosen by the suffix, in one step.

    Raises DataError for another suffix or sides the format cannot store, RunError when the disk refuses.
    """
    if path.suffix.lower() not in _SAVED:
        raise DataError(f"{shown(path)} is not a .png, .jpg or .webp name. Choose one of these suffixes.")
    kind, longest, options = _SAVED[path.suffix.lower()]
    if max(image.size) > longest:
        size = f"{image.width} x {image.height}"
        raise DataError(f"{kind} stores at most {longest} pixels a side, not {size}. Save {shown(path)} as .png.")
    with atomic_path(path) as temporary:
        image.save(temporary, format=kind, **options)


def list_images(folder: Path) -> tuple[Path, ...]:
    """List what lies directly in a folder under an image suffix, sorted by name; contents are not looked at.

    Hidden files and subfolders are left out. Raises DataError where there is no folder to list.
    """
    try:
        found = [
            Path(entry.path)
            for entry in os.scandir(folder)
            if not entry.name.startswith(".")
            and Path(entry.name).suffix.lower() in IMAGE_SUFFIXES
            and not _leads_to_folder(entry)
        ]
    except FileNotFoundError as error:
        raise DataError(f"The folder {shown_folder(folder)} does not exist. Check the path.") from error
    except NotADirectoryError as error:
        raise DataError(f"{shown_folder(folder)} is a file. Choose the folder that holds the images.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"The folder {shown_folder(folder)} cannot be read: {_reason(error)}.") from error
    return tuple(sorted(found))


def shown(path: Path) -> str:
    """Write a file's name for a message: printable, on one line, at most 80 characters."""
    return _plain(path.name or str(path), 80)


def shown_folder(path: Path) -> str:
    """Write a folder's whole path for a message: printable, on one line, at most 200 characters."""
    return _plain(str(path), 200)


def _plain(text: str, longest: int) -> str:
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return plain if len(plain) <= longest else f"{plain[: longest - 15]}...{plain[-12:]}"


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile.ImageFile]:
    """Open a file by its content with warnings off; whatever fails inside the block becomes a DataError."""
    _check_file(path)
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
                _check_pixels(path, image)
                yield image
        except (Image.DecompressionBombError, MemoryError) as error:
            raise DataError(_too_large(path)) from error
        except UnidentifiedImageError as error:
            raise DataError(_not_an_image(path)) from error
        except PermissionError as error:
            raise DataError(f"{shown(path)} may not be read. Change its permissions or leave it out.") from error
        except _DAMAGED as error:
            raise DataError(f"{shown(path)} is cut off or damaged. Replace it or leave it out.") from error


def _check_file(path: Path) -> None:
    """Raise DataError unless `path` leads to a readable regular file of a sensible size (a FIFO would hang)."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise DataError(f"{shown(path)} cannot be read: {_reason(error)}.") from error
    if stat.S_ISDIR(status.st_mode):
        raise DataError(f"{shown(path)} is a folder. Choose an image file.")
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{shown(path)} is not a regular file. Choose an image file.")
    if status.st_size == 0:
        raise DataError(f"{shown(path)} is empty (0 bytes). Replace it or leave it out.")
    if status.st_size > BYTE_LIMIT:
        size = f"{status.st_size / 1e6:.0f} MB"
        raise DataError(f"{shown(path)} has {size}, more than {BYTE_LIMIT // 10**6}. Make it smaller.")


def _check_pixels(path: Path, image: Image.Image) -> None:
    if image.width < 1 or image.height < 1:
        raise DataError(f"{shown(path)} has no pixels. Replace it or leave it out.")
    if image.width * image.height > PIXEL_LIMIT:
        raise DataError(_too_large(path, f" ({image.width} x {image.height})"))


def _too_large(path: Path, size: str = "") -> str:
    return f"{shown(path)} is larger than {PIXEL_LIMIT // 10**6} megapixels{size}. Make it smaller."


def _not_an_image(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    if head.startswith(_MAGIC):
        return f"{shown(path)} is cut off or damaged. Replace it or leave it out."
    for magic, content in _OTHER_CONTENTS.items():
        if head.startswith(magic):
            return f"{shown(path)} holds {content}. Replace it by a PNG, JPEG, WebP, TIFF or BMP image."
    return f"{shown(path)} is no PNG, JPEG, WebP, TIFF or BMP image. Convert it or leave it out."


def _reason(error: OSError | ValueError) -> str:
    """Say why a path cannot be reached and what to do, as the end of a sentence."""
    reasons = {
        errno.ENOENT: "nothing is there. Check the path, or the link's target",
        errno.ENOTDIR: "nothing is there. Check the path",
        errno.ELOOP: "its links lead in a circle. Replace the link",
        errno.EACCES: "permission was denied. Change the permissions",
        errno.ENAMETOOLONG: "the name is too long. Choose a shorter one",
    }
    number = error.errno if isinstance(error, OSError) else None
    return reasons.get(number or 0, "the path or the disk is at fault. Check both")


def _leads_to_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links: named when it is opened
        return False


def _orientation(image: Image.Image) -> int:
    """Read the EXIF orientation; damaged EXIF data counts as upright, for the picture itself is whole."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except _DAMAGED:
        return 1


def _to_eight_bits(levels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Scale grey levels 0..65535 to 0..255; where a 32-bit image exceeds that, its maximum becomes white."""
    white = int(levels.max())
    if white <= 65_535:
        table = ((np.arange(65_536) * 255 + 32_767) // 65_535).astype(np.uint8)
        return np.asarray(table[np.maximum(levels, 0).astype(np.uint16)])
    scaled = levels.astype(np.float32) * np.float32(255.0 / white)
    return np.clip(scaled, 0.0, 255.0, out=scaled).round(out=scaled).astype(np.uint8)
