"""Followed runs: what a page is told between two looks, and when it should look again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from coronet.jobs import JobTable
from coronet.runs import Run
from coronet.studio import shared
from coronet.studio.desk import Desk
from coronet.studio.train.live_run import followed, is_moving, live_routes, snapshot

EVENT = {"phase": "search", "step": 3, "steps": 20, "done": 3, "total": 30, "losses": {"imitation": 1.5}, "ratio": 1.5}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(JobTable(tmp_path / "runs"), tmp_path / "imported")


@pytest.fixture
def run(desk: Desk) -> Run:
    run = Run.create(desk.runs / "20260101-0123456789ab", "compress", {"ratio": 4.0})
    desk.table.submit(run)
    return run


@pytest.fixture
def visitor(desk: Desk) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=live_routes(desk))) as client:
        yield client


def event(seconds: float, **changes: object) -> dict[str, object]:
    return {**EVENT, "seconds": seconds, "widths": None, **changes}


def test_an_address_tells_a_runs_progress(run: Run, visitor: TestClient) -> None:
    run.record(event(1.0))
    told = visitor.get(f"/runs/{run.name}/now").json()
    assert "step 3 of 30" in told["html"]
    assert told["stamp"].startswith("queued-")


@pytest.mark.parametrize("name", ["nobody", "20260101-0123456789ac"])
def test_of_a_run_that_is_gone_pages_hear_that_there_is_news(name: str, visitor: TestClient) -> None:
    assert visitor.get(f"/runs/{name}/now").json() == {"html": "", "stamp": "gone"}


def test_steps_alone_are_new_every_few_seconds_and_a_state_or_a_preview_at_once(desk: Desk, run: Run) -> None:
    job = desk.table.job(run.name)
    stamps = [snapshot(job, run, [event(seconds)]).stamp for seconds in (0.5, 4.9, 5.1)]
    assert stamps[0] == stamps[1] != stamps[2]
    (run.path / "previews").mkdir()
    (run.path / "previews" / "000100.png").touch()
    assert snapshot(job, run, [event(5.1)]).stamp != stamps[2]
    desk.table.request_pause(run.name)
    assert snapshot(desk.table.job(run.name), run, [event(0.5)]).stamp != stamps[0]


def test_a_page_follows_a_run_until_it_is_done_and_more_slowly_where_it_rests(desk: Desk, run: Run) -> None:
    job = desk.table.job(run.name)
    assert is_moving(job)
    assert f"data-run='{run.name}' data-stamp='{snapshot(job, run, []).stamp}'" in followed(job, run, [])
    desk.table.request_cancel(run.name)
    assert "data-rests" in followed(desk.table.job(run.name), run, [])
    assert "data-run" not in followed(replace(job, state="done"), run, [])


def test_pages_share_a_snapshot_for_a_second(run: Run, visitor: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(shared, "time", SimpleNamespace(monotonic=lambda: now[0]))
    first = visitor.get(f"/runs/{run.name}/now").json()
    run.record(event(1.0))
    assert visitor.get(f"/runs/{run.name}/now").json() == first
    now[0] += 1.5
    assert "step 3 of 30" in visitor.get(f"/runs/{run.name}/now").json()["html"]
