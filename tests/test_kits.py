"""Prepared bundles: made once whoever asks, kept under a name of their content, served by known names only."""

import json
import os
import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from coronet.errors import DataError, RunError
from coronet.files import locked_folder, write_json_atomic
from coronet.jobs import JobTable
from coronet.launcher import Process
from coronet.prepared import FAILED, KIT, STAGE, WANTED
from coronet.studio import workshop
from coronet.studio.api import Api
from coronet.studio.compare.distances import Distances
from coronet.studio.desk import Desk
from coronet.studio.export import text, view
from coronet.studio.export.kits import ITSELF, TRADE, Net, Shelf, find_net, nets
from coronet.studio.export.routes import kit_routes
from coronet.studio.export.snippets import javascript
from coronet.studio.export.tab import Handlers
from coronet.studio.visitors import NOBODY
from coronet.studio.workshop import Preparation

ONNX = b"onnx" * 10
BROWSER: Any = SimpleNamespace(headers={}, session_hash="page")


def described(**changes: Any) -> dict[str, Any]:
    row = {"precision": "fp32", "bytes": len(ONNX), "max_abs_difference": 4e-6, "psnr_db": 120.0, "median_ms": 5.5}
    rows = [{**row, "refused": ""}, {**row, "precision": "int8", "psnr_db": 20.0, "refused": "int8 loses too much."}]
    measured = {"checked_on": "real images", "images": 3, "image_size": 32, "threads": 1, "cpu": "a <fast> one"}
    sides = {"size_multiple": 4, "least_side": 8, "sample": "print(1 < 2)\n", "name": "net"}
    return {"bytes": 3, "files": {"README.md": 3}, "variants": rows, "notes": [], **measured, **sides, **changes}


class Packer:
    """Stands for the process that prepares: it fills the folder when it is told to, or ends without a word."""

    def __init__(self, *, dies: bool = False) -> None:
        self.go = threading.Event()
        self.begun: list[Path] = []
        self._dies = dies

    def start(self, run: Path) -> Process:
        self.begun.append(run)
        write_json_atomic(run / STAGE, {"stage": "int8"})
        return Process(len(self.begun), 0)

    def alive(self, process: Process) -> bool:
        if not self.go.is_set():
            return True
        folder = self.begun[process.pid - 1]
        if not self._dies and not (folder / KIT).is_file():
            fill(folder)
        return False

    def kill(self, process: Process) -> None:
        assert self.go.is_set()


def fill(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fp32.onnx").write_bytes(ONNX)
    (folder / "fp32.png").write_bytes(b"png")
    (folder / "bundle.zip").write_bytes(b"zip")
    (folder / KIT).write_text(json.dumps(described()))
    return folder


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(workshop, "_LEAST_FREE_BYTES", 0)


@pytest.fixture
def net(tmp_path: Path) -> Net:
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"weights")
    return Net("own/1", "your run 4.0×", str(path), (path,))


def wait_for(shelf: Shelf, net: Net, state: str = "running", stage: str | None = None) -> Preparation:
    """Wait until a net's kit is in a state and, where one is named, at a stage."""
    end = time.monotonic() + 30
    while (seen := _seen(found := shelf.look(net), stage)) != (state, stage) and time.monotonic() < end:
        time.sleep(0.01)
    assert seen == (state, stage)
    return found


def _seen(found: Preparation, stage: str | None) -> tuple[str, str | None]:
    return found.state, found.stage if stage else None


# Once


