"""The teacher's page: nothing without the password, everything with it, and rules that hold on the server."""

import csv
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from coronet.errors import AccessError, RunError, SettingsError
from coronet.files import write_json_atomic
from coronet.jobs import JobTable
from coronet.prepared import WANTED
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from coronet.studio.desk import Desk
from coronet.studio.edge import edge
from coronet.studio.export.kits import kits_folder
from coronet.studio.guard import read_password
from coronet.studio.outcomes import Outcome
from coronet.studio.sheets import as_csv
from coronet.studio.teacher import text, wall
from coronet.studio.teacher.classroom import Classroom
from coronet.studio.teacher.gate import Gate
from coronet.studio.teacher.group import Handlers as GroupHandlers
from coronet.studio.teacher.page import Handlers
from coronet.studio.teacher.rules import RuleBook, Rules
from coronet.studio.visitors import OWNER_HEADER, Visitor, owner_of, visitor_of
from tests.studios import TINY, NoLauncher, save_tiny_model
from tests.test_owners import ANN, BEN, finish

DATA = "scenes/shoes"
PASSWORD = "correct horse"


def browser(name: str, host: str = "10.0.0.1") -> Any:
    """Give a request as it comes from a browser behind the guard."""
    headers = {OWNER_HEADER: owner_of(name, "")}
    return SimpleNamespace(headers=headers, session_hash="s", client=SimpleNamespace(host=host), query_params={})


TEACHER, PUPIL = browser("teacher"), browser("pupil")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(JobTable(tmp_path / "runs", NoLauncher()), tmp_path / "imported", (save_tiny_model(tmp_path / TINY),))


@pytest.fixture
def handlers(desk: Desk) -> Handlers:
    """Handlers behind a gate that the teacher's browser has opened."""
    handlers = Handlers(desk, Gate(PASSWORD))
    handlers.enter(PASSWORD, TEACHER)
    return handlers


def start(desk: Desk, visitor: Visitor, **choices: Any) -> str:
    return desk.start("tiny.safetensors", DATA, choices, visitor)


def finished(desk: Desk, visitor: Visitor, psnr_db: float = 20.0) -> str:
    id = start(desk, visitor)
    cost = {"macs": 10, "bytes": 40}
    scores = {"to_teacher": {"psnr_db": psnr_db, "ssim": 0.8}, "images": 3}
    (desk.runs / id / "slim.safetensors").touch()
    desk.run(id)[1].write_report({"ratio": 3.0, "dense": cost, "slim": cost, "scores": scores})
    finish(desk, id)
    return id


# The gate


CALLS: dict[str, Any] = {
    "look": lambda handlers, request: handlers.look({}, request),
    "pause_any": lambda handlers, request: handlers.pause_any("x", request),
    "stop_any": lambda handlers, request: handlers.stop_any("x", request),
    "stop_all": lambda handlers, request: handlers.stop_all(request),
    "lock": lambda handlers, request: handlers.lock(["quick"], 1.0, 1.0, 2.0, request),
    "unlock": lambda handlers, request: handlers.unlock(request),
    "reset": lambda handlers, request: handlers.reset("RESET", request),
}


def test_every_handler_is_asked_of() -> None:
    public = {name for name in vars(Handlers) if not name.startswith("_")}
    assert public == {*CALLS, "enter", "leave", "restore"}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("who", ["a pupil", "a program", "one who left"])
def test_without_the_password_nothing_is_done(handlers: Handlers, desk: Desk, name: str, who: str) -> None:
    id = start(desk, ANN)
    request = PUPIL
    if who == "a program":
        request = SimpleNamespace(headers={}, session_hash="s", client=None)
    if who == "one who left":
        handlers.leave(TEACHER)
        request = TEACHER
    with pytest.raises(gr.Error, match="Enter the password first"):
        edge(CALLS[name])(handlers, request)
    assert desk.run(id)[0].state == "queued"
    assert desk.rule_book.rules() is None


