"""KID: the squared maximum mean discrepancy between two sets of features (Binkowski et al. 2018, section 4).

It is unbiased, so that sets of different numbers of images compare, and it may be a little below 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coronet.errors import DataError
from coronet.metrics.scores import interval_by_halves
from coronet.randomness import seed_of

SUBSETS = 100
LARGEST_SUBSET = 1000  # images, as in the paper
Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class KernelDistance:
    """Mean and standard deviation over the subsets, and a 95 % interval for generated images drawn anew.

    The real images are held fixed in the interval.
    """

    value: float
    sd: float
    low: float
    high: float
    subset: int  # images of each kind in one subset


def kernel_distance(real: NDArray[np.floating], fake: NDArray[np.floating], *, seed: int = 0) -> KernelDistance:
    """Compare features (N, D) and (M, D) on 100 random subsets of half the smaller set, of 1000 images at most.

    With whole sets of fewer than 1000 images all subsets would be the same and their deviation 0. Raises DataError for
    fewer than 4 images of a kind, features of unequal length or values that are not finite.
    """
    _check(real, fake)
    kernels = _Kernels(real.astype(np.float64), fake.astype(np.float64))
    subset = min(LARGEST_SUBSET, len(real) // 2, len(fake) // 2)
    random = np.random.default_rng(seed_of("kernel", seed))
    values = [
        kernels.discrepancy(
            random.choice(len(real), subset, replace=False), random.choice(len(fake), subset, replace=False)
        )
        for _ in range(SUBSETS)
    ]
    value = float(np.mean(values))
    low, high = interval_by_halves(kernels.part_of_fake, value, np.arange(len(fake)))
    return KernelDistance(value, float(np.std(values, ddof=1)), low, high, subset)


class _Kernels:
    """k(x, y) = (x.y / D + 1)^3 of every two images, computed once for all subsets."""

    def __init__(self, real: Floats, fake: Floats) -> None:
        self._real, self._both, self._fake = _kernel(real, real), _kernel(real, fake), _kernel(fake, fake)
        self._to_all_real = self._both.mean(axis=0)

    def discrepancy(self, real: Places, fake: Places) -> float:
        """Estimate MMD^2 from the images at these places."""
        apart = _mean_of_pairs(self._real[np.ix_(real, real)]) + _mean_of_pairs(self._fake[np.ix_(fake, fake)])
        return float(apart - 2.0 * self._both[np.ix_(real, fake)].mean())

    def part_of_fake(self, fake: Places) -> float:
        """Estimate MMD^2 from all real images and the generated ones at these places, less a constant.

        What the real images have among themselves, the constant, costs most and moves no interval.
        """
        return float(_mean_of_pairs(self._fake[np.ix_(fake, fake)]) - 2.0 * self._to_all_real[fake].mean())


def _kernel(one: Floats, other: Floats) -> Floats:
    return (one @ other.T / one.shape[1] + 1.0) ** 3


def _mean_of_pairs(kernel: Floats) -> float:
    """Average over pairs of different images: with the diagonal the estimate would be biased."""
    count = len(kernel)
    return float(kernel.sum() - np.trace(kernel)) / (count * (count - 1))


def _check(real: NDArray[np.floating], fake: NDArray[np.floating]) -> None:
    for features in (real, fake):
        if features.ndim != 2 or len(features) < 4:
            raise DataError(f"Features of shape {features.shape} are too few. Give at least 4 images.")
        if not np.isfinite(features).all():
            raise DataError("Some features are NaN or infinite. Check the images and the network's file.")
    if real.shape[1] != fake.shape[1]:
        raise DataError(
            f"Features of length {real.shape[1]} and {fake.shape[1]} cannot be compared. Use one network for both."
        )
