"""What the page's handlers ask for: models, pictures, data folders, previews, runs. Knows no gradio and no layout.

A visitor's text never becomes a path: models and pictures are looked up by name, data folders must lie in allowed ones.
"""

import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from coronet.demos import demo_names, find_demo, ready_made_runs
from coronet.errors import CheckpointError, DataError, RunError
from coronet.files import harmless_name, make_folder
from coronet.jobs import Job, JobTable
from coronet.model_folders import resolve_model
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from coronet.settings import to_json
from coronet.studio import text
from coronet.studio.outcomes import SLIM, Outcome, find_outcomes
from coronet.studio.pictures import data_sets, find_pictures
from coronet.studio.starting import check_ratio, compress_settings
from coronet.studio.translating import prepare_torch, shrunk, translate
from coronet.studio.worlds import draw_sample, samples, scenes, test_samples

if TYPE_CHECKING:
    from coronet.cost import Cost
    from coronet.networks import GeneratorConfig
    from coronet.recipes.channel_map import GroupShare
    from coronet.recipes.preview import Preview

_MOST_IMPORTED = 100
_LEAST_FREE_BYTES = 1_000_000_000
_MOST_RUNS_LISTED = 50
_MOST_TEST_PICTURES = 12


@dataclass(frozen=True, slots=True)
class Desk:
    """The folders this studio may use, and the job table beside its runs."""

    table: JobTable
    imported: Path  # uploaded models
    models_given: tuple[Path, ...] = ()
    data: tuple[Path, ...] = ()  # folders whose pictures may be read

    @property
    def runs(self) -> Path:
        """The folder that holds the run folders."""
        return self.table.runs

    # Models

    def models(self) -> dict[str, Path]:
        """Give the models a visitor may choose, by name: those named at the start, the demos, the uploaded ones."""
        names = [path.name if path.is_file() else f"{path.name}/" for path in self.models_given]
        given = {  # published files all have the same few names
            f"{path.parent.name}/{name}" if names.count(name) > 1 else name: path
            for name, path in zip(names, self.models_given, strict=True)
        }
        demos = {name: resolve_model(name) for name in demo_names()}
        imported = {f"uploaded/{path.stem}": path for path in sorted(self.imported.glob("*.safetensors"))}
        return {**given, **demos, **imported}

    def model(self, name: str | None) -> Path:
        """Look a model up; CheckpointError when the name is not one of `models`."""
        if not name:
            raise CheckpointError(text.MISSING_MODEL)
        found = self.models().get(name)
        if found is None:
            raise CheckpointError(text.UNKNOWN_MODEL.format(name=name[:80]))
        return found

    def import_model(self, uploaded: Path) -> str:
        """Check an uploaded file, keep it as safetensors and give its name; CheckpointError says what it is instead."""
        self._check_space()
        prepare_torch()
        from coronet import checkpoints

        checkpoint = checkpoints.load(uploaded)  # reads a pickle in a sandboxed child, never here
        make_folder(self.imported)
        target = _free_name(self.imported, uploaded.stem)
        checkpoints.save(checkpoint, target)
        return f"uploaded/{target.stem}"

    def _check_space(self) -> None:
        kept = len(list(self.imported.glob("*.safetensors")))
        free = shutil.disk_usage(self.runs).free
        if kept >= _MOST_IMPORTED or free < _LEAST_FREE_BYTES:
            raise RunError(text.FULL_SHELF.format(count=kept, free=free // 10**6, folder=self.imported))

    def describe(self, name: str | None) -> tuple["GeneratorConfig", tuple[str, ...]]:
        """Give a model's architecture and the reasons why it was recognised as that."""
        path = self.model(name)
        prepare_torch()
        from coronet import checkpoints

        checkpoint = checkpoints.load(path)
        return checkpoint.config, checkpoint.reasons

    def cost(self, name: str) -> "Cost":
        """Count a model at the size it was made for."""
        config, _ = self.describe(name)
        from coronet.cost import cost

        return cost(config)

    def is_demo(self, name: str) -> bool:
        """Tell whether a model ships with the project."""
        return find_demo(name) is not None

    def sample(self, name: str) -> tuple[str, Image.Image, Image.Image]:
        """Give a picture that a model may be shown with, its name first and its translation last."""
        picture = self.sample_for(name, None) or self.pictures()[0]
        source = self.picture(picture)
        return picture, source, translate(self.model(name), source)

    # Pictures and data

    def pictures(self) -> list[str]:
        """Name some test pictures of the data folders and some of the drawn worlds."""
        return [*find_pictures(self.data), *samples()]

    def picture(self, name: str) -> Image.Image:
        """Read one of `pictures`, or draw it; of a pair A|B the left half, A."""
        if name in samples():
            return draw_sample(*samples()[name])
        path = find_pictures(self.data).get(name)
        if path is None:
            raise DataError(text.UNKNOWN_PICTURE.format(name=name[:80]))
        image = self.uploaded_picture(path)
        is_pair = path.parent.name in ("train", "val", "test") and image.width == 2 * image.height
        return image.crop((0, 0, image.width // 2, image.height)) if is_pair else image

    def uploaded_picture(self, path: Path) -> Image.Image:
        """Read a picture; DataError says what is wrong with the file."""
        prepare_torch()
        from coronet import images

        return images.open_image(path)

    def test_pictures(self, model: str | None) -> dict[str, Image.Image]:
        """Give some test pictures by name: of a demo model's own world, else the first of the list."""
        demo = find_demo(model or "")
        if demo:
            wanted = test_samples(demo.world, demo.side, _MOST_TEST_PICTURES)
            return {name: draw_sample(*sample) for name, sample in wanted.items()}
        return {name: self.picture(name) for name in self.pictures()[:_MOST_TEST_PICTURES]}

    def sample_for(self, model: str | None, picture: str | None) -> str | None:
        """Name a picture that a demo model was made for, where another world's is shown; None where all is well."""
        demo = find_demo(model or "")
        if demo is None or (picture and picture not in samples()):
            return None
        wanted = [name for name, (world, side, _) in samples().items() if (world, side) == (demo.world, demo.side)]
        return None if picture in wanted else wanted[0]

    def data_sets(self) -> tuple[str, ...]:
        """Give the folders below the allowed ones that look like data sets, and the drawn worlds."""
        return (*(str(path) for path in data_sets(self.data)), *scenes())

    def data_for(self, model: str | None, data: str | None) -> str | None:
        """Choose data for a model: for a demo model its own world, unless a folder was chosen."""
        demo, known = find_demo(model or ""), self.data_sets()
        if data and data not in scenes():
            return data
        return demo.data if demo else next((name for name in known if name not in scenes()), known[0])

    def data_folder(self, written: str | None) -> str:
        """Give what a visitor wrote: a drawn world, or a folder, whole or from an allowed one on.

        DataError when it is not allowed.
        """
        if written in scenes():
            return written
        if not self.data:
            raise DataError(text.NO_DATA)
        if not written or not written.strip():
            raise DataError(text.MISSING_DATA)
        allowed = ", ".join(map(str, self.data))
        if "\0" in written or len(written) > 1000:
            raise DataError(text.FOREIGN_DATA.format(path=written[:80].replace("\0", ""), folders=allowed))
        paths = [(folder / written.strip()).resolve() for folder in self.data]
        inside = [path for path in paths if any(path.is_relative_to(folder.resolve()) for folder in self.data)]
        if not inside:
            raise DataError(text.FOREIGN_DATA.format(path=written[:80], folders=allowed))
        for path in inside:
            if path.is_dir():
                return str(path)
        raise DataError(text.NOT_A_FOLDER.format(path=written[:80], folders=allowed))

    # Previews

    def preview(self, model: str | None, ratio: float, picture: Image.Image) -> "Preview":
        """Slice the slim net now and let both nets translate the picture."""
        prepare_torch()
        from coronet.recipes.preview import preview

        return preview(self.model(model), ratio, shrunk(picture))

    def channels(self, model: str | None, ratio: float, picture: Image.Image) -> "tuple[GroupShare, ...]":
        """Say what a preview with this picture keeps of each channel group."""
        prepare_torch()
        from coronet.recipes.preview import preview_channels

        return preview_channels(self.model(model), ratio, shrunk(picture))

    def outcomes(self, model: str | None) -> list[Outcome]:
        """Give the trained slim nets of a model: those that ship with the project and those of this studio's runs."""
        if not model:
            return []
        own = [self.runs / job.id for job in self.table.list() if job.state == "done"]
        return find_outcomes(model, self.model(model), ready_made_runs(), own)

    def translate(self, outcome: Outcome, picture: Image.Image) -> Image.Image:
        """Let a trained slim net translate a picture."""
        return translate(outcome.folder / SLIM, picture)

    def translate_dense(self, model: str | None, picture: Image.Image) -> Image.Image:
        """Let a model itself translate a picture."""
        return translate(self.model(model), picture)

    # Runs

    def methods(self) -> dict[str, str]:
        """Give the titles of the compression methods by name."""
        prepare_torch()
        from coronet.methods import METHODS

        return {name: method.named(vgg=False) for name, method in METHODS.items()}

    def start(self, model: str | None, data: str | None, choices: Mapping[str, Any]) -> str:
        """Queue a compression and give the run's name; SettingsError or BudgetError says what cannot be."""
        settings = self.settings(model, data, choices)
        check_ratio(settings)
        # The name sorts by day, and no one can guess another visitor's.
        folder = self.runs / f"{time.strftime('%Y%m%d')}-{secrets.token_hex(6)}"
        run = Run.create(folder, "compress", to_json(settings))
        try:
            return self.table.submit(run)
        except RunError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def settings(self, model: str | None, data: str | None, choices: Mapping[str, Any]) -> CompressSettings:
        """Give the settings of a compression with a visitor's choices; SettingsError where one is out of range."""
        return compress_settings(model, self.model(model), self.data_folder(data), choices)

    def run(self, id: str) -> tuple[Job, Run]:
        """Look a run up; RunError when there is no such run."""
        return self.table.job(id), Run.open(self.runs / id)

    def run_channels(self, run: Run, widths: Mapping[str, int]) -> "tuple[GroupShare, ...]":
        """Say what a run keeps of each channel group of its dense net; () where its student has other layers."""
        prepare_torch()
        from coronet import checkpoints
        from coronet.methods import METHODS
        from coronet.recipes.channel_map import group_shares

        method = METHODS.get(str(run.settings.get("method")))
        if method is None or not method.keeps_layers:
            return ()
        dense = checkpoints.load(resolve_model(str(run.settings.get("model", "")))).config
        return group_shares(dense, widths) if set(widths) == set(dense.widths) else ()

    def run_names(self) -> list[tuple[str, str]]:
        """Give (words, id) of the youngest runs."""
        return [(self._describe(job), job.id) for job in self._listed()[:_MOST_RUNS_LISTED]]

    def _listed(self) -> list[Job]:
        return [job for job in self.table.list() if job.state != "discarding"]

    def _describe(self, job: Job) -> str:
        try:
            run = Run.open(self.runs / job.id)
        except RunError:
            return job.id
        ratio = f" {run.settings['ratio']:g}×" if isinstance(run.settings.get("ratio"), int | float) else ""
        model = Path(str(run.settings.get("model", ""))).stem
        return f"{run.verb} {model}{ratio} · {job.id}"


def _free_name(folder: Path, wanted: str) -> Path:
    """Make a harmless file name of an uploaded one that is not taken."""
    stem = harmless_name(wanted, "model")
    names = [stem, *(f"{stem}-{number}" for number in range(2, _MOST_IMPORTED + 2))]
    return next(path for name in names if not (path := folder / f"{name}.safetensors").exists())
