"""Every method ends with a slim net at the ratio asked for; each does what defines it."""

import json
from dataclasses import replace
from typing import get_args

import pytest
import torch

from coronet.channels import keep_all, kept_widths
from coronet.checkpoints import build_generator, load
from coronet.cost import CostModel
from coronet.errors import BudgetError, DataError, SettingsError
from coronet.importance import consumer_norm, per_cost, producer_norm, taylor, within_group
from coronet.methods import METHODS, students
from coronet.networks import resnet_config, unet_config
from coronet.randomness import seeded
from coronet.recipes.execute import execute
from coronet.recipes.lengths import LENGTHS, SETTLED
from coronet.recipes.opening import calibration_images
from coronet.recipes.pace import PRESETS
from coronet.recipes.preparing import open_compression
from coronet.recipes.settings import CompressSettings, MethodName
from coronet.runs import Run
from coronet.search import SearchPlan
from coronet.settings import from_json, to_json
from coronet.slimming import choose
from coronet.tasks import GeneratorTask
from coronet.training import RISE, fit
from tests.games import RESNET, compression_job, net
from tests.nets import TINY, random_net
from tests.worlds import SIDE, make_model, make_world

SHORT = {"image_size": SIDE, "ndf": 4, "threads": 1, "search_steps": 4, "finetune_steps": 2, "warmup_steps": 1}
SHORT |= {"onnx": False}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    make_world("paired", folder / "paired")
    make_world("unpaired", folder / "unpaired")
    make_world("single", folder / "single")
    make_model("unet", folder / "unet.safetensors")
    make_model("resnet", folder / "resnet.safetensors")
    return folder


def compress(stage, path, data, **choices):
    model = "unet" if data == "paired" else "resnet"
    settings = SHORT | {"model": str(stage / f"{model}.safetensors"), "data": str(stage / data), "ratio": 3.0} | choices
    run = Run.create(path, "compress", to_json(from_json(CompressSettings, settings)))
    for _ in execute(run):
        pass
    return run


def test_settings_offer_every_method():
    assert set(get_args(MethodName)) == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_meets_the_ratio(method, stage, tmp_path, monkeypatch):
    measured = []
    monkeypatch.setattr("coronet.recipes.preparing.taylor", lambda *given: measured.append(1) or taylor(*given))
    is_exported = method in ("coronet", "gan_compression")  # the dense net's kind, and a student of another
    report = compress(stage, tmp_path / "run", "paired", method=method, onnx=is_exported).report()
    assert report["method"] == method
    assert 3.0 <= report["ratio"] < 3.3
    assert report["dense"]["macs"] / report["slim"]["macs"] == pytest.approx(report["ratio"])
    assert not is_exported or report["onnx"]["max_abs_difference"] < 1e-3
    assert bool(measured) == METHODS[method].measures  # as its time is estimated


def test_what_only_a_discriminator_teaches_is_judged_in_every_step(stage, tmp_path):
    choices = {"lambda_distill": 0.0, "lambda_feature": 0.0, "finetune_steps": 5}
    run = compress(stage, tmp_path / "run", "unpaired", **choices)
    taught = [event["losses"].keys() for event in run.events() if event["phase"] != "warmup"]
    assert len(taught) == 9
    assert all(losses == {"adversarial", "discriminator"} for losses in taught)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_minutes(method, stage, tmp_path):
    run = Run.create(
        tmp_path / "run",
        "compress",
        to_json(
            from_json(
                CompressSettings,
                SHORT
                | {"model": str(stage / "resnet.safetensors"), "data": str(stage / "unpaired"), "method": method}
                | {"search_steps": None, "finetune_steps": None, "minutes": 1.0},
            )
        ),
    )
    steps = execute(run)
    step = next(steps)
    steps.close()
    lengths = json.loads((run.path / LENGTHS).read_text(encoding="utf-8"))
    found = (lengths["search"], lengths["finetune"])
    preset = PRESETS["quick"] if METHODS[method].searches else (0, sum(PRESETS["quick"]))
    assert found != preset
    assert lengths[SETTLED] is False  # the last phase settles while it runs
    assert step.total == sum(found) + (step.phase == "warmup") > 20


@pytest.mark.parametrize("method", ["taylor", "magnitude", "magnitude_uniform", "narrow", "omgd"])
def test_a_method_without_a_search_gets_the_steps_of_one_that_searches(method, stage, tmp_path):
    run = compress(stage, tmp_path / "run", "paired", method=method)
    assert [event["phase"] for event in run.events()] == ["warmup"] + ["finetune"] * 6


@pytest.mark.parametrize("teacher", [True, False])
def test_discriminators_learn_at_their_published_rate_in_every_phase(teacher):
    """However fast the student learns: their first step has the size of theirs, as Adam's first steps do."""
    job = replace(compression_job(RESNET, "unpaired", teacher=teacher), learning_rate=8e-3)
    task = GeneratorTask(net(RESNET, 9), job.objective, kept=keep_all(RESNET.widths))
    for rate in (job.learning_rate, job.search_learning_rate):
        training = job.training(task, "test", 40, rate)
        before = {name: tensor.detach().clone() for name, tensor in task.parameters()["discriminator"].items()}
        next(fit(training, job.batch_at))
        after = task.parameters()["discriminator"]
        moved = [(after[name].detach() - tensor).abs().max() for name, tensor in before.items()]
        assert float(max(moved)) == pytest.approx(2e-4 / RISE, rel=0.01)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TINY)
def test_a_ratio_that_no_width_meets_is_refused(name, method):
    """One channel of every group costs more."""
    with pytest.raises(BudgetError, match="The largest possible ratio is") as error:
        METHODS[method].student(TINY[name], SearchPlan(ratio=1e5))
    assert "A ratio of 100000 cannot be met" in str(error.value)


