"""Importance against slow oracles, and the laws it must obey: a score is a property of the function, not of a gauge."""

import pytest
import torch

from coronet.channels import keep_all
from coronet.cost import CostModel
from coronet.importance import consumer_norm, consumers, per_cost, smooth_noise, squared_change, taylor, white_noise
from coronet.networks import build
from coronet.slimming import slim
from tests.nets import TINY, random_net

WELL_NORMED = ["resnet", "resnet_batch", "mobile_resnet"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def with_weights(net, changes):
    """Give a net that computes with other weights: {name: tensor}."""
    other = build(net.config).to(next(net.parameters()).dtype).eval()
    other.load_state_dict(net.state_dict() | changes)
    return other


def assert_scores(one, other, *, rel=1e-6, skip=()):
    assert one.keys() == other.keys()
    for group in one:
        if group not in skip:
            assert torch.allclose(one[group], other[group], rtol=rel, atol=1e-15), group


def noise(shape, random):
    return white_noise(shape, random).double()


def readers(net):
    """Give (kernel, input dimension, group, offset) for all that mix channels, found from the modules and the table."""
    table, widths = net.axes(), net.config.widths
    for path, module in net.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d) and module.groups == 1:
            dimension, offset = (0 if isinstance(module, torch.nn.ConvTranspose2d) else 1), 0
            for group in table[f"{path}.weight"][dimension]:
                yield f"{path}.weight", dimension, group, offset
                offset += widths[group]


@pytest.mark.parametrize("name", TINY)
def test_consumer_norm_is_the_share_of_squared_weights(name):
    net, _ = random_net(name, dtype=torch.float64)
    weights = net.state_dict()
    expected = {group: torch.zeros(width, dtype=torch.float64) for group, width in net.config.widths.items()}
    for kernel, dimension, group, offset in readers(net):
        for channel in range(net.config.widths[group]):
            part = weights[kernel].select(dimension, offset + channel)
            expected[group][channel] += float((part**2).sum()) / float((weights[kernel] ** 2).sum())
    assert_scores(consumer_norm(net), expected)


@pytest.mark.parametrize("name", TINY)
def test_taylor_is_the_finite_difference_of_the_output(name):
    """Scale what reads a channel by 1 - step, see how far the output moves along the same random patterns."""
    net, images = random_net(name, dtype=torch.float64)
    scores = taylor(net, [images[:1], images[1:]], seeded(3), probes=2)
    step, random, weights = 1e-6, seeded(3), net.state_dict()
    patterns = [(image, noise(image.shape, random)) for image in images.split(1) for _ in range(2)]
    for group, width in net.config.widths.items():
        channel = width // 2
        changed = {kernel: weights[kernel].clone() for kernel, _, other, _ in readers(net) if other == group}
        for kernel, dimension, other, offset in readers(net):
            if other == group:
                changed[kernel].select(dimension, offset + channel).mul_(1 - step)
        smaller = with_weights(net, changed)
        with torch.no_grad():
            slopes = [
                ((net(image) - smaller(image)) * pattern).sum() / (image.numel() ** 0.5 * step)
                for image, pattern in patterns
            ]
        expected = sum(float(slope) ** 2 for slope in slopes) / len(slopes)
        assert float(scores[group][channel]) == pytest.approx(expected, rel=1e-3, abs=1e-12), group


@pytest.mark.parametrize("name", TINY)
def test_every_channel_has_a_score(name):
    net, images = random_net(name)
    for scores in (consumer_norm(net), taylor(net, [images[:1]], seeded())):
        assert {group: len(values) for group, values in scores.items()} == dict(net.config.widths)
        assert all(values.isfinite().all() and (values >= 0).all() for values in scores.values())
        assert all(values.dtype == torch.float64 and values.max() > 0 for values in scores.values())


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("measure", ["consumer_norm", "taylor"])
def test_a_channel_nobody_reads_scores_zero(name, measure):
    net, images = random_net(name)
    changed = {kernel: tensor.clone() for kernel, tensor in net.state_dict().items() if tensor.dim() == 4}
    for kernel, dimension, _, offset in readers(net):
        changed[kernel].select(dimension, offset).zero_()
    dead = with_weights(net, changed)
    scores = consumer_norm(dead) if measure == "consumer_norm" else taylor(dead, [images[:1]], seeded())
    for group, values in scores.items():
        assert float(values[0]) == 0, group
        assert float(values.max()) > 0, group


