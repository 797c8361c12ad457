"""GAN Compression: sub-nets are the first channels of the supernet, learn in them alone, and meet the budget."""

from dataclasses import replace

import pytest
import torch

from coronet.channels import keep_all, kept_widths, mask, select
from coronet.cost import CostModel
from coronet.methods import Carry
from coronet.methods.distilling import taps
from coronet.methods.gan_compression import JUDGED_BATCHES, JUDGED_FROM, METHOD, distance, evolved, space
from coronet.methods.supernet import Distillation, FeatureMaps, SupernetTask, sliced
from coronet.networks import build, initialise, resnet_config, unet_config
from coronet.objectives import tapped
from coronet.recipes.settings import MAX_STEPS
from coronet.search import SearchPlan
from coronet.slimming import slim
from coronet.tasks import GeneratorTask
from coronet.training import fit
from tests.games import RESNET, UNET, batches, compression_job, differences, net, start, stored
from tests.nets import TINY, random_kept, random_net

WIDER = {
    "resnet": resnet_config(ngf=16, blocks=2, image_size=16),
    "mobile_resnet": resnet_config(ngf=16, blocks=2, mobile=True, image_size=16),
    "unet": unet_config(ngf=16, image_size=16),
}
KINDS = {"paired": UNET, "unpaired": RESNET, "single": RESNET}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def training_of(kind):
    """Give the training of a supernet, and the job it belongs to."""
    job = compression_job(KINDS[kind], kind, teacher=True)
    _, search, _ = METHOD.phases(job)
    return search.start(Carry()), job


# First channels


@pytest.mark.parametrize("name", TINY)
def test_a_subnet_is_the_slice_of_the_supernet(name):
    supernet, images = random_net(name)
    widths = kept_widths(random_kept(supernet.config.widths, seed=3))
    skeleton, weights = sliced(supernet, widths)
    small = slim(supernet, supernet.state_dict(), keep_all(widths))
    assert differences(dict(small.state_dict()), {tensor: weights[tensor].detach() for tensor in weights}) == []
    with torch.no_grad():
        assert torch.equal(torch.func.functional_call(skeleton.eval(), weights, (images,)), small(images))


