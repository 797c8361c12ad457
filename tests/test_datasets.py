"""Laws of datasets: layouts are recognised, a batch is a pure function of (seed, step), halves stay together."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from coronet.datasets import Dataset, DataSettings, open_dataset, open_test, opening
from coronet.errors import DataError, SettingsError
from coronet.images import to_image

SMALL = DataSettings(load_size=20, crop_size=16)
PLAIN = DataSettings(load_size=16, crop_size=16, no_flip=True)


def write(path: Path, level: int, size: tuple[int, int] = (24, 24)) -> None:
    """Write a ramp in red and green, so that crops and mirroring show; blue tells which image it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    x, y = np.meshgrid(np.arange(size[0]) * 4 % 256, np.arange(size[1]) * 4 % 256)
    Image.fromarray(np.stack([x, y, np.full_like(x, level)], axis=2).astype(np.uint8)).save(path)


def write_pair(path: Path, level: int, size: tuple[int, int] = (24, 24)) -> None:
    """Write A|B where B is A with blue inverted."""
    write(path, level, size)
    a = np.asarray(Image.open(path))
    b = a.copy()
    b[..., 2] = 255 - b[..., 2]
    Image.fromarray(np.concatenate([a, b], axis=1)).save(path)


def level(image: torch.Tensor) -> int:
    """Read the number of a written image back from its blue channel."""
    return int(np.asarray(to_image(image))[..., 2].mean().round())


@pytest.fixture
def paired(tmp_path: Path) -> Path:
    for place in range(7):
        write_pair(tmp_path / "train" / f"{place}.png", place * 10)
    for place in range(3):
        write_pair(tmp_path / "val" / f"{place}.png", 100 + place * 10)
    return tmp_path


@pytest.fixture
def unpaired(tmp_path: Path) -> Path:
    for name, count, first in (("trainA", 5, 0), ("trainB", 8, 100), ("testA", 2, 60), ("testB", 3, 200)):
        for place in range(count):
            write(tmp_path / name / f"{place}.png", first + place * 10)
    return tmp_path


@pytest.fixture
def single(tmp_path: Path) -> Path:
    for place in range(25):
        write(tmp_path / f"{place:02}.png", place * 10)
    return tmp_path


def sequence(data: Dataset, steps: int, seed: int = 0) -> tuple[list[int], list[int]]:
    """Give the numbers of the source and target images of the first steps."""
    batches = [data.train.batch(step, batch_size=1, seed=seed) for step in range(steps)]
    targets = [level(batch.target) for batch in batches if batch.target is not None]
    return [level(batch.source) for batch in batches], targets


