"""Where a verb computes: device, threads and precision, decided once at the edge."""

import ctypes
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

from coronet.recipes.settings import OptimisationChoices

ChoicesT = TypeVar("ChoicesT", bound=OptimisationChoices)
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's mallopt


def default_threads() -> int:
    """Leave one processor to the rest of the machine: two busy torch threads on two busy cores are ten times slower."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, processors - 1)


def set_up(threads: int | None) -> torch.device:
    """Make this process ready to train and give the device."""
    use_threads(threads)
    keep_memory()
    return best_device()


def keep_memory() -> None:
    """Let glibc keep freed memory instead of handing it back and faulting it in again at every step.

    A search step of the U-Net (54 M parameters, 256x256) took 1.28 s of processor time without it and 0.93 s with it.
    Does nothing where the C library is another.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def use_threads(threads: int | None) -> int:
    """Set torch's threads for this process and give their number."""
    number = threads or default_threads()
    torch.set_num_threads(number)
    return number


def best_device() -> torch.device:
    """Give the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def without_emulation(choices: ChoicesT, device: torch.device) -> ChoicesT:
    """Give the settings with mixed precision off where the device would only emulate bfloat16."""
    return choices if has_bfloat16(device) else replace(choices, mixed_precision=False)


def has_bfloat16(device: torch.device) -> bool:
    """Say whether the device computes in bfloat16 itself; emulated, a training step takes 5 to 16 times as long.

    With AVX-512 a step takes six to eight tenths as long as in float32 (`assets/levers.md`).
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text(encoding="utf-8") if cpuinfo.is_file() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags
