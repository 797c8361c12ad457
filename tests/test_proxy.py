"""The proxy distance: it rises with every way of getting worse, on drawn scenes and on photos, and ranks as FID-768."""

import json
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import safetensors.torch
import torch
from scipy.stats import spearmanr

from coronet import feature_training
from coronet.errors import CheckpointError, DataError, SettingsError
from coronet.images import list_images, open_image, resize, to_tensor
from coronet.metrics.degrade import DEGRADATIONS, degrade
from coronet.metrics.distribution import describe, frechet_score
from coronet.metrics.features import FEATURES, PROXY_FILE, ProxyNetwork, load_proxy, proxy_features, save_proxy
from coronet.metrics.frechet import frechet_distance, statistics
from coronet.metrics.inception_session import open_inception
from coronet.metrics.proxy import proxy_extractor
from coronet.metrics.scores import interval_by_halves
from coronet.scenes.write import draw_scene

STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
PHOTOS = {
    "zebras": "horse2zebra/testB",
    "summer": "summer2winter_yosemite/testA",
    "shoes": "edges2shoes/val",
}


@pytest.fixture(scope="module")
def network():
    return load_proxy()


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def drawn(world, size, number):
    return draw_scene(world, "proxy test", number, size=size)


def scenes(world, count, size=64, side="b"):
    return torch.stack([to_tensor(getattr(drawn(world, size, number), side)) for number in range(count)])


def photos(folder, count, size=128):
    """Read photos as squares; of a pair of edges and a shoe, the shoe."""
    found = []
    for path in list_images(folder)[:count]:
        image = open_image(path)
        if image.width == 2 * image.height:
            image = image.crop((image.height, 0, image.width, image.height))
        found.append(to_tensor(resize(image, (size, size))))
    assert len(found) == count
    return torch.stack(found)


def degraded(images):
    """Give (kind, strength, images) for every kind at every strength; the same random numbers at each."""
    for kind in DEGRADATIONS:
        for strength in STRENGTHS:
            yield kind, strength, degrade(images, kind, strength, torch.Generator().manual_seed(7))


def distances(images, features):
    """Compare the first half of the images with the second, as it is ("none") and made worse; {(kind, strength): }."""
    half = len(images) // 2
    real = statistics(features(images[:half]))
    found = {("none", 0.0): frechet_distance(real, statistics(features(images[half:])))}
    for kind, strength, worse in degraded(images[half:]):
        found[kind, strength] = frechet_distance(real, statistics(features(worse)))
    return found


def falls(found):
    """List where a distance does not rise from one strength to the next; the weakest may be lost in the sampling."""
    wrong = []
    for kind in DEGRADATIONS:
        values = [value for (of, _), value in found.items() if of == kind]
        if any(low >= high for low, high in pairwise(values)) or values[1] <= found["none", 0.0]:
            wrong.append((kind, found["none", 0.0], values))
    return wrong


@pytest.mark.parametrize("world", ["horses", "seasons", "shoes"])
def test_distance_rises_with_every_degradation(network, world):
    assert falls(distances(scenes(world, 100), lambda images: proxy_features(network, images))) == []


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("name", PHOTOS)
def test_distance_rises_with_every_degradation_of_photos(network, real_data, name):
    images = photos(real_data / PHOTOS[name], 120)
    assert falls(distances(images, lambda images: proxy_features(network, images))) == []


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("name", PHOTOS)
def test_distance_ranks_as_fid_768_does(network, real_data, real_weights, name):
    inception = open_inception(real_weights / "inception_2015_12_05_to_Mixed_6e.safetensors")
    images = photos(real_data / PHOTOS[name], 120)
    ours = distances(images, lambda images: proxy_features(network, images))
    theirs = distances(images, inception.features)
    worse = [key for key in ours if key[0] != "none"]
    assert len(worse) == 25
    assert spearmanr([ours[key] for key in worse], [theirs[key] for key in worse]).statistic >= 0.9


