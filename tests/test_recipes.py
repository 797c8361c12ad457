"""The recipes from folder to report: every kind of data, companions, lengths, and settings that do what they say."""

import json
import os
from contextlib import closing, contextmanager
from itertools import product

import pytest
import torch
from PIL import Image

from coronet.checkpoints import Checkpoint, build_generator, load, load_discriminator, save
from coronet.errors import BudgetError, CheckpointError, CoronetError, DataError, RunError, SettingsError
from coronet.images import to_tensor
from coronet.networks import DiscriminatorConfig, PatchDiscriminator, initialise, patchgan, resnet, resnet_config, unet
from coronet.recipes.execute import execute
from coronet.recipes.lengths import SETTLED
from coronet.recipes.opening import compression_game
from coronet.recipes.pace import PRESETS
from coronet.recipes.preparing import open_compression
from coronet.recipes.settings import CompressSettings, TrainSettings
from coronet.recipes.train import generator_config
from coronet.runs import Run
from coronet.settings import from_json, to_json
from coronet.training import RISE
from tests.games import differences
from tests.worlds import CONFIGS, SIDE, make_model, make_world, random_weights, write_published

SHORT = {
    "image_size": SIDE,
    "ndf": 4,
    "threads": 1,
    "search_steps": 4,
    "finetune_steps": 2,
    "warmup_steps": 1,
    "importance_images": 2,
    "onnx": False,
}
TRAINING = {"image_size": SIDE, "ndf": 4, "threads": 1, "ngf": 4, "blocks": 1, "steps": 3}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """Give a folder with the worlds paired, unpaired and single, and the models unet, resnet and resnet16."""
    folder = tmp_path_factory.mktemp("stage")
    for kind in ("paired", "unpaired", "single"):
        make_world(kind, folder / kind)
    for name in CONFIGS:
        make_model(name, folder / f"{name}.safetensors")
    larger = resnet_config(ngf=32, blocks=1, image_size=SIDE)
    save(Checkpoint(larger, random_weights(larger, 0), {}, ()), folder / "large.safetensors")
    return folder


def settings_for(stage, data="unpaired", model=None, **choices):
    model = model or ("unet" if data == "paired" else "resnet")
    return SHORT | {"data": str(stage / data), "model": str(stage / f"{model}.safetensors"), "ratio": 2.0} | choices


def compress(path, settings):
    """Compress to the end; give the run."""
    run = Run.create(path, "compress", to_json(from_json(CompressSettings, settings)))
    for _ in execute(run):
        pass
    return run


def events(path, verb, settings, steps):
    """Do the first steps of a run; give its events."""
    run = Run.create(path, verb, settings)
    with closing(execute(run)) as under_way:
        for _ in range(steps):
            next(under_way)
    return run.events()


# Whole compressions

FIELDS = {
    "dense",
    "slim",
    "requested_ratio",
    "ratio",
    "widths",
    "seconds",
    "scores",
    "teacher_scores",
    "onnx",
    "seed",
    "versions",
}
COSTS = {"parameters", "macs", "macs_as_published", "bytes"}
WHOLE = {
    "paired": {"data": "paired", "teacher": False, "budget": "params", "ema": 0.9, "seed": 7, "onnx": True},
    "unpaired": {"hypernetwork": "paper", "embedding": 2, "direction": "BtoA"},
    "single": {"data": "single", "model": "large", "multiple_of": 8},
}


@pytest.fixture(scope="module")
def compressed(stage, tmp_path_factory):
    """Give the settings and the finished run of a case; each is compressed once."""
    done = {}

    def of(case):
        if case not in done:
            settings = settings_for(stage, **WHOLE[case])
            done[case] = settings, compress(tmp_path_factory.mktemp(case) / "run", settings)
        return done[case]

    return of


def test_the_onnx_file_is_checked_and_left_out_where_it_is_not_wanted(compressed):
    (_, exported), (_, plain) = compressed("paired"), compressed("unpaired")
    found = json.loads((exported.path / "report.json").read_text(encoding="utf-8"))["onnx"]
    assert found.keys() >= {"path", "sha256", "max_abs_difference"}
    assert found["path"] == "slim.onnx"
    assert (exported.path / "slim.onnx").stat().st_size == found["bytes"]
    assert found["max_abs_difference"] < 1e-3
    assert json.loads((plain.path / "report.json").read_text(encoding="utf-8"))["onnx"] is None
    assert not (plain.path / "slim.onnx").exists()


