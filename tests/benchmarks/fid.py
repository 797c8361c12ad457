"""FID against the command of pytorch-fid on the same two folders: `python -m tests.benchmarks.fid --inception FILE`.

pytorch-fid finds the weights under the official name in a torch folder made for it; a file that stops at Mixed_6e gets
random blocks behind it, which is fair for speed alone. A small driver declares what torchvision's CUDA wheel misses on
a CPU and then runs pytorch-fid's own `main`. Both run as processes of their own, imports included, on as many threads
as OMP_NUM_THREADS allows. Processor seconds are what to trust where the machine is busy.
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

from coronet.images import list_images, open_image, to_tensor
from coronet.metrics.distribution import describe, describe_real, frechet_score
from coronet.metrics.extractors import open_extractor
from coronet.metrics.inception import OFFICIAL
from tests.inception_weights import write_random

DRIVER = """
import warnings; warnings.simplefilter("ignore")
from coronet.metrics.inception import published_inception; published_inception()
from pytorch_fid.fid_score import main; main()
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a process printed, and how long it took."""

    output: str
    seconds: float
    processor_seconds: float


def main() -> None:
    """Print the ratios without and with the cache of the real set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--fake", type=Path, required=True)
    parser.add_argument("--inception", type=Path, required=True)
    parser.add_argument("--length", type=int, choices=(768, 2048), default=768)
    parser.add_argument("--images", type=int, default=130, help="of each folder, the first by name")
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.ours:
        print(_our_distance(parsed.real, parsed.fake, parsed.inception, parsed.length))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _compare(parsed, folder)


def _compare(parsed: argparse.Namespace, folder: Path) -> None:
    real, fake = (_part(path, folder / path.name, parsed.images) for path in (parsed.real, parsed.fake))
    weights = folder / "hub" / "checkpoints" / OFFICIAL.file_name
    weights.parent.mkdir(parents=True)
    write_random(weights, real=parsed.inception)
    whole = write_random(folder / "whole.safetensors", real=parsed.inception)
    environment = {"TORCH_HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    pair, length = [str(real), str(fake)], str(parsed.length)
    theirs = _run(["-c", DRIVER, *pair, "--dims", length], environment)
    ours = ["-m", "tests.benchmarks.fid", "--ours", "--real", pair[0], "--fake", pair[1]]
    ours += ["--inception", str(whole), "--length", length]
    without, cached = _run(ours, environment), _run(ours, environment)
    print(
        f"{2 * parsed.images} images, {length} features, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}"
    )
    for name, taken in (("pytorch-fid", theirs), ("ours", without), ("ours, real set in the cache", cached)):
        print(
            f"{name}: {taken.output.splitlines()[-1]}; {taken.seconds:.1f} s, {taken.processor_seconds:.1f} CPU s, "
            f"{theirs.seconds / taken.seconds:.2f}x faster by the clock, "
            f"{theirs.processor_seconds / taken.processor_seconds:.2f}x by the processor (aim: 5x)"
        )


def _our_distance(real: Path, fake: Path, inception: Path, length: int) -> float:
    extractor = open_extractor("inception-2048" if length == 2048 else "inception-768", inception)
    first = describe_real(extractor, lambda: (to_tensor(open_image(path)) for path in list_images(real)))
    second = describe(extractor, (to_tensor(open_image(path)) for path in list_images(fake)))
    return frechet_score(extractor, first, second).value


def _part(source: Path, folder: Path, count: int) -> Path:
    """Write the first images as PNG files, which both read as the same pixels."""
    folder.mkdir()
    for path in list_images(source)[:count]:
        open_image(path).save(folder / f"{path.stem}.png")
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
