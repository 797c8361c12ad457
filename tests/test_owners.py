"""Visitors: who is who, what each sees and may remove, what a link opens, how much one may keep."""

import asyncio
import base64
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from coronet import sandbox
from coronet.errors import CheckpointError, DataError, RunError, SettingsError
from coronet.jobs import JobTable
from coronet.launcher import Process
from coronet.networks import resnet
from coronet.runs import Run
from coronet.studio.api import Api
from coronet.studio.compare.distances import Distances
from coronet.studio.desk import Desk
from coronet.studio.export.kits import Shelf, find_net, nets
from coronet.studio.guard import Guard
from coronet.studio.page import Opening
from coronet.studio.shelves.data import report
from coronet.studio.shelves.owned import Limits, plain_name
from coronet.studio.train.handlers import Handlers as TrainHandlers
from coronet.studio.visitors import (
    COOKIE,
    LOGIN_HEADER,
    NOBODY,
    OWNER_HEADER,
    Visitor,
    VisitorTable,
    is_cookie,
    new_cookie,
    owner_of,
    visitor_of,
)
from coronet.uploads import Quota, child
from tests.studios import TINY, NoLauncher, save_tiny_model
from tests.test_uploads import PAIRS, SIDES, zipped
from tests.worlds import CONFIGS, random_weights, write_published

ANN, BEN = (Visitor(owner_of(name * 8, ""), has_cookie=True) for name in ("ann_", "ben_"))


def api_of(desk: Desk) -> Api:
    return Api(desk, Shelf(desk.runs / "kits"), Distances(desk))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(JobTable(tmp_path / "runs", NoLauncher()), tmp_path / "imported", (save_tiny_model(tmp_path / TINY),))


def shared(desk: Desk) -> Desk:
    """Give the same studio as it is served to many."""
    return Desk(desk.table, desk.imported, desk.models_given, desk.data, is_personal=False)


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read zips in this process: that their child is confined has tests of its own."""
    said: list[Any] = []
    monkeypatch.setattr(child, "confine", lambda **_: None)
    monkeypatch.setattr(child, "answer", said.append)

    def run(module: str, arguments: list[str], *, folder: Path, **_: Any) -> Any:
        before = Path.cwd()
        os.chdir(folder)
        try:
            child.main(list(arguments))
        finally:
            os.chdir(before)
        return said.pop()

    monkeypatch.setattr(sandbox, "run", run)


def picture_file(folder: Path, name: str = "horse.png", colour: str = "#123456", side: int = 24) -> Path:
    Image.new("RGB", (side, side), colour).save(folder / name)
    return folder / name


def zip_file(folder: Path, name: str = "My horses.zip", files: dict[str, bytes] = SIDES) -> Path:
    (folder / name).write_bytes(zipped(files))
    return folder / name


# Who is who


async def through(guard: Guard, headers: dict[str, str], method: str = "GET") -> Any:
    """Send a request through the guard; give the status, the answer's headers and the visitor behind it."""
    seen: dict[str, Any] = {}
    given = {"host": "localhost", **headers}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            seen["status"] = message["status"]
            seen["headers"] = [(name.decode(), value.decode()) for name, value in message["headers"]]

    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    await guard({"type": "http", "method": method, "path": "/", "headers": raw, "scheme": "http"}, None, send)
    return SimpleNamespace(**seen)


def ask(headers: dict[str, str], people: dict[str, str] | None = None) -> Any:
    found: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        named = {name.decode(): value.decode() for name, value in scope["headers"]}
        found["visitor"] = visitor_of(SimpleNamespace(headers=named, session_hash=None))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    answer = asyncio.run(through(Guard(app, people=people or {}, loopback_only=True), headers))
    cookies = [value for name, value in answer.headers if name == "set-cookie"]
    return SimpleNamespace(status=answer.status, cookies=cookies, visitor=found.get("visitor"))


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_a_browser_gets_a_cookie_when_it_opens_a_page_and_keeps_it() -> None:
    first = ask({"accept": "text/html,*/*"})
    (written,) = first.cookies
    value = written.partition("=")[2].partition(";")[0]
    assert is_cookie(value)
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in written.split(";")}
    again = ask({"accept": "text/html", "cookie": f'odd="{{x; {COOKIE}={value}'})
    assert again.cookies[0].startswith(f"{COOKIE}={value};")
    assert again.visitor == Visitor(owner_of(value, ""), has_cookie=True)
    assert value not in again.visitor.owner


