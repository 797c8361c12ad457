"""The studio: what its handlers answer, what every control is called, what is refused, and what it does not load."""

import asyncio
import base64
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from coronet.demos import DEMOS, demo_names, ready_made_runs
from coronet.ending import end_early
from coronet.errors import BudgetError, CheckpointError, DataError, RunError, SettingsError
from coronet.jobs import RESTARTED, Job, JobTable
from coronet.published import published_points
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from coronet.settings import fields_of
from coronet.studio import address, charts, run_words, shared, text
from coronet.studio.channel_map import channel_map
from coronet.studio.choosing import Handlers as ChoosingHandlers
from coronet.studio.compare.comparison import figure as trade_off
from coronet.studio.compare.comparison import pictures as outcome_pictures
from coronet.studio.compare.comparison import published_figure
from coronet.studio.compare.comparison import table as outcome_table
from coronet.studio.compare.differences import difference_map
from coronet.studio.compare.distances import Distances
from coronet.studio.compare.handlers import Handlers as CompareHandlers
from coronet.studio.compare.literature import published
from coronet.studio.compare.scores import Score, as_csv, best_under, choose_score, pareto
from coronet.studio.desk import Desk
from coronet.studio.edge import edge
from coronet.studio.follower import Follower
from coronet.studio.guard import read_people
from coronet.studio.latest import Latest
from coronet.studio.launch import main
from coronet.studio.model.tab import Handlers as ModelHandlers
from coronet.studio.outcomes import Outcome, find_outcomes
from coronet.studio.page import Opening
from coronet.studio.page import build as build_page
from coronet.studio.shelves.owned import Limits
from coronet.studio.squeeze import Handlers as SqueezeHandlers
from coronet.studio.teacher.gate import Gate
from coronet.studio.train import watching
from coronet.studio.train.form import values_of
from coronet.studio.train.handlers import MOVING
from coronet.studio.train.handlers import Handlers as TrainHandlers
from coronet.studio.train.time_lapse import time_lapse
from tests.studios import NoLauncher, save_tiny_model, served

ROOT = Path(__file__).resolve().parents[1]


def fill_with_pictures(folder: Path, size: tuple[int, int] = (64, 32)) -> Path:
    folder.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", size, (80 * number, 40, 200)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A studio with one model, and one data set of pairs in an allowed folder."""
    model = save_tiny_model(tmp_path / "tiny.safetensors")
    fill_with_pictures(tmp_path / "allowed" / "pairs" / "train")
    fill_with_pictures(tmp_path / "allowed" / "pairs" / "test")
    table = JobTable(tmp_path / "runs", NoLauncher())
    return Desk(table, tmp_path / "runs" / "imported", (model,), ((tmp_path / "allowed").resolve(),))


def compare_handlers(desk: Desk) -> CompareHandlers:
    return CompareHandlers(desk, Distances(desk, NoLauncher()))


def request(session: str = "visitor", **query: str) -> Any:
    return SimpleNamespace(session_hash=session, query_params=query, headers={})


# The desk


def test_models_are_those_given_shipped_and_uploaded(desk: Desk) -> None:
    save_tiny_model(desk.runs / "mine.safetensors")
    name = desk.import_model(desk.runs / "mine.safetensors")
    assert re.fullmatch("uploaded/mine-[0-9a-f]{16}", name)
    assert {"tiny.safetensors", name} <= set(desk.models())
    assert ("uploaded/mine", name) in desk.model_choices()


def test_a_second_upload_of_a_name_is_kept_beside_the_first(desk: Desk) -> None:
    path = save_tiny_model(desk.runs / "..mine é.safetensors")
    names = [desk.import_model(path) for _ in range(3)]
    assert len(set(names)) == 3
    assert all(desk.model(name).parent == desk.imported for name in names)


@pytest.mark.parametrize("name", ["/etc/passwd", "../tiny.safetensors", "demo/../../etc/passwd", "uploaded/..", "\0"])
def test_a_name_is_never_a_path(desk: Desk, name: str) -> None:
    with pytest.raises(CheckpointError):
        desk.model(name)
    with pytest.raises(DataError):
        desk.picture(name)


def test_a_file_that_is_no_model_is_refused_in_one_sentence(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(CheckpointError) as error:
        desk.import_model(tmp_path / "evil.pth")
    assert "\n" not in str(error.value)
    assert not desk.imported.exists() or not list(desk.imported.iterdir())


def test_a_full_shelf_takes_no_more_models(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coronet.studio.shelves.models.LIMITS", Limits(files=0, bytes=1, files_of_all=9))
    with pytest.raises(RunError, match="You keep 0 uploaded models"):
        desk.import_model(desk.models_given[0])


def test_of_a_pair_the_picture_is_the_left_half(desk: Desk) -> None:
    assert desk.pictures()[:4] == [*(f"pairs/test/{number}.png" for number in range(3)), "Drawing of a shoe 1"]
    assert desk.picture("pairs/test/1.png").size == (32, 32)


@pytest.mark.parametrize("name", ["Horse 1", "Zebra 2", "Drawing of a shoe 3", "Summer 4", "Winter 1"])
def test_drawn_pictures_are_listed_and_drawn(desk: Desk, name: str) -> None:
    assert name in desk.pictures()
    assert desk.picture(name).size == (128, 128)


@pytest.mark.parametrize("name", [name.removeprefix("demo/") for name in demo_names()])
def test_a_demo_model_meets_pictures_and_data_of_its_own_world(desk: Desk, name: str) -> None:
    words = {"horse2zebra": "Horse 1", "zebra2horse": "Zebra 1", "shoes": "Drawing of a shoe 1"}
    words |= {"summer2winter": "Summer 1", "winter2summer": "Winter 1"}
    demo = f"demo/{name}"
    assert desk.sample_for(demo, None) == words[name]
    assert desk.sample_for(demo, words[name]) is None
    assert desk.sample_for(demo, "pairs/test/1.png") is None, "a picture of the visitor's own stays"
    assert desk.data_for(demo, "scenes/none") == "scenes/none"
    assert desk.data_for(demo, None) == DEMOS[name].data
    assert desk.data_for(demo, "pairs") == "pairs"
    assert desk.data_for("tiny.safetensors", DEMOS[name].data) == str(desk.data[0] / "pairs")
    settings = desk.run(desk.start(demo, DEMOS[name].data, {"ratio": 4.0}))[1].settings
    assert (settings["model"], settings["data"]) == (demo, DEMOS[name].data)
    assert settings["direction"] == DEMOS[name].direction


@pytest.mark.parametrize("name", [name.removeprefix("demo/") for name in demo_names()])
def test_a_run_shows_pictures_to_the_judges_of_a_demo_as_they_learned_to_see_them(desk: Desk, name: str) -> None:
    softening = {"shoes": 0.0, "horses": 1.0, "seasons": 1.0}[DEMOS[name].world]
    start = partial(desk.start, f"demo/{name}", DEMOS[name].data)
    assert desk.run(start({}))[1].settings["soften_judges"] == softening
    assert desk.run(start({"soften_judges": 0.5}))[1].settings["soften_judges"] == 0.5
    assert TrainHandlers(desk, []).suit(f"demo/{name}", None, request()) == (DEMOS[name].data, softening)


def test_a_model_of_ones_own_has_judges_that_see_sharp_pictures(desk: Desk) -> None:
    assert TrainHandlers(desk, []).suit("tiny.safetensors", "pairs", request()) == ("pairs", 0.0)


@pytest.mark.parametrize("name", demo_names())
def test_a_demo_model_translates_its_own_pictures(desk: Desk, name: str) -> None:
    picture = desk.picture(desk.sample_for(name, None) or "")
    preview = desk.preview(name, 4.0, picture)
    assert preview.dense.size == preview.slim.size == picture.size
    assert preview.dense_cost.macs / preview.slim_cost.macs == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize("folder", ready_made_runs(), ids=lambda folder: folder.name)
def test_a_ready_made_net_belongs_to_its_demo_model(desk: Desk, folder: Path) -> None:
    name, ratio = folder.name.removesuffix("x").rsplit("-", 1)
    outcomes = desk.outcomes(f"demo/{name}")
    found = next(outcome for outcome in outcomes if outcome.folder == folder)
    assert found.kind == "ready"
    assert found.ratio >= float(ratio)
    assert desk.translate(found, desk.picture("Horse 1")).size == (128, 128)


@pytest.mark.parametrize("folder", ready_made_runs(), ids=lambda folder: folder.name)
def test_a_ready_made_net_meets_its_ratio(desk: Desk, folder: Path) -> None:
    name, ratio = folder.name.removesuffix("x").rsplit("-", 1)
    found = next(outcome for outcome in desk.outcomes(f"demo/{name}") if outcome.folder == folder)
    assert found.ratio == pytest.approx(float(ratio), rel=0.02)


def test_a_finished_run_stands_beside_the_ready_made_nets(desk: Desk) -> None:
    id = desk.start("tiny.safetensors", "pairs", {"ratio": 3.0, "image_size": 32})
    run = desk.run(id)[1]
    assert desk.outcomes("tiny.safetensors") == []
    save_tiny_model(run.path / "slim.safetensors")
    cost = {"macs": 10, "parameters": 5}
    scores = {"to_teacher": {"psnr_db": 20.0, "ssim": 0.8}, "images": 3}
    run.write_report({"ratio": 3.0, "dense": cost, "slim": cost, "scores": scores})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobTable, "list", lambda table: [SimpleNamespace(id=id, state="done", owner="")])
        outcomes = desk.outcomes("tiny.safetensors")
    assert [(outcome.kind, outcome.ratio) for outcome in outcomes] == [("own", 3.0)]
    score = choose_score(outcomes, "")
    assert "20.0 dB" in outcome_table(outcomes, score)
    assert "PSNR to the dense net" in outcome_table(outcomes, score)
    assert trade_off(outcomes, score).data[0].y == (20.0,)
    shown = outcome_pictures([(Image.new("RGB", (4, 4)), outcomes[0].label)])
    assert "alt='Translation by the trained slim net: your run 3.0×'" in shown
    assert shown.count("data:image/png;base64,") == 1


def test_a_damaged_report_is_no_outcome(desk: Desk, tmp_path: Path) -> None:
    for number, report in enumerate(('{"ratio": "much"}', "{", "[]", '{"ratio": 2, "dense": 1}')):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "settings.json").write_text('{"verb": "compress", "settings": {"model": "m"}}')
        (folder / "report.json").write_text(report)
        (folder / "slim.safetensors").touch()
        assert find_outcomes("m", tmp_path, [folder], []) == []


