"""ONNX Runtime's sessions: how one is set up, and how much memory one needs, measured in a process of its own.

Run as `python -m coronet.sessions MODEL SIDE THREADS CHANNELS` it is that process; it imports no torch.
"""

import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDED_BYTES = 64 * 2**20  # a constant that ONNX Runtime may compute while it loads
_STATUS = Path("/proc/self/status")
_LONGEST_SECONDS = 600


def session_options(threads: int) -> Any:
    """Ask for a fixed number of threads that sleep while they wait."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("optimization.constant_folding_max_output_size_in_bytes", str(FOLDED_BYTES))
    return options


def peak_memory(path: Path, *, image_size: int, threads: int = 1, channels: int = 3) -> int | None:
    """Measure what loading an .onnx file and translating one square image adds to a process at its peak, in bytes.

    The file must be one that `runtime.open_onnx` has accepted. None where the system does not tell (only Linux does) or
    the model does not take the size.
    """
    numbers = [str(number) for number in (image_size, threads, channels)]
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            [sys.executable, "-m", "coronet.sessions", str(path.resolve()), *numbers],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
        if done.returncode == 0:
            found: int | None = json.loads(done.stdout)
            return found
    return None


def main(arguments: list[str]) -> int:
    """Run the child: load, translate one grey image, and print the bytes that took, or null."""
    import numpy as np
    import onnxruntime

    model, side, threads, channels = arguments[0], *(int(number) for number in arguments[1:4])
    image = np.zeros((1, channels, side, side), dtype=np.float32)
    before = _bytes("VmRSS")
    session = onnxruntime.InferenceSession(model, session_options(threads), providers=["CPUExecutionProvider"])
    session.run(None, {session.get_inputs()[0].name: image})
    peak = _bytes("VmHWM")
    sys.stdout.write(json.dumps(None if before is None or peak is None else peak - before) + "\n")
    return 0


def _bytes(name: str) -> int | None:
    with suppress(OSError):
        if match := re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(encoding="utf-8"), re.MULTILINE):
            return int(match[1]) * 1024
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