def test_what_lies_behind_the_gate_is_hidden_and_empty_before_it(handlers: Handlers, desk: Desk) -> None:
    desk.rule_book.lock(("full",), 0.0, 2.0, 8.0)
    form, room, timer, presets, *_, said = handlers.restore(PUPIL)
    assert (form.visible, room.visible, timer.active, presets, said) == (True, False, False, ["quick"], "")
    form, room, timer, presets, *_, said = handlers.restore(TEACHER)
    assert (form.visible, room.visible, timer.active, presets) == (False, True, True, ["full"])
    assert "preset full" in said


def test_wrong_passwords_close_the_gate_for_their_address(desk: Desk) -> None:
    handlers = Handlers(desk, Gate(PASSWORD))
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(AccessError, match=f"{left} more tries"):
            handlers.enter("guess", PUPIL)
    with pytest.raises(AccessError, match="Too many"):
        handlers.enter(PASSWORD, PUPIL)
    with pytest.raises(AccessError, match="Too many"):
        handlers.enter(PASSWORD, browser("new cookie"))
    handlers.enter(PASSWORD, browser("teacher", host="10.0.0.2"))


def test_guesses_from_many_addresses_close_it_for_all_and_pass(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, now = Gate(PASSWORD), [0.0]
    monkeypatch.setattr("coronet.studio.teacher.gate.time", SimpleNamespace(monotonic=lambda: now[0]))
    for number in range(50):
        with pytest.raises(AccessError, match="not the teacher"):
            gate.enter(ANN, f"10.0.0.{number}", "guess")
    with pytest.raises(AccessError, match="Too many"):
        gate.enter(ANN, "10.0.1.1", PASSWORD)
    now[0] = 301.0
    gate.enter(ANN, "10.0.1.1", PASSWORD)
    assert gate.is_open(ANN)
    now[0] += 12 * 3600.0
    assert not gate.is_open(ANN)


@pytest.mark.parametrize("password", [None, "", "correct hors", "correct horse ", "ⓒorrect horse", "\0" * 9])
def test_only_the_password_opens(desk: Desk, password: str | None) -> None:
    with pytest.raises(AccessError):
        Gate(PASSWORD).enter(ANN, "here", password)


def test_a_program_that_shares_a_login_cannot_enter(desk: Desk) -> None:
    program = visitor_of(SimpleNamespace(headers={"x-coronet-login": "class"}, session_hash="s"))
    with pytest.raises(AccessError, match="cookies"):
        Gate(PASSWORD).enter(program, "here", PASSWORD)


def test_the_password_file_is_private_and_has_one_long_line(tmp_path: Path) -> None:
    path = tmp_path / "teacher"
    path.write_text("# of this term\ncorrect horse\n")
    path.chmod(0o600)
    assert read_password(path) == "correct horse"
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_password(path)
    for content in ("", "short", "two lines\nare too many"):
        path.write_text(content)
        path.chmod(0o600)
        with pytest.raises(SettingsError, match="at least 8 characters"):
            read_password(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_password(tmp_path / "missing")


# Everybody's runs


def test_the_teacher_sees_all_runs_by_group_login_or_number(handlers: Handlers, desk: Desk) -> None:
    desk.visitors.rename(BEN, "<b>Foxes</b>")
    logged_in = Visitor(owner_of("carl", "class"), "class", has_cookie=True)
    ids = [start(desk, visitor) for visitor in (ANN, BEN, logged_in)]
    Run.create(desk.runs / "mine", "compress", {})
    desk.table.adopt()
    table, runs, plot, _, seen = handlers.look({}, TEACHER)
    assert {id for _, id in runs.choices} == {*ids, "mine"}
    assert all(words in table for words in ("visitor ", "class, visitor ", "&lt;b&gt;Foxes", "this server"))
    assert "<b>" not in table
    assert plot.visible is False
    again = handlers.look(seen, TEACHER)
    assert all(part == gr.skip() for part in again[:-1])


def test_the_teacher_stops_and_pauses_any_run(handlers: Handlers, desk: Desk) -> None:
    first, second, third = start(desk, ANN), start(desk, BEN), start(desk, BEN)
    assert "Paused" in handlers.pause_any(first, TEACHER)
    assert "Cancelled" in handlers.stop_any(second, TEACHER)
    assert "1 runs were asked" in handlers.stop_all(TEACHER)
    assert [desk.run(id)[0].state for id in (first, second, third)] == ["paused", "cancelled", "cancelled"]
    with pytest.raises(RunError, match="no run"):
        handlers.stop_any("../../etc", TEACHER)


# Rules


LOCKED = Rules(("quick",), 5.0, 2.0, 8.0)


@pytest.mark.parametrize(
    "choices",
    [
        {"preset": "full"},
        {"minutes": 6.0},
        {"ratio": 1.5},
        {"ratio": 8.1},
        {"search_steps": 10},
        {"finetune_steps": 100_000},
        {"warmup_steps": 51},
        {"batch_size": 64},
        {"image_size": 2048},
        {"importance_images": 1000},
    ],
)
def test_rules_hold_on_the_server(desk: Desk, choices: dict[str, Any]) -> None:
    desk.rule_book.lock(LOCKED.presets, LOCKED.minutes, LOCKED.least_ratio, LOCKED.most_ratio)
    with pytest.raises(SettingsError, match="The teacher has locked the choices: preset quick, or at most 5 minutes"):
        start(desk, ANN, **choices)
    assert desk.table.list() == ()


@pytest.mark.parametrize("choices", [{}, {"minutes": 5.0, "preset": "full"}, {"ratio": 8.0, "seed": 3}])
def test_what_the_rules_allow_starts(desk: Desk, choices: dict[str, Any]) -> None:
    desk.rule_book.lock(LOCKED.presets, LOCKED.minutes, LOCKED.least_ratio, LOCKED.most_ratio)
    assert desk.start("demo/shoes", DATA, choices, ANN), "what a demo model asks for itself is no choice of a visitor"


def test_a_teacher_who_is_a_person_is_no_word_of_the_glossary(desk: Desk, handlers: Handlers) -> None:
    assert "<button" not in handlers.lock(["quick"], 0, 1, 4, TEACHER)
    assert "<button" not in GroupHandlers(desk).show(PUPIL)[0]


def test_rules_outlive_the_server_and_are_lifted(tmp_path: Path) -> None:
    RuleBook(tmp_path).lock(("quick", "full", "other"), 0.0, 1.0, 4.0)
    assert RuleBook(tmp_path).rules() == Rules(("quick", "full"), 0.0, 1.0, 4.0)
    RuleBook(tmp_path).unlock()
    RuleBook(tmp_path).unlock()
    assert RuleBook(tmp_path).rules() is None


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"presets": [], "minutes": 0, "least_ratio": 1, "most_ratio": 2}']
)
def test_damaged_rules_open_nothing(desk: Desk, content: str) -> None:
    (desk.runs / "rules.json").write_text(content)
    with pytest.raises(RunError, match="damaged"):
        start(desk, ANN)


