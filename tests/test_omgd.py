"""OMGD: the teacher plays its game as if it were alone, and the student learns from the teacher alone."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import l1_loss

from coronet.methods import ROUND, Carry, Lengths
from coronet.methods.deepening import ExpansionBlock, deepened
from coronet.methods.omgd import METHOD, OnlineTeaching, channels_weight, total_variation
from coronet.networks import initialise
from coronet.objectives import Teacher, Translation, UnpairedObjective, tapped
from coronet.recipes.lengths import step_seconds
from coronet.recipes.preparing import STANDING, dense_generator, make_job, open_compression
from coronet.recipes.settings import CompressSettings
from coronet.similarity import ssim
from coronet.tasks import GeneratorTask
from coronet.training import fit
from tests.games import RESNET, UNET, compression_job, cycle_game, differences, net, paired_game, start, stored
from tests.worlds import SIDE, make_model, make_world

KINDS = {"paired": UNET, "unpaired": RESNET}
STUDENTS = {
    kind: config.with_widths({g: max(1, w // 2) for g, w in config.widths.items()}) for kind, config in KINDS.items()
}


class Clock:
    """Stands still unless it is moved."""

    now = 0.0

    def monotonic(self):
        return self.now


def initialised(network):
    initialise(network, random())
    return network


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def teaching(kind, *, deep=False):
    """Give the objective of teacher and student, and a student."""
    job = compression_job(KINDS[kind], kind, teacher=False)
    return OnlineTeaching(job.objective, job.generator, STUDENTS[kind], 0, deep=deep), net(STUDENTS[kind], 8), job


def gradients(losses, network):
    total = torch.stack(list(losses.values())).sum()
    return torch.autograd.grad(total, list(network.parameters()), allow_unused=True, retain_graph=True)


@pytest.mark.parametrize(("kind", "deep"), [("paired", False), ("paired", True), ("unpaired", False)])
def test_the_students_loss_touches_nobody_and_the_teachers_never_sees_the_student(kind, deep):
    game, student, job = teaching(kind, deep=deep)
    assert ("deep_teacher" in game.networks) == deep
    moves = list(game.play(lambda images: tapped(student, images), {}, job.batch_at(0), random()))
    *teachers, (players, losses) = moves
    assert players == ("generator", "maps")
    for name, network in game.networks.items():
        assert all((gradient is None) == (name != "maps") for gradient in gradients(losses, network)), name
    assert all(gradient is not None for gradient in gradients(losses, student))
    assert {player for others, _ in teachers for player in others} == {*game.networks} - {"maps"}
    for _, losses in teachers:
        assert all(gradient is None for gradient in gradients(losses, student))
        assert all(gradient is None for gradient in gradients(losses, game.networks["maps"]))


def test_a_deep_teacher_learns_the_truth_and_the_student_from_both():
    game, student, job = teaching("paired", deep=True)
    deep = game.networks["deep_teacher"]
    batch, made, answers = job.batch_at(0), [], []
    deep.register_forward_hook(lambda module, inputs, output: made.append(output.detach()))
    student.register_forward_hook(lambda module, inputs, output: answers.append(output.detach()))
    moves = list(game.play(lambda images: tapped(student, images), {}, batch, random()))
    assert [players for players, _ in moves] == [
        ("discriminator",),
        ("teacher",),
        ("discriminator",),
        ("deep_teacher",),
        ("generator", "maps"),
    ]
    (images,), (answer,), losses, weights = made, answers, moves[-1][1], game.weights
    assert moves[3][1]["L1"].item() == pytest.approx(weights.reconstruction * l1_loss(images, batch.target).item())
    assert losses["ssim_deep"].item() == pytest.approx(10 * (1 - ssim(answer, images).mean().item()))
    assert {"ssim", "ssim_deep", "L1_to_teacher", "L1_to_teacher_deep", "channels", "variation"} == {*losses}


@pytest.mark.parametrize("kind", KINDS)
def test_a_deepened_net_is_deeper_and_translates_to_the_same_shape(kind):
    config = KINDS[kind]
    deep = initialised(deepened(config))
    images = torch.rand(2, 3, config.image_size, config.image_size, generator=random()) * 2 - 1
    made = deep(images)
    assert made.shape == images.shape
    assert bool(torch.isfinite(made).all())
    blocks = [module for module in deep.modules() if isinstance(module, ExpansionBlock)]
    normed = 2 * (config.levels - 1) - 1 if config.architecture == "unet" else 0
    assert len(blocks) == (2 * normed if normed else 4 + 2)
    gradients = torch.autograd.grad(made.square().mean(), list(deep.parameters()))
    assert all(bool(gradient.abs().max() > 0) for gradient in gradients[:1])


@pytest.mark.parametrize(
    ("kind", "teacher", "wanted", "has"),
    [
        ("paired", False, True, True),
        ("paired", False, False, False),
        ("paired", True, True, False),
        ("unpaired", False, True, False),
    ],
)
def test_only_a_learning_pix2pix_has_a_deep_teacher(kind, teacher, wanted, has):
    job = replace(compression_job(KINDS[kind], kind, teacher=teacher), deep_teacher=wanted)
    (tune,) = [phase for phase in METHOD.phases(job) if phase.name == "finetune"]
    training = tune.start(tune.prepare(Carry()))
    assert ("deep_teacher" in training.task.parameters()) == has


class Waiting(GeneratorTask):
    """A generator that plays at every n-th step only."""

    every = 1

    def play(self, batch, random):
        if self.steps % self.every == 0:
            yield from super().play(batch, random)


@pytest.mark.parametrize(("kind", "every"), [("paired", 1), ("unpaired", ROUND)])
def test_the_teacher_learns_as_if_it_were_alone(kind, every):
    """CycleGAN's at every fourth step: the student makes four for one of the teacher's."""
    config = KINDS[kind]
    game, student, job = teaching(kind)
    together = start(GeneratorTask(student, game, kept={}), steps=2 * ROUND + 1, learning_rate=1e-3)
    moved = [set(step.losses) for step in fit(together, job.batch_at)]
    assert ["discriminator" in losses for losses in moved] == [step % every == 0 for step in range(2 * ROUND + 1)]
    assert all("ssim" in losses for losses in moved)
    alone = Waiting(net(config), {"paired": paired_game, "unpaired": cycle_game}[kind](config))
    alone.every = every
    list(fit(start(alone, steps=2 * ROUND + 1, learning_rate=1e-3), job.batch_at))
    assert differences(stored(game.networks["teacher"].state_dict()), stored(alone.generator.state_dict())) == []
    for player, network in alone.objective.networks.items():
        assert differences(stored(network.state_dict()), stored(game.networks[player].state_dict())) == []


@pytest.mark.parametrize("stop", range(1, ROUND + 1))
def test_a_resumed_teacher_keeps_its_turn(stop):
    trainings = []
    for _ in range(2):
        game, student, job = teaching("unpaired")
        trainings.append(start(GeneratorTask(student, game, kept={}), steps=2 * ROUND))
    whole, second = trainings
    for step in fit(whole, job.batch_at):
        if step.step == stop:
            second.load_state(stored(whole.state()))
    list(fit(second, job.batch_at))
    assert differences(stored(whole.state()), stored(second.state())) == []


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_between_its_turns_a_teacher_stands_still(norm):
    """To its norms' statistics."""
    config = replace(RESNET, norm=norm)
    job = compression_job(config, "unpaired", teacher=False)
    game, student = OnlineTeaching(job.objective, job.generator, config, 0), net(config, 8)
    steps = fit(start(GeneratorTask(student, game, kept={}), steps=ROUND + 1), job.batch_at)
    next(steps)
    others = {player: network for player, network in game.networks.items() if player != "maps"}
    before = {player: stored(network.state_dict()) for player, network in others.items()}
    for _ in range(ROUND - 1):
        next(steps)
    assert differences(before, {player: stored(network.state_dict()) for player, network in others.items()}) == []
    next(steps)
    assert differences(before, {player: stored(network.state_dict()) for player, network in others.items()}) != []


