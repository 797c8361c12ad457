"""What threads that spin while they wait cost on busy processors: `python -m tests.benchmarks.waiting`.

A demo model translates with two threads beside none, one and two programs that do nothing but compute, once with
threads that spin, which is OpenMP's way, and once with threads that sleep. Prints median milliseconds.
"""

import os
import subprocess
import sys
from contextlib import ExitStack

from coronet.priority import SLEEPING

_TRANSLATES = """
import time
from statistics import median
import torch
from coronet.checkpoints import build_generator, load, resolve_model
from coronet.recipes.preview import translated
torch.set_num_threads(2)
generator = build_generator(load(resolve_model("demo/horse2zebra"))).eval()
size = generator.config.image_size
taken = []
for _ in range(33):
    begin = time.perf_counter()
    translated(generator, torch.zeros(1, 3, size, size))
    taken.append(time.perf_counter() - begin)
print(round(1000 * median(taken[3:])))
"""


def main() -> None:
    """Print a Markdown table."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    print("| busy programs beside it | threads spin | threads sleep |\n|---|---|---|")
    for others in range(3):
        spinning, sleeping = (_milliseconds(plain | more, others) for more in ({}, SLEEPING))
        print(f"| {others} | {spinning} ms | {sleeping} ms |", flush=True)


def _milliseconds(environment: dict[str, str], others: int) -> int:
    with ExitStack() as stack:
        for _ in range(others):
            busy = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(busy.kill)
        command = [sys.executable, "-c", _TRANSLATES]
        return int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
