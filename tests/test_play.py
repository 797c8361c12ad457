"""Playing: what the pad may send, which nets stay loaded, who is answered, and how times are said."""

import asyncio
import base64
import io
import queue
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from coronet.errors import DataError
from coronet.jobs import JobTable
from coronet.networks import build, resnet_config
from coronet.studio import text
from coronet.studio.desk import Desk
from coronet.studio.guard import Guard
from coronet.studio.latest import Latest
from coronet.studio.play import racing
from coronet.studio.play import text as play_text
from coronet.studio.play.drawings import MOST_CHARACTERS, as_data_url, as_quick_url, read_drawing
from coronet.studio.play.racing import CUT, Races, read_question
from coronet.studio.play.ready_nets import RECENT, ReadyNet, ReadyNets
from coronet.studio.play.tab import Handlers, for_pad
from tests.studios import TINY, NoLauncher, save_tiny_model

SIDE = 32
BROWSER: Any = SimpleNamespace(headers={}, session_hash="page")
SHOES, SHOES_4X = "demo/shoes", "ready/shoes-4x"


def make_desk(folder: Path) -> Desk:
    return Desk(JobTable(folder / "runs", NoLauncher()), folder / "imported", (save_tiny_model(folder / TINY),))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path)


@pytest.fixture(scope="module")
def handlers(tmp_path_factory: pytest.TempPathFactory) -> Handlers:
    """Those of one studio, which keeps its nets loaded from test to test."""
    return Handlers(make_desk(tmp_path_factory.mktemp("studio")))


def drawn(side: int = SIDE, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)


def asked(**changed: Any) -> dict[str, Any]:
    usual = {"model": TINY, "net": CUT, "ratio": 2.0, "visitor": "anna", "picture": as_data_url(drawn())}
    return {**usual, **changed}


# What is sent


