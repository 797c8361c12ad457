"""Zips of visitors: good ones become data folders, bad ones one sentence; nothing is left or written elsewhere.

Most of them are read in this process; that the child is confined, lost and killed without harm has tests of its own.
"""

import contextlib
import hashlib
import io
import os
import random
import re
import signal
import stat
import struct
import subprocess
import sys
import time
import unicodedata
import zipfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coronet import sandbox
from coronet.datasets import DataSettings, open_dataset
from coronet.downloads.archives import Limits, unpack
from coronet.errors import CoronetError, DataError, DownloadError, RunError
from coronet.files import harmless_name, locked_folder
from coronet.uploads import (
    Quota,
    UploadLimits,
    add_upload,
    child,
    find_imported,
    import_zip,
    importing,
    list_imported,
    remove_imported,
    table,
)

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = DataSettings(load_size=16, crop_size=16)
SMALL = UploadLimits(entries=60, pictures=40, bytes_for_any=2**20, unpacked_bytes=4 * 2**20, free_bytes=0)


@cache
def picture(seed=0, width=16, height=16, form="PNG"):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=form)
    return buffer.getvalue()


def zipped(files, method=zipfile.ZIP_DEFLATED, **changes):
    """Pack {name: bytes}, or pairs of them, as they are named; a change names an attribute of every entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            entry = zipfile.ZipInfo("x")
            entry.filename, entry.compress_type = name, method
            for attribute, value in changes.items():
                setattr(entry, attribute, value)
            archive.writestr(entry, data)
    return buffer.getvalue()


def many(*folders, count=3, width=16):
    return {f"{folder}{number}.png": picture(number, width) for folder in folders for number in range(count)}


PAIRS = many("train/", width=32) | many("val/", count=1, width=32)
SIDES = many("trainA/", "trainB/", "testA/", "testB/")


@pytest.fixture
def near(monkeypatch):
    """Let the child's program run in this process, unconfined: a hundred real ones would take minutes."""
    said = []
    monkeypatch.setattr(child, "confine", lambda **_: None)
    monkeypatch.setattr(child, "answer", said.append)

    def run(module, arguments, *, needs, folder, seconds):
        with contextlib.chdir(folder):
            child.main(list(arguments))
        return said.pop()

    monkeypatch.setattr(sandbox, "run", run)


@pytest.fixture
def shelf(tmp_path):
    return tmp_path / "shelf"


def written(tmp_path, body, name="My horses.zip"):
    path = tmp_path / name
    path.write_bytes(body)
    return path


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


# Good zips: (files, kind, train, test, files that are kept)