@pytest.mark.parametrize("case", WHOLE)
def test_a_compression_leaves_a_smaller_model_and_its_report(case, compressed):
    settings, run = compressed(case)
    report = json.loads((run.path / "report.json").read_text(encoding="utf-8"))
    assert {*report} >= FIELDS
    for net in ("dense", "slim"):
        assert report[net].keys() == COSTS
    assert report["seconds"].keys() >= {"search", "finetune", "total"}
    assert report["seconds"]["total"] >= report["seconds"]["search"] + report["seconds"]["finetune"] > 0
    assert len(report["players"]) == (0 if settings["data"].endswith("/single") else 1)
    assert report["seed"] == settings.get("seed", 0)
    slim = load(run.path / "slim.safetensors")
    dense = load(settings["model"])
    assert dict(slim.config.widths) == report["widths"]
    assert slim.lineage["parent"]["sha256"] == dense.lineage["sha256"]
    kept = slim.lineage["kept"]
    assert {group: len(indices) for group, indices in kept.items()} == report["widths"]
    assert all(max(indices) < dense.config.widths[group] for group, indices in kept.items())
    assert report["slim"]["parameters"] < report["dense"]["parameters"]
    key = "parameters" if settings.get("budget") == "params" else "macs"
    assert report["ratio"] == report["dense"][key] / report["slim"][key] >= 2.0
    assert report["requested_ratio"] == 2.0
    multiple = settings.get("multiple_of", 1)
    assert all(width % multiple == 0 for width in report["widths"].values())
    assert ("to_truth" in report["scores"]) == (settings["data"].endswith("/paired"))
    for name in ("scores", "teacher_scores"):
        assert report[name]["distribution"].keys() == {"note"}  # these worlds have two test images
    assert not run.has_state()
    assert run.status() == "done"
    assert run.previews().keys() == {run.events()[-1]["total"]}


@pytest.mark.slow
@pytest.mark.parametrize("data", ["paired", "unpaired", "single"])
@pytest.mark.parametrize("form", ["factored", "paper"])
@pytest.mark.parametrize("budget", ["macs", "params"])
@pytest.mark.parametrize("multiple_of", [1, 8])
def test_every_combination_compresses(data, form, budget, multiple_of, stage, tmp_path):
    teacher = data == "single" or form == "factored"
    choices = {"hypernetwork": form, "budget": budget, "multiple_of": multiple_of, "teacher": teacher}
    model = "unet" if data == "paired" else "large"
    report = compress(tmp_path / "run", settings_for(stage, data, model, **choices)).report()
    assert 2.0 <= report["ratio"] <= (2.01 if multiple_of == 1 else 2.2)


def test_slim_translates_like_the_last_preview(compressed):
    """What is saved is what was shown: the file computes the picture of the last step."""
    _, run = compressed("single")
    slim = build_generator(load(run.path / "slim.safetensors"))
    data = open_compression(from_json(CompressSettings, run.settings)).data
    with torch.no_grad():
        output = slim(next(data.test.items()).source)
    shown = Image.open(next(iter(run.previews().values())))
    shown = to_tensor(shown.crop((2 * (SIDE + 4), 0, 3 * SIDE + 8, SIDE)))  # after the source and the dense net
    assert (shown - output[0]).abs().max() <= 1.01 / 127.5


def test_minutes_fix_both_lengths(stage, tmp_path):
    settings = settings_for(stage, "single", minutes=0.05, search_steps=None, finetune_steps=None)
    steps = events(tmp_path / "run", "compress", settings, 1)
    lengths = json.loads((tmp_path / "run" / "lengths.json").read_text(encoding="utf-8"))
    assert lengths["search"] > 1
    assert lengths["finetune"] > 1
    assert (lengths["search"], lengths["finetune"]) != PRESETS["quick"]
    assert lengths[SETTLED] is False  # the last phase settles while it runs
    assert steps[0]["total"] == lengths["search"] + lengths["finetune"]


@pytest.mark.parametrize(("preset", "search", "finetune"), [("standard", 1500, 3000), ("full", 10_000, 20_000)])
def test_a_preset_fixes_both_lengths(preset, search, finetune, stage, tmp_path):
    settings = settings_for(stage, "single", preset=preset, search_steps=None, finetune_steps=None)
    first = events(tmp_path / "run", "compress", settings, 1)[0]
    assert (first["steps"], first["total"]) == (search, search + finetune)


