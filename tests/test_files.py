"""A reader sees the old or the new content; what the operating system refuses becomes one sentence."""

import errno
import json
import os
import stat
import threading
from pathlib import Path

import pytest

from coronet.errors import RunError
from coronet.files import atomic_path, make_folder, plain_os_errors, write_atomic, write_json_atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_bytes_arrive(tmp_path):
    write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_the_old_content_is_replaced(tmp_path):
    (tmp_path / "a").write_bytes(b"a longer old content")
    write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_leaves_the_old_file(tmp_path, error):
    (tmp_path / "a").write_bytes(b"old")

    def write_half():
        with atomic_path(tmp_path / "a") as temporary:
            temporary.write_bytes(b"ne")
            raise error

    with pytest.raises(error):
        write_half()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_nothing_is_seen_before_the_end(tmp_path):
    with atomic_path(tmp_path / "a") as temporary:
        temporary.write_bytes(b"new")
        assert not (tmp_path / "a").exists()
        assert temporary.parent == tmp_path  # the same file system, so that it can be renamed
        assert temporary.name.startswith(".")  # no list of images or runs shows it
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_reader_never_sees_half(tmp_path):
    """One thread writes two contents in turn, the other reads: every reading is one of them."""
    path, contents = tmp_path / "a", (b"x" * 200_000, b"y" * 100_000)
    write_atomic(path, contents[0])
    done = threading.Event()

    def write():
        for turn in range(60):
            write_atomic(path, contents[turn % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(path.read_bytes())
    writer.join()
    assert seen <= set(contents)


def test_json_is_readable_and_in_utf8(tmp_path):
    value = {"name": "Zebra → 馬", "numbers": [1, 2.5, None]}
    write_json_atomic(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "馬" in text
    assert text.endswith("}\n")
    assert json.loads(text) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_what_is_no_json_leaves_the_old_file(tmp_path, value):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises((ValueError, TypeError)):
        write_json_atomic(tmp_path / "a.json", {"value": value})
    assert (tmp_path / "a.json").read_text() == "{}"
    assert names(tmp_path) == ["a.json"]


def test_the_longest_names_can_be_written(tmp_path):
    for name in ("n" * 255, "馬" * 85, "🦓" * 63):
        write_atomic(tmp_path / name, b"new")
        assert (tmp_path / name).read_bytes() == b"new"


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_others_may_read_the_file_as_far_as_the_umask_allows(tmp_path):
    for umask, mode in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(umask)
        try:
            write_atomic(tmp_path / "a", b"new")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


REFUSALS = {
    errno.ENOSPC: "the disk is full. Free some space",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "permission was denied. Choose a folder you may write to",
    errno.EROFS: "the file system is read-only. Choose another folder",
    errno.EIO: "Check the disk",
}


@pytest.mark.parametrize("number", REFUSALS)
def test_what_the_disk_refuses_is_said_in_one_sentence(tmp_path, monkeypatch, number):
    (tmp_path / "a").write_bytes(b"old")

    def refuse(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(RunError, match=f"Cannot write .*a: .*{REFUSALS[number]}.* and try again[.]") as caught:
        write_atomic(tmp_path / "a", b"new")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_really_full_disk():
    """Linux has a device that is always full."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with pytest.raises(RunError, match="the disk is full"), plain_os_errors(Path("/dev/full")):
        Path("/dev/full").write_bytes(b"new")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(RunError, match=r"missing.*its folder does not exist. Create it first"):
        write_atomic(tmp_path / "missing" / "a", b"new")
    assert names(tmp_path) == []


def test_a_file_in_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunError, match="a file stands where a folder is needed"):
        write_atomic(tmp_path / "file" / "a", b"new")
    with pytest.raises(RunError, match="Cannot create the folder"):
        make_folder(tmp_path / "file" / "a")


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(RunError, match="a folder stands where a file is needed"):
        write_atomic(tmp_path / "a", b"new")
    assert names(tmp_path) == ["a"]


def test_a_name_that_is_too_long_is_named(tmp_path):
    with pytest.raises(RunError, match="the name is too long"):
        write_atomic(tmp_path / ("n" * 300), b"new")
    assert names(tmp_path) == []


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunError, match="permission was denied"):
            write_atomic(tmp_path / "a", b"new")
    finally:
        tmp_path.chmod(0o700)


def test_folders_are_made_with_their_parents_and_may_exist(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
