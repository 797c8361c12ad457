"""Looking at an untrusted model file without reading its weights: which kind it is, and whether torch may open it.

Only the standard library is used and nothing is unpickled; what a network is stands in `recognise`.
"""

import io
import pickletools
import re
import struct
import zipfile
import zlib
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Literal

Kind = Literal["safetensors", "zip", "pickle"]

MAX_MEMBERS = 10_000
MAX_PICKLE_BYTES = 8 * 2**20  # the pickle of a 250-tensor state dict has 20 kB
MAX_HEADER_BYTES = 2**24  # of safetensors
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of a file that torch.save wrote before 1.6

_AGAIN = "Download or copy it again."
_NOT_A_MODEL = "not a model. Choose a .pth or .safetensors file."
_KNOWN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x05\x06", "is an empty zip archive. " + _AGAIN),
    (0, b"version https://git-lfs", "is a Git LFS pointer, not the file itself. Fetch it with 'git lfs pull'."),
    (0, b"\x89PNG", "is a PNG image, " + _NOT_A_MODEL),
    (0, b"\xff\xd8\xff", "is a JPEG image, " + _NOT_A_MODEL),
    (0, b"GIF8", "is a GIF image, " + _NOT_A_MODEL),
    (8, b"WEBP", "is a WebP image, " + _NOT_A_MODEL),
    (0, b"%PDF", "is a PDF document, " + _NOT_A_MODEL),
    (0, b"\x7fELF", "is a program, " + _NOT_A_MODEL),
    (0, b"\x89HDF", "is an HDF5 file, as Keras writes them. Choose a PyTorch .pth file."),
    (0, b"\x93NUMPY", "is a NumPy array, " + _NOT_A_MODEL),
    (0, b"GGUF", "is a GGUF language model. Choose an image translation generator."),
    (4, b"TFL3", "is a TensorFlow Lite model. Choose a PyTorch .pth file."),
    (0, b"\x1f\x8b", "is a gzip archive. Unpack it and choose the .pth file inside."),
    (0, b"BZh", "is a bzip2 archive. Unpack it and choose the .pth file inside."),
    (0, b"\xfd7zXZ", "is an xz archive. Unpack it and choose the .pth file inside."),
    (0, b"7z\xbc\xaf", "is a 7-Zip archive. Unpack it and choose the .pth file inside."),
    (0, b"Rar!", "is a RAR archive. Unpack it and choose the .pth file inside."),
    (0, b"(\xb5/\xfd", "is a Zstandard archive. Unpack it and choose the .pth file inside."),
)
_OLD_TAR_MEMBERS = (b"sys_info", b"pickle", b"storages", b"tensors")

# What a state dict needs. torch's own list is longer (sparse, nested and quantised tensors, bytearray).
_HARMLESS = re.compile(
    r"collections\.(OrderedDict|Counter)|(builtins|__builtin__)\.set"
    r"|torch\._utils\._rebuild_(tensor|tensor_v2|parameter|parameter_with_state)"
    r"|torch\._tensor\._rebuild_from_type_v2|torch\.nn\.parameter\.Parameter"
    r"|torch\.(Size|device|serialization\._get_layout)|torch\.storage\.(UntypedStorage|TypedStorage)"
    r"|torch\.(cuda\.)?[A-Za-z0-9]*(Storage|Tensor)"
    r"|torch\.(bfloat16|complex\d+|u?int\d+|float\w+|half|double|long|bool)"
)
_DANGEROUS = re.compile(
    r"(os|posix|nt|subprocess|sys|shutil|socket|runpy|importlib|ctypes|pty|c?[pP]ickle|webbrowser|commands|code|timeit"
    r"|builtins|__builtin__|operator|functools|_?io|pathlib|tempfile|multiprocessing|asyncio|urllib|http)(\.|$)"
)


class Refusal(Exception):
    """The file is not what it should be; the message goes on after the file's name: "is a ..."."""


def plain(text: object, length: int = 80) -> str:
    """Make untrusted text fit for one line: printable characters only, at most `length` of them."""
    line = "".join(character if character.isprintable() else "?" for character in str(text))
    return line if len(line) <= length else line[: length - 1] + "…"


def sniff(path: Path) -> Kind:
    """Tell the kind of file by its first bytes; raises Refusal that says what it is where it holds no weights."""
    with path.open("rb") as file:
        head = file.read(512)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= MAX_HEADER_BYTES:
        return "safetensors"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if (head[:1] == b"\x80" and head[1:2] <= b"\x05") or re.search(rb"^\W*c[\w.]+\n[\w.]+\n", head):
        return "pickle"
    raise Refusal(_what_else(head, path.suffix.lower()))