def test_pictures_of_unpaired_data_come_from_both_sides(tmp_path: Path, desk: Desk) -> None:
    for side in ("trainA", "testA", "testB"):
        fill_with_pictures(tmp_path / "allowed" / "zoo" / side, (40, 20))
    assert {Path(name).parent.as_posix() for name in desk.pictures()} == {
        "pairs/test",
        "zoo/testA",
        "zoo/testB",
        ".",  # the drawn ones
    }
    assert desk.picture("zoo/testA/0.png").size == (40, 20)
    assert [Path(folder).name for folder in desk.data_sets()] == ["pairs", "zoo", "shoes", "horses", "seasons"]


@pytest.mark.parametrize("written", ["pairs", " pairs ", "{allowed}/pairs", "{allowed}", "pairs/../pairs"])
def test_allowed_data_folders(desk: Desk, written: str) -> None:
    folder = desk.data_folder(written.format(allowed=desk.data[0]))
    assert folder in (str(desk.data[0]), str(desk.data[0] / "pairs"))


@pytest.mark.parametrize("written", [None, "", "  ", "/etc", "..", "pairs/../..", "~", "x\0y", "a" * 5000, "missing"])
def test_other_data_folders_are_refused(desk: Desk, written: str | None) -> None:
    with pytest.raises(DataError) as error:
        desk.data_folder(written)
    assert len(str(error.value)) < 400
    assert "\n" not in str(error.value)


