"""The memory of an ONNX session: measured in a process of its own, which is given a file and a size."""

import sys

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from coronet.sessions import peak_memory, session_options


@pytest.fixture
def onnx_path(tmp_path):
    """Give a 1 x 1 convolution from 3 to 64 channels and back, for any size."""
    there, back = (
        numpy_helper.from_array(torch.ones(shape).numpy(), name)
        for shape, name in (((64, 3, 1, 1), "there"), ((3, 64, 1, 1), "back"))
    )
    sides = ["n", 3, "h", "w"]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["input", "there"], ["wide"]),
            helper.make_node("Conv", ["wide", "back"], ["output"]),
        ],
        "wide",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, sides)],
        [there, back],
    )
    path = tmp_path / "wide.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process")
def test_memory_grows_with_the_image(onnx_path):
    small, large = (peak_memory(onnx_path, image_size=side) for side in (32, 512))
    assert 0 < small < large
    assert large - small > 0.5 * 64 * 512 * 512 * 4  # bytes of the wide layer; some of it may be reused


def test_what_cannot_be_measured_has_no_number(onnx_path):
    assert peak_memory(onnx_path.with_name("none.onnx"), image_size=32) is None
    assert peak_memory(onnx_path, image_size=32, channels=4) is None


def test_a_session_has_the_threads_asked_for():
    assert session_options(3).intra_op_num_threads == 3
