"""The seasons: two pictures of one landscape that agree in shape and differ as summer and winter do."""

import numpy as np
import pytest
from PIL import Image

from coronet.scenes.seasons import SEASONS

SEEDS = range(12)


def scene(seed, size=64):
    return SEASONS.draw(np.random.default_rng(seed), size)


def colours(pixels):
    return pixels.astype(np.float32) / 255


def edges(pixels):
    """Give how fast brightness changes, blurred to neighbourhoods of 4 pixels."""
    steps = np.hypot(*np.gradient(colours(pixels).mean(axis=-1)))
    return steps.reshape(16, 4, 16, 4).mean(axis=(1, 3))


def test_same_random_numbers_same_scene():
    first, second, other = scene(3), scene(3), scene(4)
    assert np.array_equal(first.a, second.a)
    assert np.array_equal(first.b, second.b)
    assert first.facts == second.facts
    assert not np.array_equal(first.a, other.a)


@pytest.mark.parametrize("size", [64, 100, 128])
def test_both_sides_are_pictures(size):
    drawn = scene(1, size)
    for side in (drawn.a, drawn.b):
        assert side.shape == (size, size, 3)
        assert side.dtype == np.uint8
    assert drawn.mask is None


@pytest.mark.parametrize("seed", range(5))
def test_looks_the_same_at_every_size(seed):
    small, large = scene(seed, 128), scene(seed, 256)
    assert small.facts == large.facts
    for one, other in ((small.a, large.a), (small.b, large.b)):
        shrunk = Image.fromarray(other).resize((128, 128), Image.Resampling.BOX)
        difference = np.abs(colours(np.asarray(shrunk)) - colours(one))
        assert difference.mean() < 0.012
        assert np.quantile(difference, 0.99) < 0.15


@pytest.mark.parametrize("seed", SEEDS)
def test_winter_ground_is_brighter_and_less_green(seed):
    drawn = scene(seed)
    summer, winter = (colours(side)[44:].mean(axis=(0, 1)) for side in (drawn.a, drawn.b))

    def greenness(colour):
        return colour[1] - 0.5 * (colour[0] + colour[2])

    assert winter.mean() > summer.mean() + 0.1
    assert greenness(winter) < greenness(summer) - 0.05


def test_winter_keeps_the_geometry_of_its_own_summer():
    drawn = [scene(seed) for seed in SEEDS]
    summers, winters = ([edges(getattr(one, side)).ravel() for one in drawn] for side in "ab")
    own = [np.corrcoef(summer, winter)[0, 1] for summer, winter in zip(summers, winters, strict=True)]
    next_one = [np.corrcoef(s, w)[0, 1] for s, w in zip(summers, winters[1:] + winters[:1], strict=True)]
    assert min(own) > 0.3
    assert np.mean(own) > np.mean(next_one) + 0.2


def test_facts_are_shares_and_vary():
    facts = [scene(seed, 32).facts for seed in range(40)]
    assert len({tuple(one) for one in facts}) == 1
    table = np.array([list(one.values()) for one in facts])
    assert table.min() >= 0
    assert table.max() <= 1
    assert table.std(axis=0).min() > 0.05


def test_facts_say_what_is_seen():
    """Open water replaces green, and evening light is warmer: both can be read off the pictures."""
    drawn = [scene(seed, 32) for seed in range(60)]
    upper = np.array([colours(one.a)[:8].mean(axis=(0, 1)) for one in drawn])
    evening = np.array([one.facts["evening"] for one in drawn])
    assert np.corrcoef(upper[:, 0] - upper[:, 2], evening)[0, 1] > 0.5
    lower = np.array([(colours(one.a)[16:, :, 1] - colours(one.a)[16:, :, 2]).mean() for one in drawn])
    assert np.corrcoef(lower, [one.facts["water"] for one in drawn])[0, 1] < -0.4
