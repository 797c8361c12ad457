"""What `import coronet` offers: a sorted list of names, each importable and each with a sentence."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import coronet

ROOT = Path(__file__).resolve().parents[1]


def names():
    return getattr(coronet, "__all__", [])


def test_the_public_names_are_listed_and_sorted():
    assert list(names()), "coronet.__all__ is missing or empty"
    assert list(names()) == sorted(set(names()))


@pytest.mark.parametrize("name", names())
def test_every_public_name_is_importable_and_documented(name):
    assert not name.startswith("_") or name == "__version__"
    value = getattr(coronet, name)
    if callable(value):
        assert value.__doc__, f"{name} has no docstring"
        assert value.__module__.startswith("coronet"), f"{name} belongs to {value.__module__}"


def test_the_listed_names_are_all_there_is_to_see():
    assert names()
    assert set(names()) <= set(dir(coronet))


def test_a_star_import_gives_exactly_the_public_names():
    space = {}
    exec("from coronet import *", space)
    assert names()
    assert set(space) - {"__builtins__"} == set(names())


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = coronet.no_such_name
    with pytest.raises(ImportError):
        importlib.import_module("coronet.no_such_module")


def test_importing_reads_no_arguments_and_touches_no_file(tmp_path):
    program = "import sys; sys.argv = ['x', '--bogus']; import coronet"
    program += "; print([name for name in sys.modules if name.startswith('coronet.')])"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, env=environment, check=True
    )
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
