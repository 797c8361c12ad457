"""The tasks: a search that follows its plan and loses channels for good, moving averages, and a warm-up that is one."""

from dataclasses import replace

import pytest
import torch

from coronet.channels import keep_all, select
from coronet.cost import CostModel
from coronet.importance import consumers, squared_change
from coronet.networks import resnet_config, unet_config
from coronet.search import SearchPlan
from coronet.slimming import least_widths
from coronet.tasks import GeneratorTask, WarmupTask
from coronet.training import fit
from tests.games import (
    RESNET,
    UNET,
    batches,
    cycle_game,
    differences,
    net,
    paired_game,
    pupil_game,
    search_task,
    start,
    stored,
)

SEARCHED = {
    "resnet": resnet_config(ngf=32, blocks=2, image_size=16),
    "mobile_resnet": resnet_config(ngf=32, blocks=2, mobile=True, image_size=16),
    "unet": unet_config(ngf=32, image_size=16),
}
SMALL = {"resnet": RESNET, "unet": UNET}


def search(config, *, steps=10, learning_rate=1e-3, **plan):
    """Give a search of a dense net that imitates itself, and its training."""
    task = search_task(config, pupil_game(config, judged=False), **plan)
    return task, start(task, steps=steps, learning_rate=learning_rate)


def run(training, config):
    return list(fit(training, batches(config, "single")))


# The plan


def test_the_plan_falls_from_dense_to_the_ratio():
    plan = SearchPlan(ratio=4.0)
    shares = [1 / plan.ratio_at(step / 100) for step in range(101)]
    assert shares[0] == 1.0
    assert shares[-1] == 0.25
    assert shares == sorted(shares, reverse=True)
    assert shares[50] == pytest.approx(0.25 + 0.75 / 8)
    assert SearchPlan(ratio=1.0).ratio_at(0.5) == 1.0


@pytest.mark.parametrize("budget", ["macs", "params"])
@pytest.mark.parametrize("ratio", [1.5, 6.0])
@pytest.mark.parametrize("name", SEARCHED)
def test_a_search_ends_at_its_ratio(name, ratio, budget):
    task, training = search(SEARCHED[name], ratio=ratio, budget=budget, steps=6)
    reached = run(training, SEARCHED[name])[-1].ratio
    assert ratio * (1 - 1e-9) <= reached <= ratio * 1.006
    assert reached == task.describe()[0]


@pytest.mark.parametrize("name", SEARCHED)
def test_a_search_ends_at_multiples(name):
    task, training = search(SEARCHED[name], multiple_of=8)
    reached = run(training, SEARCHED[name])[-1].ratio
    assert 3.0 * (1 - 1e-9) <= reached <= 3.0 * 1.06
    assert all(width % 8 == 0 for width in task.hypernetwork.widths.values())


@pytest.mark.parametrize(("name", "budget"), [("resnet", "macs"), ("mobile_resnet", "macs"), ("unet", "params")])
def test_the_ratio_follows_the_plan_within_one_channel(name, budget):
    config = SEARCHED[name]
    task, training = search(config, ratio=5.0, budget=budget)
    cost = CostModel(config, None, budget)
    before = 1.0
    for step in run(training, config):
        planned = task.plan.ratio_at(step.step / step.steps)
        spent = cost.total / step.ratio
        assert spent <= cost.total / planned * (1 + 1e-9)
        assert cost.total / planned - spent <= cost.marginal(step.widths).max()
        assert step.ratio >= before
        before = step.ratio


def test_channels_go_at_the_events_of_the_plan_only():
    _, training = search(RESNET, ratio=4.0, events=4, steps=12)
    widths = [step.widths for step in run(training, RESNET)]
    changes = [index + 1 for index in range(1, 12) if widths[index] != widths[index - 1]]
    assert changes[:3] == [3, 6, 9]
    assert {*changes} <= {3, 6, 9, 12}


@pytest.mark.parametrize("name", SMALL)
def test_most_of_an_even_cut_is_kept(name):
    cost, widths = CostModel(SMALL[name]), SMALL[name].widths
    plan = SearchPlan(ratio=2.5)
    assert plan.floors(SMALL[name]) == least_widths(cost, widths, 2.5, 0.75)
    assert replace(plan, floor=1.0).floors(SMALL[name]) == least_widths(cost, widths, 2.5, 1.0)
    assert plan.floors(SMALL[name], power=0.5) == least_widths(cost, widths, 2.5, 0.75, power=0.5)