def test_the_share_of_the_search_divides_the_minutes(stage, tmp_path):
    choices = {"minutes": 0.05, "search_steps": None, "finetune_steps": None}
    found = []
    for share in (0.0, 1.0):
        settings = settings_for(stage, "single", search_share=share, **choices)
        first = events(tmp_path / str(share), "compress", settings, 1)[0]
        found.append(first["steps"] / first["total"])
    assert found[0] < 0.1
    assert found[1] > 0.9


# Companions


def published_discriminator(path, channels, norm, seed):
    network = PatchDiscriminator(DiscriminatorConfig(ndf=4, norm=norm, input_channels=channels))
    initialise(network, torch.Generator().manual_seed(seed))
    write_published(path, network.state_dict(), patchgan.published_keys(network.config))


@pytest.fixture(scope="module")
def cyclegan(tmp_path_factory):
    """Give a folder as pytorch-CycleGAN-and-pix2pix leaves it: G_A, G_B, D_A, D_B."""
    folder = tmp_path_factory.mktemp("horse2zebra")
    for seed, side in enumerate("AB"):
        keys = resnet.published_keys(CONFIGS["resnet"], dropout_slot=False)
        write_published(folder / f"latest_net_G_{side}.pth", random_weights(CONFIGS["resnet"], seed), keys)
        published_discriminator(folder / f"latest_net_D_{side}.pth", 3, "instance", 10 + seed)
    (folder / "train_opt.txt").write_text(f"crop_size: {SIDE}\n", encoding="utf-8")
    return folder


def game(settings):
    choices = from_json(CompressSettings, settings)
    opened = open_compression(choices)
    dense = build_generator(opened.checkpoint)
    return opened.checkpoint, compression_game(choices, opened.data, opened.model, dense, torch.device("cpu"))


def published_weights(path):
    return {tuple(tensor.flatten()[:5].tolist()) for tensor in torch.load(path, weights_only=True).values()}


def weights_of(network):
    return {tuple(tensor.flatten()[:5].tolist()) for tensor in network.state_dict().values()}


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize("named", ["file", "folder"])
def test_the_companions_of_a_cyclegan_play_on(named, direction, stage, cyclegan):
    ahead, back = ("A", "B") if direction == "AtoB" else ("B", "A")
    model = cyclegan / f"latest_net_G_{ahead}.pth" if named == "file" else cyclegan
    settings = settings_for(stage, teacher=False, direction=direction) | {"model": str(model)}
    checkpoint, found = game(settings)
    assert found.fresh == frozenset()
    expected = {
        "backward": f"G_{back}",
        "discriminator": f"D_{ahead}",
        "discriminator_backward": f"D_{back}",
    }
    assert {tuple(tensor.flatten()[:5].tolist()) for tensor in checkpoint.weights.values()} == published_weights(
        cyclegan / f"latest_net_G_{ahead}.pth"
    )
    for player, name in expected.items():
        assert weights_of(found.objective.networks[player]) == published_weights(cyclegan / f"latest_net_{name}.pth")
        assert found.objective.networks[player].training


def test_a_run_with_companions_needs_no_warm_up(stage, cyclegan, tmp_path):
    settings = settings_for(stage) | {"model": str(cyclegan / "latest_net_G_A.pth")}
    assert events(tmp_path / "with", "compress", settings, 1)[0]["phase"] == "search"
    assert events(tmp_path / "without", "compress", settings_for(stage), 1)[0]["phase"] == "warmup"


def test_the_discriminator_of_a_pix2pix_plays_on(stage, tmp_path):
    write_published(
        tmp_path / "latest_net_G.pth", random_weights(CONFIGS["unet"], 0), unet.published_keys(CONFIGS["unet"])
    )
    published_discriminator(tmp_path / "latest_net_D.pth", 6, "batch", 3)
    settings = settings_for(stage, "paired") | {"model": str(tmp_path / "latest_net_G.pth")}
    _, found = game(settings)
    assert found.fresh == frozenset()
    assert weights_of(found.objective.networks["discriminator"]) == published_weights(tmp_path / "latest_net_D.pth")


