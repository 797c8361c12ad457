"""Laws of images.py: every kind of picture becomes upright RGB, and nothing is lost between pixels and tensors."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from coronet.errors import DataError, RunError
from coronet.images import (
    PIXEL_LIMIT,
    fit,
    image_size,
    list_images,
    open_image,
    resize,
    save_image,
    to_image,
    to_rgb,
    to_tensor,
)

ORIENTATION = 0x0112


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff"])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    noise(13, 9).save(path)
    assert np.array_equal(pixels(open_image(path)), pixels(noise(13, 9)))
    assert image_size(path) == (13, 9)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp", ".png"])
def test_saving_and_opening_keeps_a_smooth_image(tmp_path: Path, suffix: str) -> None:
    ramp = Image.linear_gradient("L").resize((32, 24)).convert("RGB")
    save_image(ramp, tmp_path / f"a{suffix}")
    assert np.abs(pixels(open_image(tmp_path / f"a{suffix}")) - pixels(ramp)).max() <= 3
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


@pytest.mark.parametrize(("content", "suffix"), [("JPEG", ".png"), ("PNG", ".jpg"), ("WEBP", ".bmp"), ("TIFF", ".jpg")])
def test_wrong_suffix_is_recognised_by_content(tmp_path: Path, content: str, suffix: str) -> None:
    noise(8, 8).save(tmp_path / f"a{suffix}", format=content)
    assert open_image(tmp_path / f"a{suffix}").size == (8, 8)


def test_every_level_survives_the_round_trip() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(np.stack([levels, levels[::-1], levels.T], axis=2))
    tensor = to_tensor(image)
    assert (tensor.shape, tensor.dtype) == ((3, 16, 16), torch.float32)
    assert (tensor.min(), tensor.max()) == (-1.0, 1.0)
    assert np.array_equal(pixels(to_image(tensor)), pixels(image))
    assert np.array_equal(pixels(to_image(tensor[None])), pixels(image))
    assert torch.equal(to_tensor(np.asarray(image)), tensor)


def test_tensors_are_clamped_and_rounded() -> None:
    tensor = torch.tensor([-9.0, -1.0, 0.0039, 1.0, 9.0, float("nan")]).repeat(3, 1, 1)
    assert pixels(to_image(tensor))[0, :, 0].tolist() == [0, 0, 128, 255, 255, 128]


@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 3, 4, 4), (4, 4), (3, 4, 4, 1)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        to_image(torch.zeros(shape))


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    levels = np.array([[0, 128, 257, 25_700, 32_768, 65_535]], dtype=np.uint16).repeat(2, axis=0)
    for name in ("a.png", "a.tif"):
        Image.fromarray(levels).save(tmp_path / name)
        assert pixels(open_image(tmp_path / name))[0, :, 0].tolist() == [0, 0, 1, 100, 128, 255]


def test_thirty_two_bit_grey_is_scaled(tmp_path: Path) -> None:
    for top, expected in ((65_535, [0, 0, 128, 255]), (2_000_000_000, [0, 0, 128, 255])):
        levels = np.array([[-5, 0, top // 2 + 1, top]], dtype=np.int32)
        Image.fromarray(levels).save(tmp_path / "a.tif")
        assert pixels(open_image(tmp_path / "a.tif"))[0, :, 0].tolist() == expected


def test_big_endian_sixteen_bit_grey_is_scaled() -> None:
    image = Image.frombytes("I;16B", (2, 1), b"\xff\xff\x80\x00")
    assert pixels(to_rgb(image))[0, :, 0].tolist() == [255, 128]


def test_floating_point_pixels_are_refused_by_name(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), dtype=np.float32)).save(tmp_path / "depth.tif")
    with pytest.raises(DataError, match=r"depth\.tif stores floating-point pixels"):
        open_image(tmp_path / "depth.tif")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "PA", "RGBX", "RGBa"])
def test_every_mode_keeps_black_and_white(mode: str) -> None:
    picture = Image.new("RGB", (2, 1))
    picture.putpixel((0, 0), (255, 255, 255))
    if mode == "PA":
        image = picture.convert("P").convert("PA")
    else:
        image = picture.convert("RGBA").convert(mode) if mode == "RGBa" else picture.convert(mode)
    assert pixels(to_rgb(image))[0, :, 0].tolist() == [255, 0]


def test_alpha_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (3, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 255))
    image.putpixel((2, 0), (0, 0, 0, 128))
    for suffix in (".png", ".tif"):
        image.save(tmp_path / f"a{suffix}")
        result = pixels(open_image(tmp_path / f"a{suffix}"))[0].tolist()
        assert result == [[255, 255, 255], [255, 0, 0], [127, 127, 127]]


def test_transparent_palette_colour_and_grey_become_white(tmp_path: Path) -> None:
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    grey = Image.new("L", (2, 1), 7)
    grey.putpixel((1, 0), 9)
    for name, image, opaque in (("p.png", palette, [40, 50, 60]), ("l.png", grey, [9, 9, 9])):
        image.save(tmp_path / name, transparency=0 if image is palette else 7)
        assert pixels(open_image(tmp_path / name))[0].tolist() == [[255, 255, 255], opaque]
    palette.save(tmp_path / "alpha.png", transparency=bytes([0, 255]))
    assert pixels(open_image(tmp_path / "alpha.png"))[0].tolist() == [[255, 255, 255], [40, 50, 60]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".jpg"])
def test_exif_orientation_is_applied_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    corners = Image.new("L", (32, 16))
    corners.paste(255, (0, 0, 16, 8))  # the stored top left is bright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    corners.convert("RGB").save(tmp_path / f"a{suffix}", exif=exif)
    image = open_image(tmp_path / f"a{suffix}")
    assert image.size == ((32, 16) if orientation < 5 else (16, 32))
    right, bottom = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    bright = (image.width * (3 if right else 1) // 4, image.height * (3 if bottom else 1) // 4)
    assert image.getpixel(bright)[0] > 200
    assert pixels(image).mean() == pytest.approx(255 / 4, abs=6)
    assert np.array_equal(pixels(to_rgb(image)), pixels(image))
    assert not image.getexif()


def test_warnings_of_the_decoder_do_not_leak(tmp_path: Path) -> None:
    side = int(PIXEL_LIMIT**0.5) + 1000
    Image.new("1", (side + 2000, side)).save(tmp_path / "large.png")
    noise(8, 8).save(tmp_path / "odd.jpg", exif=b"Exif\0\0II*\0\xff\0\0\0garbage")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(DataError, match="64 megapixels"):
            open_image(tmp_path / "large.png")
        assert open_image(tmp_path / "odd.jpg").size == (8, 8)
    assert not caught


def test_only_the_first_picture_of_an_animation_is_read(tmp_path: Path) -> None:
    noise(8, 8).save(tmp_path / "a.png", save_all=True, append_images=[noise(8, 8, 1)])
    noise(8, 8).save(tmp_path / "a.tif", save_all=True, append_images=[noise(8, 8, 1)])
    for name in ("a.png", "a.tif"):
        assert np.array_equal(pixels(open_image(tmp_path / name)), pixels(noise(8, 8)))


@pytest.mark.parametrize("multiple", [1, 4, 32, 256])
@pytest.mark.parametrize("size", [None, 64, 256])
@pytest.mark.parametrize("shape", [(1, 1), (100, 100), (640, 480), (33, 257)])
def test_fit_gives_the_nearest_multiples(multiple: int, size: int | None, shape: tuple[int, int]) -> None:
    result = fit(noise(*shape), multiple, size)
    factor = 1.0 if size is None else size / max(shape)
    for side, asked in zip(result.size, shape, strict=True):
        assert side % multiple == 0
        assert side >= multiple
        assert abs(side - asked * factor) <= max(multiple / 2, multiple - asked * factor)


def test_fit_leaves_a_fitting_image_alone() -> None:
    image = noise(64, 32)
    assert fit(image, 32) is image
    assert fit(image, 32, 64) is image


def test_resizing_beyond_the_limit_is_refused() -> None:
    with pytest.raises(DataError, match="64 megapixels"):
        resize(noise(8, 8), (100_000, 1_000))


def test_saving_refuses_what_it_cannot_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Choose one of these suffixes"):
        save_image(noise(8, 8), tmp_path / "a.gif")
    with pytest.raises(DataError, match="at most 16383 pixels a side, not 20000 x 1"):
        save_image(noise(20_000, 1), tmp_path / "a.webp")
    with pytest.raises(RunError, match="Create it first"):
        save_image(noise(8, 8), tmp_path / "missing" / "a.png")
    assert not list(tmp_path.iterdir())


def test_list_images_is_sorted_and_takes_images_only(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "c.webp", "names.csv", ".hidden.png", "noext", "d.txt.tiff"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    names = [path.name for path in list_images(tmp_path)]
    assert names == ["a.jpg", "b.PNG", "c.webp", "d.txt.tiff", "loop.png"]