@pytest.mark.parametrize("floor", [0.3, 0.8])
@pytest.mark.parametrize("name", SMALL)
def test_floors_hold(name, floor):
    config = SMALL[name]
    _, training = search(config, ratio=2.5, floor=floor)
    least = SearchPlan(ratio=2.5, floor=floor).floors(config)
    for step in run(training, config):
        assert all(step.widths[group] >= count for group, count in least.items())


@pytest.mark.parametrize("form", ["factored", "paper"])
@pytest.mark.parametrize("name", SMALL)
def test_no_channel_ever_returns(name, form):
    task, training = search(SMALL[name], form=form)
    before = task.kept
    for _ in fit(training, batches(SMALL[name], "single")):
        assert all({*task.kept[group].tolist()} <= {*before[group].tolist()} for group in before)
        assert all(torch.equal(indices, indices.unique()) for indices in task.kept.values())
        before = task.kept


def test_a_ratio_of_one_removes_nothing():
    task, training = search(RESNET, ratio=1.0)
    assert {step.ratio for step in run(training, RESNET)} == {1.0}
    assert differences(task.kept, keep_all(RESNET.widths)) == []


def test_the_least_important_channels_go_first():
    """Before the first step that is the order given."""
    importance = {group: torch.arange(width, 0, -1, dtype=torch.float64) for group, width in RESNET.widths.items()}
    task, _ = search(RESNET, importance=importance)
    task.end_early()
    assert any(len(kept) < RESNET.widths[group] for group, kept in task.kept.items())
    assert all(kept.tolist() == list(range(len(kept))) for kept in task.kept.values())


def test_what_channels_change_in_the_output_ranks_them():
    """Channels that nobody reads go first, in whatever order they were at the start, when all counted little."""
    order = {group: torch.arange(width, 0, -1, dtype=torch.float64) for group, width in RESNET.widths.items()}
    importance = {group: 1e-12 * scores for group, scores in order.items()}
    task, training = search(RESNET, importance=importance)
    with torch.no_grad():
        for kernel, (dimension, _) in consumers(task.current()).items():
            read = task.hypernetwork.kernels[kernel]
            read.index_fill_(dimension, torch.arange(0, read.shape[dimension], 2), 0.0)
    next(fit(training, batches(RESNET, "single")))
    task.end_early()
    for group, kept in task.kept.items():
        left = kept.tolist()
        assert all(channel % 2 for channel in left) or {*range(1, RESNET.widths[group], 2)} <= {*left}
    assert any(0 not in kept.tolist() for kept in task.kept.values())


def test_every_fourth_step_measures_the_net_as_it_is(monkeypatch):
    seen = []

    def noted(skeleton, weights, image, random):
        seen.append((skeleton.config.widths, len(image), skeleton.training))
        return squared_change(skeleton, weights, image, random)

    monkeypatch.setattr("coronet.search.squared_change", noted)
    task, training = search(RESNET, ratio=4.0, steps=9)
    found = [RESNET.widths, *(step.widths for step in run(training, RESNET))]
    assert seen == [(found[step], 1, False) for step in (0, 4, 8)]
    assert task.skeleton.training


@pytest.mark.parametrize(("teacher", "judged"), [(True, False), (False, True)])
def test_a_search_that_imitates_needs_no_discriminator(teacher, judged):
    """It keeps it as it is for the fine-tuning; without a teacher it plays the whole game."""
    game = paired_game(UNET, teacher=teacher)
    before = stored(game.networks["discriminator"].state_dict())
    training = start(search_task(UNET, game), steps=4, learning_rate=1e-3)
    steps = list(fit(training, batches(UNET)))
    assert all(("discriminator" in step.losses) == judged for step in steps)
    assert all(("adversarial" in step.losses) == judged for step in steps)
    kept = stored(training.state()["task"]["objective"]["networks"]["discriminator"])
    assert (differences(before, kept) == []) == (not judged)


# What is removed is gone


@pytest.mark.parametrize("form", ["factored", "paper"])
@pytest.mark.parametrize("name", SMALL)
def test_a_search_starts_as_the_dense_net(name, form):
    config = SMALL[name]
    task, _ = search(config, form=form)
    images = batches(config)(0).source
    with torch.no_grad():
        assert (task.current().eval()(images) - net(config).eval()(images)).abs().max() <= 5e-5
    assert task.describe() == (1.0, dict(config.widths))


