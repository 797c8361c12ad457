"""The command line as a user meets it: help, mistakes in one line, one JSON object, and every verb on tiny models."""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
from PIL import Image

from coronet import quantisation
from coronet.__main__ import main
from coronet.checkpoints import Checkpoint, load, save
from coronet.commands import COMMANDS
from coronet.commands.arguments import add_settings, given
from coronet.commands.runs import resume
from coronet.ending import is_ending
from coronet.images import open_image, to_tensor
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from tests.worlds import CONFIGS, SIDE, TEST_IMAGES, TRAINING_IMAGES, make_model, make_world, random_weights

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """Give a folder with worlds, models, an image, an ONNX file, and files that are none of these."""
    folder = tmp_path_factory.mktemp("stage")
    for kind in ("paired", "unpaired", "single"):
        make_world(kind, folder / kind)
    for name in CONFIGS:
        make_model(name, folder / f"{name}.safetensors")
    make_model("resnet", folder / "other.safetensors", seed=1)
    grey = replace(CONFIGS["resnet"], input_channels=1, output_channels=1)
    save(Checkpoint(grey, random_weights(grey, 0), {}, ()), folder / "grey.safetensors")
    Image.new("RGB", (50, 41), "teal").save(folder / "picture.png")
    Image.new("RGB", (3, 3), "teal").save(folder / "dot.png")
    (folder / "text.pth").write_text("no model", encoding="utf-8")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "empty").mkdir()
    for name in ("train", "trainA"):
        (folder / "mixed" / name).mkdir(parents=True)
    (folder / "one").mkdir()
    Image.new("RGB", (32, 32), "teal").save(folder / "one" / "picture.png")
    return folder


@pytest.fixture(scope="module")
def onnx(stage):
    """Give an ONNX file of the ResNet, made by `export`."""
    path = stage / "resnet.onnx"
    if not path.exists():
        assert main(["export", "--model", str(stage / "resnet.safetensors"), "--out", str(path)]) == 0
    return path


@pytest.fixture(autouse=True)
def _no_inception(monkeypatch, tmp_path):
    """Keep Inception's weights of this machine out."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


def status_of(arguments):
    """Run the command line in this process; give its exit status."""
    try:
        return main(arguments)
    except SystemExit as ended:
        return ended.code


def placed(stage, arguments):
    """Put the stage's folder where arguments say @."""
    return [argument.replace("@", f"{stage}/") for argument in arguments]


