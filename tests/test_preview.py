"""The instant preview: which pictures a net takes, and what is remembered of them."""

import io

import numpy as np
import pytest
from PIL import Image

from coronet.checkpoints import resolve_model
from coronet.errors import DataError
from coronet.networks import resnet_config
from coronet.recipes.preview import PreviewModel, fitted

RESNET = resnet_config(ngf=4, blocks=1, image_size=32)


@pytest.mark.parametrize("size", [(600, 4), (3, 40)])
def test_a_picture_too_thin_for_the_net_is_named(size):
    with pytest.raises(DataError, match=rf"The picture has {size[0]} x {size[1]} pixels, .* needs 8 a side"):
        fitted(Image.new("RGB", size), RESNET)


@pytest.mark.parametrize("format", ["JPEG", "TIFF", "PNG"])
def test_a_picture_is_upright_as_its_file_says(format):
    lying = np.zeros((16, 32, 3), np.uint8)
    lying[:, :16] = 255  # its left half, which is above where the picture is upright
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(lying).save(file, format, exif=exif)
    upright = fitted(Image.open(file), RESNET)
    assert upright.size == (16, 32)
    assert np.asarray(upright)[:12].min() > 200 > 50 > np.asarray(upright)[20:].max()


def test_a_blank_picture_does_not_rank_the_channels_of_all_others(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = resolve_model("demo/shoes")
    PreviewModel(model).preview(Image.new("RGB", (64, 64), "white"), 4.0)
    assert not list(tmp_path.rglob("*.importance.safetensors"))
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    PreviewModel(model).preview(Image.fromarray(noise), 4.0)
    assert len(list(tmp_path.rglob("*.importance.safetensors"))) == 1