def test_a_link_out_of_the_allowed_folder_is_refused(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (desk.data[0] / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(DataError):
        desk.data_folder("link")


def test_without_an_allowed_folder_the_page_says_how_to_name_one(desk: Desk) -> None:
    with pytest.raises(DataError, match="--data"):
        Desk(desk.table, desk.imported).data_folder("/")


def test_a_preview_has_both_translations(desk: Desk) -> None:
    preview = desk.preview("tiny.safetensors", 3.0, Image.new("RGB", (48, 32)))
    assert preview.dense.size == preview.slim.size == (48, 32)
    assert preview.dense_cost.macs / preview.slim_cost.macs == pytest.approx(3.0, rel=0.1)


def test_starting_writes_the_choices_and_queues_the_run(desk: Desk) -> None:
    id = desk.start("tiny.safetensors", "pairs", {"ratio": 5.0, "search_steps": None, "image_size": 32})
    job, run = desk.run(id)
    assert job.state == "queued"
    assert run.settings["ratio"] == 5.0
    assert run.settings["data"] == str(desk.data[0] / "pairs")
    assert desk.run_names()[0][1] == id


def test_a_visitor_names_no_file_of_the_server(desk: Desk) -> None:
    id = desk.start("tiny.safetensors", "pairs", {"ratio": 5.0, "vgg": "/etc/hostname"})
    assert desk.run(id)[1].settings["vgg"] == ""


def test_a_choice_out_of_range_starts_nothing(desk: Desk) -> None:
    with pytest.raises(SettingsError, match="ratio"):
        desk.start("tiny.safetensors", "pairs", {"ratio": 500.0})
    assert desk.table.list() == ()


# Handlers


def test_an_answer_is_stale_once_its_visitor_asked_again() -> None:
    latest = Latest()
    latest.ask("anna", 10.0)
    latest.ask("ben", 5.0)
    assert not latest.is_stale("anna", 10.0)
    latest.ask("anna", 20.0)
    assert latest.is_stale("anna", 10.0)
    assert not latest.is_stale("anna", 20.0)
    assert not latest.is_stale("ben", 5.0)
    assert not latest.is_stale("a program", None)


def test_the_newest_answer_comes_in_whatever_order_the_questions_arrive() -> None:
    latest = Latest()
    latest.ask("anna", 20.0)
    latest.ask("anna", 10.0)
    assert latest.is_stale("anna", 10.0)
    assert not latest.is_stale("anna", 20.0)


def test_the_preview_handler_answers_only_the_newest_question(desk: Desk) -> None:
    handlers = SqueezeHandlers(desk)
    image = Image.new("RGB", (32, 32))
    handlers.ask(1.0, request())
    dense, slim, table = handlers.preview("tiny.safetensors", 2.0, image, "squeeze", 1.0, request())
    assert isinstance(dense, Image.Image)
    assert isinstance(slim, Image.Image)
    assert "2.0×" in table
    handlers.ask(2.0, request())
    assert handlers.preview("tiny.safetensors", 2.0, image, "squeeze", 1.0, request()) == (gr.skip(),) * 3


def test_a_ratio_out_of_reach_leaves_no_picture_of_another(desk: Desk) -> None:
    handlers, image = SqueezeHandlers(desk), Image.new("RGB", (32, 32))
    _, slim, said = handlers.preview("tiny.safetensors", 40.0, image, "squeeze", None, request())
    assert slim is None
    assert "The largest possible ratio is" in said
    assert handlers.channels("tiny.safetensors", 40.0, image, "squeeze", None, request()) == ""


def test_a_closed_tab_computes_nothing(desk: Desk) -> None:
    handlers, image = SqueezeHandlers(desk), Image.new("RGB", (32, 32))
    assert handlers.preview("tiny.safetensors", 2.0, image, "train", 1.0, request()) == (gr.skip(),) * 3
    assert handlers.channels("tiny.safetensors", 2.0, image, "train", 1.0, request()) == gr.skip()


def test_a_closed_comparison_computes_nothing(desk: Desk) -> None:
    handlers, image = compare_handlers(desk), desk.picture("Summer 1")
    choice = (SUMMER, image, ["ready/summer2winter-4x"])
    assert handlers.trained(*choice, "train", 1.0, request()) == gr.skip()
    assert handlers.judged("train", SUMMER, "", 0.0, "MMACs", [], request()) == (gr.skip(),) * 5
    assert handlers.closer("train", SUMMER, image, "ready/summer2winter-4x", request()) == gr.skip()
    assert handlers.trained(*choice, "compare", 1.0, request()).count("<img") == 1


def test_opening_a_tab_asks_for_what_it_shows(config: dict[str, Any]) -> None:
    opened = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "opened")
    events = config["dependencies"]
    first = {event["id"] for event in events if [opened, "change"] in map(list, event["targets"])}
    asked = {event["api_name"] for event in events if event["trigger_after"] in first}
    assert {"ask", "ask_compare", "closer", "judged", "look_at_scores", "estimate"} <= asked


@pytest.mark.parametrize(
    ("unit", "size", "count"), [("million MACs", 1e6, "macs"), ("thousand parameters", 1e3, "parameters")]
)
def test_an_aim_gives_the_least_ratio_that_keeps_to_it(desk: Desk, unit: str, size: float, count: str) -> None:
    image = Image.new("RGB", (32, 32), (200, 90, 30))
    dense = getattr(desk.cost("tiny.safetensors"), count)
    ratio = SqueezeHandlers(desk).aim("tiny.safetensors", image, dense / 2 / size, unit)
    at, above = (
        getattr(desk.preview("tiny.safetensors", each, image).slim_cost, count) for each in (ratio, ratio - 0.1)
    )
    assert at <= dense / 2 < above


def test_an_aim_out_of_reach_says_what_is_left(desk: Desk) -> None:
    image = Image.new("RGB", (32, 32))
    with pytest.raises(BudgetError, match=r"still has|largest possible"):
        SqueezeHandlers(desk).aim("tiny.safetensors", image, 0.001, "thousand parameters")
    assert SqueezeHandlers(desk).aim("tiny.safetensors", image, None, "million MACs") is None


def test_the_preview_handler_says_what_is_missing(desk: Desk) -> None:
    handlers = SqueezeHandlers(desk)
    assert text.MISSING_MODEL in handlers.preview(None, 2.0, None, "squeeze", None, request())[2]
    assert text.NO_PICTURE in handlers.preview("tiny.safetensors", 2.0, None, "squeeze", None, request())[2]


def test_trained_nets_translate_a_picture_of_another_world_too(desk: Desk) -> None:
    handlers, image = compare_handlers(desk), desk.picture("Drawing of a shoe 1")
    assert handlers.trained("demo/summer2winter", image, None, "compare", None, request()).count("<img") == 4


def test_opening_chooses_the_run_of_the_address_before_that_of_the_browser(desk: Desk) -> None:
    first, second = (desk.start("tiny.safetensors", "pairs", {}) for _ in range(2))
    opening = Opening(desk)
    chosen = [
        opening.restore(saved, request(**query))[-1].value
        for saved, query in ((first, {"run": second}), (first, {}), ("", {}), ("../../etc", {"run": "x'y"}))
    ]
    assert chosen == [second, first, None, None]


@pytest.mark.parametrize(
    ("written", "ratio"), [("8", 8.0), ("2.46", 2.5), ("", 4.0), ("0.5", 4.0), ("1e999", 4.0), ("nan", 4.0), ("x", 4.0)]
)
def test_an_address_names_a_ratio(written: str, ratio: float) -> None:
    assert address.read_ratio({"ratio": written}) == ratio


def test_a_link_opens_tab_model_ratio_and_picture(desk: Desk) -> None:
    query = {"tab": "compare", "model": "demo/shoes", "ratio": "8", "picture": "Winter 2"}
    tabs, model, _, slider, ratio, picture, opened, *_ = Opening(desk).restore("", request(**query))
    assert (tabs.selected, model.value, slider, ratio, picture.value) == ("compare", "demo/shoes", 8.0, 8.0, "Winter 2")
    assert opened == "compare"


def test_the_card_of_the_chosen_model_is_pressed(desk: Desk) -> None:
    cards = ModelHandlers(desk).cards("demo/shoes", request())
    assert "data-model='demo/shoes' aria-pressed='true'" in cards
    assert cards.count("aria-pressed='true'") == 1


def test_the_cards_are_a_part_of_the_page(config: dict[str, Any]) -> None:
    (cards,) = (part["props"]["value"] for part in config["components"] if part["props"].get("elem_id") == "cards")
    for name in demo_names():
        assert f"data-model='{name}'" in cards


def test_what_an_address_names_in_vain_is_ignored(desk: Desk) -> None:
    hostile = dict.fromkeys(("tab", "model", "ratio", "picture", "run"), "../../etc/passwd'\"<script>")
    restored, usual = (Opening(desk).restore("", request(**query)) for query in (hostile, {}))
    assert [getattr(part, "value", part) for part in restored[1:]] == [
        getattr(part, "value", part) for part in usual[1:]
    ]
    assert restored[0] == usual[0] == gr.skip(), "a tab that was pressed meanwhile stays"


def test_every_tab_has_a_name() -> None:
    assert tuple(text.TABS) == address.TABS


def test_demo_models_have_cards_with_a_translation(desk: Desk) -> None:
    shown = ModelHandlers(desk).cards("demo/shoes", request())
    assert shown.count("<button") == len(desk.models())
    assert shown.count("<img") == 2 * len(demo_names())
    assert "data-model='demo/shoes' aria-pressed='true'" in shown
    assert shown.count("aria-pressed='true'") == 1


def test_the_result_card_says_what_a_model_costs_and_why_it_was_recognised(desk: Desk) -> None:
    shown = ModelHandlers(desk).describe("demo/shoes")
    assert "1.21 M" in shown
    assert "title='As papers count: 259 M. Truly computed: 259 M.'" in shown
    assert "alt='Drawing of a shoe 1, translated by demo/shoes'" in shown


def test_a_card_chooses_a_known_model(desk: Desk) -> None:
    handlers = ChoosingHandlers(desk)
    assert handlers.pick(SimpleNamespace(value="demo/shoes")) == "demo/shoes"
    with pytest.raises(CheckpointError):
        handlers.pick(SimpleNamespace(value="../../etc/passwd"))


def test_the_channel_map_is_that_of_the_preview(desk: Desk) -> None:
    picture = Image.new("RGB", (48, 32))
    groups = desk.channels("tiny.safetensors", 3.0, picture)
    assert {group.group: group.kept for group in groups} == desk.preview("tiny.safetensors", 3.0, picture).widths
    assert [group.group for group in groups] == ["stem", "down1", "trunk", "block0", "up1", "up2"]
    shown = channel_map(groups)
    assert shown.count("<button") == shown.count("<th scope='row'>") == 6
    assert f"stem: {groups[0].kept} of 4 channels kept; made by 1 layer(s) of 7 × 7" in shown
    assert channel_map(()) == ""


def test_the_channel_map_waits_for_the_newest_question(desk: Desk) -> None:
    handlers = SqueezeHandlers(desk)
    image = Image.new("RGB", (32, 32))
    handlers.ask(1.0, request())
    assert "<button" in handlers.channels("tiny.safetensors", 2.0, image, "squeeze", 1.0, request())
    handlers.ask(2.0, request())
    assert handlers.channels("tiny.safetensors", 2.0, image, "squeeze", 1.0, request()) == gr.skip()
    assert handlers.channels(None, 2.0, None, "squeeze", None, request()) == ""


# Comparing


SUMMER = "demo/summer2winter"


DENSE = Score("to_teacher")


def outcome(macs: int, psnr_db: float, *, kind: str = "own", **report: Any) -> Outcome:
    scores = {"to_teacher": {"psnr_db": psnr_db, "ssim": 0.5}}
    costs = {"macs": macs, "bytes": macs // 10}
    return Outcome(Path(str(macs)), kind, 100 / macs, {"slim": costs, "dense": costs, "scores": scores, **report})


def test_the_front_holds_what_no_other_net_beats() -> None:
    nets = [outcome(10, 20.0), outcome(20, 19.0), outcome(30, 25.0), outcome(30, 24.0), outcome(40, 25.0)]
    assert [net.macs for net in pareto(nets, DENSE)] == [10, 30]
    assert pareto(nets[::-1], DENSE) == pareto(nets, DENSE)


def test_the_best_net_is_under_the_limit() -> None:
    nets = [outcome(10, 20.0), outcome(20, 19.0), outcome(30, 25.0)]
    chosen = [best_under(nets, DENSE, "macs", limit) for limit in (9, 10, 29.9, 30)]
    assert chosen == [None, nets[0], nets[0], nets[2]]
    assert best_under(nets, DENSE, "bytes", 2) is nets[0]


def test_a_baseline_is_named() -> None:
    assert outcome(10, 20.0, method="coronet").label == "your run 10.0×"
    assert outcome(10, 20.0, method="omgd", title="OMGD without VGG").label == "your run 10.0× (OMGD without VGG)"


def test_every_net_is_a_line_of_the_csv_file() -> None:
    lines = as_csv([outcome(10, 20.0), outcome(20, 19.0, method="narrow")], DENSE).splitlines()
    assert lines == [
        "net,kind,method,ratio,macs,bytes,to_teacher.psnr_db,to_teacher.ssim,judged_by,better,on_pareto_line",
        "own/10,own,,10.0,10,1,20.0,0.5,to_teacher,higher,yes",
        "own/20,own,narrow,5.0,20,2,19.0,0.5,to_teacher,higher,no",
        "dense,dense,,1.0,10,1,,,to_teacher,higher,",
    ]


def test_the_nets_of_a_model_are_listed_and_the_chosen_one_stays(desk: Desk) -> None:
    handlers = compare_handlers(desk)
    nets, net, task, _, _, _, listed, _ = handlers.nets(SUMMER, None, [], [], {}, request())
    assert len(nets.choices) == len(net.choices) == 4
    assert (net.value, task) == (nets.value[0], "summer2winter")
    again = handlers.nets(SUMMER, nets.value[2], nets.value[:2], listed[:3], {}, request())
    assert again[1].value == nets.value[2]
    assert again[0].value == [*nets.value[:2], nets.value[3]], "a net that is new since is chosen"
    late = handlers.nets(SUMMER, nets.value[2], nets.value, listed, {}, request())
    assert late == (gr.skip(),) * 8, "a list that is the same does not undo a choice made meanwhile"
    assert handlers.nets("tiny.safetensors", "x", [], [], {}, request())[1].value is None


def test_an_address_opens_a_comparison_once(desk: Desk) -> None:
    handlers = compare_handlers(desk)
    query = {"nets": "ready/summer2winter-4x,own/none", "net": "ready/summer2winter-8x", "limit": "200", "unit": "MB"}
    query["score"] = "proxy"
    wanted = Opening(desk).restore("", request(model=SUMMER, tab="compare", **query))[7]
    assert wanted == {
        "nets": ["ready/summer2winter-4x"],
        "net": "ready/summer2winter-8x",
        "limit": 200.0,
        "unit": "MB",
        "score": "proxy",
    }
    nets, net, _, limit, unit, score, _, after = handlers.nets(SUMMER, None, [], [], wanted, request())
    assert (nets.value, net.value, limit, unit) == (wanted["nets"], wanted["net"], 200.0, "MB")
    assert (score, after) == ("proxy", {})


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ({}, {}),
        ({"nets": ""}, {"nets": []}),
        ({"nets": "x,../y", "net": "<b>", "limit": "nan", "unit": "km"}, {}),
        ({"limit": "-1"}, {}),
        ({"score": ""}, {}),
        ({"score": "x" * 99}, {"score": "x" * 40}),
        ({"limit": "1e999"}, {}),
        ({"limit": "7"}, {"limit": 7.0, "unit": "MMACs"}),
    ],
)
def test_what_an_address_says_in_vain_of_a_comparison_is_left_out(query: dict[str, str], read: dict[str, Any]) -> None:
    assert address.read_comparison(query, ["a", "b"], ["MMACs", "MB", "ms"]) == read


