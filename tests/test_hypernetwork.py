"""The covariance law: a zero latent is exactly a missing channel; and the start and the proximal step."""

import pytest
import torch

from coronet.channels import along, kept_widths
from coronet.cost import CostModel
from coronet.hypernetwork import Hypernetwork
from coronet.networks import build, resnet_config
from coronet.slimming import choose, largest_ratio, slim
from tests.nets import TINY, random_kept, random_net

FORMS = ["factored", "paper"]
RATIOS = [1.0, 1.5, 3.0, 8.0, 50.0]  # 50 is a ratio of 0.02; tiny nets stop at their floor of one channel
DOUBLE = 1e-9  # largest difference of outputs in float64
SINGLE = 5e-5  # and in float32, where only the order of sums differs


def random_latents(config, seed):
    random = torch.Generator().manual_seed(seed)
    return {
        group: torch.rand(width, generator=random, dtype=torch.float64) * 2 + 0.05
        for group, width in config.widths.items()
    }


def random_hypernetwork(name, form, *, seed=0, dtype=torch.float64):
    net, images = random_net(name, seed=seed, dtype=dtype)
    latents = random_latents(net.config, seed)
    return net, images, Hypernetwork.from_generator(net, latents, form=form, embedding=3)


def kill(hypernetwork, kept):
    """Set the latents of all but the kept channels to zero."""
    with torch.no_grad():
        for group, latent in hypernetwork.latents.items():
            alive = torch.zeros_like(latent)
            alive[kept[group]] = 1
            latent.mul_(alive)


def run(net, weights, images):
    with torch.no_grad():
        return torch.func.functional_call(net, dict(weights), (images,))


def largest_change(before, after):
    assert before.keys() == after.keys()
    return max(float((before[name] - after[name]).detach().abs().max()) for name in before)


def slices(tensor, dims, group, channel, widths):
    """Give the slices of a tensor that belong to one channel, wherever its group stands in a dimension."""
    for dimension, groups in enumerate(dims):
        offset = 0
        for other in groups:
            if other == group:
                yield tensor.select(dimension, offset + channel)
            offset += widths[other]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, DOUBLE), (torch.float32, SINGLE)])
def test_starts_equal_to_the_dense_net(name, form, dtype, tolerance):
    for seed in range(3):
        net, images = random_net(name, seed=seed, dtype=dtype)
        latents = None if seed == 0 else random_latents(net.config, seed)
        hypernetwork = Hypernetwork.from_generator(net, latents, form=form, embedding=3)
        assert hypernetwork.weights().keys() == net.state_dict().keys()
        assert (run(net, hypernetwork.weights(), images) - net(images)).abs().max() <= tolerance


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("ratio", RATIOS)
def test_zero_latents_equal_the_slim_net(name, form, ratio):
    net, images, hypernetwork = random_hypernetwork(name, form)
    cost, importance = CostModel(net.config), hypernetwork.importance()
    kept = choose(importance, cost, min(ratio, 0.999 * largest_ratio(importance, cost)) if ratio > 1 else 1.0)
    kill(hypernetwork, kept)
    alive = hypernetwork.alive()
    assert all(torch.equal(alive[group], kept[group]) for group in kept)
    smaller = slim(net, hypernetwork.weights(), alive)
    assert (smaller(images) - run(net, hypernetwork.weights(), images)).abs().max() <= DOUBLE


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TINY)
def test_a_zero_latent_is_a_missing_channel(name, form):
    """Exactly zero, in every kernel that writes or reads the channel; every other weight stays as it was."""
    _, _, hypernetwork = random_hypernetwork(name, form)
    before = {key: tensor.detach().clone() for key, tensor in hypernetwork.weights().items()}
    for group, latent in hypernetwork.latents.items():
        channel = latent.numel() // 2
        value = float(latent[channel].detach())
        with torch.no_grad():
            latent[channel] = 0
        after = hypernetwork.weights()
        touched = 0
        for kernel in hypernetwork.kernels:
            for part in slices(after[kernel], net_axes(name)[kernel], group, channel, hypernetwork.widths):
                assert part.count_nonzero() == 0
                touched += 1
            changed = after[kernel] != before[kernel]
            assert after[kernel][changed].count_nonzero() == 0
        assert touched >= 2  # written and read
        with torch.no_grad():
            latent[channel] = value


