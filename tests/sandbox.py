"""One sandboxed child that converts many files, so that a test pays for importing torch once."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coronet.checkpoints import sha256_of
from coronet.files import cache_folder

_PROGRAM = """
import json, sys
from dataclasses import asdict
from pathlib import Path
import torch, safetensors.torch
from coronet.unpickle import convert, restrict
torch.set_num_threads(1)
jobs = [line.rstrip("\\n").split("\\t") for line in sys.stdin]
restrict(max(Path(source).stat().st_size for source, _, _ in jobs), seconds=60)
for source, target, role in jobs:
    print(json.dumps(asdict(convert(Path(source), Path(target), role))), flush=True)
"""


def convert_batch(files: Sequence[tuple[Path, str]]) -> tuple[list[dict[str, Any]], int]:
    """Convert (file, role) into the cache, where `load` finds them; gives outcomes and the largest child's bytes.

    A child that dies counts as a refusal of the file it was reading; another one goes on.
    """
    cache_folder().mkdir(parents=True, exist_ok=True)
    left, outcomes, peak = list(files), [], 0
    while left:
        done, used = _one_child(left)
        outcomes += done
        left, peak = left[len(done) :], max(peak, used)
        if left and not done:
            outcomes.append({"ok": False, "message": "made its reader stop: it is damaged or hostile."})
            left = left[1:]
    return outcomes, peak


def _one_child(files: Sequence[tuple[Path, str]]) -> tuple[list[dict[str, Any]], int]:
    jobs = [f"{file}\t{cache_folder() / f'{sha256_of(file)}-{role}.safetensors'}\t{role}\n" for file, role in files]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as given, tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        given.writelines(jobs)
        given.seek(0)
        child = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=given,
            stdout=out,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parents[1],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        timer = threading.Timer(60 + len(files), child.kill)
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        lines = out.read().splitlines()
    assert isinstance(usage, resource.struct_rusage)
    return [json.loads(line) for line in lines], usage.ru_maxrss * 1024
