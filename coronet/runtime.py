"""ONNX models as image-to-image functions on the processor, run by ONNX Runtime.

A file is taken as hostile: only self-contained graphs of known operators are run. Writing models is export.py's.
"""

import errno
import json
import stat
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from coronet.errors import CheckpointError, DataError
from coronet.images import shown
from coronet.networks import GeneratorConfig, config_from_json
from coronet.sessions import session_options

if TYPE_CHECKING:
    import onnx

Precision = Literal["fp32", "fp16", "int8"]
BYTE_LIMIT = 2**31 - 1  # protobuf reads no larger message
# Everything an image-to-image network needs. Control flow is not here: it could run for ever.
_OPERATOR_NAMES = (
    "Abs Add And AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape Conv ConvTranspose "
    "DepthToSpace DequantizeLinear Div Dropout Elu Equal Erf Exp Flatten Floor Gather Gelu Gemm GlobalAveragePool "
    "Greater GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less "
    "Log MatMul Max MaxPool Min Mish Mod Mul Neg Not Or PRelu Pad Pow QuantizeLinear Reciprocal ReduceMax ReduceMean "
    "ReduceMin ReduceSum Relu Reshape Resize Round Shape Sigmoid Sign Slice Softmax Softplus SpaceToDepth Split Sqrt "
    "Squeeze Sub Sum Tanh Transpose Unsqueeze Upsample Where"
)
_OPERATORS = frozenset(_OPERATOR_NAMES.split())
_DEFAULT_MULTIPLE = 4  # of a model that does not say; the ResNet's


class OnnxGenerator:
    """A generator in ONNX form; `open_onnx` makes it from a file.

    input_channels, output_channels: of the images. size_multiple: sides must be multiples of it. fixed_size:
    (height, width) where the model accepts only one, else None. metadata: what the exporter noted, as text; image_size
    (pixels a side it was made for) and config stand in it and are None where they do not.
    """

    def __init__(self, model: bytes, name: str, *, threads: int = 1) -> None:
        """Check and load a serialised model; `name` stands in messages. Raises CheckpointError."""
        graph = _parse(model, name)
        _refuse_hazards(graph, name)
        self.name = name
        self.threads = threads
        self.bytes = len(model)
        self.precision: Precision = _precision(graph)
        self.metadata = MappingProxyType(
            {item.key: item.value for item in graph.metadata_props if isinstance(item.value, str)}
        )
        self._session = start_session(model, name, threads=threads)
        batch, channels, height, width = self._shape(self._session.get_inputs(), "input")
        made = self._shape(self._session.get_outputs(), "output")[1]
        self.input_channels = self._noted("input_channels", 3)
        self.output_channels = self._noted("output_channels", 3)
        if channels not in (None, self.input_channels) or made not in (None, self.output_channels):
            raise CheckpointError(
                f"{name} makes {made or 'any'} channels of {channels or 'any'}, but an image has "
                f"{self.input_channels}. Choose an image-to-image model."
            )
        self.fixed_size = (height, width) if height and width else None
        self.size_multiple = self._noted("size_multiple", _DEFAULT_MULTIPLE)
        self.image_size = max(self.fixed_size) if self.fixed_size else self._noted("image_size", 0) or None
        self.config = _described(self.metadata.get("config", ""))
        self._fixed_batch = batch

    def __call__(self, images: Tensor) -> Tensor:
        """Translate (N, C, H, W) in [-1, 1] into float32 on the processor.

        Raises DataError for a size the model does not accept.
        """
        self._check(images)
        pixels = images.detach().to("cpu", torch.float32).contiguous().numpy()
        parts = np.split(pixels, len(pixels)) if self._fixed_batch == 1 else [pixels]
        try:
            outputs = [self._session.run(None, {self._session.get_inputs()[0].name: part})[0] for part in parts]
        except _failures() as error:
            size = " x ".join(str(side) for side in reversed(images.shape[2:]))
            raise DataError(
                f"{self.name} cannot translate {size} pixels: {_one_line(error)}. Try 256 x 256."
            ) from error
        return torch.from_numpy(outputs[0] if len(outputs) == 1 else np.concatenate(outputs))

    def _check(self, images: Tensor) -> None:
        if images.dim() != 4 or images.shape[1] != self.input_channels:
            raise DataError(
                f"{self.name} takes images of shape (N, {self.input_channels}, H, W), not {tuple(images.shape)}. "
                "Convert them."
            )
        height, width = images.shape[2:]
        wanted = ""
        if self.fixed_size:
            if self.fixed_size != (height, width):
                wanted = f"{self.fixed_size[1]} x {self.fixed_size[0]} pixels"
        elif height % self.size_multiple or width % self.size_multiple or 0 in images.shape:
            wanted = f"sides that are multiples of {self.size_multiple}"
        if wanted:
            raise DataError(f"{self.name} takes {wanted}, not {width} x {height}. Resize the image.")

    def _shape(self, values: list[Any], what: str) -> list[int | None]:
        """Give (batch, channels, height, width), None where any will do; raises CheckpointError for no image."""
        try:
            found = [(value.name, value.type, value.shape) for value in values]
        except UnicodeDecodeError:
            found = []
        if len(found) != 1 or found[0][1] != "tensor(float)" or len(found[0][2]) != 4:
            kinds = (
                ", ".join(f"{kind} of {len(shape)} dimensions" for _, kind, shape in found[:3]) or "nothing readable"
            )
            raise CheckpointError(
                f"{self.name} has {kinds} as {what} where one float32 image (N, C, H, W) is needed. "
                "Choose an image-to-image model."
            )
        return [side if isinstance(side, int) and side > 0 else None for side in found[0][2]]

    def _noted(self, key: str, default: int) -> int:
        """Read a count from the metadata; what is no sensible number counts as not noted."""
        text = self.metadata.get(key, "")
        return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 6 and int(text) > 0 else default


