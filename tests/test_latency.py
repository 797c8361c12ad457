"""The latency table: who runs when, what is counted, and what stands in a row. No test compares two timings."""

import json

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from coronet.errors import CheckpointError, DataError, SettingsError
from coronet.metrics import latency
from coronet.metrics.latency import measure, processor_name
from coronet.runtime import open_onnx
from tests.nets import random_net


@pytest.fixture
def onnx_path(tmp_path):
    """A 1x1 convolution and tanh for sizes that are multiples of 8."""
    weight = numpy_helper.from_array(torch.eye(3).reshape(3, 3, 1, 1).numpy(), "weight")
    sides = ["n", 3, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "weight"], ["mixed"]), helper.make_node("Tanh", ["mixed"], ["output"])],
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, sides)],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {"size_multiple": "8"})
    path = tmp_path / "tiny.onnx"
    onnx.save(model, path)
    return path


def test_models_run_in_turn_and_another_one_begins_each_round():
    calls = []
    models = [(name, lambda images, name=name: calls.append(name) or images) for name in "abc"]
    measure(models, image_size=8, warmup=1, repeats=3)
    assert "".join(calls) == "abc" + "bca" + "cab" + "abc"


def test_warm_up_is_not_counted_and_every_repeat_is():
    calls = []
    (row,) = measure([("a", lambda images: calls.append(1) or images)], image_size=8, warmup=4, repeats=7)
    assert len(calls) == 11
    assert row.repeats == 7


def test_all_models_get_the_same_single_image_in_range():
    seen = []
    measure([(name, lambda x: seen.append(x) or x) for name in "ab"], image_size=16, warmup=0, repeats=2)
    assert all(torch.equal(image, seen[0]) for image in seen)
    assert seen[0].shape == (1, 3, 16, 16)
    assert seen[0].abs().max() <= 1
    assert seen[0].std() > 0.3


def test_rows_say_what_was_measured(onnx_path):
    net, _ = random_net("resnet")
    rows = measure(
        [("net", net), ("file", onnx_path), ("opened", open_onnx(onnx_path)), ("function", torch.tanh)],
        image_size=32,
        threads=1,
        warmup=1,
        repeats=5,
    )
    assert [row.model for row in rows] == ["net", "file", "opened", "function"]
    assert [row.engine for row in rows] == ["PyTorch", "ONNX Runtime", "ONNX Runtime", "PyTorch"]
    weights = sum(tensor.nbytes for tensor in net.state_dict().values())
    size = onnx_path.stat().st_size
    assert [row.bytes for row in rows] == [weights, size, size, None]
    for row in rows:
        assert 0 < row.minimum_ms <= row.median_ms <= row.p90_ms
        assert (row.precision, row.threads, row.image_size, row.repeats) == ("fp32", 1, 32, 5)
        assert row.cpu == processor_name()
        assert json.loads(json.dumps(row.to_json())) == row.to_json()


def test_module_is_measured_in_evaluation_mode_and_left_as_it_was():
    class Recorder(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(3)
            self.modes = []

        def forward(self, images):
            assert not self.training
            assert not torch.is_grad_enabled()
            return self.norm(images)

    module = Recorder().train()
    measure([("module", module)], image_size=8, warmup=1, repeats=1)
    assert module.training
    assert module.norm.num_batches_tracked == 0


def test_number_of_threads_arrives_and_is_put_back():
    before = torch.get_num_threads()
    seen = []
    (row,) = measure(
        [("a", lambda x: seen.append(torch.get_num_threads()) or x)], image_size=8, threads=2, warmup=0, repeats=1
    )
    assert seen == [2]
    assert row.threads == 2
    assert torch.get_num_threads() == before


def test_threads_are_put_back_after_a_failure():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        measure([("a", lambda x: 1 / 0)], image_size=8, threads=before + 1)
    assert torch.get_num_threads() == before


def test_opened_model_keeps_its_threads(onnx_path):
    (row,) = measure([("a", open_onnx(onnx_path, threads=2))], image_size=8, threads=1, warmup=0, repeats=1)
    assert row.threads == 2


@pytest.mark.parametrize("wrong", [{"image_size": 0}, {"threads": 0}, {"warmup": -1}, {"repeats": 0}])
def test_numbers_out_of_range_are_settings_errors(wrong):
    (name,) = wrong
    with pytest.raises(SettingsError, match=f"'{name}' is {wrong[name]}, but must be at least"):
        measure([("a", torch.tanh)], **wrong)


@pytest.mark.parametrize("wrong", [{"image_size": 4_000_000}, {"threads": 99_999_999_999}])
def test_numbers_beyond_any_machine_are_settings_errors(wrong):
    (name,) = wrong
    with pytest.raises(SettingsError, match=f"'{name}' is {wrong[name]}, but must be at most"):
        measure([("a", torch.tanh)], **wrong)


def test_nothing_to_measure_is_a_settings_error():
    with pytest.raises(SettingsError, match="'models' is 0"):
        measure([])


def test_image_size_that_a_net_does_not_take_is_named():
    net, _ = random_net("unet")
    with pytest.raises(SettingsError, match="'image_size' is 48, but shoes needs a multiple of 32"):
        measure([("shoes", net)], image_size=48)


def test_image_size_that_a_file_does_not_take_is_named(onnx_path):
    with pytest.raises(DataError, match="multiples of 8, not 20 x 20"):
        measure([("a", onnx_path)], image_size=20)


def test_missing_file_is_a_checkpoint_error(tmp_path):
    with pytest.raises(CheckpointError, match="nothing is there"):
        measure([("a", tmp_path / "none.onnx")], image_size=8)


def test_processor_is_named_by_its_maker(tmp_path, monkeypatch):
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nmodel name\t: Example  CPU @ 3 GHz\nprocessor\t: 1\n", encoding="utf-8")
    monkeypatch.setattr(latency, "_CPU_FILE", listing)
    assert processor_name() == "Example CPU @ 3 GHz"


@pytest.mark.parametrize("text", [None, "processor : 0\nmodel name :\n"])
def test_processor_without_a_name_has_a_family(tmp_path, monkeypatch, text):
    listing = tmp_path / "cpuinfo"
    if text is not None:
        listing.write_text(text, encoding="utf-8")
    monkeypatch.setattr(latency, "_CPU_FILE", listing)
    assert processor_name()
