"""The picture shown while a run is under way: source, dense net and student side by side, and the truth of a pair."""

from collections.abc import Callable

import torch
from PIL import Image

from coronet.datasets import Dataset
from coronet.errors import DataError
from coronet.images import to_image
from coronet.networks import Generator
from coronet.runs import Run
from coronet.training import Step


class Previewer:
    """Save a preview of one test image every so many steps and after the last one."""

    def __init__(self, run: Run, data: Dataset, dense: Generator | None, every: int) -> None:
        self._run = run
        self._every = every
        item = next(data.test.items(), None)
        if item is None:
            raise DataError(f"None of the test images of {data.root} can be read. Replace them.")
        self._item = item
        self._first = [self._item.source] if dense is None else [self._item.source, translate(dense, self._item.source)]

    def after(self, step: Step, current: Callable[[], Generator]) -> None:
        """Save a preview of the current generator if this step is due for one."""
        if step.done % self._every and step.done != step.total:
            return
        pictures = [*self._first, translate(current(), self._item.source)]
        if self._item.target is not None:
            pictures.append(self._item.target)
        self._run.save_preview(step.done, side_by_side([to_image(picture) for picture in pictures]))


@torch.no_grad()
def translate(generator: Generator, images: torch.Tensor) -> torch.Tensor:
    """Translate (N, C, H, W) in evaluation mode, on the generator's device; back on the CPU. Keeps the mode."""
    training = generator.training
    device = next(generator.parameters()).device
    output: torch.Tensor = generator.eval()(images.to(device)).cpu()
    generator.train(training)
    return output


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Put pictures of one height in a row with a thin gap."""
    gap = 4
    width = sum(picture.width for picture in pictures) + gap * (len(pictures) - 1)
    row = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    left = 0
    for picture in pictures:
        row.paste(picture, (left, 0))
        left += picture.width + gap
    return row
