"""Slim = masked, for every architecture; and the budget is met, never exceeded."""

import time

import numpy as np
import pytest
import torch

from coronet.channels import compose, keep_all, kept_widths, mask
from coronet.cost import CostModel, cost
from coronet.errors import BudgetError
from coronet.networks import build, resnet_config, unet_config
from coronet.slimming import choose, largest_ratio, least_widths, slim
from tests.nets import TINY, random_kept, random_net

RATIOS = [1.0, 1.003, 1.1, 1.5, 2.0, 3.3, 4.0, 8.0, 16.0, 27.0, 40.0, 50.0]
FULL = {"resnet": resnet_config(), "mobile_resnet": resnet_config(mobile=True), "unet": unet_config()}


def random_importance(config, seed):
    random = torch.Generator().manual_seed(seed)
    return {group: torch.rand(width, generator=random) ** (1 + seed) for group, width in config.widths.items()}


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("draw", range(20))
def test_slim_equals_masked(name, draw):
    net, images = random_net(name, seed=draw, dtype=torch.float64)
    kept = random_kept(net.config.widths, seed=draw)
    expected = torch.func.functional_call(net, mask(net.state_dict(), net.axes(), net.config.widths, kept), (images,))
    assert (slim(net, net.state_dict(), kept)(images) - expected).abs().max() <= 1e-9


@pytest.mark.parametrize("name", TINY)
def test_slim_equals_masked_in_float32(name):
    net, images = random_net(name, seed=3)
    kept = random_kept(net.config.widths, seed=3)
    expected = torch.func.functional_call(net, mask(net.state_dict(), net.axes(), net.config.widths, kept), (images,))
    assert (slim(net, net.state_dict(), kept)(images) - expected).abs().max() <= 5e-5


@pytest.mark.parametrize("name", ["unet", "resnet_batch"])
def test_slim_equals_masked_with_batch_statistics(name):
    net, images = random_net(name, seed=5, dtype=torch.float64)
    kept = random_kept(net.config.widths, seed=5)
    net.train()
    net.apply(lambda module: setattr(module, "p", 0.0) if isinstance(module, torch.nn.Dropout) else None)
    smaller = slim(net, net.state_dict(), kept)
    smaller.apply(lambda module: setattr(module, "p", 0.0) if isinstance(module, torch.nn.Dropout) else None)
    expected = torch.func.functional_call(net, mask(net.state_dict(), net.axes(), net.config.widths, kept), (images,))
    assert (smaller(images) - expected).abs().max() <= 1e-9


@pytest.mark.parametrize("name", TINY)
def test_masking_the_consumers_alone_is_enough(name):
    """What a dead channel still outputs is irrelevant as long as nobody reads it."""
    net, images = random_net(name, seed=7, dtype=torch.float64)
    kept = random_kept(net.config.widths, seed=7)
    masked = mask(net.state_dict(), net.axes(), net.config.widths, kept)
    readers = {
        f"{path}.weight"
        for path, module in net.named_modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d)
    }
    consumer_only = {path: masked[path] if path in readers else tensor for path, tensor in net.state_dict().items()}
    both = torch.func.functional_call(net, masked, (images,))
    assert (torch.func.functional_call(net, consumer_only, (images,)) - both).abs().max() <= 1e-9


@pytest.mark.parametrize("name", TINY)
def test_keeping_everything_changes_nothing(name):
    net, images = random_net(name)
    same = slim(net, net.state_dict(), keep_all(net.config.widths))
    assert torch.equal(same(images), net(images))
    assert same is not net


@pytest.mark.parametrize("name", TINY)
def test_two_cuts_compose(name):
    net, images = random_net(name, dtype=torch.float64)
    first = random_kept(net.config.widths, seed=1)
    once = slim(net, net.state_dict(), first)
    second = random_kept(once.config.widths, seed=2)
    twice = slim(once, once.state_dict(), second)
    direct = slim(net, net.state_dict(), compose(first, second))
    assert torch.equal(twice(images), direct(images))


@pytest.mark.parametrize("name", TINY)
def test_the_picture_keeps_its_channels(name):
    net, images = random_net(name)
    smallest = slim(net, net.state_dict(), {group: torch.tensor([0]) for group in net.config.widths})
    assert smallest(images).shape == net(images).shape


@pytest.mark.parametrize("budget", ["macs", "params"])
@pytest.mark.parametrize("name", FULL)
def test_every_ratio_is_met_with_single_channels(name, budget):
    model = CostModel(FULL[name], 256, budget)
    for seed in range(3):
        importance = random_importance(FULL[name], seed)
        for ratio in RATIOS:
            spent = model.at(kept_widths(choose(importance, model, ratio)))
            assert model.total / ratio * 0.995 <= spent <= model.total / ratio * (1 + 1e-9)