@pytest.mark.parametrize("world", ["horses", "seasons"])
def test_the_other_side_of_a_world_is_farther_away_than_mild_damage(network, world):
    """An untouched input, which translates nothing, must not pass for a good translation."""
    wanted, untouched = scenes(world, 100), scenes(world, 100, side="a")[50:]
    real = statistics(proxy_features(network, wanted[:50]))
    found = [frechet_distance(real, statistics(proxy_features(network, images)))
             for images in (wanted[50:], degrade(wanted[50:], "JPEG", 0.4, torch.Generator()), untouched)]  # fmt: skip
    assert found == sorted(found)
    assert found[2] > 2 * found[0]


@pytest.mark.real
def test_photos_of_horses_are_no_zebras(network, real_data):
    zebras = photos(real_data / "horse2zebra/testB", 120)
    horses = photos(real_data / "horse2zebra/testA", 60)
    real = statistics(proxy_features(network, zebras[:60]))
    near, far = (
        frechet_distance(real, statistics(proxy_features(network, images))) for images in (zebras[60:], horses)
    )
    assert far > 1.5 * near


def test_strength_zero_changes_nothing_and_more_changes_more():
    images = scenes("horses", 4)
    for kind in DEGRADATIONS:
        assert degrade(images, kind, 0.0, torch.Generator()) is images
        changes = [(degrade(images, kind, strength, torch.Generator().manual_seed(1)) - images).square().mean()
                   for strength in STRENGTHS]  # fmt: skip
        assert changes == sorted(changes)
        assert changes[0] > 0


def test_patches_keep_every_pixel():
    images = scenes("shoes", 2)
    moved = degrade(images, "patches", 1.0, torch.Generator().manual_seed(1))
    assert not torch.equal(moved, images)
    assert torch.equal(moved.flatten().sort().values, images.flatten().sort().values)


def test_unknown_degradation_is_refused():
    with pytest.raises(SettingsError, match="'rain'"):
        degrade(torch.zeros(1, 3, 32, 32), "rain", 0.5, torch.Generator())
    with pytest.raises(SettingsError, match=r"1\.5"):
        degrade(torch.zeros(1, 3, 32, 32), "blur", 1.5, torch.Generator())


def test_features_do_not_depend_on_the_batch(network):
    images = scenes("shoes", 40)
    whole = proxy_features(network, images)
    assert whole.shape == (40, FEATURES)
    single = proxy_features(network, [images[:1], images[1], *images[2:]])
    np.testing.assert_allclose(whole, single, atol=1e-4)


def test_features_are_those_of_the_saved_image(network):
    images = scenes("seasons", 2, size=128)
    nearly = (images + 0.4 / 127.5).clamp(-1, 1)  # less than half a level
    np.testing.assert_array_equal(proxy_features(network, images), proxy_features(network, nearly))


@pytest.mark.parametrize("shape", [(1, 3, 31, 64), (2, 1, 64, 64), (64, 64), (0, 3, 16, 16)])
def test_images_without_features_are_refused(network, shape):
    with pytest.raises(DataError, match="RGB images of at least 32"):
        proxy_features(network, [torch.zeros(shape)])


def test_result_says_what_it_is():
    images = scenes("shoes", 44)
    extractor = proxy_extractor()
    found = frechet_score(extractor, describe(extractor, images[:24]), describe(extractor, iter(images[24:])))
    assert (found.features, found.real_images, found.fake_images) == ("proxy", 24, 20)
    assert found.protocol.startswith("proxy-")
    assert found.low < found.value < found.high


def test_interval_covers_the_mean_as_often_as_it_says():
    random = np.random.default_rng(0)
    inside = 0
    for seed in range(200):
        rows = random.normal(5, 1, size=(60, 1))
        low, high = interval_by_halves(lambda drawn: float(drawn.mean()), float(rows.mean()), rows, seed=seed)
        inside += low < 5.0 < high
    assert 180 <= inside <= 199  # 95 % of 200, less what 100 draws cost


def test_interval_without_draws_is_refused():
    with pytest.raises(SettingsError, match="1 draws give no interval"):
        interval_by_halves(lambda drawn: 0.0, 0.0, np.zeros((4, 1)), draws=1)


