"""The Fréchet distance between two sets of features, each seen as a Gaussian (Heusel et al. 2017, eq. 6)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronet.errors import DataError
from coronet.metrics.scores import interval_by_halves

MANY_IMAGES = 1000  # of each kind; a draw takes 0.3 s there, and 7 s with 5000, so that fewer are drawn beyond


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Mean (D,) and covariance (D, D) of `count` features, the covariance as factor.T @ factor.

    factor: (R, D) with R = min(count, D), so that few features never need a D x D matrix; float64.
    """

    mean: NDArray[np.float64]
    factor: NDArray[np.float64]
    count: int


def statistics(features: NDArray[np.floating]) -> Statistics:
    """Sum up features (N, D); raises DataError for fewer than two, another shape, or values that are not finite."""
    if features.ndim != 2 or len(features) < 2:
        raise DataError(f"Features of shape {features.shape} have no spread. Give at least 2 images.")
    if not np.isfinite(features).all():
        raise DataError("Some features are NaN or infinite. Check the images and the network's file.")
    exact = features.astype(np.float64)
    mean = exact.mean(axis=0)
    factor = (exact - mean) / np.sqrt(len(exact) - 1)
    if factor.shape[0] > factor.shape[1]:
        factor = np.linalg.qr(factor, mode="r")
    return Statistics(mean, factor, len(exact))


def frechet_distance(real: Statistics, fake: Statistics) -> float:
    """Give |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2)), at least 0.

    With C1 = X.T X and C2 = Y.T Y the last trace is the sum of the singular values of X Y.T, a matrix no larger than
    the numbers of images. Raises DataError where the features differ in length.
    """
    if real.mean.shape != fake.mean.shape:
        raise DataError(
            f"Features of length {len(real.mean)} and {len(fake.mean)} cannot be compared. Use one network for both."
        )
    overlap = np.linalg.svd(real.factor @ fake.factor.T, compute_uv=False).sum()
    apart = np.square(real.mean - fake.mean).sum()
    return max(0.0, float(apart + np.square(real.factor).sum() + np.square(fake.factor).sum() - 2.0 * overlap))


@dataclass(frozen=True, slots=True)
class FrechetDistance:
    """The distance, and a 95 % interval for generated images drawn anew, the real ones held fixed; all at least 0."""

    value: float
    low: float
    high: float


def frechet_with_interval(real: NDArray[np.floating], fake: NDArray[np.floating]) -> FrechetDistance:
    """Compare features (N, D) and (M, D); the interval comes of 100 draws, of 20 where both sets exceed 1000 images.

    Raises DataError for fewer than two real or four generated images, features of unequal length or values that are not
    finite.
    """
    reference = statistics(real)

    def score(features: NDArray[np.floating]) -> float:
        return frechet_distance(reference, statistics(features))

    draws = 20 if min(len(real), len(fake)) > MANY_IMAGES else 100
    value = score(fake)
    low, high = interval_by_halves(score, value, fake, draws=draws)
    return FrechetDistance(value, max(0.0, low), high)