@pytest.mark.parametrize(
    "rules",
    [
        ((), 0.0, 1.0, 4.0),
        (("quick",), 0.0, 4.0, 2.0),
        (("quick",), -1.0, 1.0, 4.0),
        (("quick",), 0.0, 0.0, float("nan")),
    ],
)
def test_rules_that_make_no_sense_are_refused(tmp_path: Path, rules: Any) -> None:
    with pytest.raises(SettingsError):
        RuleBook(tmp_path).lock(*rules)
    assert RuleBook(tmp_path).rules() is None


def test_the_defaults_of_the_form_obey_the_usual_lock() -> None:
    Rules().check(CompressSettings(model="m", data="d"))


def test_visitors_read_what_is_allowed(handlers: Handlers, desk: Desk) -> None:
    group = GroupHandlers(desk)
    assert group.show(PUPIL) == ("", "")
    handlers.lock(["quick"], 0, 2, 8, TEACHER)
    assert "a ratio from 2 to 8" in group.show(PUPIL)[0]
    kept, said = group.rename("<i>The foxes</i>", PUPIL)
    assert group.show(PUPIL)[1] == kept == "<i>The foxes</i>"
    assert "<i>" not in said
    handlers.unlock(TEACHER)
    assert group.show(PUPIL)[0] == ""


