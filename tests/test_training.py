"""How anything is learned: Adam by name, the rate's plan, steps that depend on their number alone, exact resume."""

import itertools

import pytest
import torch
from torch import nn

from coronet.channels import select
from coronet.datasets import Batch
from coronet.errors import RunError
from coronet.training import RISE, NamedAdam, Task, Training, fit
from tests.games import STEPS, TRAININGS, batches, differences, stored

AXES = {"first": (("a",), ()), "second": (("b",), ("a",)), "bias": (("b",),)}
WIDTHS = {"a": 4, "b": 3}
KEPT = {"a": torch.tensor([0, 2]), "b": torch.tensor([1, 2])}


class Weights(Task):
    """Learn named tensors by a function from them and the step's generator to a loss."""

    def __init__(self, tensors, loss):
        self.tensors = {name: nn.Parameter(tensor.clone()) for name, tensor in tensors.items()}
        self.loss = loss

    def parameters(self):
        return {"generator": self.tensors}

    def watched(self):
        return {}

    def play(self, batch, random):
        yield ("generator",), {"loss": self.loss(self.tensors, random)}

    def after_step(self, gradients, progress):
        return {}

    def current(self):
        raise NotImplementedError

    def end_early(self):
        pass

    def describe(self):
        return None, None

    def state(self):
        return {"tensors": dict(self.tensors)}

    def load_state(self, state):
        with torch.no_grad():
            for name, tensor in self.tensors.items():
                tensor.copy_(state["tensors"][name])


def drawn(seed):
    random = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn([WIDTHS[groups[0]] if groups else 3 for groups in dims], generator=random)
        for name, dims in AXES.items()
    }


def training(loss=lambda tensors, random: tensors["bias"].square().sum(), *, tensors=None, **choices):
    choices = {"phase": "test", "steps": 10, "learning_rate": 0.1, "seed": 0} | choices
    return Training(Weights(tensors or drawn(0), loss), **choices)


def no_batch(step):
    return Batch(torch.zeros(1, 3, 8, 8), None, False)


# Adam


def test_named_adam_is_torch_adam():
    ours = {name: nn.Parameter(tensor) for name, tensor in drawn(0).items()}
    theirs = [nn.Parameter(tensor.detach().clone()) for tensor in ours.values()]
    adam, oracle = NamedAdam(ours), torch.optim.Adam(theirs, lr=0.01, betas=(0.5, 0.999), foreach=False, fused=False)
    for step in range(5):
        gradients = drawn(10 + step)
        for tensor, gradient in zip(theirs, gradients.values(), strict=True):
            tensor.grad = gradient
        adam.step(gradients, 0.01)
        oracle.step()
    for mine, other in zip(ours.values(), theirs, strict=True):
        assert torch.allclose(mine, other, rtol=0, atol=1e-6)
        assert mine.grad is None


def test_named_adam_learns_alike_in_every_order_in_memory():
    random = torch.Generator().manual_seed(0)
    weight, gradient = torch.randn(2, 4, 3, 3, 3, generator=random)
    last = {"memory_format": torch.channels_last}
    moved = []
    for start, slope in itertools.product((weight, weight.contiguous(**last)), (gradient, gradient.contiguous(**last))):
        tensors = {"weight": nn.Parameter(start.clone())}
        adam = NamedAdam(tensors)
        for _ in range(3):
            adam.step({"weight": slope}, 0.01)
        moved.append(tensors["weight"].detach())
    assert all(torch.equal(tensor, moved[0]) for tensor in moved)


def test_a_tensor_without_gradient_stays_and_keeps_its_moments():
    tensors = {name: nn.Parameter(tensor) for name, tensor in drawn(0).items()}
    before = tensors["bias"].detach().clone()
    adam = NamedAdam(tensors)
    adam.step({name: gradient for name, gradient in drawn(1).items() if name != "bias"}, 0.1)
    assert torch.equal(tensors["bias"], before)
    assert set(adam.state()) == {"first", "second"}