@pytest.mark.parametrize("budget", ["macs", "params"])
@pytest.mark.parametrize("ratio", [1.5, 2.0, 4.0, 8.0, 16.0])
@pytest.mark.parametrize("config", [resnet_config(ngf=64), unet_config(ngf=64)], ids=["resnet", "unet"])
@pytest.mark.parametrize("student", [students.narrow, students.mobile])
def test_students_meet_the_ratio_of_the_dense_net(student, config, ratio, budget):
    slim = student(config, SearchPlan(ratio=ratio, budget=budget))
    reached = CostModel(config, None, budget).total / CostModel(slim, None, budget).total
    assert ratio * (1 - 1e-9) <= reached <= ratio * 1.006


def test_only_resnets_have_mobile_students():
    found = {name: students.mobile(config, SearchPlan(ratio=3.0)).architecture for name, config in TINY.items()}
    assert {name for name, architecture in found.items() if architecture == "unet"} == {
        name for name in TINY if name.startswith("unet")
    }
    assert {*found.values()} == {"unet", "mobile_resnet"}


@pytest.mark.parametrize("method", ["gan_compression", "omgd"])
def test_a_method_that_lives_by_its_teacher_gets_one(method, stage, tmp_path):
    with pytest.raises(SettingsError, match=r"'teacher' is off, but .* learns from the dense net"):
        compress(stage, tmp_path / "run", "unpaired", method=method, teacher=False)


def test_a_teacher_that_learns_needs_both_sides(stage, tmp_path):
    with pytest.raises(DataError, match="the teacher of OMGD without VGG, re-implemented goes on learning"):
        compress(stage, tmp_path / "run", "single", method="omgd")


def test_one_shot_keeps_the_dense_nets_weights(stage, tmp_path):
    run = compress(stage, tmp_path / "run", "unpaired", method="magnitude", search_steps=0, finetune_steps=0)
    dense, slim = load(stage / "resnet.safetensors"), load(run.path / "slim.safetensors")
    kept = choose(
        producer_norm(build_generator(dense)),
        CostModel(dense.config),
        3.0,
        floor=SearchPlan(3.0).floors(dense.config),
    )
    name = next(iter(dense.weights))  # RGB to the stem
    torch.testing.assert_close(slim.weights[name], dense.weights[name][kept["stem"]])


def test_a_floor_that_is_asked_for_holds_for_other_methods(stage, tmp_path):
    config = load(stage / "resnet.safetensors").config
    even = SearchPlan(3.0, floor=1.0).floors(config)
    below = {}
    for name, floor in (("usual", None), ("even", 1.0)):
        run = compress(stage, tmp_path / name, "unpaired", method="taylor", floor=floor, finetune_steps=0)
        widths = run.report()["widths"]
        below[name] = [group for group, least in even.items() if widths[group] < least]
    assert below["even"] == []
    assert below["usual"] != []


def test_uniform_pruning_cuts_every_group_alike(stage, tmp_path):
    run = compress(stage, tmp_path / "run", "unpaired", method="magnitude_uniform", finetune_steps=0)
    dense, slim = load(stage / "resnet.safetensors").config, load(run.path / "slim.safetensors").config
    share = sum(slim.widths.values()) / sum(dense.widths.values())
    assert all(abs(slim.widths[group] - share * dense.widths[group]) < 1.5 for group in dense.widths)


def test_the_narrow_net_starts_from_nothing(stage, tmp_path):
    run = compress(stage, tmp_path / "run", "unpaired", method="narrow", search_steps=0, finetune_steps=0)
    weights = load(run.path / "slim.safetensors").weights
    kernels = torch.cat([weight.flatten() for weight in weights.values() if weight.ndim == 4])
    assert kernels.std() == pytest.approx(0.02, rel=0.2)  # as published; the dense one's are ten times as large


def test_taylor_cuts_by_the_change_of_the_output(stage, tmp_path):
    """As measured on the images asked for; filter norms and consumer norms would choose other widths."""
    run = compress(stage, tmp_path / "run", "unpaired", method="taylor", finetune_steps=0, importance_images=3)
    opened = open_compression(from_json(CompressSettings, run.settings))
    dense = build_generator(opened.checkpoint)
    cost, widths = CostModel(dense.config), dense.config.widths
    images = calibration_images(opened.data, 3, torch.device("cpu"))

    def chosen(importance):
        return kept_widths(choose(importance, cost, 3.0, floor=SearchPlan(3.0).floors(dense.config)))

    assert run.report()["widths"] == chosen(per_cost(taylor(dense, images, seeded(0, "importance")), cost, widths))
    for other in (consumer_norm, producer_norm):
        assert run.report()["widths"] != chosen(per_cost(other(dense), cost, widths))
        assert run.report()["widths"] != chosen(other(dense))


@pytest.mark.parametrize("name", TINY)
def test_producer_norm_follows_the_filters(name):
    net, _ = random_net(name)
    before = producer_norm(net)
    assert {group: len(values) for group, values in before.items()} == dict(net.config.widths)
    first = next(weight for weight in net.parameters() if weight.ndim == 4)  # it makes the first group
    with torch.no_grad():
        first[1] *= 9.0
    after = producer_norm(net)
    changed = [group for group in before if not torch.equal(before[group], after[group])]
    assert changed == [next(iter(net.config.widths))]
    assert after[changed[0]].argmax() == 1


def test_ranks_within_a_group():
    ranks = within_group({"a": torch.tensor([0.1, 5.0, 0.3, 9.0]), "b": torch.tensor([2.0, 1.0])})
    assert ranks["a"].tolist() == [0.25, 0.75, 0.5, 1.0]
    assert ranks["b"].tolist() == [1.0, 0.5]
