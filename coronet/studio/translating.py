"""Letting a net translate a picture in the web process: few threads, small pictures, and answers that are kept."""

import os
from dataclasses import replace
from functools import cache, lru_cache
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from coronet.priority import wait_asleep
from coronet.studio.shared import Shared

if TYPE_CHECKING:
    from coronet.checkpoints import Checkpoint
    from coronet.networks import GeneratorConfig

_THREADS = 2  # of a preview: more would slow a run on the same machine down by more than they gain
_KERNELS = 128  # that torch keeps, of a thousand as usual: every slim net needs others
_LONGEST_SIDE = 512  # pixels of a previewed picture; a preview must answer in a second or two
_MOST_KEPT = 128

_described: "Shared[Checkpoint]" = Shared(inf)


@cache
def prepare_torch() -> None:
    """Load torch at the first request that needs it, with few threads.

    The web process starts in seconds and stays small until someone looks at a preview. That is why the parts of the
    library that need torch are imported inside functions here and at the desk. Training never comes here.
    """
    wait_asleep()
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_KERNELS))
    import torch

    torch.set_num_threads(_THREADS)


def shrunk(picture: Image.Image) -> Image.Image:
    """Give a copy that is small enough for a preview."""
    smaller = picture.convert("RGB")
    smaller.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return smaller


def translate(model: Path, picture: Image.Image) -> Image.Image:
    """Translate a picture by a generator file; the same is not computed twice."""
    small = shrunk(picture)
    return _translated(model, model.stat().st_mtime_ns, small.size, small.tobytes())


@lru_cache(maxsize=_MOST_KEPT)
def _translated(model: Path, modified: int, size: tuple[int, int], pixels: bytes) -> Image.Image:
    prepare_torch()
    from coronet.recipes.preview import translate_picture

    return translate_picture(model, Image.frombytes("RGB", size, pixels))


def description_of(model: Path) -> "Checkpoint":
    """Give what a model's file says but its weights; read once, though a class may ask for it at the same moment."""
    prepare_torch()
    from coronet.checkpoints import load

    stamp = model.stat()
    return _described.of((model, stamp.st_mtime_ns, stamp.st_size), lambda: replace(load(model), weights={}))


def config_of(model: Path) -> "GeneratorConfig":
    """Give the architecture of a model's file."""
    return description_of(model).config
