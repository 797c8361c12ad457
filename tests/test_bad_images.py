"""Hostile images and folders end in DataError or a valid result: no other exception, no hang, no memory blow-up.

All of them are tried in one child process whose address space is limited and whose warnings are errors.
"""

import io
import json
import os
import random
import re
import resource
import socket
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coronet.datasets import DataSettings, open_dataset
from coronet.errors import DataError
from coronet.images import PIXEL_LIMIT, image_size, open_image, shown, to_tensor

ROOT = Path(__file__).resolve().parents[1]
EXTRA_MEMORY = 3 * 2**29  # bytes the child may map beyond what its imports took
MODES = ("resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "resize", "none")


def encodings() -> dict[str, bytes]:
    """Encode one small picture in every format and many of its variants."""
    rng = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(24) * 5, np.arange(40) * 3)[..., None] + rng.integers(0, 9, (24, 40, 3))
    picture = Image.fromarray(ramp.astype(np.uint8))
    grey16 = Image.fromarray((ramp[..., 0] * 250).astype(np.uint16))
    alpha = picture.convert("RGBA")
    exif = Image.Exif()
    exif[0x0112] = 6
    variants = {
        "png": (picture, "PNG", {}),
        "png8": (picture.convert("P"), "PNG", {"transparency": 3}),
        "png16": (grey16, "PNG", {}),
        "pnga": (alpha, "PNG", {"exif": exif}),
        "jpg": (picture, "JPEG", {"exif": exif}),
        "progressive": (picture, "JPEG", {"progressive": True}),
        "cmyk": (picture.convert("CMYK"), "JPEG", {}),
        "webp": (picture, "WEBP", {"exif": exif}),
        "lossless": (alpha, "WEBP", {"lossless": True}),
        "tiff": (picture, "TIFF", {}),
        "lzw": (picture, "TIFF", {"compression": "tiff_lzw"}),
        "tiffjpeg": (picture, "TIFF", {"compression": "jpeg"}),
        "tiff16": (grey16, "TIFF", {"compression": "tiff_adobe_deflate"}),
        "bmp": (picture, "BMP", {}),
        "bmp8": (picture.convert("P"), "BMP", {}),
    }
    encoded = {}
    for name, (image, kind, options) in variants.items():
        buffer = io.BytesIO()
        image.save(buffer, format=kind, **options)
        encoded[name] = buffer.getvalue()
    return encoded


def damaged(name: str, data: bytes) -> dict[str, bytes]:
    """Cut off, flip bits, overwrite and repeat parts of a file."""
    rng = random.Random(name)
    cases = {}
    for part in (1, 2, 7, 8, 16, 30, 60, len(data) // 4, len(data) // 2, len(data) * 3 // 4, len(data) - 1):
        cases[f"{name}-cut{part}"] = data[:part]
    for turn in range(16):
        flipped = bytearray(data)
        start = rng.randrange(min(len(data), 64) if turn % 2 else len(data))  # headers are hit more often
        flipped[start] ^= 1 << rng.randrange(8)
        cases[f"{name}-flip{turn}"] = bytes(flipped)
    for turn in range(4):
        start = rng.randrange(len(data))
        cases[f"{name}-splat{turn}"] = data[:start] + bytes([255 * (turn % 2)]) * 12 + data[start + 12 :]
    cases[f"{name}-twice"] = data + data
    cases[f"{name}-shifted"] = b"\0" + data
    return cases


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, colour: int = 2, extra: bytes = b"", packed: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def tiff(width: int, height: int, strip_bytes: int) -> bytes:
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (278, height), (279, strip_bytes)]
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + b"\0\0\0\0"


def bmp(width: int, height: int, bits: int = 24) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 64, 0, 0, 54) + info + bytes(64)


