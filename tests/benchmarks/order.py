"""What channels last save: `python -m tests.benchmarks.order [FILE...]`, models of your own beside the demo's.

Every net translates a batch, and learns from it, in torch's usual order in memory and with channels last, in turn, on
one thread. Prints median milliseconds and how many times faster the second is.
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch

from coronet.checkpoints import build_generator, load, resolve_model
from coronet.demos import DEMO_FOLDER, READY_MADE
from coronet.networks import Generator
from coronet.recipes.machine import has_bfloat16

RUNS = DEMO_FOLDER / READY_MADE
DEMOS = {"shoes": 4, "horse2zebra": 1}  # with the batch they learn from
ROUNDS = 15


def main(given: Sequence[str]) -> None:
    """Print a Markdown table."""
    torch.set_num_threads(1)
    files = [(name, resolve_model(f"demo/{name}"), batch) for name, batch in DEMOS.items()]
    files += [(f"{name}, 8x", RUNS / f"{name}-8x" / "slim.safetensors", batch) for name, batch in DEMOS.items()]
    files += [(Path(file).name, Path(file), 1) for file in given]
    half = has_bfloat16(torch.device("cpu"))
    learning = "learning, in bfloat16" if half else "learning"
    print(f"| | batch | translating | last | | {learning} | last | |\n|---|---|---|---|---|---|---|---|")
    for name, file, batch in files:
        generator = build_generator(load(file)).eval()
        images = torch.rand(batch, generator.config.input_channels, *(generator.config.image_size,) * 2)
        cells = _side_by_side(partial(_translate, generator, images))
        cells += _side_by_side(partial(_learn, generator.train(), images, half=half))
        print(f"| {name} | {batch} | {' | '.join(cells)} |", flush=True)


def _side_by_side(work: Callable[[], None]) -> list[str]:
    taken: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for is_last, times in taken.items():
            with patch("coronet.networks.layers._in_pieces", lambda images, is_last=is_last: is_last):
                start = time.perf_counter()
                work()
                times.append(1000 * (time.perf_counter() - start))
    before, after = (median(times[2:]) for times in taken.values())
    return [f"{before:.1f} ms", f"{after:.1f} ms", f"{before / after:.2f}x"]


@torch.no_grad()
def _translate(generator: Generator, images: torch.Tensor) -> None:
    generator(images)


def _learn(generator: Generator, images: torch.Tensor, *, half: bool) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        found = generator(images)
    found.float().square().mean().backward()


if __name__ == "__main__":
    main(sys.argv[1:])
