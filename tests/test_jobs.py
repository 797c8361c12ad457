"""The job table moves along its states and no others, whoever is killed on the way."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from coronet.checkpoints import Checkpoint, save
from coronet.ending import is_ending
from coronet.errors import RunError
from coronet.job_states import lost_words
from coronet.jobs import ACTIVE, LOST, RESTARTED, RESUMABLE, TRANSITIONS, JobTable
from coronet.launcher import LocalLauncher, Process, identify, is_alive
from coronet.networks import build, resnet_config
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from coronet.scheduler import Scheduler
from coronet.settings import to_json
from coronet.turns import fair_order
from coronet.worker import work

STATES = ("queued", *ACTIVE, "discarding", "paused", "done", "cancelled", "failed", "interrupted")
WISHES = {
    "request_pause": "pause",
    "request_keep": "keep",
    "request_cancel": "cancel",
    "request_discard": "discard",
    "resume": "resume",
}


class Launches:
    """A launcher that only writes down what it is asked; the test says who is alive."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.killed: list[Process] = []
        self.living: set[Process] = set()
        self.broken = False

    def start(self, run: Path) -> Process:
        if self.broken:
            raise OSError(12, "Cannot allocate memory")
        self.started.append(run.name)
        process = Process(1_000_000 + len(self.started), 1)
        self.living.add(process)
        return process

    def alive(self, process: Process) -> bool:
        return process in self.living

    def kill(self, process: Process) -> None:
        self.killed.append(process)
        self.living.discard(process)


@pytest.fixture
def launches() -> Launches:
    return Launches()


@pytest.fixture
def table(tmp_path: Path, launches: Launches) -> JobTable:
    return JobTable(tmp_path / "runs", launches)


def submit(table: JobTable, name: str = "one") -> str:
    return table.submit(Run.create(table.runs / name, "compress", {}))


def owner(launches: Launches) -> Process:
    return max(launches.living, key=lambda process: process.pid)


def force(table: JobTable, id: str, state: str) -> None:
    with sqlite3.connect(table.runs / "jobs.sqlite") as rows:
        rows.execute("UPDATE jobs SET state=? WHERE id=?", (state, id))
    rows.close()


# States


def test_transitions_name_known_states_only() -> None:
    assert {state for moves in TRANSITIONS.values() for pair in moves.items() for state in pair} == set(STATES)


def test_only_discarding_leaves_done_and_nothing_leaves_discarding() -> None:
    assert [event for event, moves in TRANSITIONS.items() if "done" in moves] == ["discard"]
    assert not any("discarding" in moves for moves in TRANSITIONS.values())


def test_every_job_can_be_discarded() -> None:
    assert set(TRANSITIONS["discard"]) == set(STATES) - {"discarding"}


def test_every_active_job_can_be_ended_and_every_stopped_one_resumed() -> None:
    for state in ACTIVE:
        assert TRANSITIONS["cancel"].get(state, state) == "cancelling"
        assert TRANSITIONS["lost"][state] in RESUMABLE
        assert TRANSITIONS["stopped"][state] in RESUMABLE
    assert set(STATES) - set(RESUMABLE) == {"queued", "done", "discarding", *ACTIVE}


@pytest.mark.parametrize(("state", "wish"), list(product(STATES, WISHES)))
def test_a_wish_follows_the_table_and_repeating_it_changes_nothing(table: JobTable, state: str, wish: str) -> None:
    id = submit(table)
    (table.runs / id / "state.pt").touch()  # there is something to keep
    force(table, id, state)
    event = WISHES[wish]
    expected = TRANSITIONS[event].get(state, state)  # type: ignore[index, call-overload]
    assert getattr(table, wish)(id) == expected
    again = TRANSITIONS[event].get(expected, expected)  # type: ignore[index, call-overload]
    assert getattr(table, wish)(id) == table.state(id) == again


