"""The proxy network as an extractor of features: a Fréchet distance on them is no FID, nor on its scale."""

from pathlib import Path

from coronet.metrics.distribution import Extractor
from coronet.metrics.features import FEATURES, PROTOCOL, PROXY_FILE, load_proxy, proxy_features
from coronet.tensor_files import sha256_of


def proxy_extractor(path: Path = PROXY_FILE) -> Extractor:
    """Open the proxy network's file; raises CheckpointError where it is missing, damaged or another's."""
    network = load_proxy(path)
    return Extractor("proxy", FEATURES, PROTOCOL, sha256_of(path), lambda images: proxy_features(network, images))
