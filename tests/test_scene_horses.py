"""Horses and zebras: one scene in two coats, alike everywhere but on the animal."""

import numpy as np
import pytest
from PIL import Image

from coronet.scenes.animal import build, draw_pose
from coronet.scenes.horses import HORSES
from coronet.scenes.stripes import stripes

SEEDS = range(16)


def scene(seed, size=64):
    return HORSES.draw(np.random.default_rng(seed), size)


def colours(pixels):
    return pixels.astype(np.float32) / 255


def saturation(colour):
    return np.ptp(colour, axis=-1) / (colour.max(axis=-1) + 0.05)


def test_same_random_numbers_same_scene():
    first, second, other = scene(3), scene(3), scene(4)
    for name in ("a", "b", "mask"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
        assert not np.array_equal(getattr(first, name), getattr(other, name))
    assert first.facts == second.facts


@pytest.mark.parametrize("size", [64, 100, 128])
def test_both_sides_are_pictures(size):
    drawn = scene(1, size)
    assert drawn.a.shape == drawn.b.shape == (size, size, 3)
    assert drawn.mask.shape == (size, size)
    assert drawn.a.dtype == drawn.b.dtype == drawn.mask.dtype == np.uint8


@pytest.mark.parametrize("seed", range(5))
def test_looks_the_same_at_every_size(seed):
    small, large = scene(seed, 128), scene(seed, 256)
    assert small.facts == large.facts
    for name, limit in (("a", 0.012), ("b", 0.015), ("mask", 0.01)):
        shrunk = Image.fromarray(getattr(large, name)).resize((128, 128), Image.Resampling.BOX)
        difference = np.abs(colours(np.asarray(shrunk)) - colours(getattr(small, name)))
        assert difference.mean() < limit


@pytest.mark.parametrize("seed", SEEDS)
def test_only_the_animal_changes(seed):
    drawn = scene(seed, 128)
    difference = np.abs(colours(drawn.a) - colours(drawn.b)).max(axis=-1)
    assert difference[drawn.mask == 0].max() < 0.02
    assert difference[drawn.mask == 255].mean() > 0.12


def edges(side, mask):
    """Mean step of brightness from one pixel of the animal to the next."""
    inside = (mask[:, 1:] == 255) & (mask[:, :-1] == 255)
    return np.abs(np.diff(colours(side).mean(axis=-1), axis=1))[inside].mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_zebra_is_black_and_white(seed):
    drawn = scene(seed, 128)
    inside = drawn.mask == 255
    horse, zebra = (colours(side)[inside] for side in (drawn.a, drawn.b))
    assert zebra.mean(axis=-1).std() > 0.15
    assert edges(drawn.b, drawn.mask) > 2.5 * edges(drawn.a, drawn.mask)
    if drawn.facts["coat_hue"] < 0.62 and drawn.facts["two_animals"] == 0:  # neither grey nor palomino
        assert saturation(zebra).mean() < 0.85 * saturation(horse).mean()


def test_the_stripes_tell_a_horses_colour():
    """A translation there and back has to be learnable too, with nothing hidden."""
    horses, zebras = [], []
    for seed in range(24):
        drawn = scene(seed)
        if drawn.facts["two_animals"] == 0:
            horse, zebra = (colours(side)[drawn.mask == 255] for side in (drawn.a, drawn.b))
            light = zebra.mean(axis=-1)
            horses.append(horse.mean(axis=0))
            zebras.append(zebra[light < np.median(light)].mean(axis=0))
    for measure in (lambda colour: colour.mean(axis=1), lambda colour: colour[:, 0] - colour[:, 2]):
        assert np.corrcoef(measure(np.array(horses)), measure(np.array(zebras)))[0, 1] > 0.8


def test_stripes_lie_where_the_pose_says():
    """A translation has to be learnable: pose and stride alone place the stripes."""
    pose = draw_pose(np.random.default_rng(5))
    first, second = (stripes(build(pose), pose.stride)[0] for _ in range(2))
    assert len(first) == 27  # trunk 6, neck 4, head 3, two legs of 5, tail 4: broad enough to see at 128 pixels
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    moved = stripes(build(pose), pose.stride + 0.5)[0]
    assert max(np.abs(one - other).max() for one, other in zip(first, moved, strict=True)) > 0.02


def test_animals_have_a_fair_size_and_show_whole():
    drawn = [scene(seed, 64) for seed in range(60)]
    areas = np.array([colours(one.mask).mean() for one in drawn])
    assert areas.min() > 0.03
    assert areas.max() < 0.4
    assert areas.std() > 0.03
    alone = [one.mask for one in drawn if one.facts["two_animals"] == 0]
    assert len(alone) > 30
    widths = np.array([np.ptp(np.nonzero(mask.max(axis=0) > 128)[0]) + 1 for mask in alone]) / 64
    assert widths.min() > 0.3
    assert widths.max() < 0.82
    assert all(mask[0].max() == mask[-1].max() == mask[:, 0].max() == mask[:, -1].max() == 0 for mask in alone)


def test_facts_are_shares_and_vary():
    facts = [scene(seed, 32).facts for seed in range(40)]
    assert len({tuple(one) for one in facts}) == 1
    table = np.array([list(one.values()) for one in facts])
    assert table.min() >= 0
    assert table.max() <= 1
    assert table.std(axis=0).min() > 0.02


def test_facts_say_what_is_seen():
    alone = [one for one in (scene(seed, 64) for seed in range(60)) if one.facts["two_animals"] == 0]

    def told(name):
        return np.array([one.facts[name] for one in alone])

    inside = [one.mask > 250 for one in alone]
    x = [np.nonzero(mask)[1].mean() for mask in inside]
    assert np.corrcoef(x, told("x"))[0, 1] > 0.8
    assert np.corrcoef([mask.mean() for mask in inside], told("size"))[0, 1] > 0.8
    bright = [colours(one.a)[mask].max(axis=-1).mean() for one, mask in zip(alone, inside, strict=True)]
    assert np.corrcoef(bright, told("coat_brightness"))[0, 1] > 0.6
