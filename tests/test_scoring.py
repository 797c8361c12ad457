"""Scores of sets in a recipe: which images are compared, how many, and what a report says where there are too few."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from coronet.datasets import DataSettings, open_test
from coronet.metrics.extractors import open_extractor
from coronet.metrics.paired import evaluate_pairs
from coronet.networks import build
from coronet.recipes import previews, scoring
from coronet.recipes.scoring import paired_scores, reported_distances, set_scores, translations
from tests.worlds import CONFIGS, SIDE, make_world, random_weights

SETTINGS = DataSettings(load_size=SIDE, crop_size=SIDE)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def pairs(folder, count, seed=0, phase="test"):
    """Write pairs of noise; give the data set."""
    random = np.random.default_rng(seed)
    (folder / phase).mkdir(parents=True)
    for number in range(count):
        pixels = random.integers(256, size=(SIDE, 2 * SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / phase / f"{number:03d}.png")
    return open_test(folder, SETTINGS)


def generator(name="unet", seed=0):
    network = build(CONFIGS[name])
    network.load_state_dict(random_weights(CONFIGS[name], seed))
    return network.eval()


def test_translations_are_compared_with_the_target_side(tmp_path):
    data = pairs(tmp_path / "shoes", 21)
    targets = [item.target for item in data.test.items()]
    found = set_scores(data, open_extractor("proxy"), targets)
    assert found.frechet.value == pytest.approx(0.0, abs=1e-6)
    assert "21 of 21 generated images equal a real one" in found.frechet.note
    assert (
        "real: the test images of side B of shoes, the target of AtoB, read with resize_and_crop, load size 32, "
        "crop size 32, bicubic, pixels " in found.frechet.protocol
    )
    sources = set_scores(data, open_extractor("proxy"), (item.source for item in data.test.items()))
    assert sources.frechet.value > 0.01
    assert "equal" not in sources.frechet.note


def test_scores_of_other_real_images_have_other_protocols(tmp_path):
    """By direction, by load size, and by the pixels of folders of one name."""
    folders = [pairs(tmp_path / str(seed) / "shoes", 21, seed).root for seed in range(2)]
    wide = {"preprocess": "scale_width", "load_size": SIDE + 8}
    variants = [(folders[0], {}), (folders[0], {"direction": "BtoA"}), (folders[0], wide)]
    variants += [(folders[0], wide | {"load_size": SIDE + 16}), (folders[1], {})]
    extractor, protocols = open_extractor("proxy"), []
    for folder, choices in variants:
        data = open_test(folder, replace(SETTINGS, **choices))
        found = set_scores(data, extractor, (item.source for item in data.test.items()))
        protocols += [found.frechet.protocol, found.kernel.protocol]
    assert len(set(protocols)) == 2 * len(variants)


def test_a_protocol_says_that_images_were_held_out(tmp_path):
    data = pairs(tmp_path / "shoes", 200, phase="train")
    found = set_scores(data, open_extractor("proxy"), (item.source for item in data.test.items()))
    assert "real: the images held out of training of side B of shoes" in found.frechet.protocol


def test_a_report_names_the_proxy_distance_of_every_net(tmp_path, monkeypatch):
    data = pairs(tmp_path / "shoes", 24)
    monkeypatch.setattr(scoring, "REPORTED_IMAGES", 22)
    sets = [translations(data, net) for net in (generator(), generator(seed=1))]
    found = reported_distances(data, sets)
    first, second = (one["distribution"] for one in found)
    assert first["name"] == second["name"] == first["features"] == "proxy"
    assert (first["real_images"], first["fake_images"]) == (22, 22)
    assert first["value"] != second["value"]
    first, second = (one["kernel"] for one in found)
    assert first["name"] == second["name"] == "proxy KID"
    assert first["sd"] > 0
    assert first["value"] != second["value"]


def test_a_report_says_why_there_is_no_distance(tmp_path):
    data = pairs(tmp_path / "few", 3)
    (found,) = reported_distances(data, [translations(data, generator())])
    assert found.keys() == {"distribution"}
    assert "There are 3 real images" in found["distribution"]["note"]
    single = open_test(make_world("single", tmp_path / "single"), SETTINGS)
    (found,) = reported_distances(single, [translations(single, generator("resnet"))])
    assert "one side only" in found["distribution"]["note"]


def test_a_report_says_why_too_few_translations_have_no_distance(tmp_path):
    data = pairs(tmp_path / "shoes", 24)
    (found,) = reported_distances(data, [translations(data, generator())[:5]])
    assert "There are 5 generated images" in found["distribution"]["note"]


def test_a_report_scores_what_would_be_saved(tmp_path, monkeypatch):
    """Pictures of 8 bits give the scores of the tensors they were made of, and each test image is translated once."""
    data, net = pairs(tmp_path / "shoes", 5), generator()
    exact = evaluate_pairs((item.target, previews.translate(net, item.source)) for item in data.test.items())
    seen = []
    monkeypatch.setattr(scoring, "translate", lambda net, image: seen.append(1) or previews.translate(net, image))
    pictures = translations(data, net)
    assert paired_scores(data, pictures, None) == pytest.approx(exact, rel=1e-6)
    assert paired_scores(data, pictures, pictures)["l1"] == 0
    assert len(seen) == 5