def producers(net, group):
    """List weight and bias of every convolution that writes a group, with the dimension of the channel."""
    for path, module in net.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d) and module.groups == 1:
            dimension = 1 if isinstance(module, torch.nn.ConvTranspose2d) else 0
            if net.axes()[f"{path}.weight"][dimension] == (group,):
                yield f"{path}.weight", dimension
                if module.bias is not None:
                    yield f"{path}.bias", 0


@pytest.mark.parametrize("name", ["resnet", "mobile_resnet"])
@pytest.mark.parametrize("group", ["stem", "trunk", "block0", "up2"])
def test_a_producer_in_front_of_a_norm_may_have_any_scale(name, group):
    """Instance norm takes the filter's scale away, so magnitude says nothing about the channel."""
    net, images = random_net(name, dtype=torch.float64)
    changed = {}
    for tensor, dimension in producers(net, group):
        changed[tensor] = net.state_dict()[tensor].clone()
        changed[tensor].select(dimension, 1).mul_(50)
    assert changed
    louder = with_weights(net, changed)
    assert_scores(taylor(net, [images[:1]], seeded()), taylor(louder, [images[:1]], seeded()), rel=1e-2)
    assert torch.allclose(consumer_norm(net)[group], consumer_norm(louder)[group])


def test_depthwise_kernels_are_no_consumers():
    net, _ = random_net("mobile_resnet")
    assert not any("depthwise" in kernel for kernel in consumers(net))
    assert sum("pointwise" in kernel for kernel in consumers(net)) == 2 * net.config.blocks
    depthwise = {kernel: tensor * 3 for kernel, tensor in net.state_dict().items() if "depthwise" in kernel}
    assert_scores(consumer_norm(net), consumer_norm(with_weights(net, depthwise)))


@pytest.mark.parametrize("name", TINY)
def test_consumers_are_all_kernels_that_read_a_group(name):
    net, _ = random_net(name)
    found = consumers(net)
    assert {(kernel, dimension) for kernel, (dimension, _) in found.items()} == {
        (kernel, dimension) for kernel, dimension, _, _ in readers(net)
    }
    assert {group for _, groups in found.values() for group in groups} == set(net.config.widths)


@pytest.mark.parametrize("name", WELL_NORMED)
def test_twins_share_one_score(name):
    """A channel split in two that do half the work each: the function stays, so do the others' scores; a twin's slope
    is half, its score a quarter."""
    net, images = random_net(name, dtype=torch.float64)
    index = [*range(net.config.widths["block0"]), 2]
    twins = build(net.config.with_widths({**net.config.widths, "block0": len(index)})).double().eval()
    weights = {}
    for key, tensor in net.state_dict().items():
        for dimension, groups in enumerate(net.axes().get(key, ())):
            if groups == ("block0",):
                tensor = tensor.index_select(dimension, torch.tensor(index))
        weights[key] = tensor.clone()
    reader = next(kernel for kernel, _, group, _ in readers(net) if group == "block0")
    weights[reader][:, [2, -1]] /= 2
    twins.load_state_dict(weights)
    assert torch.allclose(twins(images), net(images), atol=1e-9)
    before, after = (taylor(other, [images[:1]], seeded()) for other in (net, twins))
    assert_scores(before, after, skip=["block0"])
    expected = before["block0"][index]
    expected[[2, -1]] /= 4
    assert torch.allclose(after["block0"], expected)


def test_scores_follow_a_permutation_of_the_channels():
    net, images = random_net("unet", dtype=torch.float64)
    order = torch.randperm(net.config.widths["down2"], generator=seeded(1))
    weights = {}
    for key, tensor in net.state_dict().items():
        for dimension, groups in enumerate(net.axes().get(key, ())):
            if "down2" in groups:  # it stands first in its concatenation
                assert groups[0] == "down2"
                rest = torch.arange(len(order), tensor.shape[dimension])
                tensor = tensor.index_select(dimension, torch.cat([order, rest]))
        weights[key] = tensor
    moved = with_weights(net, weights)
    for measure in (consumer_norm, lambda other: taylor(other, [images[:1]], seeded())):
        before, after = measure(net), measure(moved)
        assert_scores(before, after, skip=["down2"])
        assert torch.allclose(after["down2"], before["down2"][order])


