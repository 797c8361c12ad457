"""The studio for programs: every verb over HTTP, from a model's name to a zip whose sample program runs."""

import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from coronet.checkpoints import Checkpoint, save
from tests.studios import served
from tests.worlds import CONFIGS, SIDE, make_world, random_weights

ROOT = Path(__file__).resolve().parents[1]
VERBS = {
    "models", "describe", "upload_model", "preview", "translate", "start", "run", "pause", "resume", "cancel",
    "keep", "discard",
    "outcomes", "bundle",
}  # fmt: skip
LONGEST = 600.0  # seconds that the tiny run may take on a busy machine


@dataclass(frozen=True)
class Studio:
    address: str
    model: Path
    client: Client

    def ask(self, verb: str, *values: Any, **named: Any) -> Any:
        return self.client.predict(*values, api_name=f"/{verb}", **named)

    def wait(self, verb: str, state: str, **named: Any) -> dict[str, Any]:
        end = time.monotonic() + LONGEST
        while (found := self.ask(verb, **named))["state"] != state:
            assert found["state"] not in ("failed", "interrupted", "cancelled"), found["message"]
            assert time.monotonic() < end, found
            time.sleep(0.5)
        return found


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    model = folder / "tiny.safetensors"
    save(Checkpoint(CONFIGS["resnet"], random_weights(CONFIGS["resnet"], 0), {}, ()), model)
    data = make_world("paired", folder / "photos")
    with served(folder, "--model", model, "--data", data.parent) as (address, _):
        client = Client(address, verbose=False, download_files=str(folder / "answers"))
        yield Studio(address, model, client)
        client.close()


@pytest.fixture(scope="module")
def finished(studio: Studio) -> dict[str, Any]:
    settings = {"image_size": SIDE, "search_steps": 4, "finetune_steps": 4, "warmup_steps": 0}
    id = studio.ask("start", "tiny.safetensors", "photos", 2.0, settings)
    return studio.wait("run", "done", id=id)


def test_the_verbs_are_documented_and_nothing_else_is(studio: Studio) -> None:
    described = studio.client.view_api(return_format="dict")["named_endpoints"]
    assert set(described) == {f"/{verb}" for verb in VERBS}
    undescribed = [verb for verb, entry in described.items() if not entry.get("description")]
    assert undescribed == []
    assert [entry["parameter_name"] for entry in described["/start"]["parameters"]] == [
        "model",
        "data",
        "ratio",
        "settings",
    ]


def test_models_are_listed_and_described(studio: Studio) -> None:
    models = {entry["name"]: entry for entry in studio.ask("models")}
    assert models["tiny.safetensors"]["demo"] is False
    assert models["demo/shoes"]["data"] == "scenes/shoes"
    found = studio.ask("describe", model="tiny.safetensors")
    assert found["config"]["architecture"] == "resnet"
    assert found["cost"]["parameters"] > 0


def test_a_preview_has_two_pictures_and_numbers(studio: Studio, tmp_path: Path) -> None:
    Image.new("RGB", (SIDE, SIDE), "red").save(tmp_path / "red.png")
    image = handle_file(tmp_path / "red.png")
    dense, slim, numbers = studio.ask("preview", model="tiny.safetensors", ratio=3.0, image=image)
    for path in (dense, slim):
        with Image.open(path) as picture:
            assert picture.size == (SIDE, SIDE)
    assert numbers["ratio"] == pytest.approx(3.0, rel=0.1)
    with Image.open(studio.ask("translate", model="tiny.safetensors", net="model", image=image)) as picture:
        with Image.open(dense) as expected:
            assert np.abs(np.asarray(picture).astype(int) - np.asarray(expected).astype(int)).max() <= 1


def test_a_mistake_is_one_sentence(studio: Studio) -> None:
    for verb, values, words in (
        ("describe", ("../../etc/passwd",), "no model"),
        ("start", ("tiny.safetensors", "/etc"), "not in a folder"),
        ("start", ("tiny.safetensors", "photos", 500.0), "ratio"),
        ("run", ("../x",), "no run"),
        ("bundle", ("tiny.safetensors", "own/../../etc"), "no net"),
        ("outcomes", ("nothing",), "no model"),
    ):
        with pytest.raises(Exception, match=words) as error:
            studio.ask(verb, *values)
        assert "Traceback" not in str(error.value)


def test_an_uploaded_model_has_a_name(studio: Studio) -> None:
    name = studio.ask("upload_model", file=handle_file(studio.model))
    assert re.fullmatch(r"uploaded/tiny-[0-9a-f]{16}", name), "nobody can guess it"
    assert name in {entry["name"] for entry in studio.ask("models")}


def test_a_run_is_started_and_done(studio: Studio, finished: dict[str, Any]) -> None:
    assert finished["done"] == finished["total"] == 8
    assert finished["report"]["ratio"] == pytest.approx(2.0, rel=0.25)
    assert httpx.get(studio.address + finished["files"]["slim.onnx"]).status_code == 200
    states = [studio.ask(wish, id=finished["id"]) for wish in ("pause", "cancel", "resume")]
    assert states == ["done", "done", "done"]
    (outcome,) = studio.ask("outcomes", model="tiny.safetensors")
    assert outcome["net"] == f"own/{finished['id']}"
    assert outcome["slim"]["macs"] < outcome["dense"]["macs"]


def test_a_prepared_zip_works_at_home(studio: Studio, finished: dict[str, Any], tmp_path: Path) -> None:
    found = studio.wait("bundle", "ready", model="tiny.safetensors", net=f"own/{finished['id']}")
    assert [row["precision"] for row in found["kit"]["variants"]] == ["fp32", "fp16", "int8"]
    answer = httpx.get(studio.address + found["files"]["bundle.zip"])
    assert "attachment" in answer.headers["content-disposition"]
    (tmp_path / "slim.zip").write_bytes(answer.content)
    with zipfile.ZipFile(tmp_path / "slim.zip") as archive:
        archive.extractall(tmp_path)
    home = tmp_path / f"{finished['id']}-bundle"
    assert httpx.get(studio.address + found["files"]["fp32.onnx"]).content == (home / "fp32.onnx").read_bytes()
    command = [sys.executable, "-I", str(home / "sample.py"), str(home / "test" / "1-input.png"), "out.png"]
    subprocess.run(command, cwd=tmp_path, check=True)
    with Image.open(tmp_path / "out.png") as made, Image.open(home / "test" / "1-output.png") as wanted:
        assert np.abs(np.asarray(made).astype(int) - np.asarray(wanted).astype(int)).max() <= 1


def test_curl_needs_two_calls(studio: Studio) -> None:
    """As the README shows it: one call asks, the other reads the answer."""
    begun = httpx.post(f"{studio.address}/gradio_api/call/models", json={"data": []}).json()["event_id"]
    answer = httpx.get(f"{studio.address}/gradio_api/call/models/{begun}").text
    assert answer.startswith("event: complete")
    assert "demo/shoes" in answer
