"""The verbs that answer at once: inspect, preview, translate, evaluate, export, benchmark, studio.

Each imports what it needs when it runs (torch, gradio), so that --help answers at once.
"""

import argparse
from pathlib import Path
from typing import Any

from coronet.commands.arguments import (
    add_features,
    add_settings,
    inception_from,
    number_from,
    settings_from,
    whole_number_from,
)
from coronet.recipes.settings import DataChoices


def run_inspect(parsed: argparse.Namespace) -> dict[str, Any]:
    """Run `inspect`."""
    from coronet.recipes.verbs import inspect

    return inspect(parsed.model)


def run_preview(parsed: argparse.Namespace) -> dict[str, Any]:
    """Run `preview`."""
    from coronet.images import open_image, save_image
    from coronet.recipes.previews import side_by_side
    from coronet.recipes.verbs import preview

    shown = preview(
        parsed.model,
        number_from(parsed.ratio, "ratio"),
        open_image(Path(parsed.input)),
        budget=parsed.budget,
        multiple_of=whole_number_from(parsed.multiple_of, "multiple_of", least=1),
    )
    save_image(side_by_side([shown.source, shown.dense, shown.slim]), Path(parsed.out))
    return shown.to_json()


def run_translate(parsed: argparse.Namespace) -> dict[str, Any]:
    """Run `translate`."""
    from coronet.recipes.verbs import translate

    size = None if parsed.image_size is None else whole_number_from(parsed.image_size, "image_size", least=1)
    return translate(parsed.model, Path(parsed.input), Path(parsed.out), size=size)


def run_evaluate(parsed: argparse.Namespace) -> dict[str, Any]:
    """Run `evaluate`."""
    from coronet.recipes.verbs import evaluate

    return evaluate(
        parsed.model,
        settings_from(parsed, DataChoices),
        reference=parsed.reference,
        features=parsed.features,
        inception=inception_from(parsed),
    )


def run_export(parsed: argparse.Namespace) -> dict[str, Any]:
    """Run `export`."""
    from coronet.recipes.verbs import export

    data = settings_from(parsed, DataChoices)
    return export(parsed.model, Path(parsed.out), precision=parsed.precision, data=data, force=parsed.force)


def run_benchmark(parsed: argparse.Namespace) -> list[dict[str, Any]]:
    """Run `benchmark`."""
    from coronet.recipes.verbs import benchmark

    size = whole_number_from(parsed.image_size, "image_size", least=1)
    return benchmark(parsed.models, image_size=size, threads=whole_number_from(parsed.threads, "threads", least=1))


def run_studio(parsed: argparse.Namespace) -> dict[str, Any]:
    """Run `studio`."""
    from coronet.studio.launch import main as open_studio

    open_studio(parsed.rest)
    return {}


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """Add the options of `inspect`."""
    parser.add_argument("model", metavar="MODEL", help="a .pth or safetensors file, a checkpoint folder, or demo/NAME")


def add_preview(parser: argparse.ArgumentParser) -> None:
    """Add the options of `preview`."""
    parser.add_argument("--model", required=True)
    parser.add_argument("--ratio", required=True, metavar="R")
    parser.add_argument("--input", required=True, metavar="IMAGE")
    parser.add_argument("--out", required=True, metavar="FILE", help="source, dense and slim side by side")
    parser.add_argument("--budget", choices=("macs", "params"), default="macs")
    parser.add_argument("--multiple-of", default=1, metavar="N")


def add_translate(parser: argparse.ArgumentParser) -> None:
    """Add the options of `translate`."""
    parser.add_argument("--model", required=True, help="a model, dense or slim, or an .onnx file")
    parser.add_argument("--input", required=True, metavar="FILE_OR_DIR")
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.add_argument("--image-size", metavar="N", help="longer side; default: as it is")


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate`."""
    parser.add_argument("--model", required=True)
    parser.add_argument("--reference", metavar="MODEL", help="compare with this model instead of the truth")
    add_features(parser)
    add_settings(parser, DataChoices, required=("data",))


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", required=True, metavar="FILE.onnx")
    parser.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp32")
    parser.add_argument("--force", action="store_true", help="keep an int8 model of low fidelity")
    add_settings(parser, DataChoices)


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """Add the options of `benchmark`."""
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--image-size", default=256, metavar="N")
    parser.add_argument("--threads", default=1, metavar="N")


def add_studio(parser: argparse.ArgumentParser) -> None:
    """Add nothing: `coronet.studio.launch` has the options of `studio`."""
    parser.set_defaults(rest=())  # what follows belongs to the studio: see commands.parse
