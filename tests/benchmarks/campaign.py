"""Every method on the three demo tasks with the same minutes: `python -m tests.benchmarks.campaign --out FOLDER`.

Runs `coronet compare` once for every task, seed, ratio and method, then once for every task with all of them, which
writes its table. Seeds come last, so that a campaign that was stopped has whole rounds; the same command goes on with
it. Minutes are those of one processor: several runs may go on at the same time, and beside other work.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

TASKS = {
    "shoes": ["--model", "demo/shoes", "--data", "scenes/shoes", "--batch-size", "4"],
    "horse2zebra": ["--model", "demo/horse2zebra", "--data", "scenes/horses", "--soften-judges", "1.0"],
    "summer2winter": ["--model", "demo/summer2winter", "--data", "scenes/seasons", "--soften-judges", "1.0"],
}
METHODS = ["coronet", "taylor", "magnitude", "magnitude_uniform", "gan_compression", "omgd", "narrow"]


def main() -> None:
    """Do what is left and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--task", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--ratio", nargs="+", type=float, default=[4.0, 8.0, 16.0])
    parser.add_argument("--method", nargs="+", default=METHODS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("--at-once", type=int, default=1, help="runs at the same time")
    parser.add_argument("settings", nargs="*", help="more for every run, after --")
    parsed = parser.parse_args()
    rest = [
        "--minutes",
        f"{parsed.minutes:g}",
        "--counted",
        "processor",
        "--threads",
        "1",
        "--no-onnx",
        *parsed.settings,
    ]
    single = product(range(parsed.seeds), parsed.ratio, parsed.task, parsed.method)
    with ThreadPoolExecutor(parsed.at_once) as pool:
        list(
            pool.map(
                lambda one: _compare(parsed.out, one[2], [one[1]], [one[3]], ["--seed", str(one[0]), *rest]), single
            )
        )
    for task in parsed.task:
        _compare(parsed.out, task, parsed.ratio, parsed.method, ["--seeds", str(parsed.seeds), *rest])


def _compare(out: Path, task: str, ratios: list[float], methods: list[str], rest: list[str]) -> None:
    chosen = ["--ratio", *(f"{ratio:g}" for ratio in ratios), "--method", *methods, *rest]
    command = [sys.executable, "-m", "coronet", "compare", *TASKS[task], *chosen, "--out", str(out.absolute() / task)]
    done = subprocess.run(
        command,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stderr.strip().splitlines() or ["it said nothing"]
    print(
        f"{task} {' '.join(chosen)}: status {done.returncode}{'' if not done.returncode else ': ' + told[-1]}",
        flush=True,
    )


if __name__ == "__main__":
    main()
