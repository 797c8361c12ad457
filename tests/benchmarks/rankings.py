"""Other rankings than the search's own, to be put in its place: each a lever's patches."""

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from coronet.importance import Importance, per_cost, producer_norm, smooth_noise, squared_change, taylor
from coronet.networks import Generator
from coronet.search import SearchTask

Patches = tuple[Callable[[], Any], ...]


def by_filter_norms(share: float) -> Patches:
    """Rank for this share by the norms that the filters of the dense net had, for the rest by what was measured."""

    def importance(task: SearchTask) -> Importance:
        norms = {group: scores[task.kept[group]] for group, scores in dense.items()}
        both = [per_cost(scores, task._cost, task.hypernetwork.widths) for scores in (norms, task._live)]
        sums = [sum(float(scores.sum()) for scores in values.values()) for values in both]
        return {group: share * both[0][group] / sums[0] + (1 - share) * both[1][group] / sums[1] for group in both[0]}

    dense: Importance = {}

    def remembered(generator: Generator, *given: Any) -> Importance:
        dense.update(producer_norm(generator))
        return taylor(generator, *given)

    return (
        lambda: patch("coronet.recipes.preparing.taylor", remembered),
        lambda: patch.object(SearchTask, "_importance", importance),
    )


def measured_before_only() -> Patches:
    """Rank by what was measured before the search."""
    return (lambda: patch.object(SearchTask, "_measure", lambda *_: None),)


def by_smooth_noise() -> Patches:
    """See only low frequencies of the change."""
    return (lambda: patch("coronet.search.squared_change", partial(squared_change, noise=smooth_noise)),)


def measured_every(steps: int) -> Patches:
    """Measure more or less often."""
    return (lambda: patch("coronet.search.MEASURED_EVERY", steps),)


def averaged_at(rate: float) -> Patches:
    """Follow the net faster or more slowly."""
    return (lambda: patch("coronet.search.LIVE_RATE", rate),)


def measured_on_whole_batches() -> Patches:
    """Measure on all pictures of a step, not on the first."""
    play = SearchTask.play
    seen: list[Tensor] = []

    def played(task: SearchTask, batch: Any, random: Any) -> Any:
        seen[:] = [batch.source]
        yield from play(task, batch, random)

    def change(generator: Generator, weights: Any, _: Tensor, random: Any) -> Importance:
        return squared_change(generator, weights, seen[0], random)

    return (
        lambda: patch.object(SearchTask, "play", played),
        lambda: patch("coronet.search.squared_change", change),
    )


def by_gradients() -> Patches:
    """Rank by (z dL/dz)^2, from the gradients of the search's own losses, averaged over steps."""
    return (
        *measured_before_only(),
        *_noting(lambda task, noted: per_cost(noted, task._cost, task.hypernetwork.widths)),
    )


def by_both() -> Patches:
    """Rank by the geometric mean of what the gradients say and of what was measured."""

    def importance(task: SearchTask, noted: Importance) -> Importance:
        both = [per_cost(scores, task._cost, task.hypernetwork.widths) for scores in (noted, task._live)]
        return {group: (both[0][group] * both[1][group]).sqrt() for group in both[0]}

    return _noting(importance)


def _noting(importance: Callable[[SearchTask, Importance], Importance]) -> Patches:
    """Note (z dL/dz)^2 of every channel of the dense net, zero before the first step, and rank by it."""
    after_step = SearchTask.after_step
    noted: Importance = {}

    def note(task: SearchTask, gradients: Any, progress: float) -> Any:
        for group, latent in task.hypernetwork.latents.items():
            kept = task.kept[group]
            scores = noted.setdefault(group, torch.zeros(len(kept), dtype=torch.float64))
            if group in gradients["generator"]:
                change = (latent.detach() * gradients["generator"][group]).double().square()
                scores[kept] = scores[kept].lerp(change, max(0.02, 1.0 / task._plays))
        return after_step(task, gradients, progress)

    def ranked(task: SearchTask) -> Importance:
        return importance(task, {group: scores[task.kept[group]] for group, scores in noted.items()})

    return (
        lambda: patch.object(SearchTask, "after_step", note),
        lambda: patch.object(SearchTask, "_importance", ranked),
    )