def test_moments_follow_removed_channels_as_if_they_had_never_been_there():
    """Two steps, a cut, two steps: the small tensors move like a net that had only them from the start."""

    def cut(tensors):
        return select(tensors, AXES, WIDTHS, KEPT)

    wide = {name: nn.Parameter(tensor) for name, tensor in drawn(0).items()}
    narrow = {name: nn.Parameter(tensor) for name, tensor in cut(drawn(0)).items()}
    adam, oracle = NamedAdam(wide), NamedAdam(narrow)
    for step in range(2):
        adam.step(drawn(10 + step), 0.05)
        oracle.step(cut(drawn(10 + step)), 0.05)
    smaller = {name: nn.Parameter(tensor.detach()) for name, tensor in cut(wide).items()}
    adam = adam.follow(smaller, cut)
    for step in range(2, 4):
        adam.step(cut(drawn(10 + step)), 0.05)
        oracle.step(cut(drawn(10 + step)), 0.05)
    for name, tensor in narrow.items():  # a vector instruction may round another way than the scalar at the row's end
        assert torch.allclose(smaller[name], tensor, rtol=1e-6, atol=0)
        for part, moment in oracle.state()[name].items():
            assert torch.allclose(adam.state()[name][part], moment, rtol=1e-6, atol=0)


def test_following_before_the_first_step_is_allowed():
    wide = {name: nn.Parameter(tensor) for name, tensor in drawn(0).items()}
    smaller = {name: nn.Parameter(tensor.detach().clone()) for name, tensor in select(wide, AXES, WIDTHS, KEPT).items()}
    assert NamedAdam(wide).follow(smaller, lambda tensors: select(tensors, AXES, WIDTHS, KEPT)).state() == {}


def test_saved_moments_continue_bit_for_bit_and_are_copies():
    tensors = {name: nn.Parameter(tensor) for name, tensor in drawn(0).items()}
    adam = NamedAdam(tensors)
    adam.step(drawn(1), 0.1)
    state, copies = (
        stored(adam.state()),
        {name: nn.Parameter(tensor.detach().clone()) for name, tensor in tensors.items()},
    )
    again = NamedAdam(copies)
    again.load_state(state)
    adam.step(drawn(2), 0.1)
    again.step(drawn(2), 0.1)
    assert differences(dict(tensors), copies) == []
    assert float(state["bias"]["step"]) == 1.0  # what was loaded is not what moves on


# The learning rate


def rates(**choices):
    plan = training(**choices)
    found = []
    for done in range(plan.steps):
        plan.done = done
        found.append(plan.rate())
    return found


def test_the_rate_rises_and_stays():
    found = rates(steps=40, learning_rate=0.2)
    assert RISE == 20
    assert found[:3] == pytest.approx([0.01, 0.02, 0.03])
    assert found[19:] == pytest.approx([0.2] * 21)


def test_the_rate_falls_linearly_from_half_way():
    found = rates(steps=100, learning_rate=0.51, decay=True)
    assert found[49:51] == pytest.approx([0.51, 0.51])
    assert found[51] == pytest.approx(0.50)
    assert found[99] == pytest.approx(0.02)
    steps = [before - after for before, after in itertools.pairwise(found[50:])]
    assert steps == pytest.approx([0.01] * 49)


def test_the_rate_is_never_zero_and_never_more_than_asked():
    for steps in range(1, 60):
        for decay in (False, True):
            assert all(0 < rate <= 0.1 for rate in rates(steps=steps, learning_rate=0.1, decay=decay))


def test_the_rate_that_moves_is_the_rate_that_is_reported():
    plan = training(learning_rate=0.1, steps=3)
    before = plan.task.tensors["bias"].detach().clone()
    step = next(fit(plan, no_batch))
    moved = (plan.task.tensors["bias"].detach() - before).abs().max()  # Adam's first step has the length of its rate
    assert float(moved) == pytest.approx(step.learning_rate, rel=1e-3)
    assert step.learning_rate == pytest.approx(0.1 / RISE)


# Steps


def noisy(tensors, random):
    own = torch.randn(3, generator=random)
    dropout = nn.functional.dropout(torch.ones(3))  # knows only the global generator
    return (tensors["bias"] - own + dropout).square().sum()


def run_to_end(plan, batch_at=no_batch):
    return [step.losses for step in fit(plan, batch_at)], stored(plan.state())


def test_equal_seeds_give_equal_runs():
    torch.manual_seed(1)
    first = run_to_end(training(noisy))
    torch.manual_seed(2)
    second = run_to_end(training(noisy))
    assert differences(first, second) == []


@pytest.mark.parametrize("other", [{"seed": 1}, {"phase": "other"}])
def test_another_seed_or_phase_draws_other_numbers(other):
    assert run_to_end(training(noisy))[0] != run_to_end(training(noisy, **other))[0]


def test_steps_of_a_run_differ():
    losses = run_to_end(training(noisy, learning_rate=1e-7))[0]
    assert len({step["loss"] for step in losses}) == 10


