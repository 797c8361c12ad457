"""8-bit integer form of an exported network, made so that the picture survives (static quantisation, QDQ).

Strided and plain convolutions compute in integers. The first and the last stay in fp32; transposed ones, for which
ONNX Runtime has no integer kernel, store 8-bit weights and compute in fp32. Whether the result is good enough is
judged in export.py.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from coronet.runtime import start_session

if TYPE_CHECKING:
    import onnx

Array = NDArray[np.float32]
Measured = NDArray[np.float64]
_LEAST_SCALE = 1 / 64  # of a layer's median; more would turn the rounding noise of a dead channel into a picture


def quantise(model: "onnx.ModelProto", images: Sequence[Array]) -> "onnx.ModelProto":
    """Give the model with 8-bit weights and activations whose ranges come from images (1, C, H, W).

    Weights that meet activations use 7 bits: with 8, processors without VNNI saturate (mean error 0.12, not 0.03).
    """
    from onnxruntime import quantization

    with tempfile.TemporaryDirectory(prefix="coronet-int8-") as folder:
        exact, prepared, result = (Path(folder, f"{name}.onnx") for name in ("exact", "prepared", "int8"))
        exact.write_bytes(model.SerializeToString())
        quantization.quant_pre_process(exact, prepared, skip_symbolic_shape=True)
        model = _read(prepared)
        convolutions = [node for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
        ends = {convolutions[0].name, convolutions[-1].name}
        inner = {node.name: node.op_type for node in convolutions if node.name not in ends}
        _equalise(model, {name for name, kind in inner.items() if kind == "Conv"}, images)
        quantization.quantize_static(
            model,
            result,
            _reader(model.graph.input[0].name, images),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=sorted(ends),
            # The mean of each image's extremes instead of the extremes of all: +1.5 dB on a published CycleGAN student.
            extra_options={"CalibMovingAverage": True},
        )
        model = _read(result)
    _store_weights(model, {name for name, kind in inner.items() if kind == "ConvTranspose"})
    return model


def _read(path: Path) -> "onnx.ModelProto":
    import onnx

    return onnx.load_model_from_string(path.read_bytes())


def _reader(name: str, images: Sequence[Array]) -> Any:
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        """Hand out the images one by one."""

        def __init__(self) -> None:
            self._images = iter(images)

        def get_next(self) -> dict[str, Array] | None:
            image = next(self._images, None)
            return None if image is None else {name: image}

    return Reader()


def _equalise(model: "onnx.ModelProto", names: set[str], images: Sequence[Array]) -> None:
    """Give all output channels of the named convolutions a similar range, without changing the function (in place).

    Only where an instance norm follows: it divides by each channel's deviation, so they may be scaled at will. With one
    8-bit scale for all of them, channels of a small range would else drown (+4 dB on a published CycleGAN student).
    """
    pairs = _normed_convolutions(model, names)
    if not pairs:
        return
    statistics = _statistics(model, [convolution.output[0] for convolution, _ in pairs], images)
    store = _Store(model)
    for convolution, norm in pairs:
        lowest, highest, variance = statistics[convolution.output[0]]
        reach = (highest - lowest) / 2
        scale = np.maximum(reach / (np.median(reach) or 1.0), _LEAST_SCALE)
        store.replace(convolution, 1, store.read(convolution, 1) / scale.reshape(-1, 1, 1, 1))
        if len(convolution.input) > 2:
            centre = (lowest + highest) / 2
            store.replace(convolution, 2, (store.read(convolution, 2) - centre) / scale)
        # The norm adds epsilon to the now scaled variance; its weight takes that back for the average image.
        epsilon = next((item.f for item in norm.attribute if item.name == "epsilon"), 1e-5)
        repair = np.sqrt((variance + epsilon * scale**2) / (variance + epsilon))
        store.replace(norm, 1, store.read(norm, 1) * repair)
    store.drop_unused()


class _Store:
    """The constant tensors of a model, each changed for one node without touching those that share it."""

    def __init__(self, model: "onnx.ModelProto") -> None:
        self._graph = model.graph
        self._tensors = {tensor.name: tensor for tensor in model.graph.initializer}

    def read(self, node: "onnx.NodeProto", index: int) -> Array:
        import onnx

        return onnx.numpy_helper.to_array(self._tensors[node.input[index]]).astype(np.float32)

    def add(self, name: str, values: NDArray[Any]) -> str:
        import onnx

        self._graph.initializer.append(onnx.numpy_helper.from_array(values, name))
        return name

    def replace(self, node: "onnx.NodeProto", index: int, values: NDArray[Any]) -> None:
        node.input[index] = self.add(f"{node.name}_{index}_equalised", values.astype(np.float32))

    def drop_unused(self) -> None:
        used = {name for node in self._graph.node for name in node.input}
        kept = [tensor for tensor in self._graph.initializer if tensor.name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)


def _normed_convolutions(model: "onnx.ModelProto", names: set[str]) -> list[tuple["onnx.NodeProto", "onnx.NodeProto"]]:
    """Find those of the named convolutions whose output goes to an instance norm and nowhere else."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    stored = {tensor.name for tensor in model.graph.initializer}
    pairs = []
    for node in model.graph.node:
        after = readers.get(node.output[0], []) if node.name in names else []
        followed = [reader.op_type for reader in after] == ["InstanceNormalization"]
        if followed and stored.issuperset([*node.input[1:], *after[0].input[1:]]):
            pairs.append((node, after[0]))
    return pairs


