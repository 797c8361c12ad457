"""The build of the demo models, in small: scenes, teacher, shipped weights, card, ready-made runs, and going on."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from coronet import demo_build, demos
from coronet.checkpoints import companions, load, resolve_model
from coronet.errors import SettingsError
from coronet.recipes.preparing import open_compression
from coronet.recipes.settings import CompressSettings, TrainSettings
from coronet.scenes import cached
from coronet.scenes.write import Amount
from coronet.studio.outcomes import find_outcomes

SIZE = 32
TEACHERS = {
    "shoes": (TrainSettings(kind="pix2pix", ngf=4, levels=5, ndf=4, steps=2, image_size=SIZE),),
    "seasons": (
        TrainSettings(kind="cycle_gan", ngf=4, blocks=1, ndf=4, steps=2, image_size=SIZE),
        TrainSettings(kind="cycle_gan", ndf=8, steps=3, image_size=SIZE),
    ),
}
NAMES = {"shoes": ["shoes"], "seasons": ["summer2winter", "winter2summer"]}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build two worlds at 32 pixels with two steps each; gives the work folder and what would ship."""
    work, out = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_build, "SIZE", SIZE)
        patch.setattr(demo_build, "SCENES", dict.fromkeys(TEACHERS, Amount(3, 2, SIZE)))
        patch.setattr(demo_build, "TEACHERS", TEACHERS)
        quick = CompressSettings(search_steps=1, finetune_steps=1, importance_images=1, onnx=False)
        patch.setattr(demo_build, "COMPRESSIONS", dict.fromkeys(TEACHERS, quick))
        patch.setattr(demo_build, "RATIOS", (2.0,))
        patch.setattr(demos, "DEMO_FOLDER", out)
        patch.setattr(cached, "TRAIN", 3)
        patch.setattr(cached, "TEST", 2)
        patch.setenv("XDG_CACHE_HOME", str(work / "cache"))
        for world in TEACHERS:
            demo_build.build_teacher(world, work, out)
            demo_build.build_ready_made(world, work, out)
        yield work, out


@pytest.mark.parametrize("world", TEACHERS)
def test_the_shipped_teacher_is_the_trained_one_in_half_precision(built, world):
    work, out = built
    trained = work / "teachers" / f"{world}-{len(TEACHERS[world])}"
    for file in sorted(trained.glob("*or.safetensors")):
        exact, stored = load(file), load(out / world / file.name)
        assert stored.config == exact.config
        for name, tensor in exact.weights.items():
            assert torch.allclose(tensor, stored.weights[name], rtol=1e-3, atol=1e-5)
    assert (out / world / "generator.safetensors").stat().st_size < (
        0.7 * (trained / "generator.safetensors").stat().st_size
    )


def test_both_directions_of_a_world_resolve_with_their_companions(built):
    _, out = built
    for name in ("summer2winter", "winter2summer"):
        assert companions(resolve_model(f"demo/{name}")).discriminators.keys() == {"D_A", "D_B"}
    assert resolve_model("demo/winter2summer") == out / "seasons" / "backward.safetensors"


@pytest.mark.parametrize("world", TEACHERS)
def test_the_card_gives_command_steps_and_scores(built, world):
    _, out = built
    card = (out / world / "card.md").read_text(encoding="utf-8")
    report = json.loads((out / world / "report.json").read_text(encoding="utf-8"))
    assert f"coronet scenes {world} --train 3 --test 2" in card
    assert f"--kind {TEACHERS[world][0].kind} --data {world}" in card
    assert "--ndf 4" in card
    assert f"{sum(stage.steps for stage in TEACHERS[world])} steps, seed 0" in card
    assert [*report["evaluated"]] == NAMES[world]
    for name, scores in report["evaluated"].items():
        direction = "" if demos.DEMOS[name].direction == "AtoB" else " --direction BtoA"
        assert f"| `demo/{name}{direction}` | {scores['psnr_db']:.2f} dB" in card


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("world", TEACHERS)
def test_ready_made_runs_are_found_by_the_studio(world):
    for name in NAMES[world]:
        demo = f"demo/{name}"
        outcomes = find_outcomes(demo, resolve_model(demo), demos.ready_made_runs(), [])
        assert [outcome.folder.name for outcome in outcomes] == [f"{name}-2x"]
        assert outcomes[0].ratio == pytest.approx(2.0, rel=0.05)
        assert outcomes[0].report["scores"].keys() == {"to_teacher", "to_truth", "images", "distribution"}
        assert {path.name for path in outcomes[0].folder.iterdir()} == {
            "slim.safetensors", "report.json", "settings.json", "events.jsonl",
        }  # fmt: skip
        settings = json.loads((outcomes[0].folder / "settings.json").read_text())["settings"]
        assert (settings["model"], settings["data"]) == (demo, f"scenes/{world}")


def test_contact_sheets_show_input_nets_and_truth(built):
    work, _ = built
    for name in [*NAMES["shoes"], *NAMES["seasons"]]:
        with Image.open(work / f"{name}.jpg") as sheet:
            assert sheet.size == (4 * SIZE + 3 * 4, 2 * SIZE)  # input, dense, one slim net, truth; two test scenes


def test_what_is_done_is_not_done_again(built, monkeypatch):
    work, out = built
    before = {path: path.stat().st_mtime_ns for path in (work / "teachers").rglob("*.safetensors")}
    monkeypatch.setattr(demo_build, "write_scenes", lambda *_: pytest.fail("drawn again"))
    demo_build.build_teacher("seasons", work, out)
    demo_build.build_ready_made("seasons", work, out)
    assert before == {path: path.stat().st_mtime_ns for path in (work / "teachers").rglob("*.safetensors")}
    seconds = json.loads((out / "seasons" / "build.json").read_text())
    assert seconds.keys() == {"scenes", "teacher", "summer2winter-2x", "winter2summer-2x"}


@pytest.mark.usefixtures("built")
def test_a_demo_model_refuses_its_scenes_the_wrong_way_round():
    wrong = replace(CompressSettings(), model="demo/winter2summer", data="scenes/seasons", image_size=SIZE)
    with pytest.raises(SettingsError, match="Add --direction BtoA"):
        open_compression(wrong)
    assert open_compression(replace(wrong, direction="BtoA")).data.test.has_truth
