"""FID on request: each net once, by a process of its own, kept on disk; what there is to read without Inception."""

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from coronet import prepared
from coronet.errors import DataError, RunError
from coronet.jobs import JobTable
from coronet.launcher import LocalLauncher, Process
from coronet.prepared import FAILED, SCORE, WANTED
from coronet.recipes import distances as program
from coronet.recipes.settings import DataChoices
from coronet.recipes.verbs import evaluate
from coronet.studio import workshop
from coronet.studio.api import Api
from coronet.studio.compare import measuring, text
from coronet.studio.compare.distances import Distances, Standing, remove_scores, scores_folder
from coronet.studio.compare.measuring import Handlers
from coronet.studio.compare.scores import choose_score, scores_of
from coronet.studio.desk import Desk
from coronet.studio.export.kits import Shelf
from tests.inception_weights import write_stopping_at_6e
from tests.studios import TINY, NoLauncher, save_tiny_model
from tests.test_judging import distance
from tests.test_owners import ANN, BEN, finished, request_of
from tests.worlds import make_world

SHOES = "demo/shoes"
BROWSER: Any = SimpleNamespace(headers={}, session_hash="page")


class Meter:
    """Stands for the process that measures: it answers when it is told to, or ends without a word."""

    def __init__(self, *, dies: bool = False) -> None:
        self.go = threading.Event()
        self.begun: list[dict[str, Any]] = []
        self.dies = dies
        self._folders: list[Path] = []

    def start(self, run: Path) -> Process:
        self._folders.append(run)
        self.begun.append(json.loads((run / WANTED).read_text()))
        return Process(len(self.begun), 0)

    def alive(self, process: Process) -> bool:
        if self.go.is_set() and not self.dies:
            score = json.dumps({"fid": distance(30.0, "FID"), "kid": distance(0.1, "KID")})
            (self._folders[process.pid - 1] / SCORE).write_text(score)
        return not self.go.is_set()

    def kill(self, process: Process) -> None:
        assert self.go.is_set()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workshop, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(workshop, "_LEAST_FREE_BYTES", 0)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "inception.pth").write_bytes(b"weights")
    models = (save_tiny_model(tmp_path / TINY),)
    table = JobTable(tmp_path / "runs", NoLauncher())
    return Desk(table, tmp_path / "runs" / "imported", models, inception=tmp_path / "inception.pth")


@pytest.fixture
def meter() -> Iterator[Meter]:
    made = Meter()
    yield made
    made.go.set()


def without_inception(desk: Desk, *, is_personal: bool) -> Handlers:
    bare = Desk(desk.table, desk.imported, is_personal=is_personal)
    return Handlers(bare, Distances(bare, NoLauncher()))


def wait_until_done(distances: Distances, desk: Desk, model: str = SHOES) -> Standing:
    end = time.monotonic() + 30
    while (found := distances.look(model, desk.outcomes(model))).is_busy and time.monotonic() < end:
        time.sleep(0.01)
    assert not found.is_busy
    return found


def test_the_dense_net_and_all_listed_nets_are_measured_once(desk: Desk, meter: Meter) -> None:
    distances, outcomes = Distances(desk, meter), desk.outcomes(SHOES)
    assert distances.look(SHOES, outcomes) == Standing(count=5)
    for _ in range(2):
        assert distances.measure(SHOES, outcomes).is_busy
    meter.go.set()
    assert wait_until_done(distances, desk) == Standing(count=5, done=5)
    distances.measure(SHOES, outcomes)
    models = [wanted["model"] for wanted in meter.begun]
    assert models == [SHOES, *(str(outcome.folder / "slim.safetensors") for outcome in outcomes)]
    assert {wanted["choices"]["data"] for wanted in meter.begun} == {"scenes/shoes"}
    assert {wanted["inception"] for wanted in meter.begun} == {str(desk.inception)}


def test_what_was_measured_is_judged_by_after_a_restart(desk: Desk, meter: Meter) -> None:
    meter.go.set()
    distances = Distances(desk, meter)
    distances.measure(SHOES, desk.outcomes(SHOES))
    wait_until_done(distances, desk)
    outcomes = Distances(desk, NoLauncher()).with_scores(SHOES, desk.outcomes(SHOES))
    assert list(scores_of(outcomes)) == ["to_truth", "to_teacher", "proxy", "FID"]
    assert choose_score(outcomes, "").key == "FID"
    assert outcomes[0].report["teacher_scores"]["fid"]["value"] == 30.0
    told = Api(desk, Shelf(desk.runs / "kits"), Distances(desk, NoLauncher())).outcomes(SHOES, BROWSER)
    assert [net["scores"]["fid"]["name"] for net in told] == ["FID"] * 4
    assert told[0]["scores"]["distribution"]["name"] == "proxy"


