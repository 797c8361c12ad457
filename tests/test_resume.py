"""A run that was stopped, killed or broken anywhere and resumed is bit for bit the run that was not."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import safetensors.torch

from coronet.__main__ import main
from coronet.errors import RunError
from coronet.recipes.execute import execute
from coronet.recipes.opening import calibration_images
from coronet.recipes.phases import STATE_VERSION
from coronet.runs import Run
from tests.games import differences
from tests.worlds import make_model, make_world

ROOT = Path(__file__).resolve().parents[1]
SHORT = {"search_steps": 6, "finetune_steps": 3, "warmup_steps": 2, "importance_images": 2, "onnx": False}
LONG = {"search_steps": 12, "finetune_steps": 8, "warmup_steps": 3}  # long enough to be hit
COMMON = {"image_size": 32, "ndf": 4, "threads": 1, "save_seconds": 0.0, "preview_steps": 5}
PATIENCE = 120  # seconds, for a step of a process on a busy machine


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """Give a folder with the worlds paired, unpaired and single, and the models unet, resnet and both."""
    folder = tmp_path_factory.mktemp("stage")
    for kind in ("paired", "unpaired", "single"):
        make_world(kind, folder / kind)
    for name in ("unet", "resnet"):
        make_model(name, folder / f"{name}.safetensors")
    for seed, name in enumerate(("generator", "backward")):
        (folder / "both").mkdir(exist_ok=True)
        make_model("resnet", folder / "both" / f"{name}.safetensors", seed=seed)
    return folder


def compression(stage, kind, model, **choices):
    settings = {"model": str(stage / f"{model}.safetensors"), "data": str(stage / kind), "ratio": 3.0}
    return "compress", settings | COMMON | SHORT | choices


def training(stage, kind, data, **choices):
    return "train", {"data": str(stage / data), "kind": kind, "ngf": 4, "blocks": 1, "steps": 7} | COMMON | choices


CASES = {
    "paired": lambda stage: compression(stage, "paired", "unet", ema=0.5),
    "unpaired": lambda stage: compression(stage, "unpaired", "resnet", teacher=False, pool_size=2),
    "unpaired_teacher": lambda stage: compression(stage, "unpaired", "resnet", hypernetwork="paper", embedding=2),
    "single": lambda stage: compression(stage, "single", "resnet", multiple_of=2),
    "taylor": lambda stage: compression(stage, "paired", "unet", method="taylor"),
    "narrow": lambda stage: compression(stage, "unpaired", "resnet", method="narrow", ema=0.5),
    "gan_compression": lambda stage: compression(stage, "paired", "unet", method="gan_compression", ema=0.5),
    "omgd": lambda stage: compression(stage, "unpaired", "both/generator", method="omgd", pool_size=2),
    "pix2pix": lambda stage: training(stage, "pix2pix", "paired"),
    "cycle_gan": lambda stage: training(stage, "cycle_gan", "unpaired", batch_size=2),
}
KILLED = {
    "killed_paired": lambda stage: compression(stage, "paired", "unet", ema=0.5, onnx=True, **LONG),
    "killed_unpaired": lambda stage: compression(stage, "unpaired", "resnet", teacher=False, pool_size=2, **LONG),
}


def go_on(path, steps=None):
    """Do some steps of a run, or all that are left up to the last, in a new session; give the number done."""
    done = 0
    with closing(execute(Run.open(path))) as under_way:
        for taken, step in enumerate(under_way, start=1):
            done = step.done
            if taken == steps or step.done == step.total:  # what follows the last step is tested with processes
                break
    return done


def outcome(path):
    """Give everything a run left that must not depend on when it was stopped."""
    run = Run.open(path)
    state = run.load_state()
    del state["seconds"]
    previews = {step: preview.read_bytes() for step, preview in run.previews().items()}
    return {"state": state, "events": timeless(run.events()), "previews": previews}


def timeless(events):
    return [{name: value for name, value in event.items() if name != "seconds"} for event in events]


@pytest.fixture(scope="module")
def whole(stage):
    """Give the outcome of the uninterrupted run of a case."""
    known = {}

    def outcome_of(case):
        if case not in known:
            path = stage / f"whole_{case}"
            Run.create(path, *(CASES | KILLED)[case](stage))
            go_on(path)
            known[case] = outcome(path)
        return known[case]

    return outcome_of


@pytest.mark.parametrize("case", CASES)
def test_a_run_closed_after_every_step_is_the_uninterrupted_one(case, stage, whole, tmp_path):
    path = tmp_path / "run"
    Run.create(path, *CASES[case](stage))
    total = whole(case)["events"][-1]["total"]
    assert [go_on(path, steps=1) for _ in range(total)] == list(range(1, total + 1))
    assert differences(whole(case), outcome(path)) == []


@pytest.mark.slow
@pytest.mark.parametrize("done", range(1, 11))
@pytest.mark.parametrize("case", ["paired", "unpaired"])
def test_a_run_closed_once_is_the_uninterrupted_one(case, done, stage, whole, tmp_path):
    path = tmp_path / "run"
    Run.create(path, *CASES[case](stage))
    go_on(path, steps=done)
    go_on(path)
    assert differences(whole(case), outcome(path)) == []


@pytest.mark.parametrize("case", ["paired", "cycle_gan"])
def test_steps_after_the_last_saved_state_are_done_again(case, stage, whole, tmp_path):
    """A kill loses what was not saved; its events and previews are forgotten with it."""
    path = tmp_path / "run"
    verb, settings = CASES[case](stage)
    Run.create(path, verb, settings)
    go_on(path, steps=2)
    saved = (path / "state.pt").read_bytes()
    go_on(path, steps=4)
    (path / "state.pt").write_bytes(saved)  # as after a kill
    assert go_on(path, steps=1) == 3
    go_on(path)
    assert differences(whole(case), outcome(path)) == []


def test_a_damaged_state_costs_the_steps_since_the_one_before(stage, whole, tmp_path):
    path = tmp_path / "run"
    Run.create(path, *CASES["paired"](stage))
    go_on(path, steps=6)
    (path / "state.pt").write_bytes((path / "state.pt").read_bytes()[:-100])
    go_on(path)
    assert differences(whole("paired"), outcome(path)) == []


def test_an_exception_in_the_consumer_loses_nothing(stage, whole, tmp_path):
    path = tmp_path / "run"
    Run.create(path, *CASES["unpaired"](stage))

    def consume():
        with closing(execute(Run.open(path))) as steps:
            for step in steps:
                step.done // (6 - step.done)

    with pytest.raises(ZeroDivisionError):
        consume()
    assert Run.open(path).load_state()["done"] == 6
    go_on(path)
    assert differences(whole("unpaired"), outcome(path)) == []


def test_a_step_is_on_record_before_its_state_is_saved(stage, tmp_path, monkeypatch):
    """Otherwise a kill between the two would leave a hole in the events."""
    save_state, checked = Run.save_state, []

    def check(run, state):
        checked.append(state["done"])
        assert run.events()[-1]["done"] == state["done"]
        save_state(run, state)

    monkeypatch.setattr(Run, "save_state", check)
    path = tmp_path / "run"
    Run.create(path, *CASES["pix2pix"](stage))
    go_on(path)
    assert {*checked} == set(range(1, 8))


def test_slow_saves_come_less_often(stage, tmp_path, monkeypatch):
    """A state of hundreds of megabytes must not be written after every step; one before each phase's end always is."""
    saves, save_state = [], Run.save_state

    def slow(run, state):
        saves.append(state["done"])
        time.sleep(0.3)
        save_state(run, state)

    monkeypatch.setattr(Run, "save_state", slow)
    path, (verb, settings) = tmp_path / "run", CASES["single"](stage)
    Run.create(path, verb, settings | {"save_seconds": 1e-6})
    go_on(path)
    assert saves == [1, 6, 9]


