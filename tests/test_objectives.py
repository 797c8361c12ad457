"""The games: who moves when, what each move may change, and every term against its formula."""

import pytest
import torch
import torch.nn.functional as F

from coronet.channels import keep_all
from coronet.losses import feature_imitation, imitation, judged_real, softened, told_apart
from coronet.objectives import ImagePool, LossWeights, PairedObjective, Teacher, UnpairedObjective, tapped
from coronet.tasks import GeneratorTask
from coronet.training import fit
from tests.games import (
    RESNET,
    UNET,
    batches,
    cycle_game,
    differences,
    judge,
    net,
    paired_game,
    pupil_game,
    start,
    stored,
)
from tests.nets import random_kept

ALL = keep_all(RESNET.widths)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def moves(game, generator=None, batch=None, kept=ALL):
    """Play one step without any player moving: players and losses of every move."""
    generator = generator or net(RESNET)
    batch = batch or batches(RESNET)(0)
    return list(game.play(lambda images: tapped(generator, images), kept, batch, random()))


def number(tensor):
    return float(tensor.detach())


def gradients(losses, network):
    total = torch.stack(list(losses.values())).sum()
    return torch.autograd.grad(total, list(network.parameters()), allow_unused=True, retain_graph=True)


# Order, and what a move touches


def test_in_pix2pix_the_discriminator_moves_first():
    assert [players for players, _ in moves(paired_game(RESNET))] == [("discriminator",), ("generator",)]


def test_in_cyclegan_both_generators_move_first():
    assert [players for players, _ in moves(cycle_game(RESNET))] == [
        ("generator", "backward"),
        ("discriminator",),
        ("discriminator_backward",),
    ]


@pytest.mark.parametrize("game", [paired_game(RESNET, teacher=True), cycle_game(RESNET)])
def test_an_unjudged_game_is_the_same_without_discriminators(game):
    quiet, batch = game.unjudged(), batches(RESNET)(0)
    ((players, losses),) = moves(quiet, batch=batch)
    *_, (_, whole) = [move for move in moves(game, batch=batch) if move[0][0] == "generator"]
    assert players[0] == "generator"
    named = {name for name in whole if not name.startswith("adversarial")}
    assert named < {*whole}
    assert {name: number(loss) for name, loss in losses.items()} == {name: number(whole[name]) for name in named}
    assert all(quiet.networks[player] is game.networks[player] for player in quiet.networks)
    assert "discriminator" in game.networks


def test_without_judges_only_the_generators_move():
    assert [players for players, _ in moves(pupil_game(RESNET, judged=False))] == [("generator", "backward")]


@pytest.mark.parametrize("game", [paired_game, cycle_game, pupil_game])
def test_a_discriminators_loss_never_touches_a_generator(game):
    generator, game = net(RESNET), game(RESNET)
    for players, losses in moves(game, generator):
        if players[0].startswith("discriminator"):
            others = [generator, *(network for player, network in game.networks.items() if player != players[0])]
            assert all(gradient is None for other in others for gradient in gradients(losses, other))
            assert any(gradient is not None for gradient in gradients(losses, game.networks[players[0]]))


@pytest.mark.parametrize(("game", "config"), [(paired_game, UNET), (cycle_game, RESNET)])
def test_a_generators_loss_never_moves_a_discriminator(game, config):
    """The discriminator's step is the same however loudly the generator's adversarial loss speaks."""
    ends = []
    for weight in (1.0, 7.0):
        played = game(config, gan=weight)
        next(fit(start(GeneratorTask(net(config), played)), batches(config, "paired")))
        ends.append(stored(played.state()))
    judges = [player for player in ends[0]["networks"] if player.startswith("discriminator")]
    weights = [
        {f"{p}/{n}": t for p in judges for n, t in end["networks"][p].items() if "running" not in n} for end in ends
    ]
    assert differences(*weights) == []


def test_the_generator_learns_against_the_moved_discriminator():
    """Pix2Pix: its adversarial loss is measured after the discriminator's step, as published."""
    game, generator, batch = paired_game(RESNET), net(RESNET), batches(RESNET)(0)
    play = game.play(lambda images: tapped(generator, images), ALL, batch, random())
    next(play)
    with torch.no_grad():
        for tensor in game.networks["discriminator"].parameters():
            tensor.mul_(2.0)
    _, losses = next(play)
    pair = torch.cat([batch.source, generator(batch.source)], dim=1)
    assert number(losses["adversarial"]) == pytest.approx(
        number(judged_real(game.networks["discriminator"](pair), "lsgan"))
    )


# The teacher


@pytest.mark.parametrize("config", [RESNET, UNET], ids=["resnet", "unet"])
def test_the_teacher_is_frozen(config):
    game = paired_game(config, teacher=True)
    before = stored(game.teacher.generator.state_dict())
    for _ in fit(start(GeneratorTask(net(config, 5), game), steps=3), batches(config)):
        pass
    assert differences(before, stored(game.teacher.generator.state_dict())) == []
    assert not game.teacher.generator.training
    assert all(tensor.grad is None and not tensor.requires_grad for tensor in game.teacher.generator.parameters())


