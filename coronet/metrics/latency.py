"""How long one image takes on this processor: several models side by side, in turn, so that noise hits all alike."""

import copy
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coronet.errors import SettingsError
from coronet.networks import Generator
from coronet.runtime import OnnxGenerator, Precision, open_onnx

Candidate = Path | Callable[[Tensor], Tensor]
_CPU_FILE = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds for one square image of `image_size` pixels, and what they were measured with.

    bytes: of the file, or of the weights in memory; None where there are no weights to count.
    """

    model: str
    engine: Literal["ONNX Runtime", "PyTorch"]
    precision: Precision
    median_ms: float
    p90_ms: float
    minimum_ms: float
    repeats: int
    threads: int
    cpu: str
    image_size: int
    bytes: int | None

    def to_json(self) -> dict[str, Any]:
        """Turn into plain JSON values."""
        return asdict(self)


def measure(
    models: Sequence[tuple[str, Candidate]],
    *,
    image_size: int = 256,
    threads: int = 1,
    warmup: int = 3,
    repeats: int = 20,
) -> tuple[Latency, ...]:
    """Time (name, .onnx path or function of images) round after round, every model once per round.

    Torch modules are copied to the processor in evaluation mode; an OnnxGenerator keeps its own number of threads.
    Raises SettingsError for a number out of range, CheckpointError for an unusable file, DataError for a size that
    an ONNX model does not accept.
    """
    for name, value, least, most in (
        ("image_size", image_size, 1, 2048),  # as in the settings
        ("threads", threads, 1, 256),
        ("warmup", warmup, 0, inf),
        ("repeats", repeats, 1, inf),
        ("models", len(models), 1, inf),
    ):
        if not least <= value <= most:
            bound = f"at least {least}" if value < least else f"at most {most}"
            raise SettingsError(f"'{name}' is {value}, but must be {bound}.")
    contestants = [_prepared(name, model, image_size, threads) for name, model in models]
    seconds: list[list[float]] = [[] for _ in contestants]
    with _torch_threads(threads), torch.inference_mode():
        for turn in range(warmup + repeats):
            for step in range(len(contestants)):
                index = (turn + step) % len(contestants)  # another one begins each round
                taken = _timed(*contestants[index])
                if turn >= warmup:
                    seconds[index].append(taken)
    cpu = processor_name()
    return tuple(
        _row(name, function, np.array(taken) * 1e3, image_size, threads, cpu)
        for (name, _), (function, _), taken in zip(models, contestants, seconds, strict=True)
    )


def processor_name() -> str:
    """Name this machine's processor as its maker does, or at least its family."""
    with suppress(OSError):  # not Linux
        for line in _CPU_FILE.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return " ".join(value.split())
    return platform.processor() or platform.machine() or "unknown processor"


def _prepared(name: str, model: Candidate, image_size: int, threads: int) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Give what is to be called, and with which image: the same noise for all."""
    channels = 3
    if isinstance(model, Path):
        model = open_onnx(model, threads=threads)
    if isinstance(model, OnnxGenerator):
        channels = model.input_channels
    if isinstance(model, Generator):
        channels, multiple = model.config.input_channels, model.config.size_multiple
        if image_size % multiple:
            raise SettingsError(f"'image_size' is {image_size}, but {name} needs a multiple of {multiple}.")
    if isinstance(model, nn.Module):
        model = copy.deepcopy(model).cpu().eval()
    random = torch.Generator().manual_seed(0)
    return model, torch.rand(1, channels, image_size, image_size, generator=random) * 2 - 1


def _timed(function: Callable[[Tensor], Tensor], image: Tensor) -> float:
    start = time.perf_counter()
    function(image)
    return time.perf_counter() - start


def _row(
    name: str,
    function: Callable[[Tensor], Tensor],
    taken_ms: NDArray[np.float64],
    image_size: int,
    threads: int,
    cpu: str,
) -> Latency:
    onnx = function if isinstance(function, OnnxGenerator) else None
    weights = [*function.parameters(), *function.buffers()] if isinstance(function, nn.Module) else []
    return Latency(
        model=name,
        engine="ONNX Runtime" if onnx else "PyTorch",
        precision=onnx.precision if onnx else "fp32",
        median_ms=float(np.median(taken_ms)),
        p90_ms=float(np.percentile(taken_ms, 90)),
        minimum_ms=float(taken_ms.min()),
        repeats=len(taken_ms),
        threads=onnx.threads if onnx else threads,
        cpu=cpu,
        image_size=image_size,
        bytes=onnx.bytes if onnx else sum(tensor.nbytes for tensor in weights) or None,
    )


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
