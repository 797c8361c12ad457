"""Scores of whole sets: translations of the test images against the real images of the target side."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from coronet.datasets import Dataset
from coronet.errors import CoronetError, DataError
from coronet.images import to_image, to_tensor
from coronet.metrics.distribution import FRECHET_NAMES, Extractor, describe, describe_real, frechet_score, kernel_score
from coronet.metrics.extractors import open_extractor
from coronet.metrics.paired import evaluate_pairs
from coronet.metrics.scores import DistributionScore, require_images
from coronet.networks import Generator
from coronet.recipes.opening import spread_items, spread_places
from coronet.recipes.previews import translate

REPORTED_IMAGES = 100  # of each kind, in the report of a run
Pictures = list[Image.Image]


@dataclass(frozen=True, slots=True)
class SetScores:
    """The Fréchet distance (FID only on Inception's 2048 features) and the KID of one set of translations."""

    frechet: DistributionScore
    kernel: DistributionScore


def check_countable(data: Dataset, extractor: Extractor) -> None:
    """Raise DataError where the test images are too few for a score, or have no target side."""
    name = FRECHET_NAMES[extractor.name]
    if data.kind == "single":
        raise DataError(
            f"{data.root.name} holds images of one side only, so {name} has no real images to compare with. "
            "Choose paired or unpaired data."
        )
    require_images(name, len(data.test.target_paths), len(data.test))


def set_scores(data: Dataset, extractor: Extractor, translations: Iterable[Tensor]) -> SetScores:
    """Compare translations (3, H, W) in [-1, 1] with all real test images of the target side.

    Raises DataError for fewer than 20 images of a kind.
    """
    check_countable(data, extractor)
    real = describe_real(extractor, data.test.targets)
    fake = describe(extractor, translations)
    source = _origin(data)
    return SetScores(frechet_score(extractor, real, fake, source), kernel_score(extractor, real, fake, source))


def translations(data: Dataset, generator: Generator) -> Pictures:
    """Translate the test images that a report looks at, at most 100, once for all its scores: as they would be saved,
    which is how every score sees them."""
    return [to_image(translate(generator, item.source)) for item in spread_items(data, REPORTED_IMAGES)]


def paired_scores(data: Dataset, pictures: Pictures, references: Pictures | None) -> dict[str, float]:
    """Score a report's translations against the truth (references None) or another generator's translations."""

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for place, item in enumerate(spread_items(data, REPORTED_IMAGES)):
            wanted = item.target if references is None else to_tensor(references[place])[None]
            assert wanted is not None
            yield wanted, to_tensor(pictures[place])[None]

    return evaluate_pairs(pairs())


def reported_distances(data: Dataset, sets: Sequence[Pictures]) -> list[dict[str, Any]]:
    """Give what a report says of each set of its translations: the proxy distance as `distribution`, the proxy KID as
    `kernel`, both as JSON.

    Where there is none, `distribution` is {"note": why}: a run does not fail over it at its end.
    """
    try:
        extractor = open_extractor("proxy")
        check_countable(data, extractor)
        places = spread_places(len(data.test.target_paths), REPORTED_IMAGES)
        real = describe_real(extractor, lambda: data.test.targets(places))
        fakes = [describe(extractor, map(to_tensor, pictures)) for pictures in sets]
        source = _origin(data)
        return [
            {
                "distribution": frechet_score(extractor, real, fake, source).to_json(),
                "kernel": kernel_score(extractor, real, fake, source).to_json(),
            }
            for fake in fakes
        ]
    except CoronetError as error:
        return [{"distribution": {"note": str(error)}} for _ in sets]


def _origin(data: Dataset) -> str:
    """Name all that decides which real images are seen, and at which size."""
    settings = data.test.settings
    ahead = settings.direction == "AtoB"
    which = "test images" if data.test_origin == "test folder" else "images held out of training"
    return (
        f"the {which} of side {'B' if ahead else 'A'} of {data.root.name}, the target of {settings.direction}, read "
        f"with {settings.preprocess}, load size {settings.test_load_size}, crop size {settings.crop_size}, bicubic"
    )
