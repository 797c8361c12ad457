"""The proxy distance: a Fréchet distance on the features of the proxy network. It is no FID, nor on its scale."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from coronet.errors import DataError, SettingsError
from coronet.metrics.features import PROTOCOL, ProxyNetwork, proxy_features
from coronet.metrics.frechet import frechet_distance, statistics
from coronet.randomness import seed_of

LEAST_IMAGES = 20  # of each kind


@dataclass(frozen=True, slots=True)
class ProxyDistance:
    """How far generated images are from real ones, at least 0; lower is better, and only equal protocols and numbers of
    images compare.

    low, high: the interval in which 95 % of the values lie when the generated images are drawn anew.
    """

    value: float
    low: float
    high: float
    real_images: int
    fake_images: int
    features: str = "proxy"
    protocol: str = PROTOCOL


def proxy_distance(network: ProxyNetwork, real: Iterable[Tensor], fake: Iterable[Tensor]) -> ProxyDistance:
    """Compare images (3, H, W) or batches of them (N, 3, H, W) in [-1, 1]; both kinds may have any sizes and numbers.

    Raises DataError for fewer than 20 images of a kind or for images that have no features.
    """
    real_features, fake_features = proxy_features(network, real), proxy_features(network, fake)
    for kind, found in (("real", real_features), ("generated", fake_features)):
        if len(found) < LEAST_IMAGES:
            raise DataError(
                f"There are {len(found)} {kind} images, but the proxy distance needs at least {LEAST_IMAGES}. Add some."
            )
    reference = statistics(real_features)

    def score(features: NDArray[np.float64]) -> float:
        return frechet_distance(reference, statistics(features))

    low, high = bootstrap_interval(score, fake_features)
    return ProxyDistance(score(fake_features), low, high, len(real_features), len(fake_features))


def bootstrap_interval(
    score: Callable[[NDArray[np.float64]], float],
    features: NDArray[np.float64],
    *,
    resamples: int = 100,
    share: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Give the low and high end of a score of features (N, D) when N of them are drawn with replacement.

    Repeated images make a set look narrower and so farther away: the mean of the draws is moved onto the score itself,
    and only their spread is kept. Raises SettingsError for fewer than 2 resamples or a share outside 0 to 1.
    """
    if resamples < 2 or not 0.0 < share < 1.0:
        raise SettingsError(
            f"{resamples} resamples with a share of {share} give no interval. Choose 2 or more, and 0.95."
        )
    random = np.random.default_rng(seed_of("bootstrap", seed))
    count = len(features)
    draws = np.array([score(features[random.integers(count, size=count)]) for _ in range(resamples)])
    low, high = np.quantile(draws - draws.mean(), [(1.0 - share) / 2.0, (1.0 + share) / 2.0])
    value = score(features)
    return max(0.0, value + float(low)), value + float(high)