def test_saved_network_gives_the_same_features(tmp_path):
    with torch.random.fork_rng(devices=[]):
        network = ProxyNetwork().eval()
    save_proxy(network, tmp_path / "proxy.safetensors", {"seed": 3})
    images = scenes("shoes", 3)
    loaded = proxy_features(load_proxy(tmp_path / "proxy.safetensors"), images)
    np.testing.assert_allclose(loaded, proxy_features(network, images), atol=0.02)  # kernels are kept as float16


def test_file_is_small_and_says_how_it_was_made():
    assert PROXY_FILE.stat().st_size <= 3_000_000
    with safetensors.safe_open(PROXY_FILE, "pt") as file:
        lineage = json.loads(file.metadata()["coronet"])["lineage"]
    assert lineage["plan"]["steps"] > 0
    assert {"seed", "scenes"} <= set(lineage["plan"])
    assert lineage["seconds"] > 0


def test_unusable_files_are_refused(tmp_path):
    path = tmp_path / "proxy.safetensors"
    with pytest.raises(CheckpointError, match="does not exist"):
        load_proxy(path)
    path.write_bytes(PROXY_FILE.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        load_proxy(path)
    safetensors.torch.save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="does not say"):
        load_proxy(path)
    safetensors.torch.save_file({"a": torch.zeros(2)}, path, {"coronet": '{"kind": "generator"}'})
    with pytest.raises(CheckpointError, match="holds a generator"):
        load_proxy(path)
    safetensors.torch.save_file({"a": torch.zeros(2)}, path, {"coronet": '{"kind": "proxy"}'})
    with pytest.raises(CheckpointError, match="does not fit"):
        load_proxy(path)


def test_training_depends_on_the_seed_alone():
    plan = feature_training.Plan(steps=3, batch=4)
    random = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (8, 3, 64, 64), generator=random).to(torch.uint8)
    wanted = torch.randn(8, FEATURES, generator=random)
    torch.manual_seed(1)
    first = feature_training.fit(pictures, wanted, plan)
    before = torch.get_rng_state()
    second = feature_training.fit(pictures, wanted, plan)
    assert torch.equal(before, torch.get_rng_state())
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_training_learns_what_it_is_told_on_its_scale():
    """Whatever the scale of the features, the answers come out on it."""
    random = torch.Generator().manual_seed(0)
    levels = torch.linspace(40, 215, 24)
    pictures = levels[:, None, None, None].expand(24, 3, 64, 64).round().to(torch.uint8)
    wanted = 50.0 * (levels - levels.mean())[:, None] / 100.0 * torch.randn(1, FEATURES, generator=random)
    network = feature_training.fit(pictures, wanted, feature_training.Plan(steps=200, batch=12))
    assert feature_training.missed(network, pictures, wanted) < 0.5


def test_principal_components_keep_distances():
    random = torch.Generator().manual_seed(0)
    flat = torch.randn(200, 20, generator=random) @ torch.randn(20, 768, generator=random)
    found, explained = feature_training.principal(flat + 3.0)
    assert found.shape == (200, FEATURES)
    assert explained == pytest.approx(1.0)
    torch.testing.assert_close(torch.pdist(found), torch.pdist(flat), rtol=1e-3, atol=1e-2)


def test_varied_pictures_follow_their_random_numbers():
    drawn = feature_training.draw_scenes(1, 0)
    assert drawn.shape == (6, 3, 128, 128)
    first, second, other = (
        torch.stack([feature_training.vary(drawn, random) for _ in range(4)])
        for random in (torch.Generator().manual_seed(seed) for seed in (0, 0, 1))
    )
    assert first.dtype == torch.uint8
    assert first.shape == (4, 3, 128, 128)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_training_writes_a_network_that_loads(tmp_path, monkeypatch):
    inception = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten())  # 768 values a picture
    monkeypatch.setattr(feature_training, "load_inception", lambda path: inception)
    out = tmp_path / "proxy.safetensors"
    sizes = ["--scenes", "1", "--pictures", "100", "--steps", "2"]
    feature_training.main(["--inception", "none", "--out", str(out), *sizes])
    assert proxy_features(load_proxy(out), torch.zeros(2, 3, 40, 60)).shape == (2, FEATURES)
