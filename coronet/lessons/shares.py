"""Lesson 2: every layer loses the same share of its channels; what that leaves of the cost, and of the picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from coronet.channels import kept_widths
from coronet.cost import CostModel
from coronet.images import to_image, to_tensor
from coronet.networks import GeneratorConfig
from coronet.recipes.preview import fitted, opened, recalibrate, translated
from coronet.slimming import slim


@dataclass(frozen=True, slots=True)
class EvenCut:
    """A net of which every layer kept the same share of its channels, untrained; shares are 0 to 1 of the dense net."""

    kept: int  # channels, all layers together
    of: int
    macs_share: float
    parameters_share: float
    dense: Image.Image
    slim: Image.Image


def even_widths(widths: Mapping[str, int], share: float) -> dict[str, int]:
    """Leave each group this share of its channels, at least one."""
    return {group: max(1, round(share * width)) for group, width in widths.items()}


def macs_left(config: GeneratorConfig, share: float) -> float:
    """Give the share of the MACs that is left where every group keeps this share of its channels."""
    model = CostModel(config)
    return model.at(even_widths(config.widths, share)) / model.total


def cut_evenly(model: str | Path, share: float, picture: Image.Image) -> EvenCut:
    """Cut every layer alike, the least important channels first, and translate a picture before and after."""
    found = opened(model)
    config = found.generator.config
    source = fitted(picture, config)
    pixels = to_tensor(source).unsqueeze(0)
    kept = _best(found.importance(source), even_widths(config.widths, share))
    smaller = slim(found.generator, found.generator.state_dict(), kept)
    recalibrate(smaller, pixels)
    widths, parameters = kept_widths(kept), CostModel(config, None, "params")
    return EvenCut(
        kept=sum(widths.values()),
        of=sum(config.widths.values()),
        macs_share=macs_left(config, share),
        parameters_share=parameters.at(widths) / parameters.total,
        dense=to_image(translated(found.generator, pixels)),
        slim=to_image(translated(smaller, pixels)),
    )


def _best(importance: Mapping[str, Tensor], widths: Mapping[str, int]) -> dict[str, Tensor]:
    return {
        group: scores.argsort(descending=True, stable=True)[: widths[group]].sort().values
        for group, scores in importance.items()
    }
