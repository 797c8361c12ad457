"""Ratios of speed and size of the core, measured side by side in one run: `python -m tests.benchmarks.core`.

Every line prints what is compared, the ratio, and the ratio aimed at. Nothing here is a test: the machine may be busy.
"""

import argparse
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from coronet.cost import CostModel
from coronet.datasets import Batch
from coronet.hypernetwork import Hypernetwork
from coronet.importance import consumer_norm, per_cost
from coronet.networks import Generator, GeneratorConfig, build, resnet_config, unet_config
from coronet.objectives import LossWeights, Objective, PairedObjective
from coronet.recipes.machine import keep_memory
from coronet.search import MEASURED_EVERY, SearchPlan, SearchTask
from coronet.slimming import choose, slim
from coronet.tasks import GeneratorTask
from coronet.training import Training, fit

Timed = Callable[[], object]
NETS: dict[str, Callable[[int], GeneratorConfig]] = {
    "ResNet-9 ngf 64": lambda size: resnet_config(image_size=size),
    "mobile ResNet-9 ngf 32": lambda size: resnet_config(ngf=32, mobile=True, image_size=size),
    "U-Net ngf 64": lambda size: unet_config(image_size=size),
}


def main() -> None:
    """Print every ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=256, help="image side of the training steps")
    parser.add_argument("--no-page", action="store_true", help="leave the studio page out")
    parsed = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    for name, describe in NETS.items():
        generator = _random(describe(parsed.size))
        parameter_ratio(name, generator)
        step_ratios(name, generator, parsed.size, parsed.repeats)
    dense = _random(resnet_config())
    slim_seconds(dense, parsed.repeats)
    preview_ratio(dense, parsed.repeats)
    if not parsed.no_page:
        page_start()


def parameter_ratio(name: str, generator: Generator) -> None:
    """Hypernetwork parameters against dense ones."""
    dense = sum(tensor.numel() for tensor in generator.parameters())
    hypernetwork = Hypernetwork.from_generator(generator)
    learned = sum(tensor.numel() for tensor in [*hypernetwork.parameters().values(), *hypernetwork.latents.values()])
    _line(f"{name}: hypernetwork parameters / dense", learned / dense, 1.01)


def step_ratios(name: str, generator: Generator, size: int, repeats: int) -> None:
    """A search step, at full width and at half the MACs, against a plain fine-tuning step of the same dense net."""
    random = torch.Generator().manual_seed(0)
    source, target = (torch.rand(1, 3, size, size, generator=random) * 2 - 1 for _ in range(2))
    batch = Batch(source, target, paired=True)
    plain = _stepper(GeneratorTask(_copy(generator), _objective()), batch)
    full = _stepper(_search(generator), batch)
    half = _search(generator)
    half.remove(choose(half.hypernetwork.importance(), CostModel(generator.config), 2.0))
    times = side_by_side({"plain": plain, "full": full, "half": _stepper(half, batch)}, repeats)
    _line(f"{name}: search step at full width / plain step", times["full"] / times["plain"], 1.15)
    _line(f"{name}: search step at half the MACs / plain step", times["half"] / times["plain"], 0.65)


def slim_seconds(dense: Generator, repeats: int) -> None:
    """Cutting ResNet-9 at 4x, in units of 50 ms."""
    config = dense.config
    kept = choose(per_cost(consumer_norm(dense), CostModel(config), config.widths), CostModel(config), 4.0)
    times = side_by_side({"slim": lambda: slim(dense, dense.state_dict(), kept)}, max(5, repeats))
    _line("ResNet-9 ngf 64: slim / 50 ms", times["slim"] / 0.05, 1.0)


def preview_ratio(dense: Generator, repeats: int) -> None:
    """Choosing, cutting and translating at 4x and 256x256 against one dense translation."""
    config = dense.config
    scores = consumer_norm(dense)
    image = torch.zeros(1, 3, 256, 256)

    @torch.inference_mode()
    def preview() -> Tensor:
        model = CostModel(config)
        kept = choose(per_cost(scores, model, config.widths), model, 4.0)
        result: Tensor = slim(dense, dense.state_dict(), kept)(image)
        return result

    @torch.inference_mode()
    def translate() -> Tensor:
        result: Tensor = dense(image)
        return result

    times = side_by_side({"preview": preview, "dense": translate}, repeats)
    _line("ResNet-9 ngf 64, 256x256: preview / dense forward", times["preview"] / times["dense"], 1.3)


def page_start() -> None:
    """Seconds until the studio answers, in units of 8 s, and whether its process holds torch then."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).resolve().parents[2]
    begin = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        seconds = _wait(f"http://127.0.0.1:{port}/", begin)
        maps = Path(f"/proc/{server.pid}/maps")
        torch_loaded = "libtorch" in maps.read_text() if maps.exists() else None
    finally:
        server.terminate()
        server.wait()
    _line("studio page: start / 8 s", seconds / 8, 1.0)
    print(f"studio page: torch in the web process before the first preview: {torch_loaded}")


def side_by_side(functions: dict[str, Timed], repeats: int) -> dict[str, float]:
    """Time functions in turn, after one warm-up each; median seconds of this process's processor time."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(repeats):
        for name, function in functions.items():
            begin = time.process_time()
            function()
            seconds[name].append(time.process_time() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _stepper(task: GeneratorTask | SearchTask, batch: Batch) -> Timed:
    training = Training(task, phase="benchmark", steps=10**9, learning_rate=1e-5, seed=0)
    steps: Iterator[object] = fit(training, lambda step: batch)
    return lambda: [next(steps) for _ in range(MEASURED_EVERY)]  # one of them measures the importance


def _search(generator: Generator) -> SearchTask:
    hypernetwork = Hypernetwork.from_generator(generator)
    return SearchTask(generator.config, hypernetwork, _objective(), SearchPlan(ratio=4.0), consumer_norm(generator))


def _objective() -> Objective:
    return PairedObjective(LossWeights(), None, {})


def _random(config: GeneratorConfig) -> Generator:
    torch.random.manual_seed(0)
    return build(config).eval()


def _copy(generator: Generator) -> Generator:
    copy = build(generator.config)
    copy.load_state_dict(generator.state_dict())
    return copy


def _wait(address: str, begin: float) -> float:
    while time.perf_counter() - begin < 120:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return time.perf_counter() - begin
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise TimeoutError(f"{address} did not answer within two minutes.")


def _line(what: str, ratio: float, aim: float) -> None:
    print(f"{what}: {ratio:.3f} (aim: at most {aim}){'' if ratio <= aim else '  MISSED'}", flush=True)


if __name__ == "__main__":
    main()