def test_a_limit_in_milliseconds_holds_once_the_nets_are_timed(desk: Desk) -> None:
    handlers = compare_handlers(desk)
    assert handlers.best(SUMMER, "", 1e6, "ms", request()) == charts.sentence(text.NO_MS)
    shares: list[float] = []
    assert "Measured" in handlers.measure_times(SUMMER, request(), lambda share, desc: shares.append(share))
    assert shares[-1] == 1.0
    assert "Best under 1e+06 ms by" in handlers.best(SUMMER, "", 1e6, "ms", request())
    assert "No net here is under 1e-06 ms" in handlers.best(SUMMER, "", 1e-6, "ms", request())
    table = handlers.judged("compare", SUMMER, "", 1e6, "ms", [], request())[3]
    assert f">{text.MS_HEAD}</th>" in table
    assert table.count(text.BEST) == 1


def test_a_net_that_was_not_timed_meets_no_limit_in_milliseconds() -> None:
    assert best_under([outcome(10, 20.0)], DENSE, "ms", 1e9) is None


def test_only_chosen_nets_translate_and_the_best_is_marked(desk: Desk) -> None:
    handlers, image = compare_handlers(desk), desk.picture("Summer 1")
    keys = handlers.nets(SUMMER, None, [], [], {}, request())[0].value
    assert handlers.trained(SUMMER, image, keys[:2], "compare", None, request()).count("<img") == 2
    judge, figure, _, table, _ = handlers.judged("compare", SUMMER, "", 200.0, "MMACs", [], request())
    assert (judge.value, figure.visible) == ("to_truth", True)
    assert "ready-made 4.0×" in table
    assert table.count("data-net=") == 4
    assert table.count(text.BEST) == 1
    assert "data:text/csv" in table
    assert handlers.best(SUMMER, "", 1.0, "MMACs", request()) == charts.sentence(
        "No net here is under 1 MMACs. Raise the limit, or train a smaller one."
    )
    assert handlers.best(SUMMER, "", 0, "MB", request()) == ""


def test_a_score_that_is_chosen_already_is_left_alone(desk: Desk) -> None:
    handlers = compare_handlers(desk)
    judge, *_, offered = handlers.judged("compare", SUMMER, "", 0, "MMACs", [], request())
    assert [key for _, key in judge.choices] == ["to_truth", "to_teacher", "proxy"] == offered[1:]
    assert handlers.judged("compare", SUMMER, "", 9, "MB", offered, request())[0] == gr.skip()
    judge, *_, offered = handlers.judged("compare", SUMMER, "proxy", 0, "MMACs", offered, request())
    assert (judge.value, offered[0]) == ("proxy", "proxy")
    assert handlers.judged("compare", SUMMER, "proxy", 9, "MB", offered, request())[0] == gr.skip()