@pytest.mark.parametrize("method", ["taylor", "coronet"])
def test_importance_is_measured_once(method, stage, tmp_path, monkeypatch):
    """On a large net it takes minutes, and the state holds what came of it: the cut, or what the search follows."""
    path, measured = tmp_path / "run", []

    def counted(*choices):
        measured.append(1)
        return calibration_images(*choices)

    monkeypatch.setattr("coronet.recipes.preparing.calibration_images", counted)
    verb, settings = CASES["single"](stage)
    Run.create(path, verb, settings | {"method": method})
    for _ in range(4):
        go_on(path, steps=1)
    go_on(path)
    assert measured == [1]


def test_what_a_killed_process_was_writing_is_removed(stage, tmp_path):
    path = tmp_path / "run"
    Run.create(path, *CASES["pix2pix"](stage))
    go_on(path, steps=5)
    leftovers = [path / ".state.pt.0a1b2c3d.part", path / "previews" / ".000005.png.0a1b2c3d.part"]
    for part in leftovers:
        part.write_bytes(b"half")
    go_on(path, steps=1)
    assert not any(part.exists() for part in leftovers)


def test_lengths_from_minutes_are_measured_once(stage, tmp_path):
    path = tmp_path / "run"
    verb, settings = CASES["single"](stage)
    Run.create(path, verb, settings | {"search_steps": None, "finetune_steps": None, "minutes": 0.05})
    go_on(path, steps=1)
    lengths = (path / "lengths.json").read_bytes()
    total = Run.open(path).events()[0]["total"]
    go_on(path, steps=1)
    assert (path / "lengths.json").read_bytes() == lengths
    assert Run.open(path).events()[1]["total"] == total


