"""Data sets of drawn scenes: the layout of users' data, the same bytes for the same seed, and nothing overwritten."""

import json

import numpy as np
import pytest
from PIL import Image

from coronet.__main__ import main
from coronet.datasets import DataSettings, open_dataset
from coronet.errors import RunError, SettingsError
from coronet.scenes import WORLDS
from coronet.scenes.write import Amount, draw_scene, write_scenes

SMALL = Amount(train=3, test=2, image_size=32)
UNPAIRED = {"trainA": 3, "trainB": 3, "testA": 2, "testB": 2, "truthA": 2, "truthB": 2}
FOLDERS = {
    "shoes": {"train": 3, "test": 2},
    "horses": UNPAIRED | {"maskA": 2, "maskB": 2},
    "seasons": UNPAIRED,
}


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds")
    for name in WORLDS:
        write_scenes(name, folder / name, SMALL)
    return folder


@pytest.mark.parametrize("name", WORLDS)
def test_the_folders_are_those_of_users(name, written):
    found = {path.name: len([*path.iterdir()]) for path in (written / name).iterdir()}
    assert found == FOLDERS[name]


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_opens_as_a_data_set(name, written):
    data = open_dataset(written / name, DataSettings(crop_size=32, load_size=32))
    assert data.kind == ("paired" if WORLDS[name].paired else "unpaired")


@pytest.mark.parametrize("name", WORLDS)
def test_the_same_seed_gives_the_same_bytes_and_another_other_ones(name, written, tmp_path):
    write_scenes(name, tmp_path / "again", SMALL)
    assert contents(tmp_path / "again") == contents(written / name)
    write_scenes(name, tmp_path / "other", Amount(train=3, test=2, image_size=32, seed=1))
    other, first = contents(tmp_path / "other"), contents(written / name)
    assert all(other[path] != first[path] for path in first if not path.startswith("mask"))


@pytest.mark.parametrize("name", WORLDS)
def test_more_scenes_begin_with_the_same_ones(name, written, tmp_path):
    write_scenes(name, tmp_path / "more", Amount(train=4, test=2, image_size=32))
    more = contents(tmp_path / "more")
    assert {path: more[path] for path in contents(written / name)} == contents(written / name)


def test_a_pair_is_drawing_then_shoe(written):
    pair = pixels(written / "shoes" / "train" / "00000.png")
    scene = draw_scene("shoes", "train", 0, size=32)
    assert np.array_equal(pair, np.concatenate([scene.a, scene.b], axis=1))


@pytest.mark.parametrize("side", "AB")
def test_the_truth_belongs_to_its_test_image(side, written):
    """Outside the animal a horse and its zebra are one picture; inside they are not."""
    folder = written / "horses"
    for path in (folder / f"test{side}").iterdir():
        change = np.abs(pixels(path) - pixels(folder / f"truth{side}" / path.name)).max(axis=2)
        mask = pixels(folder / f"mask{side}" / path.name)[..., 0]
        assert change[mask == 0].max() == 0
        assert change[mask == 255].mean() > 20


def test_the_two_sides_of_training_never_show_one_scene(written):
    """A scene of B with its own other side would make the data paired."""
    for number in range(3):
        b = pixels(written / "seasons" / "trainB" / f"{number:05d}.png")
        assert not np.array_equal(b, draw_scene("seasons", "trainA", number, size=32).b)
        assert np.array_equal(b, draw_scene("seasons", "trainB", number, size=32).b)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train": -1}, "'train' is -1"),
        ({"test": 10**9}, "'test' is 1000000000"),
        ({"train": 0, "test": 0}, "nothing to draw"),
        ({"image_size": 30}, "'image_size' is 30, but must be a multiple of 4"),
        ({"image_size": 8}, "'image_size' is 8"),
        ({"image_size": 4096}, "'image_size' is 4096"),
    ],
)
def test_amounts_that_make_no_data_set_are_refused(changed, message):
    with pytest.raises(SettingsError, match=message):
        Amount(**({"train": 1, "test": 1} | changed))


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.png").write_bytes(b"precious")
    with pytest.raises(RunError, match="not empty"):
        write_scenes("shoes", tmp_path / "mine", SMALL)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["photo.png"]
    assert (tmp_path / "mine" / "photo.png").read_bytes() == b"precious"


def test_what_was_interrupted_leaves_nothing(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_scenes("shoes", tmp_path / "new", SMALL, stop)
    assert [*tmp_path.iterdir()] == []


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    write_scenes("shoes", tmp_path / "empty", SMALL)
    assert len(contents(tmp_path / "empty")) == 5


def test_the_verb_says_what_it_wrote(tmp_path, capsys):
    out = str(tmp_path / "s")
    assert main(["scenes", "shoes", "--train", "2", "--test", "1", "--image-size", "32", "--out", out, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["folders"]) == (3, {"train": 2, "test": 1})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dragons"], "There is no world 'dragons'. Choose one of shoes, horses, seasons."),
        (["shoes", "--train", "-3"], "'train' is -3"),
        (["shoes", "--image-size", "many"], "'image_size' is 'many', but must be a whole number."),
        (["shoes", "--image-size", "66"], "multiple of 4"),
    ],
)
def test_the_verb_refuses_in_one_line(arguments, message, tmp_path, capsys):
    assert main(["scenes", *arguments, "--out", str(tmp_path / "s")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("coronet: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "s").exists()