@pytest.mark.parametrize("layout", ["paired", "unpaired", "single"])
def test_layouts_are_recognised(layout: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(layout)
    data = open_dataset(root, SMALL)
    batch = data.train.batch(0, batch_size=2, seed=0)
    counts = {"paired": (7, 7, 3, 3), "unpaired": (5, 8, 2, 3), "single": (23, 0, 2, 0)}[layout]
    found = [len(paths) for split in (data.train, data.test) for paths in (split.source_paths, split.target_paths)]
    assert (data.kind, tuple(found), data.broken, data.root) == (layout, counts, (), root)
    assert data.test_origin == ("held out of train" if layout == "single" else "test folder")
    assert (len(data.train), batch.source.shape) == (counts[0], (2, 3, 16, 16))
    assert batch.paired == (layout == "paired")
    assert (batch.target is None) == (layout == "single")
    assert json.loads(json.dumps(data.summary()))["train"] == {"source": counts[0], "target": counts[1]}


@pytest.mark.parametrize("layout", ["paired", "unpaired", "single"])
def test_a_batch_depends_on_seed_and_step_alone(layout: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(layout)
    first, again = open_dataset(root, SMALL), open_dataset(root, SMALL, cache_bytes=0)
    forward = [first.train.batch(step, batch_size=2, seed=3) for step in range(12)]
    torch.manual_seed(1)  # neither the global generator nor the order of the steps matters
    for step in reversed(range(12)):
        batch = again.train.batch(step, batch_size=2, seed=3)
        assert torch.equal(batch.source, forward[step].source)
        assert batch.target is forward[step].target or torch.equal(batch.target, forward[step].target)
    state = torch.random.get_rng_state()
    other = [first.train.batch(step, batch_size=2, seed=4).source for step in range(12)]
    assert torch.equal(state, torch.random.get_rng_state())
    assert not all(torch.equal(batch.source, source) for batch, source in zip(forward, other, strict=True))


def test_batches_run_on_over_the_end_of_an_epoch(unpaired: Path) -> None:
    train = open_dataset(unpaired, SMALL).train
    for step in range(6):
        batch = train.batch(step, batch_size=3, seed=0)
        singles = [train.batch(3 * step + place, batch_size=1, seed=0) for place in range(3)]
        assert torch.equal(batch.source, torch.cat([one.source for one in singles]))
        assert torch.equal(batch.target, torch.cat([one.target for one in singles]))


def test_every_epoch_shows_every_image_once_in_another_order(unpaired: Path) -> None:
    sources, targets = sequence(open_dataset(unpaired, SMALL), 40)
    for shown, count in ((sources, 5), (targets, 8)):
        epochs = [shown[start : start + count] for start in range(0, 40, count)]
        assert all(len(set(epoch)) == count for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) > 1


def test_unpaired_sides_are_shuffled_independently(tmp_path: Path) -> None:
    for side, first in (("trainA", 0), ("trainB", 100)):
        for place in range(6):
            write(tmp_path / side / f"{place}.png", first + place * 10)
    sources, targets = sequence(open_dataset(tmp_path, SMALL), 200)
    assert len(set(zip(sources, targets, strict=True))) == 25  # 5 x 5; the last of each side is held out


def test_halves_share_crop_and_mirroring(paired: Path) -> None:
    train = open_dataset(paired, SMALL).train
    seen = set()
    for step in range(40):
        batch = train.batch(step, batch_size=1, seed=0)
        assert torch.equal(batch.source[:, :2], batch.target[:, :2])
        assert torch.allclose(batch.source[:, 2], -batch.target[:, 2], atol=0.02)
        seen.add(tuple(batch.source[0, :2, 0, 0].tolist()))
    assert len(seen) > 20  # crops and mirroring vary


@pytest.mark.parametrize("layout", ["paired", "unpaired"])
def test_direction_swaps_source_and_target(layout: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(layout)
    there, back = open_dataset(root, SMALL), open_dataset(root, DataSettings("BtoA", load_size=20, crop_size=16))
    for step in range(5):
        one, other = (data.train.batch(step, batch_size=2, seed=0) for data in (there, back))
        assert torch.equal(one.source, other.target)
        assert torch.equal(one.target, other.source)
    sources = torch.cat([item.source for item in back.test.items()])
    targets = torch.cat(list(there.test.targets()))
    assert torch.equal(sources, targets)
    assert torch.equal(torch.cat(list(there.test.targets([1, 0]))), targets[[1, 0]])


def test_no_flip_and_no_play_leave_nothing_to_chance(paired: Path) -> None:
    data = open_dataset(paired, PLAIN)
    shown = {level(b.source): b.source for b in (data.train.batch(s, batch_size=1, seed=0) for s in range(7))}
    for step in range(7, 21):
        source = data.train.batch(step, batch_size=1, seed=0).source
        assert torch.equal(source, shown[level(source)])


def test_flips_mirror_about_half_of_the_images(single: Path) -> None:
    train = open_dataset(single, DataSettings(load_size=16, crop_size=16)).train
    images = [train.batch(step, batch_size=1, seed=0).source[0, 0, 0] for step in range(100)]
    mirrored = sum(bool(row[0] > row[-1]) for row in images)
    assert 30 < mirrored < 70


@pytest.mark.parametrize(
    ("mode", "train_size", "test_size"),
    [
        ("resize_and_crop", (16, 16), (16, 16)),
        ("crop", (16, 16), (16, 16)),
        ("scale_width", (20, 28), (20, 28)),  # 41 x 58 -> 20 x 28
        ("scale_width_and_crop", (16, 16), (16, 16)),
        ("resize", (20, 20), (20, 20)),
        ("none", (40, 60), (40, 60)),  # 41 x 59 rounded to multiples of 4
    ],
)
def test_modes_give_their_sizes(
    tmp_path: Path, mode: str, train_size: tuple[int, int], test_size: tuple[int, int]
) -> None:
    for place in range(3):
        write(tmp_path / f"{place}.png", place, (41, 59 if mode == "none" else 58))
    data = open_dataset(tmp_path, DataSettings(preprocess=mode, load_size=20, crop_size=16))
    height, width = data.train.batch(0, batch_size=2, seed=0).source.shape[2:]
    assert (width, height) == train_size
    (item,) = data.test.items()
    assert (item.source.shape[3], item.source.shape[2]) == test_size


def test_test_images_are_the_centre_and_carry_their_names(paired: Path) -> None:
    data = open_dataset(paired, DataSettings(preprocess="crop", crop_size=16))
    items = list(data.test.items())
    assert [item.name for item in items] == ["0.png", "1.png", "2.png"]
    assert [level(item.source) for item in items] == [100, 110, 120]
    assert np.asarray(to_image(items[0].source))[0, 0].tolist() == [16, 16, 100]  # 4 pixels in
    assert torch.equal(items[1].source, list(data.test.items())[1].source)
    assert torch.equal(items[2].target, list(data.test.targets())[2])


@pytest.mark.parametrize(("direction", "first"), [("AtoB", 160), ("BtoA", 210)])
def test_the_truth_of_unpaired_tests_is_found_by_name(unpaired: Path, direction: str, first: int) -> None:
    """It is for scores alone: training stays unpaired."""
    for name, count, start in (("truthA", 2, 160), ("truthB", 3, 210)):
        for place in range(count):
            write(unpaired / name / f"{place}.png", start + place * 10)
    data = open_dataset(unpaired, dataclasses.replace(PLAIN, direction=direction))
    assert data.test.has_truth
    assert not data.train.batch(0, batch_size=1, seed=0).paired
    assert [level(item.target) for item in data.test.items([0, 1])] == [first, first + 10]
    (unpaired / ("truthA" if direction == "AtoB" else "truthB") / "1.png").write_bytes(b"damaged")
    assert [item.name for item in open_dataset(unpaired, dataclasses.replace(PLAIN, direction=direction)).test.items()][
        :2
    ] != ["0.png", "1.png"]


def test_a_truth_with_holes_is_no_truth_and_said_so(unpaired: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(unpaired / "truthA" / "0.png", 160)
    data = open_dataset(unpaired, PLAIN)
    assert not data.test.has_truth
    assert "The truth of 1 of 2 test images is missing, first 1.png" in caplog.text
    assert [item.target for item in data.test.items()] == [None, None]


@pytest.mark.parametrize(("size", "doubted"), [((64, 48), True), ((48, 32), False), ((64, 32), False)])
def test_photos_that_are_read_as_pairs_are_doubted_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, size: tuple[int, int], doubted: bool
) -> None:
    for place in range(3):
        (tmp_path / "train").mkdir(exist_ok=True)
        Image.new("RGB", size, (place, 0, 0)).save(tmp_path / "train" / f"{place}.png")
    data = open_dataset(tmp_path, PLAIN)
    assert data.kind == "paired"
    assert caplog.text.count("If it is a single picture") == doubted


def test_small_images_are_enlarged_to_the_crop(tmp_path: Path) -> None:
    for place in range(3):
        write(tmp_path / f"{place}.png", place, (9, 30))
    train = open_dataset(tmp_path, DataSettings(preprocess="crop", crop_size=16)).train
    assert train.batch(0, batch_size=2, seed=0).source.shape == (2, 3, 16, 16)


def test_strips_that_would_grow_without_bound_are_broken(tmp_path: Path) -> None:
    for place in range(3):
        write(tmp_path / f"{place}.png", place, (8, 50_000))
    with pytest.raises(DataError, match="3 cannot be used: Resizing 8 x 50000 pixels to 288 x 1787500"):
        open_dataset(tmp_path, DataSettings(preprocess="scale_width"))


def test_a_batch_of_two_sizes_is_refused(tmp_path: Path) -> None:
    for place in range(3):
        write(tmp_path / f"{place}.png", place, (16 + 8 * place, 16))
    train = open_dataset(tmp_path, DataSettings(preprocess="none")).train
    assert train.batch(0, batch_size=1, seed=0).source.shape[0] == 1
    with pytest.raises(DataError, match="batch size 1"):
        train.batch(0, batch_size=2, seed=0)


def test_odd_pairs_lose_their_last_column(tmp_path: Path) -> None:
    for place in range(3):
        write(tmp_path / "train" / f"{place}.png", place, (33, 20))
    batch = open_dataset(tmp_path, DataSettings(preprocess="none", no_flip=True)).train.batch(0, batch_size=1, seed=0)
    assert batch.source.shape == batch.target.shape == (1, 3, 20, 16)
    red = np.asarray(to_image(batch.target))[0, :, 0]
    assert (red[0], red[-1]) == (64, 124)


def test_held_out_images_are_not_trained_on(single: Path) -> None:
    data = open_dataset(single, SMALL)
    assert [path.name for path in data.test.source_paths] == ["09.png", "19.png"]
    assert not set(data.train.source_paths) & set(data.test.source_paths)
    assert len(data.train) + len(data.test) == 25
    (single / "03.png").write_bytes(b"")
    assert open_dataset(single, SMALL).test.source_paths == data.test.source_paths


def test_most_images_limits_training_alone(unpaired: Path, tmp_path: Path) -> None:
    limited = DataSettings(load_size=20, crop_size=16, max_dataset_size=3)
    data = open_dataset(unpaired, limited)
    assert (len(data.train.source_paths), len(data.train.target_paths), len(data.test.target_paths)) == (3, 3, 3)
    shutil.rmtree(tmp_path / "testA")
    shutil.rmtree(tmp_path / "testB")
    data = open_dataset(unpaired, limited)
    assert (len(data.train.source_paths), len(data.test.source_paths)) == (3, 1)


def test_broken_images_are_named_and_left_out(paired: Path) -> None:
    (paired / "train" / "bad.png").write_bytes(b"<html>")
    (paired / "train" / "notes.txt").write_text("no image")
    write(paired / "train" / "narrow.png", 0, (14, 30))
    write(paired / "teaser.png", 0)
    data = open_dataset(paired, SMALL)
    assert {path.name for path, _ in data.broken} == {"bad.png", "narrow.png", "teaser.png"}
    assert (len(data.train), data.summary()["broken"]) == (7, 3)
    reasons = {path.name: reason for path, reason in data.broken}
    assert "halves have 7 x 30" in reasons["narrow.png"]
    assert "beside the folders" in reasons["teaser.png"]


def test_in_large_folders_damage_shows_at_use_and_the_next_image_steps_in(
    paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (paired / "train" / "3.png").read_bytes()
    (paired / "train" / "3.png").write_bytes(whole[: len(whole) // 2])
    (paired / "val" / "1.png").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(opening, "FULL_CHECK_IMAGES", 5)
    data = open_dataset(paired, SMALL)
    assert (len(data.train), data.broken) == (7, ())
    sources, _ = sequence(data, 7)
    assert sorted(sources) == [0, 10, 20, 40, 40, 50, 60]
    assert [level(item.source) for item in data.test.items()] == [100, 120]
    assert [path.name for path, _ in data.broken] == ["3.png", "1.png"]
    assert sequence(open_dataset(paired, SMALL, cache_bytes=0), 7)[0] == sources


def test_test_images_alone_suffice_for_open_test(unpaired: Path) -> None:
    shutil.rmtree(unpaired / "trainA")
    shutil.rmtree(unpaired / "trainB")
    with pytest.raises(DataError, match="test images only"):
        open_dataset(unpaired, SMALL)
    data = open_test(unpaired, SMALL)
    assert (len(data.train), len(data.test), len(list(data.test.targets()))) == (0, 2, 3)
    with pytest.raises(DataError, match="holds no images"):
        data.train.batch(0, batch_size=1, seed=0)


@pytest.mark.parametrize("names", [("test",), ("testA", "testB"), ("val", "test")])
def test_empty_folders_for_tests_are_named(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / "shoes" / name).mkdir(parents=True)
    for opened in (open_test, open_dataset):
        with pytest.raises(DataError, match=r"shoes has folders for tests only, and they hold no images\. Add images"):
            opened(tmp_path / "shoes", SMALL)


def test_open_test_does_not_look_at_training_images(paired: Path) -> None:
    (paired / "train" / "bad.png").write_bytes(b"")
    assert open_test(paired, SMALL).broken == ()
    shutil.rmtree(paired / "val")
    data = open_test(paired, SMALL)
    assert (data.test_origin, len(data.test), len(data.broken)) == ("held out of train", 1, 1)


@pytest.mark.parametrize("case", ["test", "val"])
def test_a_test_folder_goes_before_val_unless_it_is_empty(paired: Path, case: str) -> None:
    (paired / "test").mkdir()
    if case == "test":
        write_pair(paired / "test" / "only.png", 7)
    assert {path.parent.name for path in open_dataset(paired, SMALL).test.source_paths} == {case}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"load_size": 200}, "at least the crop_size 256"),
        ({"crop_size": 130}, "multiple of 4. Choose 132"),
        ({"preprocess": "stretch"}, "Choose one of"),
        ({"max_dataset_size": 1}, "at least 2"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        open_dataset(tmp_path, DataSettings(**values))


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "kind", "counts"),
    [
        ("edges2shoes", "paired", (400, 400, 200, 200)),
        ("horse2zebra", "unpaired", (500, 500, 120, 140)),
        ("summer2winter_yosemite", "unpaired", (400, 400, 309, 238)),
    ],
)
def test_real_photos_open(real_data: Path, name: str, kind: str, counts: tuple[int, ...]) -> None:
    data = open_dataset(real_data / name, DataSettings(preprocess="none"), cache_bytes=0)
    found = [len(paths) for split in (data.train, data.test) for paths in (split.source_paths, split.target_paths)]
    assert (data.kind, tuple(found), data.broken, data.test_origin) == (kind, counts, (), "test folder")
    assert data.train.batch(0, batch_size=2, seed=0).source.shape == (2, 3, 256, 256)
