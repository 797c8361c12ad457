"""Comparing methods: the same budget for each, nothing done twice, tables and figures of what was measured."""

import csv
import json
import re
import shutil
from contextlib import closing
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest

from coronet.errors import BudgetError, CheckpointError, DataError, RunError, SettingsError
from coronet.published import published_points, tasks
from coronet.recipes import compare as recipe
from coronet.recipes.settings import CompressSettings
from coronet.recipes.table_rows import as_row, score_names, summary
from coronet.recipes.trade_off import as_csv, as_markdown, figure, main_score, write_comparison
from tests.worlds import SIDE, make_model, make_world

REPORT = {
    "method": "taylor",
    "requested_ratio": 4.0,
    "ratio": 4.02,
    "seed": 0,
    "dense": {"macs": 4_000_000, "macs_as_published": 5_000_000, "parameters": 1000, "bytes": 4000},
    "slim": {"macs": 1_000_000, "macs_as_published": 1_200_000, "parameters": 250, "bytes": 1000},
    "seconds": {"search": 0.0, "finetune": 3.0, "total": 3.0},
    "scores": {"to_truth": {"psnr_db": 24.0}, "images": 5, "note": "words are no score"},
    "teacher_scores": {"to_truth": {"psnr_db": 26.0}, "images": 5},
}


def report(**changes):
    return REPORT | changes


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    make_world("paired", folder / "paired")
    make_model("unet", folder / "unet.safetensors")
    short = {"search_steps": 2, "finetune_steps": 1, "warmup_steps": 1, "save_seconds": 0.0, "ndf": 4, "threads": 1}
    short |= {"onnx": False}
    paths = {"model": str(folder / "unet.safetensors"), "data": str(folder / "paired")}
    settings = CompressSettings(**paths, image_size=SIDE, **short)
    return recipe.Plan(settings, ("taylor", "narrow"), (3.0,))


@pytest.fixture(scope="module")
def compared(plan, tmp_path_factory):
    """Compare, stopped after the second step and gone on with."""
    out = tmp_path_factory.mktemp("compared")
    with closing(recipe.compare(plan, out)) as steps:
        first = [(name, step.done) for _, (name, step) in zip(range(2), steps, strict=False)]
    rest = [(name, step.done) for name, step in recipe.compare(plan, out)]
    return out, first, rest


def test_every_run_is_done_once(compared, plan):
    out, first, rest = compared
    assert first == [("taylor-3x-seed0", 1), ("taylor-3x-seed0", 2)]
    assert rest == [("taylor-3x-seed0", done) for done in (3, 4)] + [("narrow-3x-seed0", done) for done in (1, 2, 3, 4)]
    assert list(recipe.compare(plan, out)) == []


def test_what_a_method_cannot_do_is_left_out(plan, tmp_path):
    wide = recipe.Plan(plan.settings, ("narrow",), (49.0, 2.0))
    found = list(recipe.compare(wide, tmp_path / "out"))
    name, error = found[0]
    assert name == "narrow-49x-seed0"
    assert "ratio of 49 cannot be met" in str(error)
    assert {name for name, _ in found[1:]} == {"narrow-2x-seed0"}
    assert not (tmp_path / "out" / "runs" / "narrow-49x-seed0").exists()
    assert [row["requested_ratio"] for row in recipe.rows(wide, tmp_path / "out")] == [1.0, 2.0]


