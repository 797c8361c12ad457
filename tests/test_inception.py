"""The FID Inception: equal to pytorch-fid's on the same weights, and plain about files that are not it."""

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from coronet.errors import CheckpointError, RunError, SettingsError
from coronet.images import open_image, to_image, to_tensor
from coronet.metrics import extractors, inception_session
from coronet.metrics.distribution import describe, frechet_score, kernel_score
from coronet.metrics.extractors import official_file, open_extractor
from coronet.metrics.features import PROXY_FILE
from coronet.metrics.inception import OFFICIAL, load_inception
from coronet.metrics.inception_session import open_inception
from coronet.tensor_files import read_tensor_file
from tests.inception_weights import random_weights, theirs, write_random, write_stopping_at_6e

UP_TO_6E = "inception_2015_12_05_to_Mixed_6e.safetensors"


@pytest.fixture(scope="module")
def official_form(tmp_path_factory):
    """Give a file with all blocks and random weights."""
    return write_random(tmp_path_factory.mktemp("weights") / "all_blocks.safetensors")


@pytest.fixture(scope="module")
def short_form(tmp_path_factory):
    """Give a file that stops at Mixed_6e, with random weights."""
    return write_stopping_at_6e(tmp_path_factory.mktemp("weights") / "short.safetensors")


@pytest.fixture(autouse=True)
def _alone(tmp_path_factory, monkeypatch):
    """Keep the caches of this machine out, and torch on one thread."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.getbasetemp() / "nothing here"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pictures(count, *, side=64, seed=0):
    """Draw smooth coloured noise, rounded as a file would be."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=random) * 2 - 1
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)
    return torch.stack([to_tensor(to_image(image)) for image in smooth])


def folder_of(folder, images):
    folder.mkdir()
    for number, image in enumerate(images):
        to_image(image).save(folder / f"{number:03d}.png")
    return folder


def read(folder):
    return [to_tensor(open_image(path)) for path in sorted(folder.iterdir())]


def their_distance(first, second, network, length):
    """Run pytorch-fid's own functions on two folders, their reading of files included."""
    from pytorch_fid import fid_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's about its own sqrtm
        means = [
            fid_score.compute_statistics_of_path(str(folder), network, 10, length, "cpu", 0)
            for folder in (first, second)
        ]
        return float(fid_score.calculate_frechet_distance(*means[0], *means[1]))


def check_agreement(path, length, monkeypatch, tmp_path, images):
    weights = dict(read_tensor_file(path).tensors)
    network = theirs(weights, length, monkeypatch)
    half = len(images) // 2
    first, second = folder_of(tmp_path / "first", images[:half]), folder_of(tmp_path / "second", images[half:])
    extractor = open_extractor(f"inception-{length}", path)
    sets = [describe(extractor, read(folder)) for folder in (first, second)]
    with torch.inference_mode():
        expected = network((images[:2] + 1) / 2)[0].mean(dim=(2, 3))
    np.testing.assert_allclose(sets[0].features[:2], expected, atol=1e-4)
    ours = frechet_score(extractor, *sets)
    assert ours.value == pytest.approx(their_distance(first, second, network, length), rel=1e-3)
    return ours


@pytest.mark.slow
@pytest.mark.real
def test_fid_768_is_that_of_pytorch_fid(real_weights, monkeypatch, tmp_path):
    found = check_agreement(real_weights / UP_TO_6E, 768, monkeypatch, tmp_path, pictures(40))
    assert (found.name, found.features) == ("FID-768", "inception-768")


@pytest.mark.slow
def test_fid_is_that_of_pytorch_fid(official_form, monkeypatch, tmp_path):
    found = check_agreement(official_form, 2048, monkeypatch, tmp_path, pictures(40))
    assert (found.name, found.features) == ("FID", "inception-2048")


@pytest.mark.parametrize("length", [768, 2048])
def test_features_are_those_of_pytorch_fid(length, official_form, monkeypatch):
    images = pictures(2)
    network = theirs(random_weights(), length, monkeypatch)
    with torch.inference_mode():
        expected = network((images + 1) / 2)[0].mean(dim=(2, 3))
    found = open_inception(official_form, length).features(images)
    assert found.shape == (2, length)
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "size", "mode"),
    [
        ("photo.jpg", (64, 64), "RGB"),
        ("wide.png", (90, 40), "RGB"),
        ("large.png", (420, 350), "RGB"),
        ("grey.png", (64, 64), "L"),
        ("grey.jpg", (70, 64), "L"),
        ("palette.png", (64, 64), "P"),
    ],
)
def test_files_are_read_as_pytorch_fid_reads_them(name, size, mode, official_form, monkeypatch, tmp_path):
    from pytorch_fid import fid_score

    path = tmp_path / name
    to_image(pictures(1, side=64)[0]).resize(size).convert(mode).save(path)
    network = theirs(random_weights(), 768, monkeypatch)
    expected = fid_score.get_activations([path], network, 1, 768, "cpu", 0)
    found = open_inception(official_form, 768).features([to_tensor(open_image(path))])
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.real
def test_features_are_those_of_pytorch_fid_on_real_weights(real_weights, monkeypatch):
    path, images = real_weights / UP_TO_6E, pictures(2)
    network = theirs(dict(read_tensor_file(path).tensors), 768, monkeypatch)
    with torch.inference_mode():
        expected = network((images + 1) / 2)[0].mean(dim=(2, 3))
    np.testing.assert_allclose(open_inception(path).features(images), expected, atol=1e-4)


