"""Over 200 damaged and hostile files: each is a checkpoint or one sentence; nothing runs, memory and time stay low."""

import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from coronet import sandbox, tensor_files
from coronet.checkpoints import build_generator, load
from coronet.containers import Refusal, sniff
from coronet.errors import CheckpointError
from tests.hostile_files import write_all
from tests.sandbox import convert_batch

PEAK_BYTES = 2 * 2**30
REAL_CHILDREN = ("os_system_zip", "protocol4", "huge_view", "deep_key", "huge_storage_legacy", "zeros_bomb")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], Path]:
    """The files, and the marker that no payload may create."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "files").mkdir()
    return write_all(folder / "files", folder / "marker", seed=7), folder / "marker"


@pytest.fixture
def hostile(
    written: tuple[list[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Path], Path]:
    """The same, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return written


def test_fuzzed_files_end_well_in_one_child(hostile: tuple[list[Path], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    files, marker = hostile
    assert len(files) >= 200
    monkeypatch.setattr(tensor_files, "_run_child", _refuse_child)
    pickles = [file for file in files if _kind(file) in ("zip", "pickle")]
    outcomes, peak = convert_batch([(file, "generator") for file in pickles])
    assert len(outcomes) == len(pickles)
    assert peak < PEAK_BYTES
    messages = {file: outcome["message"] for file, outcome in zip(pickles, outcomes, strict=True) if not outcome["ok"]}
    assert all(text and "\n" not in text and len(text) < 500 for text in messages.values())
    loaded = [file for file in files if file not in messages and _ends_well(file)]
    assert 5 <= len(loaded) <= len(files) // 3
    assert not marker.exists()


def test_fuzzed_files_end_well_in_real_children(hostile: tuple[list[Path], Path]) -> None:
    files, marker = hostile
    chosen = [file for file in files if file.stem[4:] in REAL_CHILDREN]
    assert len(chosen) >= len(REAL_CHILDREN)
    assert not any(_ends_well(file) for file in chosen)
    assert not marker.exists()


@pytest.mark.slow
def test_200_fuzzed_files_end_well_in_real_children(hostile: tuple[list[Path], Path]) -> None:
    files, marker = hostile
    chosen = random.Random(1).sample(files, 200)
    loaded = [file for file in chosen if _ends_well(file)]
    assert 5 <= len(loaded) <= len(chosen) // 3
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < PEAK_BYTES
    assert not marker.exists()


def _ends_well(file: Path) -> bool:
    """Load a file: True if it is a checkpoint, False if it is refused properly; anything else fails the test."""
    start = time.monotonic()
    try:
        checkpoint = load(file)
    except CheckpointError as error:
        text = str(error)
        assert "\n" not in text
        assert text.startswith(file.name[:20])
        assert len(text) < 600
        assert time.monotonic() - start < 30
        return False
    assert all(bool(torch.isfinite(tensor).all()) for tensor in checkpoint.weights.values())
    build_generator(checkpoint)
    return True


def _kind(file: Path) -> str:
    try:
        return sniff(file)
    except Refusal:
        return "refused"


def _refuse_child(*_: object) -> None:
    raise AssertionError("the file was not converted by the batch")


LOCKS = {
    "process": "import os; os.system('touch marker')",
    "fork": "import os; os.fork()",
    "subprocess": "import subprocess; subprocess.run(['touch', 'marker'])",
    "writing": "open('marker', 'w')",
    "socket": "import socket; socket.socket()",
    "memory": "bytearray(3 * 2**30)",
    "ctypes": "import ctypes; ctypes.CDLL(None).system(b'touch marker')",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limits are those of Linux")
@pytest.mark.parametrize("attempt", LOCKS)
def test_restricted_child_can_do_no_harm(tmp_path: Path, attempt: str) -> None:
    program = "from coronet.unpickle import restrict; import socket, subprocess, ctypes; restrict(1000, seconds=5); "
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", program + LOCKS[attempt]], cwd=tmp_path, env=environment, capture_output=True
    )
    assert done.returncode == 1
    assert b"PermissionError" in done.stderr or b"MemoryError" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("program", "message"),
    [("import os; os.abort()", "made its reader stop"), ("while True: pass", "was given up after")],
)
def test_lost_child_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, message: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sandbox, "_CHILD", program)
    monkeypatch.setattr(tensor_files, "LEAST_SECONDS", 1)
    (tmp_path / "x.pth").write_bytes(b"\x80\x02}.")
    with pytest.raises(CheckpointError, match=message) as caught:
        load(tmp_path / "x.pth")
    assert "\n" not in str(caught.value)