def test_an_undisturbed_job(table: JobTable, launches: Launches) -> None:
    id = submit(table)
    seen = [table.state(id)]
    table.tick()
    seen.append(table.state(id))
    process = owner(launches)
    assert table.claim(id, process) == "running"
    table.heartbeat(id, process, 3, 10)
    assert (table.job(id).done, table.job(id).total) == (3, 10)
    assert table.job(id).heartbeat is not None
    seen.append(table.finish(id, process, "done"))
    launches.living.clear()
    table.tick()
    assert [*seen, table.state(id)] == ["queued", "running", "done", "done"]
    assert launches.started == [id]


def test_pause_and_resume(table: JobTable, launches: Launches) -> None:
    id = submit(table)
    table.tick()
    seen = [table.request_pause(id), table.finish(id, owner(launches), "stopped"), table.resume(id)]
    launches.living.clear()
    table.tick()
    assert [*seen, table.state(id)] == ["pausing", "paused", "queued", "running"]


def test_cancel_before_during_and_after_pausing(table: JobTable, launches: Launches) -> None:
    id = submit(table)
    assert table.request_cancel(id) == "cancelled"
    table.resume(id)
    table.tick()
    assert [table.request_pause(id), table.request_cancel(id)] == ["pausing", "cancelling"]
    assert table.request_pause(id) == "cancelling"
    assert table.finish(id, owner(launches), "stopped") == "cancelled"


def test_keeping_is_wished_in_the_folder_and_ends_done(table: JobTable, launches: Launches) -> None:
    id = submit(table)
    table.tick()
    assert table.request_keep(id) == "keeping"
    assert is_ending(table.runs / id)
    assert table.finish(id, owner(launches), "done") == "done"


@pytest.mark.parametrize("end", ["lost", "stopped"])
def test_a_wish_to_keep_outlives_the_worker(table: JobTable, launches: Launches, end: str) -> None:
    id = submit(table)
    table.tick()
    table.request_keep(id)
    if end == "stopped":
        table.finish(id, owner(launches), "stopped")
    launches.living.clear()
    table.tick()
    assert table.state(id) == ("interrupted" if end == "lost" else "paused")
    assert table.resume(id) == "queued"
    assert is_ending(table.runs / id)


def test_a_stopped_job_is_queued_to_be_kept_once_it_has_learned_something(table: JobTable) -> None:
    id = submit(table)
    table.request_pause(id)
    with pytest.raises(RunError, match="learned nothing"):
        table.request_keep(id)
    assert not is_ending(table.runs / id)
    (table.runs / id / "state.pt").touch()
    assert table.request_keep(id) == "queued"
    assert is_ending(table.runs / id)


def test_a_job_that_has_not_begun_or_is_done_is_not_kept(table: JobTable) -> None:
    id = submit(table)
    assert table.request_keep(id) == "queued"
    force(table, id, "done")
    assert table.request_keep(id) == "done"
    assert not is_ending(table.runs / id)


def test_a_refused_wish_to_keep_leaves_nothing_behind(table: JobTable) -> None:
    submit_for(table, "ann", "first")
    table.request_pause("first")
    (table.runs / "first" / "state.pt").touch()
    submit_for(table, "ann", *"abcde")
    with pytest.raises(RunError, match="5 of your runs are waiting"):
        table.request_keep("first")
    assert not is_ending(table.runs / "first")


def test_cancelling_takes_the_wish_to_keep_back(table: JobTable) -> None:
    id = submit(table)
    table.tick()
    table.request_keep(id)
    assert table.request_cancel(id) == "cancelling"
    assert not is_ending(table.runs / id)


def test_a_discarded_job_goes_with_its_folder_when_nobody_works_in_it(table: JobTable, launches: Launches) -> None:
    first, second = submit(table, "a"), submit(table, "b")
    table.tick()
    assert [table.request_discard(id) for id in (first, second)] == ["discarding", "discarding"]
    table.tick()
    assert [job.id for job in table.list()] == [first], "its worker is still at work"
    assert (table.runs / first).is_dir()
    assert not (table.runs / second).exists()
    assert table.finish(first, owner(launches), "stopped") == "discarding"
    launches.living.clear()
    table.tick()
    assert table.list() == ()
    assert not (table.runs / first).exists()


