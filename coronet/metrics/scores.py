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

NORMAL_95 = 1.96  # standard deviations to both sides that hold 95 % of a normal distribution
LEAST_IMAGES = 20  # of each kind; with fewer a score is refused


@dataclass(frozen=True, slots=True)
class DistributionScore:
    """How far a set of generated images is from a set of real ones; lower is better.

    Only scores of equal name, protocol and numbers of images compare.

    name: "FID" on Inception's 2048 features and on nothing else; else "FID-768", "proxy", "KID", ...
    low, high: the interval that holds 95 % of the values when the generated images are drawn anew; the real ones stay.
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


def interval_by_halves(
    score: Callable[[NDArray[Any]], float], value: float, rows: NDArray[Any], *, draws: int = 100, seed: int = 0
) -> tuple[float, float]:
    """Give the low and high end around the value of a score of rows (N, ...): 95 % of the values when N are drawn anew.

    Every draw scores half of the rows, none twice: of means that has the variance of N new rows, s^2 / (N/2) times the
    half that is left out, and of smooth scores nearly so. Rows drawn with replacement repeat, which inflates the spread
    of a distance. Fewer rows have another bias, so only the spread of the draws counts: 1.96 deviations to both sides.
    It is too wide, by up to 1.8 times, for distances of sets that hardly differ.
    Raises SettingsError for fewer than 2 draws.
    """
    if draws < 2:
        raise SettingsError(f"{draws} draws give no interval. Choose 2 or more.")
    random = np.random.default_rng(seed_of("halves", seed))
    count = len(rows)
    scores = [score(rows[random.choice(count, count // 2, replace=False)]) for _ in range(draws)]
    reach = NORMAL_95 * float(np.std(scores, ddof=1))
    return value - reach, value + reach
