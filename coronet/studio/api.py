"""The studio for programs: fourteen verbs with names, numbers, JSON and pictures. The page has handlers of its own.

The same desk answers both, with the same rights and the same checks.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api as endpoint
from PIL import Image

from coronet.errors import CheckpointError, DataError
from coronet.prepared import ZIP
from coronet.studio import text
from coronet.studio.compare.distances import Distances
from coronet.studio.desk import Desk
from coronet.studio.edge import edge
from coronet.studio.export import text as export_text
from coronet.studio.export.kits import ITSELF, Shelf, find_net
from coronet.studio.export.routes import FILES as KIT_FILES
from coronet.studio.train.routes import FILES
from coronet.studio.visitors import NOBODY, Visitor, visitor_of

_FROM_REPORT = ("dense", "slim", "scores", "teacher_scores")
Json = dict[str, Any]


class Api:
    """What each verb answers: plain values in, plain values out."""

    def __init__(self, desk: Desk, shelf: Shelf, distances: Distances) -> None:
        self._desk = desk
        self._shelf = shelf
        self._distances = distances

    def models(self, request: gr.Request) -> list[Json]:
        """List the models: name, whether it ships with the project, and the data that belong to it."""
        desk, visitor = self._desk, self._asker(request)
        return [
            {"name": name, "demo": desk.is_demo(name), "data": desk.data_for(name, None, visitor)}
            for name in desk.models(visitor)
        ]

    def describe(self, model: str) -> Json:
        """Say what a model is, what it costs at the size it was made for, and why it was recognised as that."""
        config, reasons = self._desk.describe(model)
        return {"config": config.to_json(), "reasons": list(reasons), "cost": self._desk.cost(model).to_json()}

    def upload_model(self, file: str | None, request: gr.Request) -> str:
        """Check a generator (.pth or .safetensors), keep it and give the name by which it can be chosen."""
        if file is None:
            raise CheckpointError(text.MISSING_MODEL)
        return self._desk.import_model(Path(file), self._asker(request))

    def preview(
        self, model: str, ratio: float = 4.0, image: Image.Image | None = None
    ) -> tuple[Image.Image, Image.Image, Json]:
        """Cut the untrained slim net of a compression ratio (1 to 40): both nets' translations, and their costs.

        Without an image a sample of the model's world is translated.
        """
        found = self._desk.preview(model, ratio, self._picture(model, image))
        return found.dense, found.slim, found.to_json()

    def translate(
        self, model: str, request: gr.Request, net: str = ITSELF, image: Image.Image | None = None
    ) -> Image.Image:
        """Translate an image, or a sample, by a model ("model") or by one of its trained nets, named as in outcomes."""
        picture = self._picture(model, image)
        if net == ITSELF:
            return self._desk.translate_dense(model, picture)
        found = self._desk.outcome(model, net, self._asker(request))
        if found is None:
            raise DataError(export_text.NO_SUCH_NET.format(net=net[:80], model=model))
        return self._desk.translate(found, picture)

    def start(
        self, model: str, request: gr.Request, data: str = "", ratio: float = 4.0, settings: Json | None = None
    ) -> str:
        """Queue a compression and give the run's id. data: a folder of the server or a drawn world, by default the
        model's own; settings: any other setting of the command line's `compress`, by name."""
        visitor = self._asker(request)
        data = data or self._desk.data_for(model, None, visitor) or ""
        return self._desk.start(model, data, {**(settings or {}), "ratio": ratio}, visitor)

    def run(self, id: str) -> Json:
        """Say how a run goes: state, steps, the last step's numbers; of a done one the report and its files."""
        job, run = self._desk.run(id)
        events = self._desk.events(run)
        files = {name: f"/runs/{job.id}/{name}" for name in FILES if (run.path / name).is_file()}
        return {
            **asdict(job),
            "settings": run.settings,
            "last_step": events[-1] if events else None,
            "report": _without_paths(run.report()) if job.state == "done" else None,
            "files": files,
        }

    def pause(self, id: str) -> str:
        """Ask a run to save and stop for now; gives its state."""
        return self._desk.wish("pause", id)

    def resume(self, id: str) -> str:
        """Queue a run that stopped before its end; gives its state."""
        return self._desk.wish("resume", id)

    def cancel(self, id: str) -> str:
        """Ask a run to save and stop for good; gives its state."""
        return self._desk.wish("cancel", id)

    def keep(self, id: str) -> str:
        """Ask a run to end now and to finish with the net as it is; gives its state."""
        return self._desk.wish("keep", id)

    def discard(self, id: str) -> str:
        """Ask for a run to be ended and removed with all its files; gives its state."""
        return self._desk.wish("discard", id)

    def outcomes(self, model: str, request: gr.Request) -> list[Json]:
        """List the trained slim nets of a model, ready-made ones and finished runs, with their costs and scores: what
        their reports say, and FID and KID where someone had them measured under Compare."""
        outcomes = self._desk.outcomes(model, self._asker(request))
        return [
            {"net": found.key, "kind": found.kind, "label": found.label, "ratio": found.ratio}
            | {"method": found.report.get("method", "")}
            | {name: found.report[name] for name in _FROM_REPORT if name in found.report}
            for found in self._distances.with_scores(model, outcomes)
        ]

    def bundle(self, model: str, request: gr.Request, net: str = ITSELF, again: bool = False) -> Json:
        """Have the files of a net prepared to be taken home, and say how far that is: ask until `state` is "ready" or
        "failed".

        Then `files` has their addresses on this server, and `kit` what was measured of each form, or `message` says
        what went wrong. again: try once more what has failed.
        """
        wanted = find_net(self._desk, model, net, self._asker(request))
        found = self._shelf.look(wanted)
        if found.state != "failed" or again:
            found = self._shelf.prepare(wanted)
        forms = {f"{row['precision']}.onnx" for row in found.made.get("variants", ()) if not row["refused"]}
        made = [name for name in KIT_FILES if found.made and (name in forms or name == ZIP)]
        return {
            "state": found.state,
            "doing": export_text.STAGES.get(found.stage, ""),
            "ahead": found.ahead,
            "message": found.message,
            "files": {name: f"/kits/{found.id}/{name}" for name in made},
            "kit": dict(found.made),
        }

    def _asker(self, request: gr.Request) -> Visitor:
        """Tell who asks. On one's own machine a program is nobody's: its runs and models are listed in any browser."""
        visitor = visitor_of(request)
        return NOBODY if self._desk.is_personal and not visitor.has_cookie else visitor

    def _picture(self, model: str, image: Image.Image | None) -> Image.Image:
        if image is not None:
            return image
        return self._desk.picture(self._desk.sample_for(model, None) or self._desk.pictures()[0])


