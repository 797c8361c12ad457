"""The FID Inception in ONNX Runtime, whose convolutions are faster than torch's.

The graph of a weights file is made once and kept in the cache; met again, it needs no torchvision.
"""

import hashlib
import os
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coronet.containers import plain
from coronet.errors import CheckpointError, RunError
from coronet.files import cache_folder, keep_newest, make_folder, write_atomic
from coronet.metrics.features import as_saved, in_batches
from coronet.metrics.inception import (
    ADVICE,
    OFFICIAL,
    SIDE,
    FidInception,
    Length,
    check_name,
    inception_from,
    longest,
    read_inception,
    to_side,
)
from coronet.runtime import start_session
from coronet.tensor_files import look_at

KEPT_GRAPHS = 3  # of 90 MB; those used longest ago go
GRAPH = 1  # version of how a graph is made of the weights
AGREEMENT = 1e-4  # between the features of ONNX Runtime and of torch, times the largest where that exceeds 1
_BATCH = 8
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True, eq=False)
class InceptionSession:
    """The network, ready to run; sha256: of its weights file."""

    length: Length
    sha256: str
    session: Any

    def features(self, images: Iterable[Tensor]) -> NDArray[np.float64]:
        """Give features (N, length) of images (3, H, W) or batches (N, 3, H, W) in [-1, 1], each as it would be saved.

        Images of other sizes are brought to 299 x 299 as pytorch-fid does.
        """
        prepared = (to_side(as_saved(item if item.ndim == 4 else item[None])) for item in images)
        found = [self._run(batch) for batch in in_batches(prepared, _BATCH)]
        return np.concatenate(found).astype(np.float64) if found else np.empty((0, self.length))

    def _run(self, batch: Tensor) -> NDArray[np.float32]:
        features: NDArray[np.float32] = self.session.run(None, {"images": batch.numpy()})[0]
        return features


def open_inception(path: Path, length: Length | None = None) -> InceptionSession:
    """Open a weights file for 768 or 2048 features; without a length, for as many as the file has.

    Raises CheckpointError where the file is missing, damaged, another network's or lacks blocks, and RunError where
    ONNX Runtime computes something else than torch.
    """
    _, sha256 = look_at(path)
    check_name(path, sha256)
    length = length or (2048 if sha256 == OFFICIAL.sha256 else longest(read_inception(path)))
    graph = _read(_entry(sha256, length))
    if graph is not None:
        return InceptionSession(length, sha256, _start(graph))
    file = read_inception(path)
    network = inception_from(file, path, length)
    graph = _graph(network)
    opened = InceptionSession(length, file.sha256, _start(graph))
    _check(opened, network, path)
    with suppress(RunError):  # where nothing can be written, nothing is kept
        _keep(_entry(file.sha256, length), graph)
    return opened


def _entry(sha256: str, length: Length) -> Path:
    """Name the graph after all that it comes of, and after what it was checked in."""
    import onnxruntime

    made = f"{GRAPH}-torch{torch.__version__}-onnxruntime{onnxruntime.__version__}"
    return cache_folder() / "inception" / f"{sha256}-{length}-{made}.onnx"


def _start(graph: bytes) -> Any:
    return start_session(graph, "Inception's graph", threads=torch.get_num_threads())


def _graph(network: FidInception) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's about its own use of torch
        program = torch.onnx.export(
            network,
            (torch.zeros(2, 3, SIDE, SIDE),),
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["images"],
            output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    assert program is not None
    graph: bytes = program.model_proto.SerializeToString()
    return graph


@torch.inference_mode()
def _check(opened: InceptionSession, network: FidInception, path: Path) -> None:
    """Raise where features are no numbers, or others in ONNX Runtime than in torch."""
    images = torch.rand((2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0)) * 2 - 1
    expected = network(images).numpy()
    if not np.isfinite(expected).all():
        raise CheckpointError(f"{plain(path.name)} gives features that are infinite or no numbers. {ADVICE}.")
    apart = np.abs(opened._run(images) - expected).max()
    if not apart <= AGREEMENT * max(1.0, np.abs(expected).max()):
        raise RunError(
            f"Inception's features in ONNX Runtime and in torch differ by {apart:.2g}, more than {AGREEMENT:g}: no FID "
            "of this machine can be trusted. Install the versions of requirements.txt, or measure on another machine."
        )


def _read(entry: Path) -> bytes | None:
    """Read a kept graph behind its digest; None where there is none, or where it is damaged."""
    with suppress(OSError):
        data = entry.read_bytes()
        if hashlib.sha256(memoryview(data)[_DIGEST_BYTES:]).digest() == data[:_DIGEST_BYTES]:
            with suppress(OSError):  # another user's, or read-only
                os.utime(entry)
            return data[_DIGEST_BYTES:]
    return None


def _keep(entry: Path, graph: bytes) -> None:
    make_folder(entry.parent)
    write_atomic(entry, hashlib.sha256(graph).digest() + graph)
    keep_newest(entry.parent, "*.onnx", KEPT_GRAPHS)
