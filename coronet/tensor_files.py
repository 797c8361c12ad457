"""Reading a stranger's file of tensors: safetensors directly, pickles through a sandboxed child and a cache.

Nothing is unpickled in this process. Which network the tensors make up is the business of `recognise`.
"""

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import safetensors
import torch
from torch import Tensor

from coronet import sandbox
from coronet.containers import MAX_HEADER_BYTES, Refusal, plain, sniff
from coronet.errors import CheckpointError
from coronet.files import cache_folder
from coronet.unpickle import IMPORT_KEY, MAX_NAME, MAX_TENSORS, Role, checksum

MAX_FILE_BYTES = 2 * 2**30
MAX_CACHE_BYTES = 2 * 2**30
LEAST_SECONDS = 120  # by the clock; more for large files. The child's processor time is limited to a quarter of it
_FLOATS = ("F64", "F32", "F16", "BF16")
_COUNTERS = ("I64", "I32")


@dataclass(frozen=True, slots=True, eq=False)
class TensorFile:
    """The finite float32 tensors (and int64 counters) of a file, and where they came from.

    metadata: of safetensors, else empty; notes: plain sentences on what was unwrapped, widened or left out.
    """

    tensors: Mapping[str, Tensor]
    sha256: str
    format: str
    metadata: Mapping[str, str]
    notes: tuple[str, ...] = ()


def read_tensor_file(path: Path, role: Role = "generator") -> TensorFile:
    """Read safetensors or a PyTorch file, at most 2 GiB; CheckpointError says in one line what else it is.

    role: which network to take out of a file that holds several.
    """
    kind, digest = look_at(path)
    if kind == "safetensors":
        metadata, tensors = read_safetensors(path)
        return TensorFile(tensors, digest, "safetensors", metadata)
    outcome, tensors = _imported(path, digest, role)
    return TensorFile(tensors, digest, str(outcome.get("format", "")), MappingProxyType({}), _notes(outcome))


def look_at(path: Path) -> tuple[str, str]:
    """Tell the format and the SHA-256 of a file of tensors; CheckpointError says in one line what else it is."""
    return _kind(path), sha256_of(path)


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file as hexadecimal digits."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(
            f"{plain(path.name)} cannot be read: {error.strerror or error}. Check the disk."
        ) from error


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read metadata and tensors, floats as float32 copies; CheckpointError where a header or a value is wrong."""
    name = plain(path.name)
    try:
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
        if header_bytes > MAX_HEADER_BYTES:
            raise CheckpointError(f"{name} declares a header of {header_bytes} bytes. It was not opened.")
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            names = list(file.keys())
            if len(names) > MAX_TENSORS or any(len(key) > MAX_NAME for key in names):
                raise CheckpointError(f"{name} holds too many tensors or too long names. Choose another file.")
            tensors = {key: _read_one(file, key, name) for key in names}
            return dict(file.metadata() or {}), {key: tensor for key, tensor in tensors.items() if tensor is not None}
    except (safetensors.SafetensorError, OSError, RuntimeError, ValueError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{name} is damaged or truncated ({plain(error, 100)}). Download or copy it again."
        ) from error


def _read_one(file: Any, key: str, name: str) -> Tensor | None:
    kind = file.get_slice(key).get_dtype()
    if kind in _COUNTERS and key.endswith("num_batches_tracked"):
        return file.get_tensor(key).reshape(-1)[:1].reshape(()).to(torch.int64, copy=True)
    if kind not in _FLOATS:
        return None
    tensor: Tensor = file.get_tensor(key).to(torch.float32, copy=True)
    if not bool(torch.isfinite(tensor).all()):
        raise CheckpointError(
            f"{name} holds NaN or infinite values in '{plain(key)}': the training diverged or the file is damaged. "
            "Choose an earlier checkpoint."
        )
    return tensor


def _kind(path: Path) -> str:
    name = plain(path.name or path)
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            what = "a folder" if stat.S_ISDIR(facts.st_mode) else "a pipe, a socket or a device"
            raise CheckpointError(f"{name} is {what}, not a file. Choose a .pth or .safetensors file.")
        if facts.st_size == 0:
            raise CheckpointError(f"{name} is empty: the download or the copy failed. Download or copy it again.")
        if facts.st_size > MAX_FILE_BYTES:
            raise CheckpointError(
                f"{name} has {facts.st_size / 2**30:.1f} GiB, but a generator never needs more than 2. Choose the file "
                "whose name holds net_G."
            )
        return sniff(path)
    except Refusal as refusal:
        raise CheckpointError(f"{name} {refusal}") from refusal
    except FileNotFoundError as error:
        what = "is a link that leads nowhere" if path.is_symlink() else "does not exist"
        raise CheckpointError(f"{plain(path, 200)} {what}. Check the path.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CheckpointError(f"{name} cannot be read: {plain(reason)}. Check the path and its rights.") from error


def _imported(path: Path, digest: str, role: Role) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    entry = cache_folder() / f"{digest}-{role}.safetensors"
    with contextlib.suppress(CheckpointError, OSError):
        found = _read_import(entry)
        os.utime(entry)
        return found
    with contextlib.ExitStack() as stack:
        try:
            entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="import-", dir=entry.parent))
        except OSError:  # a read-only cache only costs the time of the next conversion
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="coronet-"))
        target = Path(folder) / "tensors.safetensors"
        _run_child(path, target, role)
        try:
            found = _read_import(target)
        except CheckpointError as error:
            raise CheckpointError(f"{plain(path.name)} could not be converted: {error} Try again.") from error
        with contextlib.suppress(OSError):
            target.replace(entry)
            _prune(entry.parent)
        return found


def _read_import(path: Path) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise CheckpointError(f"{path.name} is not there.")
    metadata, tensors = read_safetensors(path)
    try:
        note = json.loads(metadata[IMPORT_KEY])
        outcome, crc = note["outcome"], note["crc32"]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path.name} was not written by an import.") from error
    if not isinstance(outcome, dict) or crc != checksum(tensors):
        raise CheckpointError(f"{path.name} is damaged.")
    return outcome, tensors


def _run_child(source: Path, target: Path, role: Role) -> None:
    name = plain(source.name)
    arguments = [str(source.resolve()), str(target.resolve()), role]
    seconds = LEAST_SECONDS + source.stat().st_size // 10_000_000
    try:
        outcome = sandbox.run(
            "coronet.unpickle", arguments, needs=("torch", "safetensors"), folder=target.parent, seconds=seconds
        )
    except Refusal as refusal:
        raise CheckpointError(f"{name} {refusal}") from refusal
    if not outcome["ok"]:
        raise CheckpointError(f"{name} {plain(outcome['message'], 400)}")


def _prune(folder: Path) -> None:
    """Delete the entries used longest ago until the cache is no larger than 2 GiB."""
    entries = sorted(folder.glob("*.safetensors"), key=lambda entry: entry.stat().st_mtime, reverse=True)
    total = 0
    for entry in entries:
        total += entry.stat().st_size
        if total > MAX_CACHE_BYTES:
            entry.unlink(missing_ok=True)


def _notes(outcome: Mapping[str, Any]) -> tuple[str, ...]:
    notes = []
    if outcome.get("wrapper"):
        notes.append(f"The weights were taken from '{outcome['wrapper']}' inside the file.")
    if outcome.get("widened"):
        notes.append(f"Weights stored as {', '.join(outcome['widened'])} were turned into float32.")
    if outcome.get("skipped"):
        notes.append(f"Left out, because they hold no float numbers: {', '.join(outcome['skipped'])}.")
    return tuple(notes)