def test_only_a_page_sets_a_cookie() -> None:
    assert ask({"accept": "*/*"}).cookies == []
    assert ask({}).visitor == NOBODY


@pytest.mark.parametrize("cookie", ["", "x", "a" * 33, "../../etc/passwd", "a" * 31 + "/"])
def test_a_cookie_of_another_form_is_replaced(cookie: str) -> None:
    answer = ask({"accept": "text/html", "cookie": f"{COOKIE}={cookie}"})
    assert answer.visitor == NOBODY
    assert is_cookie(answer.cookies[0].partition("=")[2].partition(";")[0])


def test_cookies_are_never_alike() -> None:
    assert len({new_cookie() for _ in range(100)}) == 100


def test_nobody_names_himself() -> None:
    assert ask({OWNER_HEADER: ANN.owner, LOGIN_HEADER: "ann"}).visitor == NOBODY
    assert ask({OWNER_HEADER.upper(): ANN.owner}).visitor == NOBODY
    assert ask(basic("ann", "guess")).visitor == NOBODY, "without a login file a name is not checked"


def test_browsers_that_share_a_login_stay_apart_and_programs_are_known_by_it() -> None:
    people = {"class": "secret", "ben": "other"}
    cookies = [new_cookie() for _ in range(2)]
    browsers = [ask({**basic("class", "secret"), "cookie": f"{COOKIE}={cookie}"}, people).visitor for cookie in cookies]
    assert [visitor.login for visitor in browsers] == ["class", "class"]
    assert browsers[0].owner != browsers[1].owner
    programs = [
        ask(basic(*person), people).visitor for person in (("class", "secret"), ("class", "secret"), ("ben", "other"))
    ]
    assert programs[0] == programs[1] != programs[2]
    assert not programs[0].has_cookie
    refused = ask({"accept": "text/html", **basic("class", "wrong")}, people)
    assert (refused.status, refused.cookies, refused.visitor) == (401, [], None)


def test_a_program_without_a_login_is_known_by_its_session() -> None:
    one, same, other = (visitor_of(SimpleNamespace(headers={}, session_hash=hash)) for hash in ("a", "a", "b"))
    assert one == same != other
    assert not one.has_cookie


def test_only_hashes_are_written_down(tmp_path: Path) -> None:
    cookie = new_cookie()
    visitor = Visitor(owner_of(cookie, "class"), "class", has_cookie=True)
    table = VisitorTable(tmp_path)
    table.rename(visitor, "The foxes")
    table.note_opened(visitor, "20260101-abc")
    assert cookie.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_groups_name_is_short_and_printable(tmp_path: Path) -> None:
    table = VisitorTable(tmp_path)
    assert table.rename(ANN, "  The\n\x1b[31m \u202efoxes " + "x" * 500)[:14] == "The [31m foxes"
    assert len(table.name(ANN.owner)) == 30
    assert table.rename(ANN, "") == table.name(ANN.owner) == table.name(BEN.owner) == ""


# Runs


def test_each_visitor_lists_his_own_runs(desk: Desk) -> None:
    anns, bens = (desk.start("tiny.safetensors", "scenes/shoes", {}, visitor) for visitor in (ANN, BEN))
    assert [id for _, id in desk.run_names(ANN)] == [anns]
    assert [id for _, id in desk.run_names(BEN)] == [bens]


def test_what_nobody_owns_is_listed_in_a_personal_studio_only(desk: Desk) -> None:
    made_elsewhere = Run.create(desk.runs / "mine", "compress", {"model": "demo/shoes", "ratio": 2.0})
    desk.table.adopt()
    assert [id for _, id in desk.run_names(ANN)] == [made_elsewhere.name]
    assert shared(desk).run_names(ANN) == shared(desk).run_names(NOBODY) == []
    assert desk.run("mine")[1].name == "mine"
    with pytest.raises(RunError, match="no run 'mine'"):
        shared(desk).run("mine")