def net_axes(name):
    with torch.device("meta"):
        return build(TINY[name]).axes()


class Biased:
    """One kernel as DHP generates it, W = w2 ((z_out z_in + b0) w1 + b1) + b2; exact while b0 = b1 = b2 = 0."""

    def __init__(self, kernel, dims, latents, random):
        self.dims, self.spread, self.random = dims, float(kernel.std()), random
        product = self.product(latents)
        self.w1 = torch.rand(*product.shape, 8, generator=random, dtype=kernel.dtype) + 0.5
        direction = self.w1 / self.w1.square().sum(-1, keepdim=True)
        self.w2 = (kernel / product[:, :, None, None]).unsqueeze(-1) * direction[:, :, None, None]
        self.b0, self.b1, self.b2 = (torch.zeros_like(like) for like in (product, self.w1, kernel))

    def product(self, latents):
        out, into = ([latents[group] for group in groups] for groups in self.dims)
        return along(torch.cat(out), 0, 2) * along(torch.cat(into), 1, 2)

    def drift(self, share):
        """Move the biases by a share of the weights' spread, as training does."""
        for bias in (self.b0, self.b1, self.b2):
            bias += torch.randn(bias.shape, generator=self.random, dtype=bias.dtype) * share * self.spread

    def weight(self, latents):
        embedded = (self.product(latents) + self.b0).unsqueeze(-1) * self.w1 + self.b1
        return torch.einsum("abklm,abm->abkl", self.w2, embedded) + self.b2


@pytest.mark.parametrize("drift", [0.0, 0.01, 0.1])
def test_a_biased_hypernetwork_breaks_that_law(drift):
    """Regression guard: with DHP's bias terms a zero latent leaves weights behind, and their removal is a jump."""
    net, images = random_net("resnet", dtype=torch.float64)
    weights, axes, latents = dict(net.state_dict()), net.axes(), random_latents(net.config, 0)
    random = torch.Generator().manual_seed(0)
    layers = {
        name: Biased(weights[name], axes[name], latents, random)
        for name in weights
        if name.startswith("blocks.0.conv") and name.endswith("weight")
    }
    assert (
        largest_change({name: layer.weight(latents) for name, layer in layers.items()}, {n: weights[n] for n in layers})
        < 1e-12
    )
    latents["block0"][::2] = 0
    for layer in layers.values():
        layer.drift(drift)
    generated = weights | {name: layer.weight(latents) for name, layer in layers.items()}
    left = max(
        float(part.abs().max())
        for name in layers
        for part in slices(generated[name], axes[name], "block0", 0, net.config.widths)
    )
    kept = {group: latent.nonzero().flatten() for group, latent in latents.items()}
    jump = (slim(net, generated, kept)(images) - run(net, generated, images)).abs().max()
    if drift:
        assert left > 0.1 * drift * layers["blocks.0.conv1.weight"].spread
        assert jump > 1e-3
    else:
        assert left == 0
        assert jump <= DOUBLE


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TINY)
def test_the_picture_has_no_latents(name, form):
    """Doubling every latent doubles what touches the picture once, and leaves its three channels in place."""
    net, _, hypernetwork = random_hypernetwork(name, form)
    before = {key: hypernetwork.weights()[key].detach().clone() for key in hypernetwork.kernels}
    with torch.no_grad():
        for latent in hypernetwork.latents.values():
            latent.mul_(2)
    for kernel, old in before.items():
        ends = sum(bool(groups) for groups in net.axes()[kernel])
        assert torch.allclose(hypernetwork.weights()[kernel], old * 2**ends, rtol=1e-12, atol=0)
    smallest = hypernetwork.select({group: torch.tensor([0]) for group in hypernetwork.widths}).weights()
    first, last = next(iter(before)), list(before)[-1] if "head.weight" in before else "ups.up1.weight"
    assert smallest[first].shape[1] == 3
    assert 3 in smallest[last].shape[:2]
    assert hypernetwork.widths == dict(net.config.widths)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TINY)