GOOD = {
    "pairs": (PAIRS, "paired", (3,), (1,)),
    "pairs without tests": (many("train/", count=4, width=32), "paired", (4,), ()),
    "pairs with tests": (PAIRS | many("test/", count=2, width=32), "paired", (3,), (2,)),
    "sides": (SIDES, "unpaired", (3, 3), (3, 3)),
    "sides of two sizes": (many("trainA/", count=5) | many("trainB/", count=4), "unpaired", (5, 4), ()),
    "sides with truth": (SIDES | many("truthA/", "truthB/"), "unpaired", (3, 3), (3, 3)),
    "validation of sides": (many("trainA/", "trainB/", "valA/", "valB/"), "unpaired", (3, 3), (3, 3)),
    "images": (many("", count=5), "single", (5,), ()),
    "images in a folder": (many("photos/", count=5), "single", (5,), ()),
    "images in folders": (many("a/b/c/", count=3), "single", (3,), ()),
    "a folder around": ({f"edges/{name}": data for name, data in PAIRS.items()}, "paired", (3,), (1,)),
    "a folder train around": ({f"train/{name}": data for name, data in SIDES.items()}, "unpaired", (3, 3), (3, 3)),
    "other capitals": (many("TRAINa/", "Trainb/"), "unpaired", (3, 3), ()),
    "litter": (
        {"__MACOSX/._a": b"x", ".DS_Store": b"x", "train/Thumbs.db": b"x", "train/._0.png": b"x", "Icon\r": b""}
        | PAIRS,
        *("paired", (3,), (1,)),
    ),
    "folders as entries": (
        {"e/": b"", "e/train/": b""} | {f"e/{name}": PAIRS[name] for name in PAIRS},
        *("paired", (3,), (1,)),
    ),
    "a point first": ({f"./{name}": data for name, data in PAIRS.items()}, "paired", (3,), (1,)),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_zips_become_data_folders(near, tmp_path, shelf, name):
    files, kind, train, test = GOOD[name]
    data = import_zip(written(tmp_path, zipped(files)), shelf / "mine", SMALL)
    assert (data.kind, data.train, data.test) == (kind, train, test)
    assert data.name == "My horses"
    assert data.notes == (() if test else ("Without pictures for tests, every tenth one is kept from training.",))
    dataset = open_dataset(data.folder, SETTINGS)
    assert dataset.broken == ()
    assert dataset.kind == kind
    assert sum(map(len, (dataset.train, dataset.test))) == train[0] + (test or (0,))[0]
    kept = names(data.folder)
    assert data.bytes == sum((data.folder / path).stat().st_size for path in kept if path != "imported.json")
    assert len(kept) - 1 == sum(path.endswith(".png") and "._" not in path for path in files)
    assert sorted(os.listdir(shelf)) == ["mine"]


def test_a_real_child_imports_what_open_dataset_opens(tmp_path, shelf):
    files = {f"horses/{name}": data for name, data in SIDES.items()}
    files |= {"horses/trainA/große Pferde #1.JPG": picture(7, 40, 30, "JPEG"), "horses/trainA/bad.png": b"PK\3\4"}
    data = import_zip(written(tmp_path, zipped(files)), shelf / "mine")
    assert (data.train, data.test) == ((4, 3), (3, 3))
    assert "trainA/gro_e_Pferde__1.jpg" in names(data.folder)
    assert "bad.png holds a zip archive" in data.notes[0]
    assert open_dataset(data.folder, SETTINGS).broken == ()
    assert importing.read_imported(data.folder) == data


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_pictures_keep_their_bytes(near, tmp_path, shelf, form):
    files = {f"{number}.{form.lower()}": picture(number, 20, 24, form) for number in range(3)}
    data = import_zip(written(tmp_path, zipped(files)), shelf / "mine", SMALL)
    assert {path.name: path.read_bytes() for path in data.folder.glob("[0-9]*")} == files


def test_what_is_left_out_is_told(near, tmp_path, shelf):
    files = SIDES | {
        "trainA/notes.txt": b"x",
        "readme.md": b"x",
        "extra/1.png": picture(),
        "trainA/deep/1.png": picture(),
    }
    files |= {"trainB/cut.png": picture()[:60], "trainB/tiny.png": picture(0, 4, 4)}
    data = import_zip(written(tmp_path, zipped(files)), shelf / "mine", SMALL)
    assert data.train == (3, 3)
    folder, others, broken = data.notes
    assert folder == "Left out for their folder: 2 pictures, such as 'extra/1.png'."
    assert others == "Left out as no pictures: 2 files, such as 'trainA/notes.txt'."
    assert broken.startswith("Left out as damaged, too small or too large: 2 pictures. cut.png is cut off or damaged.")


def test_names_are_made_harmless_and_stay_apart(near, tmp_path, shelf):
    strange = ["ä.png", "ö.png", "-rf.png", "$(reboot).png", "a b.png", "a_b.png", "\u202egnp.png", "x" * 150 + ".png"]
    strange += ["con.PNG", "a.b.png", "<script>.png", "'; DROP TABLE.png", "馬.png"]
    data = import_zip(written(tmp_path, zipped({name: picture() for name in strange})), shelf / "mine", SMALL)
    kept = [path.name for path in data.folder.glob("*.png")]
    assert len(kept) == len(strange)
    assert len({name.lower() for name in kept}) == len(kept)
    assert [name for name in kept if harmless_name(name[:-4], "") != name[:-4] or len(name) > 80] == []


def test_the_truth_keeps_the_names_of_its_pictures(near, tmp_path, shelf):
    files = {name.replace("/", "/é "): data for name, data in (SIDES | many("truthA/", "truthB/")).items()}
    data = import_zip(written(tmp_path, zipped(files)), shelf / "mine", SMALL)
    assert open_dataset(data.folder, SETTINGS).test.has_truth


# Bad zips

END = struct.Struct("<4sHHHHIIH")
LONG_END = struct.Struct("<4sQHHIIQQQQ")


def end(entries, table_bytes, offset=0):
    return END.pack(b"PK\x05\x06", 0, 0, entries, entries, table_bytes, offset, 0)


def crowd(count):
    """Write the table of a zip with many entries, as a large zip has it, and no contents."""
    header = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    body = b"PK\x03\x04" + header * count
    long = LONG_END.pack(b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, count * len(header), 4)
    return body + long + struct.pack("<4sIQI", b"PK\x06\x07", 0, len(body), 1) + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def patched(body, changes, signature=b"PK\x01\x02"):
    """Overwrite fields of every header: {offset: bytes}."""
    body, start = bytearray(body), 0
    while (start := body.find(signature, start)) >= 0:
        for offset, value in changes.items():
            body[start + offset : start + offset + len(value)] = value
        start += 4
    return bytes(body)


def renamed(old, new, files=None):
    """Pack files and overwrite a name with another one of its length."""
    return zipped(files or PAIRS | {old: picture()}).replace(old.encode(), new.encode("utf-8", "surrogateescape"))


def overlapping():
    """Pack one stored file under two entries, the first of which quotes the second (after Fifield)."""
    body = zipped([("a.png", bytes(300_000)), ("b.png", bytes(300_000)), ("c.png", bytes(300_000))])
    first = body.index(b"PK\x01\x02")
    return patched(body, {42: body[first + 42 : first + 46]})


def big_header(width, height):
    data = picture()
    header = data[12:16] + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


OUTSIDE = ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png", "c:x.png", "C:\\x.png", "..\\x.png", "train\\x.png"]
OUTSIDE += ["//server/x.png", "\\\\server\\x.png", "..", "train/..", "__MACOSX/../../x.png", "../", "/", "~/../x.png"]
SPECIAL = {
    "link": stat.S_IFLNK,
    "device": stat.S_IFCHR,
    "disk": stat.S_IFBLK,
    "pipe": stat.S_IFIFO,
    "socket": stat.S_IFSOCK,
}
NESTED = ["a.zip", "train/b.tar.gz", "C.RAR", "d.7z", "e.tgz"]
CONTROLS = ["a\nb.png", "train/\x1b[31m.png", "\x7f.png", "a\tb.png", "\x85.png"]
NO_ZIPS = {
    "empty file": (b"", "is no zip archive: it is empty"),
    "web page": (b"<!doctype html><html>", "is no zip archive: it begins with 3c 21 64 6f"),
    "picture": (picture(), "is no zip archive"),
    "gzip": (b"\x1f\x8b\x08\x00" + bytes(40), "is no zip archive"),
    "rar": (b"Rar!\x1a\x07\x01\x00" + bytes(40), "is no zip archive"),
    "part of several": (b"PK\x07\x08" + zipped(PAIRS), "is no zip archive"),
    "zip behind a picture": (picture() + zipped(PAIRS), "is no zip archive"),
    "only a beginning": (b"PK\x03\x04" + bytes(100), "the table at its end is missing"),
    "cut in the middle": (zipped(PAIRS)[: len(zipped(PAIRS)) // 2], "the table at its end is missing"),
    "cut in the end": (zipped(PAIRS)[:-5], "the table at its end is missing"),
    "wrong table": (zipped(PAIRS).replace(b"PK\x01\x02", b"PK\x01\x09"), "the table at its end is wrong"),
    "table beyond the file": (b"PK\x03\x04" + end(3, 30_000, 9), "the table at its end is wrong"),
    "no entries": (zipped({}), "holds no pictures among its 0 files"),
}
TABLES = {
    **{f"outside {name}": (zipped(PAIRS | {name: picture()}), "outside of its folder") for name in OUTSIDE},
    "outside behind a zero": (renamed("train/abcd.png", "train/a\0/..png"), "outside of its folder"),
    **{
        f"a {name}": (zipped(PAIRS, external_attr=kind << 16), "has a link or a device")
        for name, kind in SPECIAL.items()
    },
    "encrypted": (patched(patched(zipped(PAIRS), {8: b"\1"}), {6: b"\1"}, b"PK\x03\x04"), "is encrypted"),
    "bzip2": (zipped(PAIRS, zipfile.ZIP_BZIP2), "rare method, number 12"),
    "lzma": (zipped(PAIRS, zipfile.ZIP_LZMA), "rare method, number 14"),
    "deflate64": (patched(zipped(PAIRS), {10: b"\x09\0"}), "rare method, number 9"),
    "AES": (patched(zipped(PAIRS), {10: b"\x63\0"}), "rare method, number 99"),
    **{f"nested {name}": (zipped(PAIRS | {name: zipped(PAIRS)}), "holds another archive") for name in NESTED},
    **{f"control {name!a}": (zipped(PAIRS | {name: picture()}), "control characters") for name in CONTROLS},
    "twins": (renamed("train/9.png", "train/1.png"), "two files of one name"),
    "twins but for capitals": (zipped(PAIRS | {"Train/1.PNG": picture()}), "two files of one name"),
    "twins but for slashes": (zipped(PAIRS | {"train//1.png": picture()}), "two files of one name"),
    "twins but for a point": (zipped(PAIRS | {"./train/1.png": picture()}), "two files of one name"),
    "twins in two spellings": (
        zipped({unicodedata.normalize(form, "train/ä.png"): picture() for form in ("NFC", "NFD")} | PAIRS),
        "two files of one name",
    ),
    "before the beginning": (
        zipped(PAIRS)[:-10] + struct.pack("<IIH", len(zipped(PAIRS)), len(zipped(PAIRS)), 0),
        "is damaged: the table at its end",
    ),
    "bytes missing": (zipped(PAIRS)[:40] + zipped(PAIRS)[45:], "points before its beginning"),
    "bomb": (zipped(PAIRS | {"train/b.png": bytes(3 * 2**20)}), "may be a zip bomb"),
    "bomb of many": (zipped({f"train/{n}.png": bytes(200_000) for n in range(10)}), "may be a zip bomb"),
    "bomb of stored quotes": (patched(zipped(PAIRS, zipfile.ZIP_STORED), {24: b"\0\0\x0f\0"}), "may be a zip bomb"),
    "declares much": (patched(zipped(PAIRS), {24: b"\xf0\xff\xff\x7f"}), "unpacks to [0-9,]+ MB, more than 4"),
    "too large": (zipped({"train/b.png": random.Random(0).randbytes(5 * 2**20)}), "more than 4"),
    "crowd": (zipped({f"train/{n}.txt": b"" for n in range(61)}), "lists about 61 files, more than 60"),
    "large crowd": (crowd(100_000), "lists about 100,000 files, more than 60"),
    "crowd under a false number": (crowd(500)[:-98] + end(3, 47 * 500, 4), "lists about 500 files"),
    "long table": (b"PK\x03\x04" + bytes(40_000) + end(3, 40_000, 4), "more than 60"),
}
CONTENTS = {
    "texts": (zipped({"a.txt": b"x", "b.gif": b"GIF89a"}), "holds no pictures among its 2 files"),
    "litter": (zipped({"__MACOSX/a.png": picture(), ".DS_Store": b"x"}), "holds no pictures"),
    "folders": (zipped({"train/": b"", "test/": b""}), "holds no pictures"),
    "hidden pictures": (zipped({".a.png": picture(), ".b.png": picture()}), "holds no pictures"),
    "names of nothing": (zipped({".png": picture(), "train/.png": picture()}), "holds no pictures"),
    "one picture": (zipped({"a.png": picture()}), "holds 1 usable image, but .* at least 3"),
    "one pair": (zipped(many("train/", count=1, width=32)), "My_horses/train holds 1 usable image"),
    "one side": (zipped(many("trainA/")), "My_horses has trainA but no trainB. Add the folder trainB"),
    "one side for tests": (zipped(many("trainA/", "trainB/", "testA/")), "has testA but no testB"),
    "one picture of B": (zipped(many("trainA/") | {"trainB/1.png": picture()}), "trainB holds 1 usable image"),
    "tests only": (zipped(many("test/", width=32)), "has test images only"),
    "tests of sides only": (zipped(many("testA/", "testB/")), "has test images only"),
    "mixed": (zipped(PAIRS | SIDES), "mixes two layouts"),
    "foreign folders": (
        zipped(many("horses/", "zebras/")),
        "6 of its 6 pictures in 'horses', 'zebras'. Name its folders",
    ),
    "pairs in two folders": (zipped(many("A/train/", "B/train/")), "pictures in 'A/train', 'B/train'. Name its"),
    "mostly elsewhere": (zipped(PAIRS | many("", count=9)), "9 of its 13 pictures beside its folders"),
    "classes": (zipped(many("train/cat/", "train/dog/")), "pictures in 'cat', 'dog'"),
    "too many pictures": (zipped(many("train/", count=41)), "holds 41 pictures, more than 40"),
    "all broken": (zipped({f"{n}.png": b"PK no picture" for n in range(5)}), "of which 5 do not open. 0.png holds"),
    "most broken": (zipped(many("") | {f"b{n}.jpg": picture()[:70] for n in range(4)}), "7 pictures, of which 4 do"),
    "too broken": (zipped(many("", count=2) | {"b.jpg": b"x"}), "holds 2 usable images, but"),
    "tiny": (zipped({f"{n}.png": picture(n, 4, 4) for n in range(5)}), "is too small"),
    "huge": (zipped({f"{n}.png": big_header(9_000, 9_000) for n in range(5)}), "is larger than 64 megapixels"),
    "large for visitors": (
        zipped({f"{n}.png": big_header(8_000, 4_001) for n in range(5)}),
        r"is larger than 32 megapixels .8000 x 4001.",
    ),
    "enormous": (zipped({f"{n}.png": big_header(2**31 - 1, 2**31 - 1) for n in range(5)}), "megapixels"),
    "empty pictures": (zipped({f"{n}.png": b"" for n in range(5)}), "of which 5 do not open. 0.png is empty"),
    "damaged content": (
        zipped(PAIRS, zipfile.ZIP_STORED).replace(picture(1, 32)[50:60], bytes(10)),
        "is damaged at 'train/1",
    ),
    "declares little": (patched(zipped(PAIRS), {24: b"\x09\0\0\0"}), "is damaged at 'train/0"),
    "other names inside": (patched(zipped(PAIRS), {30: b"?"}, b"PK\x03\x04"), "is damaged at 'train/0"),
    "far away": (patched(zipped(PAIRS), {42: b"\xf0\xff\xff\x7f"}), "is damaged at|is wrong"),
    "overlapping": (overlapping(), "is damaged at 'b"),
    "no deflate": (
        zipped(PAIRS, zipfile.ZIP_STORED).replace(
            b"PK\x01\x02\x14\x03\x14\0\0\0\0\0", b"PK\x01\x02\x14\x03\x14\0\0\0\x08\0"
        ),
        "damaged",
    ),
}
BAD = {**NO_ZIPS, **TABLES, **CONTENTS}


def refusal(tmp_path, shelf, body, limits=SMALL):
    """Import a bad zip and give the sentence; nothing may be left of it."""
    path = written(tmp_path, body)
    with pytest.raises(DataError) as caught:
        import_zip(path, shelf / "mine", limits)
    assert names(tmp_path) == ["My horses.zip"]
    assert list(shelf.glob("*")) == []
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) <= 400
    assert said[-1] in ".?"
    assert str(tmp_path) not in said
    return said


def test_there_are_many_bad_zips():
    assert len(BAD) >= 80


@pytest.mark.parametrize("name", BAD)
def test_bad_zips_are_refused_in_one_sentence(near, tmp_path, shelf, name):
    body, words = BAD[name]
    said = refusal(tmp_path, shelf, body)
    assert said.startswith(("My horses.zip ", "My_horses"))
    assert re.search(words, said), said


@pytest.mark.parametrize("name", [*NO_ZIPS, *TABLES])
def test_bad_tables_are_refused_before_anything_is_imported_or_written(tmp_path, name):
    path = written(tmp_path, BAD[name][0])
    if name == "no entries":
        return
    with pytest.raises(table.Refusal):
        table.survey(path, SMALL)


def test_a_large_crowd_is_refused_without_reading_its_table(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "ZipFile", lambda _: pytest.fail("the table was read"))
    with pytest.raises(table.Refusal, match="100,000 files, more than 20,000"):
        table.survey(written(tmp_path, crowd(100_000)), UploadLimits())


def test_an_entry_without_a_name_is_passed_over(near, tmp_path, shelf):
    body = zipped(PAIRS | {"": b"x"})
    assert import_zip(written(tmp_path, body), shelf / "mine", SMALL).train == (3,)
    list(unpack(written(tmp_path, body), "zip", tmp_path / "unpacked", Limits()))
    with pytest.raises(DownloadError):
        list(unpack(written(tmp_path, zipped({"../a": b""})), "zip", tmp_path / "other", Limits()))


def test_a_real_child_refuses_at_once(tmp_path, shelf):
    assert "outside of its folder" in refusal(tmp_path, shelf, BAD["outside ../x.png"][0])


# Limits, the disk, the child


def test_the_zip_itself_may_be_too_large(near, tmp_path, shelf):
    said = refusal(tmp_path, shelf, zipped(PAIRS), UploadLimits(zip_bytes=1000))
    assert "more than 0.0" in said


def test_some_of_the_disk_stays_free(near, tmp_path, shelf):
    said = refusal(tmp_path, shelf, zipped(PAIRS), UploadLimits(free_bytes=2**60))
    assert "needs more than the 0 MB that are free here" in said


def test_what_is_no_file(tmp_path, shelf):
    os.mkfifo(tmp_path / "pipe.zip")
    for path in (tmp_path, tmp_path / "pipe.zip", tmp_path / "absent.zip"):
        with pytest.raises(DataError, match="is no file"):
            import_zip(path, shelf / "mine")
    assert not shelf.exists()


def test_a_folder_that_is_there_is_left_alone(near, tmp_path, shelf):
    (shelf / "mine").mkdir(parents=True)
    (shelf / "mine" / "old").write_text("x")
    with pytest.raises(RunError, match="is already there"):
        import_zip(written(tmp_path, zipped(PAIRS)), shelf / "mine")
    assert names(shelf) == ["mine/old"]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os; os.abort()", "made its reader stop"),
        ("while True: pass", "given up after"),
        ("print(1)", "made its"),
    ],
)
def test_a_lost_child_is_one_sentence(tmp_path, shelf, monkeypatch, program, words):
    monkeypatch.setattr(sandbox, "_CHILD", program)
    monkeypatch.setattr(importing, "seconds_for", lambda _: 0.2)
    assert words in refusal(tmp_path, shelf, zipped(PAIRS))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limits are those of Linux")
