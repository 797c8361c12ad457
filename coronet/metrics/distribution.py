"""From two sets of images to their scores: features are computed once, kept for real images, and compared two ways.

Which networks give features is told in extractors.py, what a score says of itself in scores.py.
"""

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from coronet.errors import RunError
from coronet.files import cache_folder, keep_newest, make_folder, write_atomic
from coronet.images import to_levels
from coronet.metrics.frechet import FrechetDistance, frechet_with_interval
from coronet.metrics.kernel import SUBSETS, KernelDistance, kernel_distance
from coronet.metrics.scores import DistributionScore, require_images, shared_note

FeatureName = Literal["inception-2048", "inception-768", "proxy"]
FRECHET_NAMES: dict[FeatureName, str] = {"inception-2048": "FID", "inception-768": "FID-768", "proxy": "proxy"}
KERNEL_NAMES: dict[FeatureName, str] = {"inception-2048": "KID", "inception-768": "KID-768", "proxy": "proxy KID"}
KEPT_SETS = 50  # of real images; those used longest ago go
FEW_FOR_KID = 100
ENOUGH_PER_FEATURE = 10  # images for each feature; with fewer the bias of a Fréchet distance is worth a word


@dataclass(frozen=True, slots=True, eq=False)
class Extractor:
    """A network that turns images in [-1, 1] into features (N, length).

    protocol: what is done to an image before and in it; fingerprint: of its weights; note: what makes every score of it
    doubtful, empty where nothing does.
    """

    name: FeatureName
    length: int
    protocol: str
    fingerprint: str
    features: Callable[[Iterable[Tensor]], NDArray[np.float64]]
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Features (N, D) of images, and a digest of the 8-bit pixels of each."""

    features: NDArray[np.float64]
    digests: tuple[bytes, ...]


def describe(extractor: Extractor, images: Iterable[Tensor]) -> ImageSet:
    """Look at images (3, H, W) or (N, 3, H, W) in [-1, 1] once."""
    digests: list[bytes] = []

    def noted() -> Iterator[Tensor]:
        for image in _single(images):
            digests.append(_digest(image))
            yield image

    features = extractor.features(noted())
    return ImageSet(features, tuple(digests))


def describe_real(extractor: Extractor, images: Callable[[], Iterable[Tensor]]) -> ImageSet:
    """Look at images that will be met again: their features are kept in the cache.

    They lie there under a hash of all pixels, the protocol and the network's weights, so that another crop, direction
    or file is another entry. A damaged entry is computed anew; where nothing can be written, nothing is kept.
    """
    digests = tuple(_digest(image) for image in _single(images()))
    key = hashlib.sha256(f"{extractor.protocol}\n{extractor.fingerprint}\n".encode() + b"".join(digests)).hexdigest()
    entry = cache_folder() / "features" / f"{key}.npz"
    features = _read(entry, (len(digests), extractor.length))
    if features is None:
        features = extractor.features(_single(images()))
        with suppress(RunError):
            _keep(entry, features)
    return ImageSet(features, digests)


def frechet_score(extractor: Extractor, real: ImageSet, fake: ImageSet, source: str = "") -> DistributionScore:
    """Give the Fréchet distance: FID on Inception's 2048 features, else under another name; at least 0.

    source: which images the real ones are, for the protocol. Raises DataError for fewer than 20 images of a kind.
    """
    name = FRECHET_NAMES[extractor.name]
    fewest = _fewest(name, real, fake)
    found = frechet_with_interval(real.features, fake.features)
    few = (
        f"{fewest} images are few for {extractor.length} features: the value is too high, the more so the fewer they "
        "are. Compare it only with scores of as many images."
    )
    few = few if fewest < ENOUGH_PER_FEATURE * extractor.length else ""
    return _score(extractor, real, fake, name, found, _protocol(extractor, source, real), few)


def kernel_score(extractor: Extractor, real: ImageSet, fake: ImageSet, source: str = "") -> DistributionScore:
    """Give the KID with its standard deviation over 100 subsets; it may be a little below 0.

    source: which images the real ones are, for the protocol. Raises DataError for fewer than 20 images of a kind.
    """
    name = KERNEL_NAMES[extractor.name]
    fewest = _fewest(name, real, fake)
    found = kernel_distance(real.features, fake.features)
    few = f"{fewest} images are few: the interval matters more than the value."
    protocol = f"{_protocol(extractor, source, real)}; cubic kernel, {SUBSETS} subsets of {found.subset}"
    score = _score(extractor, real, fake, name, found, protocol, few if fewest < FEW_FOR_KID else "")
    return replace(score, sd=found.sd)


def _score(
    extractor: Extractor,
    real: ImageSet,
    fake: ImageSet,
    name: str,
    found: FrechetDistance | KernelDistance,
    protocol: str,
    few: str,
) -> DistributionScore:
    return DistributionScore(
        name=name,
        value=found.value,
        low=found.low,
        high=found.high,
        features=extractor.name,
        real_images=len(real.features),
        fake_images=len(fake.features),
        protocol=protocol,
        note=" ".join(filter(None, (extractor.note, few, shared_note(real.digests, fake.digests)))),
    )


def _fewest(name: str, real: ImageSet, fake: ImageSet) -> int:
    """Count the images of the smaller set; DataError where they are too few for any score."""
    require_images(name, len(real.features), len(fake.features))
    return min(len(real.features), len(fake.features))


def _protocol(extractor: Extractor, source: str, real: ImageSet) -> str:
    """Tell which features and which real images: in words, and by a hash of all their pixels, whatever their order."""
    pixels = hashlib.sha256(b"".join(sorted(real.digests))).hexdigest()[:8]
    return f"{extractor.protocol}; real: {', '.join(filter(None, (source, f'pixels {pixels}')))}"


def _single(images: Iterable[Tensor]) -> Iterator[Tensor]:
    for item in images:
        yield from (item if item.ndim == 4 else item[None])


def _digest(image: Tensor) -> bytes:
    """Hash the pixels that a file of the image (3, H, W) would hold."""
    levels = to_levels(image).contiguous().numpy()
    return hashlib.blake2b(levels.tobytes() + repr(levels.shape).encode(), digest_size=16).digest()


def _read(entry: Path, shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """Read kept features; None where there are none, or where they are damaged (the zip's CRC-32 tells)."""
    try:
        with np.load(io.BytesIO(entry.read_bytes()), allow_pickle=False) as kept:
            features = kept["features"].astype(np.float64)
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile):
        return None
    with suppress(OSError):  # another user's, or read-only
        os.utime(entry)
    return features if features.shape == shape and np.isfinite(features).all() else None


def _keep(entry: Path, features: NDArray[np.float64]) -> None:
    make_folder(entry.parent)
    packed = io.BytesIO()
    np.savez(packed, features=features.astype(np.float32))  # what the networks compute in
    write_atomic(entry, packed.getvalue())
    keep_newest(entry.parent, "*.npz", KEPT_SETS)
