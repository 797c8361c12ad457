"""What is taken home works there: sums, sample program and pictures agree; what loses too much stays behind."""

import ast
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from coronet.__main__ import main
from coronet.bundle import Variant, Variants, open_finished, variants, words, write_bundle
from coronet.checkpoints import Checkpoint, load, save
from coronet.cost import cost
from coronet.demos import DEMO_FOLDER
from coronet.errors import CheckpointError, DataError, ExportError, RunError, SettingsError
from coronet.images import open_image
from coronet.recipes.settings import CompressSettings, TrainSettings
from coronet.runs import Run
from coronet.settings import to_json
from tests.nets import TINY
from tests.worlds import CONFIGS, SIDE, make_model, make_world, random_weights

MODULE = sys.modules["coronet.bundle.forms"]


class Begun(Exception):
    """An export was begun."""


def begin(*_, **__):
    raise Begun


def finish(run, report):
    """End a run of the tiny ResNet that keeps all but its weights' lineage."""
    weights = random_weights(CONFIGS["resnet"], 1)
    lineage = {"parent": {"source": "mine.pth", "sha256": "0" * 64}, "method": "coronet", "kept": {"stem": [0, 1]}}
    save(Checkpoint(CONFIGS["resnet"], weights, lineage, ()), run.path / "slim.safetensors")
    run.write_report(report)
    return run.path