def test_the_time_of_a_step_is_the_average_of_a_round(monkeypatch):
    """A teacher's step costs 9 seconds here, the others 1."""
    job = compression_job(RESNET, "unpaired", teacher=False)
    (tune,) = [phase for phase in METHOD.phases(job) if phase.name == "finetune"]
    training = tune.start(tune.prepare(Carry()))
    training.steps = 100
    clock = Clock()
    monkeypatch.setattr("coronet.clock.seconds", clock.monotonic)

    def batch_at(step):
        clock.now += 1.0
        return job.batch_at(step)

    def judged(*_):
        clock.now += 8.0 / 3  # the discriminator judges three times in a turn

    training.task.objective.networks["discriminator"].register_forward_hook(judged)
    assert step_seconds(training, batch_at) == pytest.approx((9 + 3) / 4)


def test_the_dense_net_itself_is_left_alone():
    game, student, job = teaching("unpaired")
    before = stored(job.generator.state_dict())
    list(fit(start(GeneratorTask(student, game, kept={}), steps=2), job.batch_at))
    assert differences(before, stored(job.generator.state_dict())) == []
    assert differences(before, stored(game.networks["teacher"].state_dict())) != []


@pytest.mark.parametrize(("kind", "weight"), [("paired", 10.0), ("unpaired", 500.0)])
def test_the_students_terms_by_hand(kind, weight):
    game, student, job = teaching(kind)
    batch = job.batch_at(0)
    torch.manual_seed(0)  # dropout of the teacher
    losses = list(game.play(lambda images: tapped(student.eval(), images), {}, batch, random()))[-1][1]
    game.networks["teacher"].train()
    torch.manual_seed(0)
    with torch.no_grad():
        wanted, made = tapped(game.networks["teacher"], batch.source), tapped(student, batch.source)
        assert float(losses["ssim"]) == pytest.approx(
            10 * (1 - float(ssim(made.images, wanted.images).mean())), rel=1e-5
        )
        assert float(losses["variation"]) == pytest.approx(1e-5 * float(total_variation(made.images)), rel=1e-5)
        assert float(losses["L1_to_teacher"]) == pytest.approx(
            10 * float((made.images - wanted.images).abs().mean()), rel=1e-5
        )
        total = 0.0
        for layer, mapped in zip(game.networks["maps"].layers, game.networks["maps"].maps, strict=True):
            ours, theirs = made.features[layer], wanted.features[layer]
            if not layer.startswith("blocks."):
                ours, theirs = ours.relu(), theirs.relu()
            total += float((mapped(ours).relu().mean((2, 3)) - theirs.mean((2, 3))).square().mean())
        assert float(losses["channels"]) == pytest.approx(weight * total, rel=1e-4)
        assert total > 0


