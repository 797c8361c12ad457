"""Damaged and hostile model files for the fuzz tests: over 200, always the same ones for one seed."""

import argparse
import io
import json
import random
import struct
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from tests.hostile_pickles import bombs, payloads, resnet_state, torch_zip
from tests.reference_nets import Patch, Unet, randomised

State = dict[str, Tensor]


def write_all(folder: Path, marker: Path, *, seed: int) -> list[Path]:
    """Write every file into the folder; a payload that runs creates `marker`."""
    drawn = random.Random(seed)
    sources = _sources(folder)
    files = []
    for number, (name, content) in enumerate(_contents(sources, marker, drawn)):
        path = folder / f"{number:03d}_{name}"
        path.write_bytes(content)
        files.append(path)
    return files


def _contents(sources: dict[str, bytes], marker: Path, drawn: random.Random) -> Iterator[tuple[str, bytes]]:
    yield from _cut(sources, drawn)
    yield from _flipped(sources, drawn)
    yield from _resealed(sources, drawn)
    yield from _changed_tensors(drawn)
    yield from _other_objects()
    yield from payloads(marker)
    yield from bombs()
    yield from _zip_tricks()
    yield from _safetensors_tricks(drawn)


def _sources(folder: Path) -> dict[str, bytes]:
    state = resnet_state()
    sources = {"zip.pth": _saved(state), "legacy.pth": _saved(state, zipped=False)}
    sources["unet.pth"] = _saved(dict(randomised(Unet([4, 8, 8])).state_dict()))
    sources["plain.safetensors"] = safetensors.torch.save(state)
    return sources


def _saved(value: object, *, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def _cut(sources: dict[str, bytes], drawn: random.Random) -> Iterator[tuple[str, bytes]]:
    for name, content in sources.items():
        for _ in range(8):
            yield f"cut_{name}", content[: drawn.randrange(1, len(content))]
        start = drawn.randrange(len(content) // 2)
        yield f"hole_{name}", content[:start] + content[start + 100 :]
        yield f"longer_{name}", content + drawn.randbytes(50)


def _flipped(sources: dict[str, bytes], drawn: random.Random) -> Iterator[tuple[str, bytes]]:
    for name, content in sources.items():
        for index in range(15):
            changed = bytearray(content)
            early = index % 3 and min(len(content), 3000)  # two of three hit the pickle or the header
            for _ in range(drawn.choice((1, 1, 3, 20))):
                changed[drawn.randrange(early or len(content))] ^= 1 << drawn.randrange(8)
            yield f"flipped_{name}", bytes(changed)


def _resealed(sources: dict[str, bytes], drawn: random.Random) -> Iterator[tuple[str, bytes]]:
    """Change the pickle inside a zip and write correct checksums, so that the change reaches the unpickler."""
    for index in range(40):
        with zipfile.ZipFile(io.BytesIO(sources["zip.pth"])) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = next(name for name in members if name.endswith("data.pkl"))
        changed = bytearray(members[name])
        for _ in range(drawn.choice((1, 1, 2, 5))):
            position = drawn.randrange(2, len(changed))
            changed[position] = drawn.choice((changed[position] ^ 1 << drawn.randrange(8), *b".R(tbQ0)]}Nhq\x81\x85"))
        yield f"resealed_{index}.pth", _ordinary_zip(members | {name: bytes(changed)})


def _changed_tensors(drawn: random.Random) -> Iterator[tuple[str, bytes]]:
    for index in range(30):
        state = resnet_state()
        key = drawn.choice(sorted(state))
        change = TENSOR_CHANGES[index % len(TENSOR_CHANGES)]
        change(state, key)
        yield f"{change.__name__.strip('_')}.pth", _saved(state, zipped=bool(index % 2))


def _renamed(state: State, key: str) -> None:
    state[key.replace("model", "m0del")] = state.pop(key)


def _dropped(state: State, key: str) -> None:
    del state[key]


def _added(state: State, key: str) -> None:
    state[f"{key}.more"] = torch.zeros(2)


def _reshaped(state: State, key: str) -> None:
    state[key] = torch.cat([state[key], state[key]])


def _flattened(state: State, key: str) -> None:
    state[key] = state[key].flatten()


def _emptied(state: State, key: str) -> None:
    state[key] = torch.zeros(0, 3, 0)


def _nan(state: State, key: str) -> None:
    state[key].view(-1)[0] = float("nan")


def _overflowing(state: State, key: str) -> None:
    state[key] = torch.full_like(state[key], 1e300, dtype=torch.float64)


def _integer(state: State, key: str) -> None:
    state[key] = state[key].to(torch.int8)


def _complex(state: State, key: str) -> None:
    state[key] = state[key].to(torch.complex64)


def _expanded(state: State, key: str) -> None:
    state[key] = torch.zeros(1).expand(1 << 20, 1 << 20)


def _strange_name(state: State, key: str) -> None:
    state["model.\n\x1b[31m\u202e" + "x" * 5000] = state.pop(key)


def _sparse(state: State, key: str) -> None:
    state[key] = state[key].to_sparse()


def _meta(state: State, key: str) -> None:
    state[key] = state[key].to("meta")


def _many(state: State, key: str) -> None:
    state.update({f"model.{index}.weight": state[key] for index in range(12_000)})


TENSOR_CHANGES: tuple[Callable[[State, str], None], ...] = (
    *(_renamed, _dropped, _added, _reshaped, _flattened, _emptied, _nan, _overflowing, _integer, _complex, _expanded),
    *(_strange_name, _sparse, _meta, _many),
)


def _other_objects() -> Iterator[tuple[str, bytes]]:
    state = resnet_state()
    weight = nn.Parameter(torch.zeros(2))
    optimiser = torch.optim.Adam([weight])
    weight.sum().backward()
    optimiser.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = io.BytesIO()
        torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3))), script)
        quantised = torch.quantize_per_tensor(torch.zeros(4), 0.1, 0, torch.qint8)
        whole = _saved(nn.Sequential(nn.Conv2d(3, 4, 3)))
    yield "torchscript.pth", script.getvalue()
    yield "whole_network.pth", whole
    objects = {
        "discriminator": Patch(4, 3, "batch").state_dict(),
        "optimiser": optimiser.state_dict(),
        "training": {"optimizer": optimiser.state_dict(), "epoch": 3},
        "namespace": {"state_dict": state, "options": argparse.Namespace(lr=1)},
        "quantised": state | {"model.1.weight": quantised},
        "tensor": torch.zeros(3),
        "tensors": [torch.zeros(3)] * 3,
        "number": 5,
        "nothing": None,
        "empty": {},
        "numbers": {1: torch.zeros(2), (2, 3): torch.zeros(2)},
        "text": {"model": "resnet"},
        "nested": {"model": {"model": {"model": {"model": {"model": {"model": state}}}}}},
        "set": {"a": {1, 2}},
        "classifier": {"conv1.weight": torch.zeros(8, 3, 7, 7), "fc.weight": torch.zeros(10, 8)},
    }
    for name, value in objects.items():
        yield f"{name}.pth", _saved(value)
        yield f"{name}_legacy.pth", _saved(value, zipped=False)