def report_of(config):
    counts = cost(config).to_json()
    scores = {"to_truth": {"psnr_db": 21.5, "ssim": None, "l1": 0.03}, "images": 2, "distribution": {"note": "too few"}}
    return {
        "dense": counts, "slim": counts, "requested_ratio": 4.0, "ratio": 4.02, "budget": "macs", "seed": 0,
        "seconds": {"search": 3.0, "total": 3.0}, "scores": scores, "teacher_scores": {}, "method": "coronet",
        "title": "CoroNetGAN", "versions": {"torch": "2.13.0"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """Give a folder with data, models, a finished run and a cache."""
    folder = tmp_path_factory.mktemp("stage")
    make_world("paired", folder / "photos")
    make_model("unet", folder / "unet.safetensors")
    settings = CompressSettings(model=str(folder / "mine.pth"), data=str(folder / "photos"), image_size=SIDE)
    finish(Run.create(folder / "run 4x", "compress", to_json(settings)), report_of(CONFIGS["resnet"]))
    return folder


@pytest.fixture(scope="module")
def cache(stage):
    return stage / "cache" / "coronet" / "variants"


@pytest.fixture(scope="module")
def packed(stage, cache):
    """Bundle the run in all precisions."""
    return write_bundle(open_finished(str(stage / "run 4x")), stage / "slim.zip", folder=cache)


@pytest.fixture(scope="module")
def home(packed, tmp_path_factory):
    """Unpack the bundle elsewhere; give its folder."""
    folder = tmp_path_factory.mktemp("home")
    with zipfile.ZipFile(packed.path) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder / "run_4x-bundle"


def sample(home, source, target):
    """Run the sample program as its owner would: without this project."""
    command = [sys.executable, "-I", str(home / "sample.py"), str(source), str(target)]
    done = subprocess.run(command, cwd=target.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return np.asarray(Image.open(target)).astype(int)


# The zip


def test_names_are_harmless_and_the_sums_are_right(packed, home):
    names = zipfile.ZipFile(packed.path).namelist()
    assert names == [f"run_4x-bundle/{name}" for name in packed.files]
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") for name in names)
    sums = dict(reversed(line.split("  ")) for line in (home / "SHA256SUMS").read_text().splitlines())
    assert sums.keys() == packed.files.keys() - {"SHA256SUMS"}
    for name, digest in sums.items():
        data = (home / name).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (digest, packed.files[name])
    data = packed.path.read_bytes()
    assert (packed.bytes, packed.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_everything_is_there_and_tells_nothing_about_this_machine(packed, home, stage):
    assert set(packed.files) == {
        "LICENCE.txt", "README.md", "SHA256SUMS", "fp16.onnx", "fp32.onnx", "int8.onnx", "preprocessing.json",
        "sample.py", "slim.safetensors", "test/1-input.png", "test/1-output.png", "test/2-input.png",
        "test/2-output.png",
    }  # fmt: skip
    for name in packed.files:
        assert str(stage).encode() not in (home / name).read_bytes()
    assert (home / "slim.safetensors").read_bytes() == (stage / "run 4x" / "slim.safetensors").read_bytes()
    assert load(home).config == CONFIGS["resnet"]
    described = json.loads((home / "preprocessing.json").read_text())
    assert (described["input"]["size_multiple"], described["input"]["least_side"]) == (4, 8)


def test_sample_repeats_the_test_pictures(home, tmp_path):
    for number in (1, 2):
        found = sample(home, home / "test" / f"{number}-input.png", tmp_path / f"{number}.png")
        wanted = np.asarray(open_image(home / "test" / f"{number}-output.png")).astype(int)
        assert np.abs(found - wanted).max() <= 1
        assert wanted.std() > 5


def test_sample_takes_any_picture(home, tmp_path):
    Image.new("P", (50, 5), 3).save(tmp_path / "odd.gif")
    assert sample(home, tmp_path / "odd.gif", tmp_path / "odd.png").shape == (8, 48, 3)


def test_sample_is_short_and_needs_three_packages(home):
    text = (home / "sample.py").read_text()
    assert len(text.splitlines()) <= 15
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in imports if isinstance(node, ast.ImportFrom)}
    assert names == {"numpy", "onnxruntime", "PIL", "pathlib", "sys"}


def test_variants_stand_side_by_side(packed):
    rows = {row.precision: row for row in packed.variants.rows}
    assert list(rows) == ["fp32", "fp16", "int8"]
    assert rows["fp32"].psnr_db > rows["fp16"].psnr_db > rows["int8"].psnr_db >= 28
    assert rows["fp32"].max_abs_difference < 1e-3
    for row in rows.values():
        data = packed.variants.file(row).read_bytes()
        assert (row.bytes, row.sha256, row.refused) == (len(data), hashlib.sha256(data).hexdigest(), "")
        assert row.median_ms > 0
    assert (packed.variants.checked_on, packed.variants.images) == ("real images", 2)
    assert packed.notes == ()
    values = packed.to_json()
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_a_second_call_is_free_and_gives_the_same_bytes(packed, stage, cache, monkeypatch):
    monkeypatch.setattr(MODULE, "to_onnx_forms", begin)
    again = write_bundle(open_finished(str(stage / "run 4x")), stage / "again.zip", folder=cache)
    assert again.path.read_bytes() == packed.path.read_bytes()
    assert again.variants == packed.variants


@pytest.mark.slow
def test_another_cache_gives_the_same_bytes(packed, stage, tmp_path):
    again = write_bundle(open_finished(str(stage / "run 4x")), tmp_path / "a.zip", folder=tmp_path / "cache")
    assert again.sha256 == packed.sha256


def test_a_killed_call_leaves_nothing(stage, tmp_path, monkeypatch):
    def killed(generator, paths, **_):
        paths["fp32"].write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(MODULE, "to_onnx_forms", killed)
    path = tmp_path / "slim.zip"
    path.write_bytes(b"older")
    with pytest.raises(KeyboardInterrupt):
        write_bundle(open_finished(str(stage / "run 4x")), path, folder=tmp_path / "cache")
    assert path.read_bytes() == b"older"
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "cache", path]


def test_a_kill_that_nobody_could_tidy_up_after_does_no_harm(packed, stage, cache, monkeypatch):
    """Power fails: a half-made folder stays under its temporary name, which nothing reads."""
    kept = packed.variants.folder
    half = cache.parent / "half" / f".{kept.name}.0123abcd.part"
    shutil.copytree(kept, half)
    monkeypatch.setattr(MODULE, "to_onnx_forms", begin)
    with pytest.raises(Begun):
        variants(open_finished(str(stage / "run 4x")), half.parent)


def test_damaged_results_are_made_again(packed, stage, cache, monkeypatch):
    monkeypatch.setattr(MODULE, "to_onnx_forms", begin)
    finished = open_finished(str(stage / "run 4x"))
    copy = cache.parent / "copy"
    shutil.copytree(cache, copy)
    found = variants(finished, copy)
    assert found.rows == packed.variants.rows
    file = found.file(found.rows[1])
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(Begun):
        variants(finished, copy)


# What loses too much


def spoilt_model(path):
    """Save a batch-norm net in which one channel, that nobody reads, spoils the range of all others."""
    weights = random_weights(TINY["resnet_batch"], 0)
    weights["stem_norm.weight"][0] = 1e4
    weights["down1.weight"][:, 0] = 0
    save(Checkpoint(TINY["resnet_batch"], weights, {}, ()), path)
    return path


def test_refused_int8_is_described_and_left_out(tmp_path):
    finished = open_finished(str(spoilt_model(tmp_path / "spoilt.safetensors")))
    bundle = write_bundle(finished, tmp_path / "a.zip", folder=tmp_path / "cache", precisions=("int8", "fp32"))
    exact, refused = bundle.variants.rows
    assert refused.precision == "int8"
    assert refused.refused.startswith("int8 loses too much: ")
    assert refused.psnr_db < 28
    assert refused.median_ms > 0
    assert not bundle.variants.file(refused).exists()
    assert bundle.variants.usable == (exact,)
    assert "int8.onnx" not in bundle.files
    assert bundle.files.keys() >= {"fp32.onnx", "generator.safetensors", "test/3-output.png"}
    assert any(note == f"{refused.refused} It is left out." for note in bundle.notes)
    assert any("synthetic images" in note for note in bundle.notes)
    assert refused.refused in zipfile.ZipFile(bundle.path).read("spoilt-bundle/README.md").decode()


def test_a_bundle_of_nothing_is_refused(packed, stage, cache, monkeypatch):
    refused = tuple(replace(row, refused="It loses too much.") for row in packed.variants.rows[2:])
    monkeypatch.setattr("coronet.bundle.writing.variants", lambda *_: replace(packed.variants, rows=refused))
    path = stage / "nothing.zip"
    with pytest.raises(ExportError, match=r"It loses too much\. Bundle fp32, too\."):
        write_bundle(open_finished(str(stage / "run 4x")), path, folder=cache, precisions=("int8",))
    assert not path.exists()


# What can be opened


def test_an_unfinished_run_says_how_to_go_on(stage):
    run = Run.create(stage / "half", "compress", to_json(CompressSettings()))
    with pytest.raises(RunError, match=r"is not finished\. .* coronet resume "):
        open_finished(str(run.path))


@pytest.mark.parametrize(
    ("model", "given", "kind", "says"),
    [
        ("nowhere", {}, CheckpointError, "no model"),
        ("photos", {}, CheckpointError, "holds no generator"),
        ("unet.safetensors", {"data": "nowhere"}, DataError, "does not exist"),
        ("unet.safetensors", {"data": "photos", "image_size": 36}, DataError, "multiples of 32"),
        ("unet.safetensors", {"direction": "Up"}, SettingsError, "'Up'"),
        ("run 4x", {"data": "nowhere"}, DataError, "does not exist"),
        ("grey.safetensors", {}, CheckpointError, "maps 1 channels to 1"),
    ],
)
def test_unusable_things_are_named(model, given, kind, says, stage):
    grey = replace(CONFIGS["resnet"], input_channels=1, output_channels=1)
    save(Checkpoint(grey, random_weights(grey, 0), {}, ()), stage / "grey.safetensors")
    given = given | ({"data": str(stage / given["data"])} if "data" in given else {})
    with pytest.raises(kind, match=says):
        open_finished(str(stage / model), given)


def test_lost_data_are_said_and_synthetic_images_stand_in(stage):
    settings = CompressSettings(model="demo/shoes", data=str(stage / "lost"), image_size=SIDE)
    path = finish(Run.create(stage / "orphan", "compress", to_json(settings)), report_of(CONFIGS["resnet"]))
    finished = open_finished(str(path))
    assert finished.images == ()
    assert finished.note.startswith("It was checked on synthetic images")
    assert "does not exist" in finished.note
    assert len(open_finished(str(path), {"data": str(stage / "photos")}).images) == 2


def test_unknown_precisions_and_folders_are_refused_before_the_work(stage, cache, monkeypatch):
    monkeypatch.setattr(MODULE, "to_onnx_forms", begin)
    finished = open_finished(str(stage / "run 4x"))
    for precisions in ((), ("fp4",), ("fp32", "fp4")):
        with pytest.raises(SettingsError, match="Choose some of: fp32, fp16, int8"):
            variants(finished, cache, precisions)
    with pytest.raises(RunError, match="its folder does not exist"):
        write_bundle(finished, stage / "no" / "a.zip", folder=cache, precisions=("fp16",))


@pytest.mark.parametrize(
    ("name", "harmless"), [("ü $(rm) x", "rm__x"), ("...", "model"), ("-rf", "rf"), ("a" * 90, "a" * 60)]
)
def test_names_of_strangers_become_harmless(name, harmless, tmp_path):
    (tmp_path / name).mkdir()
    make_model("unet", tmp_path / name / "generator.safetensors")
    assert open_finished(str(tmp_path / name)).name == harmless


# What is to be read


def measured(finished):
    rows = (
        Variant("fp32", 400_000, "0" * 64, 2e-5, 134.7, 9.0, ""),
        Variant("int8", 100_000, "1" * 64, None, None, 7.0, "int8 loses too much: nan dB."),
    )
    return Variants(Path("nowhere"), rows, "real images", len(finished.images), SIDE, 1, "a processor")


def test_the_card_of_a_run_says_what_is_known(stage):
    finished = open_finished(str(stage / "run 4x"))
    text = words.card(finished, measured(finished), "slim.safetensors")
    counts = cost(CONFIGS["resnet"])
    for part in (
        "# run_4x: a slim ResNet", "CoroNetGAN made it from `mine.pth`", "4.02x in MACs (4.00x was asked for)",
        f"| MACs | {counts.macs:,} | {counts.macs:,} |", f"| MACs as published | {counts.macs_as_published:,} |",
        "PSNR 21.50 dB, SSIM ?, L1 0.0300, 2 test images", "search 3", "torch 2.13.0", "Checked on 2 real images.",
        "| `fp32.onnx` | 400,000 | 134.7 dB | 2e-05 of 2 |", "int8 loses too much: nan dB. It is left out.",
        "It cannot do all that the dense net can",
    ):  # fmt: skip
        assert part in text
    assert str(stage) not in text


def test_the_card_of_a_ready_made_run_has_its_scores_and_protocol(monkeypatch):
    monkeypatch.setattr(
        "coronet.bundle.finished.test_images", lambda choices, most: iter([torch.zeros(1, 3, 128, 128)])
    )
    for name in ("shoes-4x", "summer2winter-4x"):
        finished = open_finished(str(DEMO_FOLDER / "runs" / name))
        text = words.card(finished, measured(finished), "slim.safetensors")
        assert f"# {name}: a slim " in text
        assert "100 test images" in text
        assert "CoroNetGAN made it from `demo/" in text
        assert "it has seen drawn" in text
        distance = finished.report["scores"]["distribution"]["value"]
        assert f"proxy distance: {distance:.4g} (100 generated, 100 real images; proxy-2: " in text
    assert "trained by the CoroNet Studio project" in words.licence(finished)
    assert "`scenes/seasons`, which CoroNet Studio draws" in words.licence(finished)


@pytest.mark.parametrize("value", [None, [], {}, "| <b>\n# x", True, float("nan"), 10**400])
def test_a_report_of_strangers_makes_a_card_all_the_same(value, stage):
    finished = open_finished(str(stage / "run 4x"))
    whole = dict.fromkeys(finished.report, value)
    parts = {
        name: dict.fromkeys(part, value) if isinstance(part, dict) else part for name, part in finished.report.items()
    }
    scores = {"to_truth": {"psnr_db": value}, "distribution": {"value": value, "protocol": value}}
    for report in (whole, parts, {"scores": scores}, {}):
        lines = words.card(replace(finished, report=report), measured(finished), "slim.safetensors").splitlines()
        assert [line for line in lines if line.startswith("# ")] == ["# run_4x: a slim ResNet"]


def test_the_licence_of_others_is_theirs(stage):
    text = words.licence(open_finished(str(stage / "run 4x")))
    assert "the licence of the source applies" in text
    assert "`mine.pth`" in text
    assert "`photos`, whose rights are not known" in text
    assert str(stage) not in text


def test_a_training_from_scratch_is_its_owners(stage):
    settings = TrainSettings(data=str(stage / "photos"), image_size=SIDE)
    run = Run.create(stage / "trained", "train", to_json(settings))
    make_model("unet", run.path / "generator.safetensors")
    run.write_report({"scores": {"psnr_db": 20.0, "ssim": 0.5, "l1": 0.1, "distribution": {"note": "too few"}}})
    finished = open_finished(str(run.path))
    assert "trained from scratch" in words.licence(finished)
    text = words.card(finished, measured(finished), "generator.safetensors")
    assert "# trained: a U-Net" in text
    assert "It was trained from scratch." in text
    assert "PSNR 20.00 dB" in text


# The verb


def test_the_verb_prints_one_object_and_notes_apart(packed, stage, cache, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(stage / "cache"))
    arguments = ["bundle", "--model", str(stage / "run 4x"), "--out", str(stage / "verb.zip")]
    assert main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.err == "packing, with test pictures\n"
    assert (found["path"], found["sha256"]) == (str(stage / "verb.zip"), packed.sha256)
    assert [row["precision"] for row in found["variants"]] == ["fp32", "fp16", "int8"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("precision  bytes") for line in lines)
    assert any(line.startswith("  - fp32.onnx: ") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--precision", "fp4"], "'fp4'"),
        (["--out", "@no/a.zip"], "its folder does not exist"),
        (["--model", "nowhere"], "no model 'nowhere'"),
        (["--data", "@none"], "does not exist"),
        (["--image-size", "7"], "'image_size' is 7"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, complaint, stage, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(stage / "cache"))
    given = ["bundle", "--model", str(stage / "unet.safetensors"), "--data", str(stage / "photos")]
    given += ["--out", str(stage / "x.zip"), *(argument.replace("@", f"{stage}/") for argument in arguments)]
    try:
        status = main(given)
    except SystemExit as ended:
        status = ended.code
    captured = capsys.readouterr()
    assert (status, captured.out) == (2, "")
    assert len(captured.err.splitlines()) == 1
    assert captured.err.startswith("coronet: ")
    assert complaint in captured.err