def examine(path: Path) -> str:
    """Look into a zip or pickle and give its format; raises Refusal where torch must not open it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            _examine_zip(file, size)
            return "pytorch-zip"
        file.seek(0)
        _examine_legacy(file)
        return "pytorch-legacy"


def _what_else(head: bytes, suffix: str) -> str:
    for offset, magic, text in _KNOWN:
        if head[offset : offset + len(magic)] == magic:
            return text
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<") and re.search(rb"<!doctype html|<html|<head|<body", start):
        return "is a web page: the download failed. Download the file itself."
    if head[257:262] == b"ustar":
        if head[:100].strip(b"\0") in _OLD_TAR_MEMBERS:
            return "is a tar file of PyTorch 0.1. Load it there and save it again with torch.save."
        return "is a tar archive. Unpack it and choose the .pth file inside."
    if suffix == ".onnx" or (head[:1] == b"\x08" and head[2:3] == b"\x12"):
        return (
            "is an ONNX model, which cannot be trained further. Choose the .pth or .safetensors it was exported from."
        )
    if start and all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        return "is a text file, " + _NOT_A_MODEL
    return f"is no PyTorch or safetensors file (it begins with {head[:4].hex(' ')}). " + _AGAIN


def _examine_zip(file: IO[bytes], size: int) -> None:
    try:
        members = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise Refusal(
            "is a truncated or damaged PyTorch file: the table at its end is missing or wrong. " + _AGAIN
        ) from error
    if len(members) > MAX_MEMBERS:
        raise Refusal(f"is a zip of {len(members)} files, which no network needs. It was not opened.")
    names = [member.filename for member in members]
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise Refusal(
            "is a TorchScript program, not a set of weights. It was not run. Save net.state_dict() instead of the "
            "scripted module."
        )
    pickles = [member for member in members if re.fullmatch(r"[^/]+/data\.pkl", member.filename)]
    if len(pickles) != 1:
        raise Refusal("is an ordinary zip archive, not a PyTorch file. Unpack it and choose the .pth file inside.")
    _refuse_bombs(members, size)
    if pickles[0].file_size > MAX_PICKLE_BYTES:
        raise Refusal(f"holds {pickles[0].file_size} bytes of pickle beside its tensors. It was not opened.")
    wrong = [member.filename for member in members if _checksum(file, member) != member.CRC]
    if wrong and len(wrong) < len(members):  # all wrong: torch.save was told to write no checksums
        raise Refusal(f"is damaged: the checksum of '{plain(wrong[0])}' is wrong. {_AGAIN}")
    file.seek(_start(file, pickles[0]))
    _refuse_globals(_globals(io.BytesIO(file.read(pickles[0].file_size))))


def _refuse_bombs(members: list[zipfile.ZipInfo], size: int) -> None:
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise Refusal(
                f"holds the compressed entry '{plain(member.filename)}' of {member.file_size} bytes, but PyTorch never "
                "compresses: it may be a zip bomb. It was not opened. Save it again with torch.save."
            )
    if sum(member.file_size for member in members) > size:
        raise Refusal(f"declares more content than its {size} bytes can hold: it is a zip bomb. It was not opened.")


def _start(file: IO[bytes], member: zipfile.ZipInfo) -> int:
    """Give the position of a member's bytes (zipfile would insist on checksums that torch can leave out)."""
    file.seek(member.header_offset)
    header = file.read(30)
    if len(header) < 30:
        raise Refusal("is a truncated PyTorch file. " + _AGAIN)
    name_bytes, extra_bytes = struct.unpack("<26xHH", header)
    return int(member.header_offset + 30 + name_bytes + extra_bytes)


def _checksum(file: IO[bytes], member: zipfile.ZipInfo) -> int:
    file.seek(_start(file, member))
    checksum, left = 0, member.file_size
    while left and (chunk := file.read(min(left, 2**20))):
        checksum = zlib.crc32(chunk, checksum)
        left -= len(chunk)
    return checksum


def _examine_legacy(file: IO[bytes]) -> None:
    magic: list[int] = []
    asked = _globals(file, magic)
    if _TORCH_MAGIC not in magic:
        _refuse_globals(asked)
        raise Refusal("is a pickle that torch.save did not write. It was not run. Save the weights with torch.save.")
    for _ in range(4):  # protocol, system, the object, the keys of its storages
        asked |= _globals(file)
    _refuse_globals(asked)


def _globals(file: IO[bytes], numbers: list[int] | None = None) -> dict[str, None]:
    """Give the functions and classes that a pickle names, in order, without running it; collects long integers."""
    names: dict[str, None] = {}
    strings: deque[str] = deque(maxlen=2)
    start = file.tell()
    try:
        for opcode, argument, position in pickletools.genops(file):
            if (position or 0) - start > MAX_PICKLE_BYTES:
                raise Refusal(f"holds more than {MAX_PICKLE_BYTES} bytes of pickle. It was not opened.")
            if opcode.name in ("GLOBAL", "INST"):
                names[str(argument).replace(" ", ".", 1)] = None
            elif opcode.name == "STACK_GLOBAL":
                names[".".join(strings) or "an unnamed function"] = None
            elif opcode.name in ("EXT1", "EXT2", "EXT4"):
                names[f"copyreg extension {argument}"] = None
            elif isinstance(argument, str):
                strings.append(argument)
            elif numbers is not None and isinstance(argument, int):
                numbers.append(argument)
    except (ValueError, IndexError, struct.error, OverflowError) as error:
        raise Refusal("is truncated or damaged: its pickle cannot be parsed. " + _AGAIN) from error
    return names


def _refuse_globals(names: Mapping[str, None]) -> None:
    asked = [name for name in names if not _HARMLESS.fullmatch(name)]
    if not asked:
        return
    worst = next((name for name in asked if _DANGEROUS.match(name)), None)
    if worst is not None:
        raise Refusal(f"asks to run '{plain(worst, 60)}', which no weights need. It was not run. Do not use this file.")
    if any(name.startswith("torch.nn.modules.") for name in asked):
        network = next((name for name in asked if not name.startswith("torch.")), asked[0])
        raise Refusal(
            f"is a whole pickled network ('{plain(network, 60)}'), not its weights. It was not run. Save "
            "net.state_dict() instead of net."
        )
    first = plain(asked[0], 60)
    if first.startswith("torch._utils._rebuild_"):
        raise Refusal(f"holds sparse, quantised or other special tensors ('{first}'). Save plain float32 weights.")
    raise Refusal(f"holds '{first}' beside the weights. It was not run. Save only net.state_dict().")