def test_a_closer_look_and_the_worst_pictures(desk: Desk) -> None:
    handlers, image = compare_handlers(desk), desk.picture("Summer 1")
    key = handlers.nets(SUMMER, None, [], [], {}, request())[1].value
    assert handlers.closer("compare", SUMMER, image, key, request()).count("<img") == 3
    assert handlers.closer("compare", SUMMER, image, "own/../../etc", request()) == ""
    shown = handlers.worst(SUMMER, key, request())
    assert "those on which ready-made 2.0× is furthest from the dense net" in shown
    means = [float(words) for words in re.findall(r": ([0-9.]+) of 255</figcaption>", shown)]
    assert len(means) == 4
    assert means == sorted(means, reverse=True)
    with pytest.raises(DataError):
        handlers.worst(SUMMER, None, request())


def test_equal_pictures_have_a_black_difference() -> None:
    grey, white = (Image.new("RGB", (4, 4), colour) for colour in ("#808080", "#ffffff"))
    assert difference_map(grey, grey).getextrema() == ((0, 0),) * 3
    assert min(low for low, _ in difference_map(grey, white).getextrema()) > 200


def test_published_points_are_hollow_and_never_joined() -> None:
    figure, table = published("horse2zebra")
    drawn = published_figure("horse2zebra").data
    assert figure.visible
    assert {trace.mode for trace in drawn} == {"markers"}
    assert all("open" in symbol for trace in drawn for symbol in trace.marker.symbol)
    assert all("source" in words for trace in drawn for words in trace.text)
    assert table.count("<tr>") == 1 + sum(point.task == "horse2zebra" for point in published_points())
    assert published("none")[1] == ""


def step(done: int, total: int = 10, **more: Any) -> dict[str, Any]:
    base = {"phase": "search", "step": done, "steps": total, "done": done, "total": total, "seconds": done * 2.0}
    return {**base, "losses": {"gan": 0.5, "l1": None}, "ratio": 1.5, "widths": None, "learning_rate": 0.1, **more}


@pytest.fixture
def started(desk: Desk) -> tuple[TrainHandlers, str, Run]:
    id = desk.start("tiny.safetensors", "pairs", {})
    return TrainHandlers(desk, []), id, desk.run(id)[1]


