"""Our own addresses of prepared bundles: /kits/ID/FILE, known names of known files only."""

import json
import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from coronet.files import harmless_name
from coronet.prepared import INPUT, KIT, ZIP

KIT_ID = re.compile(r"[0-9a-f]{32}")  # nobody can guess one: it depends on the net's bytes and its run's name
_PRECISIONS = ("fp32", "fp16", "int8")
FILES = {
    ZIP: "application/zip",
    **{f"{name}.onnx": "application/octet-stream" for name in _PRECISIONS},
}
PICTURES = (INPUT, *(f"{name}.png" for name in _PRECISIONS))


def kit_routes(folder: Path) -> list[BaseRoute]:
    """Give the route /kits/ID/FILE; a bundle that is not ready, and any other file, is not found."""

    def serve(request: Request) -> Response:
        id, name = request.path_params["id"], request.path_params["name"]
        kit, path = folder / id / KIT, folder / id / name
        is_known = KIT_ID.fullmatch(id) and (name in FILES or name in PICTURES)
        if not is_known or not kit.is_file() or not path.is_file():
            raise HTTPException(404)
        if name in PICTURES:
            return FileResponse(path, media_type="image/png")
        return FileResponse(path, media_type=FILES[name], filename=f"{_name(kit)}-{name}")

    return [Route("/kits/{id}/{name}", serve)]


def _name(kit: Path) -> str:
    try:
        return harmless_name(str(json.loads(kit.read_bytes())["name"]), "net")
    except (OSError, ValueError, KeyError, TypeError):  # just removed, or damaged
        return "net"
