"""PSNR, SSIM and L1: against slow independent versions, hand-computed cases, and as losses."""

import math

import numpy as np
import pytest
import torch

from coronet.errors import DataError, SettingsError
from coronet.metrics.paired import HIGHEST_PSNR, L1, PAIRED_METRICS, Psnr, Ssim, evaluate_pairs
from coronet.similarity import psnr, ssim

LEVEL = 2 / 255  # one step of an 8-bit image on the scale [-1, 1]


def images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def slow_ssim(first, second, data_range, size=11, sigma=1.5):
    """Compute equation 13 of Wang et al. (2004) window by window for one plane, in float64."""
    line = np.arange(size) - (size - 1) / 2
    weights = np.exp(-(line[:, None] ** 2 + line[None, :] ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for top in range(first.shape[0] - size + 1):
        for left in range(first.shape[1] - size + 1):
            x = first[top : top + size, left : left + size].astype(np.float64)
            y = second[top : top + size, left : left + size].astype(np.float64)
            mx, my = (weights * x).sum(), (weights * y).sum()
            vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
            cov = (weights * (x - mx) * (y - my)).sum()
            values.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(np.mean(values))


@pytest.mark.parametrize("data_range", [1.0, 2.0, 255.0])
def test_ssim_equals_the_window_by_window_version(data_range):
    first = (images(2, 3, 17, 14) + 1) / 2 * data_range
    second = (first + 0.3 * images(2, 3, 17, 14, seed=1) * data_range).clamp(0, data_range)
    expected = [
        np.mean([slow_ssim(a.numpy(), b.numpy(), data_range) for a, b in zip(one, other, strict=True)])
        for one, other in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(ssim(first, second, data_range=data_range, lowest=0.0).numpy(), expected, atol=1e-5)


def test_ssim_with_another_window_equals_the_slow_version():
    first, second = images(1, 1, 9, 12), images(1, 1, 9, 12, seed=1)
    expected = slow_ssim(first[0, 0].numpy() + 1, second[0, 0].numpy() + 1, 2.0, size=7, sigma=1.0)
    assert ssim(first, second, window_size=7, sigma=1.0).item() == pytest.approx(expected, abs=1e-5)


def test_ssim_of_equal_images_is_one_even_where_they_are_flat():
    pictures = torch.cat([images(1, 3, 16, 16), torch.ones(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)])
    assert torch.allclose(ssim(pictures, pictures), torch.ones(3), atol=1e-6)


def test_ssim_is_symmetric_and_at_most_one():
    first, second = images(4, 3, 16, 20), images(4, 3, 16, 20, seed=1)
    forwards, backwards = ssim(first, second), ssim(second, first)
    assert torch.allclose(forwards, backwards, atol=1e-6)
    assert forwards.abs().max() < 1


def test_ssim_of_a_negative_is_negative():
    picture = images(1, 3, 32, 32)
    assert ssim(picture, -picture).item() < -0.8


def test_ssim_counts_brightness_from_black():
    """Two greys just on either side of 0 look the same."""
    grey = torch.full((1, 3, 12, 12), 0.02)
    assert ssim(grey, -grey).item() > 0.99
    black = -torch.ones(1, 3, 12, 12)
    assert ssim(black, -black).item() < 0.01


def test_gradients_of_ssim_and_psnr_are_right():
    first, second = images(2, 1, 7, 6).double(), images(2, 1, 7, 6, seed=1).double()
    first.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ssim(x, second, window_size=5), first)
    assert torch.autograd.gradcheck(lambda x: ssim(second, x, window_size=5), first)
    assert torch.autograd.gradcheck(lambda x: psnr(x, second), first)


def test_gradient_of_ssim_is_finite_on_flat_and_equal_images():
    flat = torch.ones(1, 3, 12, 12, requires_grad=True)
    ssim(flat, torch.ones(1, 3, 12, 12)).sum().backward()
    assert torch.isfinite(flat.grad).all()


def test_ssim_refuses_images_below_its_window():
    with pytest.raises(ValueError, match="11 x 11 pixels, not 16 x 10"):
        ssim(images(1, 3, 10, 16), images(1, 3, 10, 16))


def test_psnr_has_its_closed_form_and_is_infinite_for_equal_images():
    picture = torch.zeros(2, 3, 8, 8)
    other = picture + torch.tensor([0.1, 0.0]).view(2, 1, 1, 1)
    first, second = psnr(picture, other)
    assert first.item() == pytest.approx(20 * math.log10(2 / 0.1), abs=1e-4)
    assert second.item() == math.inf


def scored(metric, pairs):
    for real, fake in pairs:
        metric.update(real, fake)
    return metric.compute()


def test_one_level_of_difference_is_48_db():
    """A shift by one of 256 levels: MSE 1, so 20 log10(255)."""
    picture = torch.zeros(1, 3, 12, 12) - 1
    assert scored(Psnr(), [(picture, picture + LEVEL)]) == pytest.approx(20 * math.log10(255), abs=1e-9)
    assert scored(L1(), [(picture, picture + LEVEL)]) == pytest.approx(1 / 255, abs=1e-12)


@pytest.mark.parametrize("metric", PAIRED_METRICS.values())
def test_metrics_see_what_would_be_saved(metric):
    """Less than half a level and overshoots do not count; NaN is the mid-grey that a saved file shows."""
    real = torch.full((1, 3, 16, 16), 1.0)
    real[..., :8] = 51 * LEVEL - 1
    fake = real + 0.4 * LEVEL
    fake[..., 8:] = 7.0
    assert scored(metric(), [(real, fake)]) == scored(metric(), [(real, real)])
    grey, broken = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), torch.nan)
    assert scored(metric(), [(grey, broken)]) == scored(metric(), [(grey, grey)])