def test_selecting_is_exact_where_latents_are_zero(name, form):
    net, images, hypernetwork = random_hypernetwork(name, form, seed=4)
    kept = random_kept(net.config.widths, seed=4)
    kill(hypernetwork, kept)
    smaller = hypernetwork.select(kept)
    small_net = slim(net, hypernetwork.weights(), kept)
    assert smaller.widths == kept_widths(kept)
    assert largest_change(small_net.state_dict(), smaller.weights()) == 0
    assert (run(small_net, smaller.weights(), images) - run(net, hypernetwork.weights(), images)).abs().max() <= DOUBLE
    assert smaller.parameters().keys() == hypernetwork.parameters().keys()


def descend(hypernetwork, net, images, moments, *, steps):
    """Take Adam steps on everything but the latents; the moments are changed in place."""
    parameters = hypernetwork.parameters()
    for _ in range(steps):
        output = torch.func.functional_call(net, hypernetwork.weights(), (images,))
        gradients = torch.autograd.grad((output - 0.3).square().mean(), list(parameters.values()))
        for (key, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            moments["first"][key].lerp_(gradient, 0.5)
            moments["second"][key].lerp_(gradient.square(), 0.01)
            with torch.no_grad():
                parameter.sub_(0.01 * moments["first"][key] / (moments["second"][key].sqrt() + 1e-3))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["resnet", "mobile_resnet_batch", "unet"])
def test_training_goes_on_unchanged_after_a_selection(name, form):
    """With the moments cut by `selector`, the smaller hypernetwork takes the very steps the larger one would take."""
    net, images, hypernetwork = random_hypernetwork(name, form, seed=6)
    kept = random_kept(net.config.widths, seed=6)
    kill(hypernetwork, kept)
    moments = {
        part: {key: torch.zeros_like(tensor) for key, tensor in hypernetwork.parameters().items()}
        for part in ("first", "second")
    }
    descend(hypernetwork, net, images, moments, steps=2)
    smaller, cut = hypernetwork.select(kept), hypernetwork.selector(kept)
    small_moments = {part: cut(tensors) for part, tensors in moments.items()}
    small_net = slim(net, hypernetwork.weights(), kept)
    before = run(net, hypernetwork.weights(), images)
    descend(hypernetwork, net, images, moments, steps=2)
    descend(smaller, small_net, images, small_moments, steps=2)
    after = run(net, hypernetwork.weights(), images)
    assert (after - before).abs().max() > 1e-3
    assert (run(small_net, smaller.weights(), images) - after).abs().max() <= DOUBLE


def only(group, latent):
    """Give a hypernetwork that is nothing but one latent vector."""
    return Hypernetwork({}, latents={group: torch.tensor(latent)}, kernels={}, ordinary={}, buffers={})


SHRINKS = {
    # latents, threshold -> latents after the step
    "each is smaller by the threshold": ([0.5, -1.0, 2.0], 0.3, [0.2, -0.7, 1.7]),
    "a rest stays": ([1.0, 0.1, -0.1], 0.5, [0.5, 0.02, -0.02]),
    "a tiny rest is not raised": ([1.0, 0.01], 0.5, [0.5, 0.01]),
    "equal to the threshold": ([0.25, 1.0], 0.25, [0.02, 0.75]),
    "the dead stay dead": ([0.0, 1.0, 0.0], 0.1, [0.0, 0.9, 0.0]),
    "no threshold, no change": ([0.3, 0.0, -2.0], 0.0, [0.3, 0.0, -2.0]),
    "a threshold for every channel": ([1.0, 1.0, 1.0], torch.tensor([0.0, 0.4, 2.0]), [1.0, 0.6, 0.02]),
}


@pytest.mark.parametrize("case", SHRINKS)
def test_shrinking_by_hand(case):
    latent, threshold, expected = SHRINKS[case]
    hypernetwork = only("g", latent)
    hypernetwork.shrink({"g": threshold})
    assert hypernetwork.latents["g"].tolist() == pytest.approx(expected, abs=1e-6)


