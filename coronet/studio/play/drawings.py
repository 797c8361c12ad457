"""Drawings between the pad and the nets: what a browser sends is read as a picture of one size, or refused in words."""

import struct
import zlib
from base64 import b64decode, b64encode
from io import BytesIO
from typing import Any

from PIL import Image

from coronet.errors import DataError
from coronet.studio.play import text as play_text
from coronet.studio.translating import prepare_torch

LARGEST_SIDE = 512  # pixels of a pad; larger models are asked at this size, or get it enlarged
MOST_CHARACTERS = 1_500_000  # noise of 512 x 512 pixels in three channels has 1.05 million
_START = "data:image/png;base64,"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = slice(12, 24)  # the name of the first chunk, width and height
# What Pillow raises for damaged files has no common base but Exception.
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, struct.error, zlib.error)


def read_drawing(sent: Any, side: int) -> Image.Image:
    """Read what a pad of this many pixels a side sent, as RGB; DataError says what is wrong with it."""
    if not isinstance(sent, str) or not sent.startswith(_START):
        raise DataError(play_text.NO_DRAWING)
    if len(sent) > MOST_CHARACTERS:
        raise DataError(play_text.LARGE_DRAWING.format(most=MOST_CHARACTERS))
    try:
        data = b64decode(sent[len(_START) :], validate=True)
    except ValueError as error:
        raise DataError(play_text.NO_DRAWING) from error
    _check_header(data, side)
    prepare_torch()
    from coronet.images import to_rgb

    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as image:
            image.load()
            return to_rgb(image, play_text.DRAWING)
    except _DAMAGE as error:
        raise DataError(play_text.BROKEN_DRAWING) from error


def as_data_url(picture: Image.Image) -> str:
    """Give a picture as a PNG that a page can show: exactly it, for it may be drawn on and come back."""
    return _START + _encoded(picture, "PNG", compress_level=1)


def as_quick_url(picture: Image.Image) -> str:
    """Give a picture to look at: a JPEG takes 1 ms where a PNG takes 20, and no eye sees a difference."""
    return "data:image/jpeg;base64," + _encoded(picture, "JPEG", quality=95, subsampling=0)


def _encoded(picture: Image.Image, form: str, **options: int) -> str:
    file = BytesIO()
    picture.save(file, form, **options)
    return b64encode(file.getvalue()).decode()


def _check_header(data: bytes, side: int) -> None:
    """Compare the size that is written in front, before anything is unpacked."""
    header = data[_HEADER]
    if not data.startswith(_SIGNATURE) or len(header) < 12 or header[:4] != b"IHDR":
        raise DataError(play_text.NO_DRAWING)
    width, height = struct.unpack(">II", header[4:])
    if (width, height) != (side, side):
        raise DataError(play_text.OTHER_SIZE.format(width=width, height=height, side=side))
