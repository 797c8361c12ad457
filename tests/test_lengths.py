"""Minutes: every method spends them to the last step, and the length a run settles on is the length it always had."""

import json
import time
from contextlib import closing
from dataclasses import replace

import pytest
import torch

from coronet import clock
from coronet.datasets.split import Split
from coronet.methods import METHODS, ROUND, Carry, Lengths, Phase
from coronet.recipes.execute import execute
from coronet.recipes.lengths import Deadline, last_length
from coronet.recipes.pace import RESERVE
from coronet.recipes.phases import PhasedRun
from coronet.runs import Run
from coronet.search import MEASURED_EVERY
from coronet.tasks import GeneratorTask
from tests.games import RESNET, batches, differences, net, pupil_game, start
from tests.worlds import SIDE, make_model, make_world

STEP = 4.0  # seconds of the clock below


class Clock:
    """Stands still unless it is moved."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def moved(monkeypatch):
    moved = Clock()
    monkeypatch.setattr("coronet.clock.seconds", moved.monotonic)
    monkeypatch.setattr("coronet.recipes.phases.time", moved)
    return moved


def test_processor_seconds_pass_for_this_process_only(tmp_path):
    clock.count("processor")
    before = clock.seconds(), time.process_time()
    time.sleep(0.2)
    assert clock.seconds() - before[0] <= time.process_time() - before[1] + 1e-3 < 0.2
    clock.count("clock")
    before_clock = clock.seconds()
    time.sleep(0.01)
    assert clock.seconds() - before_clock >= 0.01


@pytest.mark.parametrize(
    ("done", "steps", "spent", "left", "expected"),
    [
        (12, 100, 12.0, 60.0, None),  # too early
        (21, 100, 21.0, 60.0, None),  # within a round, whose steps may differ
        (20, 100, 20.0, 60.0, 60),  # a third of the time is over
        (30, 100, 30.0, 60.0, 60),  # half of the time: now or too late
        (48, 100, 9.6, 60.0, 300),  # next to half of the steps, and many more fit
        (3, 6, 3.0, 60.0, 60),  # half of the steps, within the first round
        (1, 100, 5.0, -3.0, 2),  # no time was left at all
        (30, 100, 59.0, 60.0, 60),  # too late for less than twice of what was done
        (0, 1, 0.0, 60.0, 1),
    ],
)
def test_the_length_that_fills_the_time_left(done, steps, spent, left, expected):
    assert last_length(done, steps, spent, left) == expected


@pytest.mark.parametrize("planned", [1, 2, 7, 40, 41])
def test_what_was_done_before_settling_does_not_depend_on_the_length(planned):
    """The rates of the steps done are those of a run that had the settled length from its start."""
    for seconds in (0.1, 1.0, 3.0):
        training = start(GeneratorTask(net(RESNET), pupil_game(RESNET, judged=False)), steps=planned, decay=True)
        rates, settled = [], None
        while settled is None:
            rates.append(training.rate())
            training.done += 1
            settled = last_length(training.done, training.steps, training.done * seconds, 30.0)
        training.done, training.steps = 0, settled
        for rate in rates:
            assert training.rate() == rate
            training.done += 1


def phased_run(path, moved, lengths, costs, seconds=120.0):
    """Give a run of two phases whose steps take `costs` seconds of the clock, with half a minute between them."""
    run = Run.create(path, "compress", {})
    current = {"phase": "search"}

    def phase(name, steps):
        def begin():
            current["phase"] = name
            task = GeneratorTask(net(RESNET), pupil_game(RESNET, judged=False))
            return start(task, phase=name, steps=steps, decay=name == "finetune")

        return Phase(name, steps, lambda carry: begin(), lambda training: Carry(student=training.task.current()))

    def prepare(carry):
        moved.now += 30.0
        return carry

    def batch_at(step):
        moved.now += costs[current["phase"]]
        return batches(RESNET, "single")(step)

    tune = replace(phase("finetune", lengths.finetune), prepare=prepare)
    deadline = Deadline(path / "lengths.json", lengths, seconds) if seconds else None
    return PhasedRun(
        run, [phase("search", lengths.search), tune], torch.device("cpu"), batch_at, 1e9, begun=90.0, deadline=deadline
    )


@pytest.mark.parametrize("planned", [10, 400])
def test_the_last_phase_fills_the_time_that_is_really_left(planned, moved, tmp_path):
    """120 s, of which 10 passed before, 30 between the phases and 6 in the search: 74 are left for steps of 2 s."""
    costs = {"search": 3.0, "finetune": 2.0}
    phased = phased_run(tmp_path / "run", moved, Lengths(0, 2, planned), costs)
    with closing(phased.steps(None)) as under_way:
        steps = list(under_way)
    assert phased.seconds == pytest.approx({"between": 40.0, "search": 6.0, "finetune": 74.0})
    assert [step.done for step in steps] == list(range(1, 40))
    assert (steps[-1].total, steps[-1].steps, phased.total) == (39, 37, 39)
    assert steps[-1].seconds == pytest.approx(120.0)
    written = json.loads((tmp_path / "run" / "lengths.json").read_text(encoding="utf-8"))
    assert written == {"warmup": 0, "search": 2, "finetune": 37, "settled": True}


def test_without_a_deadline_the_steps_stay(moved, tmp_path):
    phased = phased_run(tmp_path / "run", moved, Lengths(0, 2, 5), {"search": 1.0, "finetune": 50.0}, None)
    assert [step.phase for step in phased.steps(None)] == ["search"] * 2 + ["finetune"] * 5


# Whole runs


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    make_world("unpaired", folder / "unpaired")
    make_model("resnet", folder / "resnet.safetensors")
    return folder


@pytest.fixture
def dear_images(moved, monkeypatch):
    """Let every batch that is read, for training or for measuring, take seconds of the clock."""
    batch = Split.batch

    def slow(*choices, **more):
        moved.now += STEP
        return batch(*choices, **more)

    monkeypatch.setattr(Split, "batch", slow)


def settings(stage, method):
    return {
        "model": str(stage / "resnet.safetensors"),
        "data": str(stage / "unpaired"),
        "method": method,
        "minutes": 4.0,
        "image_size": SIDE,
        "ndf": 4,
        "threads": 1,
        "warmup_steps": 1,
        "importance_images": 3,
        "preview_steps": 1000,
    }


def to_the_last_step(run):
    with closing(execute(run)) as steps:
        for step in steps:
            if step.done == step.total:
                break
    return run.load_state()


def test_a_round_holds_all_that_the_steps_of_a_search_do():
    assert ROUND % MEASURED_EVERY == 0


@pytest.mark.parametrize("method", ["coronet", "taylor", "narrow", "gan_compression", "omgd"])
def test_every_method_spends_its_minutes(method, stage, dear_images, tmp_path):
    run = Run.create(tmp_path / "run", "compress", settings(stage, method))
    seconds = to_the_last_step(run)["seconds"]
    assert sum(seconds.values()) == pytest.approx(240.0 * (1 - RESERVE), abs=STEP)
    measured = {"coronet": 3, "taylor": 3, "narrow": 0, "gan_compression": 4, "omgd": 0}[method]
    assert seconds["between"] >= STEP * measured
    if METHODS[method].searches:  # a share of its own, where none was asked for
        learning = seconds["search"] + seconds["finetune"]
        assert seconds["search"] / learning == pytest.approx(METHODS[method].search_share, abs=0.1)
    assert {event["total"] for event in run.events()[-3:]} == {run.events()[-1]["done"]}


def settled_from_the_start(path, run):
    """Do a run anew with the length that another one settled on."""
    again = Run.create(path, "compress", run.settings)
    (again.path / "lengths.json").write_bytes((run.path / "lengths.json").read_bytes())
    return to_the_last_step(again)["training"]


def test_a_run_with_the_settled_length_from_its_start_is_the_same_run(stage, dear_images, tmp_path):
    """So is one that was stopped before it settled, then, and after."""
    whole = Run.create(tmp_path / "whole", "compress", settings(stage, "narrow"))
    outcome = to_the_last_step(whole)["training"]
    assert differences(outcome, settled_from_the_start(tmp_path / "again", whole)) == []
    totals = [event["total"] for event in whole.events()]
    settled = totals.index(totals[-1]) + 1
    assert settled > 2
    stopped = Run.create(tmp_path / "stopped", "compress", settings(stage, "narrow"))
    for stop in (settled - 2, settled, settled + 1):
        with closing(execute(stopped)) as steps:
            for step in steps:
                if step.done == stop:
                    break
    outcome = to_the_last_step(stopped)["training"]
    assert differences(outcome, settled_from_the_start(tmp_path / "once", stopped)) == []
