"""Our own files: saving and loading gives the same, and what does not fit is refused in one sentence."""

import json
import math
import stat
from pathlib import Path

import pytest
import safetensors.torch
import torch

from coronet.checkpoints import Checkpoint, build_generator, load, load_discriminator, save, save_discriminator
from coronet.errors import CheckpointError, RunError
from coronet.networks import DiscriminatorConfig, PatchDiscriminator, resnet_config, unet_config
from tests.nets import TINY, random_net
from tests.reference_nets import Resnet, randomised


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("half", [False, True])
@torch.inference_mode()
def test_saved_checkpoint_loads_equal(tmp_path: Path, name: str, half: bool) -> None:
    net, images = random_net(name)
    original = Checkpoint(net.config, dict(net.state_dict()), {"method": "coronet", "kept": {"stem": [0, 2]}})
    path = tmp_path / "slim.safetensors"
    save(original, path, half=half)
    loaded = load(path)
    assert loaded.config == net.config
    assert loaded.lineage["method"] == "coronet"
    assert loaded.lineage["kept"] == {"stem": [0, 2]}
    assert loaded.lineage["source"] == "slim.safetensors"
    assert loaded.lineage["format"] == "coronet-1"
    tolerance = 2e-2 if half else 0
    torch.testing.assert_close(build_generator(loaded)(images), net(images), rtol=0, atol=tolerance)
    if half:
        save(original, tmp_path / "full.safetensors")
        assert path.stat().st_size < 0.75 * (tmp_path / "full.safetensors").stat().st_size
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_saving_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    net, _ = random_net("resnet")
    for name in ("a", "b"):
        save(Checkpoint(net.config, dict(net.state_dict()), {"x": 1, "a": 2}), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_origin_is_the_first_file_of_the_line(tmp_path: Path) -> None:
    published = randomised(Resnet([4, 8, 8, 8, 8, 4])).state_dict()
    safetensors.torch.save_file(dict(published), tmp_path / "first.safetensors")
    first = load(tmp_path / "first.safetensors")
    save(first, tmp_path / "second.safetensors")
    second = load(tmp_path / "second.safetensors")
    save(second, tmp_path / "third.safetensors")
    third = load(tmp_path / "third.safetensors")
    assert third.lineage["source"] == "third.safetensors"
    assert third.lineage["origin"] == second.lineage["origin"] == first.lineage


def test_built_generator_shares_nothing(tmp_path: Path) -> None:
    net, _ = random_net("unet")
    checkpoint = Checkpoint(net.config, {key: tensor.clone() for key, tensor in net.state_dict().items()})
    before = torch.random.get_rng_state()
    built = build_generator(checkpoint)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not built.training
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.zero_()
    assert all(torch.equal(tensor, net.state_dict()[key]) for key, tensor in checkpoint.weights.items())


def test_saved_discriminator_loads_equal(tmp_path: Path) -> None:
    config = DiscriminatorConfig(ndf=4, layers=2, norm="batch", input_channels=6)
    network = randomised(PatchDiscriminator(config))
    save_discriminator(config, network.state_dict(), tmp_path / "d.safetensors")
    loaded, weights = load_discriminator(tmp_path / "d.safetensors")
    assert loaded == config
    assert all(torch.equal(weights[key], tensor) for key, tensor in network.state_dict().items())
    with pytest.raises(CheckpointError, match="is a discriminator, not a generator"):
        load(tmp_path / "d.safetensors")


def test_unfit_weights_are_not_saved(tmp_path: Path) -> None:
    net, _ = random_net("resnet")
    weights = dict(net.state_dict())
    path = tmp_path / "x.safetensors"
    for broken in (
        weights | {"head.bias": torch.full((3,), math.nan)},
        weights | {"head.bias": torch.zeros(4)},
        weights | {"more": torch.zeros(1)},
        {key: tensor for key, tensor in weights.items() if key != "head.bias"},
    ):
        with pytest.raises(CheckpointError):
            save(Checkpoint(net.config, broken), path)
    with pytest.raises(RunError, match="folder does not exist"):
        save(Checkpoint(net.config, weights), tmp_path / "absent" / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


def _our_file(path: Path, change: object = None, **description: object) -> Path:
    """Write one of our files with a changed description or changed weights."""
    net, _ = random_net("resnet")
    weights = {key: tensor.clone().contiguous() for key, tensor in net.state_dict().items()}
    if callable(change):
        change(weights)
    text = {"version": 1, "kind": "generator", "config": net.config.to_json(), "lineage": {}} | description
    safetensors.torch.save_file(weights, path, {"coronet": json.dumps(text)})
    return path


WRONG_FILES = {
    "newer": ({"version": 2}, "Update the studio"),
    "no_version": ({"version": None}, "description cannot be read"),
    "kind": ({"kind": "virus"}, "description cannot be read"),
    "lineage": ({"lineage": 5}, "description cannot be read"),
    "config": ({"config": {}}, "fields of a generator"),
    "fields": ({"config": TINY["resnet"].to_json() | {"hack": 1}}, "fields of a generator"),
    "huge": ({"config": TINY["resnet"].to_json() | {"widths": {"stem": 10**9}}}, "must be between 1"),
    "widths": ({"config": resnet_config(ngf=6, blocks=2).to_json()}, "asks for"),
    "other": ({"config": unet_config(ngf=4, image_size=32).to_json()}, "tensor"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_our_files_are_checked_strictly(tmp_path: Path, name: str) -> None:
    description, message = WRONG_FILES[name]
    with pytest.raises(CheckpointError, match=message) as caught:
        load(_our_file(tmp_path / "x.safetensors", **description))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("head.bias"), "lacks tensor 'head.bias'"),
        (lambda weights: weights.update({"x": torch.zeros(1)}), "unknown tensor 'x'"),
        (lambda weights: weights.update({"head.bias": torch.zeros(5)}), "asks for"),
        (lambda weights: weights.update({"head.bias": torch.zeros(3, dtype=torch.int64)}), "lacks"),
        (lambda weights: weights["head.bias"].fill_(math.inf), "NaN or infinite values in 'head.bias'"),
    ],
)
def test_our_weights_are_checked_strictly(tmp_path: Path, change: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load(_our_file(tmp_path / "x.safetensors", change))