@pytest.mark.parametrize("form", ["factored", "paper"])
@pytest.mark.parametrize("name", SMALL)
def test_removed_channels_leave_the_network_and_the_optimiser(name, form):
    task, training = search(SMALL[name], form=form)
    elements, least = [], None
    for step in fit(training, batches(SMALL[name], "single")):
        parameters = task.parameters()["generator"]
        assert dict(task.skeleton.config.widths) == step.widths == task.hypernetwork.widths
        shapes = {name: tensor.shape for name, tensor in task.skeleton.state_dict().items()}
        assert {name: tensor.shape for name, tensor in task.hypernetwork.weights().items()} == shapes
        for name, moments in training.optimisers["generator"].state().items():
            assert moments["exp_avg"].shape == moments["exp_avg_sq"].shape == parameters[name].shape
        elements.append(sum(tensor.numel() for tensor in parameters.values()))
        least = elements[-1]
    assert elements == sorted(elements, reverse=True)
    assert least < elements[0] / 1.5


@pytest.mark.parametrize("name", SMALL)
def test_what_stays_belongs_to_the_channels_kept(name):
    """At a rate of zero nothing is learned: the tensors left are the dense net's, cut."""
    config = SMALL[name]
    task, training = search(config, learning_rate=0.0)
    start_state = stored(task.hypernetwork.state())
    run(training, config)
    for part in ("kernels", "ordinary"):
        cut = select(start_state[part], task.skeleton.axes(), config.widths, task.kept)
        assert differences(cut, dict(stored(task.hypernetwork.state())[part])) == []


@pytest.mark.parametrize("form", ["factored", "paper"])
@pytest.mark.parametrize("name", SMALL)
def test_the_student_is_what_the_search_computed(name, form):
    config = SMALL[name]
    task, training = search(config, form=form)
    run(training, config)
    student = task.current()
    images = batches(config)(0).source
    with torch.no_grad():
        weights = {name: tensor.contiguous() for name, tensor in task.hypernetwork.weights().items()}
        expected = torch.func.functional_call(task.skeleton.eval(), weights, (images,))
        assert torch.equal(student.eval()(images), expected)
    assert dict(student.config.widths) == task.hypernetwork.widths
    assert not any(tensor.is_meta for tensor in student.state_dict().values())
    assert all(parameter.requires_grad for parameter in student.parameters())


def test_the_student_is_a_copy():
    task, training = search(RESNET)
    run(training, RESNET)
    student = task.current()
    with torch.no_grad():
        for tensor in student.state_dict().values():
            tensor.zero_()
    assert all(tensor.any() for tensor in task.hypernetwork.weights().values())


# Latents


def test_latents_are_not_learned_by_adam():
    task, _ = search(RESNET)
    assert not {*task.parameters()["generator"]} & {*task.watched()["generator"]}
    assert {*task.watched()["generator"]} == {*RESNET.widths}


def test_latents_move_against_their_gradient_by_a_share_of_their_mean():
    task, _ = search(RESNET, latent_rate=0.01, events=1)
    before = {group: latent.detach().clone() for group, latent in task.hypernetwork.latents.items()}
    random = torch.Generator().manual_seed(4)
    gradients = {group: torch.randn(len(latent), generator=random) for group, latent in before.items()}
    gradients["up2"] = torch.zeros(len(before["up2"]))
    assert task.after_step({"generator": gradients}, 0.1) == {}
    for group, latent in before.items():
        size = gradients[group].square().mean().sqrt()
        moved = 0.01 * latent.mean() * gradients[group] / size if size else 0.0
        assert torch.allclose(task.hypernetwork.latents[group], latent - moved, rtol=1e-5)


def test_latents_stay_positive():
    task, _ = search(RESNET, latent_rate=1.0, events=1)
    gradients = {group: torch.eye(1, width)[0] * 100 for group, width in RESNET.widths.items()}
    task.after_step({"generator": gradients}, 0.1)
    assert all(bool((latent > 0).all()) for latent in task.hypernetwork.latents.values())


def test_without_a_latent_rate_only_events_move_latents():
    task, training = search(RESNET, latent_rate=0.0, events=2, steps=4)
    before = {group: latent.detach().clone() for group, latent in task.hypernetwork.latents.items()}
    next(fit(training, batches(RESNET, "single")))
    assert differences(before, dict(task.hypernetwork.latents)) == []


# Training a generator