def test_where_nothing_can_be_done_nothing_is_left(plan, tmp_path):
    with pytest.raises(BudgetError, match="cannot be met"):
        list(recipe.compare(recipe.Plan(plan.settings, ("taylor",), (49.0,)), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_scenes_are_drawn_before_the_first_run_is_timed(plan, tmp_path, monkeypatch):
    """At the model's image size, and by no run."""
    order = []

    def drawn(choices):
        order.append(("drawn", choices.data, choices.image_size))
        raise DataError("as if the disk were full")

    def executed(run):
        order.append(("run", run.path.name))
        raise RunError("enough")

    monkeypatch.setattr("coronet.recipes.compare.data_folder", drawn)
    monkeypatch.setattr("coronet.recipes.compare.execute", executed)
    scenes = replace(plan, settings=replace(plan.settings, data="scenes/shoes", image_size=None))
    with pytest.raises(RunError, match="enough"):
        list(recipe.compare(scenes, tmp_path / "out"))
    assert order == [("drawn", "scenes/shoes", SIDE), ("run", "taylor-3x-seed0"), ("run", "narrow-3x-seed0")]


def test_a_comparison_that_was_stopped_has_the_rows_it_has(compared, plan):
    out, _, _ = compared
    longer = recipe.Plan(plan.settings, plan.methods, (3.0, 5.0))
    assert recipe.rows(longer, out) == recipe.rows(plan, out)
    assert recipe.rows(plan, out / "elsewhere") == []


def test_rows_hold_the_dense_net_and_every_run(compared, plan):
    out, _, _ = compared
    found = recipe.rows(plan, out)
    assert [row["method"] for row in found] == ["original", "taylor", "narrow"]
    assert found[0]["macs"] / found[1]["macs"] == pytest.approx(found[1]["ratio"])
    expected = [f"{against}.{name}" for against in ("to_teacher", "to_truth") for name in ("psnr_db", "ssim", "l1")]
    assert sorted(score_names(found)) == sorted(expected)  # counts, seeds and seconds are no scores
    assert sorted(score_names(summary(found))) == sorted(expected)


def test_files_say_the_same(compared, plan):
    out, _, _ = compared
    found = recipe.rows(plan, out)
    write_comparison(found, out, plan.settings, task="horse2zebra")
    rows = list(csv.DictReader(StringIO((out / "rows.csv").read_text())))
    assert [row["method"] for row in rows] == ["original", "taylor", "narrow"]
    assert float(rows[1]["to_truth.psnr_db"]) == pytest.approx(found[1]["to_truth.psnr_db"])
    table = (out / "table.md").read_text()
    assert f"{found[2]['to_truth.psnr_db']:.4g}" in table
    page = (out / "figure.html").read_text()
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page)  # opens without a network
    assert "GAN Compression" in page


def test_a_folder_of_another_comparison_is_refused(compared, plan):
    out, _, _ = compared
    other = recipe.Plan(CompressSettings(**(vars(plan.settings) | {"latent_rate": 0.1})), plan.methods, plan.ratios)
    with pytest.raises(RunError, match="another 'latent_rate'"):
        list(recipe.compare(other, out))


def test_runs_of_another_model_are_not_put_into_one_table(compared, plan, tmp_path):
    out, _, _ = compared
    shutil.copytree(out, tmp_path / "out")
    model = str(shutil.copy(plan.settings.model, tmp_path / "unet.safetensors"))
    moved = replace(plan, settings=replace(plan.settings, model=model))
    for path in (tmp_path / "out" / "runs").glob("*/settings.json"):
        told = json.loads(path.read_text())
        told["settings"]["model"] = model
        path.write_text(json.dumps(told))
    assert list(recipe.compare(moved, tmp_path / "out")) == []
    make_model("unet", tmp_path / "unet.safetensors", seed=1)
    for verb in (recipe.compare, recipe.measure):
        with pytest.raises(RunError, match=r"taylor-3x-seed0 was made of another file than .*unet.safetensors is now"):
            list(verb(moved, tmp_path / "out"))


def test_a_file_that_is_no_vgg_is_refused_before_the_first_run(plan, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"no weights")
    wanting = replace(plan.settings, vgg=str(tmp_path / "weights.pth"))
    with pytest.raises(CheckpointError, match=r"weights\.pth"):
        next(recipe.compare(recipe.Plan(wanting, ("taylor", "omgd"), (3.0,)), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_vgg_weights_are_no_concern_of_other_methods(compared, plan):
    out, _, _ = compared
    wanting = replace(plan, settings=replace(plan.settings, vgg="vgg16.pth"))
    assert list(recipe.compare(wanting, out)) == []
    assert {settings.vgg for settings in wanting.runs().values()} == {""}
    assert recipe.Plan(wanting.settings, ("omgd",), (3.0,)).runs()["omgd-3x-seed0"].vgg == "vgg16.pth"


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"methods": ()}, "'method' is empty"),
        ({"ratios": ()}, "'ratio' is empty"),
        ({"methods": ("taylor", "taylor")}, "taylor twice"),
        ({"seeds": 0}, "'seeds' is 0"),
        ({"ratios": (2.0, 0.5)}, "'ratio' is 0.5"),
        ({"ratios": (float("nan"),)}, "'ratio' is nan"),
    ],
)
def test_nothing_to_compare_is_refused(choices, said, tmp_path):
    usual = {"settings": CompressSettings(), "methods": ("taylor",), "ratios": (2.0,)}
    with pytest.raises(SettingsError, match=said):
        list(recipe.compare(recipe.Plan(**(usual | choices)), tmp_path))


