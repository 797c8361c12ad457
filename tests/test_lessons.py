"""What the lessons compute: the laws that each of them claims."""

from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch
from PIL import Image

from coronet.checkpoints import Checkpoint, save
from coronet.cost import CostModel
from coronet.demos import DEMOS
from coronet.errors import SettingsError
from coronet.images import to_image, to_tensor
from coronet.lessons import small_samples
from coronet.lessons.anatomy import look_inside
from coronet.lessons.knobs import find_knobs, turn
from coronet.lessons.shares import cut_evenly, even_widths, macs_left
from coronet.lessons.small_samples import SIZES, Heaps, gather, repeat
from coronet.lessons.timing import race
from coronet.networks import GeneratorConfig, build, resnet_config, unet_config
from coronet.recipes.preview import opened

CONFIGS = {
    "resnet": resnet_config(ngf=4, blocks=1, image_size=32),
    "unet": unet_config(ngf=4, image_size=16, norm="batch", dropout=False),
}


@pytest.fixture(params=sorted(CONFIGS))
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    config = CONFIGS[request.param]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save(Checkpoint(config, dict(build(config).state_dict())), tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def picture() -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Image.fromarray(levels)


# 1: a picture on its way


def test_every_group_is_met_with_its_width_and_some_of_its_channels(model: Path, picture: Image.Image) -> None:
    found = look_inside(model, picture)
    widths = opened(model).generator.config.widths
    assert {stage.share.group: stage.share.of for stage in found.stages} == dict(widths)
    assert all(0 < len(stage.maps) <= 4 for stage in found.stages)
    assert all(drawn.size == stage.size for stage in found.stages for drawn in stage.maps)


def test_looking_inside_changes_no_picture_and_leaves_nothing_behind(model: Path, picture: Image.Image) -> None:
    generator = opened(model).generator
    found = look_inside(model, picture)
    with torch.inference_mode():
        expected = to_image(generator(to_tensor(found.source).unsqueeze(0)))
    assert found.output.tobytes() == expected.tobytes()
    assert not any(module._forward_hooks for module in generator.modules())


# 2: an even cut


@pytest.mark.parametrize("config", [*CONFIGS.values(), resnet_config(), unet_config()], ids=str)
def test_the_share_of_macs_is_that_of_the_cost_model(config: GeneratorConfig) -> None:
    model = CostModel(config)
    halved = {group: width // 2 for group, width in config.widths.items()}
    assert macs_left(config, 0.5) == model.at(halved) / model.total
    assert macs_left(config, 1.0) == 1.0


@pytest.mark.parametrize("config", [resnet_config(), unet_config(), resnet_config(ngf=24, blocks=6, image_size=128)])
def test_half_of_the_channels_leave_about_a_quarter_of_the_macs(config: GeneratorConfig) -> None:
    assert 0.25 < macs_left(config, 0.5) < 0.29


def test_an_even_cut_leaves_every_layer_its_share(model: Path, picture: Image.Image) -> None:
    widths = opened(model).generator.config.widths
    found = cut_evenly(model, 0.5, picture)
    assert (found.kept, found.of) == (sum(even_widths(widths, 0.5).values()), sum(widths.values()))
    assert found.macs_share == macs_left(opened(model).generator.config, 0.5)
    assert even_widths({"stem": 3}, 0.01) == {"stem": 1}


def test_keeping_every_channel_keeps_the_picture(tmp_path: Path, picture: Image.Image) -> None:
    path = tmp_path / "tiny.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save(Checkpoint(CONFIGS["resnet"], dict(build(CONFIGS["resnet"]).state_dict())), path)
    found = cut_evenly(path, 1.0, picture)
    assert found.dense.tobytes() == found.slim.tobytes()


# 3: latents as knobs


def test_a_latent_at_0_is_exactly_a_missing_channel(model: Path, picture: Image.Image) -> None:
    for group in find_knobs(model, None, picture).groups:
        channels = find_knobs(model, group, picture).channels
        found = turn(model, picture, group, dict.fromkeys(channels[:2], 0.0))
        assert found.cut is not None
        assert found.muted == tuple(sorted(channels[:2]))
        assert found.gap < 1e-5


def test_all_latents_at_1_are_the_dense_net(model: Path, picture: Image.Image) -> None:
    knobs = find_knobs(model, None, picture)
    found = turn(model, picture, knobs.group, dict.fromkeys(knobs.channels, 1.0))
    assert found.turned.tobytes() == found.dense.tobytes()
    assert (found.cut, found.muted, found.gap) == (None, (), 0.0)


def test_a_latent_changes_the_picture(model: Path, picture: Image.Image) -> None:
    knobs = find_knobs(model, None, picture)
    found = turn(model, picture, knobs.group, {knobs.channels[0]: 0.3})
    assert found.turned.tobytes() != found.dense.tobytes()


def test_the_net_of_the_visitor_is_left_alone(model: Path, picture: Image.Image) -> None:
    before = {name: tensor.clone() for name, tensor in opened(model).generator.state_dict().items()}
    knobs = find_knobs(model, None, picture)
    turn(model, picture, knobs.group, dict.fromkeys(knobs.channels, 0.0))
    after = opened(model).generator.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_knobs_never_silence_a_whole_group(model: Path, picture: Image.Image) -> None:
    for group in find_knobs(model, "none", picture).groups:
        knobs = find_knobs(model, group, picture)
        assert knobs.group == group
        assert len(set(knobs.channels)) == len(knobs.channels) < knobs.of


@pytest.mark.parametrize(
    ("group", "latents"), [("none", {0: 0.0}), ("up2", {99: 0.0}), ("up2", dict.fromkeys(range(4), 0.0))]
)
def test_knobs_that_are_not_there_are_refused(
    tmp_path: Path, picture: Image.Image, group: str, latents: dict[int, float]
) -> None:
    save(Checkpoint(CONFIGS["resnet"], dict(build(CONFIGS["resnet"]).state_dict())), tmp_path / "tiny.safetensors")
    with pytest.raises(SettingsError):
        turn(tmp_path / "tiny.safetensors", picture, group, latents)


# 4: small heaps


@pytest.fixture(scope="module")
def heaps() -> Heaps:
    random = np.random.default_rng(0)
    spread = np.linspace(0.2, 2.0, 24)
    return Heaps(random.normal(size=(160, 24)) * spread, random.normal(size=(80, 24)) * spread + 0.3)


def test_the_distance_of_two_halves_is_above_0_and_falls_with_their_size(heaps: Heaps) -> None:
    means = [fmean(draws.halves) for draws in repeat(heaps, 0)]
    assert means == sorted(means, reverse=True)
    assert min(min(draws.halves) for draws in repeat(heaps, 0)) > 0


def test_the_score_of_one_model_falls_with_the_number_of_pictures(heaps: Heaps) -> None:
    means = [fmean(draws.model) for draws in repeat(heaps, 0)]
    assert means == sorted(means, reverse=True)


def test_draws_repeat_with_their_seed_and_differ_without(heaps: Heaps) -> None:
    assert repeat(heaps, 3) == repeat(heaps, 3) != repeat(heaps, 4)
    assert [draws.count for draws in repeat(heaps, 3)] == list(SIZES)
    assert len(set(repeat(heaps, 3)[0].halves)) == small_samples.DRAWS


def test_gathered_heaps_hold_features_of_drawn_pictures_and_say_how_far_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(small_samples, "SIZES", (1, 2))
    heard: list[tuple[int, int]] = []
    found = gather(DEMOS["shoes"], lambda done, total: heard.append((done, total)))
    assert (len(found.real), len(found.made)) == (4, 2)
    assert np.isfinite(found.real).all()
    assert heard == [(number, 6) for number in range(1, 7)]


# 5: the race


def test_a_race_times_the_dense_net_and_every_slim_one(model: Path, picture: Image.Image) -> None:
    found = race(model, picture, ratios=(2.0, 1000.0))
    assert [runner.name for runner in found.runners] == ["dense", "2×"], "a ratio out of reach has no net"
    dense, slim = found.runners
    assert (dense.macs_ratio, dense.time_ratio) == (1.0, 1.0)
    assert slim.macs_ratio == pytest.approx(2.0, rel=0.1)
    assert slim.macs == pytest.approx(dense.macs / slim.macs_ratio)
    assert slim.time_ratio == pytest.approx(dense.milliseconds / slim.milliseconds)
    assert all(runner.milliseconds > 0 for runner in found.runners)
    assert (found.threads, found.image_size) == (1, opened(model).generator.config.image_size)
    assert found.repeats >= 3
    assert found.cpu