@pytest.mark.parametrize("budget", ["macs", "params"])
@pytest.mark.parametrize("name", FULL)
def test_every_ratio_is_met_with_multiples_of_eight(name, budget):
    model = CostModel(FULL[name], 256, budget)
    for seed in range(3):
        importance = random_importance(FULL[name], seed)
        for ratio in RATIOS:
            widths = kept_widths(choose(importance, model, ratio, multiple_of=8))
            assert model.total / ratio * 0.98 <= model.at(widths) <= model.total / ratio * (1 + 1e-9)
            assert all(width % 8 == 0 for width in widths.values())


@pytest.mark.parametrize(
    ("multiple", "said"),
    [(1, r"channels\. .*lower the floor or"), (32, r"channels, in multiples of 32\. .*lower the mult")],
)
def test_what_stands_in_the_way_of_a_ratio_is_named(multiple, said):
    config = resnet_config(ngf=32, blocks=1)
    with pytest.raises(BudgetError, match=said):
        choose(random_importance(config, 0), CostModel(config, 64), 1e6, multiple_of=multiple)


def test_the_best_channels_stay():
    config = resnet_config(ngf=8, blocks=1)
    importance = {group: torch.arange(width).flip(0) + 1.0 for group, width in config.widths.items()}
    kept = choose(importance, CostModel(config, 64), 4.0)
    assert all(indices.tolist() == list(range(len(indices))) for indices in kept.values())


def test_the_floor_holds():
    model = CostModel(FULL["resnet"], 256)
    floor = least_widths(model, FULL["resnet"].widths, 40.0, 0.8)
    widths = kept_widths(choose(random_importance(FULL["resnet"], 2), model, 40.0, floor=floor))
    assert all(widths[group] >= least > 1 for group, least in floor.items())


@pytest.mark.parametrize("ratio", [1.0, 2.0, 8.0, 40.0])
@pytest.mark.parametrize("budget", ["macs", "params"])
@pytest.mark.parametrize("name", FULL)
def test_the_floor_is_a_share_of_an_even_cut_at_the_ratio(name, budget, ratio):
    model, widths = CostModel(FULL[name], None, budget), FULL[name].widths
    even = least_widths(model, widths, ratio, 1.0)
    assert 0.9 * model.total / ratio < model.at({group: count + 1 for group, count in even.items()})
    assert model.at(even) <= model.total / ratio
    half = least_widths(model, widths, ratio, 0.5)
    assert all(abs(half[group] - even[group] / 2) <= 1 for group in widths)


@pytest.mark.parametrize("name", FULL)
def test_a_power_leaves_narrow_groups_more_of_their_channels(name):
    model, widths = CostModel(FULL[name]), FULL[name].widths
    left = least_widths(model, widths, 8.0, 1.0, power=0.5)
    even = least_widths(model, widths, 8.0, 1.0)
    narrow, wide = min(widths, key=widths.get), max(widths, key=widths.get)
    shares = [left[group] / widths[group] for group in (narrow, wide)]
    assert shares[0] / shares[1] == pytest.approx((widths[wide] / widths[narrow]) ** 0.5, rel=0.1)
    assert left[narrow] > even[narrow]
    assert left[wide] < even[wide]
    assert 0.85 * model.total / 8 < model.at(left) <= model.total / 8


def test_no_group_gets_more_channels_than_it_has():
    model, widths = CostModel(FULL["unet"]), FULL["unet"].widths
    left = least_widths(model, widths, 1.2, 1.0, power=0.5)
    assert all(left[group] <= widths[group] for group in widths)
    assert any(left[group] == widths[group] for group in widths)
    assert 0.95 * model.total / 1.2 < model.at(left) <= model.total / 1.2


def test_a_floor_leaves_every_ratio_within_reach():
    config = resnet_config(ngf=4, blocks=1, image_size=64)
    model, importance = CostModel(config), random_importance(config, 0)
    for ratio in np.linspace(1, largest_ratio(importance, model), 30):
        choose(importance, model, ratio, floor=least_widths(model, config.widths, ratio, 1.0))


def test_without_a_share_one_channel_stays():
    assert set(least_widths(CostModel(FULL["resnet"], 256), FULL["resnet"].widths, 4.0, 0.0).values()) == {1}