def png(*parts: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(b"".join(parts)).decode()


def chunk(name: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


def header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\2\0\0\0")


GOOD = as_data_url(drawn())
WHOLE = base64.b64decode(GOOD.partition(",")[2])
PIXELS = chunk(b"IDAT", zlib.compress(bytes(SIDE * (1 + 3 * SIDE))))
HOSTILE: dict[str, Any] = {
    "nothing": None,
    "a number": 7,
    "a list": [GOOD],
    "a dictionary": {"path": "/etc/passwd"},
    "no words": "",
    "words": "x" * 100,
    "a path": "/etc/passwd",
    "an address": "http://127.0.0.1:1/x.png",
    "a file address": "file:///etc/passwd",
    "html": "data:text/html,<script>alert(1)</script>",
    "svg": "data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode(),
    "a jpeg": as_quick_url(drawn()),
    "a jpeg called png": "data:image/png;base64," + as_quick_url(drawn()).partition(",")[2],
    "upper case": GOOD.replace("data:image/png", "DATA:IMAGE/PNG"),
    "no base64": "data:image/png;base64,%%%",
    "not ascii": "data:image/png;base64,ää",
    "half a letter": GOOD[:-1],
    "empty": png(),
    "a signature": png(WHOLE[:8]),
    "half a header": png(WHOLE[:20]),
    "a header alone": png(WHOLE[:33]),
    "cut off": png(WHOLE[: len(WHOLE) // 2]),
    "no end of pixels": png(header(SIDE, SIDE), chunk(b"IDAT", b""), chunk(b"IEND", b"")),
    "pixels that do not unpack": png(header(SIDE, SIDE), chunk(b"IDAT", b"\xff" * 50), chunk(b"IEND", b"")),
    "a wrong checksum": png(header(SIDE, SIDE)[:-1] + b"\0", PIXELS, chunk(b"IEND", b"")),
    "no pixels a side": png(header(0, 0), PIXELS),
    "a bomb": png(header(60_000, 60_000), PIXELS),
    "the largest size": png(header(2**31 - 1, 2**31 - 1), PIXELS),
    "too small": as_data_url(drawn(SIDE // 2)),
    "too large": as_data_url(drawn(2 * SIDE)),
    "not square": as_data_url(drawn().resize((SIDE, 2 * SIDE))),
    "a text bomb": png(
        header(SIDE, SIDE), chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(80_000_000))), PIXELS, chunk(b"IEND", b"")
    ),
    "too long": GOOD + "A" * MOST_CHARACTERS,
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_drawing_is_refused_in_one_sentence(sent: Any, caplog: pytest.LogCaptureFixture) -> None:
    problem = for_pad(lambda sent: {"size": read_drawing(sent, SIDE).size})(sent)["problem"]
    assert problem != text.UNEXPECTED
    assert len(problem) < 200
    assert "\n" not in problem
    assert caplog.records == []


def test_a_drawing_arrives_as_it_was_drawn() -> None:
    assert read_drawing(GOOD, SIDE).tobytes() == drawn().tobytes()


def test_what_is_clear_in_a_drawing_is_paper() -> None:
    clear = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    assert read_drawing(as_data_url(clear), SIDE).getextrema() == ((255, 255),) * 3


QUESTIONS: dict[str, Any] = {
    "nothing": None,
    "words": "play",
    "a list": [1, 2],
    "an empty one": {},
    "no model": asked(model=None),
    "an empty model": asked(model=""),
    "a model that is a list": asked(model=["a"]),
    "a long model": asked(model="x" * 1000),
    "no net": asked(net=None),
    "a net that is a dictionary": asked(net={"a": 1}),
    "no visitor": asked(visitor=None),
    "a long visitor": asked(visitor="x" * 10_000),
    "no ratio": asked(ratio=None),
    "a ratio in words": asked(ratio="4"),
    "a true ratio": asked(ratio=True),
    "no number": asked(ratio=float("nan")),
    "an endless ratio": asked(ratio=float("inf")),
    "a ratio below one": asked(ratio=0.5),
    "too large a ratio": asked(ratio=41),
    "a foreign model": asked(model="/etc/passwd"),
    "a way out": asked(model="demo/../../etc/passwd"),
    "a foreign net": asked(net="own/../../../etc"),
    "a net of another model": asked(net=SHOES_4X),
    "a nul": asked(model="\0", net="\0"),
    "a drawing of another model": asked(model=SHOES, net=SHOES_4X),
    "no drawing": asked(picture=None),
}


@pytest.mark.parametrize("sent", QUESTIONS.values(), ids=QUESTIONS)
def test_what_is_no_question_is_refused_and_the_next_one_answered(
    sent: Any, handlers: Handlers, caplog: pytest.LogCaptureFixture
) -> None:
    answer = for_pad(handlers.play_answer)
    problem = answer(sent, BROWSER)["problem"]
    assert problem != text.UNEXPECTED
    assert len(problem) < 250
    assert caplog.records == []
    assert "verdict" in answer(asked(), BROWSER)


def test_a_bug_goes_to_the_log_and_not_to_the_page(caplog: pytest.LogCaptureFixture) -> None:
    assert for_pad(lambda sent: sent["secret"])({}) == {"problem": text.UNEXPECTED}
    assert "KeyError" in caplog.text


def test_a_model_of_other_channels_is_refused(tmp_path: Path) -> None:
    grey = save_tiny_model(tmp_path / "grey.safetensors", channels=1)
    desk = Desk(JobTable(tmp_path / "runs", NoLauncher()), tmp_path / "imported", (grey,))
    said = for_pad(Handlers(desk).play_open)(asked(model="grey.safetensors"), BROWSER)
    assert said == {"problem": play_text.OTHER_CHANNELS.format(given=1, made=3)}


@pytest.mark.parametrize("path", ["component_server/", "queue/join", "run/preview", "call/preview", "run/upload"])
@pytest.mark.parametrize(
    ("length", "status"),
    [("2000000", 200), ("4000001", 413), ("9" * 5000, 413), ("-1", 413), ("much", 413), ("", 413), (None, 413)],
)
def test_more_than_a_drawing_is_refused_before_it_is_read(path: str, length: str | None, status: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("read")(scope, receive, send)

    sent = list[dict[str, Any]]()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost")] + ([(b"content-length", length.encode())] if length is not None else [])
    scope = {"type": "http", "method": "POST", "path": f"/gradio_api/{path}", "headers": headers}
    asyncio.run(Guard(app, people={}, loopback_only=True)(scope, asyncio.Queue().get, send))
    assert sent[0]["status"] == status


# Answers


def test_both_nets_answer_as_they_do_elsewhere(desk: Desk) -> None:
    picture = desk.picture("Drawing of a shoe 2")
    question = read_question(asked(model=SHOES, net=SHOES_4X))
    race = Races(desk).answer(question, as_data_url(picture))
    assert race is not None
    slim = next(outcome for outcome in desk.outcomes(SHOES) if outcome.key == SHOES_4X)
    assert race.dense.tobytes() == desk.translate_dense(SHOES, picture).tobytes()
    assert race.slim.tobytes() == desk.translate(slim, picture).tobytes()
    assert race.dense_seconds > 0 < race.slim_seconds


def test_an_untrained_cut_answers_at_the_ratio_asked_for(desk: Desk) -> None:
    races = Races(desk)
    dense, slim = (races.answer(read_question(asked(ratio=ratio)), GOOD) for ratio in (1.0, 3.0))
    assert dense is not None
    assert slim is not None
    assert np.abs(np.asarray(dense.slim, dtype=int) - np.asarray(dense.dense)).max() <= 1, "nothing was cut at 1"
    assert slim.dense.tobytes() == dense.dense.tobytes()
    assert slim.slim.tobytes() != dense.slim.tobytes()


def test_a_pad_has_the_size_of_its_model_and_samples_of_its_world(handlers: Handlers) -> None:
    shoes = handlers.play_open(asked(model=SHOES, net=SHOES_4X), BROWSER)
    assert (shoes["side"], shoes["net"]) == (128, "ready-made 4.0×")
    assert [sample["name"] for sample in shoes["samples"][:2]] == ["Drawing of a shoe 1", "Drawing of a shoe 2"]
    tiny = handlers.play_open(asked(), BROWSER)
    assert (tiny["side"], tiny["net"]) == (SIDE, play_text.CUT)
    for opened in (shoes, tiny):
        assert all(read_drawing(sample["picture"], opened["side"]) for sample in opened["samples"])


def test_a_replaced_file_is_read_again(desk: Desk) -> None:
    races, question = Races(desk), read_question(asked())
    before = races.answer(question, GOOD)
    save_tiny_model(desk.model(TINY), seed=1)
    after = races.answer(question, GOOD)
    assert before is not None
    assert after is not None
    assert before.dense.tobytes() != after.dense.tobytes()


def test_the_net_beside_the_ratio_is_chosen_unless_another_was(handlers: Handlers) -> None:
    def chosen(model: str, net: str | None, ratio: float | None, wanted: str | None = None) -> str:
        value: str = handlers.nets(model, net, ratio, wanted, [], BROWSER)[0].value
        return value

    asked = ((None, 7.0), ("x'y", None), (CUT, 2.0), ("ready/shoes-16x", 4.0))
    found = [chosen(SHOES, net, ratio) for net, ratio in asked]
    assert found == ["ready/shoes-8x", SHOES_4X, CUT, "ready/shoes-16x"]
    assert chosen(TINY, SHOES_4X, 4.0) == chosen(TINY, None, 0) == CUT
    of_address = [chosen(SHOES, net, 4.0, "ready/shoes-2x") for net in (None, "ready/shoes-16x")]
    assert of_address == ["ready/shoes-2x", "ready/shoes-16x"]
    assert handlers.nets(None, None, 0, None, [], BROWSER) == (gr.skip(), gr.skip())


def test_a_list_of_nets_that_is_shown_already_takes_no_choice_back(handlers: Handlers) -> None:
    _, listed = handlers.nets(SHOES, None, 4.0, None, [], BROWSER)
    assert handlers.nets(SHOES, CUT, 4.0, None, listed, BROWSER) == (gr.skip(), gr.skip())
    assert handlers.nets(TINY, SHOES_4X, 4.0, None, listed, BROWSER)[0].value == CUT


# Who is answered


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, "queue.Queue[str]"]]:
    """Hold every race until the event is set; hear of every question that is noted and of every race that begins."""
    release, noted = threading.Event(), queue.Queue[str]()

    class Heard(Latest):
        def ask(self, visitor: str, at: float | None) -> None:
            super().ask(visitor, at)
            noted.put(visitor)

    def read_later(sent: Any, side: int) -> Image.Image:
        noted.put("a race")
        assert release.wait(60)
        return read_drawing(sent, side)

    monkeypatch.setattr(racing, "Latest", Heard)
    monkeypatch.setattr(racing, "read_drawing", read_later)
    yield release, noted
    release.set()


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    return thread, found


def test_of_a_visitors_drawings_only_the_newest_is_answered(
    desk: Desk, held: tuple[threading.Event, "queue.Queue[str]"]
) -> None:
    release, noted = held
    races, threads = Races(desk), []
    for number, visitor in enumerate(("anna", "anna", "ben", "anna")):
        question = read_question(asked(visitor=visitor))
        threads.append(in_thread(lambda question=question: races.answer(question, GOOD)))
        assert noted.get(timeout=60) == visitor
        assert number or noted.get(timeout=60) == "a race"
    release.set()
    for thread, _ in threads:
        thread.join(60)
    assert [found[0] is not None for _, found in threads] == [True, False, True, True]


def test_where_too_many_wait_the_next_one_is_told_at_once(
    desk: Desk, held: tuple[threading.Event, "queue.Queue[str]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    release, noted = held
    monkeypatch.setattr(racing, "_MOST_WAITING", 1)
    handlers = Handlers(desk)
    thread, found = in_thread(lambda: handlers.play_answer(asked(), BROWSER))
    assert [noted.get(timeout=60) for _ in range(2)] == ["anna", "a race"]
    assert handlers.play_answer(asked(visitor="ben"), BROWSER) == {"later": True}
    release.set()
    thread.join(60)
    assert "verdict" in found[0]
    assert "verdict" in handlers.play_answer(asked(visitor="ben"), BROWSER)


# Ready nets


def ready() -> ReadyNet:
    return ReadyNet(build(resnet_config(ngf=4, blocks=1, image_size=8)).eval(), torch.zeros(1, 3, 8, 8))


def test_few_nets_stay_loaded_and_those_used_last() -> None:
    nets, made = ReadyNets(most=3), list[str]()

    def get(name: str) -> ReadyNet:
        return nets.get(name, lambda: made.append(name) or ready())

    for name in "abcadb":
        get(name)
    assert len(nets) == 3
    assert made == ["a", "b", "c", "d", "b"], "b was used before a and c"
    get("a")
    assert len(made) == 5


def test_large_nets_push_others_out_but_a_pair_always_fits() -> None:
    nets = ReadyNets(most_bytes=int(2.5 * ready().bytes))
    for name in "abcd":
        nets.get(name, ready)
    assert len(nets) == 2
    tight = ReadyNets(most_bytes=1)
    first = tight.get("dense", ready)
    tight.get("slim", ready)
    assert tight.get("dense", lambda: pytest.fail("it was dropped")) is first


def test_times_are_a_mean_of_the_last_pictures_only(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ready()
    clock = iter(np.cumsum([0.0] + [value for _ in range(5) for value in (9.0, 0.0)] + [1.0, 0.0] * RECENT))
    monkeypatch.setattr("coronet.studio.play.ready_nets.time.perf_counter", lambda: float(next(clock)))
    for _ in range(5 + RECENT):
        net.translate(torch.zeros(1, 3, 8, 8))
    assert net.seconds == pytest.approx(1.0)


# Words


@pytest.mark.parametrize(
    ("dense", "slim", "words"),
    [
        (0.041, 0.012, "12 ms against 41 ms: 3.4 times faster here."),
        (0.041, 0.040, "40 ms against 41 ms: not faster here, though it has fewer MACs to do."),
        (0.040, 0.041, "41 ms against 40 ms: not faster here, though it has fewer MACs to do."),
        (0.0041, 0.0082, "8.2 ms against 4.1 ms: slower here, though it has fewer MACs to do."),
        (2.5, 0.5, "500 ms against 2.5 s: 5.0 times faster here."),
    ],
)
def test_the_verdict_is_honest(dense: float, slim: float, words: str) -> None:
    assert play_text.verdict(dense, slim) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.041, "41 ms · 24 a second"), (0.4, "400 ms · 2.5 a second"), (2.0, "2.0 s · 0.5 a second")],
)
def test_a_speed_is_a_time_and_a_rate(seconds: float, words: str) -> None:
    assert play_text.speed(seconds) == words


def test_a_wrong_size_names_both_sizes() -> None:
    with pytest.raises(DataError, match="64 x 64 pixels, but this model’s pad has 32 x 32"):
        read_drawing(as_data_url(drawn(64)), SIDE)


def test_a_quick_picture_is_close_to_the_exact_one() -> None:
    picture = drawn(64).resize((64, 64), Image.Resampling.BICUBIC)
    data = base64.b64decode(as_quick_url(picture).partition(",")[2])
    with Image.open(io.BytesIO(data)) as quick:
        assert np.abs(np.asarray(quick, dtype=int) - np.asarray(picture)).mean() < 2
