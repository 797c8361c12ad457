"""The child program that reads a visitor's zip: `main([ZIP, NAME, LIMITS])` unpacks it into ./NAME.

Its parent stands in importing.py; what hostile bytes can make Pillow or zipfile do, they do here.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from coronet.containers import Refusal, plain
from coronet.errors import CoronetError
from coronet.sandbox import answer, confine, little_memory
from coronet.uploads.table import UploadLimits, survey

_MEMORY_BYTES = 2**30  # a picture of 32 megapixels with transparency takes 0.6 GB while it is read
_Outcome = Mapping[str, Any]


def seconds_for(zip_bytes: int) -> int:
    """Compute the processor time for a zip: a small picture takes 10 ms, and a megabyte of them half a second."""
    return 60 + zip_bytes // 1_000_000


def main(arguments: list[str]) -> int:
    """Run the child: ZIP NAME LIMITS, the limits as JSON."""
    source, name, limits = Path(arguments[0]), arguments[1], UploadLimits(**json.loads(arguments[2]))
    with little_memory():
        outcome = _guarded(source, lambda: {"files": len(survey(source, limits))})
    if outcome["ok"]:  # a hostile zip seldom gets as far as torch, which takes two seconds to import
        import torch
        from PIL import Image

        from coronet.uploads.pictures import unpack_pictures

        torch.set_num_threads(1)
        Image.init()
        seconds = seconds_for(source.stat().st_size)
        confine(memory_bytes=_MEMORY_BYTES, file_bytes=limits.unpacked_bytes, seconds=seconds, writable=Path.cwd())
        outcome = _guarded(source, lambda: asdict(unpack_pictures(source, Path(name), limits)))
    answer(outcome)
    return 0


def _guarded(source: Path, work: Callable[[], _Outcome]) -> _Outcome:
    name = plain(source.name)
    try:
        return {"ok": True, "message": "", **work()}
    except Refusal as refusal:
        message = f"{name} {refusal}"
    except CoronetError as error:
        message = str(error)
    except MemoryError:
        message = f"{name} asks for far more memory than pictures need. Pack smaller pictures."
    except Exception as error:  # hostile bytes make decoders raise anything, and this process ends right after
        message = f"{name} is damaged and cannot be read ({type(error).__name__}). Pack it again."
    return {"ok": False, "message": message}