def test_best_scores():
    pair = (images(1, 3, 16, 16), images(1, 3, 16, 16))
    assert evaluate_pairs([pair]) == {"psnr_db": HIGHEST_PSNR, "ssim": pytest.approx(1.0), "l1": 0.0}


def test_black_against_white_is_the_worst_l1():
    assert scored(L1(), [(-torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 4))]) == 1.0


@pytest.mark.parametrize("metric", PAIRED_METRICS.values())
def test_score_is_the_mean_over_images_whatever_the_batches(metric):
    real, fake = images(5, 3, 16, 16), images(5, 3, 16, 16, seed=1) * 0.5
    fake[0] = real[0]
    alone = [scored(metric(), [(real[i : i + 1], fake[i : i + 1])]) for i in range(5)]
    batches = [(real[:3], fake[:3]), (real[3:], fake[3:])]
    assert scored(metric(), batches) == pytest.approx(sum(alone) / 5, abs=1e-9)


@pytest.mark.parametrize("metric", PAIRED_METRICS.values())
def test_more_noise_scores_worse(metric):
    real, noise = images(2, 3, 24, 24) * 0.6, images(2, 3, 24, 24, seed=1)
    scores = [scored(metric(), [(real, real + amount * noise)]) for amount in (0.0, 0.1, 0.2, 0.4)]
    assert scores == sorted(scores, reverse=metric is not L1)
    assert len(set(scores)) == 4


@pytest.mark.parametrize("metric", PAIRED_METRICS.values())
def test_metrics_leave_their_inputs_alone_and_keep_no_graph(metric):
    real, fake = images(1, 3, 16, 16), images(1, 3, 16, 16, seed=1).requires_grad_()
    before = real.clone(), fake.detach().clone()
    scored(metric(), [(real, fake)])
    assert torch.equal(real, before[0])
    assert torch.equal(fake.detach(), before[1])
    assert fake.grad is None


def test_evaluate_pairs_gives_the_wanted_names_in_one_pass():
    pairs = iter([(images(1, 3, 16, 16), images(1, 3, 16, 16, seed=1))])
    assert list(evaluate_pairs(pairs, ["l1", "psnr_db"])) == ["l1", "psnr_db"]


def test_unknown_metric_is_named():
    with pytest.raises(SettingsError, match=r"'lpips'\. Known: psnr_db, ssim, l1"):
        evaluate_pairs([], ["lpips"])


def test_no_pairs_is_a_data_error():
    with pytest.raises(DataError, match="No pair of images"):
        evaluate_pairs([])


def test_pairs_of_unequal_size_are_refused():
    with pytest.raises(DataError, match="Give both the same size"):
        evaluate_pairs([(images(1, 3, 16, 16), images(1, 3, 16, 12))])


def test_images_too_small_for_ssim_are_a_data_error():
    with pytest.raises(DataError, match="Choose a larger image size"):
        scored(Ssim(), [(images(1, 3, 8, 8), images(1, 3, 8, 8))])
