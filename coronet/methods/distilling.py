"""What the methods that distil features share: which layers are tapped, and how a game's own translation is kept."""

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor

from coronet.networks import Generator, GeneratorConfig, build_hollow
from coronet.objectives import Translate, Translation

_TAPS = 4


def taps(generator: Generator) -> dict[str, str]:
    """Give up to four layers to distil, each with its channel group: of a ResNet the start and thirds of the trunk."""
    layers = list(generator.feature_layers().items())
    return dict(layers[round(index * (len(layers) - 1) / (_TAPS - 1))] for index in range(_TAPS))


def tapped_widths(config: GeneratorConfig) -> dict[str, int]:
    """Give the channels of every tapped layer of the net that a config describes."""
    return {layer: config.widths[group] for layer, group in taps(build_hollow(config)).items()}


def received(translation: Translation, layers: Iterable[str]) -> dict[str, Tensor]:
    """Give the features of these layers as the next layer receives them: a norm is followed by a ReLU, a block is not.

    Without it the mean of an instance-normalised map, which is 0, would have nothing to teach.
    """
    features = translation.features
    return {layer: features[layer] if layer.startswith("blocks.") else F.relu(features[layer]) for layer in layers}


class Remembering:
    """A translator that keeps the translation of one batch of images, so that it need not be made twice."""

    def __init__(self, translate: Translate, images: Tensor) -> None:
        self._translate = translate
        self._images = images
        self._kept: Translation | None = None

    def __call__(self, images: Tensor) -> Translation:
        """Translate; keep it if these are the images to remember."""
        translation = self._translate(images)
        if images is self._images:
            self._kept = translation
        return translation

    @property
    def translation(self) -> Translation:
        """The translation of the images to remember; a game translates the sources of its batch."""
        assert self._kept is not None
        return self._kept
