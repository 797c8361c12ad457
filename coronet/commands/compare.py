"""The verb `compare`: every method at the same budget, in a folder that can be gone on with."""

import argparse
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coronet.commands.arguments import (
    add_features,
    add_settings,
    inception_from,
    number_from,
    settings_from,
    whole_number_from,
)
from coronet.commands.progress import ProgressBar
from coronet.commands.runs import portable, stop_after_step
from coronet.errors import CoronetError, SettingsError
from coronet.published import tasks
from coronet.recipes.settings import METHOD_NAMES, CompressSettings

if TYPE_CHECKING:
    from coronet.recipes.compare import Measured
    from coronet.training import Step


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `compare`: those of `compress`, several ratios and methods, and the number of seeds."""
    add_settings(parser, CompressSettings, required=("model", "data"), without=("ratio", "method"))
    parser.add_argument("--ratio", nargs="+", required=True, metavar="R", help="compression ratios")
    parser.add_argument("--method", nargs="+", metavar="NAME", help=f"of {', '.join(METHOD_NAMES)} (default: all)")
    parser.add_argument("--seeds", default=1, metavar="K", help="runs of each, from --seed on (default 1)")
    add_features(parser)
    parser.add_argument("--task", metavar="NAME", help="show its published points (default: the task --data is called)")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for runs, table and figure")


def compare(parsed: argparse.Namespace) -> list[dict[str, Any]] | None:
    """Run what is left and write the table; give its rows, None if it was interrupted."""
    ratios = tuple(number_from(text, "ratio") for text in parsed.ratio)
    methods = tuple(parsed.method or METHOD_NAMES)
    unknown = next((name for name in methods if name not in METHOD_NAMES), None)
    if unknown is not None:
        raise SettingsError(f"There is no method '{unknown}'. Choose of {', '.join(METHOD_NAMES)}.")
    task = _task_from(parsed)
    parsed.ratio, parsed.method = None, None  # one of each per run
    settings = settings_from(argparse.Namespace(**portable(vars(parsed))), CompressSettings)
    from coronet.recipes import compare as recipe  # torch
    from coronet.recipes.table_rows import summary
    from coronet.recipes.trade_off import write_comparison

    seeds = whole_number_from(parsed.seeds, "seeds", least=1)
    plan = recipe.Plan(settings, methods, ratios, seeds, parsed.features, inception_from(parsed))
    out = Path(parsed.out).absolute()
    missing: dict[str, str] = {}
    runs, nets = recipe.compare(plan, out), recipe.measure(plan, out)
    ended = _follow(runs, missing, lambda step: f"{step.phase} {step.step}/{step.steps}")
    ended = ended and _follow(nets, missing, lambda net: f"compared with real images, {net.done}/{net.total}")
    for name, reason in missing.items():
        sys.stderr.write(f"coronet: {name} is left out. {reason}\n")
    found = recipe.rows(plan, out)
    if found:
        write_comparison(found, out, settings, missing=missing, task=task)
    if not ended:
        sys.stderr.write("coronet: stopped and saved. Go on with the same command.\n")
        return None
    return summary(found)


def _follow(
    told: "Generator[tuple[str, Step | Measured | CoronetError], None, None]",
    missing: dict[str, str],
    words: Callable[[Any], str],
) -> bool:
    """Show what is done, in `words`, and note what cannot be; False if it was interrupted before the end."""
    bar = ProgressBar()
    try:
        with stop_after_step() as stopping, closing(told):
            for name, one in told:
                if isinstance(one, CoronetError):
                    missing[name] = str(one)
                    continue
                bar.show(one.done, one.total, f"{name}: {words(one)}")
                if stopping:
                    return False
    except KeyboardInterrupt:
        return False
    finally:
        bar.end()
    return True


def _task_from(parsed: argparse.Namespace) -> str | None:
    """Give the task whose published points are shown: the one asked for, else the one that the data folder names."""
    if parsed.task is None:
        return next((task for task in tasks() if task == Path(parsed.data).name), None)
    if parsed.task not in tasks():
        raise SettingsError(f"There are no published points of '{parsed.task}'. Choose of {', '.join(tasks())}.")
    return str(parsed.task)