def standing(job):
    """Give the objective of a teacher that stands still."""
    game = UnpairedObjective(job.objective.weights, Teacher(job.generator), {}, 0)
    return OnlineTeaching(game, job.generator, STUDENTS["unpaired"], 0)


def test_a_tint_costs_more_than_ssim_sees():
    _, student, job = teaching("unpaired")
    batch = job.batch_at(0)
    tinted = tapped(job.generator, batch.source).images.detach()
    tinted[:, 0] += 0.1
    made = Translation(tinted, tapped(student, batch.source).features)
    ((_, losses),) = standing(job).play(lambda images: made, {}, batch, random())
    assert float(losses["L1_to_teacher"]) == pytest.approx(10 * 0.1 / 3, rel=1e-4)
    assert float(losses["ssim"].detach()) < float(losses["L1_to_teacher"].detach())


def test_a_teacher_that_stands_still_is_the_dense_net_and_meets_nobody():
    _, student, job = teaching("unpaired")
    game = standing(job)
    before = stored(job.generator.state_dict())
    assert game.networks.keys() == {"maps"}
    steps = list(fit(start(GeneratorTask(student, game, kept={}), steps=ROUND + 1), job.batch_at))
    assert {*steps[0].losses} == {"ssim", "channels", "variation", "L1_to_teacher"}
    assert differences(before, stored(job.generator.state_dict())) == []


