"""The networks are the published ones: names, outputs, parameter counts; and a config says all of it or is refused."""

import copy
import itertools
import json
import pickle

import pytest
import torch
from torch import nn

from coronet.channels import mask
from coronet.errors import CheckpointError
from coronet.networks import (
    GENERATORS,
    DiscriminatorConfig,
    PatchDiscriminator,
    build,
    config_from_json,
    initialise,
    layers,
    patchgan,
    resnet,
    resnet_config,
    unet,
    unet_config,
)
from tests.nets import TINY, random_net
from tests.reference_nets import Patch, Pixel, Resnet, Unet

# The names of the published files, without .weight and .bias.
RESNET_9 = [
    "model.1",
    "model.4",
    "model.7",
    "model.10.conv_block.1",
    "model.10.conv_block.5",
    "model.11.conv_block.1",
    "model.11.conv_block.5",
    "model.12.conv_block.1",
    "model.12.conv_block.5",
    "model.13.conv_block.1",
    "model.13.conv_block.5",
    "model.14.conv_block.1",
    "model.14.conv_block.5",
    "model.15.conv_block.1",
    "model.15.conv_block.5",
    "model.16.conv_block.1",
    "model.16.conv_block.5",
    "model.17.conv_block.1",
    "model.17.conv_block.5",
    "model.18.conv_block.1",
    "model.18.conv_block.5",
    "model.19",
    "model.22",
    "model.26",
]
UNET_256_CONVOLUTIONS = [
    "model.model.0",
    "model.model.1.model.1",
    "model.model.1.model.3.model.1",
    "model.model.1.model.3.model.3.model.1",
    "model.model.1.model.3.model.3.model.3.model.1",
    "model.model.1.model.3.model.3.model.3.model.3.model.1",
    "model.model.1.model.3.model.3.model.3.model.3.model.3.model.1",
    "model.model.1.model.3.model.3.model.3.model.3.model.3.model.3.model.1",
    "model.model.1.model.3.model.3.model.3.model.3.model.3.model.3.model.3",
    "model.model.1.model.3.model.3.model.3.model.3.model.3.model.5",
    "model.model.1.model.3.model.3.model.3.model.3.model.5",
    "model.model.1.model.3.model.3.model.3.model.5",
    "model.model.1.model.3.model.3.model.5",
    "model.model.1.model.3.model.5",
    "model.model.1.model.5",
    "model.model.3",
]
UNET_256_NORMS = [
    "model.model.1.model.2",
    "model.model.1.model.3.model.2",
    "model.model.1.model.3.model.3.model.2",
    "model.model.1.model.3.model.3.model.3.model.2",
    "model.model.1.model.3.model.3.model.3.model.3.model.2",
    "model.model.1.model.3.model.3.model.3.model.3.model.3.model.2",
    "model.model.1.model.3.model.3.model.3.model.3.model.3.model.3.model.4",
    "model.model.1.model.3.model.3.model.3.model.3.model.3.model.6",
    "model.model.1.model.3.model.3.model.3.model.3.model.6",
    "model.model.1.model.3.model.3.model.3.model.6",
    "model.model.1.model.3.model.3.model.6",
    "model.model.1.model.3.model.6",
    "model.model.1.model.6",
]


def renamed(tensors, keys):
    """Give our tensors under their published names."""
    return {
        f"{keys[prefix]}.{part}": tensor
        for name, tensor in tensors.items()
        for prefix, _, part in [name.rpartition(".")]
    }


def on_meta(factory, *arguments):
    with torch.device("meta"):
        return factory(*arguments)


def test_the_names_of_resnet_9blocks():
    config = resnet_config(ngf=2)
    names = renamed(on_meta(build, config).state_dict(), resnet.published_keys(config, dropout_slot=False))
    assert sorted(names) == sorted(f"{name}.{part}" for name in RESNET_9 for part in ("weight", "bias"))


def test_the_names_of_unet_256():
    config = unet_config(ngf=2)
    names = renamed(on_meta(build, config).state_dict(), unet.published_keys(config))
    parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = [f"{name}.weight" for name in UNET_256_CONVOLUTIONS] + ["model.model.3.bias"]
    expected += [f"{name}.{part}" for name in UNET_256_NORMS for part in parts]
    assert sorted(names) == sorted(expected)


def resnet_keys(slot):
    return lambda config: resnet.published_keys(config, dropout_slot=slot)


