"""Choosing the network whose features a score compares: Inception where its weights are, else the proxy network."""

from pathlib import Path
from typing import Literal

import torch

from coronet.containers import plain
from coronet.errors import CheckpointError, SettingsError
from coronet.metrics.distribution import Extractor
from coronet.metrics.features import PROXY_FILE
from coronet.metrics.inception import ADVICE, OFFICIAL, SIDE
from coronet.metrics.inception_session import open_inception
from coronet.metrics.proxy import proxy_extractor

FeatureChoice = Literal["auto", "inception-2048", "inception-768", "proxy"]


def open_extractor(choice: FeatureChoice = "auto", inception: Path | None = None) -> Extractor:
    """Open the network for a choice of features; "auto" takes the best there is: 2048, else 768, else proxy.

    inception: a weights file; without one the official file is looked for in torch's own folder, and nothing is ever
    fetched. Raises CheckpointError where the file is missing, damaged, another network's or lacks blocks,
    SettingsError where a file is named that the choice does not use, and RunError where ONNX Runtime computes something
    else than torch.
    """
    if choice == "proxy":
        if inception is not None:
            raise SettingsError(
                f"'inception' names {inception.name}, but the proxy features do not use it. Leave one of both out."
            )
        return proxy_extractor(PROXY_FILE)
    path = inception or official_file()
    if not path.is_file() and inception is None:
        if choice == "auto":
            return proxy_extractor(PROXY_FILE)
        raise CheckpointError(f"{choice} needs Inception's weights, but {path} is not there. {ADVICE}, or --inception.")
    return _inception_extractor(path, choice)


def official_file() -> Path:
    """Say where pytorch-fid, and this project, look for the official weights: torch's own folder."""
    return Path(torch.hub.get_dir()) / "checkpoints" / OFFICIAL.file_name


def _inception_extractor(path: Path, choice: FeatureChoice) -> Extractor:
    lengths: dict[FeatureChoice, Literal[768, 2048]] = {"inception-768": 768, "inception-2048": 2048}
    network = open_inception(path, lengths.get(choice))
    last = "the average of Mixed_7c" if network.length == 2048 else "the mean of Mixed_6e"
    official = network.sha256 == OFFICIAL.sha256
    weights = "official weights" if official else f"weights with SHA-256 {network.sha256[:8]}"
    note = f"{plain(path.name)} is not the official file, so the score does not compare with published FIDs."
    return Extractor(
        name="inception-2048" if network.length == 2048 else "inception-768",
        length=network.length,
        protocol=(
            f"8-bit RGB, {SIDE} x {SIDE} by bilinear interpolation without antialiasing, {network.length} features: "
            f"{last} of the FID Inception of 2015-12-05 ({weights})"
        ),
        fingerprint=network.sha256,
        features=network.features,
        note="" if official else note,
    )
