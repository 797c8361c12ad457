"""Exported files compute what torch computes, at any size; what is not good enough or not trusted is refused."""

import hashlib
import json
import logging
import sys
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from coronet import export
from coronet.checkpoints import build_generator, load
from coronet.errors import CheckpointError, DataError, ExportError, RunError
from coronet.export import LARGEST_DIFFERENCE, open_onnx, to_onnx
from coronet.images import open_image, to_tensor
from coronet.networks import build, config_from_json, unet_config
from coronet.similarity import psnr
from tests.nets import TINY, random_net


def nets(*always):
    """List all nets; those not named run with --slow only, for an export takes seconds."""
    return [name if name in always else pytest.param(name, marks=pytest.mark.slow) for name in TINY]


ROOT = Path(__file__).resolve().parents[1]


def pictures(name):
    _, images = random_net(name)
    return list(images.split(1))


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Export a tiny net once per precision."""
    folder = tmp_path_factory.mktemp("onnx")

    @cache
    def make(name, precision="fp32"):
        net, _ = random_net(name)
        path = folder / f"{name}.{precision}.onnx"
        return to_onnx(net, path, images=pictures(name), precision=precision, lineage={"parent": "grün"})

    return make


@torch.inference_mode()
def differences(name, path, images):
    net, _ = random_net(name)
    return net(images) - open_onnx(path)(images)


@pytest.mark.parametrize("name", nets("resnet", "mobile_resnet_batch", "unet"))
def test_onnx_equals_torch_at_other_sizes_and_batches(name, exported):
    path = exported(name).path
    multiple = TINY[name].size_multiple
    for batch, height, width in ((3, 320, 192), (1, max(8, multiple), 2 * max(8, multiple)), (2, 64, 128)):
        images = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1
        assert differences(name, path, images).abs().max() < LARGEST_DIFFERENCE


def test_unet_runs_at_its_smallest_size(exported):
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert differences("unet", exported("unet").path, images).abs().max() < LARGEST_DIFFERENCE


def test_report_says_what_was_found(exported):
    result = exported("resnet")
    data = result.path.read_bytes()
    assert (result.bytes, result.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    found = [differences("resnet", result.path, image) for image in pictures("resnet")]
    assert result.max_abs_difference == pytest.approx(max(float(d.abs().max()) for d in found), rel=0.5)
    assert 0 < result.max_abs_difference < LARGEST_DIFFERENCE
    assert 80 < result.psnr_db <= 200
    assert (result.precision, result.forced, result.images) == ("fp32", False, 2)
    assert result.checked_on == "real images"
    values = result.to_json()
    assert json.loads(json.dumps(values)) == values
    assert values["path"] == str(result.path)


def test_metadata_tells_how_to_use_the_file_alone(exported):
    notes = open_onnx(exported("unet").path).metadata
    assert notes["preprocessing"] == "RGB, [-1, 1], NCHW, sides multiples of 32"
    assert notes["postprocessing"].startswith("clamp to [-1, 1]")
    assert (notes["size_multiple"], notes["input_channels"], notes["output_channels"]) == ("32", "3", "3")
    assert (notes["architecture"], notes["precision"]) == ("unet", "fp32")
    assert notes["created_by"] == "CoroNet Studio"
    assert json.loads(notes["lineage"]) == {"parent": "grün"}
    assert config_from_json(json.loads(notes["config"])) == open_onnx(exported("unet").path).config


def test_graph_is_plain_and_tells_nothing_about_this_machine(exported):
    data = exported("resnet").path.read_bytes()
    model = onnx.load_model_from_string(data)
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("InstanceNormalization") == 9
    assert set(operators) == {"Conv", "ConvTranspose", "InstanceNormalization", "Pad", "Relu", "Add", "Tanh"}
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["input", "output"]
    sides = [[side.dim_param or side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]]
    assert sides == [["batch", 3, "height", "width"]]
    for trace in (str(ROOT), sys.prefix, "resnet.py", "stack_trace"):
        assert trace.encode() not in data
    onnx.checker.check_model(model, full_check=True)


def test_batch_norm_is_folded_away(exported):
    model = onnx.load(exported("mobile_resnet_batch").path)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


@pytest.mark.slow
def test_same_net_gives_the_same_file(exported, tmp_path):
    net, _ = random_net("resnet")
    again = to_onnx(net, tmp_path / "again.onnx", images=pictures("resnet"), lineage={"parent": "grün"})
    assert again.sha256 == exported("resnet").sha256


def test_generator_is_left_as_it_was_and_synthetic_images_are_named(tmp_path):
    net, _ = random_net("mobile_resnet_batch")
    net.train()
    net.stem_norm.eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    result = to_onnx(net, tmp_path / "a.onnx", images=[])
    assert [module.training for module in net.modules()] == modes
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert (result.checked_on, result.images) == ("synthetic images", 4)
    assert result.max_abs_difference < LARGEST_DIFFERENCE  # so batch norm was exported for evaluation


@pytest.mark.parametrize("name", nets("resnet"))
def test_fp16_halves_the_weights_and_keeps_the_picture(name, exported):
    result, exact = exported(name, "fp16"), exported(name)
    assert open_onnx(result.path).precision == "fp16"
    assert result.psnr_db > 50
    assert result.max_abs_difference > exact.max_abs_difference
    weights = sum(tensor.numel() for tensor in random_net(name)[0].parameters())
    assert exact.bytes - result.bytes > 1.8 * weights


@pytest.mark.parametrize("name", nets("resnet", "unet"))
def test_int8_keeps_the_picture_and_runs_at_other_sizes(name, exported):
    result = exported(name, "int8")
    model = open_onnx(result.path)
    assert (model.precision, model.metadata["precision"]) == ("int8", "int8")
    assert result.psnr_db > export.LEAST_PSNR["int8"]
    assert torch.isfinite(model(torch.zeros(3, 3, 320, 192))).all()


def test_int8_spares_the_ends_and_stores_transposed_weights(exported):
    graph = onnx.load(exported("resnet", "int8").path).graph
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    made_by = {node.output[0]: node for node in graph.node}

    def levels(name):
        return kinds[made_by[name].input[0]] if name in made_by else kinds[name]

    convolutions = [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose")]
    weights = [levels(node.input[1]) for node in convolutions]
    assert weights == [TensorProto.FLOAT, *[TensorProto.INT8] * (len(weights) - 2), TensorProto.FLOAT]
    for node in convolutions[1:-1]:
        integers = made_by[node.input[0]].op_type == "DequantizeLinear"
        assert integers == (node.op_type == "Conv")


def test_channels_of_unequal_range_survive_int8(tmp_path):
    """The instance norm hides it from fp32: one channel of a layer a thousand times larger than the rest."""
    net, images = random_net("resnet")
    with torch.no_grad():
        net.blocks[0].conv1.weight[0] *= 1000
        net.down1.weight[3] *= 300
    result = to_onnx(net, tmp_path / "a.onnx", images=list(images.split(1)), precision="int8")
    assert result.psnr_db > export.LEAST_PSNR["int8"]


def spoilt_for_int8():
    """Give a batch-norm net in which one channel, that nobody reads, spoils the range of all others."""
    net, images = random_net("resnet_batch")
    with torch.no_grad():
        net.stem_norm.weight[0] = 1e4
        net.down1.weight[:, 0] = 0
    return net, list(images.split(1))


def test_int8_below_its_bound_is_refused_and_nothing_is_left_or_printed(tmp_path, capfd, caplog):
    net, images = spoilt_for_int8()
    path = tmp_path / "a.onnx"
    path.write_bytes(b"older")
    with pytest.raises(ExportError, match=r"int8 loses too much: -?\d+\.\d dB .* at least 28 .* or force it\.$"):
        to_onnx(net, path, images=images, precision="int8")
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


@pytest.mark.slow
def test_int8_below_its_bound_is_written_when_forced(tmp_path):
    net, images = spoilt_for_int8()
    result = to_onnx(net, tmp_path / "a.onnx", images=images, precision="int8", force=True)
    assert result.forced
    assert result.psnr_db < 28
    assert open_onnx(result.path).precision == "int8"


def test_file_of_another_net_does_not_pass_the_comparison(exported):
    other, _ = random_net("resnet", seed=1)
    with pytest.raises(ExportError, match="differs from the original by"):
        export._comparisons(other, open_onnx(exported("resnet").path), pictures("resnet"))


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_refused(wrong, tmp_path):
    net, images = random_net("resnet")
    with torch.no_grad():
        net.head.bias[0] = wrong
    with pytest.raises(ExportError, match="not a number"):
        to_onnx(net, tmp_path / "a.onnx", images=list(images.split(1)), force=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((1, 3, 30, 32), "multiples of 4"),
        ((1, 3, 0, 32), "multiples of 4"),
        ((1, 4, 32, 32), r"Give \(1, 3, height, width\)"),
        ((2, 3, 32, 32), r"Give \(1, 3, height, width\)"),
        ((3, 32, 32), r"Give \(1, 3, height, width\)"),
    ],
)
def test_unusable_images_are_data_errors(shape, says, tmp_path):
    net, _ = random_net("resnet")
    with pytest.raises(DataError, match=says):
        to_onnx(net, tmp_path / "a.onnx", images=[torch.zeros(shape)])


def test_folder_that_does_not_exist_is_named_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "exact_model", lambda network: pytest.fail("the work was begun"))
    net, _ = random_net("resnet")
    with pytest.raises(RunError, match="its folder does not exist"):
        to_onnx(net, tmp_path / "none" / "a.onnx", images=[])


# --- files of others -------------------------------------------------------------------------------------------------


def value(name, shape=("n", 3, "h", "w"), kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, *, inputs=None, outputs=None, tensors=(), **rest):
    graph = helper.make_graph(nodes, "g", inputs or [value("input")], outputs or [value("output")], list(tensors))
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("example", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, **rest)


def tanh():
    return helper.make_node("Tanh", ["input"], ["output"])


def outside(path):
    """Give a model that adds a constant kept in another file."""
    tensor = numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32), "secret")
    onnx.external_data_helper.set_external_data(tensor, location=path, offset=0, length=12)
    tensor.ClearField("raw_data")
    return tensor


def outside_initializer():
    return model([helper.make_node("Add", ["input", "secret"], ["output"])], tensors=[outside("secret.bin")])


def outside_constant():
    constant = helper.make_node("Constant", [], ["secret"], value=outside("/etc/hostname"))
    return model([constant, helper.make_node("Add", ["input", "secret"], ["output"])])


def endless_loop():
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["again"]), helper.make_node("Tanh", ["x"], ["y"])],
        "body",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("x")],
        [value("again", [], TensorProto.BOOL), value("y")],
    )
    tensors = [numpy_helper.from_array(np.array(2**60), "times"), numpy_helper.from_array(np.array(True), "yes")]
    return model([helper.make_node("Loop", ["times", "yes", "input"], ["output"], body=body)], tensors=tensors)


def sparse_weights():
    made = model([helper.make_node("Add", ["input", "wide"], ["output"])])
    values = numpy_helper.from_array(np.ones(1, np.float32), "wide")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2**40]))
    return made


def local_function():
    function = helper.make_function("example", "Mine", ["x"], ["y"], [helper.make_node("Tanh", ["x"], ["y"])], [])
    return model([helper.make_node("Mine", ["input"], ["output"], domain="example")], functions=[function])


HOSTILE = {
    "weights in a file": (outside_initializer, "keeps weights in other files"),
    "constant in a file": (outside_constant, "keeps weights in other files"),
    "loop": (endless_loop, "uses the operator ai.onnx:Loop"),
    "custom operator": (
        lambda: model([helper.make_node("Tanh", ["input"], ["output"], domain="example")]),
        "uses the operator example:Tanh",
    ),
    "local function": (local_function, "uses the operator example:Mine"),
    "sparse weights": (sparse_weights, "sparse weights"),
    "no nodes": (lambda: model([]), "holds no network"),
    "two inputs": (
        lambda: model([helper.make_node("Add", ["input", "b"], ["output"])], inputs=[value("input"), value("b")]),
        "Choose an image-to-image model",
    ),
    "a vector": (
        lambda: model([tanh()], inputs=[value("input", ["n", 3])], outputs=[value("output", ["n", 3])]),
        r"tensor\(float\) of 2 dimensions as input",
    ),
    "integers": (
        lambda: model(
            [helper.make_node("Neg", ["input"], ["output"])],
            inputs=[value("input", kind=TensorProto.INT64)],
            outputs=[value("output", kind=TensorProto.INT64)],
        ),
        r"tensor\(int64\)",
    ),
    "five channels": (
        lambda: model([tanh()], inputs=[value("input", ["n", 5, 8, 8])], outputs=[value("output", ["n", 5, 8, 8])]),
        "makes 5 channels of 5, but an image has 3",
    ),
    "unconnected": (lambda: model([helper.make_node("Tanh", ["nowhere"], ["output"])]), "damaged or not supported"),
}


def refused(path, says):
    with pytest.raises(CheckpointError, match=says) as caught:
        open_onnx(path)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 300
    assert path.name in text


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_and_foreign_models_are_refused_in_one_line(case, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.bin").write_bytes(b"\0" * 12)
    make, says = HOSTILE[case]
    path = tmp_path / "a.onnx"
    path.write_bytes(make().SerializeToString())
    refused(path, says)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"hello", b"PK\x03\x04zip", b"<html>", b"version https://git-lfs\n", b"\x08\x0a" * 500]
)
def test_what_is_no_onnx_is_refused(content, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    refused(path, "no ONNX model|has 0 bytes")


def test_missing_files_and_folders_are_refused(tmp_path):
    refused(tmp_path / "none.onnx", "nothing is there")
    (tmp_path / "folder.onnx").mkdir()
    refused(tmp_path / "folder.onnx", "not a regular file")


def test_damaged_files_are_refused_or_run(exported, tmp_path, capfd):
    """Cut off or overwritten anywhere: an error of one line, or a model that translates or says why not."""
    whole = exported("resnet").path.read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / "a.onnx"
    for attempt in range(60):
        data = bytearray(whole)
        if attempt % 3 == 0:
            data = data[: random.integers(len(data))]
        else:  # the graph stands at the beginning, the metadata at the end; between them are only weights
            for place in random.integers(4000, size=3):
                data[place if attempt % 2 else -int(place) - 1] = int(random.integers(256))
        path.write_bytes(data)
        text = ""
        try:
            open_onnx(path)(torch.zeros(1, 3, 16, 16))
        except (CheckpointError, DataError) as error:
            text = str(error)
        assert "\n" not in text
        assert len(text) < 300
    assert capfd.readouterr().out == ""


def test_model_of_a_fixed_size_takes_that_size_image_by_image(tmp_path):
    fixed = [1, 3, 8, 16]
    path = tmp_path / "a.onnx"
    onnx.save(model([tanh()], inputs=[value("input", fixed)], outputs=[value("output", fixed)]), path)
    opened = open_onnx(path)
    images = torch.rand(3, 3, 8, 16, generator=torch.Generator().manual_seed(0))
    assert (opened.fixed_size, opened.image_size) == ((8, 16), 16)
    assert torch.allclose(opened(images), images.tanh(), atol=1e-6)
    with pytest.raises(DataError, match=r"a\.onnx takes 16 x 8 pixels, not 8 x 8"):
        opened(images[..., :8])


def test_open_model_describes_itself_and_refuses_other_shapes(exported):
    opened = open_onnx(exported("unet").path)
    assert (opened.input_channels, opened.output_channels, opened.size_multiple) == (3, 3, 32)
    assert (opened.fixed_size, opened.precision, opened.threads) == (None, "fp32", 1)
    assert opened.bytes == exported("unet").bytes
    with pytest.raises(DataError, match="multiples of 32, not 48 x 32"):
        opened(torch.zeros(1, 3, 32, 48))
    with pytest.raises(DataError, match=r"\(N, 3, H, W\)"):
        opened(torch.zeros(1, 1, 32, 32))
    with pytest.raises(DataError, match="multiples of 32"):
        opened(torch.zeros(1, 3, 0, 32))


def test_model_without_notes_gets_sensible_ones(tmp_path):
    path = tmp_path / "a.onnx"
    made = model([tanh()])
    notes = {"size_multiple": "-5", "input_channels": "９", "output_channels": "9" * 5000, "image_size": "0"}
    helper.set_model_props(made, notes | {"config": "[" * 100_000})
    onnx.save(made, path)
    opened = open_onnx(path)
    assert (opened.input_channels, opened.output_channels, opened.size_multiple) == (3, 3, 4)
    assert opened.image_size is opened.config is None


# --- the real thing --------------------------------------------------------------------------------------------------


def published_student(real_weights):
    return build_generator(load(real_weights / "gan_compression_horse2zebra_latest_net_G.pth"))


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize(
    ("precision", "least_db", "most_bytes"), [("fp32", 100, 1.5e6), ("fp16", 70, 0.8e6), ("int8", 31, 0.6e6)]
)
def test_published_student_survives_on_photos(precision, least_db, most_bytes, real_data, real_weights, tmp_path):
    net = published_student(real_weights)
    photos = [
        to_tensor(open_image(path))[None] for path in sorted((real_data / "horse2zebra" / "testA").iterdir())[:24]
    ]
    result = to_onnx(net, tmp_path / "a.onnx", images=photos[:16], precision=precision)
    assert result.psnr_db > least_db
    assert result.bytes < most_bytes
    opened = open_onnx(result.path)
    with torch.inference_mode():
        unseen = [psnr(net(photo), opened(photo)).item() for photo in photos[16:]]
    assert np.mean(unseen) > least_db - 1


@pytest.mark.slow
@pytest.mark.real
def test_blank_pages_do_not_stop_an_export(real_data, real_weights, tmp_path):
    net = published_student(real_weights)
    random = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    result = to_onnx(net, tmp_path / "a.onnx", images=[torch.ones(1, 3, 128, 128), random])
    assert (result.images, result.checked_on) == (1, "real images")
    assert to_onnx(net, tmp_path / "a.onnx", images=[torch.ones(1, 3, 128, 128)]).checked_on == "synthetic images"


@pytest.mark.slow
def test_published_size_unet_fits_into_one_file(tmp_path):
    torch.manual_seed(0)
    net = build(unet_config(ngf=64))
    result = to_onnx(net, tmp_path / "a.onnx", images=[])
    assert 217e6 < result.bytes < 219e6
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
