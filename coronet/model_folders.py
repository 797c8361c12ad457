"""Finding model files: checkpoint folders as pytorch-CycleGAN-and-pix2pix writes them, our run folders, demo names.

Only names are looked at here; reading a file is the business of `checkpoints`.
"""

import difflib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from coronet.containers import plain
from coronet.demos import Direction, demo_names, find_demo
from coronet.errors import CheckpointError

MAX_ENTRIES = 10_000
MAX_OPTION_BYTES = 2**18
MAX_OPTIONS = 1000
_PUBLISHED = re.compile(r"(latest|\d{1,9}|iter_\d{1,12})_net_([GD](?:_[AB])?)\.pth")
_OURS = re.compile(r"(slim|generator|discriminator|D|backward)(_[AB])?\.safetensors")
_MODEL_SUFFIXES = (".pth", ".pt", ".safetensors")


@dataclass(frozen=True, slots=True)
class Family:
    """The networks of one training by their published names: G, D, or G_A, G_B, D_A, D_B (D_A judges B images).

    options: what train_opt.txt says, as text.
    """

    generators: dict[str, Path]
    discriminators: dict[str, Path] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)

    def generator(self, direction: Direction = "AtoB") -> Path:
        """Give G, or of the two of a CycleGAN the one for the direction; CheckpointError where there is none."""
        wanted = ("G_B", "G") if direction == "BtoA" else ("G", "G_A")
        name = next((name for name in wanted if name in self.generators), None)
        if name is None and self.generators:
            other = ", ".join(plain(path.name, 40) for path in self.generators.values())
            raise CheckpointError(
                f"There is a generator for the other direction only ({other}), none for {direction}. Choose that "
                "direction, or another folder."
            )
        if name is None:
            raise CheckpointError("This family has no generator. Choose a folder that holds one.")
        return self.generators[name]


def load_folder(folder: Path) -> Family:
    """Find the newest networks in a folder (latest before the highest epoch before the highest iteration).

    In a run folder of ours slim.safetensors goes before generator.safetensors. CheckpointError where there is none.
    """
    files = _files(folder)
    options = _options(folder)
    family = _our_family(files, options) or _published_family(files, options)
    if family is not None:
        return family
    models = [file for file in files if file.suffix in _MODEL_SUFFIXES]
    if len(models) == 1:
        return Family({"G": models[0]}, {}, options)
    if models:
        names = ", ".join(plain(file.name, 40) for file in models[:5])
        raise CheckpointError(f"{plain(folder.name)} holds {len(models)} models ({names}). Choose one of the files.")
    raise CheckpointError(
        f"{plain(folder.name)} holds no generator: neither latest_net_G.pth, latest_net_G_A.pth nor "
        "generator.safetensors. Choose another folder."
    )


def companions(path: Path) -> Family:
    """Find what was saved together with a file: for latest_net_G_A.pth also G_B, D_A, D_B and the options.

    A folder gives the same as `load_folder`.
    """
    if os.path.isdir(path):
        return load_folder(path)
    if match := _PUBLISHED.fullmatch(path.name):
        same = [file for file in _files(path.parent) if file.name.startswith(f"{match[1]}_net_")]
        return _published_family(same, _options(path.parent)) or Family({}, {match[2]: path}, _options(path.parent))
    if _OURS.fullmatch(path.name):
        return _our_family(_files(path.parent), {}) or Family({"G": path})
    return Family({"G": path})


def options_beside(path: Path) -> dict[str, str]:
    """Give the training options that lie beside a file with a published name; nothing for other names."""
    return _options(path.parent) if _PUBLISHED.fullmatch(path.name) else {}


def crop_size(options: dict[str, str]) -> int | None:
    """Give the image side a training used, if its options say so."""
    text = options.get("crop_size", options.get("fineSize", ""))
    return int(text) if re.fullmatch(r"\d{1,4}", text) else None


def resolve_model(text: str) -> Path:
    """Turn what a user wrote into a path: demo/NAME is a demo model, anything else a file or folder.

    CheckpointError lists the demo models and the nearest name where nothing is there.
    """
    if demo := find_demo(text):
        return demo.path
    path = Path(text).expanduser() if text.startswith("~/") else Path(text)
    if text and os.path.lexists(path):
        return path
    demos = demo_names()
    beside = _neighbours(path)
    near = difflib.get_close_matches(text, demos, 1) or difflib.get_close_matches(path.name, beside, 1)
    advice = f" Did you mean '{plain(near[0])}'?" if near else " Check the path."
    known = f"Demo models: {', '.join(demos)}." if demos else "No demo models are installed."
    raise CheckpointError(f"There is no model '{plain(text, 200)}'.{advice} {known}")


def _our_family(files: Iterable[Path], options: dict[str, str]) -> Family | None:
    """Name the files of our run folders as a published family; with backward.safetensors the generator is G_A."""
    found = {(match[1], match[2] or ""): file for file in files if (match := _OURS.fullmatch(file.name))}
    backward = found.get(("backward", ""))
    generators: dict[str, Path] = {}
    for kind in ("generator", "slim"):  # the later one wins
        for end in ("", "_A", "_B"):
            if file := found.get((kind, end)):
                generators["G_A" if backward and not end else f"G{end}"] = file
    if not generators:
        return None
    if backward:
        generators.setdefault("G_B", backward)
    discriminators = {f"D{end}": file for (kind, end), file in found.items() if kind in ("discriminator", "D")}
    return Family(generators, discriminators, options)


def _published_family(files: Iterable[Path], options: dict[str, str]) -> Family | None:
    found = sorted(
        ((_age(match[1]), match[2], file) for file in files if (match := _PUBLISHED.fullmatch(file.name))),
        key=lambda entry: entry[0],
    )
    newest = max((age for age, network, _ in found if network.startswith("G")), default=None)
    if newest is None:
        return None
    # Later entries replace earlier ones, so that the newest stays; files of the generator's own step go before all.
    networks = {network: file for _, network, file in found}
    networks |= {network: file for age, network, file in found if age == newest}
    generators = {name: file for name, file in sorted(networks.items()) if name.startswith("G")}
    return Family(generators, {name: networks[name] for name in sorted(set(networks) - set(generators))}, options)


def _age(tag: str) -> tuple[int, int]:
    if tag == "latest":
        return 2, 0
    return (0, int(tag.removeprefix("iter_"))) if tag.startswith("iter_") else (1, int(tag))


def _files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in islice(entries, MAX_ENTRIES) if entry.is_file())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(
            f"The folder {plain(folder, 200)} cannot be read: {plain(reason)}. Check the path."
        ) from error


def _neighbours(path: Path) -> list[str]:
    try:
        return [file.name for file in _files(path.parent)]
    except CheckpointError:
        return []


def _options(folder: Path) -> dict[str, str]:
    """Read train_opt.txt (or opt.txt of old versions): lines of 'name: value [default: value]'; nothing if absent."""
    for name in ("train_opt.txt", "opt.txt"):
        path = folder / name
        try:
            if not path.is_file():
                continue
            with path.open("rb") as file:
                text = file.read(MAX_OPTION_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        pairs = (line.partition(":") for line in text.splitlines()[:MAX_OPTIONS])
        return {
            key.strip(): value.split("[default:")[0].strip()
            for key, colon, value in pairs
            if colon and re.fullmatch(r"\s*\w{1,60}\s*", key)
        }
    return {}