def test_seeds_are_runs_of_their_own():
    plan = recipe.Plan(CompressSettings(seed=5), ("coronet", "narrow"), (2.0, 4.5), seeds=2)
    runs = plan.runs()
    assert len(runs) == 8
    assert runs["narrow-4.5x-seed6"].seed == 6
    assert runs["narrow-4.5x-seed6"].method == "narrow"
    assert runs["narrow-4.5x-seed6"].ratio == 4.5


def test_seeds_are_merged_to_mean_and_deviation():
    values = (24.0, 25.0, 26.0)
    scores = [{"to_truth": {"psnr_db": value}} for value in values]
    found = [as_row(report(seed=seed, scores=score)) for seed, score in enumerate(scores)]
    (merged,) = summary(found)
    assert merged["seeds"] == 3
    assert merged["to_truth.psnr_db"] == pytest.approx(25.0)
    assert merged["to_truth.psnr_db.sd"] == pytest.approx(1.0)
    assert "25 ± 1" in as_markdown([merged])
    assert as_csv(found).count("\n") == 4


DISTANCE = {
    "name": "proxy",
    "value": 3.0,
    "interval": [2.5, 4.0],
    "features": "proxy",
    "real_images": 100,
    "fake_images": 90,
    "protocol": "proxy-2: how it was measured",
    "note": "",
}


def test_a_distance_goes_by_its_name_with_interval_and_protocol(tmp_path):
    row = as_row(report(scores={"distribution": DISTANCE, "images": 90}))
    assert (row["proxy.value"], row["proxy.low"], row["proxy.high"]) == (3.0, 2.5, 4.0)
    settings = CompressSettings(minutes=3.0, counted="processor", batch_size=4, teacher=False, budget="params")
    write_comparison([row], tmp_path, settings, missing={"narrow-49x-seed0": "It cannot be met."})
    table = (tmp_path / "table.md").read_text()
    assert "| proxy ↓ |" in table
    assert "3 [2.5, 4]" in table
    assert "90 generated and 100 real images, proxy-2: how it was measured" in table
    assert "given 3 minutes of one processor" in table
    assert "narrow-49x-seed0: It cannot be met." in table
    assert "Ratios count parameters." in table
    assert "Every net learns without the dense net as its teacher" in table
    assert "Settings other than the defaults: batch_size 4, budget params, teacher False." in table
    assert "proxy-2" in (tmp_path / "rows.csv").read_text()
    (trace,) = figure(summary([row])).data
    assert (trace.error_y.array[0], trace.error_y.arrayminus[0]) == (1.0, 0.5)


def test_distances_of_different_images_are_told_apart(tmp_path):
    others = DISTANCE | {"fake_images": 80}
    found = [as_row(report(seed=seed, scores={"distribution": one})) for seed, one in enumerate((DISTANCE, others))]
    write_comparison(found, tmp_path, CompressSettings())
    table = (tmp_path / "table.md").read_text()
    assert "90 generated and 100 real images" in table
    assert "80 generated and 100 real images" in table
    assert "proxy: 2 different protocols, so not all of these rows compare." in table
    (merged,) = summary(found)  # two seeds
    assert not [name for name in merged if name.startswith("proxy.")]


def test_distances_of_different_images_are_not_joined():
    small = REPORT["slim"] | {"macs": 500_000}
    changes = [{}, {"slim": small, "requested_ratio": 8.0}]
    scores = [{"distribution": DISTANCE}, {"distribution": DISTANCE | {"protocol": "proxy-2: on others"}}]
    for other, mode in ((scores[0], "lines+markers"), (scores[1], "markers")):
        found = [as_row(report(scores=one, **change)) for one, change in zip((scores[0], other), changes, strict=True)]
        (trace,) = figure(summary(found)).data
        assert (trace.mode, len(trace.x)) == (mode, 2)