def test_slices_are_the_first_channels():
    supernet = net(RESNET)
    widths = {group: max(1, width // 2) for group, width in RESNET.widths.items()}
    _, weights = sliced(supernet, widths)
    tensors = supernet.state_dict()
    assert torch.equal(weights["down1.weight"], tensors["down1.weight"][: widths["down1"], : widths["stem"]])
    assert torch.equal(weights["up1.weight"], tensors["up1.weight"][: widths["trunk"], : widths["up1"]])
    assert torch.equal(weights["head.weight"], tensors["head.weight"][:, : widths["up2"]])


def test_behind_a_skip_each_part_gives_its_first_channels():
    supernet = net(UNET)
    widths = {group: max(1, width // 2) for group, width in UNET.widths.items()}
    _, weights = sliced(supernet, widths)
    whole, skip = supernet.state_dict()["ups.up2.weight"], UNET.widths["down2"]
    expected = torch.cat([whole[: widths["down2"]], whole[skip : skip + widths["up3"]]])[:, : widths["up2"]]
    assert torch.equal(weights["ups.up2.weight"], expected)


# Learning


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_channels_drawn_get_gradients(kind):
    training, job = training_of(kind)
    task, drawn = training.task, set()
    config, axes = task.supernet.config, task.supernet.axes()
    for step in range(3):
        for players, losses in task.play(job.batch_at(step), random(step)):
            if "generator" not in players:
                continue
            total = torch.stack(list(losses.values())).sum()
            tensors = task.parameters()["generator"]
            found = torch.autograd.grad(total, list(tensors.values()), allow_unused=True)
            gradients = {name: gradient for name, gradient in zip(tensors, found, strict=True) if gradient is not None}
            widths = drawn_widths(task, random(step))
            assert all(widths[group] in rungs for group, rungs in task.rungs.items())
            drawn.add(tuple(widths.values()))
            own = mask(gradients, axes, config.widths, keep_all(widths))
            assert differences(gradients, own) == []
            cut = select(gradients, axes, config.widths, keep_all(widths))
            reached = [bool(gradient.any()) for name, gradient in cut.items() if name.endswith("weight")]
            assert sum(reached) >= 0.8 * len(reached)  # a ReLU in front of few channels may let nothing through
    assert len(drawn) > 1


def drawn_widths(task, generator):
    return {
        group: rungs[int(torch.randint(len(rungs), (), generator=generator))] for group, rungs in task.rungs.items()
    }


@pytest.mark.parametrize(("kind", "terms"), [
    ("paired", {"discriminator", "adversarial", "L1", "distillation"}),
    ("unpaired", {"discriminator", "adversarial", "reconstruction", "distillation"}),
    ("single", {"reconstruction", "distillation"}),
])  # fmt: skip
def test_a_supernet_learns_from_judge_target_and_features(kind, terms):
    training, job = training_of(kind)
    teacher, before = stored(job.generator.state_dict()), stored(training.task.state())
    steps = list(fit(training, job.batch_at))
    assert steps[-1].losses.keys() == terms
    places = {tuple(place.split("/")[1:4]) for place in differences(before, stored(training.task.state()))}
    moved = {place[-1] for place in places if place[:2] == ("objective", "networks")}
    assert moved == {"maps"} | ({"discriminator"} & terms)
    assert differences(teacher, stored(job.generator.state_dict())) == []


def test_running_statistics_follow_the_channels_that_played():
    training, job = training_of("paired")
    before = stored(training.task.supernet.state_dict())
    next(fit(training, job.batch_at))
    after = stored(training.task.supernet.state_dict())
    means = [name for name in before if name.endswith("running_mean")]
    assert all(not torch.equal(before[name], after[name]) for name in means)
    partly = [bool((before[name] == after[name]).any()) for name in means]
    assert any(partly)  # what did not play keeps what it had


def test_maps_use_the_columns_of_the_channels_there_are():
    maps = FeatureMaps({"a": 6}, {"a": 5}, random())
    features = torch.randn(2, 6, 4, 4, generator=random(1))
    features[:, 4:] = 0.0
    whole = maps({"a": features})["a"]
    assert whole.shape == (2, 5, 4, 4)
    torch.testing.assert_close(maps({"a": features[:, :4]})["a"], whole)


def test_the_distillation_by_hand():
    job = compression_job(RESNET, "unpaired", teacher=True)
    student = net(RESNET, 5)
    game = Distillation(job.objective, RESNET, RESNET, 0)
    batch = job.batch_at(0)
    moves = list(game.play(lambda images: tapped(student, images), {}, batch, random()))
    assert [players for players, _ in moves] == [("generator", "backward", "maps"), ("discriminator",)]
    with torch.no_grad():
        ours, theirs = tapped(student, batch.source), tapped(job.generator, batch.source)
        total = 0.0
        for layer, weight in zip(taps(student), game.networks["maps"].weights, strict=True):
            one, other = ours.features[layer], theirs.features[layer]
            if layer == "down2_norm":
                one, other = one.relu(), other.relu()
            mapped = torch.einsum("oi,nihw->nohw", weight[:, :, 0, 0], one)
            total += float((mapped - other).square().mean())
    assert float(moves[0][1]["distillation"].detach()) == pytest.approx(0.01 * total, rel=1e-4)
    expected = 10.0 * (ours.images - theirs.images).abs().mean()
    assert float(moves[0][1]["reconstruction"].detach()) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("kind", ["paired", "unpaired"])
def test_discriminators_rest_in_the_distillation_too(kind):
    job = compression_job(RESNET, kind, teacher=True)
    task = GeneratorTask(net(RESNET, 5), Distillation(job.objective, RESNET, RESNET, 0), judged_every=3)
    judged = []
    for step in fit(start(task, steps=4), job.batch_at):
        judged.append(any(name.startswith("discriminator") for name in step.losses))
        assert any(name.startswith("adversarial") for name in step.losses) == judged[-1]
        assert "distillation" in step.losses
    assert judged == [True, False, False, True]


def test_four_layers_are_tapped():
    assert [*taps(build(resnet_config(ngf=2, blocks=9)))] == ["down2_norm", "blocks.2", "blocks.5", "blocks.8"]
    assert [*taps(build(resnet_config(ngf=2, blocks=1)))] == ["down2_norm", "blocks.0"]
    assert [*taps(build(unet_config(ngf=2)))] == [f"norms.up{level}" for level in (2, 3, 4, 5)]


# The widths to choose from, and the choice


@pytest.mark.parametrize(("ratio", "multiple_of"), [(1.5, 1), (2.0, 1), (4.0, 1), (8.0, 1), (2.0, 4), (4.0, 4)])
@pytest.mark.parametrize("name", WIDER)
def test_the_space_lies_around_the_budget(name, ratio, multiple_of):
    config, plan = WIDER[name], SearchPlan(ratio=ratio, multiple_of=multiple_of)
    choice = space(config, plan)
    assert all(rungs[-1] == choice.supernet.widths[group] for group, rungs in choice.rungs.items())
    assert all([*rungs] == sorted({*rungs}) for rungs in choice.rungs.values())
    assert all(width % multiple_of == 0 for rungs in choice.rungs.values() for width in rungs)
    narrowest = {group: rungs[0] for group, rungs in choice.rungs.items()}
    budget = CostModel(config).total / ratio
    assert CostModel(choice.supernet).at(narrowest) <= budget * (1 + 1e-9)


@pytest.mark.parametrize("budget", ["macs", "params"])
@pytest.mark.parametrize("ratio", [2.0, 4.0, 16.0])
@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_the_evolved_student_meets_the_ratio(name, ratio, budget):
    config = WIDER[name]
    job = compression_job(config, "single", teacher=True, ratio=ratio, budget=budget, floor=0.05)
    choice = space(config, job.plan)
    supernet = build(choice.supernet)
    initialise(supernet, random())
    carry = evolved(job, choice, Carry(student=supernet))
    reached = CostModel(config, None, budget).total / CostModel(carry.student.config, None, budget).total
    assert ratio * (1 - 1e-9) <= reached <= ratio * 1.03
    assert carry.kept == {}
    widths = carry.student.config.widths
    assert all(width >= choice.rungs[group][0] for group, width in widths.items())
    part = slim(supernet, supernet.state_dict(), keep_all(widths))
    assert differences(dict(part.state_dict()), dict(carry.student.state_dict())) == []


def test_the_evolved_student_is_no_worse_than_the_widths_of_a_brute_force_search(monkeypatch):
    """In a space of 8 the search finds the narrow channels' best; what is filled up only widens it."""
    config = RESNET
    job = compression_job(config, "single", teacher=True, ratio=3.0, lengths=(2000, 4))
    choice = space(config, job.plan)
    some = {group: (rungs[0], rungs[-1]) for group, rungs in choice.rungs.items()}
    some = {group: rungs if group in ("stem", "trunk", "up1") else rungs[:1] for group, rungs in some.items()}
    supernet = net(choice.supernet, 4)
    sources = [job.batch_at(JUDGED_FROM + step).source for step in range(JUDGED_BATCHES)]
    judged = [(source, job.generator(source)) for source in sources]
    cost = CostModel(choice.supernet)
    every = [
        {group: rungs[(number >> place) % len(rungs)] for place, (group, rungs) in enumerate(some.items())}
        for number in range(2 ** len(some))
    ]
    fitting = [widths for widths in every if cost.at(widths) <= CostModel(config).total / 3.0]
    best = min(fitting, key=lambda widths: distance(supernet, widths, judged))
    found = []
    monkeypatch.setattr(
        "coronet.methods.gan_compression.choose",
        lambda wider, cost, ratio, floor, **_: found.append(floor) or keep_all(floor),
    )
    evolved(job, type(choice)(choice.supernet, some), Carry(student=supernet))
    assert found == [best]


def test_widths_are_judged_on_draws_that_no_phase_has():
    job, asked = compression_job(RESNET, "unpaired", teacher=True), []
    batch_at = job.batch_at
    job = replace(job, batch_at=lambda step: asked.append(step) or batch_at(step))
    _, search, tune = METHOD.phases(job)
    first = search.start(Carry())
    list(fit(first, job.batch_at))
    trained, asked[:] = {*asked}, []
    carry = tune.prepare(search.finish(first))
    judged, asked[:] = {*asked}, []
    list(fit(tune.start(carry), job.batch_at))
    assert len(judged) == JUDGED_BATCHES
    assert judged.isdisjoint(trained | {*asked})
    assert min(judged) > MAX_STEPS


def test_a_supernet_shows_the_middle_of_its_space():
    training, _ = training_of("unpaired")
    task = training.task
    assert isinstance(task, SupernetTask)
    shown = task.current().config.widths
    assert all(rungs[0] <= shown[group] <= rungs[-1] for group, rungs in task.rungs.items())
    assert task.current().eval()(batches(RESNET)(0).source).shape == (1, 3, 32, 32)


def test_fine_tuning_goes_on_with_maps_and_judge():
    job = compression_job(RESNET, "unpaired", teacher=True)
    _, search, tune = METHOD.phases(job)
    first = search.start(Carry())
    list(fit(first, job.batch_at))
    carry = tune.prepare(search.finish(first))
    second = tune.start(carry)
    for player in ("maps", "discriminator"):
        assert second.optimisers[player] is first.optimisers[player]
        tensors = second.task.parameters()[player]
        assert all(tensors[name] is tensor for name, tensor in first.task.parameters()[player].items())
    assert second.optimisers["generator"] is not first.optimisers["generator"]
    assert {"distillation", "reconstruction", "adversarial"} <= next(fit(second, job.batch_at)).losses.keys()


def test_training_a_supernet_brings_its_subnets_nearer():
    job = compression_job(RESNET, "single", teacher=True)
    choice = space(RESNET, job.plan)
    supernet = net(choice.supernet, 4)
    game = Distillation(job.objective, RESNET, choice.supernet, 0)
    losses = [
        step.losses["reconstruction"]
        for step in fit(start(SupernetTask(supernet, choice.rungs, game), steps=60, learning_rate=3e-3), job.batch_at)
    ]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