def test_the_average_by_hand():
    """Young averages forget faster, so that the initial weights fade: 2/11, 3/12, then the share asked for."""
    task = GeneratorTask(net(UNET), paired_game(UNET), ema=0.3)
    by_hand, shares = stored(task.generator.state_dict()), [2 / 11, 3 / 12, 0.3, 0.3]
    for _, share in zip(fit(start(task, steps=4), batches(UNET)), shares, strict=True):
        for name, tensor in task.generator.state_dict().items():
            if tensor.is_floating_point():
                by_hand[name] = share * by_hand[name] + (1 - share) * tensor
    averaged = task.current().state_dict()
    assert averaged.keys() == by_hand.keys()
    for name, tensor in by_hand.items():
        assert torch.allclose(averaged[name], tensor, rtol=1e-5, atol=1e-7)
    assert not torch.equal(averaged["ups.up1.weight"], task.generator.state_dict()["ups.up1.weight"])


def test_without_averaging_the_generator_itself_is_kept():
    task = GeneratorTask(net(RESNET), pupil_game(RESNET))
    assert task.current() is task.generator
    assert task.state()["averaged"] == {}


def test_a_slim_student_imitates_the_channels_it_has():
    task, training = search(RESNET)
    run(training, RESNET)
    student = GeneratorTask(task.current(), pupil_game(RESNET), kept=task.kept)
    steps = run(start(student, steps=3), RESNET)
    assert {"imitation", "features"} <= steps[0].losses.keys()
    assert steps[0].ratio is None
    assert steps[0].widths is None


def test_imitating_makes_a_student_alike():
    task, training = search(RESNET, ratio=2.0)
    run(training, RESNET)
    student = GeneratorTask(task.current(), pupil_game(RESNET, judged=False), kept=task.kept)
    losses = [step.losses["imitation"] for step in run(start(student, steps=200, learning_rate=5e-3), RESNET)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


# Warming up


@pytest.mark.parametrize("game", [paired_game(UNET, teacher=True), pupil_game(UNET)])
def test_discriminators_play_in_every_third_step(game):
    task = GeneratorTask(net(UNET, 4), game, judged_every=3)
    judged = []
    for step in fit(start(task, steps=7), batches(UNET)):
        judged.append("discriminator" in step.losses)
        assert ("adversarial" in step.losses) == judged[-1]
        assert "imitation" in step.losses
    assert judged == [True, False, False] * 2 + [True]


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_resumed_training_keeps_the_discriminators_turn(stop):
    whole, second = (
        start(GeneratorTask(net(UNET, 4), paired_game(UNET, teacher=True), judged_every=3), steps=6) for _ in range(2)
    )
    for step in fit(whole, batches(UNET)):
        if step.step == stop:
            second.load_state(stored(whole.state()))
    list(fit(second, batches(UNET)))
    assert differences(stored(whole.state()), stored(second.state())) == []


def test_a_warm_up_moves_the_fresh_players_alone():
    generator, game = net(RESNET), cycle_game(RESNET)
    before = stored({"generator": generator.state_dict(), **game.state()["networks"]})
    task = WarmupTask(generator, game, frozenset({"discriminator"}))
    steps = list(fit(start(task, steps=3), batches(RESNET, "unpaired")))
    after = stored({"generator": generator.state_dict(), **game.state()["networks"]})
    moved = {place.split("/")[1] for place in differences(before, after)}
    assert moved == {"discriminator"}
    assert steps[0].losses.keys() == {"discriminator"}
    assert task.current() is generator


def test_a_fresh_backward_generator_learns_through_the_standing_one():
    """Its cycle runs through the generator, whose gradient it needs and whose weights it must not move."""
    generator, game = net(RESNET), cycle_game(RESNET)
    fresh = frozenset({"backward", "discriminator_backward"})
    task = WarmupTask(generator, game, fresh)
    before = stored({"generator": generator.state_dict(), **game.state()["networks"]})
    steps = list(fit(start(task, steps=3), batches(RESNET, "unpaired")))
    after = stored({"generator": generator.state_dict(), **game.state()["networks"]})
    assert {place.split("/")[1] for place in differences(before, after)} == fresh
    assert "cycle_backward" in steps[0].losses


def test_a_warm_up_leaves_running_statistics_alone():
    generator = net(UNET)
    before = stored(generator.state_dict())
    task = WarmupTask(generator, paired_game(UNET), frozenset({"discriminator"}))
    list(fit(start(task, steps=2), batches(UNET)))
    assert differences(before, stored(generator.state_dict())) == []