def test_a_link_lists_a_run_and_lets_it_be_touched(desk: Desk) -> None:
    id = desk.start("tiny.safetensors", "scenes/shoes", {}, ANN)
    assert desk.run_names(BEN) == []
    desk.run_shelf.open_link(id, BEN)
    assert [id for _, id in desk.run_names(BEN)] == [id]
    assert desk.table.request_pause(desk.run(id)[0].id) == "paused"
    assert [id for _, id in desk.run_names(ANN)] == [id]
    with pytest.raises(RunError):
        desk.run_shelf.open_link("20260101-000000000000", BEN)


def test_runs_have_names_that_no_one_guesses(desk: Desk) -> None:
    names = {desk.start("tiny.safetensors", "scenes/shoes", {}, ANN) for _ in range(3)}
    assert len({name.partition("-")[2] for name in names}) == 3
    assert all(len(name.partition("-")[2]) == 12 for name in names)


def test_a_finished_run_is_an_outcome_for_its_owner_and_for_who_has_the_link(desk: Desk) -> None:
    id = finished(desk, ANN)
    assert [net.label for net in desk.outcomes(TINY, ANN)] == ["your run 3.0×"]
    assert desk.outcomes(TINY, BEN) == []
    desk.run_shelf.open_link(id, BEN)
    assert [net.label for net in desk.outcomes(TINY, BEN)] == ["shared run 3.0×"]
    assert shared(desk).outcomes(TINY, NOBODY) == []


def test_a_slim_net_is_found_by_its_key_by_whoever_has_that(desk: Desk) -> None:
    id = finished(desk, ANN)
    keys = [net.key for net in desk.outcomes(TINY, ANN)]
    assert keys == [f"own/{id}"]
    assert [net.kind for visitor in (ANN, BEN) if (net := desk.outcome(TINY, keys[0], visitor))] == ["own", "linked"]
    assert [net.key for net in nets(desk, TINY, BEN)] == ["model"], "it is not listed"
    assert find_net(desk, TINY, keys[0], BEN).files == find_net(desk, TINY, keys[0], ANN).files
    desk.run_shelf.open_link(id, BEN)
    assert [net.key for net in desk.outcomes(TINY, BEN)] == keys, "a link means the same to both"
    waiting = desk.start(TINY, "scenes/shoes", {}, ANN)
    for key in (f"own/{waiting}", "own/../../etc", "own/", "ready/x", "", None, f"linked/{id}"):
        assert desk.outcome(TINY, key, BEN) is None
    assert desk.outcome("demo/shoes", keys[0], BEN) is None, "it was made from another model"


def test_a_net_whose_name_could_be_guessed_is_found_by_no_key_among_others(desk: Desk) -> None:
    id = finished(desk, ANN)
    (desk.runs / id).rename(desk.runs / "mine")
    desk.table.adopt()
    assert desk.outcome(TINY, "own/mine", BEN) is not None
    assert shared(desk).outcome(TINY, "own/mine", BEN) is None


def test_a_guessed_name_touches_nothing_among_others(desk: Desk) -> None:
    Run.create(desk.runs / "mine", "compress", {"model": "demo/shoes", "ratio": 2.0})
    desk.table.adopt()
    train, api = TrainHandlers(shared(desk), []), api_of(shared(desk))
    for touch in (train.pause, train.resume, train.cancel, train.keep, lambda id: train.discard(id, request_of(BEN))):
        with pytest.raises(RunError, match="no run 'mine'"):
            touch("mine")
    for ask in (api.run, api.pause, api.resume, api.cancel, api.keep, api.discard):
        with pytest.raises(RunError, match="no run 'mine'"):
            ask("mine")
    assert desk.table.state("mine") == "interrupted"


def test_an_address_that_names_anothers_net_lists_its_run(desk: Desk) -> None:
    ids = [finished(desk, ANN) for _ in range(2)]
    query = {"model": TINY, "tab": "compare", "nets": f"own/{ids[0]},own/x", "net": f"own/{ids[1]}"}
    wanted = Opening(desk).restore("", request_of(BEN, **query))[7]
    assert wanted == {"nets": [f"own/{ids[0]}"], "net": f"own/{ids[1]}"}
    assert {id for _, id in desk.run_names(BEN)} == set(ids)