def test_what_makes_a_distance_doubtful_is_said(tmp_path):
    few = DISTANCE | {"note": "90 images are few."}
    own = DISTANCE | {"note": "3 of 90 generated images equal a real one."}
    kernel = few | {"name": "proxy KID", "sd": 0.25}
    rows = [as_row(report(scores={"distribution": few, "kernel": kernel}))]
    rows.append(as_row(report(seed=1, title="Taylor", scores={"distribution": own, "kernel": kernel})))
    assert rows[0]["proxy KID.subset_sd"] == 0.25
    write_comparison(rows, tmp_path, CompressSettings())
    table = (tmp_path / "table.md").read_text()
    assert "- proxy KID: 90 images are few.\n" in table
    assert "- proxy of taylor, 4x, seed 0: 90 images are few.\n" in table
    assert "- proxy of Taylor, 4x, seed 1: 3 of 90 generated images equal a real one.\n" in table
    assert "90 images are few." in (tmp_path / "rows.csv").read_text()


@pytest.fixture
def inception(monkeypatch):
    """Put a network beside the proxy whose distance is the number of times that it was asked; gives who asked."""
    asked = []

    def evaluate(model, choices, *, features, inception):
        asked.append(Path(model).name)
        if "narrow" in model:
            return {"fid": None, "kid": None, "note": "too few"}
        return {name: DISTANCE | {"name": f"{name.upper()}-768", "value": float(len(asked))} for name in ("fid", "kid")}

    network = SimpleNamespace(name="inception-768", fingerprint="0123456789abcdef")
    monkeypatch.setattr("coronet.recipes.compare.open_extractor", lambda features, inception: network)
    monkeypatch.setattr("coronet.recipes.compare.evaluate", evaluate)
    return asked


def test_every_net_is_compared_with_real_images_once(compared, plan, inception):
    out, _, _ = compared
    with closing(recipe.measure(plan, out)) as nets:
        assert next(nets) == ("original", recipe.Measured(1, 3))
    (first, done), (second, error) = recipe.measure(plan, out)
    assert (first, done) == ("taylor-3x-seed0", recipe.Measured(2, 3))
    assert (second, str(error)) == ("the distance of narrow-3x-seed0", "too few")
    assert inception == ["unet.safetensors", "taylor-3x-seed0", "narrow-3x-seed0"]
    assert [row.get("FID-768.value") for row in recipe.rows(plan, out)] == [1.0, 2.0, None]
    assert "FID-768 ↓ | KID-768 ↓" in as_markdown(summary(recipe.rows(plan, out)))
    assert [name for name, _ in recipe.measure(plan, out)] == ["the distance of narrow-3x-seed0"]  # it may work now


@pytest.mark.usefixtures("inception")
def test_the_distance_of_another_dense_net_is_not_taken_for_this_ones(compared, plan, tmp_path):
    out, _, _ = compared
    shutil.copytree(out, tmp_path / "out")
    list(recipe.measure(plan, tmp_path / "out"))
    assert "FID-768.value" in recipe.rows(plan, tmp_path / "out")[0]
    for path in (tmp_path / "out" / "runs").glob("*/report.json"):
        told = json.loads(path.read_text())
        told["model"]["sha256"] = "0" * 64  # as if they were made of another file
        path.write_text(json.dumps(told))
    assert "FID-768.value" not in recipe.rows(plan, tmp_path / "out")[0]
    closer = replace(plan, settings=replace(plan.settings, preprocess="resize"))
    assert "FID-768.value" not in recipe.rows(closer, tmp_path / "out")[0]


def test_the_proxy_stands_in_the_reports_and_is_not_measured_again(compared, plan, tmp_path):
    out, _, _ = compared
    ((name, reason),) = recipe.measure(replace(plan, features="proxy"), out)  # said once, not for every run
    assert (name, str(reason)) == (
        "the proxy distance",
        "There are 2 real images, but proxy scores need at least 20. Add some.",
    )
    shutil.copytree(out, tmp_path / "out")
    for path in (tmp_path / "out" / "runs").glob("*/report.json"):
        told = json.loads(path.read_text())
        told["scores"]["distribution"] = DISTANCE
        path.write_text(json.dumps(told))
    assert list(recipe.measure(replace(plan, features="proxy"), tmp_path / "out")) == []


