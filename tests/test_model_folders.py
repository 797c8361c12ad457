"""Finding models: checkpoint folders, run folders, demo names, and files that are no models at all."""

import os
from pathlib import Path

import pytest
import safetensors.torch

from coronet import demos
from coronet.checkpoints import Checkpoint, companions, load, load_folder, resolve_model, save
from coronet.demos import Direction
from coronet.errors import CheckpointError
from tests.nets import random_net
from tests.reference_nets import Resnet, randomised

PUBLISHED_FOLDER = (
    "latest_net_G_A.pth latest_net_G_B.pth latest_net_D_A.pth latest_net_D_B.pth 200_net_G_A.pth 5_net_D_A.pth "
    "iter_9000_net_G_A.pth loss_log.txt notes_net_G.pth"
)


def _folder(path: Path, names: str) -> Path:
    path.mkdir()
    for name in names.split():
        (path / name).touch()
    return path


def test_newest_networks_of_a_folder_are_paired(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "cyclegan", PUBLISHED_FOLDER)
    (folder / "train_opt.txt").write_text(
        "----------------- Options ---------------\n               crop_size: 128       \t[default: 256]\n"
        "                dataroot: C:/data: horses           \nnonsense\n: empty\n----------------- End ----\n"
    )
    family = load_folder(folder)
    assert {name: path.name for name, path in family.generators.items()} == {
        "G_A": "latest_net_G_A.pth",
        "G_B": "latest_net_G_B.pth",
    }
    assert {name: path.name for name, path in family.discriminators.items()} == {
        "D_A": "latest_net_D_A.pth",
        "D_B": "latest_net_D_B.pth",
    }
    assert family.options == {"crop_size": "128", "dataroot": "C:/data: horses"}
    assert family.generator("AtoB").name == "latest_net_G_A.pth"
    assert family.generator("BtoA").name == "latest_net_G_B.pth"
    assert companions(folder / "latest_net_G_A.pth") == family
    assert companions(folder) == family
    assert list(companions(folder / "200_net_G_A.pth").generators) == ["G_A"]


def _published(path: Path, blocks: int) -> None:
    """Write a published generator without a pickle: the content decides, not the suffix."""
    state = randomised(Resnet([4, 8, 8, *[8] * blocks, 8, 4])).state_dict()
    path.write_bytes(safetensors.torch.save(dict(state)))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("5_net_G.pth 10_net_G.pth 9_net_G.pth 10_net_D.pth 9_net_D.pth", "10_net_G.pth 10_net_D.pth"),
        ("iter_500_net_G.pth iter_1000_net_G.pth iter_500_net_D.pth", "iter_1000_net_G.pth iter_500_net_D.pth"),
        ("iter_90000_net_G.pth 1_net_G.pth", "1_net_G.pth"),
        ("horse2zebra.pth readme.txt", "horse2zebra.pth"),
        (
            "generator.safetensors slim.safetensors discriminator.safetensors state.pt",
            "slim.safetensors discriminator.safetensors",
        ),
        ("generator.safetensors report.json state.pt", "generator.safetensors"),
        ("D.safetensors generator.safetensors", "generator.safetensors D.safetensors"),
        (
            "D_A.safetensors D_B.safetensors backward.safetensors generator.safetensors",
            "generator.safetensors backward.safetensors D_A.safetensors D_B.safetensors",
        ),
        ("other.safetensors report.json", "other.safetensors"),
    ],
)
def test_folder_picks(tmp_path: Path, names: str, expected: str) -> None:
    family = load_folder(_folder(tmp_path / "folder", names))
    assert [path.name for path in (*family.generators.values(), *family.discriminators.values())] == expected.split()