@pytest.mark.parametrize("config", [RESNET, UNET], ids=["resnet", "unet"])
def test_the_teacher_shows_the_features_of_the_kept_channels(config):
    dense = net(config).eval()
    kept = random_kept(config.widths, seed=3)
    images = batches(config)(0).source
    shown = Teacher(dense).translate(images, kept)
    with torch.no_grad():
        whole = tapped(dense, images)
    assert torch.equal(shown.images, whole.images)
    assert shown.features.keys() == dense.feature_layers().keys()
    for layer, group in dense.feature_layers().items():
        assert torch.equal(shown.features[layer], whole.features[layer][:, kept[group]])


def test_imitating_the_teacher_is_images_and_features():
    game, generator, batch = pupil_game(RESNET, imitation=3.0, features=0.5), net(RESNET, 8), batches(RESNET)(0)
    kept = random_kept(RESNET.widths, seed=1)
    ours = tapped(generator, batch.source)
    cut = {layer: ours.features[layer][:, kept["trunk"]] for layer in ours.features}
    found = game.imitate(type(ours)(ours.images, cut), batch, kept)
    wanted = game.teacher.translate(batch.source, kept)
    assert number(found["imitation"]) == pytest.approx(3.0 * number(imitation(ours.images, wanted.images)))
    assert number(found["features"]) == pytest.approx(0.5 * number(feature_imitation(cut, wanted.features)))


def test_the_dense_net_imitates_itself_for_nothing():
    losses = moves(pupil_game(RESNET, judged=False), net(RESNET).eval())[0][1]
    assert number(losses["imitation"]) == pytest.approx(0.0, abs=1e-5)
    assert number(losses["features"]) == 0.0


def test_tapping_leaves_no_hooks():
    generator = net(RESNET)
    images = batches(RESNET)(0).source
    tapped(generator, images)
    with pytest.raises(RuntimeError):
        tapped(generator, images[:, :2])
    assert all(not module._forward_hooks for module in generator.modules())


# Terms


def test_the_terms_of_pix2pix():
    game, generator, batch = (
        paired_game(RESNET, gan=2.0, reconstruction=30.0, gan_mode="vanilla"),
        net(RESNET),
        batches(RESNET)(0),
    )
    (_, first), (_, second) = moves(game, generator, batch)
    fake = generator(batch.source)
    network = game.networks["discriminator"]
    real_logits, fake_logits = (network(torch.cat([batch.source, image], dim=1)) for image in (batch.target, fake))
    assert number(first["discriminator"]) == pytest.approx(number(told_apart(real_logits, fake_logits, "vanilla")))
    assert second.keys() == {"L1", "adversarial"}
    assert number(second["L1"]) == pytest.approx(30.0 * number(F.l1_loss(fake, batch.target)))
    assert number(second["adversarial"]) == pytest.approx(2.0 * number(judged_real(fake_logits, "vanilla")))


@pytest.mark.parametrize(("soften", "soften_judges"), [(0.0, 0.0), (1.5, 0.0), (1.5, 0.8)])
def test_the_terms_of_cyclegan(soften, soften_judges):
    game, ahead, batch = (
        cycle_game(RESNET, cycle=7.0, identity=0.3, gan=2.0, soften=soften, soften_judges=soften_judges),
        net(RESNET),
        batches(RESNET, "unpaired")(0),
    )
    losses = {name: number(value) for _, several in moves(game, ahead, batch) for name, value in several.items()}
    back, judge_ahead, judge_back = (
        game.networks[player] for player in ("backward", "discriminator", "discriminator_backward")
    )
    fake, fake_back = ahead(batch.source), back(batch.target)

    def seen(images):
        return softened(images, soften_judges)

    by_hand = {
        "adversarial": 2.0 * judged_real(judge_ahead(seen(fake)), "lsgan"),
        "adversarial_backward": 2.0 * judged_real(judge_back(seen(fake_back)), "lsgan"),
        "cycle": 7.0 * F.l1_loss(back(softened(fake, soften)), batch.source),
        "cycle_backward": 7.0 * F.l1_loss(ahead(softened(fake_back, soften)), batch.target),
        "identity": 7.0 * 0.3 * F.l1_loss(ahead(batch.target), batch.target),
        "identity_backward": 7.0 * 0.3 * F.l1_loss(back(batch.source), batch.source),
        "discriminator": told_apart(judge_ahead(seen(batch.target)), judge_ahead(seen(fake)), "lsgan"),
        "discriminator_backward": told_apart(judge_back(seen(batch.source)), judge_back(seen(fake_back)), "lsgan"),
    }
    assert losses == pytest.approx({name: number(value) for name, value in by_hand.items()}, rel=1e-5)