@pytest.mark.parametrize(
    "attempt",
    [
        "open('../out', 'w')",
        "open('in/../../out', 'w')",
        "os.mkdir('../out')",
        "os.remove('../kept')",
        "os.symlink('..', 'out')",
        "os.rename('../kept', 'kept')",
        "open('link/out', 'w')",
        "bytearray(2**30)",
        "open('large', 'wb').write(bytes(2**21))",
        "__import__('socket').socket()",
    ],
)
def test_a_confined_child_writes_in_its_folder_only(tmp_path, attempt):
    (tmp_path / "work" / "in").mkdir(parents=True)
    (tmp_path / "work" / "link").symlink_to(tmp_path)
    (tmp_path / "kept").write_text("x")
    program = (
        "import os; from pathlib import Path; from coronet.sandbox import confine; "
        "confine(memory_bytes=2**29, file_bytes=2**20, seconds=5, writable=Path.cwd()); "
        "os.mkdir('a'); open('a/b', 'w').close(); os.remove('a/b'); print('writes', flush=True); "
    )
    done = subprocess.run(
        [sys.executable, "-c", program + attempt],
        cwd=tmp_path / "work",
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert done.stdout == b"writes\n"
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith((b"PermissionError", b"MemoryError", b"OSError: [Errno 27]"))
    assert [name for name in names(tmp_path) if name not in ("kept", "work/large", "work/link")] == []


# Fuzz


def test_cut_and_flipped_zips_end_well(near, tmp_path, shelf):
    drawn = random.Random(0)
    good, packed = (zipped(many("trainA/", "trainB/"), method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    cases = [good[:length] for length in (*range(0, 60, 7), *(drawn.randrange(len(good)) for _ in range(40)))]
    for turn in range(160):
        body = bytearray(good if turn % 2 else packed)
        first = body.index(b"PK\x01\x02") if turn % 4 < 2 else 0  # the table is hit more often
        for _ in range(1 + turn % 3):
            body[drawn.randrange(first, len(body))] ^= 1 << drawn.randrange(8)
        cases.append(bytes(body))
    imported = 0
    for number, body in enumerate(cases):
        path = written(tmp_path, body)
        with contextlib.suppress(CoronetError):
            data = import_zip(path, shelf / str(number), SMALL)
            assert open_dataset(data.folder, SETTINGS).kind in ("unpaired", "single")
            imported += 1
    assert 10 <= imported <= len(cases) - 50
    assert len(os.listdir(shelf)) == imported
    assert set(os.listdir(tmp_path)) == {"shelf", "My horses.zip"}
    kept = [path for path in shelf.rglob("*") if path.is_file() and path.name != "imported.json"]
    assert [path for path in kept if path.is_symlink() or harmless_name(path.stem, "") != path.stem] == []


# Killed, side by side


def test_a_kill_leaves_nothing_that_looks_complete(near, tmp_path, shelf):
    files = {f"train/{number}.png": picture(number % 50, 200, 100) for number in range(400)}
    path = written(tmp_path, zipped(files, zipfile.ZIP_STORED), "big.zip")
    program = "import sys; from pathlib import Path; from coronet.uploads import add_upload; "
    program += "add_upload(Path(sys.argv[1]), Path(sys.argv[2]), 'me')"
    importer = subprocess.Popen(
        [sys.executable, "-c", program, str(path), str(shelf)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(shelf.glob(".*/big/train/*.png")) and importer.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            importer.wait(0.02)
    os.killpg(importer.pid, signal.SIGKILL)
    importer.wait()
    (left,) = os.listdir(shelf)
    assert left.endswith(".importing")
    assert list_imported(shelf, "me") == ()
    data = import_zip(written(tmp_path, zipped(PAIRS)), shelf / "next", SMALL)
    assert os.listdir(shelf) == ["next"]
    assert data.train == (3,)


def test_a_living_import_is_neither_swept_nor_joined_by_too_many(near, tmp_path, shelf):
    living = shelf / ".other.importing"
    living.mkdir(parents=True)
    (shelf / ".file.importing").write_text("no folder")
    path = written(tmp_path, zipped(PAIRS))
    with locked_folder(living):
        with pytest.raises(DataError, match="has to wait"):
            import_zip(path, shelf / "mine", UploadLimits(at_once=1))
        with pytest.raises(RunError, match="already"):
            import_zip(path, shelf / "other", SMALL)
        import_zip(path, shelf / "mine", SMALL)
        assert living.is_dir()
    import_zip(path, shelf / "more", SMALL)
    assert sorted(os.listdir(shelf)) == [".file.importing", "mine", "more"]


# Owners


def test_owners_see_only_their_own(near, tmp_path, shelf):
    path = written(tmp_path, zipped(PAIRS))
    assert list_imported(shelf, "ann") == ()
    first, second = (add_upload(path, shelf, "ann", limits=SMALL) for _ in range(2))
    third = add_upload(path, shelf, "bob", limits=SMALL)
    assert list_imported(shelf, "ann") == (second, first)
    assert list_imported(shelf, "bob") == (third,)
    assert find_imported(shelf, "bob", third.folder.name) == third
    for owner, name in [("ann", third.folder.name), ("ann", "../shelf"), ("ann", ""), ("", first.folder.name)]:
        with pytest.raises(DataError, match="You have no data set"):
            find_imported(shelf, owner, name)
        with pytest.raises(DataError, match="You have no data set"):
            remove_imported(shelf, owner, name)
    remove_imported(shelf, "ann", first.folder.name)
    assert list_imported(shelf, "ann") == (second,)
    assert sorted(os.listdir(shelf)) == sorted([second.folder.name, third.folder.name])
    assert b"bob" not in (third.folder / "imported.json").read_bytes()
    assert third.owner == hashlib.sha256(b"bob").hexdigest()


def test_no_owner_no_upload(near, tmp_path, shelf):
    with pytest.raises(DataError, match="needs an owner"):
        add_upload(written(tmp_path, zipped(PAIRS)), shelf, "")


@pytest.mark.parametrize(
    ("quota", "owner", "words"),
    [
        (Quota(data_sets=1), "ann", "You keep 1 of 1 allowed"),
        (Quota(bytes=12_000), "ann", "Your data sets take .* MB, and 0.0 are allowed"),
        (Quota(data_sets_of_all=1), "bob", "This studio keeps . data sets of its visitors"),
        (Quota(bytes_of_all=12_000), "bob", "This studio keeps . data sets of its visitors"),
    ],
)
def test_quotas_hold(near, tmp_path, shelf, quota, owner, words):
    path = written(tmp_path, zipped(PAIRS))
    first = add_upload(path, shelf, "ann", quota=quota, limits=SMALL)
    assert first.bytes < 12_000 < 2 * first.bytes
    with pytest.raises(DataError, match=words):
        add_upload(path, shelf, owner, quota=quota, limits=SMALL)
    assert os.listdir(shelf) == [first.folder.name]
    remove_imported(shelf, "ann", first.folder.name)
    assert add_upload(path, shelf, owner, quota=quota, limits=SMALL).train == (3,)


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"name": 1}', "absent"])
def test_folders_without_a_whole_record_are_no_data_sets(near, tmp_path, shelf, record):
    data = add_upload(written(tmp_path, zipped(PAIRS)), shelf, "ann", limits=SMALL)
    path = data.folder / "imported.json"
    path.unlink() if record == "absent" else path.write_text(record)
    (shelf / "file").write_text("x")
    assert list_imported(shelf, "ann") == ()


def test_listing_needs_no_torch():
    program = "import sys, coronet.uploads; print([name for name in ('torch', 'numpy', 'PIL') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
