"""The world of shoes: the same at every size, a drawing that decides the photo, and facts to learn from."""

from functools import cache

import numpy as np
import pytest
from PIL import Image

from coronet.scenes.shoes import SHOES

SEEDS = range(24)


@cache
def shoes(size=128):
    """Draw a few shoes."""
    return [SHOES.draw(np.random.default_rng(seed), size) for seed in SEEDS]


def difference(large, small):
    """Give the mean absolute difference of a picture and a larger one, in levels."""
    shrunk = Image.fromarray(large).reduce(len(large) // len(small))
    return np.abs(np.asarray(shrunk, np.float32) - small).mean()


def test_is_paired_and_gives_both_sides_without_a_mask():
    assert SHOES.paired
    for size in (64, 128):
        for scene in shoes(size)[:4]:
            assert scene.a.shape == scene.b.shape == (size, size, 3)
            assert scene.a.dtype == scene.b.dtype == np.uint8
            assert scene.mask is None


def test_the_same_numbers_draw_the_same_shoe():
    again = SHOES.draw(np.random.default_rng(3), 128)
    assert np.array_equal(again.a, shoes()[3].a)
    assert np.array_equal(again.b, shoes()[3].b)
    assert again.facts == shoes()[3].facts
    assert not np.array_equal(again.b, shoes()[4].b)


@pytest.mark.parametrize("size", [64, 256])
def test_looks_alike_at_every_size(size):
    for mine, other in zip(shoes(size)[:8], shoes()[:8], strict=True):
        for side in ("a", "b"):
            small, large = sorted((getattr(mine, side), getattr(other, side)), key=len)
            assert difference(large, small) < 2.5
        assert mine.facts == other.facts


def test_a_white_background_and_a_shoe_within_the_picture():
    for scene in shoes():
        for side in (scene.a, scene.b):
            border = np.concatenate([side[0], side[:, 0], side[:, -1]])
            assert (border >= 245).all()
            assert 0.01 < (side.min(axis=2) < 220).mean() < 0.6
        inked = scene.a.min(axis=2) < 250
        assert (scene.b.min(axis=2) < 250).sum() > inked.sum()  # the photo fills what the drawing surrounds


def test_the_colours_of_the_lines_are_those_of_the_photo():
    for scene in shoes():
        photo = {(piece + step) % 12 for piece in hues(scene.b, 3) for step in (-1, 0, 1)}
        assert hues(scene.a, 25) <= photo


def hues(picture, least):
    """Give the twelfths of the colour wheel that more than `least` vivid pixels show."""
    hue, saturation, value = np.moveaxis(np.asarray(Image.fromarray(picture).convert("HSV")), 2, 0)
    vivid = hue[(saturation > 110) & (value > 60)].astype(int) * 12 // 256
    return {piece for piece in range(12) if (vivid == piece).sum() > least}


def test_lines_lie_on_the_outline_of_the_shoe():
    for scene in shoes():
        ink = scene.a.min(axis=2) < 160
        near = np.asarray(Image.fromarray((scene.b.min(axis=2) < 225).astype(np.uint8) * 255).resize((32, 32), 4)) > 8
        assert near.repeat(4, 0).repeat(4, 1)[ink].mean() > 0.9


def test_facts_are_shares_with_the_same_names():
    names = list(shoes()[0].facts)
    assert len(names) >= 10
    for scene in shoes():
        assert list(scene.facts) == names
        assert all(isinstance(value, float) and 0 <= value <= 1 for value in scene.facts.values())


def test_facts_tell_what_is_seen():
    for scene in shoes(64):
        ground = np.flatnonzero((scene.b.min(axis=2) < 200).any(axis=1))[-1] / 64
        assert ground == pytest.approx(scene.facts["ground_y"], abs=0.06)
        across = np.flatnonzero((scene.b.min(axis=2) < 200).any(axis=0))
        assert (across[0] + across[-1] + 1) / 128 == pytest.approx(scene.facts["middle_x"], abs=0.06)


def test_shoes_face_both_ways_and_differ_in_kind():
    facts = [SHOES.draw(np.random.default_rng(seed), 16).facts for seed in range(60)]
    for name in ("toe_right", "laced"):
        assert 0.2 < np.mean([fact[name] for fact in facts]) < 0.8
    assert np.std([fact["shaft_height"] for fact in facts]) > 0.15
    assert np.std([fact["heel_height"] for fact in facts]) > 0.15