def test_training_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    run_to_end(training(noisy))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_global_generator_is_free_between_steps():
    """A consumer that draws numbers while the iterator is suspended changes nothing, and draws its own."""
    plain = run_to_end(training(noisy))
    torch.manual_seed(5)
    expected = torch.rand(10)
    torch.manual_seed(5)
    plan = training(noisy)
    found = [float(torch.rand(())) for _ in fit(plan, no_batch)]
    assert found == expected.tolist()
    assert differences(plain[1], stored(plan.state())) == []


def test_no_mode_leaks_out_of_a_step():
    for _ in fit(training(), no_batch):
        assert torch.is_grad_enabled()
        assert not torch.is_autocast_enabled("cpu")


def test_steps_count_and_end():
    plan = training(steps=4)
    steps = list(fit(plan, no_batch))
    assert [(step.step, step.steps, step.phase) for step in steps] == [(k, 4, "test") for k in (1, 2, 3, 4)]
    assert plan.done == 4
    assert list(fit(plan, no_batch)) == []
    assert [step.seconds for step in steps] == sorted(step.seconds for step in steps)


def test_batches_are_asked_for_by_the_number_of_steps_done():
    asked = []

    def batch_at(step):
        asked.append(step)
        return no_batch(step)

    plan = training(steps=5)
    plan.done = 2
    list(fit(plan, batch_at))
    assert asked == [2, 3, 4]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_no_number_ends_the_run_and_moves_nothing(value):
    broken = [False]
    plan = training(lambda tensors, random: tensors["bias"].square().sum() * (value if broken[0] else 1.0))
    steps = fit(plan, no_batch)
    next(steps)
    before = stored(plan.state())
    broken[0] = True
    with pytest.raises(RunError, match=r"'loss' is -?(nan|inf) at step 2 of test\. Lower the learning rate") as error:
        next(steps)
    assert "\n" not in str(error.value)
    assert differences(before, stored(plan.state())) == []


# Every task


@pytest.mark.parametrize("name", TRAININGS)
def test_two_runs_are_bit_identical(name):
    config, kind, build = TRAININGS[name]
    assert differences(_whole(name), run_to_end(build(), batches(config, kind))) == []


@pytest.mark.parametrize("done", [3, STEPS])
@pytest.mark.parametrize("name", TRAININGS)
def test_a_resumed_training_is_the_uninterrupted_one(name, done):
    config, kind, build = TRAININGS[name]
    whole, expected = _whole(name)
    plan = build()
    steps = fit(plan, batches(config, kind))
    losses = [next(steps).losses for _ in range(done)]
    steps.close()
    fresh = build()
    fresh.load_state(stored(plan.state()))
    assert differences(stored(plan.state()), stored(fresh.state())) == []
    rest, found = run_to_end(fresh, batches(config, kind))
    assert losses + rest == whole
    assert differences(expected, found) == []


@pytest.mark.parametrize("name", TRAININGS)
def test_a_state_stays_as_it_was_loaded(name):
    """What was loaded is copied: a state can be used twice."""
    config, kind, build = TRAININGS[name]
    plan = build()
    next(fit(plan, batches(config, kind)))
    state = stored(plan.state())
    copy = stored(state)
    fresh = build()
    fresh.load_state(state)
    next(fit(fresh, batches(config, kind)))
    assert differences(state, copy) == []


@pytest.mark.parametrize("name", ["paired", "cycle", "search_unet", "search_cycle"])
def test_mixed_precision_learns_nearly_the_same_in_float32(name):
    config, kind, build = TRAININGS[name]
    exact, mixed = build(), build()
    mixed.mixed_precision = True
    steps = [next(fit(plan, batches(config, kind))).losses for plan in (exact, mixed)]
    assert steps[0] != steps[1]
    assert steps[1] == pytest.approx(steps[0], rel=0.05, abs=0.02)
    assert all(tensor.dtype == torch.float32 for tensor in mixed.task.parameters()["generator"].values())


def test_searches_lose_channels_before_and_after_the_points_of_resuming():
    for name in ("search_unet", "search_cycle", "search_paper"):
        config, kind, build = TRAININGS[name]
        ratios = [step.ratio for step in fit(build(), batches(config, kind))]
        assert 1.0 < ratios[0] < ratios[2] < ratios[4]


WHOLE = {}


def _whole(name):
    if name not in WHOLE:
        config, kind, build = TRAININGS[name]
        WHOLE[name] = run_to_end(build(), batches(config, kind))
    return WHOLE[name]