def test_a_killed_process_is_told_and_can_be_started_again(desk: Desk, meter: Meter) -> None:
    meter.dies = True
    meter.go.set()
    distances = Distances(desk, meter)
    distances.measure(SHOES, desk.outcomes(SHOES))
    found = wait_until_done(distances, desk)
    assert (found.done, found.failed, found.net, found.message) == (0, 5, "Dense", text.LOST)
    assert "Press “Measure FID” to try again" in re.sub("<[^>]+>", "", measuring.status(found, "FID"))
    meter.dies = False
    distances.measure(SHOES, desk.outcomes(SHOES))
    assert wait_until_done(distances, desk).done == 5


def test_another_file_net_or_data_set_is_measured_anew(desk: Desk, meter: Meter, tmp_path: Path) -> None:
    meter.go.set()
    data = make_world("paired", tmp_path / "photos")
    id = finished(desk, ANN)
    settings = desk.runs / id / "settings.json"
    settings.write_text(settings.read_text().replace("scenes/shoes", str(data)))
    distances, outcomes = Distances(desk, meter), desk.outcomes(TINY, ANN)

    def measured() -> int:
        distances.measure(TINY, outcomes)
        end = time.monotonic() + 30
        while distances.look(TINY, outcomes).is_busy and time.monotonic() < end:
            time.sleep(0.01)
        return len(meter.begun)

    assert measured() == measured() == 1, "dense and slim are the same file here"
    (data / "test" / "new.png").write_bytes(b"")
    assert measured() == 2
    assert desk.inception is not None
    desk.inception.write_bytes(b"others")
    os.utime(desk.inception, ns=(1, 1))
    assert measured() == 3


def test_a_visitor_has_those_nets_measured_that_are_listed_for_him(desk: Desk, meter: Meter) -> None:
    finished(desk, ANN)
    shared = Desk(desk.table, desk.imported, desk.models_given, inception=desk.inception, is_personal=False)
    handlers = Handlers(shared, Distances(shared, meter))
    assert handlers.look("compare", TINY, [], request_of(BEN))[0] == ""
    handlers.measure(TINY, [], request_of(BEN))
    assert meter.begun == []
    handlers.measure(TINY, [], request_of(ANN))
    meter.go.set()
    end = time.monotonic() + 30
    while not meter.begun and time.monotonic() < end:
        time.sleep(0.01)
    assert len(meter.begun) == 1


def test_pictures_of_one_side_have_no_distance(desk: Desk) -> None:
    id = finished(desk, ANN)
    report = json.loads((desk.runs / id / "report.json").read_text()) | {"data": {"kind": "single"}}
    (desk.runs / id / "report.json").write_text(json.dumps(report))
    found = Handlers(desk, Distances(desk, NoLauncher())).look("compare", TINY, [], request_of(ANN))
    assert text.ONE_SIDE in found[0]
    assert not found[1].visible


def test_a_process_that_cannot_be_started_is_told(desk: Desk) -> None:
    distances = Distances(desk, NoLauncher())
    distances.measure(SHOES, desk.outcomes(SHOES))
    assert "could not be started (not here)" in wait_until_done(distances, desk).message


def test_a_reset_removes_what_was_measured_of_visitors_nets(desk: Desk) -> None:
    for name, model in (("of a run", str(desk.runs / "x" / "slim.safetensors")), ("of a demo", SHOES)):
        (scores_folder(desk) / name).mkdir(parents=True)
        (scores_folder(desk) / name / WANTED).write_text(json.dumps({"model": model}))
    remove_scores(desk)
    assert [folder.name for folder in scores_folder(desk).iterdir()] == ["of a demo"]


# What is shown


def test_without_inception_a_sentence_stands_in_the_place_of_the_button(desk: Desk, tmp_path: Path) -> None:
    for is_personal in (True, False):
        shown = without_inception(desk, is_personal=is_personal).look("compare", SHOES, [], BROWSER)
        assert text.DOWNLOAD in shown[0]
        assert (str(tmp_path / "torch") in shown[0]) == is_personal, "others need not know the server's folders"
        assert not shown[1].visible
        assert not shown[3].active


