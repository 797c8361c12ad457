"""The verbs of the command line: their options, taken from the settings, and how their results read.

Importing this imports no torch.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coronet.commands import bundle, compare, downloads, runs, scenes, short
from coronet.parsing import OneLineParser

__all__ = ["COMMANDS", "Command", "build_parser", "parse"]

Result = dict[str, Any] | list[dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Command:
    """One verb."""

    help: str
    example: str
    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Result]
    show: Callable[[Any], str]


def build_parser() -> argparse.ArgumentParser:
    """Build the parser with every verb."""
    parser = OneLineParser(prog="coronet", description="Make Pix2Pix and CycleGAN generators small and fast.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, command in COMMANDS.items():
        verb = verbs.add_parser(
            name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=f"Example: coronet {name} {command.example}",
            allow_abbrev=False,
            add_help=name != "studio",  # which explains its own options
        )
        command.add(verb)
        verb.add_argument("--json", action="store_true", help="print exactly one JSON object on stdout")
    return parser


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; status 2 and one line on stderr where it is wrong. `studio` reads its own options."""
    parsed, rest = build_parser().parse_known_args(arguments)
    if parsed.verb == "studio":
        parsed.rest = rest
    elif rest:
        OneLineParser(prog=f"coronet {parsed.verb}").error(f"unrecognized arguments: {' '.join(rest)}")
    return parsed


def _lines(result: dict[str, Any]) -> str:
    rows = []
    for name, value in result.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {_short(item)}" for key, item in value.items())
        if isinstance(value, list):
            value = "\n" + "\n".join(f"  - {item}" for item in value)
        rows.append(f"{name}: {_short(value)}")
    return "\n".join(rows)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _scores(result: dict[str, Any]) -> str:
    """Show scores of sets under their own names: FID only on Inception's 2048 features."""
    rows = [_lines({name: value for name, value in result.items() if name not in ("fid", "kid")})]
    for score in (result["fid"], result["kid"]):
        if score is not None:
            low, high = score["interval"]
            deviation = f", sd over subsets {score['sd']:.4g}" if "sd" in score else ""
            rows.append(f"{score['name']}: {score['value']:.4g} (95 %: {low:.4g} to {high:.4g}{deviation})")
            rows.append(
                f"  {score['fake_images']} generated and {score['real_images']} real images; {score['protocol']}"
            )
            rows += [f"  {score['note']}"] if score["note"] else []
    return "\n".join(rows)


def _table_or_lines(result: list[dict[str, Any]] | dict[str, Any]) -> str:
    if isinstance(result, dict):
        return _lines(result)
    return _table([{key: "-" if value is None else value for key, value in row.items()} for row in result])


def _comparison(result: list[dict[str, Any]]) -> str:
    from coronet.recipes.trade_off import as_cells  # torch

    return _table(as_cells(result))


def _bundle(result: dict[str, Any]) -> str:
    """Show what was packed, and the precisions side by side."""
    names = ("precision", "bytes", "psnr_db", "max_abs_difference", "median_ms", "refused")
    rows = [{name: "-" if row[name] is None else row[name] for name in names} for row in result["variants"]]
    tables = {"variants": "\n" + _table(rows), "files": [f"{name}: {size:,}" for name, size in result["files"].items()]}
    return _lines({name: value for name, value in (result | tables).items() if name != "notes"})


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_short(row.get(name, "-")) for name in names] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(names))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)


COMMANDS: dict[str, Command] = {
    "inspect": Command(
        "recognise a model and say why", "latest_net_G_A.pth", short.add_inspect, short.run_inspect, _lines
    ),
    "preview": Command(
        "cut a model now, without training, and translate a picture",
        "--model latest_net_G_A.pth --ratio 4 --input horse.jpg --out preview.png",
        short.add_preview,
        short.run_preview,
        _lines,
    ),
    "compress": Command(
        "search, slim, fine-tune, evaluate and export",
        "--model latest_net_G_A.pth --data datasets/horse2zebra --ratio 4 --minutes 30 --out runs/horse4",
        runs.add_compress,
        runs.compress,
        _lines,
    ),
    "resume": Command("go on where a run stopped", "runs/horse4", runs.add_resume, runs.resume, _lines),
    "compare": Command(
        "give every method the same time and score them side by side",
        "--model latest_net_G_A.pth --data datasets/horse2zebra --ratio 4 8 --minutes 30 --seeds 3 --out runs/compared",
        compare.add_compare,
        compare.compare,
        _comparison,
    ),
    "translate": Command(
        "apply a generator, dense or slim, or an ONNX file",
        "--model runs/horse4/slim.onnx --input photos --out zebras",
        short.add_translate,
        short.run_translate,
        _lines,
    ),
    "evaluate": Command(
        "score a model on test images",
        "--model latest_net_G_A.pth --data datasets/horse2zebra --features auto",
        short.add_evaluate,
        short.run_evaluate,
        _scores,
    ),
    "export": Command(
        "write an ONNX file and check it",
        "--model runs/horse4 --out horse4.onnx --precision int8 --data datasets/horse2zebra",
        short.add_export,
        short.run_export,
        _lines,
    ),
    "bundle": Command(
        "pack a finished network with a card, test pictures and a sample program",
        "--model runs/horse4 --out horse4.zip --precision fp32 int8",
        bundle.add_bundle,
        bundle.run_bundle,
        _bundle,
    ),
    "benchmark": Command(
        "measure latency side by side",
        "latest_net_G_A.pth runs/horse4/slim.onnx",
        short.add_benchmark,
        short.run_benchmark,
        _table,
    ),
    "train": Command(
        "train a dense model from scratch",
        "--kind pix2pix --data datasets/edges2shoes --minutes 15 --out runs/shoes",
        runs.add_train,
        runs.train,
        _lines,
    ),
    "download": Command(
        "fetch an official data set or published model",
        "horse2zebra --out datasets --offline",
        downloads.add_download,
        downloads.run_download,
        _table_or_lines,
    ),
    "scenes": Command(
        "draw a procedural data set in which the truth is known",
        "horses --train 1000 --test 100 --out datasets/drawn_horses",
        scenes.add_scenes,
        scenes.run_scenes,
        _lines,
    ),
    "studio": Command(
        "open the studio in the browser", "--port 7860", short.add_studio, short.run_studio, lambda result: ""
    ),
}
