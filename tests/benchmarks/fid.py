"""FID against the command of pytorch-fid on the same two folders.

`python -m tests.benchmarks.fid --real FOLDER --fake FOLDER --inception FILE`.

pytorch-fid finds the weights under the official name in a torch folder made for it; a file that stops at Mixed_6e gets
random blocks behind it, which is fair for speed alone. A small driver declares what torchvision's CUDA wheel misses on
a CPU and then runs pytorch-fid's own `main`. Both run as processes of their own, imports included, on as many threads
as OMP_NUM_THREADS allows. Processor seconds are what to trust where the machine is busy. At the end stands the floor:
the seconds that the convolutions alone would take at the speed of this machine's matrix products.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from coronet.images import list_images, open_image, to_tensor
from coronet.metrics.distribution import describe, describe_real, frechet_score
from coronet.metrics.extractors import open_extractor
from coronet.metrics.inception import OFFICIAL, SIDE, load_inception
from tests.inception_weights import write_random

DRIVER = """
import warnings; warnings.simplefilter("ignore")
from coronet.metrics.inception import published_inception; published_inception()
from pytorch_fid.fid_score import main; main()
"""


AIM = 5.0  # times faster than pytorch-fid
AGREEMENT = 1e-3  # relative, between the distances of both


@dataclass(frozen=True, slots=True)
class Taken:
    """What a process printed, and how long it took."""

    output: str
    seconds: float
    processor_seconds: float

    @property
    def distance(self) -> float:
        """The number at the end of what was printed."""
        return float(self.output.split()[-1])


def main() -> None:
    """Print the ratios without and with what a first call leaves in the cache; exit with 1 where distances differ, or
    where not even the cache brings the speed that is aimed at."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--fake", type=Path, required=True)
    parser.add_argument("--inception", type=Path, required=True)
    parser.add_argument("--length", type=int, choices=(768, 2048), default=2048)
    parser.add_argument("--images", type=int, default=130, help="of each folder, the first by name")
    parser.add_argument("--repeats", type=int, default=1, help="of every command, in turn; medians are shown")
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.ours:
        print(_our_distance(parsed.real, parsed.fake, parsed.inception, parsed.length))
        return
    with tempfile.TemporaryDirectory() as temporary:
        _compare(parsed, Path(temporary))


def _compare(parsed: argparse.Namespace, folder: Path) -> None:
    pair = [_part(parsed.real, folder / "real", parsed.images), _part(parsed.fake, folder / "fake", parsed.images)]
    weights = folder / "hub" / "checkpoints" / OFFICIAL.file_name
    weights.parent.mkdir(parents=True)
    write_random(weights, real=parsed.inception)
    whole = write_random(folder / "whole.safetensors", real=parsed.inception)
    length = str(parsed.length)
    theirs = ["-c", DRIVER, *map(str, pair), "--dims", length]
    ours = ["-m", "tests.benchmarks.fid", "--ours", "--real", str(pair[0]), "--fake", str(pair[1])]
    ours += ["--inception", str(whole), "--length", length]
    commands = {"pytorch-fid": theirs, "ours": ours, "ours, real set and network in the cache": ours}
    taken: dict[str, list[Taken]] = {name: [] for name in commands}
    for turn in range(parsed.repeats):
        environment = {"TORCH_HOME": str(folder), "XDG_CACHE_HOME": str(folder / f"cache{turn}")}
        for name, command in commands.items():
            taken[name].append(_run(command, environment))
    counts = " and ".join(str(len(list_images(one))) for one in pair)
    threads = os.environ.get("OMP_NUM_THREADS", "unset")
    print(f"{counts} images, {length} features, medians of {parsed.repeats}, OMP_NUM_THREADS={threads}")
    _report({name: _median(several) for name, several in taken.items()})
    images = len(list_images(pair[1]))
    floor = _macs(whole, parsed.length) / _macs_per_second() * images
    print(f"floor for the features of {images} images: {floor:.1f} s")


def _report(medians: dict[str, Taken]) -> None:
    theirs = medians["pytorch-fid"]
    for name, one in medians.items():
        clock, processor = theirs.seconds / one.seconds, theirs.processor_seconds / one.processor_seconds
        aim = "" if one is theirs else f"; {AIM:g}x by the clock {'reached' if clock >= AIM else 'not reached'}"
        print(
            f"{name}: {one.distance:.6g}; {one.seconds:.1f} s, {one.processor_seconds:.1f} CPU s, "
            f"{clock:.2f}x faster by the clock, {processor:.2f}x by the processor{aim}"
        )
        if abs(one.distance - theirs.distance) > AGREEMENT * abs(theirs.distance):
            sys.exit(f"{name} gives {one.distance}, but pytorch-fid {theirs.distance}.")
    if theirs.seconds / min(one.seconds for one in medians.values()) < AIM:
        sys.exit(f"No way is {AIM:g}x as fast as pytorch-fid.")


def _macs(inception: Path, length: int) -> int:
    """Count the multiplications of the network's convolutions for one image."""
    network = load_inception(inception, 768 if length == 768 else 2048)
    counts: list[int] = []

    def count(module: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        counts.append(output.numel() * module.get_parameter("weight")[0].numel())

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, 3, SIDE, SIDE))
    return sum(counts)


def _macs_per_second() -> float:
    """Measure the best of several products of large matrices, on all threads."""
    side, best = 2048, 0.0
    one, other = (np.random.default_rng(0).random((side, side), dtype=np.float32) for _ in range(2))
    for _ in range(8):
        begin = time.perf_counter()
        one @ other
        best = max(best, side**3 / (time.perf_counter() - begin))
    return best


def _median(several: list[Taken]) -> Taken:
    return Taken(
        several[0].output,
        median(one.seconds for one in several),
        median(one.processor_seconds for one in several),
    )


def _our_distance(real: Path, fake: Path, inception: Path, length: int) -> float:
    extractor = open_extractor("inception-2048" if length == 2048 else "inception-768", inception)
    first = describe_real(extractor, lambda: (to_tensor(open_image(path)) for path in list_images(real)))
    second = describe(extractor, (to_tensor(open_image(path)) for path in list_images(fake)))
    return frechet_score(extractor, first, second).value


def _part(source: Path, folder: Path, count: int) -> Path:
    """Write the first images as numbered PNG files, which both read as the same pixels."""
    folder.mkdir()
    for number, path in enumerate(list_images(source)[:count]):
        open_image(path).save(folder / f"{number:06d}.png")
    return folder


def _run(arguments: list[str], environment: dict[str, str]) -> Taken:
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(done.stdout.strip(), seconds, processor)


if __name__ == "__main__":
    main()