@pytest.mark.slow
def test_a_pth_as_the_official_one_is_read_through_the_sandbox(tmp_path, official_form):
    path = write_random(tmp_path / "all_blocks.pth")
    images = pictures(2)
    by_pth, by_safetensors = (open_inception(one).features(images) for one in (path, official_form))
    np.testing.assert_array_equal(by_pth, by_safetensors)


def test_images_of_any_sizes_share_a_batch(short_form):
    network = open_inception(short_form)
    mixed = [pictures(1, side=40)[0], pictures(2, seed=1), pictures(1, side=299, seed=2)]
    found = network.features(mixed)
    assert found.shape == (4, 768)
    alone = [network.features([image]) for image in (mixed[0], *mixed[1], mixed[2])]
    np.testing.assert_allclose(found, np.concatenate(alone), atol=1e-5)


def test_a_graph_met_again_needs_no_torchvision(short_form):
    image = torch.zeros(3, 299, 299)
    expected = open_inception(short_form, 768).features([image])
    program = (
        "import sys, torch; from pathlib import Path; from coronet.metrics.inception_session import open_inception\n"
        "torch.set_num_threads(1)\n"
        f"found = open_inception(Path({str(short_form)!r}), 768).features([torch.zeros(3, 299, 299)])\n"
        "print('torchvision' in sys.modules, found[0].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"False {expected[0].tolist()}\n"


@pytest.fixture(scope="module")
def short_graph(short_form):
    """Give the graph of the short form."""
    return inception_session._graph(load_inception(short_form))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-1], id="cut"),
        pytest.param(lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:], id="one bit"),
        pytest.param(lambda data: b"", id="empty"),
    ],
)
def test_a_damaged_graph_is_made_anew(short_form, short_graph, tmp_path, monkeypatch, damage):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []
    monkeypatch.setattr(inception_session, "_graph", lambda network: made.append(1) or short_graph)
    open_inception(short_form)
    (kept,) = tmp_path.rglob("*.onnx")
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    open_inception(short_form)
    assert (len(made), kept.read_bytes()) == (2, whole)
    open_inception(short_form)
    assert len(made) == 2