def test_a_discriminator_that_judges_something_else_is_left_out(stage, cyclegan):
    """One of single images cannot judge pairs."""
    settings = settings_for(stage, "paired") | {"model": str(cyclegan / "latest_net_G_A.pth")}
    _, found = game(settings)
    assert found.fresh == {"discriminator"}
    assert found.objective.networks["discriminator"].config.input_channels == 6
    assert found.notes == ("Fresh discriminator: latest_net_D_A.pth judges 3 channels, and 6 are needed.",)


@pytest.mark.parametrize(("data", "teacher", "gan", "players"), [
    ("paired", True, 1.0, {"discriminator"}),
    ("paired", False, 0.0, set()),
    ("unpaired", True, 1.0, {"discriminator"}),
    ("unpaired", True, 0.0, set()),
    ("unpaired", False, 1.0, {"discriminator", "backward", "discriminator_backward"}),
    ("single", True, 1.0, set()),
])  # fmt: skip
def test_only_the_players_needed_take_part(data, teacher, gan, players, stage):
    _, found = game(settings_for(stage, data, teacher=teacher, lambda_gan=gan))
    assert found.objective.networks.keys() == players
    assert found.fresh == players
    assert (found.objective.teacher is not None) == teacher


@pytest.mark.parametrize(("teacher", "weight"), [(True, 0.2), (False, 2.0)])
def test_beside_a_teacher_the_discriminator_counts_a_tenth(teacher, weight, stage):
    _, found = game(settings_for(stage, "paired", teacher=teacher, lambda_gan=2.0))
    assert found.objective.weights.gan == pytest.approx(weight)


# Training from scratch


@pytest.mark.parametrize(("kind", "data"), [("pix2pix", "paired"), ("cycle_gan", "unpaired")])
@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_a_trained_model_is_compressed_with_its_own_players(kind, data, direction, stage, tmp_path):
    settings = TRAINING | {"kind": kind, "data": str(stage / data), "direction": direction}
    run = Run.create(tmp_path / "run", "train", settings)
    assert [step.phase for step in execute(run)] == ["train"] * 3
    report = run.report()
    assert report.keys() >= {"architecture", "parameters", "macs", "steps", "seconds", "scores", "seed", "versions"}
    assert report["architecture"] == ("unet" if kind == "pix2pix" else "resnet")
    assert "There are 2 real images" in report["scores"]["distribution"]["note"]
    assert not run.has_state()
    assert run.status() == "done"
    checkpoint, found = game(
        settings_for(stage, data, teacher=False, direction=direction) | {"model": str(tmp_path / "run")}
    )
    assert checkpoint.lineage["trained"] == kind
    assert found.fresh == frozenset()
    if kind == "cycle_gan":
        assert (
            load(tmp_path / "run", direction="AtoB" if direction == "BtoA" else "BtoA").lineage["trained"] == "backward"
        )


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_a_training_goes_on_from_another(direction, stage, tmp_path):
    """With learning rates next to zero the second leaves every network as the first one left it, at another size."""
    settings = TRAINING | {"kind": "cycle_gan", "data": str(stage / "unpaired"), "direction": direction}
    assert len(list(execute(Run.create(tmp_path / "first", "train", settings)))) == 3
    again = settings | {"start": str(tmp_path / "first"), "ngf": 8, "learning_rate": 1e-7, "image_size": 2 * SIDE}
    run = Run.create(tmp_path / "second", "train", again)
    assert len(list(execute(run))) == 3
    names = sorted(path.name for path in (tmp_path / "first").glob("*.safetensors"))
    assert len(names) == 4
    for name in names:
        if name.startswith("D"):
            (_, before), (config, after) = (load_discriminator(tmp_path / each / name) for each in ("first", "second"))
            assert config.ndf == settings["ndf"]
        else:
            before = load(tmp_path / "first" / name).weights
            checkpoint = load(tmp_path / "second" / name)
            after = checkpoint.weights
            assert checkpoint.config.image_size == 2 * SIDE
        assert all(torch.allclose(before[key], after[key], atol=1e-5) for key in before)
    name = "generator.safetensors" if direction == "AtoB" else "generator_B.safetensors"
    assert load(tmp_path / "second" / name).lineage["parent"]["source"] == name