def answer(stage, capsys, *arguments):
    """Run a verb with --json; give the one object on stdout."""
    capsys.readouterr()
    assert main([*placed(stage, arguments), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    assert captured.err == "" or arguments[0] in ("compress", "train", "resume")
    return json.loads(captured.out, parse_constant=pytest.fail)


# Help


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_explains_itself_with_an_example(verb, capsys):
    assert status_of([verb, "--help"]) == 0
    captured = capsys.readouterr()
    assert "xample: " in captured.out
    assert f"coronet {verb}" in captured.out
    assert captured.err == ""


def test_the_example_of_scenes_is_understood(monkeypatch):
    """It names no file that could be missing: it would draw."""
    asked = []
    monkeypatch.setattr("coronet.scenes.write.write_scenes", lambda *choices: asked.append(choices) or {})
    assert main(["scenes", *COMMANDS["scenes"].example.split()]) == 0
    assert [choices[0] for choices in asked] == ["horses"]


@pytest.mark.parametrize("verb", [verb for verb in COMMANDS if verb not in ("studio", "scenes")])
def test_the_examples_are_understood(verb, stage, capsys):
    """They name files that are not there: what is complained of is those, not the options."""
    assert status_of([verb, *COMMANDS[verb].example.replace("runs/", f"{stage}/nowhere/").split()]) == 2
    complaint = capsys.readouterr().err
    assert "unrecognized" not in complaint
    assert "required" not in complaint
    assert "argument" not in complaint


def test_help_and_complaints_need_no_torch():
    code = """
import sys
from coronet.__main__ import main
from coronet.commands import COMMANDS
for arguments in [["--help"], ["dance"], ["compress", "--dance"], *([verb, "--help"] for verb in COMMANDS)]:
    try:
        main(arguments)
    except SystemExit:
        pass
print({"torch", "gradio", "onnx", "onnxruntime"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_help_names_every_default_and_range(capsys):
    assert status_of(["compress", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Dense cost divided by slim cost. (default 4.0, 1 to 50)" in text
    assert "100%" not in text


# Mistakes: exit status 2 and one line that says what, the value, and what to do

RESNET, UNET = "@resnet.safetensors", "@unet.safetensors"
PREVIEW = ["preview", "--model", RESNET, "--ratio", "2", "--input", "@picture.png", "--out", "@p.png"]
TRANSLATE = ["translate", "--model", RESNET, "--input", "@picture.png", "--out", "@out"]
COMPRESS = ["compress", "--model", RESNET, "--data", "@unpaired", "--image-size", "32", "--out", "@run"]
COMPARE = ["compare", *COMPRESS[1:], "--method", "taylor"]
EVALUATE = ["evaluate", "--model", UNET, "--data", "@paired", "--image-size", "32"]
TRAIN = ["train", "--kind", "pix2pix", "--data", "@paired", "--image-size", "32", "--out", "@run"]
EXPORT = ["export", "--model", RESNET, "--out", "@x.onnx"]
MISTAKES = [
    ([], "required: VERB"),
    (["dance"], "'dance'"),
    (["inspect"], "required: MODEL"),
    (["inspect", RESNET, "--color"], "unrecognized arguments: --color. See: coronet inspect --help"),
    (["inspect", "nowhere.pth"], "no model 'nowhere.pth'"),
    (["inspect", ""], "no model ''"),
    (["inspect", "@text.pth"], "text.pth is a text file"),
    (["inspect", "@empty"], "empty holds no generator"),
    (["preview", "--model", RESNET], "required: --ratio, --input, --out"),
    ([*PREVIEW, "--ratio", "four"], "'four'"),
    ([*PREVIEW, "--ratio", "0.5"], "0.5, but must be at least 1"),
    ([*PREVIEW, "--ratio", "nan"], "nan, but must be at least 1"),
    ([*PREVIEW, "--ratio", "1e9"], "largest possible ratio"),
    ([*PREVIEW, "--multiple-of", "0"], "'multiple_of' is 0, but must be at least 1"),
    ([*PREVIEW, "--multiple-of", "-8"], "'multiple_of' is -8"),
    ([*PREVIEW, "--multiple-of", "2.5"], "'2.5', but must be a whole number"),
    ([*PREVIEW, "--multiple-of", "nan"], "'nan', but must be a whole number"),
    ([*PREVIEW, "--budget", "gold"], "'gold'"),
    ([*PREVIEW, "--input", "@none.png"], "none.png cannot be read"),
    ([*PREVIEW, "--input", "@broken.png"], "broken.png is cut off or damaged"),
    ([*PREVIEW, "--input", "@single"], "single is a folder"),
    ([*PREVIEW, "--out", "@no/where/p.png"], "its folder does not exist"),
    ([*PREVIEW, "--out", "@p.xyz"], "p.xyz is not a"),
    ([*TRANSLATE, "--input", "@nothing"], "nothing cannot be read"),
    ([*TRANSLATE, "--input", "@empty"], "holds no images"),
    ([*TRANSLATE, "--input", "@dot.png"], "4 x 4 pixels, but the model needs 8"),
    ([*TRANSLATE, "--out", "@picture.png"], "Cannot create the folder"),
    ([*TRANSLATE, "--image-size", "0"], "'image_size' is 0"),
    ([*TRANSLATE, "--image-size", "inf"], "'inf', but must be a whole number"),
    ([*TRANSLATE, "--image-size", "10000000"], "megapixels"),
    ([*TRANSLATE, "--model", "@none.onnx"], "none.onnx"),
    ([*TRANSLATE, "--model", "@text.pth"], "text.pth is a text file"),
    ([*EVALUATE, "--data", "@unpaired"], "--reference MODEL"),
    ([*EVALUATE, "--data", "@none"], "does not exist"),
    ([*EVALUATE, "--image-size", "7"], "'image_size' is 7, but must be at least 32"),
    ([*EVALUATE, "--image-size", "34"], "'image_size' is 34, but must be a multiple of 4"),
    ([*EVALUATE, "--image-size", "36"], "multiples of 32, but one image is read as 36 x 36"),
    ([*EVALUATE, "--image-size", "36", "--preprocess", "none", "--load-size", "x"], "'load_size' is 'x'"),
    ([*EVALUATE, "--direction", "Up"], "'Up'. Choose one of: AtoB, BtoA"),
    ([*EVALUATE, "--reference", "nowhere"], "no model 'nowhere'"),
    ([*EVALUATE, "--data", "@single"], "images of one side only"),
    ([*EVALUATE, "--data", "@empty"], "empty holds no images"),
    ([*EVALUATE, "--data", "@mixed"], "mixes two layouts"),
    ([*EVALUATE, "--data", "@one"], "1 usable image"),
    ([*EVALUATE, "--features", "lpips"], "'lpips'"),
    ([*EVALUATE, "--features", "proxy"], "There are 2 real images, but proxy scores need at least 20"),
    ([*EVALUATE, "--features", "proxy", "--inception", "x.pth"], "the proxy features do not use it"),
    ([*EVALUATE, "--features", "inception-2048"], "'coronet download fid_inception' fetches"),
    ([*EVALUATE, "--inception", "@none.pth"], "none.pth does not exist"),
    ([*EVALUATE, "--inception", "@text.pth"], "text.pth is a text file"),
    ([*EVALUATE, "--inception", "@empty"], "empty is a folder"),
    ([*EVALUATE, "--model", "@grey.safetensors"], "grey.safetensors maps 1 channels to 1, but images here have 3"),
    ([*EVALUATE, "--reference", "@grey.safetensors"], "grey.safetensors maps 1 channels to 1"),
    ([*TRANSLATE, "--model", "@grey.safetensors"], "grey.safetensors maps 1 channels to 1"),
    ([*EVALUATE, "--model", RESNET, "--reference", UNET, "--image-size", "36"], "multiples of 32, but one image"),
    ([*EVALUATE, "--inception", RESNET], "does not hold 'Conv2d_1a_3x3.conv.weight' of the FID Inception"),
    ([*EXPORT, "--out", "@no/x.onnx"], "its folder does not exist"),
    ([*EXPORT, "--precision", "fp4"], "'fp4'"),
    ([*EXPORT, "--model", "nowhere"], "no model 'nowhere'"),
    (["benchmark"], "required: MODEL"),
    (["benchmark", "nowhere.onnx"], "no model 'nowhere.onnx'"),
    (["benchmark", RESNET, "--threads", "0"], "'threads' is 0"),
    (["benchmark", RESNET, "--threads", "many"], "'many', but must be a whole number"),
    (["benchmark", RESNET, "--image-size", "30"], "30, but"),
    (["benchmark", UNET, "--image-size", "36"], "needs a multiple of 32"),
    (["benchmark", RESNET, "--image-size", "-32"], "'image_size' is -32"),
    (["resume"], "required: RUN"),
    (["resume", "@empty"], "is not a run"),
    (["resume", "@nowhere"], "is not a run"),
    (COMPRESS[:-2], "required: --out"),
    ([*COMPRESS, "--rat", "3"], "unrecognized arguments: --rat 3"),
    ([*COMPRESS, "--out", "@single"], "is not empty"),
    ([*COMPRESS, "--out", "@picture.png/run"], "a file stands where a folder is needed"),
    ([*COMPRESS, "--ratio", "x"], "'ratio' is 'x'"),
    ([*COMPRESS, "--ratio", "0.5"], "'ratio' is 0.5, but must be at least 1"),
    ([*COMPRESS, "--ratio", "49"], "largest possible ratio"),
    ([*COMPRESS, "--search-steps", "1.5"], "'search_steps' is '1.5'"),
    ([*COMPRESS, "--search-steps", ""], "'search_steps' is ''"),
    ([*COMPRESS, "--method", "magic"], "'magic'"),
    ([*COMPRESS, "--threads", "0"], "'threads' is 0"),
    ([*COMPRESS, "--model", "nowhere.pth"], "no model"),
    ([*COMPRESS, "--data", "@empty"], "empty holds no images"),
    ([*COMPRESS, "--image-size", "34"], "'image_size' is 34"),
    ([*COMPRESS, "--model", UNET, "--preprocess", "none", "--data", "@sizes"], "one image is read as 40 x 36"),
    ([*COMPARE, "--ratio", "nan"], "'ratio' is nan"),
    ([*COMPARE, "--ratio", "2", "0.5"], "'ratio' is 0.5, but must be at least 1"),
    ([*COMPARE, "--ratio", "49"], "cannot be met"),
    ([*COMPARE, "--ratio", "2", "--method", "magic"], "no method 'magic'"),
    ([*COMPARE, "--ratio", "2", "--seeds", "0"], "'seeds' is 0"),
    ([*COMPARE, "--ratio", "2", "--task", "cats"], "no published points of 'cats'"),
    ([*COMPARE, "--ratio", "2", "--data", "@empty"], "empty holds no images"),
    ([*TRAIN, "--kind", "stylegan"], "'stylegan'. Choose one of: pix2pix, cycle_gan"),
    ([*TRAIN, "--data", "@unpaired"], "holds unpaired images, but pix2pix learns from paired ones"),
    ([*TRAIN, "--image-size", "36"], "a U-Net needs 32, 64"),
    ([*TRAIN, "--lambda-gan", "0", "--lambda-L1", "0"], "nothing to learn from"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "complaint"), MISTAKES, ids=[" ".join(arguments)[-40:] for arguments, _ in MISTAKES]
)
def test_a_mistake_is_one_line_and_status_2(arguments, complaint, stage, capfd):
    for index in range(3 if "@sizes" in arguments else 0):
        (stage / "sizes").mkdir(exist_ok=True)
        Image.new("RGB", (40, 36), (index, 0, 0)).save(stage / "sizes" / f"{index}.png")
    assert status_of(placed(stage, arguments)) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("coronet: ")
    assert complaint in lines[0]
    assert "Traceback" not in lines[0]
    assert not (stage / "run").exists()  # nothing stands in the way of another try


def test_a_bug_is_a_traceback_and_status_1(stage, capsys, monkeypatch):
    monkeypatch.setattr("coronet.recipes.verbs.load", lambda path: 1 / 0)
    assert main(["inspect", str(stage / "resnet.safetensors")]) == 1
    captured = capsys.readouterr()
    assert "ZeroDivisionError" in captured.err
    assert captured.out == ""


# The short verbs


def test_inspect_recognises_a_model(stage, capsys):
    found = answer(stage, capsys, "inspect", RESNET)
    assert found.keys() >= {
        "architecture", "blocks", "norm", "widths", "input_channels", "output_channels", "parameters", "macs",
        "macs_as_published", "image_size", "bytes", "reasons",
    }  # fmt: skip
    assert (found["architecture"], found["blocks"], found["norm"]) == ("resnet", 1, "instance")
    assert found["widths"] == dict(CONFIGS["resnet"].widths)
    assert found["reasons"]
    assert all(isinstance(reason, str) for reason in found["reasons"])
    assert answer(stage, capsys, "inspect", UNET)["levels"] == 5


def test_inspect_reads_well(stage, capsys):
    assert main(["inspect", str(stage / "resnet.safetensors")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "architecture: resnet" in lines
    assert any(line.startswith("macs: 4,767,744") for line in lines)


def test_preview_shows_source_dense_and_slim(stage, capsys):
    found = answer(stage, capsys, *PREVIEW)
    assert found.keys() >= {"ratio", "widths", "seconds"}
    assert 2.0 <= found["ratio"] < 2.3
    row = open_image(stage / "p.png")
    assert row.size == (3 * 48 + 8, 40)  # sides rounded to the model's multiple


def test_preview_meets_multiples_and_parameters(stage, capsys):
    found = answer(stage, capsys, *PREVIEW, "--multiple-of", "4", "--budget", "params")
    assert all(width % 4 == 0 for width in found["widths"].values())
    assert found["dense"]["parameters"] / found["slim"]["parameters"] == pytest.approx(found["ratio"])


def test_translate_applies_torch_and_onnx_alike(stage, onnx, capsys):
    found = answer(stage, capsys, "translate", "--model", RESNET, "--input", "@single", "--out", "@by_torch")
    assert found["images"] == 8
    assert found["seconds"] > 0
    assert (
        answer(stage, capsys, "translate", "--model", str(onnx), "--input", "@single", "--out", "@by_onnx")["images"]
        == 8
    )
    names = sorted(path.name for path in (stage / "single").iterdir())
    for name in names:
        torch_image, onnx_image = (to_tensor(open_image(stage / folder / name)) for folder in ("by_torch", "by_onnx"))
        assert (torch_image - onnx_image).abs().max() <= 1.01 / 127.5  # one level of 8 bits
    assert sorted(path.name for path in (stage / "by_torch").iterdir()) == names


def test_translate_takes_one_image_and_a_size(stage, capsys):
    answer(stage, capsys, *TRANSLATE, "--image-size", "32")
    assert max(open_image(stage / "out" / "picture.png").size) == 32


def test_evaluate_scores_pairs_and_against_another_model(stage, capsys):
    found = answer(stage, capsys, *EVALUATE)
    assert found.keys() >= {"psnr_db", "ssim", "l1"}
    assert found["images"] == 2
    itself = answer(
        stage, capsys, "evaluate", "--model", RESNET, "--reference", RESNET, "--data", "@unpaired", "--image-size", "32"
    )
    assert (itself["psnr_db"], itself["l1"]) == (100.0, 0.0)
    assert itself["ssim"] == pytest.approx(1.0)
    other = ["evaluate", "--model", RESNET, "--reference", "@other.safetensors"]
    assert answer(stage, capsys, *other, "--data", "@unpaired", "--image-size", "32")["psnr_db"] < 30


def test_evaluate_says_why_there_is_no_score_of_sets(stage, capsys):
    found = answer(stage, capsys, *EVALUATE)
    assert found["fid"] is found["kid"] is None
    assert "There are 2 real images" in found["note"]


def test_evaluate_keeps_paired_scores_where_there_are_none_of_sets(stage, capsys):
    make_world("paired", stage / "small")
    for index in range(20):
        Image.new("RGB", (56, 28), (index, 0, 99)).save(stage / "small" / "test" / f"plain{index}.png")
    arguments = ["evaluate", "--model", RESNET, "--data", "@small", "--preprocess", "none"]
    found = answer(stage, capsys, *arguments)
    assert found["psnr_db"] > 0
    assert found["fid"] is found["kid"] is None
    assert "Give RGB images of at least 32 pixels" in found["note"]
    assert main(placed(stage, [*arguments, "--features", "proxy"])) == 2


def test_evaluate_counts_what_it_scored(stage, capsys):
    data = make_world("unpaired", stage / "damaged")
    (data / "truthA").mkdir()
    for number, path in enumerate(sorted((data / "testA").iterdir())):
        (data / "truthA" / path.name).write_bytes(path.read_bytes() if number else b"\x89PNG\r\n\x1a\n")
    assert answer(stage, capsys, "evaluate", "--model", RESNET, "--data", "@damaged")["images"] == 1


def test_evaluate_reads_images_alike_for_a_net_and_its_onnx_file(stage, onnx, capsys):
    by_torch, by_onnx = (
        answer(stage, capsys, "evaluate", "--model", model, "--data", "@paired") for model in (RESNET, str(onnx))
    )
    assert by_onnx["psnr_db"] == pytest.approx(by_torch["psnr_db"], abs=0.01)
    assert by_onnx["ssim"] == pytest.approx(by_torch["ssim"], abs=1e-3)


def test_evaluate_scores_unpaired_sets(stage, capsys):
    data = make_world("unpaired", stage / "many")
    random = np.random.default_rng(0)
    for folder, count in (("testA", 19), ("testB", 20)):
        for index in range(count):
            pixels = random.integers(256, size=(SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(data / folder / f"noise{index:02d}.png")
    arguments = ["evaluate", "--model", RESNET, "--data", "@many", "--image-size", "32"]
    found = answer(stage, capsys, *arguments)
    for name, score in (("proxy", found["fid"]), ("proxy KID", found["kid"])):
        assert (score["name"], score["features"]) == (name, "proxy")
        assert (score["real_images"], score["fake_images"]) == (22, 21)
        assert score["interval"][0] < score["value"] < score["interval"][1]
        assert (
            "the test images of side B of many, the target of AtoB, read with resize_and_crop, load size 32"
            in score["protocol"]
        )
        assert score["note"]
    assert found["images"] == 21
    assert not found.keys() & {"psnr_db", "against", "note"}
    assert main(placed(stage, arguments)) == 0
    shown = capsys.readouterr().out
    assert "proxy: " in shown
    assert "FID" not in shown


def test_export_checks_what_it_writes(stage, onnx, capsys):
    found = answer(stage, capsys, *EXPORT, "--precision", "fp16", "--data", "@unpaired", "--image-size", "32")
    assert found.keys() >= {"path", "bytes", "sha256", "max_abs_difference", "psnr_db"}
    assert found["bytes"] == (stage / "x.onnx").stat().st_size < onnx.stat().st_size
    assert found["checked_on"] == "real images"


@pytest.mark.parametrize("has_training_images", [True, False])
def test_int8_takes_its_ranges_from_training_images(has_training_images, stage, tmp_path, capsys, monkeypatch):
    folder = make_world("unpaired", tmp_path / "unpaired")
    if not has_training_images:
        for side in "AB":
            rmtree(folder / f"train{side}")
    given = []
    quantise = quantisation.quantise
    monkeypatch.setattr(quantisation, "quantise", lambda model, images: given.extend(images) or quantise(model, images))
    answer(stage, capsys, *EXPORT, "--precision", "int8", "--data", str(folder), "--image-size", "32", "--force")
    paths = sorted((folder / "testA").iterdir())
    tests = [to_tensor(open_image(path))[None].numpy() for path in paths]
    assert len(given) == (TRAINING_IMAGES if has_training_images else TEST_IMAGES)
    for image in given:
        assert any((image == test).all() for test in tests) != has_training_images


def test_benchmark_sets_models_side_by_side(stage, onnx, capsys):
    rows = answer(stage, capsys, "benchmark", str(onnx), str(onnx), "--image-size", "32")
    assert len(rows) == 2
    for row in rows:
        assert row.keys() >= {"model", "precision", "median_ms", "p90_ms", "macs", "bytes"}
        assert 0 < row["median_ms"] <= row["p90_ms"]
        assert row["macs"] == 4_767_744
        assert row["peak_bytes"] is None or row["peak_bytes"] > 0
    assert main(["benchmark", str(onnx), "--image-size", "32"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 2
    assert table[0].startswith("model")


@pytest.mark.slow
def test_benchmark_exports_models_first(stage, onnx, capsys):
    rows = answer(stage, capsys, "benchmark", RESNET, str(onnx), "--image-size", "32")
    assert rows[0]["macs"] == rows[1]["macs"] == 4_767_744
    assert rows[0]["bytes"] == pytest.approx(rows[1]["bytes"], rel=0.05)


# The verbs that leave a run


def test_train_and_resume_print_the_report(stage, capsys):
    arguments = [*TRAIN, "--out", "@trained", "--steps", "2", "--ngf", "4", "--ndf", "4", "--threads", "1"]
    report = answer(stage, capsys, *arguments)
    assert report["steps"] == 2
    assert report == json.loads((stage / "trained" / "report.json").read_text(encoding="utf-8"))
    assert answer(stage, capsys, "resume", "@trained") == report
    assert answer(stage, capsys, "inspect", "@trained")["architecture"] == "unet"
    assert load(stage / "trained" / "generator.safetensors").lineage["trained"] == "pix2pix"


def test_compare_prints_every_score_and_stops_with_its_own_status(stage, capsys, monkeypatch):
    (stage / "edges2shoes").symlink_to(stage / "paired")  # a task with published points
    arguments = ["compare", "--model", UNET, "--data", "@edges2shoes", "--image-size", "32", "--ratio", "2", "49"]
    arguments += [
        "--method",
        "taylor",
        "--finetune-steps",
        "1",
        "--search-steps",
        "1",
        "--no-onnx",
        "--out",
        "@compared",
    ]
    monkeypatch.setattr("coronet.commands.compare.stop_after_step", lambda: nullcontext([2]))  # a Ctrl-C at once
    assert main(placed(stage, arguments)) == 130
    assert "Go on with the same command" in capsys.readouterr().err
    monkeypatch.undo()
    assert main(placed(stage, arguments)) == 0
    captured = capsys.readouterr()
    assert "taylor-49x-seed0 is left out. A ratio of 49 cannot be met" in captured.err
    head, dense, slim = captured.out.splitlines()
    assert "PSNR to the dense net, dB ↑" in head
    assert (dense.split("  ")[0], slim.split("  ")[0]) == ("original", "One-shot Taylor")
    assert {path.name for path in (stage / "compared").iterdir()} == {"runs", "rows.csv", "table.md", "figure.html"}
    assert "Published FID" in (stage / "compared" / "figure.html").read_text(encoding="utf-8")


def test_progress_goes_to_stderr(stage, capsys):
    assert main(placed(stage, [*TRAIN, "--out", "@shown", "--steps", "2", "--ngf", "4", "--ndf", "4"])) == 0
    captured = capsys.readouterr()
    assert "train 2/2" in captured.err
    assert "\r" not in captured.err  # no bar where there is no terminal
    assert "report" not in captured.err


def test_keep_waits_for_the_process_that_executes_the_run(tmp_path, capsys):
    run = Run.create(tmp_path / "run", "compress", {})
    with run.lock(), ThreadPoolExecutor(1) as pool:
        kept = pool.submit(resume, argparse.Namespace(run=str(run.path), keep=True))
        while not is_ending(run.path):
            assert not kept.done()
        run.write_report({"ratio": 2.0})
        assert kept.result() == {"ratio": 2.0}
    assert "waiting for its report" in capsys.readouterr().err


def test_a_run_can_be_resumed_from_another_folder(stage, capsys, monkeypatch, tmp_path):
    """Paths in the settings do not depend on where the command was started."""
    monkeypatch.chdir(stage)
    relative = [argument.replace("@", "") for argument in TRAIN]
    assert status_of([*relative, "--out", "relative", "--steps", "1", "--ngf", "4", "--ndf", "4"]) == 0
    settings = Run.open(stage / "relative").settings
    assert Path(settings["data"]).is_absolute()


def test_a_used_folder_is_not_touched(stage, capsys):
    before = sorted(path.name for path in (stage / "paired").iterdir())
    assert status_of(placed(stage, [*TRAIN, "--out", "@paired"])) == 2
    assert sorted(path.name for path in (stage / "paired").iterdir()) == before


def test_options_may_be_spelled_as_in_the_original(stage, capsys):
    arguments = ["evaluate", "--model", UNET, "--data", "@paired", "--image_size", str(SIDE), "--no_flip"]
    assert answer(stage, capsys, *arguments)["images"] == 2


def test_a_switch_may_be_said_either_way_and_help_lists_what_changes_something():
    parser = argparse.ArgumentParser()
    add_settings(parser, CompressSettings)
    for spelled, value in {"--teacher": True, "--no-teacher": False, "--no-mixed-precision": False}.items():
        name = spelled.removeprefix("--").removeprefix("no-").replace("-", "_")
        assert given(parser.parse_args([spelled]), CompressSettings)[name] is value
    assert given(parser.parse_args(["--mixed_precision"]), CompressSettings) == {"mixed_precision": True}
    assert given(parser.parse_args(["--no-flip"]), CompressSettings) == {"no_flip": True}
    assert given(parser.parse_args([]), CompressSettings) == {}
    listed = parser.format_help()
    assert "--no-teacher" in listed
    assert " --teacher" not in listed
    assert "--no-no" not in listed
