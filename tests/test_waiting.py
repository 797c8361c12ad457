"""Threads that wait must sleep: on busy processors spinning ones take the time of those they wait for."""

import os
import subprocess
import sys

import pytest

PAGE = "from coronet.studio.translating import prepare_torch; prepare_torch()"
COMMAND = "from coronet.__main__ import main; main(['preview', '--help'])"


@pytest.mark.parametrize("code", [PAGE, f"import atexit; atexit.register(__import__, 'torch'); {COMMAND}"])
def test_torch_is_loaded_with_threads_that_sleep(code: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"OMP_DISPLAY_ENV": "VERBOSE"},  # the OpenMP library says what it goes by when it is loaded
        capture_output=True,
        text=True,
        check=True,
    )
    assert "GOMP_SPINCOUNT = '0'" in told.stderr
