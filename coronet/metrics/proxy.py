"""The proxy distance: a Fréchet distance on the features of the proxy network. It is no FID, nor on its scale."""

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from coronet.metrics.distribution import Extractor, describe, frechet_score
from coronet.metrics.features import FEATURES, PROTOCOL, PROXY_FILE, ProxyNetwork, load_proxy, proxy_features
from coronet.metrics.scores import DistributionScore
from coronet.tensor_files import sha256_of


def proxy_distance(network: ProxyNetwork, real: Iterable[Tensor], fake: Iterable[Tensor]) -> DistributionScore:
    """Compare images (3, H, W) or batches of them (N, 3, H, W) in [-1, 1]; both kinds may have any sizes and numbers.

    Raises DataError for fewer than 20 images of a kind or for images that have no features.
    """
    extractor = _extractor(network, "")
    return frechet_score(extractor, describe(extractor, real), describe(extractor, fake))


def proxy_extractor(path: Path = PROXY_FILE) -> Extractor:
    """Open the proxy network's file; raises CheckpointError where it is missing, damaged or another's."""
    return _extractor(load_proxy(path), sha256_of(path))


def _extractor(network: ProxyNetwork, fingerprint: str) -> Extractor:
    return Extractor("proxy", FEATURES, PROTOCOL, fingerprint, lambda images: proxy_features(network, images))