def test_a_file_that_is_no_inception_is_refused_before_the_first_run(plan, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match=r"weights\.pth"):
        next(recipe.compare(replace(plan, inception=tmp_path / "weights.pth"), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_report_without_a_distance_has_a_row():
    assert "proxy.value" not in as_row(report(scores={"distribution": {"note": "Too few images."}}))


def test_a_score_that_only_some_seeds_have_is_merged_over_those():
    found = [as_row(report(seed=0)), as_row(report(seed=1, scores={"distribution": DISTANCE}))]
    (merged,) = summary(found)
    assert (merged["to_truth.psnr_db"], merged["proxy.value"]) == (24.0, 3.0)


def test_lines_of_the_figure_go_from_small_to_large():
    sizes = (3.0, 1.0, 2.0)
    found = [as_row(report(requested_ratio=ratio, slim=REPORT["slim"] | {"macs": 1e6 * ratio})) for ratio in sizes]
    (trace,) = figure(summary(found)).data
    assert list(trace.x) == [1e6, 2e6, 3e6]


def test_the_main_score_is_fid_where_it_was_measured_and_the_proxy_only_where_nothing_else_is():
    plain = as_row(report())
    assert main_score([plain | {"proxy.value": 60.0}]) == "to_truth.psnr_db"
    assert main_score([plain | {"proxy.value": 60.0, "FID-768.value": 1.0}]) == "FID-768.value"
    assert main_score([plain | {"FID-768.value": 1.0, "FID.value": 70.0}]) == "FID.value"
    assert main_score([{"proxy.value": 60.0}]) == "proxy.value"
    both = [row | {"FID-768.value": 1.0} for row in (plain, plain)]
    assert main_score(both) == "FID-768.value"
    assert main_score([*both, plain]) == "to_truth.psnr_db"  # a method without FID would be missing
    assert main_score([]) is None
    assert "note" not in score_names([plain])


def test_the_bars_of_a_figure_are_of_one_kind():
    dense = as_row(report(method="original", scores={"distribution": DISTANCE}))
    seeds = [as_row(report(seed=seed, scores={"distribution": DISTANCE | {"value": 3.0 + seed}})) for seed in (0, 1)]
    drawing = figure(summary([dense, *seeds]))
    assert [tuple(trace.error_y.array) for trace in drawing.data] == [(0.0,), (pytest.approx(0.5**0.5),)]
    assert drawing.layout.yaxis.title.text == "proxy ↓, bars: standard deviation over seeds"
    drawing = figure(summary([dense, seeds[0]]))
    assert [tuple(trace.error_y.array) for trace in drawing.data] == [(1.0,), (1.0,)]
    assert drawing.layout.yaxis.title.text == "proxy ↓, bars: 95 % interval"


def test_who_played_is_said_for_every_method_unless_it_is_the_same(tmp_path):
    found = [as_row(report(method=name, title=name, players=[f"{name} played."])) for name in ("one", "two")]
    write_comparison(found, tmp_path, CompressSettings())
    assert "- Players of one: one played.\n- Players of two: two played.\n" in (tmp_path / "table.md").read_text()
    alike = [row | {"players": "All played."} for row in found]
    write_comparison(alike, tmp_path, CompressSettings())
    assert "\n- Players: All played.\n" in (tmp_path / "table.md").read_text()


def test_published_points_keep_their_protocols_apart():
    assert {point.protocol for point in published_points()} == {"tt", "tr", "te", "?"}
    drawing = figure(summary([as_row(report())]), "horse2zebra")
    published = [trace for trace in drawing.data if trace.yaxis == "y2"]
    assert {trace.mode for trace in published} == {"markers"}  # never joined
    protocols = {(point.fid, point.source): point.protocol for point in published_points()}
    for trace in published:
        sources = [text.partition("<br>")[2].rpartition(" (")[0] for text in trace.text]
        assert len({protocols[fid, source] for fid, source in zip(trace.y, sources, strict=True)}) == 1
        for symbol, text in zip(trace.marker.symbol, trace.text, strict=True):
            assert ("open" in symbol) == ("not verified" in text)
    assert any("open" in symbol for trace in published for symbol in trace.marker.symbol)


def test_remembered_and_digitised_points_are_not_verified():
    for point in published_points():
        assert point.verified == (not set("MFT") & set(point.provenance) and "issue" not in point.provenance)
        assert point.source
    assert "horse2zebra" in tasks()
