"""Our own addresses: the files of a run. Gradio would copy each into its cache first, and keep it there."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from coronet.studio.shelves.runs import is_reachable

FILES = {
    "slim.onnx": "application/octet-stream",
    "slim.safetensors": "application/octet-stream",
    "report.json": "application/json",
    "worker.log": "text/plain; charset=utf-8",
}


def run_routes(runs: Path, *, is_personal: bool) -> list[BaseRoute]:
    """Give the routes /runs/ID/FILE and /runs/ID/previews/STEP; anything but known files is not found.

    Who knows a run's name was given it; where the studio serves others, names that could be guessed are not found.
    """

    def folder_of(request: Request) -> Path:
        id = request.path_params["id"]
        if not is_reachable(id, is_personal=is_personal):
            raise HTTPException(404)
        return runs / id

    def serve_file(request: Request) -> Response:
        folder, name = folder_of(request), request.path_params["name"]
        if name not in FILES or not (folder / name).is_file():
            raise HTTPException(404)
        return FileResponse(folder / name, media_type=FILES[name], filename=f"{folder.name}-{name}")

    def serve_preview(request: Request) -> Response:
        path = folder_of(request) / "previews" / f"{request.path_params['step']:06d}.png"
        if not path.is_file():
            raise HTTPException(404)
        return FileResponse(path, media_type="image/png")

    return [Route("/runs/{id}/previews/{step:int}", serve_preview), Route("/runs/{id}/{name}", serve_file)]