@pytest.mark.parametrize(
    ("choices", "complaint"),
    [
        ({"start": "nowhere"}, "There is no model 'nowhere'"),
        ({"start": "{stage}/unet.safetensors", "image_size": 36}, "must be a multiple of"),
        ({"kind": "cycle_gan"}, "holds paired images, but cycle_gan learns from unpaired ones"),
        ({"image_size": 48}, "needs 32, 64, 128, 256 or 512"),
        ({"data": ""}, "No data folder"),
    ],
)
def test_a_training_that_cannot_work_is_refused(choices, complaint, stage, tmp_path):
    settings = TRAINING | {"kind": "pix2pix", "data": str(stage / "paired")} | choices
    settings["start"] = settings.get("start", "").format(stage=stage)
    with pytest.raises(CoronetError, match=complaint):
        events(tmp_path / "run", "train", settings, 1)


# What cannot work is said before the first step


def one_sentence(error):
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith((".", ")"))
    return message


@pytest.mark.parametrize(
    ("choices", "kind", "complaint"),
    [
        ({"data": "/nowhere/at/all"}, DataError, "nowhere"),
        ({"data": ""}, DataError, "No data folder"),
        ({"model": "/nowhere/model.pth"}, CheckpointError, "There is no model"),
        ({"ratio": 50.0}, BudgetError, "largest possible ratio"),
        ({"image_size": 40, "model": "unet"}, CheckpointError, "multiples of 32"),
        ({"data": "single", "teacher": False}, DataError, "teacher"),
        ({"data": "single", "lambda_distill": 0.0, "lambda_feature": 0.0}, SettingsError, "nothing to learn"),
        ({"teacher": False, "lambda_gan": 0.0, "lambda_A": 0.0}, SettingsError, "nothing to learn"),
        ({"method": "narrow", "lambda_distill": 0.0, "lambda_gan": 0.0}, SettingsError, "nothing to learn"),
        ({"load_size": 32, "image_size": 36}, SettingsError, "load_size"),
        ({"batch_size": 0}, SettingsError, "batch_size"),
        ({"unknown": 1}, SettingsError, "There is no setting 'unknown'"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(choices, kind, complaint, stage, tmp_path):
    settings = settings_for(stage)
    for name, value in choices.items():
        beside = {"data": stage / str(value), "model": stage / f"{value}.safetensors"}.get(name)
        settings[name] = str(beside) if beside and value and beside.exists() else value
    with pytest.raises(kind, match=complaint) as error:
        events(tmp_path / "run", "compress", settings, 1)
    one_sentence(error)


@pytest.mark.parametrize("small", ["test", "train"])
def test_images_too_small_to_train_on_are_said_in_one_sentence(small, stage, tmp_path):
    """Without a crop they are read as they are."""
    for folder in ("train", "test"):
        (tmp_path / folder).mkdir()
        for number in range(2):
            side = 16 if folder == small else 32
            Image.new("RGB", (2 * side, side), (number, 9, 9)).save(tmp_path / folder / f"{number}.png")
    settings = settings_for(stage) | {"data": str(tmp_path), "preprocess": "none"}
    with pytest.raises(DataError, match="read as 16 x 16 pixels, but training needs 32") as error:
        events(tmp_path / "run", "compress", settings, 3)
    one_sentence(error)


def test_a_full_or_broken_folder_is_said_in_one_sentence(stage, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="a file stands where a folder is needed") as error:
        Run.create(tmp_path / "file" / "run", "compress", settings_for(stage))
    one_sentence(error)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_said_in_one_sentence(stage, tmp_path):
    path = tmp_path / "run"
    Run.create(path, "compress", settings_for(stage))
    path.chmod(0o500)
    with pytest.raises(RunError, match="permission was denied") as error, closing(execute(Run.open(path))) as steps:
        next(steps)
    one_sentence(error)
    path.chmod(0o700)


def test_a_folder_that_vanishes_under_way_is_said_in_one_sentence(stage, tmp_path):
    run = Run.create(tmp_path / "run", "compress", settings_for(stage, "single", save_seconds=0.0))
    steps = execute(run)
    next(steps)
    for path in run.path.iterdir():
        path.unlink()
    run.path.rmdir()
    with pytest.raises(RunError, match="folder does not exist") as error:
        next(steps)
    one_sentence(error)


def test_an_unknown_verb_is_said_in_one_sentence(tmp_path):
    run = Run.create(tmp_path / "run", "dance", {})
    with pytest.raises(RunError, match="unknown verb 'dance'") as error:
        next(execute(run))
    one_sentence(error)


@pytest.mark.parametrize(("data", "choices"), [("unpaired", {}), ("single", {}), ("paired", {"lambda_L1": 0.0})])
def test_a_search_may_imitate_features_alone(stage, tmp_path, data, choices):
    """They come from layers before the last ones, whose latents then have no gradient."""
    run = compress(tmp_path / "run", settings_for(stage, data, "resnet", lambda_distill=0.0, **choices))
    assert run.report()["ratio"] == pytest.approx(2.0, rel=0.2)


def test_a_run_that_was_finished_a_moment_ago_is_not_done_again(stage, tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run", "compress", settings_for(stage))
    lock = Run.lock

    @contextmanager
    def after_another(run):
        run.write_report({"ratio": 2.0})
        with lock(run):
            yield

    monkeypatch.setattr(Run, "lock", after_another)
    assert list(execute(run)) == []
    assert run.report() == {"ratio": 2.0}


def test_a_run_that_diverges_keeps_its_last_state(stage, tmp_path):
    settings = settings_for(stage, "single", learning_rate=0.1, search_learning_rate=0.1, save_seconds=0.0)
    run = Run.create(tmp_path / "run", "compress", settings)
    with closing(execute(run)) as steps:
        next(steps)
        next(steps)
    state = run.load_state()
    latents = state["training"]["task"]["hypernetwork"]["latents"]
    for latent in latents.values():
        latent.fill_(float("nan"))
    run.save_state(state)
    before = (run.path / "state.pt").read_bytes()
    with pytest.raises(RunError, match=r"Training diverged: the loss '\w+' is nan at step 3 of search"):
        next(execute(run))
    assert (run.path / "state.pt").read_bytes() == before


# Options arrive

STEPS = 4
# setting: (another value, where it must show: "losses" of some step, or a function of the events of both runs)
ARRIVING = {
    "seed": 5,
    "batch_size": 2,
    "learning_rate": 2e-3,
    "gan_mode": "vanilla",
    "lambda_gan": 2.0,
    "lambda_distill": 5.0,
    "lambda_feature": 3.0,
    "search_learning_rate": 5e-3,
    "latent_rate": 0.2,
    "floor": 1.0,
    "hypernetwork": "paper",
    "no_flip": True,
    "load_size": 60,
    "preprocess": "resize",
    "max_dataset_size": 2,
    "direction": "BtoA",
    "ndf": 6,
    "warmup_steps": 2,
    "teacher": False,
    "ratio": 2.5,
    "budget": "params",
    "multiple_of": 4,
}
ARRIVING_ALONE = {"lambda_A": 3.0, "lambda_identity": 0.1, "pool_size": 1, "soften": 1.0, "soften_judges": 1.0}
ARRIVING_PAIRED = {"lambda_L1": 3.0}
ARRIVING_CUT = {"importance": "consumer_norm", "importance_images": 1}


def seen(stage, path, data="unpaired", **choices):
    """Give what a run shows of its steps."""
    settings = settings_for(stage, data, warmup_steps=1, save_seconds=1000.0) | choices
    shown = events(path, "compress", settings, SHORT["search_steps"] + SHORT["finetune_steps"] + 1)
    return [{name: value for name, value in event.items() if name != "seconds"} for event in shown]


@pytest.fixture(scope="module")
def usual(stage, tmp_path_factory):
    known = {}

    def events_of(**choices):
        key = json.dumps(choices)
        if key not in known:
            known[key] = seen(stage, tmp_path_factory.mktemp("usual") / "run", **choices)
        return known[key]

    return events_of


@pytest.mark.parametrize("name", ARRIVING)
def test_a_setting_changes_what_is_computed(name, stage, usual, tmp_path):
    assert ARRIVING[name] != getattr(CompressSettings(), name)
    assert seen(stage, tmp_path / "run", **{name: ARRIVING[name]}) != usual()


@pytest.mark.parametrize("name", ARRIVING_ALONE)
def test_a_setting_of_cyclegan_changes_what_is_computed(name, stage, usual, tmp_path):
    changed = seen(stage, tmp_path / "run", teacher=False, batch_size=2, **{name: ARRIVING_ALONE[name]})
    assert changed != usual(teacher=False, batch_size=2)


@pytest.mark.parametrize("name", ARRIVING_PAIRED)
def test_a_setting_of_pix2pix_changes_what_is_computed(name, stage, usual, tmp_path):
    changed = seen(stage, tmp_path / "run", "paired", **{name: ARRIVING_PAIRED[name]})
    assert changed != usual(data="paired")


@pytest.mark.parametrize("name", ARRIVING_CUT)
def test_a_setting_of_the_one_shot_cut_changes_what_is_computed(name, stage, usual, tmp_path):
    changed = seen(stage, tmp_path / "run", method="taylor", **{name: ARRIVING_CUT[name]})
    assert changed != usual(method="taylor")


def test_the_embedding_changes_the_papers_hypernetwork(stage, usual, tmp_path):
    changed = seen(stage, tmp_path / "run", hypernetwork="paper", embedding=2)
    assert changed != usual(hypernetwork="paper")


def test_equal_settings_show_equal_steps(stage, usual, tmp_path):
    assert seen(stage, tmp_path / "run") == usual()


def test_weights_scale_their_terms(stage, usual, tmp_path):
    """The first losses of a phase, when nothing has moved that the weights would have moved otherwise.

    The search imitates only, so that a heavier discriminator tells in the first step of fine-tuning.
    """
    cases = {"search": {"lambda_distill": "imitation", "lambda_feature": "features"}}
    cases |= {"finetune": {"lambda_gan": "adversarial"}}
    for phase, names in cases.items():
        twice = {setting: 2 * getattr(CompressSettings(), setting) for setting in names}
        doubled = seen(stage, tmp_path / phase, **twice)
        first, losses = (
            next(event["losses"] for event in run if event["phase"] == phase) for run in (usual(), doubled)
        )
        for name in names.values():
            assert losses[name] == pytest.approx(2 * first[name], rel=1e-5, abs=0)


def test_lengths_are_those_asked_for(usual):
    phases = [event["phase"] for event in usual()]
    assert phases == ["warmup"] + ["search"] * SHORT["search_steps"] + ["finetune"] * SHORT["finetune_steps"]
    assert [event["done"] for event in usual()] == list(range(1, len(phases) + 1))
    assert {event["total"] for event in usual()} == {len(phases)}


def test_rates_belong_to_their_phase(stage, tmp_path):
    shown = seen(stage, tmp_path / "run", learning_rate=0.02, search_learning_rate=0.04)
    rates = {
        phase: [event["learning_rate"] for event in shown if event["phase"] == phase]
        for phase in ("warmup", "search", "finetune")
    }
    assert rates["warmup"] == pytest.approx([0.001])
    assert rates["search"] == pytest.approx([0.002, 0.004, 0.006, 0.008])
    assert rates["finetune"][0] == pytest.approx(0.001)


def test_the_smaller_the_net_the_higher_its_rate(stage, tmp_path):
    """Warm-up and fine-tuning learn at one rate: 5e-4 times the root of the ratio, where none is asked for."""
    for ratio, root in ((1.44, 1.2), (2.25, 1.5)):
        shown = seen(stage, tmp_path / str(ratio), ratio=ratio)
        rates = {event["phase"]: event["learning_rate"] for event in reversed(shown)}
        assert rates["finetune"] == rates["warmup"] == pytest.approx(5e-4 * root / RISE)


def test_without_a_teacher_all_learn_at_the_published_rate(stage, tmp_path):
    for teacher, first in ((True, 1e-3 / RISE), (False, 2e-4 / RISE)):
        shown = seen(stage, tmp_path / str(teacher), teacher=teacher)
        rates = {event["phase"]: event["learning_rate"] for event in reversed(shown)}
        assert rates["search"] == pytest.approx(first)
        assert (rates["finetune"] == pytest.approx(2e-4 / RISE)) is not teacher


def test_previews_come_as_often_as_asked(stage, tmp_path):
    run = Run.create(tmp_path / "run", "compress", settings_for(stage, "single", preview_steps=2))
    with closing(execute(run)) as steps:
        for _ in range(5):
            next(steps)
    assert [*run.previews()] == [2, 4]


def test_states_are_saved_as_often_as_asked(stage, tmp_path):
    saved = {}
    for seconds in (0.0, 3600.0):
        run = Run.create(tmp_path / str(seconds), "compress", settings_for(stage, "single", save_seconds=seconds))
        steps = execute(run)
        next(steps)
        next(steps)
        saved[seconds] = run.has_state()
        steps.close()
        assert run.load_state()["done"] == 2
    assert saved == {0.0: True, 3600.0: False}


def test_threads_are_those_asked_for(stage):
    open_compression(from_json(CompressSettings, settings_for(stage, "single", threads=3)))
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("verb", ["compress", "train"])
def test_mixed_precision_is_used_where_it_is_wanted_and_the_processor_has_it(verb, stage, tmp_path, monkeypatch):
    settings = (
        settings_for(stage) if verb == "compress" else TRAINING | {"data": str(stage / "unpaired"), "kind": "cycle_gan"}
    )
    losses, said = {}, {}
    for has, wanted in product([True, False], repeat=2):
        monkeypatch.setattr("coronet.recipes.machine.has_bfloat16", lambda device, has=has: has)
        run = Run.create(tmp_path / f"{has}-{wanted}", verb, settings | {"mixed_precision": wanted})
        with closing(execute(run)) as steps:
            losses[has, wanted] = [step.losses for step in steps]
        said[has, wanted] = run.report()["mixed_precision"]
    assert said == {choice: all(choice) for choice in said}
    assert losses[True, False] == losses[False, True] == losses[False, False] != losses[True, True]


def test_averaging_changes_what_is_kept_and_not_what_is_learned(stage, tmp_path):
    states = {}
    for ema in (0.0, 0.9):
        run = Run.create(tmp_path / str(ema), "compress", settings_for(stage, "single", ema=ema))
        with closing(execute(run)) as steps:
            for step in steps:
                if step.done == step.total:
                    break
        states[ema] = run.load_state()["training"]["task"]
    assert differences(states[0.0]["generator"], states[0.9]["generator"]) == []
    assert states[0.0]["averaged"] == {}
    assert differences(states[0.9]["averaged"], states[0.9]["generator"]) != []


TRAINING_ARRIVING = {
    "seed": 5,
    "batch_size": 2,
    "learning_rate": 2e-3,
    "gan_mode": "hinge",
    "lambda_A": 3.0,
    "lambda_identity": 0.1,
    "lambda_gan": 2.0,
    "netG": "mobile_resnet",
    "ngf": 6,
    "blocks": 2,
    "norm": "batch",
    "upsample": "resize",
    "discriminator_rate": 0.5,
    "direction": "BtoA",
    "ndf": 6,
    "soften": 1.0,
    "soften_judges": 1.0,
}


@pytest.mark.parametrize("name", TRAINING_ARRIVING)
def test_a_setting_changes_what_is_trained(name, stage, tmp_path):
    settings = TRAINING | {"kind": "cycle_gan", "data": str(stage / "unpaired")}
    assert TRAINING_ARRIVING[name] != getattr(TrainSettings(), name)
    plain, changed = (
        [event["losses"] for event in events(tmp_path / str(number), "train", settings | choice, 3)]
        for number, choice in enumerate(({}, {name: TRAINING_ARRIVING[name]}))
    )
    assert plain != changed


def test_dropout_can_be_switched_off(stage, tmp_path):
    losses = []
    for no_dropout in (False, True):
        settings = TRAINING | {"kind": "pix2pix", "data": str(stage / "paired"), "no_dropout": no_dropout}
        settings |= {"image_size": 64}  # the smallest U-Net with dropout
        losses.append([event["losses"] for event in events(tmp_path / str(no_dropout), "train", settings, 2)])
    assert losses[0] != losses[1]


def test_a_unet_may_halve_less_often():
    assert generator_config(TrainSettings(image_size=128)).levels == 7
    assert generator_config(TrainSettings(image_size=128, levels=5)).levels == 5
    with pytest.raises(SettingsError, match="'levels' is 7, but 64 pixels can be halved 6 times"):
        generator_config(TrainSettings(image_size=64, levels=7))


def test_every_setting_is_covered_here():
    """A new setting needs a line above that shows that it arrives."""
    elsewhere = {
        "data", "model", "image_size", "method", "preset", "search_steps", "finetune_steps", "minutes", "counted",
        "search_share", "threads", "mixed_precision", "save_seconds", "preview_steps", "ema", "embedding",
        "vgg", "deep_teacher", "onnx",
    }  # fmt: skip
    assert {*to_json(CompressSettings())} == {*ARRIVING, *ARRIVING_ALONE, *ARRIVING_PAIRED, *ARRIVING_CUT} | elsewhere