OFF = {"gan": 0.0, "reconstruction": 0.0, "cycle": 0.0, "identity": 0.0, "imitation": 0.0, "features": 0.0}
TERMS = {
    "gan": ("adversarial", "adversarial_backward"),
    "cycle": ("cycle", "cycle_backward"),
    "reconstruction": ("L1",),
    "imitation": ("imitation",),
    "features": ("features",),
}


@pytest.mark.parametrize("weight", TERMS)
def test_a_weight_of_zero_leaves_the_term_out(weight):
    paired = PairedObjective(LossWeights(**{weight: 0.0}), Teacher(net(RESNET)), {"discriminator": judge(6)})
    unpaired = cycle_game(RESNET, **{weight: 0.0})
    for game in (paired, unpaired):
        names = {name for _, losses in moves(game) for name in losses}
        assert not names & {*TERMS[weight]}
        assert names


def test_the_identity_goes_with_the_cycle_and_alone():
    for weights in ({"cycle": 0.0}, {"identity": 0.0}):
        assert not {"identity", "identity_backward"} & moves(cycle_game(RESNET, **weights))[0][1].keys()


def test_with_all_weights_zero_the_generators_lose_nothing():
    for game in (paired_game(RESNET, teacher=True, **OFF), cycle_game(RESNET, **OFF), pupil_game(RESNET, **OFF)):
        for players, losses in moves(game):
            assert players[0].startswith("discriminator") or losses == {}


def test_without_a_target_the_discriminator_has_nothing_to_compare():
    game = pupil_game(RESNET)
    found = moves(game, batch=batches(RESNET, "single")(0))
    assert [players for players, _ in found] == [("generator", "backward")]


# The image pool


def images(*values):
    return torch.stack([torch.full((3, 2, 2), float(value)) for value in values])


def values(shown):
    return [float(image[0, 0, 0]) for image in shown]


def test_a_pool_of_size_zero_shows_what_is_new():
    pool = ImagePool(0)
    assert values(pool.exchange(images(1, 2, 3), random())) == [1, 2, 3]
    assert pool.images == []


def test_a_filling_pool_shows_what_is_new_and_remembers_it():
    pool = ImagePool(3)
    assert values(pool.exchange(images(1, 2), random())) == [1, 2]
    assert values(pool.exchange(images(3), random())) == [3]
    assert values(pool.images) == [1, 2, 3]


def test_a_full_pool_swaps_half_of_the_time():
    pool, chance = ImagePool(50), random(7)
    pool.exchange(images(*range(50)), chance)
    swapped = 0
    for new in range(50, 1050):
        held = values(pool.images)
        shown = values(pool.exchange(images(new), chance))[0]
        if shown != new:
            swapped += 1
            assert shown in held
            assert sorted(values(pool.images)) == sorted({*held} - {shown} | {new})
        else:
            assert values(pool.images) == held
    assert 440 <= swapped <= 560  # 500 expected; 60 is 3.8 standard deviations


def test_every_place_of_a_pool_is_used():
    pool, chance = ImagePool(5), random(1)
    pool.exchange(images(*range(5)), chance)
    for new in range(5, 105):
        pool.exchange(images(new), chance)
    assert min(values(pool.images)) >= 5


def test_a_pool_depends_on_its_generator_alone():
    ends = []
    for _ in range(2):
        pool, chance = ImagePool(4), random(3)
        ends.append([values(pool.exchange(images(2 * step, 2 * step + 1), chance)) for step in range(20)])
    assert ends[0] == ends[1]


def test_a_pool_keeps_copies():
    pool, new = ImagePool(1), images(1)
    pool.exchange(new, random())
    new.zero_()
    assert values(pool.images) == [1]


def test_the_discriminator_is_shown_old_fakes():
    game, generator = cycle_game(RESNET, pool_size=1), net(RESNET)
    seen = []
    for step in range(12):
        batch = batches(RESNET, "unpaired")(step)
        losses = list(game.play(lambda images: tapped(generator, images), ALL, batch, random(step)))[1][1]
        network = game.networks["discriminator"]
        new = told_apart(network(batch.target), network(generator(batch.source)), "lsgan")
        seen.append(number(losses["discriminator"]) == pytest.approx(number(new), rel=1e-5))
    assert seen[0]  # the pool is filling
    assert not all(seen)


def test_only_judges_have_pools():
    assert UnpairedObjective(LossWeights(), None, {"backward": net(RESNET)}, 5).pools() == {}
    assert paired_game(RESNET).pools() == {}
    assert cycle_game(RESNET).pools().keys() == {"discriminator", "discriminator_backward"}


def test_batches_of_several_images_are_judged_together():
    generator, game = net(RESNET), cycle_game(RESNET)
    batch = batches(RESNET, "unpaired", count=3)(0)
    assert moves(game, generator, batch)
    assert len(game.pools()["discriminator"].images) == 3