@pytest.mark.parametrize(("names", "message"), [("a.txt", "holds no generator"), ("a.pth b.pth", "holds 2 models")])
def test_folder_without_a_choice_is_explained(tmp_path: Path, names: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load(_folder(tmp_path / "folder", names))


@pytest.mark.parametrize(("size", "expected"), [("128", 128), ("130", 256), ("99999", 256), ("-4", 256), ("x", 256)])
def test_folder_load_takes_direction_and_crop_size(tmp_path: Path, size: str, expected: int) -> None:
    for name, blocks in (("latest_net_G_A.pth", 2), ("latest_net_G_B.pth", 3)):
        _published(tmp_path / name, blocks)
    (tmp_path / "train_opt.txt").write_text(f"  crop_size: {size}\n")
    assert load(tmp_path).config.blocks == 2
    assert load(tmp_path, direction="BtoA").config.blocks == 3
    assert load(tmp_path / "latest_net_G_B.pth").config.image_size == expected
    assert load(tmp_path).config.image_size == expected
    assert any(f"Image size {expected}" in reason for reason in load(tmp_path).reasons)


@pytest.mark.parametrize(("only", "direction"), [("A", "BtoA"), ("B", "AtoB")])
def test_a_folder_never_gives_the_opposite_direction(tmp_path: Path, only: str, direction: Direction) -> None:
    _published(tmp_path / f"latest_net_G_{only}.pth", 2)
    with pytest.raises(CheckpointError, match=f"other direction only .latest_net_G_{only}.pth., none for {direction}"):
        load(tmp_path, direction=direction)


def test_networks_of_a_cyclegan_run_are_paired(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "run", "generator.safetensors backward.safetensors D_A.safetensors D_B.safetensors")
    family = companions(folder / "generator.safetensors")
    assert {name: path.stem for name, path in (family.generators | family.discriminators).items()} == {
        "G_A": "generator",
        "G_B": "backward",
        "D_A": "D_A",
        "D_B": "D_B",
    }


def test_run_folder_gives_the_slim_generator(tmp_path: Path) -> None:
    for name, net in (("generator", "resnet"), ("slim", "mobile_resnet")):
        network, _ = random_net(net)
        save(Checkpoint(network.config, dict(network.state_dict())), tmp_path / f"{name}.safetensors")
    assert load(tmp_path).config.architecture == "mobile_resnet"


def test_demo_names_and_near_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demos, "DEMO_FOLDER", tmp_path)
    for name in ("shoes/generator", "horses/backward"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / f"{name}.safetensors").touch()
    assert resolve_model("demo/shoes") == tmp_path / "shoes" / "generator.safetensors"
    assert resolve_model("demo/zebra2horse") == tmp_path / "horses" / "backward.safetensors"
    assert resolve_model(str(tmp_path)) == tmp_path
    with pytest.raises(
        CheckpointError, match=r"Did you mean 'demo/shoes'\? Demo models: demo/shoes, demo/zebra2horse\.$"
    ):
        resolve_model("demo/shoos")
    with pytest.raises(CheckpointError, match=r"Did you mean 'generator.safetensors'"):
        resolve_model(str(tmp_path / "shoes" / "generatr.safetensors"))
    for text in ("", "demo/../shoes", "demo/", "a\0b", "x" * 10_000, "\n"):
        with pytest.raises(CheckpointError) as caught:
            resolve_model(text)
        assert "\n" not in str(caught.value)


NO_MODELS = {
    "page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "is a web page: the download failed"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(100), "is a PNG image"),
    "onnx": (b"\x08\x07\x12\x07pytorch" + bytes(100), "is an ONNX model"),
    "gzip": (b"\x1f\x8b" + bytes(100), "Unpack it"),
    "text": (b"hello there", "is a text file"),
    "json": (b'{"a": 1}', "is a text file"),
    "zeros": (bytes(1000), "is no PyTorch or safetensors file"),
    "old_tar": (b"sys_info".ljust(257, b"\0") + b"ustar" + bytes(300), "PyTorch 0.1"),
    "tar": (b"a.pth".ljust(257, b"\0") + b"ustar" + bytes(300), "tar archive"),
    "empty": (b"", "is empty"),
    "one_byte": (b"\x80", "cannot be parsed"),
    "safetensors": (b"\x20\0\0\0\0\0\0\0{" + bytes(40), "is damaged or truncated"),
}


@pytest.mark.parametrize("name", NO_MODELS)
def test_other_files_are_named(tmp_path: Path, name: str) -> None:
    content, message = NO_MODELS[name]
    (tmp_path / "model.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load(tmp_path / "model.pth")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("model.pth ")


def test_odd_paths_are_explained(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "dangling.pth").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.pth").symlink_to(tmp_path / "loop.pth")
    (tmp_path / "device.pth").symlink_to("/dev/zero")
    with (tmp_path / "large.pth").open("wb") as file:
        file.truncate(2 * 2**30 + 1)
    for name, message in {
        "pipe.pth": "is a pipe",
        "dangling.pth": "leads nowhere",
        "loop.pth": "cannot be read",
        "device.pth": "a device",
        "large.pth": "2.0 GiB",
        "absent.pth": "does not exist",
        "new\nline.pth": r"new\?line.pth does not exist",
        "zero\0.pth": "cannot be read",
        "x" * 5000: "cannot be read",
    }.items():
        with pytest.raises(CheckpointError, match=message) as caught:
            load(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_link_to_a_model_is_followed(tmp_path: Path) -> None:
    _published(tmp_path / "model.pth", 2)
    (tmp_path / "link.pth").symlink_to(tmp_path / "model.pth")
    assert load(tmp_path / "link.pth").lineage["source"] == "link.pth"
