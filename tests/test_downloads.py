"""Downloads against a server on this machine that drops, lies, changes and redirects; hostile archives; the verb."""

import fcntl
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import stat
import tarfile
import threading
import zipfile
from collections import namedtuple
from contextlib import closing
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from coronet.__main__ import main
from coronet.downloads import ITEMS, Item, Patience, Progress, download, find_item, is_offline, place_of
from coronet.downloads.archives import Limits, unpack
from coronet.downloads.fetch import SafeRedirects
from coronet.errors import CoronetError, DownloadError, RunError, SettingsError

QUICK = Patience(timeout_seconds=0.5, tries=3, pause_seconds=0.001)


class Handler(BaseHTTPRequestHandler):
    """Answers with the site's file; the site's tricks are played one per request, the last one for ever."""

    def do_GET(self):
        site = self.server.site
        site.asked.append(self.headers["Range"])
        site.versions.append(self.headers["If-Range"])
        trick = site.tricks.pop(0) if len(site.tricks) > 1 else site.tricks[0]
        if isinstance(trick, int):
            self.send_error(trick)
        elif "://" in trick:
            self.send_response(302)
            self.send_header("Location", trick)
            self.end_headers()
        elif trick == "silence":
            site.over.wait(5)
        else:
            self.answer(site, trick)

    def answer(self, site, trick):
        body, tag = site.body, f'"{hashlib.md5(site.body).hexdigest()}"'
        begin = 0
        if (wanted := self.headers["Range"]) and trick != "ignores ranges":
            same = self.headers["If-Range"] in (None, tag, site.date) or trick == "ignores If-Range"
            begin = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if same else 0
        if begin >= len(body) > 0:
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            shift = 1 if trick == "lies" else 0
            self.send_header("Content-Range", f"bytes {begin + shift}-{len(body) - 1}/{len(body)}")
        if trick != "no length":
            self.send_header("Content-Length", str(len(body) - begin))
        if site.tags:
            self.send_header("ETag", tag)
        if site.date:
            self.send_header("Last-Modified", site.date)
        self.end_headers()
        self.wfile.write(body[begin : (begin + len(body)) // 2] if trick.startswith("drops") else body[begin:])

    def log_message(self, *arguments):
        """Say nothing."""


class Site:
    """One file on a server of this machine, and what was asked for."""

    def __init__(self, server):
        self.address = f"http://127.0.0.1:{server.server_address[1]}/file"
        self.body, self.tags, self.date = b"", True, None
        self.tricks, self.asked, self.versions, self.over = ["plain"], [], [], threading.Event()


@pytest.fixture
def site(monkeypatch):
    """Give a site; its server ends with the test."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("CORONET_OFFLINE", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.site = Site(server)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        yield server.site
        server.site.over.set()
        server.shutdown()
        thread.join()


PHOTOS = {"shoes/train/1.jpg": os.urandom(300_000), "shoes/val/2.jpg": b"two", "shoes/README": b""}


def zipped(files, **changes):
    """Pack files; a change names an attribute of every entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            for attribute, value in changes.items():
                setattr(entry, attribute, value)
            archive.writestr(entry, data)
    return buffer.getvalue()


def tarred(files, kind=tarfile.REGTYPE, **changes):
    """Pack files, as entries of one kind."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.type = len(data) if kind == tarfile.REGTYPE else 0, kind
            for attribute, value in changes.items():
                setattr(entry, attribute, value)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


SHOES = Item("shoes", "data", "http://127.0.0.1:1/unused", "zip")


def item_for(body, **changes):
    return (
        Item(**{"name": "shoes", "kind": "data", "address": SHOES.address, "form": "zip"} | changes) if body else SHOES
    )


def get(site, out, item=SHOES, **options):
    return list(download(item, out, address=site.address, patience=QUICK, **options))


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def contents(folder):
    return {f"shoes/{path}": (folder / path).read_bytes() for path in names(folder)}


def stopped_half_way(site, out, item=SHOES):
    """Fetch a part, as a user who presses Ctrl-C; give its length."""
    site.tricks = ["drops"]
    with pytest.raises(DownloadError):
        get(site, out, item)
    part = out / f"{item.file_name}.part"
    site.tricks = ["plain"]
    site.asked.clear()
    return part.stat().st_size


# What arrives


@pytest.mark.parametrize(("form", "pack"), [("zip", zipped), ("tar.gz", tarred)])
def test_an_archive_becomes_a_folder(site, tmp_path, form, pack):
    site.body = pack(PHOTOS)
    digest = hashlib.sha256(site.body).hexdigest()
    item = Item("shoes", "data", SHOES.address, form, len(site.body), digest)
    steps = get(site, tmp_path / "new" / "folder", item)
    assert contents(tmp_path / "new" / "folder" / "shoes") == PHOTOS
    assert os.listdir(tmp_path / "new" / "folder") == ["shoes"]
    assert list(dict.fromkeys(step.phase for step in steps)) == ["download", "check", "unpack"]
    for phase in ("download", "check", "unpack"):
        done = [step.done for step in steps if step.phase == phase]
        assert done == sorted(done)
        assert done[-1] == [step.total for step in steps if step.phase == phase][-1]


def test_without_a_folder_around_everything_the_name_is_the_folder(site, tmp_path):
    site.body = zipped({"trainA/1.jpg": b"1", "trainB/2.jpg": b"2", "__MACOSX/x": b"x", "trainA/._1.jpg": b"mac"})
    get(site, tmp_path)
    assert names(tmp_path) == ["shoes/trainA/1.jpg", "shoes/trainB/2.jpg"]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_the_modes_of_an_archive_do_not_matter(tmp_path, pack):
    changes = {"external_attr": (stat.S_IFREG | 0o4777) << 16} if pack is zipped else {"mode": 0o4777}
    (tmp_path / "a").write_bytes(pack({"x/1": b"1"}, **changes))
    list(unpack(tmp_path / "a", "zip" if pack is zipped else "tar.gz", tmp_path / "b"))
    assert not stat.S_IMODE((tmp_path / "b" / "1").stat().st_mode) & 0o7111


def test_a_model_gets_the_name_of_published_folders(site, tmp_path):
    site.body = b"\x80\x02" + os.urandom(1000)
    get(site, tmp_path, Item("zebra_pretrained", "model", SHOES.address, "pth"))
    assert names(tmp_path) == ["zebra_pretrained/latest_net_G.pth"]
    assert (tmp_path / "zebra_pretrained" / "latest_net_G.pth").read_bytes() == site.body


def test_features_go_to_the_folder_of_torch(site, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    site.body = b"PK" + os.urandom(1000)
    item = Item("fid", "features", "http://127.0.0.1:1/some-weights.pth", "file", len(site.body))
    get(site, None, item)
    assert names(tmp_path) == ["hub/checkpoints/some-weights.pth"]
    get(site, None, item, offline=True)  # it is there: nothing to do
    assert len(site.asked) == 1


def test_an_answer_without_a_length(site, tmp_path):
    site.body, site.tricks = zipped(PHOTOS), ["no length"]
    steps = get(site, tmp_path)
    assert {step.total for step in steps if step.phase == "download"} == {None}
    assert contents(tmp_path / "shoes") == PHOTOS


def test_a_redirect_to_another_web_address_is_followed_with_the_range(site, tmp_path):
    site.body = zipped(PHOTOS)
    have = stopped_half_way(site, tmp_path)
    site.tricks = [site.address, "plain"]
    get(site, tmp_path)
    assert site.asked == [f"bytes={have}-"] * 2
    assert contents(tmp_path / "shoes") == PHOTOS


# What goes on


def test_a_dropped_connection_goes_on_where_it_broke(site, tmp_path):
    site.body, site.tricks = zipped(PHOTOS), ["drops", "drops", "plain"]
    get(site, tmp_path)
    assert contents(tmp_path / "shoes") == PHOTOS
    begins = [int(asked[6:-1]) if asked else 0 for asked in site.asked]
    assert len(begins) == 3
    assert 0 == begins[0] < begins[1] < begins[2]


def test_drops_that_bring_something_are_not_counted(site, tmp_path):
    site.body, site.tricks = zipped(PHOTOS), ["drops"] * (QUICK.tries + 4) + ["plain"]
    get(site, tmp_path)
    assert contents(tmp_path / "shoes") == PHOTOS


@pytest.mark.parametrize("dated", [False, True])
def test_the_next_call_goes_on(site, tmp_path, dated):
    site.tags, site.date = not dated, "Mon, 01 Jan 2018 00:00:00 GMT" if dated else None
    site.body = zipped(PHOTOS)
    have = stopped_half_way(site, tmp_path)
    assert not (tmp_path / "shoes").exists()
    get(site, tmp_path)
    assert site.asked == [f"bytes={have}-"]
    assert site.versions[-1] == (site.date if dated else f'"{hashlib.md5(site.body).hexdigest()}"')
    assert contents(tmp_path / "shoes") == PHOTOS
    assert os.listdir(tmp_path) == ["shoes"]


def test_ctrl_c_leaves_the_part(site, tmp_path):
    site.body = zipped(PHOTOS)

    def interrupted():
        with closing(download(SHOES, tmp_path, address=site.address, patience=QUICK)) as steps:
            for step in steps:
                if step.done:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    have = (tmp_path / "shoes.zip.part").stat().st_size
    assert 0 < have < len(site.body)
    assert names(tmp_path) == ["shoes.zip.part", "shoes.zip.part.json"]
    get(site, tmp_path)
    assert site.asked == [None, f"bytes={have}-"]
    assert contents(tmp_path / "shoes") == PHOTOS


def test_ctrl_c_while_unpacking_leaves_the_archive_and_no_folder(site, tmp_path):
    site.body = zipped(PHOTOS)
    with closing(download(SHOES, tmp_path, address=site.address, patience=QUICK)) as steps:
        assert any(step.phase == "unpack" for step in steps)
    assert names(tmp_path) == ["shoes.zip"]
    get(site, tmp_path, offline=True)
    assert contents(tmp_path / "shoes") == PHOTOS
    assert len(site.asked) == 1


def test_what_a_killed_unpacking_left_is_cleared(site, tmp_path):
    (tmp_path / ".shoes.unpacking" / "old").mkdir(parents=True)
    site.body = zipped(PHOTOS)
    get(site, tmp_path)
    assert contents(tmp_path / "shoes") == PHOTOS
    assert os.listdir(tmp_path) == ["shoes"]


@pytest.mark.parametrize("trick", ["plain", "ignores If-Range", "ignores ranges"])
def test_a_file_that_changed_begins_anew(site, tmp_path, trick):
    site.body = zipped(PHOTOS)
    assert stopped_half_way(site, tmp_path)
    site.body, site.tricks = zipped(PHOTOS | {"shoes/val/2.jpg": b"new"}), [trick]
    get(site, tmp_path)
    assert contents(tmp_path / "shoes")["shoes/val/2.jpg"] == b"new"


def test_a_server_that_ignores_ranges(site, tmp_path):
    site.body = zipped(PHOTOS)
    assert stopped_half_way(site, tmp_path)
    site.tricks = ["ignores ranges"]
    get(site, tmp_path)
    assert contents(tmp_path / "shoes") == PHOTOS


def test_a_server_that_gives_another_range_than_was_asked_for(site, tmp_path):
    site.body = zipped(PHOTOS)
    assert stopped_half_way(site, tmp_path)
    site.tricks = ["lies", "plain"]
    get(site, tmp_path)
    assert site.asked[-1] is None
    assert contents(tmp_path / "shoes") == PHOTOS


def test_parts_without_a_version_begin_anew(site, tmp_path):
    site.tags, site.body = False, zipped(PHOTOS)
    assert stopped_half_way(site, tmp_path)
    get(site, tmp_path)
    assert site.asked == [None]
    assert contents(tmp_path / "shoes") == PHOTOS


@pytest.mark.parametrize("note", ["", "{", "[]", '{"address": 1}', "null"])
def test_a_broken_note_begins_anew(site, tmp_path, note):
    site.body = zipped(PHOTOS)
    assert stopped_half_way(site, tmp_path)
    (tmp_path / "shoes.zip.part.json").write_text(note)
    get(site, tmp_path)
    assert site.asked == [None]
    assert contents(tmp_path / "shoes") == PHOTOS


def test_a_part_longer_than_the_file_begins_anew(site, tmp_path):
    site.body = zipped(PHOTOS)
    assert stopped_half_way(site, tmp_path)
    (tmp_path / "shoes.zip.part").write_bytes(b"x" * (len(site.body) + 5))
    get(site, tmp_path)
    assert contents(tmp_path / "shoes") == PHOTOS


def test_a_whole_part_needs_no_network(site, tmp_path):
    site.body = zipped(PHOTOS)
    assert stopped_half_way(site, tmp_path)
    (tmp_path / "shoes.zip.part").write_bytes(site.body)
    get(site, tmp_path)
    assert site.asked == []
    assert contents(tmp_path / "shoes") == PHOTOS


def test_a_busy_server_is_asked_again(site, tmp_path):
    site.body, site.tricks = zipped(PHOTOS), [500, 503, "plain"]
    get(site, tmp_path)
    assert contents(tmp_path / "shoes") == PHOTOS


# What is refused


def refusal(site, out, words, item=SHOES, error=DownloadError):
    """Fetch what cannot be fetched: one line that matches, no folder, and no file with the final name."""
    with pytest.raises(error, match=words) as caught:
        get(site, out, item)
    assert "\n" not in str(caught.value)
    assert [name for name in os.listdir(out) if ".part" not in name] == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("trick", "words", "asked"),
    [
        (404, "is not there any more .404.*put the file at .*shoes.zip by hand", 1),
        (410, "is not there any more", 1),
        (403, "refuses .*403", 1),
        (503, "did not arrive in 3 tries .the server answers 503", 3),
        ("silence", "did not arrive in 3 tries .*timed out", 3),
        ("drops", "did not arrive in 3 tries .the connection broke after .* of .* bytes", None),
        ("file:///etc/passwd", "leads where it is not safe", 1),
        ("ftp://127.0.0.1/x", "leads where it is not safe", 1),
    ],
)
def test_what_a_server_refuses_is_one_sentence(site, tmp_path, trick, words, asked):
    site.body, site.tricks = zipped(PHOTOS), [trick]
    refusal(site, tmp_path, words)
    assert asked is None or len(site.asked) == asked


def test_no_redirect_leaves_https():
    asked = Request("https://a.invalid/x")
    assert SafeRedirects().redirect_request(asked, None, 302, "", Message(), "https://b.invalid/y").full_url
    with pytest.raises(HTTPError) as caught:
        SafeRedirects().redirect_request(asked, None, 302, "", Message(), "http://b.invalid/y")
    caught.value.close()


def test_no_network_and_no_server(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DownloadError, match=r"no network, or no-such-host\.invalid is unknown"):
        list(download(SHOES, tmp_path, address="http://no-such-host.invalid/x", patience=QUICK))
    with pytest.raises(DownloadError, match=r"did not arrive in 3 tries .*refused"):
        list(download(SHOES, tmp_path, address="http://127.0.0.1:1/x", patience=QUICK))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "passwd"])
def test_other_addresses_than_of_the_web(tmp_path, address):
    with pytest.raises(DownloadError, match="is no http address"):
        list(download(SHOES, tmp_path, address=address, patience=QUICK))


@pytest.mark.parametrize("trick", ["plain", "no length"])
@pytest.mark.parametrize("difference", [-1, 1])
def test_another_size(site, tmp_path, trick, difference):
    site.body, site.tricks = zipped(PHOTOS), [trick]
    refusal(site, tmp_path, "bytes, but must have", item_for(site.body, size=len(site.body) + difference))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("trick", "size", "most"), [("plain", 2**22, 0), ("no length", 1000, 2**18)])
def test_another_size_is_noticed_early(site, tmp_path, trick, size, most):
    site.body, site.tricks = zipped({"a/1": os.urandom(2**20)}), [trick]
    steps = download(item_for(site.body, size=size), tmp_path, address=site.address, patience=QUICK)
    received = []
    with pytest.raises(DownloadError, match=f"bytes, but must have {size:,}"):
        received.extend(step.done for step in steps)
    assert max(received, default=0) <= most


def test_another_checksum(site, tmp_path):
    site.body = zipped(PHOTOS)
    refusal(site, tmp_path, "has the SHA-256 .* but must have 000000000000", item_for(site.body, sha256="0" * 64))
    assert os.listdir(tmp_path) == []


def test_a_page_of_the_web_in_place_of_the_file(site, tmp_path):
    site.body = b"<html>Please sign in</html>"
    refusal(site, tmp_path, "is no zip file; it may be a page of the web")
    assert os.listdir(tmp_path) == []


def test_a_full_disk(site, tmp_path, monkeypatch):
    usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    site.body = zipped(PHOTOS)
    refusal(site, tmp_path, r"has room for 1 MB, but 68 MB are needed\. Free some space")
    assert os.listdir(tmp_path) == []


def test_a_disk_that_becomes_full(site, tmp_path, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    site.body = zipped(PHOTOS)
    whole = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *rest, **more: whole(Path("/dev/full") if rest == ("ab",) else self, *rest, **more)
    )
    refusal(site, tmp_path, "the disk is full", error=RunError)


def test_a_folder_that_is_there_is_never_touched(site, tmp_path):
    site.body = zipped(PHOTOS)
    (tmp_path / "shoes").mkdir()
    with pytest.raises(DownloadError, match=r"shoes is already there\. Use it"):
        get(site, tmp_path)
    assert site.asked == []
    assert names(tmp_path) == []


def test_two_at_once(site, tmp_path):
    with (tmp_path / ".shoes.zip.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="Another program is fetching"):
            get(site, tmp_path)
    assert site.asked == []


# Offline


@pytest.mark.parametrize("way", ["option", "environment"])
def test_offline_says_where_to_put_the_file(site, tmp_path, monkeypatch, way):
    if way == "environment":
        monkeypatch.setenv("CORONET_OFFLINE", "1")
    with pytest.raises(
        DownloadError, match=re.escape(f"get {site.address} in another way, put it at {tmp_path}/new/shoes.zip")
    ):
        get(site, tmp_path / "new", offline=way == "option")
    assert site.asked == []
    assert os.listdir(tmp_path) == []


def test_the_environment_may_say_no(monkeypatch):
    for value, meant in {"": False, "0": False, "1": True, "yes": True}.items():
        monkeypatch.setenv("CORONET_OFFLINE", value)
        assert is_offline() is meant


@pytest.mark.parametrize("offline", [False, True])
def test_a_file_put_there_by_hand_is_unpacked_and_kept(site, tmp_path, offline):
    body = zipped(PHOTOS)
    (tmp_path / "shoes.zip").write_bytes(body)
    get(site, tmp_path, item_for(body, sha256=hashlib.sha256(body).hexdigest()), offline=offline)
    assert contents(tmp_path / "shoes") == PHOTOS
    assert (tmp_path / "shoes.zip").read_bytes() == body
    assert site.asked == []


@pytest.mark.parametrize(
    ("change", "words"), [({"size": 3}, "bytes, but must have 3"), ({"sha256": "0" * 64}, "SHA-256")]
)
def test_a_wrong_file_put_there_by_hand_is_kept_and_refused(site, tmp_path, change, words):
    body = zipped(PHOTOS)
    (tmp_path / "shoes.zip").write_bytes(body)
    with pytest.raises(DownloadError, match=words):
        get(site, tmp_path, item_for(body, **change))
    assert os.listdir(tmp_path) == ["shoes.zip"]


# Hostile archives

LINK = (stat.S_IFLNK | 0o777) << 16
DEVICE = (stat.S_IFCHR | 0o666) << 16
OUTSIDE = ["../out", "a/../../out", "/tmp/out", "..", "a/..", "..\\out", "C:/out", "C:\\out", "//server/out"]
HOSTILE = {
    **{f"zip {name}": ("zip", zipped({name: b"x"}), "outside of its folder") for name in OUTSIDE},
    **{f"tar {name}": ("tar.gz", tarred({name: b"x"}), "outside of its folder") for name in OUTSIDE},
    "zip link": ("zip", zipped({"a/l": b"/etc/passwd"}, external_attr=LINK), "a link or a device"),
    "zip device": ("zip", zipped({"a/d": b""}, external_attr=DEVICE), "a link or a device"),
    "zip encrypted": ("zip", None, "is encrypted"),
    "zip twice": ("zip", None, "two entries of one name"),
    "zip file as folder": ("zip", zipped({"a": b"x", "a/b": b"y"}), "two entries of one name"),
    "tar file as folder": ("tar.gz", tarred({"a": b"x", "a/b": b"y"}), "two entries of one name"),
    "tar symbolic link": ("tar.gz", tarred({"a/l": b""}, tarfile.SYMTYPE, linkname="/etc"), "a link or a device"),
    "tar hard link": ("tar.gz", tarred({"a/l": b""}, tarfile.LNKTYPE, linkname="/etc/passwd"), "a link or a device"),
    "tar device": ("tar.gz", tarred({"a/d": b""}, tarfile.CHRTYPE, devmajor=1, devminor=3), "a link or a device"),
    "tar pipe": ("tar.gz", tarred({"a/p": b""}, tarfile.FIFOTYPE), "a link or a device"),
    "zip bomb": ("zip", zipped({"a/b": bytes(3 * 2**20)}), "unpacks to more than"),
    "tar bomb": ("tar.gz", tarred({"a/b": bytes(3 * 2**20)}), "unpacks to more than"),
    "tar with a tail": ("tar.gz", gzip.compress(gzip.decompress(tarred({"a": b""})) + bytes(3 * 2**20)), "more than"),
    "zip of many": ("zip", zipped({f"a/{number}": b"" for number in range(40)}), "more than 30 entries"),
    "tar of many": ("tar.gz", tarred({f"a/{number}": b"" for number in range(40)}), "more than 30 entries"),
    "zip empty": ("zip", zipped({}), "is empty"),
    "tar empty": ("tar.gz", tarred({}), "is empty"),
    "zip of folders": ("zip", zipped({"a/": b"", "b/": b""}), "is empty"),
    "zip cut": ("zip", zipped(PHOTOS)[:-30], "no whole zip archive"),
    "zip damaged": ("zip", None, "no whole zip archive"),
    "tar cut": ("tar.gz", tarred(PHOTOS)[:-30], "no whole tar.gz archive"),
    "tar cut early": ("tar.gz", tarred(PHOTOS)[:1000], "no whole tar.gz archive"),
    "tar damaged": ("tar.gz", None, "no whole tar.gz archive"),
    "gzip of no tar": ("tar.gz", gzip.compress(b"no tar" * 200), "no whole tar.gz archive"),
    "no gzip": ("tar.gz", b"no gzip", "no whole tar.gz archive"),
}


def flipped(body, place):
    return body[:place] + bytes([body[place] ^ 255]) + body[place + 1 :]


def hostile(name):
    form, body, words = HOSTILE[name]
    if name == "zip encrypted":
        body = bytearray(zipped({"a": b"x"}))
        body[6] |= 1
        body[body.index(b"PK\x01\x02") + 8] |= 1
    elif name == "zip twice":
        body = zipped({"a": b"x", "b": b"y"}).replace(b"b", b"a")
    elif name.endswith("damaged"):
        body = flipped(zipped(PHOTOS) if form == "zip" else tarred(PHOTOS), 2000)
    return form, bytes(body), words


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_leave_nothing(tmp_path, name):
    form, body, words = hostile(name)
    (tmp_path / "in").mkdir()
    archive = tmp_path / "in" / "archive"
    archive.write_bytes(body)
    with pytest.raises(DownloadError, match=words) as caught:
        list(unpack(archive, form, tmp_path / "in" / "shoes", Limits(entries=30, growth=2, bytes_for_any=2**20)))
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["in/archive"]
    assert os.listdir(tmp_path / "in") == ["archive"]


def test_a_hostile_download_leaves_no_folder(site, tmp_path):
    site.body = zipped({"a/1": b"1", "../out": b"x"})
    with pytest.raises(DownloadError, match="outside of its folder"):
        get(site, tmp_path / "in")
    assert names(tmp_path) == ["in/shoes.zip"]  # to look at; the message says to delete it


def test_the_limits_fit_the_largest_data_set():
    assert Limits().entries > 2 * 137_000


# The table


def test_the_table():
    assert len({item.address for item in ITEMS.values()}) == len(ITEMS)
    assert [name for name, item in ITEMS.items() if name != item.name] == []
    for item in ITEMS.values():
        assert re.fullmatch(r"[a-z0-9_]+", item.name)
        assert re.fullmatch(r"https?://[\w./-]+", item.address)
        assert item.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", item.sha256)
        assert item.by_hand or item.address.endswith((f".{item.form}", ".pth"))
        assert item.sha256 is None or item.size
    weights = ITEMS["fid_inception"]
    assert weights.file_name == f"pt_inception-2015-12-05-{weights.sha256[:8]}.pth"


def test_names_that_are_in_both_collections():
    assert ITEMS["maps"].address.endswith("/pix2pix/datasets/maps.tar.gz")
    assert ITEMS["cyclegan_maps"].address.endswith("/cyclegan/datasets/maps.zip")
    assert ITEMS["sat2map_pretrained"].address.endswith("/pix2pix/models-pytorch/sat2map.pth")
    assert ITEMS["cyclegan_sat2map_pretrained"].address.endswith("/cyclegan/pretrained_models/sat2map.pth")


def test_no_two_items_share_a_file(tmp_path):
    places = [place_of(item, tmp_path) for item in ITEMS.values()]
    assert len({place.archive for place in places}) == len(places) == len({place.target for place in places})


def test_unknown_names_and_what_is_by_hand(tmp_path):
    with pytest.raises(DownloadError, match="Did you mean horse2zebra"):
        find_item("horse2zebr")
    with pytest.raises(DownloadError, match="coronet download --list"):
        find_item("?" * 500 + "\n")
    with pytest.raises(DownloadError, match="cityscapes may not be passed on"):
        list(download("cityscapes", tmp_path))
    with pytest.raises(SettingsError, match="Add --out DIR"):
        place_of(ITEMS["maps"], None)
    assert os.listdir(tmp_path) == []


# The verb


@pytest.fixture
def shoes(site, monkeypatch):
    """Put an item of the site into the table."""
    site.body = zipped(PHOTOS)
    monkeypatch.setitem(ITEMS, "shoes", Item("shoes", "data", site.address, "zip", len(site.body)))
    return site


def test_the_verb(shoes, tmp_path, capsys):
    assert main(["download", "shoes", "--out", str(tmp_path), "--json"]) == 0
    captured = capsys.readouterr()
    expected = {"name": "shoes", "kind": "data", "path": str(tmp_path / "shoes"), "checked": "size"}
    assert json.loads(captured.out) == expected
    assert "shoes: download 0.3 of 0.3 MB" in captured.err
    assert contents(tmp_path / "shoes") == PHOTOS
    assert main(["download", "shoes", "--out", str(tmp_path)]) == 2
    assert "is already there" in capsys.readouterr().err


def test_the_verb_offline(shoes, tmp_path, capsys):
    assert main(["download", "shoes", "--out", str(tmp_path / "new"), "--offline"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"coronet: Offline: get {shoes.address} ")
    assert captured.err.count("\n") == 1
    assert os.listdir(tmp_path) == []
    assert shoes.asked == []


def test_the_verb_goes_on_after_ctrl_c(shoes, tmp_path, capsys, monkeypatch):
    def press(self, step):
        if step.done:
            raise KeyboardInterrupt

    with monkeypatch.context() as changed:
        changed.setattr("coronet.commands.downloads._Line.show", press)
        assert main(["download", "shoes", "--out", str(tmp_path)]) == 130
    assert "The same command goes on from there" in capsys.readouterr().err
    assert (tmp_path / "shoes.zip.part").stat().st_size
    assert main(["download", "shoes", "--out", str(tmp_path)]) == 0
    assert shoes.asked[1].startswith("bytes=")
    assert contents(tmp_path / "shoes") == PHOTOS


def test_the_list(capsys):
    assert main(["download", "--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(ITEMS)
    assert main(["download", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(ITEMS) + 1
    assert any("116.9" in line and "SHA-256" in line and line.startswith("horse2zebra ") for line in lines)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["maps"], ["cityscapes", "--out", "x"]])
def test_mistakes_are_one_line(arguments, capsys):
    assert main(["download", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


def test_steps_are_plain_records():
    step = Progress("download", 1, None)
    with pytest.raises(AttributeError):
        step.done = 2
    assert issubclass(DownloadError, CoronetError)
