"""From a network to an ONNX model in fp32, and the notes that every exported model carries. Checks are export.py's."""

import json
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from coronet.errors import ExportError
from coronet.networks import Generator, GeneratorConfig, build
from coronet.runtime import Precision

if TYPE_CHECKING:
    import onnx


def evaluation_copy(generator: Generator) -> Generator:
    """Build the same network on the processor in evaluation mode, sharing the weights where they lie there.

    Raises ExportError for weights that are no numbers.
    """
    with torch.device("meta"):
        network = build(generator.config)
    weights = {
        name: tensor.detach().to("cpu", torch.float32 if tensor.is_floating_point() else tensor.dtype)
        for name, tensor in generator.state_dict().items()
    }
    if not all(torch.isfinite(tensor).all() for tensor in weights.values()):
        raise ExportError("Some weights are infinite or not a number. The model is damaged: train or convert it again.")
    network.load_state_dict(weights, assign=True)
    return network.eval().requires_grad_(False)


def exact_model(network: Generator) -> "onnx.ModelProto":
    """Translate a network to ONNX in fp32 with free batch, height and width, and without traces of this machine."""
    multiple = network.config.size_multiple
    height, width = (multiple * torch.export.Dim(name) for name in ("rows", "columns"))
    side = multiple * max(2, 64 // multiple)  # at one pixel inside, the exporter would take the size for fixed
    example = torch.zeros(2, network.config.input_channels, side, side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's about its own use of torch
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["input"],
            output_names=["output"],
            dynamic_shapes=({0: torch.export.Dim("batch"), 2: height, 3: width},),
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    del model.graph.metadata_props[:]  # the exporter's notes, in another order in every process
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces with paths
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output):
        for index, name in ((0, "batch"), (2, "height"), (3, "width")):
            value.type.tensor_type.shape.dim[index].dim_param = name
    return model


def describe(
    model: "onnx.ModelProto", config: GeneratorConfig, precision: Precision, lineage: Mapping[str, Any]
) -> None:
    """Write into the model's metadata what someone who holds only the file must know."""
    notes = {
        "created_by": "CoroNet Studio",
        "architecture": config.architecture,
        "precision": precision,
        "preprocessing": f"RGB, [-1, 1], NCHW, sides multiples of {config.size_multiple}",
        "postprocessing": "clamp to [-1, 1], (x + 1) * 127.5, round to 8 bits, NCHW to HWC",
        "size_multiple": str(config.size_multiple),
        "image_size": str(config.image_size),
        "config": json.dumps(config.to_json(), sort_keys=True),
        "input_channels": str(config.input_channels),
        "output_channels": str(config.output_channels),
        "lineage": json.dumps(dict(lineage), ensure_ascii=False, sort_keys=True),
    }
    del model.graph.value_info[:]  # shapes of hidden tensors, which every reader infers itself
    model.producer_name = "CoroNet Studio"
    model.producer_version = ""
    del model.metadata_props[:]
    for key, value in notes.items():
        item = model.metadata_props.add()
        item.key, item.value = key, value