def oracle_resnet(config, **options):
    widths = [config.widths[group] for group in resnet_config(blocks=config.blocks).widths]
    return Resnet(widths, config.norm, mobile=config.architecture == "mobile_resnet", **options)


def oracle_unet(config):
    return Unet([width for group, width in config.widths.items() if "down" in group], config.norm)


RESNET_CONFIGS = {
    "resnet_9blocks": resnet_config(ngf=4, image_size=32),
    "resnet_6blocks with dropout and batch norm": resnet_config(
        ngf=4, blocks=6, norm="batch", dropout=True, image_size=32
    ),
    "mobile_resnet": resnet_config(ngf=4, blocks=2, mobile=True, dropout=True, image_size=32),
    "mobile_resnet with batch norm": resnet_config(
        ngf=4, blocks=2, mobile=True, norm="batch", dropout=True, image_size=32
    ),
}
UNET_CONFIGS = {
    "unet_256": unet_config(ngf=2, dropout=False),
    "unet_128": unet_config(ngf=2, dropout=False, image_size=128),
    "unet of 5 levels": unet_config(ngf=2, dropout=False, image_size=32),
    "unet_128 with instance norm": unet_config(ngf=2, dropout=False, image_size=128, norm="instance"),
}
ORACLES = {
    name: (config, oracle_resnet(config, slot=config.dropout), resnet_keys(config.dropout))
    for name, config in RESNET_CONFIGS.items()
} | {name: (config, oracle_unet(config), unet.published_keys) for name, config in UNET_CONFIGS.items()}


def randomise(network, seed=0):
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=random).abs() * 0.1 + 0.05)
                if tensor.dim() == 4:
                    tensor.copy_(torch.randn(tensor.shape, generator=random) * 0.2)
    return network.double()


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("training", [False, True])
def test_computes_what_the_published_net_computes(name, training, monkeypatch):
    config, oracle, keys = ORACLES[name]
    if training and config.dropout:  # its masks are drawn in the order in memory, which the published net has not
        monkeypatch.setattr(layers, "_in_pieces", lambda images: False)
    ours = randomise(build(config))
    missing = oracle.double().load_state_dict(renamed(ours.state_dict(), keys(config)))
    assert not missing.missing_keys
    assert not missing.unexpected_keys
    images = torch.rand(1, 3, config.image_size, config.image_size, generator=torch.Generator().manual_seed(1)).double()
    outputs = []
    for network in (ours, oracle):
        with torch.random.fork_rng(), torch.no_grad():  # dropout draws the same masks in the same order
            torch.manual_seed(0)
            outputs.append(network.train(training)(images))
    assert (outputs[0] - outputs[1]).abs().max() <= 1e-9


@pytest.mark.parametrize(("size", "sides"), [(256, [4, 8, 16]), (128, [4, 8]), (32, [])])
def test_dropout_stands_where_it_was_published(size, sides):
    """Behind the ups of all inner levels with eight times the width, but the innermost."""
    net, seen = build(unet_config(ngf=2, image_size=size)), []
    net.dropout.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[-1]))
    net(torch.rand(1, 3, size, size))
    assert seen == sides
    assert net.dropout.p == 0.5
    assert build(unet_config(ngf=2, image_size=size, dropout=False)).dropout.p == 0


@pytest.mark.parametrize("name", ORACLES)
def test_published_names_are_a_bijection(name):
    config, oracle, keys = ORACLES[name]
    table = keys(config)
    assert len(set(table.values())) == len(table)
    modules = dict(oracle.named_modules())
    own = dict(on_meta(build, config).named_modules())
    torchs = {layers.InstanceNorm: nn.InstanceNorm2d}
    assert all(torchs.get(type(own[ours]), type(own[ours])) is type(modules[theirs]) for ours, theirs in table.items())
    assert renamed(on_meta(build, config).state_dict(), table).keys() == oracle.state_dict().keys()


@pytest.mark.real
def test_a_real_published_file_fits(real_weights):
    tensors = torch.load(real_weights / "gan_compression_horse2zebra_latest_net_G.pth", weights_only=True)
    widths = {"stem": 16, "down1": 32, "trunk": 128, "up1": 32, "up2": 16}
    widths |= {f"block{index}": 64 if index < 3 else 128 for index in range(9)}
    config = resnet_config(mobile=True).with_widths(widths)
    names = renamed(on_meta(build, config).state_dict(), resnet.published_keys(config, dropout_slot=True))
    assert {name: tensor.shape for name, tensor in names.items()} == {k: tensor.shape for k, tensor in tensors.items()}


