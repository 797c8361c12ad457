"""The Fréchet distance against the formula written with a full matrix square root."""

import warnings

import numpy as np
import pytest
import scipy.linalg

from coronet.errors import DataError
from coronet.metrics.frechet import frechet_distance, statistics
from coronet.metrics.inception import published_inception


def features(count, length, seed=0):
    """Draw correlated features with a mean."""
    random = np.random.default_rng(seed)
    return random.normal(size=(count, length)) @ random.normal(size=(length, length)) + random.normal(size=length)


def slow(real, fake):
    """Compute the distance as it stands in the paper."""
    first, second = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    apart = real.mean(axis=0) - fake.mean(axis=0)
    return apart @ apart + np.trace(first + second - 2.0 * root)


@pytest.mark.parametrize(("real", "fake"), [(80, 90), (200, 40), (500, 300)])
def test_thin_form_equals_the_full_one(real, fake):
    one, other = features(real, 30), features(fake, 30, seed=1)
    assert frechet_distance(statistics(one), statistics(other)) == pytest.approx(slow(one, other), rel=1e-6)


def test_it_is_the_distance_of_pytorch_fid():
    """Its own function, on as many images as features and on fewer."""
    published_inception()  # where torchvision's wheel is for CUDA, it has to be repaired first
    from pytorch_fid.fid_score import calculate_frechet_distance

    for count in (60, 30):
        sets = [features(count, 40), features(count + 5, 40, seed=1)]
        moments = [part for one in sets for part in (one.mean(0), np.cov(one, rowvar=False))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy's about how pytorch-fid calls it
            theirs = calculate_frechet_distance(*moments)
        assert frechet_distance(*map(statistics, sets)) == pytest.approx(theirs, rel=1e-3)


def test_few_features_equal_the_full_form():
    one, other = features(20, 50), features(15, 50, seed=1)  # both covariances are singular
    assert frechet_distance(statistics(one), statistics(other)) == pytest.approx(slow(one, other), rel=1e-4)


def test_equal_sets_are_at_distance_zero():
    one = features(40, 60)
    assert frechet_distance(statistics(one), statistics(one[::-1])) == pytest.approx(0.0, abs=1e-8)


def test_shift_alone_counts_squared():
    one = features(40, 10)
    assert frechet_distance(statistics(one), statistics(one + 2.0)) == pytest.approx(40.0, rel=1e-9)


def test_one_dimension_by_hand():
    one, other = np.array([[0.0], [2.0]]), np.array([[3.0], [9.0]])  # means 1 and 6, deviations sqrt(2) and 3 sqrt(2)
    assert frechet_distance(statistics(one), statistics(other)) == pytest.approx(25.0 + 8.0)


def test_distance_is_symmetric():
    one, other = statistics(features(30, 50)), statistics(features(70, 50, seed=1))
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-12)


def test_factor_holds_the_covariance():
    for count in (10, 100):
        drawn = features(count, 20)
        found = statistics(drawn)
        np.testing.assert_allclose(found.factor.T @ found.factor, np.cov(drawn, rowvar=False), atol=1e-10)
        assert found.factor.shape == (min(count, 20), 20)


@pytest.mark.parametrize(
    "wrong", [np.zeros((1, 5)), np.zeros(5), np.full((3, 5), np.nan), np.array([[1.0, np.inf], [0.0, 1.0]])]
)
def test_unusable_features_are_refused(wrong):
    with pytest.raises(DataError):
        statistics(wrong)


def test_features_of_two_networks_are_refused():
    with pytest.raises(DataError, match="length 5 and 6"):
        frechet_distance(statistics(features(10, 5)), statistics(features(10, 6)))