def declared_sizes(encoded: dict[str, bytes]) -> dict[str, bytes]:
    """Make files whose headers promise odd or enormous pictures, and archives that unpack to far more."""
    bomb = zlib.compress(bytes(80_000_000), 9)
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\xff\xff" * 2
    jpeg = bytearray(encoded["jpg"])
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    return {
        "png-0x0": png(0, 0),
        "png-0x9": png(0, 9),
        "png-huge": png(2**31 - 1, 2**31 - 1),
        "png-4g": png(2**32 - 1, 2**32 - 1),
        "png-wide": png(2**31 - 1, 1),
        "png-limit": png(8_000, 8_000, packed=zlib.compress(b"\0" * 1000)),
        "png-above": png(8_001, 8_000),
        "png-pillow-warns": png(10_000, 10_000),
        "png-text-bomb": png(8, 8, extra=chunk(b"zTXt", b"a\0\0" + bomb)),
        "png-profile-bomb": png(8, 8, extra=chunk(b"iCCP", b"a\0\0" + bomb)),
        "png-data-bomb": png(8, 8, packed=bomb),
        "png-colour": png(8, 8, colour=7),
        "jpeg-65535": bytes(jpeg),
        "tiff-huge": tiff(2**31, 2**31, 100),
        "tiff-0x0": tiff(0, 0, 0),
        "tiff-strip": tiff(64, 64, 2**32 - 1),
        "tiff-wide": tiff(60_000_000, 1, 60_000_000),
        "tiff-no-tags": b"II*\0" + struct.pack("<IH", 8, 0) + bytes(4),
        "tiff-loop": b"II*\0" + struct.pack("<IHI", 8, 0, 8),
        "bmp-huge": bmp(2**31 - 1, 2**31 - 1),
        "bmp-negative": bmp(-5, -5),
        "bmp-0x0": bmp(0, 0),
        "bmp-bits": bmp(8, 8, bits=13),
        "webp-huge": b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas,
    }


