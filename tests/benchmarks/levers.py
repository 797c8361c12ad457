"""What each part of the search is worth: `python -m tests.benchmarks.levers --out FOLDER [--world shoes]`.

Compresses a demo model once for every lever, with the same time for each, on scenes drawn with another seed than the
test scenes (so that nothing is ever tuned on those), and prints a Markdown table. What is finished is not done again.
"""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial, partialmethod
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from coronet.files import read_json
from coronet.objectives import tapped
from coronet.recipes.execute import execute
from coronet.recipes.lengths import LENGTHS
from coronet.recipes.settings import CompressSettings
from coronet.runs import SETTINGS, Run
from coronet.scenes.write import Amount, write_scenes
from coronet.search import NOTICE, SearchPlan, SearchTask
from coronet.settings import to_json
from tests.benchmarks import rankings

SCENES_SEED = 77  # test scenes have 0
AMOUNT = Amount(200, 60, 128, seed=SCENES_SEED)
BASE = CompressSettings(counted="processor", image_size=128, load_size=128, threads=1, onnx=False)
WORLDS: dict[str, dict[str, Any]] = {
    "shoes": {"model": "demo/shoes", "batch_size": 4},
    "horses": {"model": "demo/horse2zebra", "soften_judges": 1.0},
    "seasons": {"model": "demo/summer2winter", "soften_judges": 1.0},
}


def _judged_search(task: SearchTask, batch: Any, random: Any) -> Any:
    weights = task.hypernetwork.weights()
    yield from task.objective.play(lambda images: tapped(task.skeleton, images, weights), task.kept, batch, random)


def _planned(**choices: Any) -> Callable[[], Any]:
    return lambda: patch("coronet.recipes.preparing.SearchPlan", partial(SearchPlan, **choices))


def _powered(power: float) -> Callable[[], Any]:
    return lambda: patch.object(SearchPlan, "floors", partialmethod(SearchPlan.floors, power=power))


def _hidden_until_the_end() -> Any:
    """Zero the latents of channels that go, and remove them only at the last event: the same game at full cost."""
    remove = SearchTask.remove

    def hide(task: SearchTask, kept: Any) -> Any:
        if task._events >= task.plan.events:
            return remove(task, kept)
        for group, latent in task.hypernetwork.latents.items():
            gone = torch.ones(len(latent), dtype=torch.bool)
            gone[kept[group]] = False
            latent.data[gone] = 0.0
            task._live[group][gone] = 0.0
        return {}

    return patch.object(SearchTask, "remove", hide)


def _fading_everywhere(*, renormalised: bool) -> Callable[[], Any]:
    """Take the proximal step on whole groups, as hard on average as on those that go next."""

    def fade(task: SearchTask, later: Any) -> None:
        latents = task.hypernetwork.latents
        means = {group: float(latent.mean()) for group, latent in latents.items()}
        going = {group: 1.0 - len(later[group]) / len(latent) for group, latent in latents.items()}
        task.hypernetwork.shrink({group: mean / NOTICE * going[group] for group, mean in means.items()})
        if renormalised:
            for group, latent in latents.items():
                latent.data.mul_(means[group] / float(latent.mean()))

    return lambda: patch.object(SearchTask, "_fade", fade)


def _linear(plan: SearchPlan, progress: float) -> float:
    return 1.0 / (1.0 - progress * (1.0 - 1.0 / plan.ratio))


@dataclass(frozen=True, slots=True)
class Lever:
    """Settings to change, and what to put in place of a part of the program."""

    settings: dict[str, Any] = field(default_factory=dict)
    patches: tuple[Callable[[], Any], ...] = ()


