"""What the README shows runs as it stands there, on a tiny model and tiny data."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.worlds import make_model, make_world

README = Path(__file__).resolve().parents[1] / "README.md"
SHORT = (
    '"search_steps": 2, "finetune_steps": 2, "warmup_steps": 0, "importance_images": 1, '
    '"image_size": 32, "ndf": 4, "threads": 1'
)
REPLACED = {
    "latest_net_G_A.pth": "model.safetensors",
    "datasets/horse2zebra": "data",
    '"minutes": 30.0': SHORT,
}


def blocks(language):
    """Give the code blocks of a language."""
    return [part.partition("```")[0] for part in README.read_text(encoding="utf-8").split(f"```{language}\n")[1:]]


def test_the_python_example(tmp_path, monkeypatch, capsys):
    (code,) = (block for block in blocks("python") if "from coronet import" in block)
    for shown, tiny in REPLACED.items():
        assert shown in code
        code = code.replace(shown, tiny)
    monkeypatch.chdir(tmp_path)
    make_model("resnet", Path("model.safetensors"))
    make_world("unpaired", Path("data"))
    Image.effect_noise((32, 32), 50).convert("RGB").save("horse.jpg")
    exec(compile(code, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" {")[0] for line in lines[-5:-1]] == ["1 4", "2 4", "3 4", "4 4"]
    report = json.loads(Path("runs/horse4/report.json").read_text())
    assert lines[-1] == str(report["slim"])
    assert report["ratio"] == pytest.approx(4, rel=0.02)
    assert Path("runs/horse4/slim.onnx").exists()
    with Image.open("preview.png") as picture:
        assert picture.size == (32, 32)