def _without_paths(value: Any) -> Any:
    """Leave out what is called "path": Gradio's client takes it for a file of the server and asks for it."""
    if isinstance(value, dict):
        return {name: _without_paths(part) for name, part in value.items() if name != "path"}
    return [_without_paths(part) for part in value] if isinstance(value, list) else value


def build_api(desk: Desk, shelf: Shelf, distances: Distances) -> None:
    """Give the page its verbs for programs; nothing of it is seen."""
    api = Api(desk, shelf, distances)
    torch: Json = {"concurrency_id": "torch"}
    quick: Json = {"queue": False}
    plain: list[tuple[Callable[..., Any], Json]] = [
        (api.models, quick),
        (api.describe, torch),
        (api.start, {"concurrency_id": "start"}),
        (api.run, quick),
        (api.pause, quick),
        (api.resume, quick),
        (api.cancel, quick),
        (api.keep, quick),
        (api.discard, quick),
        (api.outcomes, quick),
        (api.bundle, quick),
    ]
    for verb, how in plain:
        endpoint(edge(verb), api_name=verb.__name__, **how)
    _build_picture_verbs(api)


def _build_picture_verbs(api: Api) -> None:
    """Give the verbs that take a file: only a component checks that it was uploaded, so these have hidden ones."""
    with gr.Row(visible=False):
        model, net = gr.Textbox(label="model"), gr.Textbox(ITSELF, label="net")
        ratio = gr.Number(4.0, label="ratio")
        image = gr.Image(label="image", alt_text=text.INPUT_ALT, type="pil")
        file = gr.File(label="file", file_types=[".pth", ".safetensors"])
        dense = gr.Image(label="dense", alt_text=text.DENSE_ALT, type="pil", format="png")
        slim = gr.Image(label="slim", alt_text=text.SLIM_ALT, type="pil", format="png")
        numbers, name = gr.JSON(label="numbers"), gr.Textbox(label="name")
        ask = gr.Button("ask", visible=False)
    verbs: list[tuple[Callable[..., Any], list[Any], Any, str]] = [
        (api.preview, [model, ratio, image], [dense, slim, numbers], "torch"),
        (api.translate, [model, net, image], slim, "torch"),
        (api.upload_model, [file], name, "uploads"),
    ]
    for verb, given, found, queue in verbs:
        ask.click(edge(verb), given, found, api_name=verb.__name__, concurrency_id=queue, show_progress="hidden")
