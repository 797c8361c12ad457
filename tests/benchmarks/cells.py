"""Who is best where: `python -m tests.benchmarks.cells FOLDER...`, each a folder that `coronet compare` has left.

Prints a Markdown table for every score: a row for every folder and ratio, a column for the dense net and one for every
method, the mean over the seeds with its standard deviation, the best method in bold. Then how often a method is best,
and by how much more than noise.
FID and FID-768 are among them where `compare` had Inception's file (`--inception`).
"""

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

LOWER_IS_BETTER = {"proxy.value": "proxy", "FID-768.value": "FID-768", "FID.value": "FID"}
HIGHER_IS_BETTER = {"to_truth.psnr_db": "PSNR to the truth, dB", "to_teacher.psnr_db": "PSNR to the dense net, dB"}
SCORES = LOWER_IS_BETTER | HIGHER_IS_BETTER
DENSE = "original"  # the dense net's row; it is no method and has no ratio
Cell = tuple[str, float]  # folder, ratio


@dataclass(frozen=True, slots=True)
class Found:
    """A method's scores in one cell, one for every seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return mean(self.values)

    @property
    def sd(self) -> float:
        """Their standard deviation, 0 for a single one."""
        return stdev(self.values) if len(self.values) > 1 else 0.0

    def __str__(self) -> str:
        spread = f" ± {self.sd:.2g}" if len(self.values) > 1 else ""
        return f"{self.mean:.4g}{spread}"


def main() -> None:
    """Read the folders and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parsed = parser.parse_args()
    rows = [(folder.name, row) for folder in parsed.folders for row in _read(folder)]
    for score, title in SCORES.items():
        cells = gather(rows, score)
        if cells:
            dense = {folder: float(row[score]) for folder, row in rows if row["method"] == DENSE and row.get(score)}
            print(f"{title}\n\n{table(cells, dense, score)}\n\n{wins(cells, score)}\n")


def gather(rows: Sequence[tuple[str, Mapping[str, str]]], score: str) -> dict[Cell, dict[str, Found]]:
    """Sort the values of a score by cell and method."""
    values: dict[Cell, dict[str, list[float]]] = {}
    for folder, row in rows:
        if row["method"] != DENSE and row.get(score):
            cell = values.setdefault((folder, float(row["requested_ratio"])), {})
            cell.setdefault(row["method"], []).append(float(row[score]))
    return {
        cell: {method: Found(tuple(several)) for method, several in by_method.items()}
        for cell, by_method in values.items()
    }


def table(cells: Mapping[Cell, Mapping[str, Found]], dense: Mapping[str, float], score: str) -> str:
    """Write the Markdown table of one score; the dense net has a column where it has the score."""
    methods = list(dict.fromkeys(method for found in cells.values() for method in found))
    titles = ["dense", *methods] if dense else methods
    lines = [f"| | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for (folder, ratio), found in cells.items():
        best = _best(found, score)
        texts = [f"**{found[name]}**" if name == best else str(found.get(name, "")) for name in methods]
        if dense:
            texts = [f"{dense[folder]:.4g}", *texts]
        lines.append(f"| {folder}, {ratio:g}x | {' | '.join(texts)} |")
    return "\n".join(lines)


def wins(cells: Mapping[Cell, Mapping[str, Found]], score: str) -> str:
    """Count the cells in which each method is best, and those in which the next one is further away than the noise.

    Noise is the root of the summed squares of both standard deviations over the seeds; one seed tells nothing of it.
    """
    count: dict[str, int] = {}
    clear: dict[str, int] = {}
    for found in cells.values():
        best = _best(found, score)
        count[best] = count.get(best, 0) + 1
        gaps = [
            abs(other.mean - found[best].mean) > (other.sd**2 + found[best].sd ** 2) ** 0.5
            for name, other in found.items()
            if name != best
        ]
        clear[best] = clear.get(best, 0) + all(gaps)
    several = all(len(one.values) > 1 for found in cells.values() for one in found.values())
    told = [
        f"{name} in {number} of {len(cells)}" + (f", beyond the noise in {clear[name]}" if several else "")
        for name, number in count.items()
    ]
    return f"Best: {'; '.join(told)}."


def _best(found: Mapping[str, Found], score: str) -> str:
    sign = 1 if score in LOWER_IS_BETTER else -1
    return min(found, key=lambda name: sign * found[name].mean)


def _read(folder: Path) -> list[dict[str, str]]:
    with (folder / "rows.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
