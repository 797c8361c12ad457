"""OMGD: the teacher plays its game as if it were alone, and the student learns from the teacher alone."""

import pytest
import torch

from coronet.methods import Carry
from coronet.methods.omgd import METHOD, OnlineTeaching, total_variation
from coronet.objectives import tapped
from coronet.similarity import ssim
from coronet.tasks import GeneratorTask
from coronet.training import fit
from tests.games import RESNET, UNET, compression_job, cycle_game, differences, net, paired_game, start, stored

KINDS = {"paired": UNET, "unpaired": RESNET}
STUDENTS = {
    kind: config.with_widths({g: max(1, w // 2) for g, w in config.widths.items()}) for kind, config in KINDS.items()
}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def teaching(kind):
    """Give the objective of teacher and student, and a student."""
    job = compression_job(KINDS[kind], kind, teacher=False)
    return OnlineTeaching(job.objective, job.generator, STUDENTS[kind], 0), net(STUDENTS[kind], 8), job


def gradients(losses, network):
    total = torch.stack(list(losses.values())).sum()
    return torch.autograd.grad(total, list(network.parameters()), allow_unused=True, retain_graph=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_students_loss_touches_nobody_and_the_teachers_never_sees_the_student(kind):
    game, student, job = teaching(kind)
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


@pytest.mark.parametrize("kind", KINDS)
def test_the_teacher_learns_as_if_it_were_alone(kind):
    config = KINDS[kind]
    game, student, job = teaching(kind)
    together = start(GeneratorTask(student, game, kept={}), steps=4, learning_rate=1e-3)
    list(fit(together, job.batch_at))
    alone = GeneratorTask(net(config), {"paired": paired_game, "unpaired": cycle_game}[kind](config))
    list(fit(start(alone, steps=4, learning_rate=1e-3), job.batch_at))
    assert differences(stored(game.networks["teacher"].state_dict()), stored(alone.generator.state_dict())) == []
    for player, network in alone.objective.networks.items():
        assert differences(stored(network.state_dict()), stored(game.networks[player].state_dict())) == []


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
        total = 0.0
        for layer, mapped in zip(game.networks["maps"].layers, game.networks["maps"].maps, strict=True):
            ours, theirs = made.features[layer], wanted.features[layer]
            if not layer.startswith("blocks."):
                ours, theirs = ours.relu(), theirs.relu()
            total += float((mapped(ours).relu().mean((2, 3)) - theirs.mean((2, 3))).square().mean())
        assert float(losses["channels"]) == pytest.approx(weight * total, rel=1e-4)
        assert total > 0


def test_total_variation_by_hand():
    images = torch.tensor([[[[0.0, 1.0], [3.0, 1.0]]], [[[0.0, 0.0], [0.0, 0.5]]]])
    assert float(total_variation(images)) == pytest.approx((1 + 2 + 3 + 0 + 0.5 + 0.5) / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_teacher_and_opponents_learn_at_their_own_rate(kind):
    job = compression_job(KINDS[kind], kind, teacher=False)
    tune = METHOD.phases(job)[-1]
    training = tune.start(tune.prepare(Carry()))
    learning = {*training.optimisers} - {"generator", "maps"}
    assert training.shares == dict.fromkeys(learning, 0.4)


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
