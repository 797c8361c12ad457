"""A run folder stays readable and resumable whatever happened to the process or the files."""

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest
import torch
from PIL import Image

from coronet.errors import CoronetError, RunError
from coronet.runs import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", "compress", {"ratio": 4.0, "model": "häuser/模型.pth"})


def one_line(error: pytest.ExceptionInfo[CoronetError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


# Folders


def test_open_gives_what_create_wrote(run: Run) -> None:
    opened = Run.open(run.path)
    assert (opened.verb, opened.settings, opened.path) == (run.verb, run.settings, run.path)


def test_create_takes_an_empty_folder_and_makes_missing_parents(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "a" / "b"):
        Run.create(folder, "train", {"seed": 3})
        opened = Run.open(folder)
        assert (opened.verb, opened.settings, opened.status()) == ("train", {"seed": 3}, "new")


def test_create_refuses_a_run_and_names_resume(run: Run) -> None:
    with pytest.raises(RunError) as error:
        Run.create(run.path, "train", {})
    assert str(run.path) in one_line(error)
    assert "resume" in one_line(error)


def test_create_refuses_a_folder_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(RunError, match="another folder"):
        Run.create(tmp_path, "train", {})
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_open_refuses_what_is_no_run(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RunError, match="is not a run"):
            Run.open(path)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError):
        Run.create(tmp_path / "file", "train", {})
    with pytest.raises(RunError):
        Run.create(tmp_path / "file" / "below", "train", {})


def test_importing_runs_loads_no_torch() -> None:
    code = "import sys, coronet.runs, coronet.jobs, coronet.worker; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# Damage


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"verb": 3}', b"\xff\xfe", b"[" * 100_000])
def test_damaged_settings_are_one_sentence(run: Run, content: bytes) -> None:
    (run.path / "settings.json").write_bytes(content)
    with pytest.raises(RunError) as error:
        Run.open(run.path)
    assert "settings.json" in one_line(error)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_damaged_report_is_one_sentence(run: Run, content: bytes) -> None:
    (run.path / "report.json").write_bytes(content)
    with pytest.raises(RunError) as error:
        run.report()
    assert "report.json" in one_line(error)


def test_flipped_bytes_in_settings_never_escape_as_another_error(run: Run) -> None:
    random = Random(0)
    path = run.path / "settings.json"
    original = path.read_bytes()
    for _ in range(200):
        damaged = bytearray(original)
        damaged[random.randrange(len(damaged))] = random.randrange(256)
        path.write_bytes(damaged)
        with suppress(RunError):
            Run.open(run.path)


# Events


def steps(first: int, last: int) -> list[dict[str, object]]:
    return [{"done": number, "losses": {"gan": 1 / number}} for number in range(first, last + 1)]


def test_events_come_back_in_order(run: Run) -> None:
    for step in steps(1, 5):
        run.record(step)
    assert run.events() == steps(1, 5)
    assert Run.open(run.path).events() == steps(1, 5)


def test_a_run_without_events_has_none(run: Run) -> None:
    assert run.events() == []
    run.rewind(0)
    assert run.events() == []


def test_numbers_that_are_not_finite_become_null(run: Run) -> None:
    run.record({"done": 1, "losses": {"gan": float("nan"), "l1": float("inf")}, "widths": None})
    assert run.events() == [{"done": 1, "losses": {"gan": None, "l1": None}, "widths": None}]


@pytest.mark.parametrize("cut", range(1, 30, 7))
def test_a_half_written_last_line_is_left_out_and_then_overwritten(run: Run, cut: int) -> None:
    for step in steps(1, 3):
        run.record(step)
    path = run.path / "events.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert run.events() == steps(1, 2)
    run.record(steps(3, 3)[0])
    assert run.events() == steps(1, 3)
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_looking_never_changes_the_events(run: Run) -> None:
    path = run.path / "events.jsonl"
    path.write_bytes(b'{"done": 1}\n{"do')
    Run.open(run.path).events()
    assert path.read_bytes() == b'{"done": 1}\n{"do'


def test_a_damaged_line_costs_only_itself(run: Run) -> None:
    (run.path / "events.jsonl").write_bytes(b'{"done": 1}\n\xff\x00{]\n[]\n{"done": 3}\n')
    assert [event["done"] for event in run.events()] == [1, 3]


def test_reading_on_from_an_offset_gives_each_event_once(run: Run) -> None:
    seen, offset = [], 0
    for step in steps(1, 6):
        run.record(step)
        if step["done"] in (2, 3, 6):
            new, offset = run.events_after(offset)
            seen += new
    assert seen == steps(1, 6)


def test_rewinding_and_going_on_equals_an_uninterrupted_run(run: Run, tmp_path: Path) -> None:
    other = Run.create(tmp_path / "other", "compress", {})
    for step in steps(1, 9):
        other.record(step)
        other.save_preview(int(str(step["done"])), Image.new("RGB", (2, 2)))
    for step in steps(1, 6):
        run.record(step)
        run.save_preview(int(str(step["done"])), Image.new("RGB", (2, 2)))
    resumed = Run.open(run.path)
    resumed.rewind(4)
    for step in steps(5, 9):
        resumed.record(step)
        resumed.save_preview(int(str(step["done"])), Image.new("RGB", (2, 2)))
    assert (run.path / "events.jsonl").read_bytes() == (other.path / "events.jsonl").read_bytes()
    assert list(run.previews()) == list(other.previews())


