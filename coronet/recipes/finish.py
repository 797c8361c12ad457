"""The end of a run: scores of dense and slim net, the checked ONNX file, the safetensors file and the report."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from coronet.checkpoints import Checkpoint, save
from coronet.cost import cost
from coronet.datasets import Dataset
from coronet.export import to_onnx
from coronet.networks import Generator
from coronet.recipes.opening import spread_items
from coronet.recipes.phases import PhasedRun
from coronet.recipes.preparing import Opened
from coronet.recipes.scoring import paired_scores, reported_distances, translations
from coronet.runs import Run

CHECKED_IMAGES = 4


def finish_compression(opened: Opened, run: Run, dense: Generator, phased: PhasedRun, players: Sequence[str]) -> None:
    """Write slim.safetensors, slim.onnx where it is wanted and, last of all, report.json; then drop the state."""
    student, kept = phased.carry.student, phased.carry.kept
    assert student is not None
    assert kept is not None
    student = student.eval().cpu().requires_grad_(False)
    settings = opened.settings
    lineage = {
        "parent": opened.checkpoint.lineage,
        "method": settings.method,
        "kept": {group: indices.tolist() for group, indices in kept.items()},
        "seed": settings.seed,
    }
    weights = dict(student.state_dict())
    save(Checkpoint(student.config, weights, lineage, ()), run.path / "slim.safetensors")
    costs = {"dense": cost(dense.config).to_json(), "slim": cost(student.config).to_json()}
    key = "macs" if settings.budget == "macs" else "parameters"
    seconds = phased.seconds
    report = costs | {
        "model": {key: opened.checkpoint.lineage[key] for key in ("source", "sha256")},
        "requested_ratio": settings.ratio,
        "ratio": costs["dense"][key] / costs["slim"][key],
        "budget": settings.budget,
        "widths": dict(student.config.widths),
        "seconds": dict.fromkeys(("warmup", "search", "between", "finetune"), 0.0)
        | seconds
        | {"total": sum(seconds.values())},
        **_scores(opened.data, dense, student),
        "onnx": _exported(opened, run, student, lineage) if settings.onnx else None,
        **stopped_early(phased),
        "seed": settings.seed,
        "mixed_precision": settings.mixed_precision,
        "method": settings.method,
        "title": opened.title,
        "players": list(players),
        "data": opened.data.summary(),
        "versions": versions(),
    }
    run.write_report(report)
    run.drop_state()


def _exported(opened: Opened, run: Run, student: Generator, lineage: dict[str, Any]) -> dict[str, Any]:
    images = [item.source for item in spread_items(opened.data, CHECKED_IMAGES)]
    exported = to_onnx(student, run.path / "slim.onnx", images=images, lineage={**lineage, "kept": "see safetensors"})
    return exported.to_json() | {"path": "slim.onnx"}  # a run folder may be moved


def stopped_early(phased: PhasedRun) -> dict[str, Any]:
    """Say in a report where its run was ended early; nothing for one that came to its end."""
    return {} if phased.stopped is None else {"stopped": asdict(phased.stopped)}


def versions() -> dict[str, str]:
    """Give the versions of what computed the result."""
    found: dict[str, str] = {"torch": str(torch.__version__)}
    for package in ("onnxruntime", "numpy", "pillow"):
        found[package] = version(package)
    try:
        found["coronet"] = version("coronet-studio")
    except PackageNotFoundError:
        found["coronet"] = "source"
    return found


def _scores(data: Dataset, dense: Generator, student: Generator) -> dict[str, Any]:
    slim_pictures, dense_pictures = translations(data, student), translations(data, dense)
    images = len(slim_pictures)
    scores: dict[str, Any] = {"to_teacher": paired_scores(data, slim_pictures, dense_pictures), "images": images}
    teacher_scores: dict[str, Any] = {"images": images}
    if data.test.has_truth:
        scores["to_truth"] = paired_scores(data, slim_pictures, None)
        teacher_scores["to_truth"] = paired_scores(data, dense_pictures, None)
    slim_distances, dense_distances = reported_distances(data, [slim_pictures, dense_pictures])
    return {"scores": scores | slim_distances, "teacher_scores": teacher_scores | dense_distances}