@pytest.mark.parametrize("event", ["done", "failed", "stopped"])
def test_a_job_that_ends_while_it_is_discarded_goes_all_the_same(
    table: JobTable, launches: Launches, event: str
) -> None:
    id = submit(table)
    table.tick()
    table.request_discard(id)
    assert table.finish(id, owner(launches), event) == "discarding"  # type: ignore[arg-type]


def test_a_discarded_run_waits_for_a_worker_that_ends_and_ends_one_that_does_not(
    table: JobTable, launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(table, "a")
    table.tick()
    submit(table, "b")
    table.request_discard("a")
    table.tick()
    assert launches.started == ["a"], "the place is not free yet"
    assert table.claim("a", owner(launches)) is None
    monkeypatch.setattr("coronet.jobs._CANCEL_PATIENCE", -1.0)
    table.tick()
    table.tick()
    assert len(launches.killed) == 1
    assert launches.started == ["a", "b"]


def test_what_a_kill_leaves_of_a_discarded_run_goes_at_the_next_tick(table: JobTable, launches: Launches) -> None:
    """The folder is gone in part, the row is there: as after a kill between the two."""
    id = submit(table)
    table.request_discard(id)
    (table.runs / id / "settings.json").unlink()
    restarted = JobTable(table.runs, launches)
    restarted.adopt()
    restarted.tick()
    assert restarted.list() == ()
    assert not (table.runs / id).exists()


def test_a_server_that_starts_again_says_why_a_job_was_interrupted(table: JobTable, launches: Launches) -> None:
    id = submit(table)
    table.tick()
    launches.living.clear()
    restarted = JobTable(table.runs, launches)
    restarted.adopt()
    assert (restarted.state(id), restarted.job(id).message) == ("interrupted", RESTARTED)


def test_a_worker_asked_to_terminate_leaves_a_paused_job(table: JobTable, launches: Launches) -> None:
    id = submit(table)
    table.tick()
    assert table.finish(id, owner(launches), "stopped") == "paused"


def test_failure_keeps_its_sentence_until_the_job_goes_on(table: JobTable, launches: Launches) -> None:
    id = submit(table)
    table.tick()
    table.finish(id, owner(launches), "failed", "The disk is full.")
    assert (table.job(id).state, table.job(id).message) == ("failed", "The disk is full.")
    table.resume(id)
    assert table.job(id).message == ""


@pytest.mark.parametrize(
    ("wish", "after"), [(None, "interrupted"), ("request_pause", "interrupted"), ("request_cancel", "cancelled")]
)
def test_a_dead_worker_is_noticed(table: JobTable, launches: Launches, wish: str | None, after: str) -> None:
    id = submit(table)
    table.tick()
    if wish:
        getattr(table, wish)(id)
    launches.living.clear()
    table.tick()
    assert (table.state(id), table.job(id).message) == (after, LOST)
    table.resume(id)
    table.tick()
    assert table.state(id) == "running"


def test_a_worker_that_ignores_cancelling_is_ended(
    table: JobTable, launches: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = submit(table)
    table.tick()
    table.request_cancel(id)
    table.tick()
    assert not launches.killed
    monkeypatch.setattr("coronet.jobs._CANCEL_PATIENCE", -1.0)
    table.tick()
    table.tick()
    assert len(launches.killed) == 1
    assert table.state(id) == "cancelled"


# The queue


def test_one_at_a_time_in_the_order_of_asking(table: JobTable, launches: Launches) -> None:
    for name in ("b", "a", "c"):
        submit(table, name)
    assert [table.job(name).ahead for name in ("b", "a", "c")] == [0, 1, 2]
    table.tick()
    table.tick()
    assert launches.started == ["b"]
    table.finish("b", owner(launches), "done")
    table.request_pause("a")
    table.resume("a")
    table.tick()
    assert launches.started == ["b", "c"]
    table.finish("c", owner(launches), "done")
    table.tick()
    assert launches.started == ["b", "c", "a"]


def test_two_workers_take_two(tmp_path: Path, launches: Launches) -> None:
    table = JobTable(tmp_path / "runs", launches, workers=2)
    for name in ("a", "b", "c"):
        submit(table, name)
    table.tick()
    assert launches.started == ["a", "b"]


def test_two_servers_start_a_job_once(table: JobTable, launches: Launches) -> None:
    other = JobTable(table.runs, launches)
    submit(table)
    for one in (table, other, table):
        one.tick()
    assert launches.started == ["one"]


def test_a_job_that_cannot_be_started_fails_and_the_next_one_goes_on(table: JobTable, launches: Launches) -> None:
    submit(table, "a")
    launches.broken = True
    table.tick()
    assert table.state("a") == "failed"
    assert "Cannot allocate memory" in table.job("a").message
    launches.broken = False
    submit(table, "b")
    table.tick()
    assert table.state("b") == "running"


def test_a_run_is_submitted_once_and_only_to_its_own_table(table: JobTable, tmp_path: Path) -> None:
    submit(table)
    with pytest.raises(RunError, match="before"):
        table.submit(Run.open(table.runs / "one"))
    with pytest.raises(RunError, match="lie in"):
        table.submit(Run.create(tmp_path / "elsewhere", "compress", {}))


def test_the_queue_has_an_end(table: JobTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coronet.turns._MOST_QUEUED", 1)
    submit(table, "a")
    with pytest.raises(RunError, match="waiting"):
        submit(table, "b")
    assert [job.id for job in table.list()] == ["a"]


def submit_for(table: JobTable, owner: str, *names: str) -> None:
    for name in names:
        table.submit(Run.create(table.runs / name, "compress", {}), owner)


def test_owners_take_turns(table: JobTable, launches: Launches) -> None:
    submit_for(table, "ann", "a1", "a2", "a3")
    submit_for(table, "ben", "b1", "b2")
    submit_for(table, "", "n1")
    expected = ["a1", "b1", "n1", "a2", "b2", "a3"]
    assert [table.job(name).ahead for name in expected] == [0, 1, 2, 3, 4, 5]
    for name in expected:
        table.tick()
        assert launches.started[-1] == name
        table.finish(name, owner(launches), "done")
    assert launches.started == expected


def test_who_had_a_start_long_ago_goes_before_who_had_one_lately(table: JobTable, launches: Launches) -> None:
    for person, name in (("ann", "a1"), ("ben", "b1")):
        submit_for(table, person, name)
        table.tick()
        table.finish(name, owner(launches), "done")
    submit_for(table, "ben", "b2")
    submit_for(table, "ann", "a2")
    submit_for(table, "new", "c1")
    assert [table.job(name).ahead for name in ("c1", "a2", "b2")] == [0, 1, 2]


def test_a_fair_order_names_every_job_once_and_keeps_each_owners_order() -> None:
    waiting = [(f"{owner}{number}", owner) for number in range(3) for owner in "zyx"]
    order = fair_order(waiting, {"z": 5, "x": 2})
    assert order[:3] == ["y0", "x0", "z0"]
    assert sorted(order) == sorted(id for id, _ in waiting)
    assert all([id for id in order if id[0] == owner] == [f"{owner}{n}" for n in range(3)] for owner in "xyz")


def test_a_discarded_run_wins_no_turn(table: JobTable, launches: Launches) -> None:
    submit_for(table, "ann", "a1")
    table.tick()
    table.request_discard("a1")
    launches.living.clear()
    submit_for(table, "ann", "a2")
    submit_for(table, "ben", "b1")
    table.tick()
    assert (table.state("b1"), table.state("a2")) == ("running", "queued")


def test_one_owner_has_few_waiting_runs_and_others_still_may(table: JobTable) -> None:
    submit_for(table, "ann", *(f"a{number}" for number in range(5)))
    with pytest.raises(RunError, match="5 of your runs are waiting"):
        submit_for(table, "ann", "a5")
    submit_for(table, "ben", "b0")
    submit_for(table, "", *(f"n{number}" for number in range(7)))
    table.request_cancel("a0")
    submit_for(table, "ann", "a6")
    with pytest.raises(RunError, match="of your runs"):
        table.resume("a0")
    assert table.state("a0") == "cancelled"


def test_a_table_from_before_owners_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    old = """CREATE TABLE jobs (id TEXT PRIMARY KEY, turn INTEGER NOT NULL, state TEXT NOT NULL, created REAL NOT NULL,
        pid INTEGER, started INTEGER, heartbeat REAL, asked REAL, done INTEGER NOT NULL DEFAULT 0,
        total INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '')"""
    with sqlite3.connect(tmp_path / "runs" / "jobs.sqlite") as rows:
        rows.execute(old)
        rows.execute("INSERT INTO jobs (id, turn, state, created) VALUES ('old', 1, 'queued', 1.0)")
    rows.close()
    table = JobTable(tmp_path / "runs", Launches())
    assert [(job.id, job.owner) for job in table.list()] == [("old", "")]
    submit_for(table, "ann", "new")
    table.tick()
    assert {job.id: job.owner for job in JobTable(tmp_path / "runs", Launches()).list()} == {"old": "", "new": "ann"}


def test_a_job_that_is_asked_for_now_comes_before_what_waits_of_an_owner_who_had_his_turn(table: JobTable) -> None:
    assert table.count_before("ann") == 0
    for name in ("first", "second", "third"):
        submit_for(table, "ann", name)
    table.tick()
    assert (table.count_before("ann"), table.count_before("ben"), table.count_before()) == (3, 1, 1)
    submit_for(table, "ben", "fourth")
    assert table.job("fourth").ahead == 0
    assert table.count_before("ben") == 3, "one at work, his own that waits, and one of ann's, whose turn is next"


def test_an_unknown_job_is_one_sentence(table: JobTable) -> None:
    for action in (table.state, table.job, table.request_cancel, table.request_pause, table.resume):
        with pytest.raises(RunError, match="no run 'x'"):
            action("x")


def test_a_damaged_table_is_one_sentence(table: JobTable) -> None:
    submit(table)
    for path in table.runs.glob("jobs.sqlite*"):
        path.write_bytes(b"nothing of the sort" * 1000)
    with pytest.raises(RunError, match="move it away") as error:
        table.list()
    assert "\n" not in str(error.value)


def test_folders_made_elsewhere_are_adopted(table: JobTable) -> None:
    Run.create(table.runs / "stopped", "compress", {}).save_state({"done": 1})
    Run.create(table.runs / "finished", "compress", {}).write_report({})
    Run.create(table.runs / "bad name", "compress", {})
    executing = Run.create(table.runs / "executing", "compress", {})
    (table.runs / "other").mkdir()
    with executing.lock():
        table.adopt()
    table.adopt()
    states = {job.id: job.state for job in table.list()}
    assert states == {"stopped": "interrupted", "finished": "done", "executing": "interrupted"}


# Processes


def test_this_process_is_alive_and_another_start_time_is_another_process() -> None:
    process = identify(os.getpid())
    assert is_alive(process)
    assert not is_alive(Process(process.pid, process.started + 1))


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", "print('up', flush=True); input()"], **PIPES) as child:
        assert child.stdout is not None
        child.stdout.readline()
        process = identify(child.pid)
        assert is_alive(process)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(process)


PIPES: dict[str, int] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


class Sleepers(LocalLauncher):
    """Launches real processes that claim their job and then do nothing until they are told to end."""

    CODE = """
        import os, sys, time
        from pathlib import Path
        from coronet.jobs import JobTable
        from coronet.launcher import identify
        run = Path(sys.argv[1])
        assert JobTable(run.parent).claim(run.name, identify(os.getpid())) == "running"
        print("claimed", flush=True)
        time.sleep(60)
    """

    def start(self, run: Path) -> Process:
        command = [sys.executable, "-c", textwrap.dedent(self.CODE), str(run)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        self._children[child.pid] = child
        return identify(child.pid)

    def last(self) -> "subprocess.Popen[bytes]":
        return list(self._children.values())[-1]


def test_a_full_disk_is_named_where_a_process_could_not_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lost_words(tmp_path) == LOST
    monkeypatch.setattr("coronet.job_states.shutil.disk_usage", lambda _: SimpleNamespace(free=3e6))
    assert "full disk: 3 MB are free" in lost_words(tmp_path)


def test_a_killed_worker_is_interrupted_and_resumed(tmp_path: Path) -> None:
    launcher = Sleepers()
    table = JobTable(tmp_path / "runs", launcher)
    id = submit(table)
    for _ in range(2):
        table.tick()
        with launcher.last() as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"claimed\n"
            table.tick()
            assert table.state(id) == "running"
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        assert JobTable(table.runs).state(id) == "running"
        table.tick()
        assert table.state(id) == "interrupted"
        table.resume(id)


def test_a_restarted_server_keeps_living_workers_and_interrupts_dead_ones(tmp_path: Path) -> None:
    launcher = Sleepers()
    table = JobTable(tmp_path / "runs", launcher)
    id = submit(table)
    table.tick()
    with launcher.last() as child:
        assert child.stdout is not None
        child.stdout.readline()
        restarted = JobTable(table.runs)
        restarted.tick()
        assert restarted.state(id) == "running"
        assert restarted.claim(id, identify(os.getpid())) is None
        child.kill()
        child.wait()
    restarted.tick()
    assert restarted.state(id) == "interrupted"


def test_kill_ends_the_process_group(tmp_path: Path) -> None:
    launcher = Sleepers()
    table = JobTable(tmp_path / "runs", launcher)
    submit(table)
    table.tick()
    with launcher.last() as child:
        assert child.stdout is not None
        child.stdout.readline()
        launcher.kill(
            Process(child.pid, int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]))
        )
        assert child.wait() == -signal.SIGKILL


def test_the_scheduler_ticks_until_it_is_stopped(table: JobTable, launches: Launches) -> None:
    submit(table)
    with Scheduler(table):
        while table.state("one") == "queued":
            pass
    assert launches.started == ["one"]


# The worker process


def test_a_worker_without_a_run_says_so(tmp_path: Path) -> None:
    for arguments in ([], [str(tmp_path)]):
        worker = subprocess.run([sys.executable, "-m", "coronet.worker", *arguments], capture_output=True, text=True)
        assert worker.returncode == 2
        assert worker.stderr.startswith("coronet: ")
        assert worker.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Settings of a compression that takes a second: a model of 4 channels and six pairs of 32 pixels."""
    folder = tmp_path_factory.mktemp("tiny")
    config = resnet_config(ngf=4, blocks=1, image_size=32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save(Checkpoint(config, dict(build(config).state_dict())), folder / "tiny.safetensors")
    for phase, count in (("train", 4), ("test", 2)):
        (folder / "pairs" / phase).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (64, 32), (60 * number, 90, 10)).save(folder / "pairs" / phase / f"{number}.png")
    settings = CompressSettings(
        model=str(folder / "tiny.safetensors"),
        data=str(folder / "pairs"),
        ratio=2.0,
        image_size=32,
        ndf=4,
        search_steps=4,
        finetune_steps=6,
        warmup_steps=0,
        importance_images=1,
        threads=1,
        save_seconds=0.0,
        preview_steps=5,
        onnx=False,
    )
    return to_json(settings)


def queue(table: JobTable, settings: dict[str, object]) -> Run:
    run = Run.create(table.runs / "run", "compress", settings)
    table.submit(run)
    return run


def after(steps: int) -> Callable[[], bool]:
    """Wish to stop at the given step."""
    asked = iter(range(1, 1000))
    return lambda: next(asked) >= steps


def test_a_worker_pauses_goes_on_and_finishes(tmp_path: Path, tiny: dict[str, object]) -> None:
    table = JobTable(tmp_path / "runs", Launches())
    run = queue(table, tiny)
    states = []
    for stop in (after(3), after(4), after(1000)):
        assert work(run, table, stop) == 0
        states.append((table.state(run.name), table.job(run.name).done))
        table.resume(run.name)
    assert states == [("paused", 3), ("paused", 7), ("done", 10)]
    assert [event["done"] for event in run.events()] == list(range(1, 11))
    assert list(run.previews()) == [5, 10]
    assert run.report() is not None
    assert run.load_state() is None
    assert work(run, table, after(1)) == 0
    assert table.state(run.name) == "done"


def test_a_worker_ends_early_and_finishes(tmp_path: Path, tiny: dict[str, object]) -> None:
    table = JobTable(tmp_path / "runs", Launches())
    run = queue(table, {**tiny, "onnx": True})
    asked = iter(range(1, 1000))

    def wish() -> bool:
        if next(asked) == 6:
            table.request_keep(run.name)
        return False

    assert work(run, table, wish) == 0
    assert table.state(run.name) == "done"
    assert [event["done"] for event in run.events()] == list(range(1, 7))
    report = run.report()
    assert report is not None
    assert report["stopped"] == {"phase": "finetune", "step": 6, "of": 10}
    assert report["ratio"] == pytest.approx(2.0, rel=0.1)
    assert (run.path / "slim.onnx").is_file()
    assert not is_ending(run.path)


def test_a_paused_job_is_finished_as_it_is(tmp_path: Path, tiny: dict[str, object]) -> None:
    table = JobTable(tmp_path / "runs", Launches())
    run = queue(table, tiny)
    assert work(run, table, after(3)) == 0
    assert table.request_keep(run.name) == "queued"
    assert work(run, table, after(1000)) == 0
    assert table.state(run.name) == "done"
    assert (run.report() or {})["stopped"] == {"phase": "search", "step": 3, "of": 10}


def test_a_cancelled_job_stops_before_it_starts(tmp_path: Path, tiny: dict[str, object]) -> None:
    table = JobTable(tmp_path / "runs", Launches())
    run = queue(table, tiny)
    table.tick()
    table.request_cancel(run.name)
    table = JobTable(tmp_path / "runs", Launches())  # in its eyes the first launch is dead
    assert work(run, table, after(1000)) == 0
    assert table.state(run.name) == "cancelled"
    assert run.events() == []


def test_a_users_mistake_is_one_sentence_and_a_bug_leaves_a_traceback(
    tmp_path: Path, tiny: dict[str, object], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = JobTable(tmp_path / "runs", Launches())
    run = queue(table, {**tiny, "data": str(tmp_path / "nothing")})
    assert work(run, table, after(1000)) == 2
    assert table.state(run.name) == "failed"
    assert "nothing" in table.job(run.name).message
    assert "Traceback" not in caplog.text
    table.resume(run.name)
    run.settings = tiny
    monkeypatch.setattr("coronet.recipes.preparing.batches", None)
    assert work(run, table, after(1000)) == 1
    assert "worker.log" in table.job(run.name).message
    assert "\n" not in table.job(run.name).message
    assert "Traceback" in caplog.text


def test_a_killed_run_is_resumed_from_its_last_state(tmp_path: Path, tiny: dict[str, object]) -> None:
    launcher = LocalLauncher()
    table = JobTable(tmp_path / "runs", launcher)
    run = queue(table, {**tiny, "finetune_steps": 60, "preview_steps": 64})
    table.tick()
    child = next(iter(launcher._children.values()))
    while len(run.events()) < 10 and child.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            child.wait(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    table.tick()
    assert table.state(run.name) == "interrupted"
    table.resume(run.name)
    table.tick()
    assert next(iter(launcher._children.values())).wait() == 0
    assert table.state(run.name) == "done", (run.path / "worker.log").read_text()
    assert [event["done"] for event in run.events()] == list(range(1, 65))
    assert sorted(path.name for path in run.path.glob("*.pt")) == []