def test_a_graph_of_other_features_is_refused_and_not_kept(short_form, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    other = load_inception(short_form)
    other.blocks.Conv2d_1a_3x3.conv.weight *= 1.01
    graph = inception_session._graph(other)
    monkeypatch.setattr(inception_session, "_graph", lambda network: graph)
    with pytest.raises(RunError, match=r"differ by 0\.\d+, more than 0\.0001: no FID of this machine can be trusted"):
        open_inception(short_form)
    assert list(tmp_path.rglob("*.onnx")) == []


@pytest.mark.parametrize("length", [None, 768])
def test_a_kept_graph_that_may_only_be_read_is_taken(short_form, short_graph, tmp_path, monkeypatch, length):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []
    monkeypatch.setattr(inception_session, "_graph", lambda network: made.append(1) or short_graph)
    open_inception(short_form)

    def refused(*arguments, **choices):
        raise PermissionError

    monkeypatch.setattr(os, "utime", refused)
    assert open_inception(short_form, length).length == 768
    assert len(made) == 1


def test_without_room_for_the_graph_it_is_made_again(short_form, short_graph, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("no folder")
    made = []
    monkeypatch.setattr(inception_session, "_graph", lambda network: made.append(1) or short_graph)
    assert [open_inception(short_form).length for _ in range(2)] == [768, 768]
    assert len(made) == 2


def test_weights_that_overflow_are_refused(short_graph, tmp_path, monkeypatch):
    weights = {name: t for name, t in random_weights().items() if not name.startswith(("Mixed_7", "fc."))}
    weights["Conv2d_1a_3x3.bn.weight"] = torch.full_like(weights["Conv2d_1a_3x3.bn.weight"], 3e38)
    safetensors.torch.save_file(weights, tmp_path / "large.safetensors")
    monkeypatch.setattr(inception_session, "_graph", lambda network: short_graph)
    with pytest.raises(CheckpointError, match="gives features that are infinite or no numbers"):
        open_inception(tmp_path / "large.safetensors")


def test_the_graphs_used_longest_ago_go(tmp_path):
    names = [tmp_path / "inception" / f"{number}.onnx" for number in range(4)]
    for number, path in enumerate(names[:3]):
        inception_session._keep(path, b"graph")
        os.utime(path, (number, number))
    assert inception_session._read(names[0]) == b"graph"  # used just now
    inception_session._keep(names[3], b"graph")
    assert sorted((tmp_path / "inception").iterdir()) == [names[0], names[2], names[3]]


# Which file is taken, and what is said of others


def test_the_best_features_of_a_file_are_taken(official_form, short_form):
    assert open_extractor("auto", official_form).name == "inception-2048"
    assert open_extractor("auto", short_form).name == "inception-768"
    assert open_extractor("inception-768", official_form).length == 768
    assert open_extractor("auto").name == "proxy"  # nothing is there, and nothing is fetched


def test_the_official_place_is_torchs_own(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert official_file() == tmp_path / "hub" / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"


def test_a_file_of_the_official_name_must_be_the_official_one(tmp_path, monkeypatch, official_form):
    path = tmp_path / "hub" / "checkpoints" / OFFICIAL.file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(official_form.read_bytes())
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match="its name says 6726825d: it is damaged"):
        open_extractor()


def test_the_protocol_names_the_weights(short_form):
    assert "weights with SHA-256" in open_extractor("auto", short_form).protocol


def test_a_score_says_that_its_weights_are_not_the_official_file(official_form, monkeypatch):
    def noted():
        extractor = open_extractor("inception-768", official_form)
        few = replace(extractor, features=lambda images: np.stack([image[:, 0, 0].numpy() for image in images]))
        sets = [describe(few, pictures(20, side=4, seed=seed)) for seed in (0, 1)]
        return [score(few, *sets).note for score in (frechet_score, kernel_score)]

    assert all("all_blocks.safetensors is not the official file" in note for note in noted())
    monkeypatch.setattr(extractors, "OFFICIAL", replace(OFFICIAL, sha256=read_tensor_file(official_form).sha256))
    assert not any("official" in note for note in noted())


def no_file(folder):
    return folder / "none.pth"


def cut_file(folder):
    path = folder / "cut.pth"
    torch.save({"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 3, 3, 3)}, path)
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def picture_file(folder):
    Image.new("RGB", (8, 8)).save(folder / "picture.png")
    return folder / "picture.png"


def misshapen_file(folder):
    weights = random_weights() | {"Mixed_5b.branch1x1.conv.weight": torch.zeros(64, 192, 3, 3)}
    safetensors.torch.save_file(weights, folder / "misshapen.safetensors")
    return folder / "misshapen.safetensors"


def imagenet_file(folder):
    """Write what torchvision's classifier looks like: the same blocks, other ends."""
    auxiliary = {"AuxLogits.conv0.conv.weight": torch.zeros(128, 768, 1, 1)}
    safetensors.torch.save_file(random_weights() | auxiliary, folder / "imagenet.safetensors")
    return folder / "imagenet.safetensors"


def thousand_classes_file(folder):
    weights = random_weights() | {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    safetensors.torch.save_file(weights, folder / "classes.safetensors")
    return folder / "classes.safetensors"


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (imagenet_file, "has an auxiliary classifier: it is a classifier such as torchvision's"),
        (thousand_classes_file, r"a last layer of shape \(1000, 2048\) where the FID Inception has 1008 rows"),
        (no_file, "does not exist"),
        (cut_file, "cut.pth"),
        (picture_file, "is a PNG image"),
        (lambda folder: PROXY_FILE, "does not hold 'Conv2d_1a_3x3.conv.weight' of the FID Inception"),
        (misshapen_file, r"of shape \(64, 192, 3, 3\) instead of \(64, 192, 1, 1\)"),
        (lambda folder: folder, "is a folder"),
    ],
)
def test_other_files_are_refused_in_one_line(make, complaint, tmp_path):
    with pytest.raises(CheckpointError, match=complaint) as caught:
        open_extractor("auto", make(tmp_path))
    assert "\n" not in str(caught.value)


def test_features_the_file_lacks_are_refused(short_form):
    with pytest.raises(CheckpointError, match="stops at Mixed_6e, which has 768 features and not the 2048 of FID"):
        open_extractor("inception-2048", short_form)


def test_inception_without_its_weights_is_refused():
    with pytest.raises(CheckpointError, match="'coronet download fid_inception' fetches"):
        open_extractor("inception-2048")


def test_a_file_that_would_not_be_used_is_refused():
    with pytest.raises(SettingsError, match=r"'inception' names some\.pth"):
        open_extractor("proxy", Path("some.pth"))
