"""Pickles that try to run something, to take all memory or to confuse the reader, in every container."""

import io
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.reference_nets import Resnet, randomised

TORCH_MAGIC = 0x1950A86A20F9469CFC6C


def resnet_state() -> dict[str, torch.Tensor]:
    """Give a small valid generator under its published names."""
    return dict(randomised(Resnet([4, 8, 8, 8, 8, 8, 4])).state_dict())


def payloads(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Yield pickles that would create the marker, in every container."""
    touch = f"touch {marker}"
    write = f"open({str(marker)!r}, 'w').write('x')"
    calls: dict[str, tuple[str, str, tuple[object, ...]]] = {
        "os_system": ("os", "system", (touch,)),
        "posix_system": ("posix", "system", (touch,)),
        "popen": ("subprocess", "Popen", (["touch", str(marker)],)),
        "eval": ("builtins", "eval", (write,)),
        "exec_python2": ("__builtin__", "exec", (write,)),
        "open": ("io", "open", (str(marker), "w")),
        "runpy": ("runpy", "_run_code", (write, {})),
        "torch_load": ("torch.serialization", "load", (str(marker),)),
        "torch_hub": ("torch.hub", "load", (str(marker), "x")),
        "load_library": ("torch.ops", "load_library", (str(marker),)),
        "unlisted_method": ("torch", "FloatStorage.from_file", (str(marker), True, 10)),
        "from_file": ("torch", "from_file", (str(marker), True, 10)),
        "untyped_from_file": ("torch.storage", "UntypedStorage.from_file", (str(marker), True, 10)),
    }
    for name, (module, function, arguments) in calls.items():
        code = _call(module, function, arguments)
        yield f"{name}_raw.pkl", b"\x80\x02" + code + b"."
        yield f"{name}_legacy.pth", _legacy(code)
        yield f"{name}_zip.pth", torch_zip(b"\x80\x02" + code + b".")
        mixed = _pickled(list(resnet_state()))[:-1] + code + b"\x86."
        yield f"{name}_beside.pth", torch_zip(mixed)
    yield "protocol0.pkl", f"cos\nsystem\n(S'{touch}'\ntR.".encode()
    yield "inst.pkl", f"(S'{touch}'\nios\nsystem\n.".encode()
    yield "inst.pth", torch_zip(f"\x80\x02(X{chr(0) * 4}ios\nsystem\n.".encode())
    for protocol in (3, 4, 5):
        yield f"protocol{protocol}.pkl", pickle.dumps(_Payload(touch), protocol)
        yield f"protocol{protocol}.pth", torch_zip(pickle.dumps(_Payload(touch), protocol))
    buffer = io.BytesIO()
    torch.save(resnet_state(), buffer, _use_new_zipfile_serialization=False)
    yield "late.pth", buffer.getvalue() + b"\x80\x02" + _call("os", "system", (touch,)) + b"."
    yield "obj.pkl", b"\x80\x02(cos\nsystem\n" + _pickled(touch)[2:-1] + b"o."
    yield "getattr_chain.pth", torch_zip(b"\x80\x02" + _call("builtins", "getattr", ("", "format")) + b".")


class _Payload:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, ...]:
        import os

        return os.system, (self.command,)


def _call(module: str, function: str, arguments: tuple[object, ...]) -> bytes:
    """Give opcodes that call a function, without protocol and stop."""
    return f"c{module}\n{function}\n".encode() + _pickled(arguments)[2:-1] + b"R"


def _pickled(value: object) -> bytes:
    return pickle.dumps(value, 2)


def _legacy(code: bytes, *, keys: bytes = b"\x80\x02]q\x00.") -> bytes:
    start = _pickled(TORCH_MAGIC) + _pickled(1001) + _pickled({"little_endian": True})
    return start + b"\x80\x02" + code + b"." + keys


def torch_zip(data: bytes, *, compression: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    """Pack a pickle as torch.save does; `a__b` among the members means a/b."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", b"3\n")
        for name, content in members.items():
            archive.writestr(f"archive/{name.replace('__', '/')}", content)
    return buffer.getvalue()