def open_onnx(path: Path, *, threads: int = 1) -> OnnxGenerator:
    """Read an .onnx file as a generator; raises CheckpointError where it is none or cannot be trusted."""
    name = shown(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise CheckpointError(f"{name} is not a regular file. Choose an .onnx file.")
        if not 0 < status.st_size <= BYTE_LIMIT:
            raise CheckpointError(
                f"{name} has {status.st_size} bytes, but a model has 1 to {BYTE_LIMIT}. Choose another."
            )
        model = path.read_bytes()
    except (OSError, ValueError) as error:
        missing = isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENOTDIR)
        reason = "nothing is there. Check the path" if missing else "it may not be read. Check its permissions"
        raise CheckpointError(f"{name} cannot be opened: {reason}.") from error
    return OnnxGenerator(model, name, threads=threads)


def start_session(model: bytes, name: str, *, threads: int) -> Any:
    """Load a serialised model with a fixed number of threads that sleep while they wait; `name` stands in messages.

    Raises CheckpointError where ONNX Runtime refuses it.
    """
    import onnxruntime

    options = session_options(threads)
    try:
        # Without a second attempt, which would be announced on stdout.
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except _failures() as error:
        raise CheckpointError(f"{name} is damaged or not supported: {_one_line(error)}. Export it again.") from error


def _described(text: str) -> GeneratorConfig | None:
    """Read the description of the network; what makes no network counts as not noted."""
    try:
        return config_from_json(json.loads(text))
    except (ValueError, RecursionError, CheckpointError):
        return None


def _parse(model: bytes, name: str) -> "onnx.ModelProto":
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        parsed = onnx.load_model_from_string(model)
    except (DecodeError, ValueError) as error:
        raise CheckpointError(f"{name} is no ONNX model, or it is cut off. Export it again.") from error
    if not parsed.graph.node:
        raise CheckpointError(f"{name} is no ONNX model: it holds no network. Export it again.")
    return parsed


def _refuse_hazards(model: "onnx.ModelProto", name: str) -> None:
    """Raise CheckpointError for weights in other files, control flow, functions and unknown operators."""
    graph = model.graph
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    tensors = [*graph.initializer, *(attribute.t for attribute in attributes)]
    tensors += [tensor for attribute in attributes for tensor in attribute.tensors]
    if any(tensor.data_location or tensor.external_data for tensor in tensors):
        raise CheckpointError(f"{name} keeps weights in other files, which are not read. Export it as a single file.")
    unknown = [node for node in graph.node if node.op_type not in _OPERATORS or not _known_domain(node)]
    if unknown:
        operator = _printable(f"{unknown[0].domain or 'ai.onnx'}:{unknown[0].op_type}", 60)
        raise CheckpointError(f"{name} uses the operator {operator}, which no image-to-image network here needs.")
    nested = any(attribute.HasField("g") or attribute.graphs for attribute in attributes)
    sparse = any(attribute.HasField("sparse_tensor") or attribute.sparse_tensors for attribute in attributes)
    if nested or sparse or graph.sparse_initializer or model.functions:
        raise CheckpointError(f"{name} contains subgraphs, functions or sparse weights. Export it without them.")


def _known_domain(node: "onnx.NodeProto") -> bool:
    quantised = node.domain == "com.microsoft" and node.op_type in ("QuantizeLinear", "DequantizeLinear")
    return quantised or node.domain in ("", "ai.onnx")


def _precision(model: "onnx.ModelProto") -> Precision:
    """Tell from the graph in which numbers the model computes."""
    import onnx

    if any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        return "int8"
    half = any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in model.graph.initializer)
    return "fp16" if half else "fp32"


def _failures() -> tuple[type[BaseException], ...]:
    """Give what ONNX Runtime raises; its classes have no common base but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception))
    return (*own, RuntimeError, ValueError, MemoryError)


def _one_line(error: BaseException) -> str:
    """Shorten an error of ONNX Runtime to the printable start of its last part."""
    return _printable(str(error).strip().rpartition(" : ")[2], 120).rstrip(". ") or type(error).__name__


def _printable(text: str, longest: int) -> str:
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:longest]