def test_an_impossible_ratio_names_the_layer_and_the_largest_ratio():
    model = CostModel(FULL["resnet"], 256)
    importance = random_importance(FULL["resnet"], 0)
    half = {group: width // 2 for group, width in FULL["resnet"].widths.items()}
    largest = largest_ratio(importance, model, floor=half)
    with pytest.raises(BudgetError, match=rf"'trunk' must keep 128 of 256 .* is {largest:.2f}"):
        choose(importance, model, 10.0, floor=half)
    choose(importance, model, largest * 0.999, floor=half)


@pytest.mark.parametrize("ratio", [0.0, 0.99, -4.0, float("nan")])
def test_a_ratio_below_one_is_refused(ratio):
    with pytest.raises(BudgetError, match="at least 1"):
        choose(random_importance(FULL["resnet"], 0), CostModel(FULL["resnet"], 256), ratio)


# `true` and `as published` GMACs at 256x256 and millions of parameters of the networks in the literature.
PUBLISHED = {
    "resnet9": (resnet_config(), 49.55, 56.80, 11.378),
    "resnet6": (resnet_config(blocks=6), 35.06, 42.30, 7.84),
    "resnet9_32": (resnet_config(ngf=32), 12.70, 14.51, 2.851),
    "resnet9_16": (resnet_config(ngf=16), 3.33, 3.78, 0.716),
    "mobile_96": (resnet_config(ngf=96, mobile=True), 23.85, 40.16, 4.418),
    "mobile_64": (resnet_config(ngf=64, mobile=True), 11.07, 18.31, 1.987),
    "mobile_48": (resnet_config(ngf=48, mobile=True), 6.49, 10.57, 1.131),
    "mobile_32": (resnet_config(ngf=32, mobile=True), 3.12, 4.93, 0.514),
    "mobile_24": (resnet_config(ngf=24, mobile=True), 1.89, 2.90, 0.296),
    "mobile_16": (resnet_config(ngf=16, mobile=True), 0.955, 1.408, 0.1373),
    "mobile_12": (resnet_config(ngf=12, mobile=True), 0.603, 0.858, 0.0805),
    "mobile_8": (resnet_config(ngf=8, mobile=True), 0.326, 0.440, 0.0387),
    "unet_64": (unet_config(), 6.05, 18.14, 54.41),
    "unet_48": (unet_config(ngf=48), 3.43, 10.29, 30.6),
    "unet_16": (unet_config(ngf=16), 0.406, 1.219, 3.404),
    "unet_12": (unet_config(ngf=12), 0.236, 0.707, 1.916),
    "unet_8": (unet_config(ngf=8), 0.111, 0.333, 0.852),
}


def mobile_student(*numbers):
    """The 8 numbers of a GAN Compression student as a config."""
    stem, down, trunk, *inner, up1, up2 = numbers
    blocks = {f"block{index}": 4 * inner[index // 3] for index in range(9)}
    widths = {"stem": stem, "down1": 2 * down, "trunk": 4 * trunk, **blocks, "up1": 2 * up1, "up2": up2}
    return resnet_config(mobile=True).with_widths(widths)


PUBLISHED |= {
    "gc_h2z": (mobile_student(16, 16, 32, 16, 32, 32, 16, 16), 1.85, 2.525, 0.357),
    "gc_h2z_fast": (mobile_student(16, 16, 24, 16, 32, 64, 16, 24), 1.94, 2.618, 0.355),
    "gc_e2s": (mobile_student(32, 32, 48, 32, 48, 48, 16, 16), 4.06, 4.96, 0.822),
}


def digits(number):
    return len(str(number).partition(".")[2])


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_are_the_published_ones(name):
    config, macs, as_published, parameters = PUBLISHED[name]
    counted = cost(config, 256)
    assert counted.macs / 1e9 == pytest.approx(macs, abs=0.51 * 10 ** -digits(macs))
    assert counted.macs_as_published / 1e9 == pytest.approx(as_published, abs=0.51 * 10 ** -digits(as_published))
    assert counted.parameters / 1e6 == pytest.approx(parameters, abs=0.51 * 10 ** -digits(parameters))
    with torch.device("meta"):
        assert counted.parameters == sum(parameter.numel() for parameter in build(config).parameters())


EXACT = {"resnet9": 11_378_179, "resnet6": 7_837_699, "unet_64": 54_413_955, "gc_h2z": 356_867}


@pytest.mark.parametrize("name", EXACT)
def test_parameters_are_right_to_the_digit(name):
    assert cost(PUBLISHED[name][0], 256).parameters == EXACT[name]


@pytest.mark.parametrize("name", TINY)
def test_counted_macs_are_those_torch_counts(name):
    """An independent counter, run on the slim net with real tensors."""
    from torch.utils.flop_counter import FlopCounterMode

    net, images = random_net(name)
    smaller = slim(net, net.state_dict(), random_kept(net.config.widths, seed=4))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        smaller(images[:1])
    assert cost(smaller.config, images.shape[-1]).macs * 2 == counter.get_total_flops()


def test_marginal_cost_is_the_difference():
    config = unet_config(ngf=4, image_size=32)
    model = CostModel(config, 32)
    for group, price in zip(model.groups, model.marginal(config.widths), strict=True):
        more = {**config.widths, group: config.widths[group] + 1}
        assert model.at(more) - model.at(config.widths) == pytest.approx(price)


def test_choosing_is_faster_than_a_blink():
    """Ratio test: choosing channels of ResNet-9 costs less than three of its meta-device forward passes."""
    config = resnet_config()
    importance = random_importance(config, 0)
    model = CostModel(config, 256)
    with torch.device("meta"):
        net, image = build(config), torch.empty(1, 3, 256, 256)
    pass_seconds = min(_seconds(lambda: net(image)) for _ in range(5))
    choose_seconds = min(_seconds(lambda: choose(importance, model, 7.3)) for _ in range(5))
    assert choose_seconds <= 3 * pass_seconds


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
