"""What every metric offers: it is shown pairs of batches and gives one number at the end."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor


class Metric(ABC):
    """One score over a stream of images in [-1, 1].

    least_images: with fewer images compute() raises DataError.
    """

    name: ClassVar[str]
    lower_is_better: ClassVar[bool]
    least_images: ClassVar[int] = 1

    @abstractmethod
    def update(self, real: Tensor, fake: Tensor) -> None:
        """Take in a batch (N, C, H, W) of each kind."""

    @abstractmethod
    def compute(self) -> float:
        """Give the score of everything taken in so far; raises DataError if that is too little."""