def _tensor_code(claim: tuple[int, tuple[int, ...], tuple[int, ...], int], *, legacy: bool = False) -> bytes:
    """Give opcodes of {'model.1.weight': tensor}; claim: numbers in storage '0', size, stride, offset."""
    numel, size, stride, offset = claim
    name, key, place, count = (_pickled(value)[2:-1] for value in ("storage", "0", "cpu", numel))
    storage = b"(" + name + b"ctorch\nFloatStorage\n" + key + place + count + (b"NtQ" if legacy else b"tQ")
    view = b"".join(_pickled(value)[2:-1] for value in (offset, size, stride))
    arguments = b"(" + storage + view + b"\x89ccollections\nOrderedDict\n)Rt"
    return b"}" + _pickled("model.1.weight")[2:-1] + b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"Rs"


def bombs() -> Iterator[tuple[str, bytes]]:
    """Yield claims of huge or impossible tensors, deep nesting, endless strings and broken opcodes."""
    claims: dict[str, tuple[int, tuple[int, ...], tuple[int, ...], int]] = {
        "huge_storage": (2**40, (2**40,), (1,), 0),
        "negative_storage": (-5, (4,), (1,), 0),
        "huge_view": (4, (2**20, 2**20), (0, 0), 0),
        "outside": (4, (4, 3, 7, 7), (147, 49, 7, 1), 0),
        "offset_outside": (4, (4,), (1,), 2**40),
        "negative_offset": (4, (4,), (1,), -3),
        "negative_size": (4, (-4,), (1,), 0),
        "negative_stride": (4, (4,), (-1,), 3),
        "overflowing": (4, (2**31, 2**31, 4), (1, 1, 1), 0),
        "many_dimensions": (4, (1,) * 500, (1,) * 500, 0),
    }
    for name, claim in claims.items():
        yield f"{name}.pth", torch_zip(b"\x80\x02" + _tensor_code(claim) + b".", data__0=bytes(16))
        start = _legacy(_tensor_code(claim, legacy=True), keys=_pickled(["0"]))
        yield f"{name}_legacy.pth", start + struct.pack("<q", max(claim[0], 0)) + bytes(16)
    depth = 100_000
    deep = {
        "deep_list": b"]" * depth + b"a" * (depth - 1),
        "deep_tuple": b")" + b"\x85" * depth,
        "deep_key": b"}" + b")" + b"\x85" * depth + b"Ns",
        "deep_dict": b"}" + b"K\x01}" * depth + b"s" * depth,
        "marks": b"(" * depth,
        "doubling": b"]q\x00" + b"".join(b"]q%c(h%ch%ce" % (index + 1, index, index) for index in range(200)),
        "memo_far": b"K\x01r\xff\xff\xff\xff",
        "bytearray": _call("builtins", "bytearray", (2**40,)),
        "tensor_class": _call("torch", "FloatTensor", (2**38,)),
        "tensor_new": b"ctorch\nTensor\n" + _pickled((2**38,))[2:-1] + b"\x81",
        "size_power": _call("torch", "Size", ((2**62, 2**62),)),
        "counter": _call("collections", "Counter", ("x" * 1000,)),
        "wrong_rebuild": _call("torch._utils", "_rebuild_tensor_v2", (1, 2, 3, 4, 5, 6)),
        "rebuild_type": _call("torch._tensor", "_rebuild_from_type_v2", (1, 2, 3, 4)),
        "long_string": b"X\xff\xff\xff\x7fabc",
        "long_integer": b"\x8b\xff\xff\xff\x7fabc",
        "bad_persistent_id": b"K\x05Q",
        "text_persistent_id": b"Pevil\n",
        "extension": b"\x82\x01",
        "no_stop": b"}",
        "pop_empty": b"0000",
        "unknown_opcode": b"\xff\xfe",
        "build_dict": b"ccollections\nOrderedDict\n)R}" + _pickled("__class__")[2:-1] + b"K\x01sb",
    }
    for name, code in deep.items():
        yield f"{name}.pth", torch_zip(b"\x80\x02" + code + b".")
        yield f"{name}_legacy.pth", _legacy(code)
    yield "protocol_255.pth", torch_zip(b"\x80\xff}.")
    yield "huge_pickle.pth", torch_zip(b"\x80\x02" + b"N0" * (5 * 2**20) + b"}.")
    start = _legacy(_tensor_code((4, (4,), (1,), 0), legacy=True), keys=_pickled(["0"]))
    yield "legacy_counts.pth", start + struct.pack("<q", 2**60)
