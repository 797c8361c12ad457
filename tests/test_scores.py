"""Scores of sets: KID against the formula written as loops, what a score says of itself, and the cache of features."""

import json
from itertools import product

import numpy as np
import pytest
import torch

from coronet.errors import DataError
from coronet.metrics import distribution
from coronet.metrics.distribution import Extractor, describe, describe_real, frechet_score, kernel_score
from coronet.metrics.features import as_saved
from coronet.metrics.frechet import frechet_distance, frechet_with_interval, statistics
from coronet.metrics.kernel import SUBSETS, kernel_distance
from coronet.metrics.scores import interval_by_halves
from coronet.randomness import seed_of


def drawn(count, length=6, *, shift=0.0, seed=0):
    return np.random.default_rng(seed).normal(size=(count, length)) + shift


def images(count, seed=0, side=4):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def extractor_of(calls=None, name="inception-2048", fingerprint="weights"):
    """Give an extractor whose six features are pixels; it notes how many images it is shown."""

    def features(shown):
        found = [image.flatten()[:6].double().numpy() for image in shown]
        if calls is not None:
            calls.append(len(found))
        return np.stack(found) if found else np.empty((0, 6))

    return Extractor(name, 6, "six pixels", fingerprint, features)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


# KID


def slow_discrepancy(real, fake):
    """Compute the unbiased estimate of eq. 4 of the paper with loops."""

    def kernel(x, y):
        return (float(x @ y) / len(x) + 1.0) ** 3

    def pairs(features):
        count = len(features)
        found = [kernel(features[i], features[j]) for i, j in product(range(count), repeat=2) if i != j]
        return sum(found) / (count * (count - 1))

    across = [kernel(x, y) for x, y in product(real, fake)]
    return pairs(real) + pairs(fake) - 2.0 * sum(across) / len(across)


def test_mean_over_subsets_is_near_the_loops_over_everything():
    real, fake = drawn(40), drawn(50, shift=0.8, seed=1)
    found = kernel_distance(real, fake)
    assert found.subset == 20
    assert found.value == pytest.approx(slow_discrepancy(real, fake), abs=4 * found.sd / 10)  # of 100 subsets
    assert found.low < found.value < found.high
    assert found.sd > 0


def test_every_subset_is_scored_as_the_loops_do():
    real, fake = drawn(8), drawn(10, shift=0.5, seed=1)
    random = np.random.default_rng(seed_of("kernel", 0))
    values = []
    for _ in range(SUBSETS):
        first = random.choice(8, 4, replace=False)
        values.append(slow_discrepancy(real[first], fake[random.choice(10, 4, replace=False)]))
    found = kernel_distance(real, fake)
    assert found.value == pytest.approx(np.mean(values), rel=1e-9)
    assert found.sd == pytest.approx(np.std(values, ddof=1), rel=1e-9)