def test_a_run_that_another_of_this_browser_has_saved_is_not_opened(desk: Desk) -> None:
    id = desk.start(TINY, "scenes/shoes", {}, ANN)
    assert [Opening(desk).restore(id, request_of(who))[-1].value for who in (ANN, BEN)] == [id, None]
    assert desk.run_names(BEN) == []


def test_a_discarded_run_is_listed_no_more(desk: Desk) -> None:
    id = desk.start(TINY, "scenes/shoes", {}, ANN)
    state, runs = TrainHandlers(desk, []).discard(id, request_of(ANN))
    assert (state, runs.choices, desk.run_names(ANN)) == ("discarding", [], [])


# Programs


def test_a_program_on_ones_own_machine_is_nobodys_and_elsewhere_its_logins(desk: Desk) -> None:
    program: Any = SimpleNamespace(headers={}, session_hash="s")
    id = api_of(desk).start(TINY, program, "scenes/shoes")
    assert [id for _, id in desk.run_names(ANN)] == [id], "the browser lists what a program started"
    member: Any = SimpleNamespace(headers={LOGIN_HEADER: "class"}, session_hash="s")
    api = api_of(shared(desk))
    name = api.upload_model(str(desk.models_given[0]), member)
    assert api.start(name, member, "scenes/shoes") in {id for _, id in shared(desk).run_names(visitor_of(member))}
    assert name in {entry["name"] for entry in api.models(member)}
    assert name not in {entry["name"] for entry in api.models(request_of(BEN))}
    assert api.describe(name)["cost"]["parameters"] > 0, "who has its name may use it"


def test_the_teachers_rules_hold_for_programs_and_are_said_before_a_start(desk: Desk) -> None:
    desk.rule_book.lock(("quick",), 0.0, 1.0, 2.0)
    with pytest.raises(SettingsError, match="The teacher has locked the choices"):
        api_of(desk).start(TINY, request_of(ANN), "scenes/shoes", 4.0)
    asked = ("train", TINY, 4.0, "scenes/shoes", "quick", "", request_of(ANN))
    assert "The teacher has locked the choices" in TrainHandlers(desk, []).estimate(*asked)[0]
    assert desk.table.list() == ()


def request_of(visitor: Visitor, **query: str) -> Any:
    """Give a request as it comes from a visitor's browser behind the guard."""
    return SimpleNamespace(headers={OWNER_HEADER: visitor.owner}, session_hash="s", query_params=query)


def finished(desk: Desk, visitor: Visitor) -> str:
    id = desk.start(TINY, "scenes/shoes", {"ratio": 3.0}, visitor)
    cost = {"macs": 10, "parameters": 5}
    scores = {"to_teacher": {"psnr_db": 20.0, "ssim": 0.8}, "images": 3}
    (desk.runs / id / "slim.safetensors").write_bytes(desk.models_given[0].read_bytes())
    desk.run(id)[1].write_report({"ratio": 3.0, "dense": cost, "slim": cost, "scores": scores})
    finish(desk, id)
    return id


def finish(desk: Desk, id: str) -> None:
    class Started(NoLauncher):
        def start(self, run: Path) -> Process:
            return Process(1, 1)

    table = JobTable(desk.runs, Started())
    table.tick()
    table.finish(id, Process(1, 1), "done")


def test_a_visitor_has_few_waiting_runs_and_keeps_no_folder_of_a_refused_one(desk: Desk) -> None:
    ids = {desk.start("tiny.safetensors", "scenes/shoes", {}, ANN) for _ in range(5)}
    with pytest.raises(RunError, match="5 of your runs are waiting"):
        desk.start("tiny.safetensors", "scenes/shoes", {}, ANN)
    assert {path.parent.name for path in desk.runs.glob("*/settings.json")} == ids
    desk.start("tiny.safetensors", "scenes/shoes", {}, BEN)


# Models