# State


def same(left: object, right: object) -> bool:
    if isinstance(left, torch.Tensor):
        return isinstance(right, torch.Tensor) and torch.equal(left, right)
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    return left == right


def state(number: int) -> dict[str, object]:
    weights = torch.randn(4, 5, generator=torch.Generator().manual_seed(number))
    return {"done": number, "weights": {"a": weights}, "rates": [0.1, 0.2], "name": "x", "none": None, "on": True}


def test_state_comes_back(run: Run) -> None:
    assert run.load_state() is None
    run.save_state(state(1))
    run.save_state(state(2))
    assert same(Run.open(run.path).load_state(), state(2))


def test_dropping_the_state_leaves_none(run: Run) -> None:
    run.save_state(state(1))
    run.save_state(state(2))
    run.drop_state()
    run.drop_state()
    assert run.load_state() is None
    assert not list(run.path.glob("*.pt"))


def test_a_cut_or_flipped_state_falls_back_to_the_one_before(run: Run) -> None:
    run.save_state(state(1))
    run.save_state(state(2))
    path = run.path / "state.pt"
    original = path.read_bytes()
    random = Random(0)
    for _ in range(60):
        damaged = bytearray(original[: random.randrange(len(original))] if random.random() < 0.3 else original)
        if len(damaged) == len(original):
            for _ in range(20):
                damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        loaded = run.load_state()
        assert same(loaded, state(1)) or same(loaded, state(2))


def test_two_damaged_states_are_one_sentence(run: Run) -> None:
    run.save_state(state(1))
    run.save_state(state(2))
    for path in run.path.glob("*.pt"):
        path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(RunError) as error:
        run.load_state()
    assert "damaged (kept as state.damaged, state.previous.damaged)" in one_line(error)
    assert {path.name for path in run.path.glob("*.damaged")} == {"state.damaged", "state.previous.damaged"}
    run.drop_state()
    assert not list(run.path.glob("*.damaged"))


def test_a_state_for_which_there_is_no_memory_is_not_damaged(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")

    run.save_state(state(1))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", load)
        with pytest.raises(RunError, match="too little memory"):
            run.load_state()
    assert run.load_state() is not None


def test_an_error_of_what_is_done_under_the_lock_is_not_the_locks(run: Run, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), run.lock():
        (tmp_path / "missing").read_bytes()


def test_a_run_that_another_process_opens_is_not_dropped(run: Run) -> None:
    with run.lock():
        Run.open(run.path).drop_unstarted()
        assert Run.open(run.path).settings == run.settings
    run.drop_unstarted()
    assert not run.path.exists()


def test_settings_may_name_files_that_are_no_utf8(tmp_path: Path) -> None:
    data = os.fsdecode(b"/data/\xff\xfe")
    Run.create(tmp_path / "named", "compress", {"data": data})
    assert Run.open(tmp_path / "named").settings == {"data": data}


def test_a_state_with_code_in_it_is_not_executed(run: Run, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"done": 1, "x": Evil()}, run.path / "state.pt")
    with pytest.raises(RunError, match="damaged"):
        run.load_state()
    assert not (tmp_path / "owned").exists()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond this: to a writer that looks like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)


def test_a_full_disk_keeps_the_last_state_and_is_one_sentence(run: Run) -> None:
    run.save_state(state(1))
    with pytest.raises(RunError) as error, largest_file(4096):
        run.save_state({"done": 2, "weights": torch.zeros(100_000)})
    assert "Free some space" in one_line(error)
    assert same(run.load_state(), state(1))
    assert not list(run.path.glob("*.part"))


def test_events_survive_a_full_disk(run: Run) -> None:
    run.record({"done": 1})
    with pytest.raises(RunError), largest_file(40):
        run.record({"done": 2, "text": "x" * 100})
    run.record({"done": 2})
    assert [event["done"] for event in run.events()] == [1, 2]


def test_a_removed_folder_is_one_sentence(run: Run) -> None:
    (run.path / "settings.json").unlink()
    run.path.rmdir()
    for action in (lambda: run.record({}), lambda: run.save_state({}), lambda: run.write_report({})):
        with pytest.raises(RunError) as error:
            action()
        assert str(run.path) in one_line(error)


# Report and status


def test_status_follows_the_folder(run: Run) -> None:
    assert run.status() == "new"
    run.save_state({"done": 1})
    assert run.status() == "unfinished"
    with run.lock():
        assert run.status() == "running"
    assert run.status() == "unfinished"
    run.write_report({"ratio": 4.0})
    assert run.status() == "done"
    assert run.report() == {"ratio": 4.0}


# Lock


def test_one_run_is_executed_once(run: Run) -> None:
    with run.lock():
        with pytest.raises(RunError) as error, Run.open(run.path).lock():
            pass
        assert str(os.getpid()) in one_line(error)
    with run.lock():
        pass


def test_a_killed_owner_holds_no_lock(run: Run) -> None:
    code = f"""
        import time
        from coronet.runs import Run
        with Run.open({str(run.path)!r}).lock():
            print("held", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"held\n"
        assert run.status() == "running"
        with pytest.raises(RunError, match=str(owner.pid)), run.lock():
            pass
        owner.kill()
    with run.lock():
        assert run.status() == "running"
