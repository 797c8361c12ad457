"""What the tests of the studio share: a launcher that starts nothing, a tiny model, and a studio that is served."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from coronet.checkpoints import Checkpoint, save
from coronet.jobs import JobTable
from coronet.launcher import Process
from coronet.networks import build, resnet_config

ROOT = Path(__file__).resolve().parents[1]
TINY = "tiny.safetensors"


class NoLauncher:
    """Starts nothing: what workers do is tested with jobs."""

    def start(self, run: Path) -> Process:
        raise OSError(1, "not here")

    def alive(self, process: Process) -> bool:
        return False

    def kill(self, process: Process) -> None:
        raise AssertionError("nothing to end")


def save_tiny_model(path: Path, *, seed: int = 0, channels: int = 3) -> Path:
    """Write a ResNet generator of 4 channels, one block and random weights, for 32 pixels a side."""
    config = replace(resnet_config(ngf=4, blocks=1, image_size=32), input_channels=channels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        save(Checkpoint(config, dict(build(config).state_dict())), path)
    return path


def end_runs(runs: Path) -> None:
    """Ask what is at work to end: runs outlive their studio, and a test may have failed under way."""
    table = JobTable(runs)
    for job in table.list():
        if job.active:
            table.request_cancel(job.id)


@contextmanager
def served(folder: Path, *arguments: str | Path) -> Iterator[tuple[str, int]]:
    """Serve a studio whose runs lie in a folder; give its address and process, and see it end well."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--runs", folder / "runs", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        sys.stdout.write(next(line for line in process.stderr if "ready after" in line))
        said: list[str] = []  # read all the time: a full pipe would stop the studio
        reader = threading.Thread(target=said.extend, args=[process.stderr], daemon=True)
        reader.start()
        try:
            yield f"http://127.0.0.1:{port}", process.pid
            assert process.poll() is None, "the studio stopped under way"
        finally:
            process.terminate()
            reader.join()
            sys.stdout.write("".join(said))
            end_runs(folder / "runs")
        assert process.wait() == 0