# The command line, killed


def options(settings):
    flags = []
    for name, value in settings.items():
        flag = f"--{name.replace('_', '-')}"
        if value is not True:  # as all these are by default
            flags += [flag.replace("--", "--no-", 1)] if value is False else [flag, str(value)]
    return flags


def spawn(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "coronet", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process, condition):
    """Look again and again until the process has come to a point; it must not have ended before."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit
        time.sleep(0.01)


def stop(process, condition, number=signal.SIGKILL):
    """Send a signal once the condition holds; give exit status and stderr."""
    wait_for(process, condition)
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


def reached(path, phase, step):
    """Tell whether the events of a run have come to a step of a phase."""

    def condition():
        events = Run.open(path).events() if (path / "settings.json").exists() else []
        return any(event["phase"] == phase and event["step"] >= step for event in events)

    return condition


def finished(process):
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return output


def uninterrupted(stage, case):
    """Give the folder of a whole run by the command line in this process, finish included."""
    path = stage / f"command_{case}"
    if not path.exists():
        assert main([KILLED[case](stage)[0], *options(KILLED[case](stage)[1]), "--out", str(path)]) == 0
    return path


def files(folder):
    return {path.name for path in folder.iterdir()}


def compare(first, second):
    """Assert that two finished runs left the same; seconds, sizes of clocks and paths aside."""
    left, right = Run.open(first), Run.open(second)
    assert (first / "slim.safetensors").read_bytes() == (second / "slim.safetensors").read_bytes()
    weights = [safetensors.torch.load_file(path / "slim.safetensors") for path in (first, second)]
    assert differences(*weights) == []
    assert files(first) == files(second)
    if (first / "slim.onnx").exists():
        assert (first / "slim.onnx").read_bytes() == (second / "slim.onnx").read_bytes()
    assert timeless(left.events()) == timeless(right.events())
    assert {step: path.read_bytes() for step, path in left.previews().items()} == {
        step: path.read_bytes() for step, path in right.previews().items()
    }
    reports = [run.report() for run in (left, right)]
    for report in reports:
        del report["seconds"]
    assert reports[0] == reports[1]


def test_a_paired_run_survives_ctrl_c_and_a_kill_at_its_end(stage, tmp_path):
    path = tmp_path / "run"
    started = spawn("compress", *options(KILLED["killed_paired"](stage)[1]), "--out", str(path))
    status, errors = stop(started, reached(path, "search", 2), signal.SIGINT)
    assert status == 130
    assert errors.splitlines()[-1] == f"coronet: stopped and saved. Go on with: coronet resume {path}"
    assert Run.open(path).load_state()["done"] == Run.open(path).events()[-1]["done"]
    assert stop(spawn("resume", str(path)), (path / "slim.safetensors").exists)[0] == -signal.SIGKILL
    assert not (path / "report.json").exists()
    finished(spawn("resume", str(path)))
    compare(uninterrupted(stage, "killed_paired"), path)


def test_an_unpaired_run_survives_kills_in_every_phase(stage, whole, tmp_path):
    path = tmp_path / "run"
    started = spawn("compress", *options(KILLED["killed_unpaired"](stage)[1]), "--out", str(path))
    assert stop(started, reached(path, "warmup", 1))[0] == -signal.SIGKILL
    assert stop(spawn("resume", str(path)), reached(path, "search", 5))[0] == -signal.SIGKILL
    assert stop(spawn("resume", str(path)), reached(path, "finetune", 3))[0] == -signal.SIGKILL
    assert stop(spawn("resume", str(path)), (path / "slim.safetensors").exists)[0] == -signal.SIGKILL
    assert differences(whole("killed_unpaired"), outcome(path)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "step"), [("warmup", 3), ("search", 1), ("search", 11), ("search", 12), ("finetune", 1), ("finetune", 8)]
)
@pytest.mark.parametrize("case", KILLED)
def test_a_run_survives_a_kill_anywhere(case, phase, step, stage, tmp_path):
    path = tmp_path / "run"
    started = spawn("compress", *options(KILLED[case](stage)[1]), "--out", str(path))
    assert stop(started, reached(path, phase, step))[0] == -signal.SIGKILL
    finished(spawn("resume", str(path)))
    compare(uninterrupted(stage, case), path)


@pytest.mark.slow
@pytest.mark.parametrize("milliseconds", range(0, 1000, 100))
def test_a_run_survives_a_kill_at_any_time(milliseconds, stage, tmp_path):
    path = tmp_path / "run"
    started = spawn("compress", *options(KILLED["killed_paired"](stage)[1]), "--out", str(path))
    wait_for(started, (path / "settings.json").exists)
    limit = time.monotonic() + 4 * milliseconds / 1000
    stop(started, lambda: time.monotonic() > limit)
    finished(spawn("resume", str(path)))
    compare(uninterrupted(stage, "killed_paired"), path)


def test_a_finished_run_is_not_done_again(stage, capsys):
    path = uninterrupted(stage, "killed_paired")
    capsys.readouterr()
    before = {file.name: file.stat().st_mtime_ns for file in path.iterdir()}
    assert main(["resume", str(path), "--json"]) == 0
    assert Run.open(path).report()["requested_ratio"] == 3.0
    assert '"requested_ratio": 3.0' in capsys.readouterr().out
    assert {file.name: file.stat().st_mtime_ns for file in path.iterdir()} == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"warmup": 1}', '{"warmup": 1, "search": "x", "finetune": 2}'])
def test_damaged_lengths_are_named(stage, tmp_path, content):
    path = tmp_path / "run"
    Run.create(path, *CASES["single"](stage))
    (path / "lengths.json").write_text(content)
    with pytest.raises(RunError, match=r"lengths\.json is damaged"):
        go_on(path)


def test_a_run_that_began_with_another_model_is_not_gone_on_with(stage, tmp_path):
    path = tmp_path / "run"
    Run.create(path, *CASES["single"](stage))
    go_on(path, steps=2)
    run = Run.open(path)
    run.save_state(run.load_state() | {"origin": "0" * 64})  # as if the model's file had changed
    with pytest.raises(RunError, match="was begun with another model: its file has changed since"):
        go_on(path)
    assert len(run.events()) == 2


@pytest.mark.parametrize("version", [None, 1, 99])
def test_a_state_of_another_version_is_named_and_left_alone(stage, tmp_path, version):
    path = tmp_path / "run"
    Run.create(path, *CASES["single"](stage))
    go_on(path, steps=2)
    run = Run.open(path)
    state = run.load_state()
    assert state.pop("version") == STATE_VERSION
    run.save_state(state if version is None else state | {"version": version})
    before = (path / "state.pt").read_bytes()
    with pytest.raises(RunError, match=f"is of version {version or 1}, .* version {STATE_VERSION}.*in another folder"):
        go_on(path)
    assert (path / "state.pt").read_bytes() == before
    assert len(run.events()) == 2