def test_the_official_file_is_found_where_torch_keeps_it(desk: Desk, tmp_path: Path) -> None:
    place = tmp_path / "torch" / "hub" / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"weights")
    found = Distances(Desk(desk.table, desk.imported), NoLauncher())
    assert (found.inception, found.name) == (place, "FID")


def test_a_file_that_ends_at_mixed_6e_gives_no_fid(desk: Desk, tmp_path: Path) -> None:
    header = b'{"Mixed_6e.branch1x1.conv.weight": {}}'
    for name, more in (("FID-768", b""), ("FID", b'{"Mixed_7a.branch3x3_1.conv.weight": {}}')):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(len(header + more).to_bytes(8, "little") + header + more)
        assert Distances(Desk(desk.table, desk.imported, inception=path), NoLauncher()).name == name


def test_the_line_tells_how_far_it_is_and_then_the_score_is_chosen(desk: Desk, meter: Meter) -> None:
    distances = Distances(desk, meter)
    handlers = Handlers(desk, distances)
    _, button, score, timer, seen = handlers.look("compare", SHOES, [], BROWSER)
    assert (button.visible, button.interactive, score, timer.active) == (True, True, gr.skip(), False)
    status, button, score, timer, seen = handlers.measure(SHOES, seen, BROWSER)
    assert "Measuring net 1 of 5" in status
    assert "<progress value='0' max='5'" in status
    assert (button.interactive, score, timer.active) == (False, gr.skip(), True)
    assert handlers.look("compare", SHOES, seen, BROWSER) == (gr.skip(),) * 5
    meter.go.set()
    wait_until_done(distances, desk)
    status, button, score, timer, _ = handlers.look("compare", SHOES, seen, BROWSER)
    assert (button.visible, score, timer.active) == (False, "FID", False)
    assert handlers.look("compare", SHOES, [], BROWSER)[2] == gr.skip(), "nobody was waiting on this page"


def test_a_closed_tab_does_not_ask(desk: Desk) -> None:
    shown = Handlers(desk, Distances(desk, NoLauncher())).look("train", SHOES, ["x"], BROWSER)
    assert shown[:3] == (gr.skip(),) * 3
    assert not shown[3].active


# The program


def test_the_program_says_why_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "step_back", lambda _: None)
    choices = {"data": str(make_world("paired", tmp_path / "photos")), "image_size": 32}
    wanted = {"model": str(save_tiny_model(tmp_path / TINY)), "choices": choices}
    inception = tmp_path / "part.safetensors"
    write_stopping_at_6e(inception)
    (tmp_path / WANTED).write_text(json.dumps(wanted | {"inception": str(inception)}))
    assert program.main([str(tmp_path)]) == 2
    assert "at least 20" in json.loads((tmp_path / FAILED).read_text())["message"]


@pytest.mark.parametrize(("error", "status"), [(DataError("No."), 2), (RunError("No."), 2), (ValueError("x"), 1)])
def test_every_end_of_a_program_leaves_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    monkeypatch.setattr(prepared, "step_back", lambda _: None)

    def fail(folder: Path) -> None:
        raise error

    assert prepared.prepare(tmp_path, SCORE, fail, niceness=0) == status
    assert json.loads((tmp_path / FAILED).read_text())["message"].endswith(".")
    (tmp_path / SCORE).write_text("{}")
    assert prepared.prepare(tmp_path, SCORE, fail, niceness=0) == 0, "what is there is not made again"


@pytest.mark.real
@pytest.mark.slow
def test_a_process_measures_what_the_command_line_does(tmp_path: Path, real_weights: Path) -> None:
    from tests import worlds

    inception = real_weights / "inception_2015_12_05_to_Mixed_6e.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds, "TEST_IMAGES", 20)
        data = make_world("paired", tmp_path / "photos")
    model, choices = save_tiny_model(tmp_path / TINY), {"data": str(data), "image_size": 32}
    (tmp_path / "made").mkdir()
    wanted = {"model": str(model), "choices": choices, "inception": str(inception)}
    (tmp_path / "made" / WANTED).write_text(json.dumps(wanted))
    launcher = LocalLauncher("recipes.distances")
    process = launcher.start(tmp_path / "made")
    while launcher.alive(process):
        time.sleep(0.1)
    score = json.loads((tmp_path / "made" / SCORE).read_text())
    expected = evaluate(str(model), DataChoices(**choices), inception=inception)
    assert score["fid"]["name"] == "FID-768"
    assert score == {"fid": expected["fid"], "kid": expected["kid"]}
