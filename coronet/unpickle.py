"""The sandboxed reader of strangers' pickles: the child program `python -m coronet.unpickle SOURCE TARGET [ROLE]`.

It turns a PyTorch file into safetensors and prints one JSON line that says what it found or why it refused. It
recognises no network and imports nothing of coronet but `containers` and `sandbox`; its parent is `tensor_files`.
"""

import json
import re
import sys
import warnings
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from coronet.containers import Refusal, examine, plain
from coronet.sandbox import HEADROOM_BYTES, answer, confine, little_memory

if TYPE_CHECKING:
    from torch import Tensor

Role = Literal["generator", "discriminator"]

MAX_TENSORS = 10_000
MAX_NAME = 500
IMPORT_KEY = "coronet-import-1"  # of the safetensors metadata

_COMMON_WRAPPERS = ("state_dict", "model", "model_state_dict", "net", "network", "weights", "params")
_WRAPPERS: dict[Role, tuple[str, ...]] = {
    "generator": (
        *("netG", "netG_A", "G", "G_A", "g_ema", "generator", "generator_state_dict", "gen", "params_ema", "ema"),
        *_COMMON_WRAPPERS,
    ),
    "discriminator": (
        *("netD", "netD_A", "D", "D_A", "discriminator", "discriminator_state_dict", "disc"),
        *_COMMON_WRAPPERS,
    ),
}
_TOO_MUCH = "asks for far more memory than its size explains: it is damaged or hostile. Do not use it."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the child found: with `ok` the target was written, else `message` goes on after the file's name.

    wrapper: the keys that led to the state dict; skipped: tensors left out; widened: types turned into float32.
    """

    ok: bool
    message: str = ""
    format: str = ""
    wrapper: str = ""
    skipped: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()
    peak_bytes: int = 0


def convert(source: Path, target: Path, role: Role = "generator") -> Outcome:
    """Write the float tensors of a PyTorch file as float32 safetensors; a refusal comes back as an Outcome.

    Call it only in a process that may be lost: torch's unpickler reads `source` here.
    """
    return _guarded(lambda: _convert(source, target, role))


def restrict(file_bytes: int, *, seconds: int) -> None:
    """Take away what reading a file of this size does not need; call it after importing torch."""
    confine(memory_bytes=HEADROOM_BYTES + 4 * file_bytes, file_bytes=4 * file_bytes + 2**20, seconds=seconds)


def main(arguments: list[str]) -> int:
    """Run the child: SOURCE TARGET [ROLE]."""
    source, target = Path(arguments[0]), Path(arguments[1])
    role: Role = "discriminator" if arguments[2:3] == ["discriminator"] else "generator"
    with little_memory():
        outcome = _guarded(lambda: Outcome(True, format=examine(source)))
    if outcome.ok:  # a hostile file seldom gets as far as torch, which takes two seconds to import
        import safetensors.torch  # noqa: F401  before the limits
        import torch

        torch.set_num_threads(1)
        size = source.stat().st_size
        restrict(size, seconds=30 + size // 10_000_000)
        outcome = convert(source, target, role)
    answer(asdict(outcome))
    return 0


def _convert(source: Path, target: Path, role: Role) -> Outcome:
    import torch
    from safetensors.torch import save_file

    form = examine(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = torch.load(source, map_location="cpu", weights_only=True)
    found, wrapper = _unwrap(value, role)
    tensors, skipped, widened = _clean(found, source.stat().st_size)
    outcome = Outcome(True, "", form, wrapper, skipped, widened)
    note = {"outcome": asdict(outcome), "crc32": checksum(tensors)}
    save_file(tensors, target, {IMPORT_KEY: json.dumps(note)})
    return outcome


def checksum(tensors: Mapping[str, "Tensor"]) -> int:
    """Compute the CRC-32 of contiguous tensors in the order of their names."""
    crc = 0
    for name in sorted(tensors):
        crc = zlib.crc32(tensors[name].detach().numpy().tobytes(), zlib.crc32(name.encode("utf-8", "replace"), crc))
    return crc


def _guarded(work: Callable[[], Outcome]) -> Outcome:
    try:
        outcome = work()
    except Refusal as refusal:
        outcome = Outcome(False, str(refusal))
    except MemoryError:
        outcome = Outcome(False, _TOO_MUCH)
    except Exception as error:  # hostile bytes make torch raise anything, and this process ends right after
        outcome = Outcome(False, _explain(error))
    return replace(outcome, message=plain(outcome.message, 400), peak_bytes=_peak_bytes())


def _peak_bytes() -> int:
    """Give the largest memory of this process (getrusage would count what the parent had when it started it)."""
    with suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        if match := re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE):
            return int(match[1]) * 1024
    return 0


def _explain(error: Exception) -> str:
    text = str(error).rpartition("WeightsUnpickler error: ")[2].removeprefix("Weights only load failed. ").strip()
    if re.search(r"alloc|memory", text, re.IGNORECASE):
        return _TOO_MUCH
    if "No space left" in text:
        return "could not be converted: the disk is full. Free some space and try again."
    if isinstance(error, RecursionError):
        return "nests deeper than any network: it is damaged or hostile. Do not use it."
    if isinstance(error, EOFError) or "unexpected EOF" in text:
        return "is truncated: its end is missing. Download or copy it again."
    short = plain(re.split(r"\.\s|\n|; ", text)[0], 120).rstrip(". ")
    return f"is damaged and cannot be read ({type(error).__name__}: {short}). Download or copy it again."


def _unwrap(value: object, role: Role, depth: int = 0) -> tuple[dict[str, "Tensor"], str]:
    """Find the state dict inside what was saved; gives it with the path of keys that led there."""
    import torch

    if isinstance(value, torch.Tensor):
        raise Refusal(
            f"holds one bare tensor of shape {plain(tuple(value.shape))}, not a network. Choose another file."
        )
    if not isinstance(value, dict):
        raise Refusal(f"holds a Python '{type(value).__name__}', not the weights of a network. Choose another file.")
    if {"state", "param_groups"} <= set(value):
        raise Refusal("is the state of an optimiser, not a network. Choose the file whose name holds net_G.")
    inner = {key: part for key, part in value.items() if isinstance(part, dict) and part and isinstance(key, str)}
    for key in (*_WRAPPERS[role], *(inner if len(inner) == 1 else ())):
        if depth < 4 and key in inner:
            found, path = _unwrap(inner[key], role, depth + 1)
            return found, f"{plain(key, 40)}.{path}".rstrip(".")
    tensors = {key: part for key, part in value.items() if isinstance(key, str) and isinstance(part, torch.Tensor)}
    if not tensors:
        keys = ", ".join(f"'{plain(key, 30)}'" for key in list(value)[:4]) or "nothing"
        raise Refusal(f"holds {keys}, but no weights of a {role}. Choose another file.")
    return tensors, ""


def _clean(
    found: Mapping[str, "Tensor"], file_bytes: int
) -> tuple[dict[str, "Tensor"], tuple[str, ...], tuple[str, ...]]:
    """Keep dense, finite float tensors as contiguous float32, and counters; gives names left out and types widened."""
    import torch

    if len(found) > MAX_TENSORS:
        raise Refusal(f"holds {len(found)} tensors, more than any network known here. Choose another file.")
    if strange := next((name for name in found if len(name) > MAX_NAME), None):
        raise Refusal(f"holds a tensor with a name of {len(strange)} characters: it is damaged. Choose another file.")
    kept, skipped, widened = {}, [], set()
    budget = 4 * file_bytes + 2**16  # float16 doubles; anything beyond repeats one storage
    for name, tensor in found.items():
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            raise Refusal(f"holds '{plain(name)}' as a sparse, quantised or empty tensor. Save plain float32 weights.")
        budget -= 4 * tensor.numel()
        if budget < 0:
            raise Refusal(_TOO_MUCH)
        if name.endswith("num_batches_tracked") and tensor.numel() == 1 and not tensor.is_complex():
            kept[name] = tensor.detach().reshape(()).to(torch.int64, copy=True)
        elif not tensor.is_floating_point() or name == "__metadata__":
            skipped.append(plain(name))
        else:
            if tensor.dtype is not torch.float32:
                widened.add(str(tensor.dtype).removeprefix("torch."))
            kept[name] = _as_float32(name, tensor)
    return kept, tuple(skipped[:5]), tuple(sorted(widened))


def _as_float32(name: str, tensor: "Tensor") -> "Tensor":
    import torch

    tensor = tensor.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    if not bool(torch.isfinite(tensor).all()):
        raise Refusal(
            f"holds NaN or infinite values in '{plain(name)}': the training diverged or the file is damaged. Choose an "
            "earlier checkpoint."
        )
    return tensor


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