@pytest.mark.parametrize("size", [32, 64, 128, 256, 512])
def test_unets_of_every_size(size):
    net = build(unet_config(ngf=1, image_size=size)).train()
    assert net.config.levels == size.bit_length() - 1
    images = torch.rand(1, 3, size, size)
    assert net(images).shape == images.shape  # one image, training mode: batch statistics over one pixel would fail


@pytest.mark.parametrize(("size", "levels"), [(96, 5), (320, 6), (384, 7)])
def test_unets_halve_as_often_as_the_size_allows(size, levels):
    net = build(unet_config(ngf=1, image_size=size))
    assert net.config.levels == levels
    assert net(torch.rand(1, 3, size, size)).shape == (1, 3, size, size)


@pytest.mark.parametrize("blocks", range(4))
@pytest.mark.parametrize("mobile", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 32, 48), (1, 3, 8, 8)])
def test_resnets_of_every_depth(blocks, mobile, shape):
    net = build(resnet_config(ngf=2, blocks=blocks, mobile=mobile)).train()
    assert net.config.blocks == len(net.blocks) == blocks
    output = net(torch.rand(shape))
    assert output.shape == shape
    assert output.abs().max() <= 1


@pytest.mark.parametrize("name", TINY)
def test_the_axes_table_names_every_tensor_and_its_lengths(name):
    net, _ = random_net(name)
    axes, widths = net.axes(), net.config.widths
    for key, tensor in net.state_dict().items():
        if key.endswith("num_batches_tracked"):
            assert key not in axes
            continue
        for length, groups in zip(tensor.shape, axes[key], strict=False):
            assert not groups or length == sum(widths[group] for group in groups), key
    assert {group for dims in axes.values() for groups in dims for group in groups} == set(widths)
    assert axes.keys() <= net.state_dict().keys()


@pytest.mark.parametrize("name", TINY)
def test_feature_layers_give_the_group_they_promise(name):
    net, images = random_net(name)
    modules, seen = dict(net.named_modules()), {}
    for path in net.feature_layers():
        modules[path].register_forward_hook(lambda _, __, output, path=path: seen.update({path: output}))
    net(images)
    assert seen
    for path, group in net.feature_layers().items():
        assert seen[path].shape[1] == net.config.widths[group]


def test_every_architecture_is_tested():
    assert {config.architecture for config in TINY.values()} == set(GENERATORS)


# Discriminators


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("layers", [1, 2, 3, 4, 5])
def test_the_patch_discriminator_is_the_published_one(layers, norm):
    config = DiscriminatorConfig(ndf=4, layers=layers, norm=norm, input_channels=6)
    assert_same_discriminator(config, Patch(4, layers, norm, channels=6))


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_the_pixel_discriminator_is_the_published_one(norm):
    config = DiscriminatorConfig(kind="pixel", ndf=4, norm=norm, input_channels=6)
    assert_same_discriminator(config, Pixel(4, norm, channels=6))


