"""A run that is ended early is finished properly with the net as it is, and a kill on the way changes nothing."""

from contextlib import closing

import pytest
from PIL import Image
from torch import nn

from coronet.checkpoints import load
from coronet.cost import cost
from coronet.ending import end_early, forget_ending, is_ending
from coronet.recipes.execute import execute
from coronet.recipes.phases import Stopped
from coronet.runs import Run
from tests.worlds import make_model, make_world

SETTINGS = {
    "ratio": 3.0,
    "search_steps": 6,
    "finetune_steps": 4,
    "warmup_steps": 2,
    "importance_images": 2,
    "image_size": 32,
    "ndf": 4,
    "threads": 1,
    "save_seconds": 0.0,
    "onnx": False,
}
TOTAL = 12


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    for kind in ("paired", "unpaired"):
        make_world(kind, folder / kind)
    for name in ("unet", "resnet"):
        make_model(name, folder / f"{name}.safetensors")
    return folder


def create(path, stage, model="resnet", kind="paired", **choices):
    given = {"model": str(stage / f"{model}.safetensors"), "data": str(stage / kind)}
    return Run.create(path, "compress", given | SETTINGS | choices)


@pytest.fixture
def finished(monkeypatch):
    """Give what came to be finished, run by run; scores and export, which take seconds, are left out."""
    found = []
    monkeypatch.setattr("coronet.recipes.compress.finish_compression", lambda *given: found.append(given[3]))
    return found


def end_at(run, step):
    """Do so many steps, wish for the end, and let the run go on to what it makes of that."""
    with closing(execute(run)) as steps:
        for taken in steps:
            if taken.done == step:
                end_early(run.path)


def ratio_of(student, model):
    return cost(load(model).config).macs / cost(student.config).macs


@pytest.mark.parametrize(
    ("step", "phase"), [(1, "warmup"), (2, "warmup"), (5, "search"), (8, "search"), (10, "finetune")]
)
def test_the_net_meets_the_ratio_wherever_the_run_ends(stage, tmp_path, finished, step, phase):
    run = create(tmp_path / "run", stage)
    end_at(run, step)
    (phased,) = finished
    assert phased.stopped == Stopped(phase, step, TOTAL)
    assert ratio_of(phased.carry.student, stage / "resnet.safetensors") == pytest.approx(3.0, rel=0.1)
    assert set(phased.carry.kept) == set(phased.carry.student.config.widths)
    assert len(run.events()) == step
    assert not is_ending(run.path)


def test_a_run_that_comes_to_its_end_is_not_ended_early(stage, tmp_path, finished):
    run = create(tmp_path / "run", stage)
    end_at(run, TOTAL)
    assert finished[0].stopped is None
    assert not is_ending(run.path)


@pytest.mark.parametrize("method", ["taylor", "narrow", "gan_compression", "omgd"])
def test_every_method_can_end_early(stage, tmp_path, finished, method):
    run = create(tmp_path / "run", stage, "unet", method=method)
    end_at(run, 4)
    assert finished[0].stopped.step == 4
    assert ratio_of(finished[0].carry.student, stage / "unet.safetensors") >= 2.5


@pytest.mark.parametrize(
    ("choices", "step"), [({}, 5), ({}, 9), ({"method": "taylor", "warmup_steps": 0}, 0), ({"finetune_steps": 0}, 8)]
)
def test_the_batch_statistics_of_a_net_that_was_cut_and_not_tuned_are_its_own(stage, tmp_path, finished, choices, step):
    run = create(tmp_path / "run", stage, "unet", **choices)
    if not step:
        end_early(run.path)
    end_at(run, step)
    norms = [module for module in finished[0].carry.student.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert all(norm.num_batches_tracked == 1 for norm in norms)


def test_a_run_on_images_of_unequal_sizes_can_end_early(stage, tmp_path, finished):
    folder = make_world("paired", tmp_path / "unequal")
    for path in sorted((folder / "train").iterdir())[::2]:
        with Image.open(path) as image:
            image.resize((2 * image.width, 3 * image.height)).save(path)
    run = create(tmp_path / "run", stage, "unet", data=str(folder), preprocess="none")
    end_at(run, 5)
    norms = [module for module in finished[0].carry.student.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(norm.num_batches_tracked == 1 for norm in norms)


def test_the_report_says_where_a_training_was_ended(stage, tmp_path):
    choices = {"kind": "cycle_gan", "data": str(stage / "unpaired"), "ngf": 4, "blocks": 1, "steps": 9}
    common = {name: SETTINGS[name] for name in ("image_size", "ndf", "threads", "save_seconds")}
    run = Run.create(tmp_path / "run", "train", choices | common)
    end_at(run, 3)
    report = run.report()
    assert report["steps"] == 3
    assert report["stopped"] == {"phase": "train", "step": 3, "of": 9}


def test_what_is_kept_does_not_depend_on_a_kill_on_the_way(stage, tmp_path, monkeypatch):
    whole, killed = (create(tmp_path / name, stage) for name in ("whole", "killed"))
    kept = []

    def kill(*given):
        raise KeyboardInterrupt

    finish = "coronet.recipes.compress.finish_compression"
    monkeypatch.setattr(finish, lambda *given: kept.append(given[3].carry.student.state_dict()))
    end_at(whole, 5)
    monkeypatch.setattr(finish, kill)
    with pytest.raises(KeyboardInterrupt):
        end_at(killed, 5)
    assert is_ending(killed.path)
    monkeypatch.setattr(finish, lambda *given: kept.append(given[3].carry.student.state_dict()))
    assert list(execute(Run.open(killed.path))) == []
    assert kept[0].keys() == kept[1].keys()
    assert all((kept[0][name] == kept[1][name]).all() for name in kept[0])


def test_a_wish_that_is_taken_back_leaves_the_run_as_it_was(stage, tmp_path, finished):
    run = create(tmp_path / "run", stage)
    end_at(run, 5)
    forget_ending(run.path)
    assert [step.done for step in execute(Run.open(run.path))] == list(range(6, TOTAL + 1))
    assert finished[1].stopped is None
