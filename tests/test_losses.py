"""Every loss against values computed by hand from its formula."""

import math

import pytest
import torch

from coronet.losses import feature_imitation, imitation, judged_real, softened, told_apart
from coronet.similarity import ssim

REAL = torch.tensor([[[[2.0, 0.0]]]])
FAKE = torch.tensor([[[[-1.0, 0.5]]]])


def softplus(value):
    return math.log1p(math.exp(value))


# mode: (generator's loss on FAKE, discriminator's loss on REAL and FAKE)
BY_HAND = {
    "lsgan": (
        ((-1 - 1) ** 2 + (0.5 - 1) ** 2) / 2,
        0.5 * (((2 - 1) ** 2 + (0 - 1) ** 2) / 2 + ((-1) ** 2 + 0.5**2) / 2),
    ),
    "vanilla": (
        (softplus(1) + softplus(-0.5)) / 2,
        0.5 * ((softplus(-2) + softplus(0)) / 2 + (softplus(-1) + softplus(0.5)) / 2),
    ),
    "hinge": (
        -(-1 + 0.5) / 2,
        0.5 * ((max(0, 1 - 2) + max(0, 1 - 0)) / 2 + (max(0, 1 - 1) + max(0, 1 + 0.5)) / 2),
    ),
}


@pytest.mark.parametrize("mode", BY_HAND)
def test_a_generator_wants_its_images_taken_for_real(mode):
    assert float(judged_real(FAKE, mode)) == pytest.approx(BY_HAND[mode][0], rel=1e-6)


@pytest.mark.parametrize("mode", BY_HAND)
def test_a_discriminator_pays_for_both_sides(mode):
    assert float(told_apart(REAL, FAKE, mode)) == pytest.approx(BY_HAND[mode][1], rel=1e-6)


@pytest.mark.parametrize("mode", BY_HAND)
def test_the_generator_gains_where_the_judge_errs(mode):
    logits = FAKE.clone().requires_grad_()
    judged_real(logits, mode).backward()
    assert (logits.grad < 0).all()  # higher logits, lower loss


@pytest.mark.parametrize("mode", BY_HAND)
def test_the_discriminator_pushes_real_up_and_fake_down(mode):
    real, fake = torch.zeros(1, 1, 2, 2, requires_grad=True), torch.zeros(1, 1, 2, 2, requires_grad=True)
    told_apart(real, fake, mode).backward()
    assert (real.grad < 0).all()
    assert (fake.grad >= 0).all()
    assert mode == "lsgan" or (fake.grad > 0).all()  # least squares is content with a fake at 0


@pytest.mark.parametrize("mode", ["lsgan", "hinge"])
def test_a_perfect_discriminator_pays_nothing(mode):
    real = torch.ones(2, 1, 3, 3)
    fake = torch.zeros(2, 1, 3, 3) if mode == "lsgan" else -real
    assert float(told_apart(real, fake, mode)) == 0.0


def test_imitating_exactly_costs_nothing():
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    assert float(imitation(images, images)) == pytest.approx(0.0, abs=1e-6)


def test_imitation_is_l1_and_a_fifth_of_what_lacks_in_ssim():
    first, second = torch.rand(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    by_hand = (first - second).abs().mean() + 0.2 * (1 - ssim(first, second)).mean()
    assert float(imitation(first, second)) == pytest.approx(float(by_hand), rel=1e-6)
    assert float(imitation(first, second)) > float((first - second).abs().mean())


def test_imitation_grows_with_the_distance():
    target = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    noise = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    distances = [float(imitation(target + amount * noise, target)) for amount in (0.01, 0.1, 0.5)]
    assert distances == sorted(distances)


def test_imitation_is_not_blurred_by_mixed_precision():
    """SSIM subtracts nearly equal numbers: in bfloat16 nothing would be left of them."""
    random = torch.Generator().manual_seed(4)
    first = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 5, generator=random) * 2 - 1, size=32)
    second = first + 0.02 * torch.randn(first.shape, generator=random)
    expected = float(imitation(first, second))
    with torch.autocast("cpu", torch.bfloat16):
        assert float(imitation(first, second)) == pytest.approx(expected, rel=1e-4)
        half = float(imitation(first.bfloat16(), second.bfloat16()))
    assert half == pytest.approx(expected, rel=0.1)  # the images themselves are rounded


def test_features_are_measured_in_units_of_the_teachers_variance():
    wanted = {"a": torch.tensor([[[[0.0, 2.0]]]]), "b": torch.tensor([[[[0.0, 200.0]]]])}  # variance 2 and 20 000
    student = {"a": torch.tensor([[[[1.0, 2.0]]]]), "b": torch.tensor([[[[0.0, 300.0]]]])}
    by_hand = ((1.0 / 2) / 2 + (10_000 / 2) / 20_000) / 2
    assert float(feature_imitation(student, wanted)) == pytest.approx(by_hand, rel=1e-6)


def test_equal_features_cost_nothing_even_where_a_layer_is_constant():
    features = {"a": torch.randn(1, 2, 4, 4), "dead": torch.zeros(1, 2, 4, 4)}
    assert float(feature_imitation(features, features)) == 0.0


def test_features_without_a_wanted_counterpart_do_not_count():
    wanted = {"a": torch.tensor([[[[0.0, 2.0]]]])}
    student = {"a": torch.tensor([[[[0.0, 2.0]]]]), "b": torch.tensor([[[[7.0]]]])}
    assert float(feature_imitation(student, wanted)) == 0.0


def test_softening_keeps_slopes_and_removes_dots():
    """A slope is as it was away from the borders; dots of two pixels are gone, stripes of sixteen stay."""
    places = torch.arange(48.0)
    slope = (places / 48).expand(1, 3, 48, 48)
    assert torch.allclose(softened(slope, 1.5)[..., 8:-8], slope[..., 8:-8], atol=1e-6)
    dots = ((-1.0) ** places * ((-1.0) ** places)[:, None]).expand(1, 3, 48, 48)
    assert softened(dots, 1.5).abs().max() < 0.01
    stripes = torch.sin(2 * math.pi * places / 16).expand(1, 3, 48, 48)
    kept = softened(stripes, 1.5)[..., 8:-8].abs().max()
    assert float(kept) == pytest.approx(math.exp(-2 * (math.pi * 1.5 / 16) ** 2), rel=0.03)
    assert softened(dots, 0.0) is dots


def test_softening_mirrors_small_images():
    flat = torch.full((2, 3, 4, 5), 0.3)
    assert torch.allclose(softened(flat, 6.0), flat)
