"""What every score of whole sets of images says of itself, and how uncertain it is.

FID, FID-768, KID and the proxy distance are all one DistributionScore; how each is computed stands in its own file.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coronet.errors import DataError, SettingsError
from coronet.randomness import seed_of

LEAST_IMAGES = 20  # of each kind; with fewer a score is refused


@dataclass(frozen=True, slots=True)
class DistributionScore:
    """How far a set of generated images is from a set of real ones; lower is better.

    Only scores of equal name, protocol and numbers of images compare.

    name: "FID" on Inception's 2048 features and on nothing else; else "FID-768", "proxy", "KID", ...
    low, high: the interval in which 95 % of the values lie when the generated images are drawn anew.
    protocol: which real images, how they were brought to size and rounded, which features.
    sd: standard deviation over the subsets of a KID, None for other scores.
    note: plain sentences on what makes the value doubtful; empty where nothing does.
    """

    name: str
    value: float
    low: float
    high: float
    features: str
    real_images: int
    fake_images: int
    protocol: str
    sd: float | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Turn into plain JSON values, with `interval` for the two ends."""
        values = asdict(self)
        low, high, deviation = values.pop("low"), values.pop("high"), values.pop("sd")
        return values | {"interval": [low, high]} | ({} if deviation is None else {"sd": deviation})


def require_images(name: str, real: int, fake: int) -> None:
    """Raise DataError where there are too few images of a kind for any score."""
    for kind, count in (("real", real), ("generated", fake)):
        if count < LEAST_IMAGES:
            raise DataError(
                f"There are {count} {kind} images, but {name} scores need at least {LEAST_IMAGES}. Add some."
            )


def shared_note(real: Sequence[bytes], fake: Sequence[bytes]) -> str:
    """Say how many generated images are also among the real ones, given a digest of the pixels of each; else "".

    They are not refused: a set against itself is a fair check, and a perfect translator of drawn scenes makes them. But
    every one of them pulls the score down, and most often a folder was named twice.
    """
    known = set(real)
    count = sum(digest in known for digest in fake)
    if not count:
        return ""
    return (
        f"{count} of {len(fake)} generated images equal a real one pixel for pixel, so the score is too good. "
        "Check that real images did not get among them."
    )


def bootstrap_interval(
    score: Callable[[NDArray[Any]], float],
    features: NDArray[Any],
    *,
    resamples: int = 100,
    share: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Give the low and high end of a score of rows (N, ...) when N of them are drawn with replacement.

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
    return value + float(low), value + float(high)
