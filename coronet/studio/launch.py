"""Parse the studio's few arguments and serve the page on this machine, or, with a login, to others."""

import argparse
import gc
import importlib
import inspect
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from coronet.errors import CoronetError, SettingsError
from coronet.files import make_folder, write_atomic
from coronet.jobs import JobTable
from coronet.parsing import OneLineParser
from coronet.scheduler import Scheduler
from coronet.studio.desk import Desk
from coronet.studio.guard import LOOPBACK, Guard, read_password, read_people

if TYPE_CHECKING:
    import gradio as gr

PROJECT = Path(__file__).resolve().parents[2]
RUNS = PROJECT / "checkpoints" / "runs"
DATA = PROJECT / "data"
_UPLOAD_LIMIT = "500mb"  # of a zip; what a model may have is checked where it is read
_EXAMPLE = "example: python -m coronet studio --data ~/pictures/horse2zebra"


def main(arguments: Sequence[str] | None = None) -> None:
    """Open the studio and serve it until Ctrl-C; ends the process with status 2 for a mistake in the arguments."""
    chosen = parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as with Ctrl-C: uploads are removed
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    try:
        desk = make_desk(chosen)
        people = _people(chosen)
        password = read_password(chosen.teacher) if chosen.teacher is not None else None
        with Scheduler(desk.table):
            _serve_until_interrupted(desk, people, password, chosen)
    except CoronetError as error:
        sys.stderr.write(f"coronet: {error}\n")
        raise SystemExit(2) from error


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments; the process ends with status 2 and one line where they are wrong."""
    parser = OneLineParser(prog="coronet studio", description="Open the studio in a browser.", epilog=_EXAMPLE)
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (default: this machine only)")
    parser.add_argument("--listen", action="store_true", help="serve to other machines, too; needs --auth")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--auth", type=Path, metavar="FILE", help="text file with a line name:password for each person")
    parser.add_argument(
        "--teacher", type=Path, metavar="FILE", help="text file with a password: adds the page /teacher"
    )
    parser.add_argument(
        "--data", type=Path, action="append", metavar="FOLDER", help="folder whose pictures may be used; repeatable"
    )
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="FOLDER", help="where runs are kept")
    parser.add_argument(
        "--model", type=Path, action="append", default=[], metavar="FILE", help="model to offer; repeatable"
    )
    parser.add_argument("--inception", type=Path, metavar="FILE", help="weights of FID, if not in torch's folder")
    parser.add_argument("--workers", type=int, default=1, help="runs executed at the same time")
    return parser.parse_args(arguments)


def make_desk(chosen: argparse.Namespace) -> Desk:
    """Check the folders and models and open the job table; SettingsError names what is missing."""
    data = chosen.data if chosen.data is not None else [DATA] if DATA.is_dir() else []
    for folder in data:
        if not folder.is_dir():
            raise SettingsError(f"--data {folder} is not a folder. Name one that holds pictures or data sets.")
    for model in chosen.model:
        if not model.exists():
            raise SettingsError(f"--model {model} does not exist. Name a .pth or .safetensors file.")
    if chosen.inception is not None and not chosen.inception.is_file():
        raise SettingsError(f"--inception {chosen.inception} is not a file. Leave it out, or name Inception's weights.")
    if not 1 <= chosen.workers <= 64:
        raise SettingsError(f"--workers is {chosen.workers}, but must be between 1 and 64.")
    if not 1 <= chosen.port <= 65_535:
        raise SettingsError(f"--port is {chosen.port}, but must be between 1 and 65535.")
    runs = chosen.runs.absolute()  # what is started works in another folder
    table = JobTable(runs, workers=chosen.workers)
    table.adopt()
    # Beside the default runs, but inside a folder that was named: nothing is written next to that one.
    imported = (RUNS.parent if runs == RUNS else runs) / "imported"
    is_personal = not chosen.listen and chosen.host in LOOPBACK and chosen.auth is None
    models = tuple(path.resolve() for path in chosen.model)
    folders = tuple(folder.resolve() for folder in data)
    inception = chosen.inception and chosen.inception.resolve()
    return Desk(table, imported, models, folders, is_personal=is_personal, inception=inception)


def serve(
    desk: Desk, *, host: str, port: int, people: dict[str, str], uploads: Path, password: str | None = None
) -> "gr.Blocks":
    """Start the web server in a thread and give the page, whose `close()` ends it; a password adds the teacher's."""
    _prepare_gradio(uploads)
    from starlette.middleware import Middleware

    from coronet.studio.compare.distances import scores_folder
    from coronet.studio.export.kits import kits_folder
    from coronet.studio.export.routes import kit_routes
    from coronet.studio.page import build  # gradio takes seconds to import; --help and mistakes need not wait
    from coronet.studio.teacher.gate import Gate
    from coronet.studio.theme import CSS, make_theme
    from coronet.studio.train.live_run import live_routes
    from coronet.studio.train.routes import run_routes

    page, kits = build(desk, None if password is None else Gate(password)), kits_folder(desk)
    routes = [*live_routes(desk), *run_routes(desk.runs, is_personal=desk.is_personal), *kit_routes(kits)]
    page.queue(default_concurrency_limit=1, max_size=64)
    guard = Middleware(Guard, people=people, loopback_only=host in LOOPBACK)
    try:
        page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            show_error=False,
            strict_cors=True,
            max_file_size=_UPLOAD_LIMIT,
            blocked_paths=[str(desk.runs), str(desk.imported), str(kits), str(scores_folder(desk))],
            run_history=False,
            footer_links=["api"],
            theme=make_theme(),
            css=CSS,
            app_kwargs={"middleware": [guard], "routes": routes},
        )
    except OSError as error:
        raise SettingsError(f"Port {port} of {host} cannot be used ({error}). Choose another with --port.") from error
    return page