LEVERS = {
    "as it is": Lever(),
    "no search: one-shot Taylor cut": Lever({"method": "taylor"}),
    "no search: one-shot Taylor cut, floor of 10 % of an even cut (75 %)": Lever({"method": "taylor", "floor": 0.1}),
    "no search: magnitude pruning": Lever({"method": "magnitude"}),
    "no search: magnitude pruning, floor of 10 % of an even cut (75 %)": Lever({"method": "magnitude", "floor": 0.1}),
    "search for 10 % of the time (30 %)": Lever({"search_share": 0.1}),
    "search for 50 % of the time": Lever({"search_share": 0.5}),
    "ranking: gradients of the losses (change of the output)": Lever(patches=rankings.by_gradients()),
    "ranking: geometric mean of gradients and change of the output": Lever(patches=rankings.by_both()),
    "ranking: change of the output by smooth noise (white)": Lever(patches=rankings.by_smooth_noise()),
    "ranking: measured before the search only (and in it)": Lever(patches=rankings.measured_before_only()),
    "ranking: filter norms before the search": Lever(patches=rankings.by_filter_norms(1.0)),
    "ranking: half of them, half the change of the output": Lever(patches=rankings.by_filter_norms(0.5)),
    "ranking: measured in every 2nd step (4th)": Lever(patches=rankings.measured_every(2)),
    "ranking: measured in every 8th step (4th)": Lever(patches=rankings.measured_every(8)),
    "ranking: measured on whole batches (their first picture)": Lever(patches=rankings.measured_on_whole_batches()),
    "ranking: averaged at .03 (.1)": Lever(patches=rankings.averaged_at(0.03)),
    "latents do not move": Lever({"latent_rate": 0.0}),
    "10 events of removal (50)": Lever(patches=(_planned(events=10),)),
    "the cost falls linearly (cubic)": Lever(patches=(lambda: patch.object(SearchPlan, "ratio_at", _linear),)),
    "channels stay in the tensors until the end (leave at once)": Lever(patches=(_hidden_until_the_end,)),
    "all of a group fades (what goes next)": Lever(patches=(_fading_everywhere(renormalised=False),)),
    "all of a group fades, renormalised (what goes next)": Lever(patches=(_fading_everywhere(renormalised=True),)),
    "no floor per group (75 % of an even cut)": Lever({"floor": 0.0}),
    "floor of 50 % of an even cut (75 %)": Lever({"floor": 0.5}),
    "even cut": Lever({"floor": 1.0}),
    "floor of 75 % of a cut by the square root of the widths (even)": Lever(patches=(_powered(0.5),)),
    "floor of 94 % of a cut by the square root of the widths (75 % of an even one)": Lever(
        {"floor": 0.94}, (_powered(0.5),)
    ),
    "discriminators play in the search": Lever(patches=(lambda: patch.object(SearchTask, "play", _judged_search),)),
    "discriminators in every step of fine-tuning (4th)": Lever(
        patches=(lambda: patch("coronet.methods.parts.ROUND", 1),)
    ),
    "discriminators count as much as without a teacher (a tenth)": Lever({"lambda_gan": 10.0}),
    "discriminators learn at 1e-3 (2e-4)": Lever(patches=(lambda: patch("coronet.methods.base.JUDGES_RATE", 1e-3),)),
    "no discriminator": Lever({"lambda_gan": 0.0}),
    "no feature imitation": Lever({"lambda_feature": 0.0}),
    "averaged weights (.99)": Lever({"ema": 0.99}),
    "float32 (bfloat16)": Lever({"mixed_precision": False}),
    "search rate 5e-4 (1e-3)": Lever({"search_learning_rate": 5e-4}),
    "search rate 2e-3 (1e-3)": Lever({"search_learning_rate": 2e-3}),
    "fine-tuning rate 5e-4 (5e-4 times the root of the ratio)": Lever({"learning_rate": 5e-4}),
    "fine-tuning rate 1e-3 (5e-4 times the root of the ratio)": Lever({"learning_rate": 1e-3}),
    "fine-tuning rate 2e-3 (5e-4 times the root of the ratio)": Lever({"learning_rate": 2e-3}),
    "paper's hypernetwork (m = 8)": Lever({"hypernetwork": "paper"}),
    "no teacher": Lever({"teacher": False}),
    "paper mode: m = 8, no teacher": Lever({"hypernetwork": "paper", "teacher": False}),
}


def main() -> None:
    """Run what is left and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ratio", type=float, default=8.0)
    parser.add_argument("--minutes", type=float, default=1.5, help="of one processor")
    parser.add_argument("--seed", type=int, default=0, help="of the runs; the scenes stay the same")
    parser.add_argument("--world", choices=WORLDS, default="shoes")
    parser.add_argument("--all", nargs="+", default=[], metavar="SETTING=VALUE", help="for every row, as it is, too")
    parser.add_argument("--only", nargs="+", default=list(LEVERS), help="names of levers")
    parsed = parser.parse_args()
    scenes = parsed.out.absolute() / f"scenes-{parsed.world}"
    if not scenes.exists():
        write_scenes(parsed.world, scenes, AMOUNT)
    given: dict[str, Any] = {"ratio": parsed.ratio, "minutes": parsed.minutes, "seed": parsed.seed}
    given |= {name: json.loads(value) for name, _, value in (text.partition("=") for text in parsed.all)}
    base = replace(BASE, data=str(scenes), **given, **WORLDS[parsed.world])
    print("| | proxy | PSNR to the truth | to the dense net | steps of search and fine-tuning |\n|---|---|---|---|---|")
    for name in parsed.only:
        folder = parsed.out / f"{_file_name(name)}-seed{parsed.seed}"
        run = _done(LEVERS[name], replace(base, **LEVERS[name].settings), folder)
        print(f"| {name} | {' | '.join(_cells(run))} |", flush=True)


def _done(lever: Lever, settings: CompressSettings, folder: Path) -> Run:
    wanted = to_json(settings)
    run = Run.open(folder) if (folder / SETTINGS).exists() else Run.create(folder, "compress", wanted)
    if run.settings != wanted:
        sys.exit(f"{folder} was made with other settings. Choose another folder.")
    with ExitStack() as stack:
        for patched in lever.patches:
            stack.enter_context(patched())
        with closing(execute(run)) as steps:
            for _ in steps:
                pass
    return run


def _cells(run: Run) -> list[str]:
    report, lengths = run.report(), read_json(run.path / LENGTHS)
    assert report is not None
    scores = report["scores"]
    return [
        f"{scores['distribution']['value']:.4f}",
        f"{scores['to_truth']['psnr_db']:.2f} dB",
        f"{scores['to_teacher']['psnr_db']:.2f} dB",
        f"{lengths['search']} + {lengths['finetune']}",
    ]


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)


if __name__ == "__main__":
    main()