def assert_same_discriminator(config, oracle):
    ours = randomise(PatchDiscriminator(config)).train()
    table = patchgan.published_keys(config)
    assert renamed(ours.state_dict(), table).keys() == oracle.state_dict().keys()
    oracle.double().train().load_state_dict(renamed(ours.state_dict(), table))
    images = torch.rand(2, 6, 128, 128, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        assert (ours(images) - oracle(images)).abs().max() <= 1e-9


def test_names_of_the_basic_discriminator():
    tensors = on_meta(PatchDiscriminator, DiscriminatorConfig()).state_dict()
    names = renamed(tensors, patchgan.published_keys(DiscriminatorConfig()))
    expected = ["model.0", "model.2", "model.5", "model.8", "model.11"]
    assert sorted(names) == sorted(f"{name}.{part}" for name in expected for part in ("weight", "bias"))


@pytest.mark.parametrize(("kind", "size", "patches"), [("n_layers", 256, 30), ("n_layers", 64, 6), ("pixel", 64, 64)])
def test_one_logit_per_patch(kind, size, patches):
    net = PatchDiscriminator(DiscriminatorConfig(kind=kind, ndf=2))
    assert net(torch.rand(1, 3, size, size)).shape == (1, 1, patches, patches)


def test_parameters_of_the_basic_discriminator():
    """2,764,737 with instance norm: five 4x4 convolutions with biases."""
    net = on_meta(PatchDiscriminator, DiscriminatorConfig())
    ladder = [3, 64, 128, 256, 512, 1]
    by_formula = sum(16 * into * out + out for into, out in itertools.pairwise(ladder))
    assert sum(parameter.numel() for parameter in net.parameters()) == by_formula == 2_764_737


def test_a_masked_discriminator_ignores_its_dead_channels():
    config = DiscriminatorConfig(ndf=4, norm="batch")
    net = randomise(PatchDiscriminator(config)).eval()
    images = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    kept = {group: torch.arange(width - 1) for group, width in config.widths().items()}
    masked = mask(net.state_dict(), net.axes(), config.widths(), kept)
    before = torch.func.functional_call(net, masked, (images,))
    masked["convs.layer1.weight"][-1] = 1.0  # what a dead channel computes, nobody reads
    assert torch.equal(torch.func.functional_call(net, masked, (images,)), before)


# Initial weights


@pytest.mark.parametrize("gain", [0.02, 0.1])
def test_initial_weights_have_the_published_statistics(gain):
    net = build(unet_config(ngf=16, image_size=32))
    initialise(net, torch.Generator().manual_seed(0), gain=gain)
    convolutions = torch.cat([tensor.flatten() for tensor in net.parameters() if tensor.dim() == 4]).detach()
    assert float(convolutions.mean()) == pytest.approx(0, abs=0.01 * gain)
    assert float(convolutions.std()) == pytest.approx(gain, rel=0.01)
    norms = torch.cat([tensor for name, tensor in net.named_parameters() if "norm" in name and "weight" in name])
    assert float(norms.detach().mean()) == pytest.approx(1.0, abs=0.2 * gain)
    assert float(norms.detach().std()) == pytest.approx(gain, rel=0.15)
    biases = [tensor for name, tensor in net.named_parameters() if name.endswith("bias")]
    assert biases
    assert all(not tensor.any() for tensor in biases)


def test_initial_weights_come_from_the_generator_given():
    networks = [build(TINY["resnet"]) for _ in range(3)]
    state = torch.random.get_rng_state()
    for network, seed in zip(networks, (1, 1, 2), strict=True):
        initialise(network, torch.Generator().manual_seed(seed))
    assert torch.equal(networks[0].stem.weight, networks[1].stem.weight)
    assert not torch.equal(networks[0].stem.weight, networks[2].stem.weight)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(("side", "padding"), [(3, {"padding": 1, "output_padding": 1}), (4, {"padding": 1})])
def test_enlarging_starts_without_a_checkerboard(side, padding):
    """A flat input must give a flat output; drawn tap by tap, the published start gives a pattern of period 2."""
    layer = nn.ConvTranspose2d(3, 5, side, stride=2, bias=False, **padding)
    initialise(layer, torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = layer(torch.ones(1, 3, 8, 8))[0, :, 2:-2, 2:-2]
    assert output.std() > 1e-3, "channels differ"
    assert output.std(dim=(1, 2)).max() < 1e-6


# Configs


@pytest.mark.parametrize("name", TINY)
def test_a_config_survives_json_pickle_and_copy(name):
    config = TINY[name]
    for again in (
        config_from_json(json.loads(json.dumps(config.to_json()))),
        pickle.loads(pickle.dumps(config)),
        copy.deepcopy(config),
    ):
        assert again == config
        assert hash(again) == hash(config)
        assert list(again.widths) == list(config.widths)


def test_the_order_of_the_groups_does_not_matter():
    config = TINY["unet"]
    turned = config.with_widths(dict(reversed(config.widths.items())))
    assert turned == config
    assert len({turned, config}) == 1
    assert build(turned).state_dict().keys() == build(config).state_dict().keys()


def test_a_config_cannot_be_changed():
    config, widths = TINY["resnet"], dict(TINY["resnet"].widths)
    with pytest.raises(TypeError):
        config.widths["stem"] = 1
    copied = config.with_widths(widths)
    widths["stem"] = 99
    assert copied.widths["stem"] == config.widths["stem"]


def test_equal_skeletons_have_the_same_layers():
    config = resnet_config(ngf=4)
    narrow = config.with_widths(dict.fromkeys(config.widths, 1))
    assert narrow.skeleton() == config.skeleton()
    assert on_meta(build, narrow).state_dict().keys() == on_meta(build, config).state_dict().keys()
    assert resnet_config(ngf=4, blocks=8).skeleton() != config.skeleton()


REFUSED = {
    "no mapping": lambda values: [values],
    "no widths": lambda values: {"architecture": "resnet"},
    "an unknown field": lambda values: values | {"colour": "red"},
    "an unknown architecture": lambda values: values | {"architecture": "vit"},
    "another type of architecture": lambda values: values | {"architecture": ["resnet"]},
    "an unknown norm": lambda values: values | {"norm": "group"},
    "widths that are no mapping": lambda values: values | {"widths": [1, 2]},
    "names that are no text": lambda values: values | {"widths": {1: 2}},
    "a missing group": lambda values: values | {"widths": {k: v for k, v in values["widths"].items() if k != "up2"}},
    "an extra group": lambda values: values | {"widths": values["widths"] | {"extra": 4}},
    "a gap between the blocks": lambda values: values | {"widths": values["widths"] | {"block9": 4}},
    "no channel": lambda values: values | {"widths": values["widths"] | {"stem": 0}},
    "too many channels": lambda values: values | {"widths": values["widths"] | {"stem": 10**6}},
    "a fraction of a channel": lambda values: values | {"widths": values["widths"] | {"stem": 4.0}},
    "a truth value for a width": lambda values: values | {"widths": values["widths"] | {"stem": True}},
    "too many blocks": lambda values: values | {"widths": values["widths"] | {f"block{i}": 4 for i in range(65)}},
    "no picture channels": lambda values: values | {"input_channels": 0},
    "dropout that is no truth value": lambda values: values | {"dropout": 1},
    "a size that is no number": lambda values: values | {"image_size": "256"},
    "a size that cannot be halved twice": lambda values: values | {"image_size": 30},
    "a size too small to pad": lambda values: values | {"image_size": 4},
    "a U-Net of one level": lambda values: {"architecture": "unet", "widths": {"down1": 4}},
    "a U-Net deeper than its image": lambda values: unet_config(ngf=4).to_json() | {"image_size": 64},
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_damaged_config_is_refused_with_a_sentence(case):
    with pytest.raises(CheckpointError) as caught:
        config_from_json(REFUSED[case](TINY["resnet"].to_json()))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("arrange", [lambda images: images, layers.channels_last], ids=["plain", "channels last"])
def test_instance_norm_and_its_gradient_are_those_of_torch(batch, arrange):
    random = torch.Generator().manual_seed(0)
    features = (torch.randn(batch, 5, 9, 7, generator=random) * 3 + 1).double()
    weights = torch.randn(features.shape, generator=random).double()
    found = []
    for norm in (layers.make_norm("instance", 5), nn.InstanceNorm2d(5)):
        given = arrange(features).requires_grad_()
        out = norm(given)
        found.append((out, *torch.autograd.grad((out * weights).sum(), given)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_instance_norm_is_exact_where_the_mean_is_far_from_zero():
    """Torch's sums over 16,384 pixels with channels last err by 6e-5 there."""
    random = torch.Generator().manual_seed(0)
    features = 0.1 * torch.randn(1, 8, 128, 128, generator=random) + torch.linspace(-10, 10, 8).view(1, 8, 1, 1)
    found = layers.make_norm("instance", 8).eval()(layers.channels_last(features))
    torch.testing.assert_close(found.double(), nn.InstanceNorm2d(8)(features.double()), rtol=0, atol=2e-5)


NETWORKS = [*TINY.values(), resnet_config(ngf=4, blocks=1, mobile=True), DiscriminatorConfig(ndf=4)]


@pytest.mark.parametrize("config", NETWORKS, ids=[*TINY, "mobile", "discriminator"])
def test_channels_stay_last_through_every_convolution_and_the_picture_comes_out_plain(config):
    network = PatchDiscriminator(config) if isinstance(config, DiscriminatorConfig) else build(config)
    stay_last = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(
                lambda module, given, out: stay_last.append(given[0].is_contiguous(memory_format=torch.channels_last))
            )
    assert network.eval()(torch.rand(2, 3, 64, 64)).is_contiguous()
    assert stay_last
    assert all(stay_last)