def test_shrinking_again_and_again_kills_no_channel():
    hypernetwork = only("g", torch.rand(40, generator=torch.Generator().manual_seed(0)).tolist())
    for _ in range(200):
        hypernetwork.shrink({"g": 0.02})
    assert len(hypernetwork.alive()["g"]) == 40
    assert float(hypernetwork.importance()["g"].max()) == pytest.approx(0.02)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TINY)
def test_every_latent_and_kernel_gets_a_gradient(name, form):
    net, images, hypernetwork = random_hypernetwork(name, form)
    output = torch.func.functional_call(net, hypernetwork.weights(), (images,))
    learned = {**hypernetwork.latents, **hypernetwork.kernels, **hypernetwork.embeddings}
    gradients = torch.autograd.grad(output.square().mean(), list(learned.values()))
    for key, gradient in zip(learned, gradients, strict=True):
        assert gradient.isfinite().all(), key
        assert gradient.count_nonzero() > 0, key


def test_the_factored_form_costs_no_memory():
    with torch.device("meta"):
        net = build(resnet_config())
    hypernetwork = Hypernetwork.from_generator(net)
    learned = sum(tensor.numel() for tensor in [*hypernetwork.parameters().values(), *hypernetwork.latents.values()])
    dense = sum(tensor.numel() for tensor in net.parameters())
    assert dense < learned <= 1.01 * dense
    assert sum(latent.numel() for latent in hypernetwork.latents.values()) == 2944  # algorithm: 14 groups


@pytest.mark.parametrize("embedding", [1, 2, 8])
def test_the_paper_form_is_larger_by_its_embedding(embedding):
    net, _ = random_net("resnet")
    count = {
        form: sum(
            t.numel() for t in Hypernetwork.from_generator(net, form=form, embedding=embedding).parameters().values()
        )
        for form in FORMS
    }
    assert embedding <= count["paper"] / count["factored"] <= 1.25 * embedding  # w1 adds 1 / k^2, biases take away


def test_the_paper_form_is_drawn_from_the_generator_given():
    net, _ = random_net("resnet")

    def kernels(seed):
        return Hypernetwork.from_generator(net, form="paper", random=torch.Generator().manual_seed(seed)).kernels

    assert largest_change(kernels(1), kernels(1)) == 0
    assert largest_change(kernels(1), kernels(2)) > 0


def test_depthwise_kernels_share_the_latent_of_their_input():
    net, _, hypernetwork = random_hypernetwork("mobile_resnet", "factored")
    before = {key: tensor.detach().clone() for key, tensor in hypernetwork.weights().items()}
    with torch.no_grad():
        hypernetwork.latents["trunk"][3] *= 2
    after = hypernetwork.weights()
    for index in range(net.config.blocks):
        depthwise, pointwise = f"blocks.{index}.depthwise1.weight", f"blocks.{index}.pointwise1.weight"
        assert torch.allclose(after[depthwise][3], 2 * before[depthwise][3])
        assert torch.allclose(after[pointwise][:, 3], 2 * before[pointwise][:, 3])
        others = [channel for channel in range(net.config.widths["trunk"]) if channel != 3]
        assert torch.equal(after[depthwise][others], before[depthwise][others])
        assert torch.equal(after[f"blocks.{index}.depthwise2.weight"], before[f"blocks.{index}.depthwise2.weight"])


@pytest.mark.parametrize("form", FORMS)
def test_a_saved_state_gives_the_same_hypernetwork(form):
    net, _, hypernetwork = random_hypernetwork("unet", form)
    again = Hypernetwork(net.axes(), **hypernetwork.state())
    assert largest_change(hypernetwork.weights(), again.weights()) == 0
    assert again.parameters().keys() == hypernetwork.parameters().keys()


def test_building_a_hypernetwork_leaves_the_generator_alone():
    net, images, hypernetwork = random_hypernetwork("unet", "factored")
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    net.train()
    torch.func.functional_call(net, hypernetwork.weights(), (images,)).sum().backward()
    assert largest_change(before, net.state_dict()) == 0
    moved = [key for key, tensor in hypernetwork.buffers.items() if not torch.equal(tensor, before[key])]
    assert moved == list(hypernetwork.buffers)  # the running statistics it trains are its own
