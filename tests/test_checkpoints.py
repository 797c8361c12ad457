"""Published files: every layout computes what an independent oracle computes, and is converted only once."""

import os
from collections import OrderedDict
from copy import deepcopy
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from coronet import sandbox, tensor_files
from coronet.checkpoints import (
    build_generator,
    load,
    load_discriminator,
    sha256_of,
)
from coronet.errors import CheckpointError, CoronetError
from coronet.networks import DiscriminatorConfig, PatchDiscriminator
from tests.reference_nets import Patch, Pixel, Resnet, Unet, randomised
from tests.sandbox import convert_batch

TOLERANCE = 1e-5
NARROW = [4, 8, 16, 12, 5, 8, 4]
MOBILE = [4, 8, 16, *[8] * 3, *[12] * 3, *[16] * 3, 8, 4]

GENERATOR_FILES = {
    "resnet": (Resnet(NARROW), {"blocks": 2, "norm": "instance", "architecture": "resnet"}),
    "resnet_slot": (Resnet(NARROW, slot=True), {"blocks": 2, "norm": "instance", "dropout": False}),
    "resnet_batch": (Resnet(NARROW, "batch"), {"norm": "batch", "dropout": False}),
    "resnet_batch_slot": (Resnet(NARROW, "batch", slot=True), {"norm": "batch", "dropout": False}),
    "resnet_old": (Resnet(NARROW, "old_instance"), {"norm": "instance", "blocks": 2}),
    "resnet_old_slot": (Resnet(NARROW, "old_instance", slot=True), {"norm": "instance", "blocks": 2}),
    "resnet_no_blocks": (Resnet([4, 8, 16, 8, 4]), {"blocks": 0}),
    "resnet_six": (Resnet([3, 6, 12, *[12] * 6, 6, 3]), {"blocks": 6}),
    "resnet_grey_to_five": (Resnet(NARROW, channels=(1, 5)), {"input_channels": 1, "output_channels": 5}),
    "mobile": (Resnet(NARROW, mobile=True), {"architecture": "mobile_resnet", "blocks": 2}),
    "mobile_slot": (Resnet(MOBILE, mobile=True, slot=True), {"architecture": "mobile_resnet", "blocks": 9}),
    "mobile_batch_slot": (Resnet(NARROW, "batch", mobile=True, slot=True), {"norm": "batch"}),
    "unet": (Unet([4, 8, 16, 32, 32]), {"architecture": "unet", "levels": 5, "dropout": True, "image_size": 32}),
    "unet_uneven": (Unet([5, 3, 7, 6]), {"levels": 4, "norm": "batch", "image_size": 16}),
    "unet_instance": (Unet([4, 8, 16], "instance"), {"levels": 3, "norm": "instance", "dropout": False}),
    "unet_old": (Unet([4, 8, 16], "old_instance"), {"levels": 3, "norm": "instance"}),
    "unet_two_levels": (Unet([4, 8]), {"levels": 2, "image_size": 4}),
    "unet_seven": (Unet([2, 4, 8, 8, 8, 8, 8], channels=(1, 2)), {"levels": 7, "input_channels": 1, "image_size": 128}),
}
CONTAINERS = ("zip", "legacy", "module", "parameters", "float16", "bfloat16", "float64", "no_counters")
WRAPPERS = {
    "state_dict": "state_dict",
    "netG": "netG",
    "model": "model",
    "generator": "generator",
    "deep": "checkpoint.state_dict",
    "two_networks": "netG",
}
DISCRIMINATOR_FILES = {
    "basic": (Patch(4, 3, "instance"), DiscriminatorConfig(ndf=4)),
    "basic_batch_pairs": (Patch(4, 3, "batch", 6), DiscriminatorConfig(ndf=4, norm="batch", input_channels=6)),
    "one_layer": (Patch(4, 1, "instance"), DiscriminatorConfig(ndf=4, layers=1)),
    "five_layers": (Patch(2, 5, "batch"), DiscriminatorConfig(ndf=2, layers=5, norm="batch")),
    "old": (Patch(4, 2, "old_instance"), DiscriminatorConfig(ndf=4, layers=2)),
    "pixel": (Pixel(4, "instance"), DiscriminatorConfig(kind="pixel", ndf=4)),
    "pixel_batch": (Pixel(4, "batch"), DiscriminatorConfig(kind="pixel", ndf=4, norm="batch")),
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every published layout as a file, all converted by one sandboxed child into a cache of this module."""
    folder = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for name, (network, _) in GENERATOR_FILES.items():
            torch.save(randomised(network).state_dict(), folder / f"{name}.pth")
        for container in CONTAINERS:
            _write_container(folder / f"{container}.pth", container)
        state = GENERATOR_FILES["resnet"][0].state_dict()
        for name, path in WRAPPERS.items():
            torch.save(_wrapped(state, name, path), folder / f"wrapped_{name}.pth")
        generators = sorted(folder.glob("*.pth"))
        for name, (network, _) in DISCRIMINATOR_FILES.items():
            torch.save(randomised(network).state_dict(), folder / f"D_{name}.pth")
        discriminators = sorted(folder.glob("D_*.pth"))
        jobs = [(file, "generator") for file in (*generators, *discriminators)]
        convert_batch([*jobs, *((file, "discriminator") for file in discriminators)])
    return folder


@pytest.fixture
def cached(published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The published files, and no way to start a child: everything must come from the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(published / "cache"))
    monkeypatch.setattr(sandbox.subprocess, "run", _no_child)
    return published


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "coronet"


def _no_child(*_: object, **__: object) -> None:
    raise AssertionError("a child was started for a cached file")


def _write_container(path: Path, container: str) -> None:
    state = GENERATOR_FILES["unet"][0].state_dict()
    if container == "module":
        state = OrderedDict((f"module.{key}", tensor) for key, tensor in state.items())
    elif container == "parameters":
        state = OrderedDict((key, nn.Parameter(tensor, tensor.is_floating_point())) for key, tensor in state.items())
    elif container == "no_counters":
        state = OrderedDict((key, tensor) for key, tensor in state.items() if "num_batches" not in key)
    elif hasattr(torch, container):
        state = OrderedDict(
            (key, tensor.to(getattr(torch, container)) if tensor.is_floating_point() else tensor)
            for key, tensor in state.items()
        )
    torch.save(state, path, _use_new_zipfile_serialization=container != "legacy")


def _wrapped(state: dict[str, Tensor], name: str, path: str) -> dict[str, object]:
    if name == "two_networks":
        return {"netD": {"model.0.weight": torch.zeros(4, 3, 4, 4)}, "netG": state, "epoch": torch.tensor(5)}
    value: dict[str, object] = dict(state)
    for key in reversed(path.split(".")):
        value = {key: value}
    return {"epoch": 5, **value}


def _images(config: object, seed: int = 1) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    side = min(config.image_size, 32) if config.architecture != "unet" else config.image_size
    return torch.rand(1, config.input_channels, side, side, generator=random) * 2 - 1


def exact(network: nn.Module, images: Tensor) -> Tensor:
    """Translate in float64, where the order of sums, which is not the published one, makes no difference."""
    translated: Tensor = deepcopy(network).double()(images.double())
    return translated


@pytest.mark.parametrize("name", GENERATOR_FILES)
@torch.inference_mode()
def test_published_generator_computes_the_same(cached: Path, name: str) -> None:
    network, facts = GENERATOR_FILES[name]
    checkpoint = load(cached / f"{name}.pth")
    assert {fact: getattr(checkpoint.config, fact) for fact in facts} == facts
    images = _images(checkpoint.config)
    ours = exact(build_generator(checkpoint), images)
    torch.testing.assert_close(ours, exact(network, images), rtol=0, atol=TOLERANCE)
    assert checkpoint.lineage["source"] == f"{name}.pth"
    assert checkpoint.lineage["sha256"] == sha256_of(cached / f"{name}.pth")
    assert all(reason.endswith(".") and "\n" not in reason for reason in checkpoint.reasons)


@pytest.mark.parametrize("container", CONTAINERS)
@torch.inference_mode()
def test_published_container_computes_the_same(cached: Path, container: str) -> None:
    network, _ = GENERATOR_FILES["unet"]
    checkpoint = load(cached / f"{container}.pth")
    images = _images(checkpoint.config)
    tolerance = {"float16": 2e-2, "bfloat16": 2e-1}.get(container, TOLERANCE)
    ours = exact(build_generator(checkpoint), images)
    torch.testing.assert_close(ours, exact(network, images), rtol=0, atol=tolerance)
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in checkpoint.weights.values())


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrapped_state_dict_is_unwrapped_with_a_reason(cached: Path, name: str) -> None:
    checkpoint = load(cached / f"wrapped_{name}.pth")
    assert checkpoint.config.widths == load(cached / "resnet.pth").config.widths
    assert any(f"'{WRAPPERS[name]}'" in reason for reason in checkpoint.reasons)


def test_reasons_name_what_was_seen(cached: Path) -> None:
    text = "\n".join(load(cached / "mobile_slot.pth").reasons)
    assert "9 residual blocks: key names model.10 to model.18 hold conv_block." in text
    assert "GAN Compression configuration 4_4_4_2_3_4_4_4" in text
    assert "conv_block.6" in text
    assert "not stored in the file" in text
    assert "running statistics of an old instance normalisation" in "\n".join(load(cached / "resnet_old.pth").reasons)
    assert any("'module.'" in reason for reason in load(cached / "module.pth").reasons)
    assert any("float16" in reason for reason in load(cached / "float16.pth").reasons)


@pytest.mark.parametrize("name", DISCRIMINATOR_FILES)
@torch.inference_mode()
def test_published_discriminator_computes_the_same(cached: Path, name: str) -> None:
    network, expected = DISCRIMINATOR_FILES[name]
    config, weights = load_discriminator(cached / f"D_{name}.pth")
    assert config == expected
    images = torch.rand(1, config.input_channels, 128, 128, generator=torch.Generator().manual_seed(0))
    ours = PatchDiscriminator(config)
    ours.load_state_dict(weights)
    torch.testing.assert_close(ours.eval()(images), network(images), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", DISCRIMINATOR_FILES)
def test_discriminator_is_no_generator(cached: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match=r"is a discriminator \(.*Choose the file whose name holds net_G"):
        load(cached / f"D_{name}.pth")


def test_generator_is_no_discriminator(cached: Path) -> None:
    path = cached / "plain.safetensors"
    safetensors.torch.save_file(dict(GENERATOR_FILES["resnet"][0].state_dict()), path)
    with pytest.raises(CheckpointError, match="holds a generator"):
        load_discriminator(path)


@torch.inference_mode()
def test_published_names_in_safetensors_are_recognised(cached: Path) -> None:
    path = cached / "converted_elsewhere.safetensors"
    safetensors.torch.save_file(dict(GENERATOR_FILES["mobile"][0].state_dict()), path)
    assert load(path).config == load(cached / "mobile.pth").config


def test_real_child_converts_once(published: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(published / "resnet.pth")
    assert [entry.name for entry in empty_cache.iterdir()] == [f"{first.lineage['sha256']}-generator.safetensors"]
    monkeypatch.setattr(sandbox.subprocess, "run", _no_child)
    second = load(published / "resnet.pth")
    assert second.config == first.config
    assert second.reasons == first.reasons
    assert all(torch.equal(second.weights[key], first.weights[key]) for key in first.weights)


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "text"])
def test_damaged_cache_entry_is_rebuilt(
    published: Path, cached: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = next((cached / "cache" / "coronet").glob(f"{sha256_of(cached / 'resnet.pth')}-generator*"))
    good = entry.read_bytes()
    flipped = good[:-5] + bytes([good[-5] ^ 1]) + good[-4:]
    entry.write_bytes({"flipped": flipped, "cut": good[:-100], "emptied": b"", "text": b"no safetensors"}[damage])
    rebuilt = []
    monkeypatch.setattr(tensor_files, "_run_child", lambda _s, target, _r: rebuilt.append(target.write_bytes(good)))
    load(cached / "resnet.pth")
    assert rebuilt
    assert entry.read_bytes() == good


def test_read_only_cache_costs_only_speed(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = next((cached / "cache" / "coronet").glob(f"{sha256_of(cached / 'resnet.pth')}-generator*"))
    good = entry.read_bytes()
    (tmp_path / "file").write_text("a file where the cache folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tensor_files, "_run_child", lambda _s, target, _r: target.write_bytes(good))
    assert load(cached / "resnet.pth").config.blocks == 2


def test_cache_stays_below_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_files, "MAX_CACHE_BYTES", 25)
    for age in range(5):
        entry = tmp_path / f"{age}.safetensors"
        entry.write_bytes(b"0123456789")
        os.utime(entry, (1000 - age, 1000 - age))
    tensor_files._prune(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["0.safetensors", "1.safetensors"]


@pytest.mark.real
def test_real_gan_compression_student(real_weights: Path, empty_cache: Path) -> None:
    checkpoint = load(real_weights / "gan_compression_horse2zebra_latest_net_G.pth")
    assert checkpoint.config.architecture == "mobile_resnet"
    assert any("16_16_32_16_32_32_16_16" in reason for reason in checkpoint.reasons)
    assert sum(parameter.numel() for parameter in build_generator(checkpoint).parameters()) == 356_867


@pytest.mark.real
def test_real_inception_is_an_unknown_network(real_weights: Path) -> None:
    with pytest.raises(CoronetError, match=r"unknown network \(its first tensors: 'Conv2d_1a_3x3"):
        load(real_weights / "inception_2015_12_05_to_Mixed_6e.safetensors")