# The wall


def test_the_wall_shows_every_groups_finished_nets(handlers: Handlers, desk: Desk) -> None:
    desk.visitors.rename(ANN, "Foxes")
    desk.visitors.rename(BEN, "<b>Owls</b>")
    finished(desk, ANN, 21.0), finished(desk, BEN, 25.0), start(desk, ANN)
    *_, plot, table, seen = handlers.look({}, TEACHER)
    assert plot.visible
    assert table.index("Owls") < table.index("Foxes"), "the best first"
    assert "25.0 dB" in table
    assert "<b>" not in table
    points = Classroom(desk).points()
    drawn = wall.figure(points)
    assert {trace.name for trace in drawn.data} == {"Foxes", "&lt;b&gt;Owls&lt;/b&gt;"}
    assert len({(trace.marker.symbol, trace.marker.color) for trace in drawn.data}) == 2
    desk.visitors.rename(ANN, "Bears")
    assert "Bears" in handlers.look(seen, TEACHER)[3], "a new name is shown at once"


def test_a_spreadsheet_computes_nothing_of_the_wall() -> None:
    report = {"method": "=1+1", "slim": {"macs": 10, "bytes": 4}, "scores": {"to_teacher": {"psnr_db": -3.5}}}
    for group in ("=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "a\n=1", 'quote"=1'):
        text_of_wall = wall.sheet([wall.Point(group, "=m", Outcome(Path("r"), "own", 2.0, report))])
        (row,) = csv.DictReader(io.StringIO(text_of_wall))
        cells = [row["group"], row["model"], row["method"]]
        assert all(cell.startswith("'") for cell in cells if cell.lstrip("'")[:1] in "=+-@\t")
        assert row["to_teacher.psnr_db"] == "-3.5", "numbers stay numbers"


def test_rows_of_different_columns_make_one_table() -> None:
    assert as_csv([{"a": 1}, {"b": "x,y"}]) == 'a,b\n1,\n,"x,y"\n'


# Reset


def test_a_reset_needs_its_word(handlers: Handlers, desk: Desk) -> None:
    id = start(desk, ANN)
    for word in (None, "", "reset", "RESET!"):
        with pytest.raises(AccessError, match="type RESET"):
            handlers.reset(word, TEACHER)
    assert desk.run(id)[0].state == "queued"


def test_a_reset_removes_what_is_visitors_and_leaves_the_rest(handlers: Handlers, desk: Desk) -> None:
    done, waiting = finished(desk, BEN), start(desk, ANN)
    kept = Run.create(desk.runs / "mine", "compress", {})
    desk.table.adopt()
    desk.rule_book.lock(("quick",), 0.0, 1.0, 4.0)
    desk.visitors.rename(ANN, "Foxes")
    desk.run_shelf.open_link(done, ANN)
    homes = [desk.imported / ANN.owner, desk.imported / "pictures" / BEN.owner, desk.imported / "data" / "20260101-x"]
    for home in homes:
        home.mkdir(parents=True)
        (home / "upload.safetensors").touch()
    (desk.imported / "mine.safetensors").touch()
    kits = {name: kits_folder(desk) / name for name in ("of a run", "of a demo")}
    for folder, model in zip(kits.values(), (str(desk.runs / done), "demo/shoes"), strict=True):
        folder.mkdir(parents=True)
        write_json_atomic(folder / WANTED, {"model": model})
    said, word, rules = handlers.reset(" RESET ", TEACHER)
    assert "2 runs" in said
    assert word == ""
    assert text.FREE in rules
    assert [job.id for job in desk.table.list()] == [kept.name]
    assert [path for path in (desk.runs / waiting, desk.runs / done, *homes) if path.exists()] == []
    assert kept.path.is_dir()
    assert [name for name, folder in kits.items() if folder.exists()] == ["of a demo"]
    assert (desk.imported / "mine.safetensors").is_file()
    assert desk.rule_book.rules() is None
    assert desk.visitors.name(ANN.owner) == ""
    assert desk.visitors.opened(ANN.owner) == frozenset()
    assert handlers.look({}, TEACHER), "the teacher stays in"