@pytest.mark.parametrize("backward", [True, False])
def test_a_teacher_learns_only_beside_a_backward_generator_that_can_translate(backward, tmp_path):
    make_world("unpaired", tmp_path / "data")
    model = make_model("resnet", tmp_path / "generator.safetensors")
    if backward:
        make_model("resnet", tmp_path / "backward.safetensors", seed=1)
    choices = {"image_size": SIDE, "ndf": 4, "method": "omgd"}
    opened = open_compression(CompressSettings(model=str(model), data=str(tmp_path / "data"), **choices))
    job = make_job(opened, dense_generator(opened), Lengths(2, 0, 4))
    warmup, tune = METHOD.phases(job)
    players = {*tune.start(tune.prepare(Carry())).optimisers}
    assert (STANDING in job.players) is not backward
    assert (warmup.steps > 0) is backward  # of the discriminators
    assert players - {"generator", "maps"} == (
        {"teacher", "backward", "discriminator", "discriminator_backward"} if backward else set()
    )


@pytest.mark.parametrize("wanted", [True, False])
def test_the_deep_teacher_can_be_left_out(tmp_path, wanted):
    make_world("paired", tmp_path / "data")
    model = make_model("unet", tmp_path / "model.safetensors")
    settings = CompressSettings(
        model=str(model), data=str(tmp_path / "data"), image_size=SIDE, ndf=4, method="omgd", deep_teacher=wanted
    )
    opened = open_compression(settings)
    tune = METHOD.phases(make_job(opened, dense_generator(opened), Lengths(0, 0, 4)))[-1]
    assert ("deep_teacher" in tune.start(tune.prepare(Carry())).optimisers) == wanted


@pytest.mark.parametrize(("channels", "weight"), [(64, 100), (16, 100), (12, 1000), (8, 1000)])
def test_narrow_students_of_pairs_get_the_larger_published_weight(channels, weight):
    assert channels_weight(RESNET, channels / 64, paired=True) == weight
    assert channels_weight(RESNET, channels / 64, paired=False) == 500
    assert channels_weight(UNET, channels / 64, paired=True) == 10


def test_total_variation_by_hand():
    images = torch.tensor([[[[0.0, 1.0], [3.0, 1.0]]], [[[0.0, 0.0], [0.0, 0.5]]]])
    assert float(total_variation(images)) == pytest.approx((1 + 2 + 3 + 0 + 0.5 + 0.5) / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_teacher_and_opponents_learn_at_their_own_rate(kind):
    job = compression_job(KINDS[kind], kind, teacher=False)
    tune = METHOD.phases(job)[-1]
    training = tune.start(tune.prepare(Carry()))
    learning = {*training.optimisers} - {"generator", "maps"}
    assert training.shares == pytest.approx(dict.fromkeys(learning, 2e-4 / job.learning_rate))


def test_the_student_of_a_resnet_is_mobile_and_starts_from_nothing():
    job = compression_job(RESNET, "unpaired", teacher=False)
    tune = METHOD.phases(job)[-1]
    student = tune.prepare(Carry()).student
    assert student.config.architecture == "mobile_resnet"
    kernels = torch.cat([tensor.flatten() for tensor in student.state_dict().values() if tensor.dim() == 4])
    assert float(kernels.std()) == pytest.approx(0.02, rel=0.5)  # the dense one's are ten times as large


def test_a_student_comes_nearer_to_its_teacher():
    game, student, job = teaching("unpaired")
    training = start(GeneratorTask(student, game, kept={}), steps=60, learning_rate=3e-3)
    training.shares = dict.fromkeys({*game.networks} - {"maps"}, 0.01)  # a teacher that hardly moves
    losses = [step.losses["ssim"] for step in fit(training, lambda step: job.batch_at(step % 4))]
    assert sum(losses[-10:]) < 0.95 * sum(losses[:10])
