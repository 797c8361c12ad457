"""How long a run takes: the arithmetic, what is timed and remembered, and the words; nobody waits for it."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from coronet.jobs import JobTable
from coronet.recipes import timing
from coronet.recipes.pace import Timing, run_seconds, stretches
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from coronet.settings import to_json
from coronet.studio import run_words
from coronet.studio.train.estimate import Estimates, said
from tests.studios import NoLauncher
from tests.worlds import make_model, make_world

TIMING = Timing(
    warmup=0.0,
    search=1.2,
    first=0.5,
    second=0.2,
    searches=True,
    search_cost=0.3,
    search_share=0.3,
    before=10.0,
    after=20.0,
    memory=9 * 10**8,
)
SETTINGS = CompressSettings(model="demo/shoes", data="scenes/shoes", ratio=8.0, search_steps=200, finetune_steps=400)


@pytest.fixture
def table(tmp_path: Path) -> JobTable:
    return JobTable(tmp_path / "runs", NoLauncher())


def by_phase(settings: CompressSettings, found: Timing = TIMING) -> dict[str, tuple[int, float]]:
    return {stretch.phase: (stretch.steps, round(stretch.seconds, 6)) for stretch in stretches(settings, found)}


def test_a_step_at_a_ratio_lies_on_the_line_through_both_that_were_timed() -> None:
    assert TIMING.pace(2.0).finetune == pytest.approx(0.5)
    assert TIMING.pace(8.0).finetune == pytest.approx(0.2)
    assert TIMING.pace(4.0).finetune == pytest.approx(0.3)
    assert TIMING.pace(40.0).finetune == pytest.approx(0.12)
    assert replace(TIMING, second=0.01).pace(40.0).finetune > 0


def test_a_search_costs_between_its_first_step_and_one_of_the_slim_net() -> None:
    assert by_phase(SETTINGS) == {"search": (200, 0.5), "finetune": (400, 0.2)}
    assert run_seconds(SETTINGS, TIMING) == pytest.approx(10 + 200 * 0.5 + 400 * 0.2 + 20)


def test_the_warm_up_counts_where_a_player_is_fresh() -> None:
    assert by_phase(SETTINGS, replace(TIMING, warmup=0.1))["warmup"] == (50, 0.1)


def test_a_method_without_a_search_only_tunes() -> None:
    assert by_phase(SETTINGS, replace(TIMING, searches=False, search=0.0, search_share=0.0)) == {"finetune": (600, 0.2)}


def test_presets_say_the_steps() -> None:
    plain = replace(SETTINGS, search_steps=None, finetune_steps=None, preset="standard")
    assert {phase: steps for phase, (steps, _) in by_phase(plain).items()} == {"search": 1500, "finetune": 3000}


def test_minutes_are_filled() -> None:
    asked = replace(SETTINGS, search_steps=None, finetune_steps=None, minutes=10.0)
    assert run_seconds(asked, TIMING) == pytest.approx(600, rel=0.1)


class Measuring:
    """Stands in for the measuring process; what it answers and when is up to the test."""

    def __init__(self, answer: dict[str, Any], status: int | None = 0) -> None:
        self.answer, self.status = answer, status
        self.go = threading.Event()
        self.asked: list[dict[str, Any]] = []

    def __call__(self, module: str, given: str, out: str) -> int | None:
        self.asked.append(json.loads(Path(given).read_text()))
        assert self.go.wait(30)
        Path(out).write_text(json.dumps(self.answer))
        return self.status


def eventually(look: Callable[[], Any]) -> Any:
    pause = threading.Event()
    for _ in range(2000):
        found = look()
        if found is not None:
            return found
        pause.wait(0.01)
    raise AssertionError("nothing came")


def test_nobody_waits_and_one_measurement_serves_every_length_and_ratio(tmp_path: Path) -> None:
    measuring = Measuring(asdict(TIMING))
    estimates = Estimates(tmp_path / "pace", measuring)
    assert estimates.timing(SETTINGS) is None
    assert estimates.timing(replace(SETTINGS, ratio=3.0, minutes=5.0)) is None
    measuring.go.set()
    assert eventually(lambda: estimates.timing(SETTINGS)) == TIMING
    assert estimates.timing(replace(SETTINGS, ratio=3.0, preset="full")) == TIMING
    assert len(measuring.asked) == 1


def test_what_was_measured_outlives_the_server_and_another_choice_is_measured_anew(tmp_path: Path) -> None:
    measuring = Measuring(asdict(TIMING))
    measuring.go.set()
    first = Estimates(tmp_path / "pace", measuring)
    eventually(lambda: first.timing(SETTINGS))
    second = Estimates(tmp_path / "pace", measuring)
    assert second.timing(SETTINGS) == TIMING
    assert second.timing(replace(SETTINGS, batch_size=4)) is None


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ({"message": "No pictures. Add some."}, 2, "No pictures. Add some."),
        ({}, 1, run_words.NOT_TIMED),
        ({}, None, run_words.NOT_TIMED),
        ({"search": 1.0}, 0, run_words.NOT_TIMED),
    ],
)
def test_a_measurement_that_fails_says_why_and_is_tried_again(
    tmp_path: Path, table: JobTable, answer: dict[str, Any], status: int | None, words: str
) -> None:
    measuring = Measuring(answer, status)
    measuring.go.set()
    estimates = Estimates(tmp_path / "pace", measuring)
    assert words in said(SETTINGS, eventually(lambda: estimates.timing(SETTINGS)), table)
    assert estimates.timing(SETTINGS) is None


def test_a_damaged_memory_is_measured_again(tmp_path: Path) -> None:
    measuring = Measuring(asdict(TIMING))
    measuring.go.set()
    first = Estimates(tmp_path / "pace", measuring)
    eventually(lambda: first.timing(SETTINGS))
    for file in (tmp_path / "pace").glob("*.json"):
        file.write_text("{")
    assert Estimates(tmp_path / "pace", measuring).timing(SETTINGS) is None


def test_the_words_say_time_steps_memory_and_the_queue(table: JobTable) -> None:
    words = re.sub(r"<[^>]*>", "", said(SETTINGS, TIMING, table))  # glossary words are marked
    assert "About 4 min on this machine" in words
    assert "200 search steps of 500 ms, 400 fine-tuning steps of 200 ms" in words
    assert "about 900 MB" in words
    assert "before it" not in words
    table.submit(Run.create(table.runs / "one", "compress", {}))
    assert "1 before it" in said(SETTINGS, TIMING, table)
    assert run_words.TIMING in said(SETTINGS, None, table)


def test_a_compression_is_timed_without_a_run(tmp_path: Path) -> None:
    make_world("paired", tmp_path / "paired")
    make_model("resnet", tmp_path / "resnet.safetensors")
    settings = CompressSettings(
        model=str(tmp_path / "resnet.safetensors"), data=str(tmp_path / "paired"), image_size=32, ndf=4, threads=1
    )
    given, out = tmp_path / "in.json", tmp_path / "out.json"
    given.write_text(json.dumps(to_json(settings)))
    assert timing.main([str(given), str(out)]) == 0
    found = Timing.from_json(json.loads(out.read_text()))
    assert found.searches
    assert min(found.search, found.first, found.second, found.before, found.after) > 0
    assert found.memory > 50 * 10**6


def test_what_a_run_would_refuse_is_said_instead_of_a_time(tmp_path: Path) -> None:
    given, out = tmp_path / "in.json", tmp_path / "out.json"
    make_model("resnet", tmp_path / "resnet.safetensors")
    missing = CompressSettings(model=str(tmp_path / "resnet.safetensors"), data=str(tmp_path / "none"))
    given.write_text(json.dumps(to_json(missing)))
    assert timing.main([str(given), str(out)]) == 2
    assert "none" in json.loads(out.read_text())["message"]