def test_two_visitors_at_the_same_time_compute_once(tmp_path: Path, net: Net) -> None:
    packer = Packer()
    shelf = Shelf(tmp_path / "kits", packer)
    threads = [threading.Thread(target=shelf.prepare, args=(net,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    packer.go.set()
    wait_for(shelf, net, "ready")
    assert shelf.prepare(net).state == "ready"
    assert len(packer.begun) == 1


def test_a_kit_outlives_the_server(tmp_path: Path, net: Net) -> None:
    packer = Packer()
    packer.go.set()
    shelf = Shelf(tmp_path / "kits", packer)
    shelf.prepare(net)
    made = wait_for(shelf, net, "ready")
    assert Shelf(tmp_path / "kits", Packer()).look(net) == made


def test_other_weights_are_another_kit(tmp_path: Path, net: Net) -> None:
    shelf = Shelf(tmp_path / "kits", Packer())
    before = shelf.look(net).id
    net.files[0].write_bytes(b"weightS")
    os.utime(net.files[0], ns=(1, 1))
    assert shelf.look(net).id != before


def test_a_damaged_kit_is_made_again(tmp_path: Path, net: Net) -> None:
    packer = Packer()
    packer.go.set()
    shelf = Shelf(tmp_path / "kits", packer)
    shelf.prepare(net)
    folder = tmp_path / "kits" / wait_for(shelf, net, "ready").id
    (folder / "fp32.onnx").write_bytes(ONNX[:-1])
    assert shelf.look(net).state == "absent"
    shelf.prepare(net)
    wait_for(shelf, net, "ready")
    assert len(packer.begun) == 2


def test_one_is_made_after_the_other(tmp_path: Path, net: Net) -> None:
    packer = Packer()
    shelf = Shelf(tmp_path / "kits", packer)
    shelf.prepare(net)
    wait_for(shelf, net, "running")
    second = Net("own/2", "", net.model, net.files)
    found = shelf.prepare(second)
    assert (found.state, found.ahead) == ("waiting", 1)
    wait_for(shelf, net, stage="int8")  # its process may not have begun
    packer.go.set()
    wait_for(shelf, second, "ready")
    assert len(packer.begun) == 2


def test_the_queue_has_an_end(tmp_path: Path, net: Net) -> None:
    with pytest.raises(RunError, match="are waiting"):
        Shelf(tmp_path / "kits", Packer(), replace(TRADE, most_waiting=0)).prepare(net)


def test_a_process_of_an_earlier_server_is_waited_for(tmp_path: Path, net: Net) -> None:
    packer = Packer()
    shelf = Shelf(tmp_path / "kits", packer)
    folder = tmp_path / "kits" / shelf.look(net).id
    folder.mkdir(parents=True)
    with locked_folder(folder):
        assert shelf.prepare(net).state == "running"
    assert packer.begun == []


def test_a_process_that_ends_without_a_word_is_told_and_can_be_tried_again(tmp_path: Path, net: Net) -> None:
    packer = Packer(dies=True)
    packer.go.set()
    shelf = Shelf(tmp_path / "kits", packer)
    shelf.prepare(net)
    assert wait_for(shelf, net, "failed").message == text.LOST
    shelf.prepare(net)
    wait_for(shelf, net, "failed")
    assert len(packer.begun) == 2


def test_a_program_is_told_that_it_failed_until_it_asks_again(tmp_path: Path, desk: Desk) -> None:
    packer = Packer(dies=True)
    packer.go.set()
    shelf = Shelf(tmp_path / "kits", packer)
    api = Api(desk, shelf, Distances(desk))
    assert api.bundle("demo/shoes", BROWSER)["state"] in ("waiting", "running")
    wait_for(shelf, find_net(desk, "demo/shoes", ITSELF, NOBODY), "failed")
    answers = [api.bundle("demo/shoes", BROWSER) for _ in range(3)]
    assert {(answer["state"], answer["message"]) for answer in answers} == {("failed", text.LOST)}
    assert len(packer.begun) == 1
    assert api.bundle("demo/shoes", BROWSER, again=True)["state"] in ("waiting", "running")


def test_why_it_failed_is_said(tmp_path: Path, net: Net) -> None:
    shelf = Shelf(tmp_path / "kits", Packer())
    folder = tmp_path / "kits" / shelf.look(net).id
    folder.mkdir(parents=True)
    (folder / WANTED).write_text("{}")
    (folder / FAILED).write_text('{"message": "It <differs>."}')
    found = shelf.look(net)
    assert (found.state, found.message) == ("failed", "It <differs>.")
    assert "It &lt;differs&gt;. Press Prepare to try again." in view.status(found)


def test_the_shelf_keeps_what_was_used_last(tmp_path: Path, net: Net) -> None:
    for number in range(5):
        os.utime(fill(tmp_path / "kits" / f"{number:032x}") / KIT, (number, number))
    packer = Packer()
    packer.go.set()
    shelf = Shelf(tmp_path / "kits", packer, replace(TRADE, most_kept=3))
    shelf.prepare(net)
    id = wait_for(shelf, net, "ready").id
    end = time.monotonic() + 30
    while len(list((tmp_path / "kits").iterdir())) > 3 and time.monotonic() < end:
        time.sleep(0.01)
    assert {folder.name for folder in (tmp_path / "kits").iterdir()} == {id, f"{4:032x}", f"{3:032x}"}


# Which nets there are


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(JobTable(tmp_path / "runs", Packer()), tmp_path / "runs" / "imported")


def test_a_model_and_its_trained_nets_can_be_taken_home(desk: Desk) -> None:
    found = nets(desk, "demo/shoes", NOBODY)
    keys = ["model", "ready/shoes-2x", "ready/shoes-4x", "ready/shoes-8x", "ready/shoes-16x"]
    assert [net.key for net in found] == keys
    assert found[0].model == "demo/shoes"
    for hostile in ("../../etc", "own/../x", "", None, "ready/horse2zebra-2x"):
        with pytest.raises(DataError):
            find_net(desk, "demo/shoes", hostile, NOBODY)


# The handlers


def test_a_link_names_the_net_and_else_a_slim_one_is_chosen(desk: Desk, tmp_path: Path) -> None:
    handlers = Handlers(desk, Shelf(tmp_path / "kits", Packer()))
    for asked, chosen in (("ready/shoes-8x", "ready/shoes-8x"), ("../x", "ready/shoes-2x"), (ITSELF, ITSELF)):
        assert handlers.nets("export", "demo/shoes", asked, [], BROWSER)[1] == chosen
    for opened, model in (("export", None), ("play", "demo/shoes")):
        assert handlers.nets(opened, model, "x", [], BROWSER) == (gr.skip(),) * 3


def test_a_list_that_is_shown_already_takes_no_choice_back(desk: Desk, tmp_path: Path) -> None:
    handlers = Handlers(desk, Shelf(tmp_path / "kits", Packer()))
    _, _, listed = handlers.nets("export", "demo/shoes", None, [], BROWSER)
    assert handlers.nets("export", "demo/shoes", "model", listed, BROWSER) == (gr.skip(),) * 3
    radio, chosen, told = handlers.nets_again("export", "demo/shoes", "ready/shoes-8x", listed, BROWSER)
    assert (radio.value, chosen, told) == ("ready/shoes-8x", "ready/shoes-8x", gr.skip())  # chosen in another tab
    assert handlers.nets_again("export", "demo/shoes", "x", listed, BROWSER) == (gr.skip(),) * 3
    assert handlers.nets_again("export", None, "model", listed, BROWSER)[1] == gr.skip()
    assert handlers.nets("export", "demo/horse2zebra", "model", listed, BROWSER)[1] == ITSELF


def test_preparing_shows_what_is_done_and_then_the_files(desk: Desk, tmp_path: Path) -> None:
    packer = Packer()
    handlers = Handlers(desk, Shelf(tmp_path / "kits", packer))
    chosen = ("demo/shoes", "ready/shoes-8x")
    assert handlers.look(*chosen, [], BROWSER)[0].count(text.ABSENT) == 1
    handlers.prepare(*chosen, [], BROWSER)
    shelf, net = handlers._shelf, find_net(desk, *chosen, NOBODY)
    wait_for(shelf, net, "running")
    wait_for(shelf, net, stage="int8")  # the packer is about to say so
    status, button, result, code, timer, seen = handlers.look(*chosen, [], BROWSER)
    assert text.STAGES["int8"] in re.sub("<[^>]+>", "", status), "whose words are marked for the glossary"
    assert "<progress value='3' max='6'" in status
    assert (button.interactive, timer.active, result, code) == (False, True, "", "")
    assert handlers.look(*chosen, seen, BROWSER) == (gr.skip(),) * 6
    packer.go.set()
    found = wait_for(shelf, net, "ready")
    status, button, result, code, timer, _ = handlers.look(*chosen, seen, BROWSER)
    assert text.READY in status
    assert (button.visible, timer.active) == (False, False)
    assert f"href='/kits/{found.id}/bundle.zip' download" in result
    assert "4e-6" in result
    assert "a &lt;fast&gt; one, 1 thread" in result
    assert "print(1 &lt; 2)" in code
    assert code.count("<button") == 2


def test_another_model_ends_the_asking(desk: Desk, tmp_path: Path) -> None:
    """The model is chosen above the tabs, while this one is closed and its timer runs."""
    handlers = Handlers(desk, Shelf(tmp_path / "kits", Packer()))
    *rest, timer, seen = handlers.look("demo/horse2zebra", "ready/shoes-8x", ["x"], BROWSER)
    assert (rest, timer.active, seen) == ([gr.skip()] * 4, False, [])


def test_a_refused_form_has_a_reason_and_no_link() -> None:
    shown = view.result(Preparation("0" * 32, "ready", made=described()))
    assert "int8 loses too much. It is left out." in shown
    assert "int8.onnx" not in shown
    assert "int8.png" not in shown


def test_the_snippet_names_the_sides_of_the_net() -> None:
    assert "Math.max(8, Math.round(side / 4) * 4)" in javascript("a.onnx", least_side=8, size_multiple=4)


# The addresses


def test_only_known_files_of_ready_kits_are_served(tmp_path: Path) -> None:
    id, half = "0123456789abcdef" * 2, "f" * 32
    fill(tmp_path / "kits" / id)
    fill(tmp_path / "kits" / half)
    (tmp_path / "kits" / half / KIT).unlink()
    (tmp_path / "secret.zip").touch()
    with TestClient(Starlette(routes=kit_routes(tmp_path / "kits"))) as client:
        answer = client.get(f"/kits/{id}/fp32.onnx")
        assert answer.content == ONNX
        assert 'filename="net-fp32.onnx"' in answer.headers["content-disposition"]
        assert client.get(f"/kits/{id}/fp32.png").headers["content-type"] == "image/png"
        names = ["kit.json", "wanted.json", "kit.log", "int8.onnx", "..%2fsecret.zip", "x/fp32.onnx", ""]
        paths = [f"/kits/{id}/{name}" for name in names]
        paths += [
            f"/kits/{other}/bundle.zip" for other in (half, "e" * 32, id[:-1], id.upper(), "..", "%2e%2e", "..%2f")
        ]
        assert {path: client.get(path).status_code for path in paths} == dict.fromkeys(paths, 404)
