"""What a state dict that fits no known network is told."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from coronet.errors import CheckpointError
from coronet.recognise import recognise_discriminator, recognise_generator
from tests.reference_nets import Patch, Resnet, Unet, randomised

State = dict[str, Tensor]


def _resnet() -> State:
    return dict(randomised(Resnet([4, 8, 16, 12, 12, 8, 4])).state_dict())


def _moved(state: State, old: str, new: str) -> State:
    return {key.replace(old, new): tensor for key, tensor in state.items()}


CHANGES: dict[str, tuple[Callable[[], State], str]] = {
    "missing": (lambda: _without("model.4.bias"), r"looks like a ResNet with 2 blocks, but lacks 'model.4.bias'"),
    "missing_convolution": (lambda: _without("model.7.weight"), "lacks the convolution 'model.7.weight'"),
    "extra": (lambda: _resnet() | {"ema.decay": torch.ones(1)}, "but also holds 'ema.decay'"),
    "shape": (
        lambda: _resnet() | {"model.4.weight": torch.zeros(8, 5, 3, 3)},
        r"'model.4.weight' is 8×5×3×3 where 8×4×3×3 would fit",
    ),
    "gap": (lambda: _moved(_resnet(), "model.11.", "model.12."), "instead of model.10 to model.11"),
    "affine": (lambda: _resnet() | {"model.2.weight": torch.ones(4)}, "weights but no running statistics"),
    "wide": (lambda: _resnet() | {"model.1.weight": torch.zeros(9000, 1, 7, 7)}, "cannot be built"),
    "empty": (dict, "unknown network"),
    "classifier": (lambda: {"layer1.0.conv1.weight": torch.zeros(1)}, "'layer1.0.conv1.weight'"),
    "unet_shape": (
        lambda: dict(Unet([4, 8, 8]).state_dict()) | {"model.model.3.weight": torch.zeros(9, 3, 4, 4)},
        r"looks like a U-Net of 3 levels, but 'model.model.3.weight' is 9×3×4×4 where 8×3×4×4",
    ),
    "deep_unet": (lambda: dict(Unet([1] * 14).state_dict()), "cannot be built"),
    "odd_name": (lambda: {"a\nb\x1b[0m": torch.zeros(1)}, r"'a\?b\?\[0m'"),
}


def _without(key: str) -> State:
    state = _resnet()
    del state[key]
    return state


@pytest.mark.parametrize("name", CHANGES)
def test_misfit_is_told_in_one_line(name: str) -> None:
    make, message = CHANGES[name]
    with pytest.raises(CheckpointError, match=message) as caught:
        recognise_generator(make(), "model.pth")
    assert str(caught.value).startswith("model.pth ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "prefix", ["module.", "netG.", "netG.module.", "module.netG_A.", "_orig_mod.module.", "generator."]
)
def test_prefixes_are_taken_away(prefix: str) -> None:
    found = recognise_generator({prefix + key: tensor for key, tensor in _resnet().items()}, "x")
    assert found.config.blocks == 2
    assert any("was taken away" in reason for reason in found.reasons)


def test_one_network_among_several_is_picked() -> None:
    both = {f"netG_A.{key}": tensor for key, tensor in _resnet().items()}
    both |= {f"netD_A.{key}": tensor for key, tensor in randomised(Patch(4, 3, "instance")).state_dict().items()}
    assert recognise_generator(both, "x").config.blocks == 2
    config, _ = recognise_discriminator(both, "x")
    assert config.layers == 3


def test_uneven_discriminator_is_refused() -> None:
    state = dict(Patch(4, 3, "instance").state_dict()) | {"model.2.weight": torch.zeros(9, 4, 4, 4)}
    with pytest.raises(CheckpointError, match=r"looks like this PatchGAN discriminator, but 'model.2.weight' is"):
        recognise_discriminator(state, "x")