def test_an_uploaded_model_is_listed_for_its_owner_and_found_by_its_name(desk: Desk) -> None:
    name = desk.import_model(desk.models_given[0], ANN)
    assert plain_name(name) == "uploaded/tiny"
    assert (name in desk.models(ANN), name in desk.models(BEN), name in desk.models()) == (True, False, False)
    assert desk.model(name) == desk.imported / ANN.owner / f"{name.removeprefix('uploaded/')}.safetensors"
    assert ("uploaded/tiny", name) in desk.model_choices(BEN, also=name)
    assert desk.model_choices(BEN, also="uploaded/other-0000000000000000") == desk.model_choices(BEN)


def test_an_uploaded_model_still_says_how_its_file_was_recognised(desk: Desk, tmp_path: Path) -> None:
    config = CONFIGS["resnet"]
    write_published(
        tmp_path / "latest_net_G.pth", random_weights(config, 0), resnet.published_keys(config, dropout_slot=False)
    )
    _, reasons = desk.describe(desk.import_model(tmp_path / "latest_net_G.pth", ANN))
    assert "ResNet: the first convolution model.1 has 7×7 kernels." in reasons


def test_only_its_owner_removes_a_model_and_not_while_a_run_needs_it(desk: Desk) -> None:
    name = desk.import_model(desk.models_given[0], ANN)
    with pytest.raises(RunError, match="no model that you uploaded"):
        desk.remove_model(name, BEN)
    id = desk.start(name, "scenes/shoes", {}, ANN)
    with pytest.raises(RunError, match="still needs uploaded/tiny"):
        desk.remove_model(name, ANN)
    desk.table.request_cancel(id)
    desk.remove_model(name, ANN)
    with pytest.raises(CheckpointError):
        desk.model(name)
    assert desk.run_channels(desk.run(id)[1], {"stem": 4}) == ()
    with pytest.raises(RunError):
        desk.remove_model("tiny.safetensors", ANN)


def test_models_of_one_owner_are_counted_and_weighed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for limits in (Limits(1, 10**9, 9), Limits(9, 1000, 9)):
        monkeypatch.setattr("coronet.studio.shelves.models.LIMITS", limits)
        owner = Visitor(owner_of(str(limits), ""))
        desk.import_model(desk.models_given[0], owner)
        with pytest.raises(RunError, match="You keep 1 uploaded models"):
            desk.import_model(desk.models_given[0], owner)
    monkeypatch.setattr("coronet.studio.shelves.models.LIMITS", Limits(9, 10**9, 2))
    with pytest.raises(RunError, match="as many uploads as it has room for"):
        desk.import_model(desk.models_given[0], BEN)


def test_uploads_of_before_are_the_personal_studios(desk: Desk) -> None:
    desk.imported.mkdir()
    (desk.imported / "mine.safetensors").write_bytes(desk.models_given[0].read_bytes())
    assert desk.model("uploaded/mine").is_file()
    assert "uploaded/mine" in desk.models(ANN)
    with pytest.raises(CheckpointError):
        shared(desk).model("uploaded/mine")


# Pictures


def test_an_uploaded_picture_is_kept_and_a_link_opens_it(desk: Desk, tmp_path: Path) -> None:
    name = desk.import_picture(picture_file(tmp_path, "my horse.png"), ANN)
    assert desk.pictures(ANN)[0] == name
    assert name not in desk.pictures(BEN)
    assert desk.picture(name).size == (24, 24)
    assert desk.knows_picture(name)
    assert ("uploaded: my_horse", name) in desk.picture_choices(BEN, also=name)
    assert desk.import_picture(picture_file(tmp_path, "my horse.png"), ANN) == name, "the same picture is kept once"


def test_a_large_picture_is_kept_smaller(desk: Desk, tmp_path: Path) -> None:
    name = desk.import_picture(picture_file(tmp_path, side=2000), ANN)
    assert desk.picture(name).size == (1024, 1024)


