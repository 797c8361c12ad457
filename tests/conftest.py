"""Shared fixtures: the optional real data and weights, and the switch for slow tests."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
os.environ["CORONET_NICENESS"] = "0"  # what a test waits for must not wait for other tests


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _spread_browsers(items)
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


def _spread_browsers(items: list[pytest.Item]) -> None:
    """Spread the files that drive a browser, which wait a lot, among the others: two at once starve each other."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    waiting = [file for file in files if file.parent.name == "browser"]
    others = [file for file in files if file not in waiting]
    stretch = len(others) // (len(waiting) + 2) + 1  # none is among the last: a process would work at it alone
    for place, file in enumerate(waiting):
        others.insert(place * (stretch + 1), file)
    items[:] = [item for file in others for item in files[file]]


@pytest.fixture(scope="session", autouse=True)
def _one_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what the program keeps between runs in one folder for all tests and their processes, not in the user's."""
    base = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"))
        yield


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    """Put torch's threads back after a test that ran a verb; tests that never import torch do not start to."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    yield
    if torch and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with horse2zebra, summer2winter_yosemite and edges2shoes; the test is skipped without it."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"real photos are optional and not at {folder}")
    return folder


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """Folder with published weights; the test is skipped without it."""
    folder = SHARED / "weights"
    if not folder.is_dir():
        pytest.skip(f"published weights are optional and not at {folder}")
    return folder