def _serve_until_interrupted(
    desk: Desk, people: dict[str, str], password: str | None, chosen: argparse.Namespace
) -> None:
    begin = time.monotonic()
    host = "0.0.0.0" if chosen.listen else chosen.host
    with tempfile.TemporaryDirectory(prefix="coronet-studio-") as uploads:
        address: dict[str, Any] = {"host": host, "port": chosen.port}
        gc.disable()  # a tenth of the start: next to nothing that is made until then is garbage
        try:
            page = serve(desk, people=people, uploads=Path(uploads), password=password, **address)
        finally:
            gc.enable()
        seconds = time.monotonic() - begin
        shown = socket.gethostname() if chosen.listen else host
        sys.stderr.write(
            f"CoroNet Studio: http://{shown}:{chosen.port} (ready after {seconds:.1f} s, Ctrl-C ends it)\n"
        )
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            page.close(verbose=False)
            if any(job.active for job in desk.table.list()):
                sys.stderr.write("A run goes on in the background; the studio shows it when it is opened again.\n")


def _people(chosen: argparse.Namespace) -> dict[str, str]:
    is_public = chosen.listen or chosen.host not in LOOPBACK
    if is_public and chosen.auth is None:
        raise SettingsError("Serving to other machines needs a login. Add --auth FILE with lines name:password.")
    return read_people(chosen.auth) if chosen.auth is not None else {}


def import_gradio() -> None:
    """Import gradio without letting it write its own type stubs, for which it parses all its sources at every start.

    That is a third of the seconds until the page can be used. Of a class without a file it writes no stub.
    """
    find = inspect.getfile

    def find_none_of_gradio(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError
        return find(thing)

    with patch.object(inspect, "getfile", find_none_of_gradio):
        importlib.import_module("gradio")


def _prepare_gradio(uploads: Path) -> None:
    """Import gradio, kept from asking other hosts, its copies of uploads in a folder that goes with the server."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    local = {"127.0.0.1", "localhost", *os.environ.get("NO_PROXY", "").split(",")} - {""}
    os.environ["NO_PROXY"] = ",".join(sorted(local))  # gradio asks its own address once
    import_gradio()
    import safehttpx  # type: ignore[import-untyped]  # of gradio

    # Through these two Gradio fetches an address that stands in place of a file, and serves it as if it were ours.
    safehttpx.get = safehttpx.async_validate_url = _fetch_nothing
    from gradio import processing_utils

    processing_utils.save_pil_to_cache = _save_picture


def _save_picture(img: Any, cache_dir: str, name: str = "image", format: str = "webp") -> str:
    """Keep a picture under a digest of its content; Gradio 6.31 writes it anew each time, also while it is read."""
    from gradio.processing_utils import encode_pil_to_bytes, hash_bytes

    data = encode_pil_to_bytes(img, format)  # type: ignore[no-untyped-call]
    path = (Path(cache_dir) / hash_bytes(data) / f"{name}.{format}").resolve()
    if path.is_file():
        path.touch()  # what was not used for a day is removed
    else:
        make_folder(path.parent)
        write_atomic(path, data)
    return str(path)


async def _fetch_nothing(address: str, *_: Any, **__: Any) -> Any:
    import gradio as gr

    said = f"This studio fetches nothing from other addresses, so not {address[:80]}. Upload the file."
    raise gr.Error(said, print_exception=False)