def test_of_many_pictures_the_oldest_go(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coronet.studio.shelves.pictures.LIMITS", Limits(2, 10**9, 99))
    names = []
    for number in range(4):
        names.append(desk.import_picture(picture_file(tmp_path, colour=f"#00000{number}"), ANN))
        os.utime(desk.picture_shelf.uploaded.find(names[-1]), (number, 2**31 + number))
    other = desk.import_picture(picture_file(tmp_path, colour="#abcdef"), BEN)
    assert [name for name in (*names, other) if desk.knows_picture(name)] == [*names[2:], other]


def test_pictures_are_kept_for_some_days(desk: Desk, tmp_path: Path) -> None:
    name = desk.import_picture(picture_file(tmp_path), ANN)
    kept = desk.picture_shelf.uploaded.find(name)
    assert kept is not None
    os.utime(kept, (time.time() - 15 * 86_400,) * 2)
    desk.import_picture(picture_file(tmp_path, colour="red"), BEN)
    assert not desk.knows_picture(name)


@pytest.mark.parametrize(
    "name", ["uploaded/../x", "uploaded/x", "20260101-000000000000/../x.png", "a/b/c/d", "/", "\0"]
)
def test_a_pictures_name_is_never_a_path(desk: Desk, name: str) -> None:
    picture_file(desk.runs, "x.png")
    assert not desk.knows_picture(name)


# Data sets


@pytest.mark.usefixtures("near")
def test_a_zip_becomes_a_data_set_of_its_visitor(desk: Desk, tmp_path: Path) -> None:
    data = desk.import_data(zip_file(tmp_path), ANN)
    name = f"uploaded/{data.folder.name}"
    assert report(data) == [
        "My horses was added: two unpaired sides, A and B, 3 + 3 pictures to train (A + B) and 3 + 3 to test, "
        "16 × 16 pixels."
    ]
    assert ("My horses (your upload, 12 pictures)", name) in desk.data_choices(ANN)
    assert name not in desk.data_sets(BEN)
    assert desk.data_folder(name, ANN) == str(data.folder)
    with pytest.raises(DataError, match="You have no data set"):
        desk.data_folder(name, BEN)
    assert ("My horses/testA/0.png", f"{data.folder.name}/testA/0.png") in desk.picture_choices(ANN)
    assert desk.picture(f"{data.folder.name}/testA/0.png").size == (16, 16)
    assert not any(data.folder.name in picture for picture in desk.pictures(BEN))


@pytest.mark.usefixtures("near")
def test_what_was_left_out_of_a_zip_is_told(desk: Desk, tmp_path: Path) -> None:
    data = desk.import_data(zip_file(tmp_path, files={**PAIRS, "train/notes.txt": b"x"}), ANN)
    found, left_out = report(data)
    assert "pairs A|B side by side, 3 pairs to train and 1 to test, 32 × 16 pixels" in found
    assert left_out == "Left out as no pictures: 1 file, such as 'train/notes.txt'."


@pytest.mark.usefixtures("near")
def test_a_data_set_is_removed_by_its_owner_and_not_while_a_run_reads_it(desk: Desk, tmp_path: Path) -> None:
    data = desk.import_data(zip_file(tmp_path), ANN)
    name = f"uploaded/{data.folder.name}"
    id = desk.start("tiny.safetensors", name, {}, ANN)
    assert desk.run(id)[1].settings["data"] == str(data.folder)
    with pytest.raises(DataError, match="You have no data set"):
        desk.remove_data(name, BEN)
    with pytest.raises(RunError, match="still needs My horses"):
        desk.remove_data(name, ANN)
    desk.table.request_cancel(id)
    desk.remove_data(name, ANN)
    assert name not in desk.data_sets(ANN)
    assert not data.folder.exists()
    assert desk.run(id)[0].state == "cancelled"


@pytest.mark.usefixtures("near")
def test_data_sets_have_a_quota(desk: Desk, tmp_path: Path) -> None:
    for _ in range(Quota().data_sets):
        desk.import_data(zip_file(tmp_path), ANN)
    with pytest.raises(DataError, match="You keep 5 of 5 allowed data sets"):
        desk.import_data(zip_file(tmp_path), ANN)
    desk.import_data(zip_file(tmp_path), BEN)


@pytest.mark.usefixtures("near")
def test_a_program_without_a_session_keeps_data_in_a_personal_studio_only(desk: Desk, tmp_path: Path) -> None:
    data = desk.import_data(zip_file(tmp_path), NOBODY)
    assert f"uploaded/{data.folder.name}" in desk.data_sets(ANN)
    assert f"uploaded/{data.folder.name}" not in shared(desk).data_sets(ANN)
