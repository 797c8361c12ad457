"""How images are read: the settings that users of pytorch-CycleGAN-and-pix2pix know."""

from dataclasses import dataclass
from typing import Literal

from coronet.errors import SettingsError
from coronet.settings import check


@dataclass(frozen=True)
class DataSettings:
    """How images are read; names and meaning as in pytorch-CycleGAN-and-pix2pix."""

    direction: Literal["AtoB", "BtoA"] = "AtoB"
    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "resize", "none"] = (
        "resize_and_crop"
    )
    load_size: int = 286  # side or width before the crop, in pixels
    crop_size: int = 256  # side of the random crop, in pixels
    no_flip: bool = False
    max_dataset_size: int | None = None  # per training folder, the first by name

    @property
    def test_load_size(self) -> int:
        """Side or width of test images before the crop: modes that scale and crop do so without play."""
        return self.crop_size if self.preprocess.endswith("_and_crop") else self.load_size


def check_sizes(settings: DataSettings) -> None:
    """Raise SettingsError where a crop does not fit into what is loaded, or a ResNet cannot give its size back."""
    check(settings)
    if settings.max_dataset_size is not None and settings.max_dataset_size < 2:
        raise SettingsError(f"'max_dataset_size' is {settings.max_dataset_size}, but must be at least 2.")
    load, crop = settings.load_size, settings.crop_size
    if "crop" in settings.preprocess and crop % 4:
        raise SettingsError(f"'crop_size' is {crop}, but must be a multiple of 4. Choose {crop // 4 * 4 + 4}.")
    if settings.preprocess.endswith("_and_crop") and load < crop:
        raise SettingsError(f"'load_size' is {load}, but must be at least the crop_size {crop}. Raise it to {crop}.")