def _zip_tricks() -> Iterator[tuple[str, bytes]]:
    good = _saved(resnet_state())
    yield "zeros_bomb.pth", torch_zip(b"\x80\x02}.", compression=zipfile.ZIP_DEFLATED, data__0=bytes(50 * 2**20))
    yield "deflated_good.pth", _recompressed(good)
    yield "many_members.pth", torch_zip(b"\x80\x02}.", **{f"data__{index}": b"" for index in range(20_000)})
    yield "no_pickle.zip", _ordinary_zip({"readme.txt": b"hello"})
    yield "two_pickles.pth", _ordinary_zip({"a/data.pkl": b"\x80\x02}.", "b/data.pkl": b"\x80\x02}."})
    yield "escaping.pth", _ordinary_zip({"../../data.pkl": b"\x80\x02}.", "/etc/data.pkl": b"\x80\x02}."})
    yield "numpy.npz", _ordinary_zip({"arr_0.npy": b"\x93NUMPY"})
    table = good.rindex(b"PK\x01\x02")
    yield "declared_huge.pth", good[: table + 20] + b"\xf0\xff\xff\x7f" * 2 + good[table + 28 :]
    yield "only_table.pth", b"PK\x03\x04" + good[good.index(b"PK\x01\x02") :]
    yield "encrypted.pth", good.replace(b"PK\x01\x02\x00\x00\x00\x00", b"PK\x01\x02\x00\x00\x00\x00", 1)[:-1]
    first = good.index(b"PK\x01\x02")
    yield "far_offset.pth", good[: first + 42] + b"\xf0\xff\xff\x7f" + good[first + 46 :]
    yield "bad_byteorder.pth", torch_zip(_state_pickle(good), byteorder=b"middle")
    yield "zip_of_nothing.pth", b"PK\x05\x06" + bytes(18)
    yield "polyglot.pth", _saved(resnet_state(), zipped=False) + good


def _ordinary_zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _recompressed(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in given.namelist():
            archive.writestr(member, given.read(member))
    return buffer.getvalue()


def _state_pickle(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as given:
        return given.read(next(name for name in given.namelist() if name.endswith("data.pkl")))


def _safetensors_tricks(drawn: random.Random) -> Iterator[tuple[str, bytes]]:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    headers: dict[str, object] = {
        "huge_shape": {"a": entry | {"shape": [2**60, 2**60]}},
        "negative_shape": {"a": entry | {"shape": [-1]}},
        "overlap": {"a": entry, "b": entry},
        "hole": {"a": entry | {"data_offsets": [4, 8]}},
        "backwards": {"a": entry | {"data_offsets": [4, 0]}},
        "unknown_type": {"a": entry | {"dtype": "F12"}},
        "list": [1, 2, 3],
        "own_broken": {"__metadata__": {"coronet": "{"}, "a": entry},
        "own_deep": {"__metadata__": {"coronet": "[" * 100_000}, "a": entry},
        "own_not_object": {"__metadata__": {"coronet": "[]"}, "a": entry},
        "metadata_number": {"__metadata__": {"coronet": 5}, "a": entry},
        "name": {"x\n\u202ey" * 2000: entry},
    }
    for name, header in headers.items():
        text = json.dumps(header).encode()
        yield f"{name}.safetensors", struct.pack("<Q", len(text)) + text + bytes(8)
    yield "deep_json.safetensors", struct.pack("<Q", 100_001) + b"{" + b"[" * 100_000 + bytes(4)
    yield "huge_header.safetensors", struct.pack("<Q", 2**23) + b"{" + bytes(100)
    good = safetensors.torch.save(OrderedDict(sorted(resnet_state().items())))
    for _ in range(10):
        position = drawn.randrange(8, int.from_bytes(good[:8], "little"))
        yield "header.safetensors", good[:position] + drawn.randbytes(1) + good[position + 1 :]