def test_looking_shows_the_run_and_then_only_what_changed(
    started: tuple[TrainHandlers, str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers, id, run = started
    seconds = count(step=10)  # between two looks at the clock
    monkeypatch.setattr(shared, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    for number in range(1, 6):
        run.record(step(number))
    state, _, figure, *rest, seen = handlers.look(id, {})
    assert "step 5 of 10" in state
    assert len(figure.data[0].x) == 5
    assert rest[-1].active is True
    again = handlers.look(id, seen)
    assert again[0] == state
    assert all(part == gr.skip() for part in again[1:-1])
    assert again[-1] == seen
    run.record(step(6))
    assert len(handlers.look(id, seen)[2].data[0].x) == 6


def test_what_moves_is_told_until_the_state_is_another(started: tuple[TrainHandlers, str, Run], desk: Desk) -> None:
    handlers, id, run = started
    run.record(step(1))
    *_, seen = handlers.look(id, {})
    run.record(step(2))
    progress, *_, seen = handlers.move(id, seen)
    assert "step 2 of 10" in progress
    desk.wish("cancel", id)
    assert handlers.move(id, seen) == (gr.skip(),) * len(MOVING)
    assert handlers.move("gone", seen) == (gr.skip(),) * len(MOVING)


def test_looking_shows_what_is_kept_of_each_group(started: tuple[TrainHandlers, str, Run]) -> None:
    handlers, id, run = started
    widths = {"stem": 3, "down1": 8, "trunk": 10, "block0": 4, "up1": 8, "up2": 4}
    run.record(step(1, widths=widths))
    run.record(step(2))
    shown = handlers.look(id, {})
    assert "trunk: 10 of 16 channels kept" in shown[4]
    again = handlers.look(id, shown[-1])
    assert again[4] == gr.skip()
    run.record(step(3, widths={**widths, "trunk": 9}))
    assert "trunk: 9 of 16 channels kept" in handlers.look(id, shown[-1])[4]


def test_a_run_whose_student_has_other_layers_has_no_map(desk: Desk) -> None:
    id = desk.start("tiny.safetensors", "pairs", {"method": "omgd"})
    assert desk.run_channels(desk.run(id)[1], {"stem": 4}) == ()


def test_the_time_lapse_shows_the_last_preview_and_leads_back() -> None:
    assert text.NO_PREVIEW in time_lapse("x", [])
    assert "<input" not in time_lapse("x", [10])
    shown = time_lapse("x", [10, 20, 30])
    assert "src='/runs/x/previews/30'" in shown
    assert "max='2' value='2' data-steps='10,20,30'" in shown


def test_looking_at_no_run_or_a_removed_one_stops_the_timer(started: tuple[TrainHandlers, str, Run]) -> None:
    handlers, id, run = started
    for choice in (None, "", "unknown"):
        assert handlers.look(choice, {})[-2].active is False
    (run.path / "settings.json").unlink()
    assert "is not a run" in handlers.look(id, {})[0]


def test_wishes_give_the_state(started: tuple[TrainHandlers, str, Run]) -> None:
    handlers, id, _ = started
    assert [handlers.pause(id), handlers.resume(id), handlers.cancel(id)] == ["paused", "queued", "cancelled"]
    with pytest.raises(RunError, match="learned nothing"):
        handlers.keep(id)
    with pytest.raises(RunError):
        handlers.pause(None)


def test_a_discarded_run_leaves_the_list_at_once(started: tuple[TrainHandlers, str, Run]) -> None:
    handlers, id, _ = started
    assert handlers.discard("", request()) == (gr.skip(), gr.skip()), "the visitor thought again"
    state, runs = handlers.discard(id, request())
    assert (state, runs.choices, runs.value) == ("discarding", [], None)


def test_what_can_be_wished_follows_from_the_state(started: tuple[TrainHandlers, str, Run]) -> None:
    handlers, id, _ = started
    buttons = handlers.look(id, {})[9:14]
    assert [button.interactive for button in buttons] == [True, False, False, True, True]


def test_a_failed_run_shows_the_end_of_its_log_and_offers_to_go_on(started: tuple[TrainHandlers, str, Run]) -> None:
    handlers, id, run = started
    (run.path / "worker.log").write_text("".join(f"line {number} <b>\n" for number in range(1, 101)))
    shown = watching.trouble(job(state="failed"), run)
    assert run_words.OFFER in shown
    assert "line 100 &lt;b&gt;" in shown
    assert "line 88" not in shown
    assert "<details open>" in shown
    assert watching.trouble(job(state="done"), run) == ""
    assert run_words.OFFER not in handlers.look(id, {})[0]


def test_an_interrupted_run_says_why_and_how_to_go_on(started: tuple[TrainHandlers, str, Run]) -> None:
    _, _, run = started
    lost = job(state="interrupted", message=RESTARTED, done=412, total=1000)
    shown = charts.progress(lost, [step(412, 1000)]) + watching.trouble(lost, run)
    assert "Interrupted. Resume goes on from the last saved step · search, step 412 of 1000" in shown
    assert RESTARTED in shown


def test_a_run_that_is_to_end_early_says_so(started: tuple[TrainHandlers, str, Run]) -> None:
    _, _, run = started
    end_early(run.path)
    assert run_words.ENDING in watching.trouble(job(state="interrupted"), run)
    assert run_words.ENDING not in watching.trouble(job(state="done"), run)


def test_a_run_that_was_stopped_early_says_so_where_it_is_shown() -> None:
    stopped = {"phase": "search", "step": 120, "of": 600}
    costs = {"macs": 4e9, "macs_as_published": 5e9, "parameters": 1e6, "bytes": 4e6}
    shown = charts.result({"dense": costs, "slim": costs, "scores": {}, "stopped": stopped})
    assert "after 120 of 600 steps, in the search" in shown
    assert outcome(10, 20.0, stopped=stopped).label == "your run 10.0× (stopped at 120 of 600)"


def test_the_plan_of_a_search_leads_to_the_ratio(started: tuple[TrainHandlers, str, Run]) -> None:
    _, _, run = started
    events = [step(3, 30, step=1, steps=20), step(30, 30, phase="finetune", ratio=None)]
    steps, ratios = watching.planned(run, events)
    assert (steps[0], steps[-1]) == (2, 22)
    assert ratios[0] == 1.0
    assert ratios[-1] == run.settings["ratio"]
    assert ratios == sorted(ratios)
    assert run_words.PLAN in [trace.name for trace in charts.figure(events, 4.0, (steps, ratios)).data]
    assert watching.planned(run, [step(1, phase="finetune")]) == ([], [])


LOSSES = [
    *("discriminator", "discriminator_backward", "adversarial", "adversarial_backward", "L1", "cycle"),
    *("cycle_backward", "identity", "identity_backward", "imitation", "features", "distillation", "reconstruction"),
    *("channels", "variation", "ssim", "ssim_deep", "L1_to_teacher", "L1_to_teacher_deep", "style", "style_deep"),
    *("content", "content_deep"),
]


def test_every_loss_is_explained() -> None:
    for name in LOSSES:
        assert watching.loss_words(name).endswith("."), name
    assert watching.loss_words("x_deep") == watching.loss_words("unknown") == ""
    shown = watching.explained([step(1, losses={"imitation": 1.0, "<b>": 2.0})])
    assert run_words.LOSS_WORDS["imitation"] in shown
    assert "<b>" not in shown


def test_an_estimate_waits_for_its_tab_and_says_what_is_missing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = TrainHandlers(desk, [])
    monkeypatch.setattr(handlers, "_estimates", SimpleNamespace(timing=lambda settings: None))
    asked = ("tiny.safetensors", 4.0, "pairs", "quick", "", request())
    assert handlers.estimate("compare", *asked)[0] == gr.skip()
    said, timer = handlers.estimate("train", *asked)
    assert (run_words.TIMING in said, timer.active) == (True, True)
    said, timer = handlers.estimate("train", "tiny.safetensors", 4.0, "nowhere", "quick", "", request())
    assert ("nowhere" in said, timer.active) == (True, False)


def test_a_ratio_that_cannot_be_met_is_refused_before_the_run_is_queued(desk: Desk) -> None:
    with pytest.raises(BudgetError, match="ratio"):
        desk.start("tiny.safetensors", "pairs", {"ratio": 50.0})
    assert desk.table.list() == ()


def test_starting_from_the_form_reads_numbers_and_empty_fields(desk: Desk) -> None:
    handlers = TrainHandlers(desk, ["search_steps", "teacher"])
    chosen = handlers.start("tiny.safetensors", 4.0, "pairs", "quick", "", request(), "120", False)
    settings = desk.run(chosen.value)[1].settings
    assert (settings["minutes"], settings["search_steps"], settings["teacher"]) == (None, 120, False)
    with pytest.raises(SettingsError, match="'ten', but must be a number"):
        handlers.start("tiny.safetensors", 4.0, "pairs", "quick", "ten", request(), "", True)


def test_every_default_of_the_form_is_a_valid_choice() -> None:
    names = [field.name for field in fields_of(CompressSettings)]
    defaults = ["" if field.default is None else field.default for field in fields_of(CompressSettings)]
    values = values_of(CompressSettings, names, defaults)
    assert {name: values[name] for name in names} == {
        field.name: field.default for field in fields_of(CompressSettings)
    }


def test_errors_reach_the_page_in_one_place(caplog: pytest.LogCaptureFixture) -> None:
    def wrong() -> None:
        raise DataError("No pictures. Add some.")

    def broken() -> None:
        raise ZeroDivisionError("secret")

    with pytest.raises(gr.Error) as error:
        edge(wrong)()
    assert error.value.message == "No pictures. Add some."
    assert caplog.records == []
    with pytest.raises(gr.Error) as error:
        edge(broken)()
    assert error.value.message == text.UNEXPECTED
    assert "ZeroDivisionError" in caplog.text


# Charts and following


def job(**values: Any) -> Job:
    base = {"id": "x", "state": "running", "created": 0.0, "done": 0, "total": 0, "message": "", "heartbeat": None}
    return Job(**{**base, "ahead": 0, **values})


@pytest.mark.parametrize(
    ("state", "events", "words"),
    [
        ("queued", [], "Waiting · 3 before it"),
        ("keeping", [step(1), step(5)], text.STATES["keeping"] + " · search, step 5 of 10 · ratio 1.5×"),
        ("running", [], "Running · the process is starting; it reads or draws the data and measures the model"),
        ("running", [step(1), step(5)], "Running · search, step 5 of 10 · ratio 1.5× · about 10 s left"),
        ("running", [step(4), step(5, seconds=1.0)], "Running · search, step 5 of 10 · ratio 1.5×"),
        ("running", [step(9), step(10)], "Running · search, step 10 of 10 · ratio 1.5× · " + text.FINISHING),
        ("done", [step(10)], "Done"),
    ],
)
def test_the_state_in_words(state: str, events: list[dict[str, Any]], words: str) -> None:
    assert charts.state_sentence(job(state=state, ahead=3), events) == words


def test_what_comes_from_outside_is_escaped() -> None:
    hostile = "<script>alert(1)</script>"
    shown = charts.progress(job(state="failed", message=hostile), [step(1, phase=hostile, losses={hostile: 1.0})])
    assert "<script" not in shown + charts.sentence(hostile) + time_lapse(hostile, [1, 3])
    assert "<script" not in charts.downloads(hostile, ["report.json"])


def test_a_report_of_another_kind_shows_nothing() -> None:
    assert charts.result(None) == charts.result({}) == charts.result({"dense": 3, "slim": {}, "scores": []}) == ""
    costs = {"macs": 4e9, "macs_as_published": 5e9, "parameters": 1e6, "bytes": 4e6}
    shown = charts.result({"dense": costs, "slim": costs, "scores": {"to_teacher": {"psnr_db": 21.04}}})
    assert "1.0×" in shown
    assert "21.0 dB" in shown


@pytest.mark.parametrize(
    ("number", "words"), [(56.8e9, "56.8 G"), (11_378_179, "11.4 M"), (1234, "1.23 k"), (997, "997"), (0, "0")]
)
def test_counts_in_words(number: float, words: str) -> None:
    assert text.count(number) == words


def test_following_reads_on_thins_out_and_notices_a_rewind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create(tmp_path / "run", "compress", {})
    follower = Follower()
    assert follower.events(run) == []
    monkeypatch.setattr("coronet.studio.follower._MOST_EVENTS", 8)
    for number in range(1, 51):
        run.record(step(number, 50))
        seen = follower.events(run)
        assert seen[-1]["done"] == number
        assert len(seen) <= 8
    run.rewind(3)
    assert [event["done"] for event in follower.events(run)] == [1, 2, 3]
    run.record({"done": "many"})
    assert len(follower.events(run)) == 3


def test_following_keeps_widths_that_thinning_would_lose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create(tmp_path / "run", "compress", {})
    monkeypatch.setattr("coronet.studio.follower._MOST_EVENTS", 4)
    for number in range(1, 21):
        run.record(step(number, 20, widths={"stem": 7} if number == 6 else None))
    assert Follower().events(run)[-1]["widths"] == {"stem": 7}


# The page as Gradio knows it


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    runs = tmp_path_factory.mktemp("runs")

    async def build() -> dict[str, Any]:  # outside a loop Gradio makes loops of its own and never closes them
        desk = Desk(JobTable(runs, NoLauncher()), runs / "imported")
        return build_page(desk, Gate("a password")).get_config_file()

    return asyncio.run(build())


CONTAINERS = {"tabs", "row", "column", "form", "group", "markdown", "state", "browserstate", "timer"}


def test_every_control_has_a_label(config: dict[str, Any]) -> None:
    unlabelled = [
        component["type"]
        for component in config["components"]
        if component["type"] not in CONTAINERS
        and not (component["props"].get("label") or component["props"].get("value"))
    ]
    assert unlabelled == []


def test_every_picture_has_an_alternative_text(config: dict[str, Any]) -> None:
    pictures = [component["props"] for component in config["components"] if component["type"] == "image"]
    assert len(pictures) == 4 + 3, "of the page, and of the verbs for programs"
    assert all(picture["alt_text"] for picture in pictures)


def test_every_event_has_its_own_name(config: dict[str, Any]) -> None:
    names = [dependency["api_name"] for dependency in config["dependencies"]]
    assert all(names)
    assert len(set(names)) == len(names)


def test_a_handler_that_is_called_again_has_events_of_its_own(config: dict[str, Any]) -> None:
    """When it is free again, Gradio repeats all that its event calls: two such events never end (see `on_any`)."""
    called: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for dependency in config["dependencies"]:
        for component, event in dependency["targets"]:
            if component is not None and dependency["backend_fn"]:
                called.setdefault((component, event), []).append(dependency)
    again = [handlers for handlers in called.values() if any(one["trigger_mode"] == "always_last" for one in handlers)]
    assert [[one["api_name"] for one in handlers] for handlers in again if len(handlers) > 1] == []


def test_each_page_has_one_first_heading(config: dict[str, Any]) -> None:
    assert list(config["page"]) == ["", "teacher"]
    for page in config["page"].values():
        own = [component for component in config["components"] if component["id"] in page["components"]]
        markdown = [component["props"]["value"] for component in own if component["type"] == "markdown"]
        assert sum(words.startswith("# ") for words in markdown) == 1


def test_a_studio_without_a_teacher_has_no_such_page(tmp_path: Path) -> None:
    async def build() -> Any:
        return build_page(Desk(JobTable(tmp_path, NoLauncher()), tmp_path / "imported"))

    assert [path for path, *_ in asyncio.run(build()).pages] == [""]


def test_every_setting_is_asked_for(config: dict[str, Any]) -> None:
    labels = {component["props"].get("label") for component in config["components"]}
    asked = {
        field.label for field in fields_of(CompressSettings) if field.name not in ("model", "data", "ratio", "vgg")
    }
    assert asked <= labels


# Over HTTP


@dataclass(frozen=True)
class Server:
    address: str
    runs: Path
    model: Path
    login: tuple[str, str]
    had_torch: bool  # when its page had been served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A studio with a login in a process of its own: what Gradio leaves open there cannot disturb these tests."""
    folder, login = tmp_path_factory.mktemp("server"), ("ann", "s3cret:x")
    model = save_tiny_model(folder / "tiny.safetensors")
    (folder / "people").write_text(":".join(login))
    (folder / "people").chmod(0o600)
    (folder / "teacher").write_text("correct horse")
    (folder / "teacher").chmod(0o600)
    options = ["--model", model, "--auth", folder / "people", "--teacher", folder / "teacher"]
    with served(folder, *options) as (address, process):
        restored = httpx.post(f"{address}/gradio_api/run/restore", json={"data": [""]}, auth=login)
        assert restored.status_code == httpx.get(address, auth=login).status_code == 200
        had_torch = "libtorch" in Path(f"/proc/{process}/maps").read_text()
        yield Server(address, folder / "runs", model, login, had_torch)


def test_the_web_process_serves_its_page_without_torch(server: Server) -> None:
    assert not server.had_torch


def test_a_program_gets_a_preview_over_http(server: Server, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((32, 32, 3), dtype=np.uint8)).save(tmp_path / "black.png")
    headers = {"Authorization": "Basic " + base64.b64encode(":".join(server.login).encode()).decode()}
    client = Client(server.address, verbose=False, headers=headers, download_files=str(tmp_path / "answers"))
    arguments = {"model": "tiny.safetensors", "ratio": 3.0, "image": handle_file(tmp_path / "black.png")}
    dense, slim, numbers = client.predict(**arguments, api_name="/preview")
    client.close()
    for path in (dense, slim):
        with Image.open(path) as picture:
            assert picture.size == (32, 32)
    assert numbers["ratio"] == pytest.approx(3.0, rel=0.1)


def test_only_known_files_of_known_runs_are_served(server: Server) -> None:
    run = Run.create(server.runs / "20260101-0123456789ab", "compress", {})
    (run.path / "slim.onnx").write_bytes(b"onnx" * 1000)
    run.save_preview(5, Image.new("RGB", (4, 4)))
    (server.runs.parent / "outside.json").write_text("{}")
    (run.path / "lock").touch()
    with httpx.Client(base_url=server.address, auth=server.login) as client:
        download = client.get("/runs/20260101-0123456789ab/slim.onnx")
        assert download.content == b"onnx" * 1000
        assert "attachment" in download.headers["content-disposition"]
        assert client.get("/runs/20260101-0123456789ab/previews/5").status_code == 200
        names = ["previews/6", "previews/-1", "slim.safetensors", "settings.json", "lock", "state.pt", "..%2fx.json"]
        paths = [f"/runs/20260101-0123456789ab/{name}" for name in names]
        Run.create(server.runs / "guessable", "compress", {}).write_report({})
        paths += ["/runs/guessable/report.json"]
        paths += ["/runs/..%2f..%2fetc/report.json", "/runs/%2e%2e/outside.json", "/runs/none/report.json"]
        assert [client.get(path).status_code for path in paths] == [404] * len(paths)


def test_hostile_requests_are_refused(server: Server) -> None:
    with httpx.Client(base_url=server.address, auth=server.login) as client:
        assert client.get("/", headers={"host": "evil.example"}).status_code == 403
        files = ["http://127.0.0.1:1/x", "/etc/passwd", str(server.model), str(ROOT / "app.py"), "/../../etc/passwd"]
        for way in ("file=", "file/"):
            assert {client.get(f"/gradio_api/{way}{file}").status_code for file in files} <= {403, 404}
        for way in ("file=", "file=/", "file/", "file//", "FILE/"):
            fetched = client.get(f"/gradio_api/{way}https://example.com/x.png")
            assert fetched.status_code == 403
            assert "fetches nothing" in fetched.text
        foreign = client.post(
            "/gradio_api/run/look", json={"data": ["", {}]}, headers={"origin": "https://evil.example"}
        )
        assert foreign.status_code == 403
        page = client.get("/")
        assert "frame-ancestors" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("event", ["preview", "translate", "add_model", "upload_model", "upload_picture"])
def test_a_file_that_was_not_uploaded_is_never_read(server: Server, event: str) -> None:
    file = {"path": str(server.model), "meta": {"_type": "gradio.FileData"}, "orig_name": "x.safetensors"}
    before = {"preview": ["tiny.safetensors", 2.0], "translate": ["tiny.safetensors", "model"]}
    data = [*before.get(event, []), file]
    with httpx.Client(base_url=server.address, auth=server.login) as client:
        begun = client.post(f"/gradio_api/call/{event}", json={"data": data})
        assert begun.status_code == 200
        answer = client.get(f"/gradio_api/call/{event}/{begun.json()['event_id']}").text
    assert answer.startswith("event: error")
    assert not list((server.runs / "imported").glob("*"))


def test_an_address_in_place_of_a_picture_is_not_fetched(server: Server) -> None:
    address = "https://example.com/x.png"
    picture = {"path": address, "url": address, "meta": {"_type": "gradio.FileData"}}
    with httpx.Client(base_url=server.address, auth=server.login) as client:
        begun = client.post("/gradio_api/call/preview", json={"data": ["tiny.safetensors", 2.0, picture]})
        answer = client.get(f"/gradio_api/call/preview/{begun.json()['event_id']}").text
    assert f"fetches nothing from other addresses, so not {address}" in answer


def send(client: httpx.Client, event: str, name: str, body: bytes) -> str:
    """Upload a file as the page does and give it to a box; give the stream's last event."""
    path = client.post("/gradio_api/upload", files={"files": (name, body)}).json()[0]
    file = {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": name}
    begun = client.post(f"/gradio_api/call/{event}", json={"data": [file]})
    return client.get(f"/gradio_api/call/{event}/{begun.json()['event_id']}", timeout=120).text


@pytest.mark.parametrize(
    ("event", "name", "words"),
    [
        ("add_model", "evil.pth", "evil.pth"),
        ("upload_picture", "evil.png", "evil.png"),
        ("add_data", "evil.zip", "evil.zip is no zip archive"),
    ],
)
def test_a_box_says_what_is_wrong_and_takes_the_next_good_file(
    server: Server, event: str, name: str, words: str, tmp_path: Path
) -> None:
    fill_with_pictures(tmp_path / "pictures" / "train")
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as archive:
        for path in (tmp_path / "pictures" / "train").iterdir():
            archive.write(path, f"train/{path.name}")
    good = {
        "add_model": server.model,
        "upload_picture": tmp_path / "pictures" / "train" / "1.png",
        "add_data": tmp_path / "good.zip",
    }[event]
    bad = (b"", b"<html>404</html>", b"\x80\x04cos\nsystem\n(S'true'\ntR.", b"PK\x03\x04" + bytes(100))
    with httpx.Client(base_url=server.address, auth=server.login) as client:
        for body in bad:
            answer = send(client, event, name, body)
            assert answer.startswith("event: error"), answer
            assert words.split()[0] in answer
            assert text.UNEXPECTED not in answer
        assert client.get("/").status_code == 200
        assert send(client, event, good.name, good.read_bytes()).startswith("event: complete")


def restored(server: Server, cookie: str, **query: str) -> list[Any]:
    headers = {"cookie": f"coronet-visitor={cookie}"}
    with httpx.Client(base_url=server.address, auth=server.login, headers=headers) as client:
        answer = client.post("/gradio_api/run/restore", json={"data": [""]}, params=query)
        assert answer.status_code == 200
        return list(answer.json()["data"])


def test_browsers_of_one_login_see_their_own_uploads_and_what_a_link_names(server: Server, tmp_path: Path) -> None:
    ann, ben = "a" * 32, "b" * 32
    fill_with_pictures(tmp_path / "pictures")
    with httpx.Client(
        base_url=server.address, auth=server.login, headers={"cookie": f"coronet-visitor={ann}"}
    ) as client:
        answer = send(client, "upload_picture", "anns.png", (tmp_path / "pictures" / "2.png").read_bytes())
    name = re.search(r"uploaded/anns-[0-9a-f]{32}", answer)
    assert name is not None
    lists = [str(restored(server, cookie)[5]["choices"]) for cookie in (ann, ben)]
    assert [name[0] in choices for choices in lists] == [True, False]
    assert restored(server, ben, picture=name[0])[5]["value"] == name[0]


def test_the_page_of_the_teacher_is_closed_over_http(server: Server) -> None:
    with httpx.Client(base_url=server.address, auth=server.login) as client:
        assert client.get("/teacher").status_code == 200
        answer = client.post("/gradio_api/run/look_at_all", json={"data": [{}]})
        assert (answer.status_code, "Enter the password first" in answer.text) == (500, True)
        for event, data in {"stop_all": [], "reset": ["RESET"], "enter": ["correct horse"]}.items():
            begun = client.post(f"/gradio_api/call/{event}", json={"data": data})
            said = client.get(f"/gradio_api/call/{event}/{begun.json()['event_id']}").text
            assert said.startswith("event: error"), event
            assert "Enter the password first" in said or "cookies" in said
    assert httpx.get(f"{server.address}/teacher").status_code == 401


def test_without_a_login_nothing_is_served(server: Server) -> None:
    paths = [
        "/",
        "/config",
        "/gradio_api/info",
        "/theme.css",
        "/runs/20260101-0123456789ab/slim.onnx",
        "/gradio_api/upload",
    ]
    wrong = [
        "",
        "x",
        "Basic x",
        "Bearer x",
        *("Basic " + base64.b64encode(pair).decode() for pair in (b"ann:", b"\xff")),
    ]
    statuses = {
        httpx.get(server.address + path, headers={"authorization": w}).status_code for path in paths for w in wrong
    }
    assert statuses == {401}


# Starting


def test_a_login_file_must_be_private_and_complete(tmp_path: Path) -> None:
    path = tmp_path / "people"
    path.write_text("# teachers\nann:s3cret:x\n\nben:y\n")
    path.chmod(0o600)
    assert read_people(path) == {"ann": "s3cret:x", "ben": "y"}
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_people(path)
    for content in ("", "ann", "ann:", ":x"):
        path.write_text(content)
        path.chmod(0o600)
        with pytest.raises(SettingsError, match="name:password"):
            read_people(path)
    with pytest.raises(SettingsError):
        read_people(tmp_path / "missing")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen"], "--auth"),
        (["--host", "0.0.0.0"], "--auth"),
        (["--data", "/does/not/exist"], "--data"),
        (["--model", "/does/not/exist.pth"], "--model"),
        (["--workers", "0"], "--workers"),
        (["--port", "70000"], "--port"),
        (["--teacher", "/does/not/exist"], "teacher's file"),
    ],
)
def test_wrong_arguments_are_one_sentence(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--runs", str(tmp_path / "runs"), *arguments])
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("coronet: ")
    assert words in message
    assert message.count("\n") == 1


def test_help_and_mistakes_load_neither_gradio_nor_torch() -> None:
    code = "import sys, coronet.studio.launch; assert not {'gradio', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_gradio_starts_without_writing_its_stubs():
    program = """
import ast, inspect
ast.get_source_segment = None  # by which stubs are made
from coronet.studio.launch import import_gradio
import_gradio()
import gradio
print(inspect.getfile(gradio.HTML))
"""
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip().endswith("html.py")


def test_an_event_without_progress_marks_no_component(config: dict[str, Any]) -> None:
    silent = [event for event in config["dependencies"] if event["show_progress"] == "hidden"]
    assert len(silent) > 50
    assert {str(event["show_progress_on"]) for event in silent} == {"[]"}


@pytest.mark.usefixtures("config")  # a page was built
def test_a_choice_of_a_list_that_has_changed_since_reaches_its_handler() -> None:
    assert gr.Radio(["a"]).preprocess("b") == "b"
    assert gr.CheckboxGroup(["a"]).preprocess(["a", "b"]) == ["a", "b"]
    assert gr.Radio(["a"]).preprocess({"a": "b"}) is None  # type: ignore[arg-type]
    assert gr.CheckboxGroup(["a"]).preprocess(["a", {"b": 1}]) == ["a"]  # type: ignore[list-item]