def test_taylor_is_deterministic_for_a_seeded_generator():
    net, images = random_net("unet")
    one, same, other = (taylor(net, [images[:1]], seeded(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one[group], same[group]) for group in one)
    assert any(not torch.equal(one[group], other[group]) for group in one)


def test_taylor_is_the_mean_over_the_images():
    net, images = random_net("resnet", dtype=torch.float64)
    random = seeded(5)
    first, second = (taylor(net, [image], random) for image in images.split(1))
    both = taylor(net, images.split(1), seeded(5))
    assert_scores(both, {group: (first[group] + second[group]) / 2 for group in first})


def test_taylor_works_on_a_frozen_net_and_leaves_no_trace():
    net, images = random_net("resnet_batch")
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    free = taylor(net, [images[:1]], seeded())
    state = torch.random.get_rng_state()
    with torch.no_grad():
        frozen = taylor(net.requires_grad_(False), [images[:1]], seeded())
    assert all(torch.equal(free[group], frozen[group]) for group in free)
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(tensor, net.state_dict()[key]) for key, tensor in before.items())
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("drawn", [white_noise, smooth_noise])
def test_taylor_is_the_whole_change_where_the_net_is_linear(drawn):
    """Behind the last norm stands one convolution and, for small outputs, a tanh that bends nothing: there the score of
    a channel is its squared share of the output, not only a slope."""
    net, images = random_net("resnet", dtype=torch.float64)
    net = with_weights(net, {"head.weight": net.head.weight.detach() * 1e-3, "head.bias": torch.zeros(3)})
    scores = taylor(net, [images[:1]], seeded(2), noise=drawn)["up2"]
    pattern = drawn(images[:1].shape, seeded(2)).double()
    for channel in range(net.config.widths["up2"]):
        kept = keep_all(net.config.widths)
        kept["up2"] = kept["up2"][kept["up2"] != channel]
        with torch.no_grad():
            change = net(images[:1]) - slim(net, net.state_dict(), kept)(images[:1])
        assert float(scores[channel]) == pytest.approx(float((change * pattern).sum()) ** 2 / change.numel(), rel=1e-3)


def test_per_cost_divides_by_the_price_of_one_channel():
    config = TINY["unet"]
    cost = CostModel(config)
    scores = {group: torch.full((width,), 6.0) for group, width in config.widths.items()}
    result = per_cost(scores, cost, config.widths)
    for group, values in result.items():
        price = cost.at({**config.widths, group: config.widths[group] + 1}) - cost.total
        assert values.tolist() == pytest.approx([6.0 / price] * config.widths[group])


@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_the_patterns_find_the_whole_change(name):
    """Their mean is the squared change of all values of the output, as the Jacobian gives it."""
    net, images = random_net(name, dtype=torch.float64)
    image, random, weights = images[:1], seeded(1), net.state_dict()
    group = next(iter(net.config.widths))
    found = torch.stack([squared_change(net, weights, image, random)[group] for _ in range(100)]).mean(0)

    def scaled(channel, factor):
        kernels = {kernel: weights[kernel].clone() for kernel, _, other, _ in readers(net) if other == group}
        for kernel, dimension, other, offset in readers(net):
            if other == group:
                kernels[kernel].select(dimension, offset + channel).mul_(factor)
        with torch.no_grad():
            return with_weights(net, kernels)(image)

    for channel in (0, 1):
        change = (scaled(channel, 1 + 1e-5) - scaled(channel, 1 - 1e-5)) / 2e-5
        assert float(found[channel]) == pytest.approx(float(change.square().mean()), rel=0.5)


def test_other_weights_are_measured_and_the_generator_is_left_alone():
    net, images = random_net("resnet")
    other, _ = random_net("resnet", seed=1)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    lent = squared_change(net, other.state_dict(), images[:1], seeded())
    assert_scores(lent, squared_change(other, other.state_dict(), images[:1], seeded()))
    assert all(torch.equal(tensor, net.state_dict()[key]) for key, tensor in before.items())
    assert any(not torch.equal(lent[group], scores) for group, scores in taylor(net, [images[:1]], seeded()).items())


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (2, 3, 128, 32), (1, 1, 4, 4)])
def test_smooth_noise_has_unit_variance(shape):
    found = smooth_noise(shape, seeded())
    assert found.shape == shape
    assert float(found.square().mean()) == pytest.approx(1.0, rel=1e-5)


def low_energy(pattern):
    """Give the share of the energy below 8 periods per side, a fifteenth of what white noise spreads over."""
    spectrum = torch.fft.fft2(pattern).abs().square().mean(dim=(0, 1))
    frequency = torch.fft.fftfreq(64).abs() * 64
    low = (frequency[:, None] <= 8) & (frequency[None] <= 8)
    assert float(low.float().mean()) < 0.1
    return float(spectrum[low].sum() / spectrum.sum())


def test_noise_is_smooth_or_white():
    assert low_energy(smooth_noise((4, 3, 64, 64), seeded())) > 0.95
    white = white_noise((4, 3, 64, 64), seeded())
    assert low_energy(white) < 0.1
    assert float(white.square().mean()) == pytest.approx(1.0, rel=0.02)