def test_kernel_distance_of_equal_sources_is_zero_on_average():
    values = [kernel_distance(drawn(20, seed=2 * seed), drawn(20, seed=2 * seed + 1)).value for seed in range(20)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(20)
    assert min(values) < 0  # unbiased: not clamped


@pytest.mark.parametrize(
    ("real", "fake", "complaint"),
    [
        (drawn(3), drawn(9), "at least 4"),
        (drawn(9), np.full((9, 6), np.nan), "NaN"),
        (drawn(9), drawn(9, 5), "length 6 and 5"),
    ],
)
def test_features_without_a_kernel_distance_are_refused(real, fake, complaint):
    with pytest.raises(DataError, match=complaint):
        kernel_distance(real, fake)


# What a score says of itself


def test_interval_of_the_frechet_distance_is_not_below_zero():
    same = drawn(30)
    found = frechet_with_interval(same, same)
    assert found.low == 0.0
    assert found.value == pytest.approx(0.0, abs=1e-8)
    assert found.high > 0


def test_interval_lies_around_the_value():
    low, high = interval_by_halves(lambda rows: float(rows.mean()) - 9.0, -3.0, drawn(40))
    assert (low + high) / 2 == pytest.approx(-3.0)


def test_interval_of_a_mean_is_that_of_the_textbook():
    """1.96 / sqrt(400) to both sides for standard normals."""
    low, high = interval_by_halves(lambda rows: float(rows.mean()), 0.0, drawn(400, 1))
    assert high - low == pytest.approx(2 * 0.098, rel=0.3)


def test_interval_of_the_frechet_distance_is_as_wide_as_fresh_draws_are():
    real, shift = statistics(drawn(400, 32)), 0.2
    fresh = [frechet_distance(real, statistics(drawn(100, 32, shift=shift, seed=seed))) for seed in range(1, 201)]
    found = [frechet_with_interval(drawn(400, 32), drawn(100, 32, shift=shift, seed=seed)) for seed in range(1, 9)]
    width = np.mean([one.high - one.low for one in found])
    assert width == pytest.approx(2 * 1.96 * np.std(fresh, ddof=1), rel=0.4)


@pytest.mark.parametrize(
    ("features", "frechet", "kernel"),
    [("inception-2048", "FID", "KID"), ("inception-768", "FID-768", "KID-768"), ("proxy", "proxy", "proxy KID")],
)
def test_only_2048_features_make_an_fid(features, frechet, kernel):
    extractor = extractor_of(name=features)
    real, fake = describe(extractor, images(20)), describe(extractor, images(22, seed=1))
    first, second = (score(extractor, real, fake, "ours") for score in (frechet_score, kernel_score))
    assert (first.name, second.name) == (frechet, kernel)
    for score in (first, second):
        assert (score.features, score.real_images, score.fake_images) == (features, 20, 22)
        assert score.protocol.startswith("six pixels; real: ours, pixels ")
        assert score.low < score.value < score.high
        found = json.loads(json.dumps(score.to_json()))
        assert found["interval"] == [score.low, score.high]
        assert found.keys() >= {"value", "interval", "features", "real_images", "fake_images", "protocol", "note"}
    assert "sd" not in first.to_json()
    assert second.to_json()["sd"] > 0


def test_a_score_of_few_images_says_so():
    extractor = extractor_of()
    few, enough = describe(extractor, images(59)), describe(extractor, images(60, seed=1))
    assert "59 images are few for 6 features: the value is too high" in frechet_score(extractor, few, enough).note
    assert frechet_score(extractor, enough, describe(extractor, images(60, seed=2))).note == ""
    assert "59 images are few" in kernel_score(extractor, few, enough).note


def test_the_protocol_knows_the_real_images_whatever_their_order():
    extractor = extractor_of()
    fake = describe(extractor, images(20, seed=9))
    shown = (images(20), images(20).flip(0), images(20, seed=1))
    first, turned, other = (frechet_score(extractor, describe(extractor, real), fake).protocol for real in shown)
    assert first == turned != other


@pytest.mark.parametrize(
    ("real", "fake", "complaint"), [(19, 20, "19 real"), (20, 19, "19 generated"), (0, 30, "0 re")]
)
def test_too_few_images_are_refused(real, fake, complaint):
    extractor = extractor_of()
    sets = describe(extractor, images(real)), describe(extractor, images(fake, seed=1))
    for score in (frechet_score, kernel_score):
        with pytest.raises(DataError, match=complaint):
            score(extractor, *sets)


def test_images_of_both_sets_are_noticed():
    extractor = extractor_of()
    real, others = as_saved(images(20)), images(20, seed=1)
    mixed = torch.cat([real[:3] + 0.4 / 127.5, others[3:]]).clamp(-1, 1)  # the same pixels once they are saved
    found = frechet_score(extractor, describe(extractor, real), describe(extractor, mixed))
    assert "3 of 20 generated images equal a real one" in found.note
    assert "equal" not in frechet_score(extractor, describe(extractor, real), describe(extractor, others)).note


def test_pixels_of_another_shape_are_another_image():
    flat = torch.zeros(1, 3, 4, 8)
    extractor = extractor_of()
    assert describe(extractor, flat).digests != describe(extractor, flat.reshape(1, 3, 8, 4)).digests


# The cache of real features


def test_real_features_are_computed_once():
    calls, shown = [], images(5)
    extractor = extractor_of(calls)
    first = describe_real(extractor, lambda: shown)
    second = describe_real(extractor, lambda: iter(shown))
    assert calls == [5]
    np.testing.assert_array_equal(first.features, second.features)
    assert first.digests == second.digests == describe(extractor, shown).digests


def test_other_pixels_weights_or_protocols_are_computed_anew():
    calls = []
    for seed, fingerprint in ((0, "weights"), (1, "weights"), (0, "others")):
        describe_real(extractor_of(calls, fingerprint=fingerprint), lambda seed=seed: images(5, seed))
    describe_real(extractor_of(calls), lambda: images(6))
    assert calls == [5, 5, 5, 6]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_damaged_entry_is_computed_anew(tmp_path, damage):
    calls = []
    extractor = extractor_of(calls)
    expected = describe_real(extractor, lambda: images(5)).features
    (entry,) = (tmp_path / "coronet" / "features").glob("*.npz")
    whole = entry.read_bytes()
    place = len(whole) // 2
    wrong = {"cut": whole[:place], "empty": b"", "other": b"PK\x03\x04 nothing"}
    wrong["flip"] = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    entry.write_bytes(wrong[damage])
    np.testing.assert_array_equal(describe_real(extractor, lambda: images(5)).features, expected)
    assert calls == [5, 5]
    assert entry.read_bytes() == whole  # mended


def test_without_a_place_to_write_nothing_is_kept(tmp_path):
    (tmp_path / "coronet").write_text("a file stands where the folder would be", encoding="utf-8")
    calls = []
    describe_real(extractor_of(calls), lambda: images(5))
    assert calls == [5]


def test_the_cache_keeps_the_newest_sets(tmp_path, monkeypatch):
    monkeypatch.setattr(distribution, "KEPT_SETS", 2)
    for seed in range(4):
        describe_real(extractor_of(), lambda seed=seed: images(3, seed))
    assert len(list((tmp_path / "coronet" / "features").iterdir())) == 2