def other_contents() -> dict[str, bytes]:
    """Make files that are no images at all."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.png", b"x")
    gif = io.BytesIO()
    Image.new("P", (4, 4)).save(gif, format="GIF")
    return {
        "empty": b"",
        "byte": b"\0",
        "zip": archive.getvalue(),
        "gif": gif.getvalue(),
        "html": b"<!DOCTYPE html><html>404</html>",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "json": b'{"error": "not found"}',
        "pdf": b"%PDF-1.7\n",
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "elf": b"\x7fELF" + bytes(100),
        "gzip": b"\x1f\x8b\x08" + bytes(100),
        "spaces": b" " * 5000,
        "zeros": bytes(5000),
        "random": random.Random(0).randbytes(5000),
        "text": "kein Bild, nur Text \N{SNOWMAN}".encode(),
    }


def write_odd_files(folder: Path, good: bytes) -> list[Path]:
    """Make what is no regular file, too large a file, or a file under an odd name."""
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "fifo.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket.png"))
    links = {"loop": "loop.png", "dangling": "nowhere", "zero": "/dev/zero", "null": "/dev/null", "dir": ".."}
    for name, target in links.items():
        (folder / f"{name}.png").symlink_to(target)
    for name, head in (("sparse", b""), ("sparse-png", good), ("sparse-webp", b"RIFF\xff\xff\xff\xffWEBPVP8X")):
        with (folder / f"{name}.png").open("wb") as file:
            file.write(head)
            file.truncate(10 * 2**30)
    (folder / "locked.png").write_bytes(good)
    (folder / "locked.png").chmod(0)
    for name in (
        "new\nline.png",
        "größe \N{HORSE}.png",
        "x" * 240 + ".png",
        "-rf.png",
        "'\"`$(x).png",
        "\u202etxt.png",
    ):
        (folder / name).write_bytes(good)
        (folder / f"bad{name[-200:]}").write_bytes(b"")
    missing = [
        folder / "missing.png",
        folder / "nul\0.png",
        folder / ("y" * 300 + ".png"),
        folder / "fifo.png" / "x.png",
    ]
    return [*folder.iterdir(), *missing]


def write_images(folder: Path) -> list[Path]:
    """Write all bad images; those that are whole keep a name with `good`."""
    encoded = encodings()
    files = {f"{name}-good": data for name, data in encoded.items()}
    for name, data in encoded.items():
        files |= damaged(name, data)
    files |= declared_sizes(encoded) | other_contents()
    for name, data in files.items():
        (folder / f"{name}.png").write_bytes(data)
    for size in ((1, 1), (1, 100_000), (100_000, 1)):
        Image.new("RGB", size).save(folder / f"{size[0]}x{size[1]}-whole.png")
    (folder / "sparse.png").write_bytes(b"RIFF\xff\xff\xff\x05WEBPVP8X")
    os.truncate(folder / "sparse.png", 100_000_000)
    (folder / os.fsdecode(b"\xff-surrogate.png")).write_bytes(b"")
    odd = folder / "odd"
    odd.mkdir()
    return [*(path for path in folder.iterdir() if path != odd), *write_odd_files(odd, encoded["png"])]


def write_folders(root: Path) -> list[Path]:
    """Write bad data folders."""
    good, strips = encodings()["png"], {"wide": (100_000, 1), "high": (1, 100_000), "long": (8, 30_000)}
    trees: dict[str, list[str]] = {
        "empty": [],
        "text": ["names.csv", "LICENSE"],
        "one": ["a.png"],
        "two": ["a.png", "b.png"],
        "half-a": ["trainA/a.png", "trainA/b.png", "trainA/c.png"],
        "half-b": ["trainB/a.png", "trainB/b.png", "trainB/c.png"],
        "half-test": ["trainA/a.png", "trainB/b.png", "testA/c.png"],
        "mixed": ["train/a.png", "trainA/a.png", "trainB/a.png"],
        "tests": ["testA/a.png", "testB/a.png"],
        "nested": ["train/deep/a.png", "train/deep/b.png"],
        "parent": ["inner/train/a.png"],
        "train-file": ["train"],
        "hidden": [".a.png", "._b.png", ".c.png"],
        "few": ["trainA/a.png", "trainB/a.png", "testA/a.png", "testB/a.png"],
        "new\nline": ["trainA/a.txt"],
    }
    for name, files in trees.items():
        (root / name).mkdir()
        for file in files:
            (root / name / file).parent.mkdir(parents=True, exist_ok=True)
            (root / name / file).write_bytes(good)
    for name, size in strips.items():
        (root / name).mkdir()
        for place in range(4):
            Image.new("RGB", size).save(root / name / f"{place}.png")
    for name, content in (("zero", b""), ("html", b"<html>"), ("cut", good[:60])):
        (root / name).mkdir()
        for place in range(4):
            (root / name / f"{place}.png").write_bytes(content)
    (root / "odd").mkdir()
    write_odd_files(root / "odd", good)
    (root / "loop").symlink_to("loop")
    (root / "up").mkdir()
    (root / "up" / "train").symlink_to("..")
    (root / "fifo").mkdir()
    os.mkfifo(root / "fifo" / "train")
    return [
        *root.iterdir(),
        root / "missing",
        root / "one" / "a.png",
        root / "nul\0",
        root / ("z" * 300),
        Path("/dev/null"),
    ]


def judge_image(path: Path) -> str:
    """Open an image; the answer is its size or the error. Any other exception ends the child."""
    try:
        image = open_image(path)
    except DataError as error:
        return str(error)
    assert image.mode == "RGB"
    assert 1 <= image.width * image.height <= PIXEL_LIMIT
    assert sorted(image_size(path)) == sorted(image.size)
    if image.width * image.height < 10**6:
        assert to_tensor(image).shape == (3, image.height, image.width)
    return f"{image.width} x {image.height}"


def judge_folder(root: Path, mode: str) -> str:
    """Open a folder and draw from it; the answer is its summary or the error."""
    try:
        settings = DataSettings(preprocess=mode, load_size=20, crop_size=16)
        data = open_dataset(root, settings)
        batch = data.train.batch(0, batch_size=1, seed=0)
        assert batch.source.shape[:2] == (1, 3)
        assert all(item.source.shape[:2] == (1, 3) for item in data.test.items())
        return json.dumps(data.summary())
    except DataError as error:
        return str(error)


def child(images: list[str], folders: list[str]) -> None:
    """Judge everything under a memory limit and print the answers with the seconds of each as JSON."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + EXTRA_MEMORY, mapped + EXTRA_MEMORY))
    answers = []
    for path in images:
        start = time.monotonic()
        answers.append(("image", path, judge_image(Path(path)), time.monotonic() - start))
    for root in folders:
        for mode in MODES:
            start = time.monotonic()
            answers.append(("folder", root, judge_folder(Path(root), mode), time.monotonic() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    json.dump({"answers": answers, "peak": peak}, sys.stdout)


@dataclass(frozen=True)
class Answer:
    kind: str
    path: str
    text: str
    seconds: float


@dataclass(frozen=True)
class Verdict:
    answers: list[Answer]
    peak: int  # bytes of memory the child used at most

    def of(self, end: str) -> str:
        (text,) = {answer.text for answer in self.answers if answer.path.endswith(end)}
        return text


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    base = tmp_path_factory.mktemp("bad")
    (base / "images").mkdir()
    (base / "folders").mkdir()
    images, folders = write_images(base / "images"), write_folders(base / "folders")
    call = "import json, sys; from tests.test_bad_images import child; child(*json.load(sys.stdin))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", call],
        input=json.dumps([[str(path) for path in images], [str(path) for path in folders]]),
        capture_output=True,
        text=True,
        errors="replace",  # libtiff quotes damaged bytes
        timeout=120,  # a FIFO that is opened would hang
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert len(images) > 400
    assert len(found["answers"]) == len(images) + len(MODES) * len(folders)
    return Verdict([Answer(*answer) for answer in found["answers"]], found["peak"])


def test_every_error_is_a_plain_sentence(verdict: Verdict) -> None:
    sizes = re.compile(r"\d+ x \d+")
    errors = [answer for answer in verdict.answers if not sizes.fullmatch(answer.text) and answer.text[0] != "{"]
    assert len(errors) > 300
    for answer in errors:
        assert answer.text.isprintable(), answer
        assert answer.text.endswith("."), answer
        assert "Errno" not in answer.text, answer
        assert "<_io" not in answer.text, answer
        assert len(answer.text) < 420, answer
        assert answer.kind == "folder" or shown(Path(answer.path)) in answer.text, answer


def test_nothing_takes_long_or_much_memory(verdict: Verdict) -> None:
    assert max(answer.seconds for answer in verdict.answers) < 10
    assert verdict.peak < 3 * 2**29


def test_whole_images_stay_readable(verdict: Verdict) -> None:
    whole = [answer for answer in verdict.answers if answer.path.endswith(("-good.png", "-twice.png"))]
    assert len(whole) == 2 * len(encodings())
    assert {answer.text for answer in whole} == {"40 x 24", "24 x 40"}
    for name in ("new\nline", "größe \N{HORSE}", "-rf", "\u202etxt"):
        assert verdict.of(f"images/odd/{name}.png") == "40 x 24"
    assert verdict.of("/100000x1-whole.png") == "100000 x 1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "is empty (0 bytes)"),
        ("zip", "holds a zip archive"),
        ("html", "holds a web page"),
        ("gif", "holds a GIF"),
        ("lfs", "holds a Git LFS pointer"),
        ("postscript", "is no PNG, JPEG, WebP, TIFF or BMP image"),
        ("jpg-cut60", "is cut off or damaged"),
        ("png-cut60", "is cut off or damaged"),
        ("png-above", "is larger than 64 megapixels (8001 x 8000)"),
        ("png-huge", "is larger than 64 megapixels"),
        ("tiff-huge", "is larger than 64 megapixels"),
        ("bmp-huge", "is larger than 64 megapixels"),
        ("odd/fifo", "is not a regular file"),
        ("odd/zero", "is not a regular file"),
        ("odd/folder", "is a folder"),
        ("odd/loop", "links lead in a circle"),
        ("odd/dangling", "nothing is there"),
        ("odd/sparse", "has 10737 MB"),
        ("odd/badnew\nline", "badnew\\nline.png is empty"),
    ],
)
def test_the_reason_is_named(verdict: Verdict, name: str, message: str) -> None:
    assert message in verdict.of(f"images/{name}.png")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "does not exist"),
        ("one/a.png", "is a file"),
        ("empty", "holds no images and no folder train, or trainA and trainB. Choose another folder"),
        ("parent", "Choose its folder inner."),
        ("half-a", "has trainA but no trainB. Add the folder trainB."),
        ("half-b", "has trainB but no trainA. Add the folder trainA."),
        ("half-test", "has testA but no testB"),
        ("mixed", "mixes two layouts: train is for pairs A|B, trainA for unpaired images"),
        ("tests", "has test images only"),
        ("few", "trainA holds 1 usable image, but training needs at least 2. Add images."),
        ("two", "holds 2 usable images, but training and one held-out test image need at least 3"),
        ("html", "4 cannot be used: 0.png holds a web page or other text"),
        ("wide", "0.png is too small. It has 100000 x 1 pixels; 8 are needed."),
        ("loop", "links lead in a circle"),
    ],
)
def test_the_fault_of_a_folder_is_named(verdict: Verdict, name: str, message: str) -> None:
    assert message in verdict.of(f"folders/{name}")


def test_good_images_among_odd_files_are_found(verdict: Verdict) -> None:
    summary = json.loads(verdict.of("folders/odd"))
    assert (summary["kind"], summary["train"]["source"] + summary["test"]["source"]) == ("single", 7)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_locked_file_is_named(verdict: Verdict) -> None:
    assert "may not be read" in verdict.of("images/odd/locked.png")
