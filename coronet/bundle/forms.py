"""The ONNX forms of one network side by side: bytes, fidelity and milliseconds, kept in a folder of the caller's.

Forms that lose too much are measured and described like the others, but their files are not kept.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal

from coronet import export, quantisation, tracing
from coronet.bundle.finished import Finished
from coronet.checkpoints import build_generator, sha256_of
from coronet.errors import CoronetError, RunError, SettingsError
from coronet.export import Checked, Exported, Precision, complaint, to_onnx_forms
from coronet.files import new_folder, read_json, write_json_atomic
from coronet.metrics.latency import Latency, measure, processor_name
from coronet.recipes.finish import versions

Stage = Literal["open", "fp32", "fp16", "int8", "time", "pack"]
Tell = Callable[[Stage], None]  # is given what is begun

STAGES: tuple[Stage, ...] = ("open", "fp32", "fp16", "int8", "time", "pack")
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
_THREADS = 1
_REPEATS = 10  # rounds in turn: the median of so many agrees with that of 20 within some percent
_WARMUP = 2
_RESULT = "variants.json"


@dataclass(frozen=True, slots=True)
class Variant:
    """One ONNX form of a network.

    max_abs_difference, psnr_db: to torch, as in `Exported`; None for outputs that are no numbers. median_ms: for one
    square image. refused: why it must not be used, with the number; "" where it may.
    """

    precision: Precision
    bytes: int
    sha256: str
    max_abs_difference: float | None
    psnr_db: float | None
    median_ms: float
    refused: str


@dataclass(frozen=True, slots=True)
class Variants:
    """All asked-for forms, fp32 first, and what they were checked on and measured with; `folder` holds the files."""

    folder: Path
    rows: tuple[Variant, ...]
    checked_on: Checked
    images: int
    image_size: int  # pixels a side of the image that was timed
    threads: int
    cpu: str

    @property
    def usable(self) -> tuple[Variant, ...]:
        """Those that were not refused."""
        return tuple(row for row in self.rows if not row.refused)

    def file(self, variant: Variant) -> Path:
        """Give the ONNX file of a form that was not refused."""
        return self.folder / f"{variant.precision}.onnx"

    def to_json(self) -> dict[str, Any]:
        """Turn into plain JSON values, without the folder."""
        values = asdict(self) | {"rows": [asdict(row) for row in self.rows]}
        del values["folder"]
        return values


def tell_nobody(stage: Stage) -> None:
    """Keep to oneself what is begun."""


def variants(
    finished: Finished, folder: Path, precisions: Sequence[Precision] = PRECISIONS, tell: Tell = tell_nobody
) -> Variants:
    """Export a network in every precision, check each on its test images, and time them in turn.

    `folder` keeps the result under a name of all it depends on, so that a second call reads it, and holds no half of
    one when a call is killed. Raises SettingsError for an unknown precision, ExportError where the fp32 form computes
    something else than the network, RunError where the folder cannot be written.
    """
    wanted = tuple(precision for precision in PRECISIONS if precision in precisions)
    if len(wanted) != len(set(precisions)) or not wanted:
        raise SettingsError(f"'precision' is {', '.join(precisions)!r}. Choose some of: {', '.join(PRECISIONS)}.")
    place = folder / f"{finished.name}-{_fingerprint(finished, wanted)}"
    found = _stored(place)
    if found is not None:
        return found
    rmtree(place, ignore_errors=True)  # damaged
    try:
        with new_folder(place) as growing:
            write_json_atomic(growing / _RESULT, _made(finished, growing, wanted, tell).to_json())
    except RunError:
        if _stored(place) is None:  # else another process was faster
            raise
    found = _stored(place)
    if found is None:
        raise RunError(f"{place} changed while it was written. Choose a folder that nothing else writes to.")
    return found


def _made(finished: Finished, folder: Path, wanted: Sequence[Precision], tell: Tell) -> Variants:
    generator = build_generator(finished.checkpoint)
    size = finished.checkpoint.config.image_size
    lineage = finished.checkpoint.lineage
    lineage = lineage | ({"kept": "see safetensors"} if "kept" in lineage else {})
    paths = {precision: folder / f"{precision}.onnx" for precision in wanted}
    images, calibration = finished.images, finished.calibration
    exported = to_onnx_forms(
        generator, paths, images=images, calibration=calibration, lineage=lineage, force=True, tell=tell
    )
    tell("time")
    timed = measure(
        [(one.precision, one.path) for one in exported],
        image_size=size,
        threads=_THREADS,
        warmup=_WARMUP,
        repeats=_REPEATS,
    )
    rows = tuple(_row(one, time) for one, time in zip(exported, timed, strict=True))
    for one in exported:
        if one.forced:
            one.path.unlink()
    first = exported[0]
    return Variants(folder, rows, first.checked_on, first.images, size, _THREADS, timed[0].cpu)


def _row(one: Exported, timed: Latency) -> Variant:
    return Variant(
        precision=one.precision,
        bytes=one.bytes,
        sha256=one.sha256,
        max_abs_difference=_finite(one.max_abs_difference),
        psnr_db=_finite(one.psnr_db),
        median_ms=timed.median_ms,
        refused=complaint(one.precision, one.psnr_db),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _stored(place: Path) -> Variants | None:
    """Read a kept result; None where there is none or a file of it is not what it was."""
    if not (place / _RESULT).is_file():
        return None
    try:
        values = read_json(place / _RESULT)
        rows = tuple(Variant(**row) for row in values.pop("rows"))
        found = Variants(folder=place, rows=rows, **values)
        whole = all(sha256_of(found.file(row)) == row.sha256 for row in found.usable)
    except (CoronetError, KeyError, TypeError):
        return None
    return found if whole else None


def _fingerprint(finished: Finished, wanted: Sequence[Precision]) -> str:
    """Name all that a result depends on: the network, the images, this machine, and the code that exports."""
    described = {
        "config": finished.checkpoint.config.to_json(),
        "lineage": finished.checkpoint.lineage,  # with the hash of the file
        "precisions": list(wanted),
        "versions": versions(),
        "cpu": processor_name(),
    }
    digest = hashlib.blake2b(json.dumps(described, sort_keys=True).encode(), digest_size=8)
    for image in (*finished.images, *finished.calibration):
        digest.update(image.numpy().tobytes())
    for module in (tracing.__file__, quantisation.__file__, export.__file__, __file__):
        digest.update(Path(module).read_bytes())
    return digest.hexdigest()