def _statistics(
    model: "onnx.ModelProto", names: Sequence[str], images: Sequence[Array]
) -> dict[str, tuple[Measured, Measured, Measured]]:
    """Measure each channel's lowest and highest value and variance (C,), averaged over the images."""
    import onnx

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    sides = _Store(probe).add("coronet_sides", np.array([2, 3]))
    nodes, wanted = [], []
    for name in names:
        nodes.append(onnx.helper.make_node("Mul", [name, name], [f"{name}_square"]))
        for operator, source in (("Min", name), ("Max", name), ("Mean", name), ("Mean", f"{name}_square")):
            wanted.append(f"{source}_{operator}")
            nodes.append(onnx.helper.make_node(f"Reduce{operator}", [source, sides], wanted[-1:], keepdims=0))
    probe.graph.node.extend(nodes)
    probe.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in wanted)
    session = start_session(probe.SerializeToString(), "the model", threads=torch.get_num_threads())
    totals: list[Measured] = [np.zeros(1)] * len(wanted)
    for image in images:
        measured = session.run(wanted, {model.graph.input[0].name: image})
        totals = [total + values[0] / len(images) for total, values in zip(totals, measured, strict=True)]
    low, high, mean, square = (totals[part::4] for part in range(4))
    return {
        name: (low[index], high[index], np.maximum(square[index] - mean[index] ** 2, 0.0))
        for index, name in enumerate(names)
    }


def _store_weights(model: "onnx.ModelProto", names: set[str]) -> None:
    """Keep the weights of the named transposed convolutions in 8 bits, one scale per output channel (in place)."""
    import onnx

    store = _Store(model)
    nodes = []
    for node in model.graph.node:
        if node.name in names:
            weight = store.read(node, 1)  # (in, out, k, k)
            scale = np.maximum(np.abs(weight).max(axis=(0, 2, 3)), 1e-12).astype(np.float32) / np.float32(127)
            levels = np.round(weight / scale.reshape(1, -1, 1, 1)).astype(np.int8)
            stem = f"{node.name}_stored"
            inputs = [store.add(f"{stem}_levels", levels), store.add(f"{stem}_scale", scale)]
            nodes.append(onnx.helper.make_node("DequantizeLinear", inputs, [stem], name=f"{stem}_weight", axis=1))
            node.input[1] = stem
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    store.drop_unused()
