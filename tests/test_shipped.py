"""What ships in checkpoints/demo: every model with its ready-made runs, within the sizes agreed on."""

import numpy as np
import pytest
import torch
from PIL import Image

from coronet import demos
from coronet.checkpoints import load, resolve_model
from coronet.cost import cost
from coronet.demo_build import sample
from coronet.images import to_tensor
from coronet.importance import taylor
from coronet.recipes.preview import IMPORTANCE_PROBES, PreviewModel
from coronet.scenes.write import draw_test_picture
from coronet.studio.outcomes import find_outcomes


@pytest.mark.parametrize("name", demos.demo_names())
def test_a_shipped_model_has_its_ready_made_runs(name):
    outcomes = find_outcomes(name, resolve_model(name), demos.ready_made_runs(), [])
    assert [round(outcome.report["requested_ratio"]) for outcome in outcomes] == [2, 4, 8, 16]
    for outcome in outcomes:
        assert 0 <= outcome.ratio / outcome.report["requested_ratio"] - 1 < 0.03
        slim = load(outcome.folder / "slim.safetensors")
        assert cost(slim.config).to_json() == outcome.report["slim"]


@pytest.mark.parametrize("name", demos.demo_names())
def test_a_shipped_sample_is_what_the_model_makes(name):
    demo = demos.find_demo(name)
    with Image.open(demo.sample) as shipped:
        shipped.load()
    made = sample(demo, demos.DEMO_FOLDER)
    assert shipped.size == made.size
    levels = np.abs(np.asarray(shipped, dtype=float) - np.asarray(made))
    assert levels.max() <= 2  # processors round differently


def test_what_ships_is_small():
    files = [path for path in demos.DEMO_FOLDER.rglob("*") if path.is_file()]
    ready_made = [path for path in files if demos.READY_MADE in path.parts]
    assert 0 < sum(path.stat().st_size for path in ready_made) < 10e6
    assert sum(path.stat().st_size for path in files) < 30e6


@pytest.mark.parametrize("place", range(3))
def test_an_untrained_cut_of_zebras_is_better_by_colours_than_by_all_details(place, monkeypatch):
    """The preview measures with smooth noise; what will be trained does not."""
    model, demo = PreviewModel(resolve_model("demo/horse2zebra")), demos.find_demo("demo/horse2zebra")
    picture = Image.fromarray(draw_test_picture(demo.world, demo.side, place, size=128))
    shown = model.preview(picture, 4.0)
    images = [to_tensor(shown.source).unsqueeze(0)]
    by_details = taylor(model.generator, images, torch.Generator().manual_seed(0), probes=IMPORTANCE_PROBES)
    monkeypatch.setattr(model, "importance", lambda image: by_details)
    other = model.preview(picture, 4.0)
    assert _distance(shown) < _distance(other)


def _distance(found):
    return np.square(np.asarray(found.slim, dtype=float) - np.asarray(found.dense, dtype=float)).mean()
