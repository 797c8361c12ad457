"""What the page's handlers ask for: models, pictures, data sets, previews, runs. Knows no gradio and no layout.

A visitor's text never becomes a path: models and pictures are looked up by name, data folders must lie in allowed ones.
A name is a key: what was uploaded or started has one that no one can guess, and who was given it, in a link, may use
it. Only lists ask who the visitor is, and removing does.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from coronet.demos import find_demo, ready_made_runs
from coronet.errors import CheckpointError, RunError
from coronet.jobs import Job, JobTable, State
from coronet.model_folders import resolve_model
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from coronet.studio.address import LARGEST_RATIO, OWN
from coronet.studio.follower import Follower
from coronet.studio.outcomes import SLIM, Outcome, find_outcomes
from coronet.studio.shelves.data import DataShelf
from coronet.studio.shelves.models import ModelShelf, model_choices
from coronet.studio.shelves.owned import OwnedFiles, plain_name
from coronet.studio.shelves.pictures import PictureShelf, picture_words
from coronet.studio.shelves.runs import RunShelf, Wish
from coronet.studio.starting import check_ratio, compress_settings
from coronet.studio.teacher.rules import RuleBook
from coronet.studio.translating import config_of, prepare_torch, shrunk, translate
from coronet.studio.visitors import NOBODY, Visitor, VisitorTable

if TYPE_CHECKING:
    from coronet.cost import Budget, Cost
    from coronet.networks import GeneratorConfig
    from coronet.recipes.channel_map import GroupShare
    from coronet.recipes.preview import Preview
    from coronet.uploads import ImportedData


class Desk:
    """The folders this studio may use, and the job table beside its runs.

    imported: holds all that visitors upload; data: folders whose pictures may be read; is_personal: one person's
    studio, which lists what nobody owns, such as runs made on the command line; inception: the weights of FID, where
    they lie in another place than torch's own.
    """

    def __init__(
        self,
        table: JobTable,
        imported: Path,
        models_given: tuple[Path, ...] = (),
        data: tuple[Path, ...] = (),
        *,
        is_personal: bool = True,
        inception: Path | None = None,
    ) -> None:
        self.table = table
        self.imported = imported
        self.models_given = models_given
        self.data = data
        self.is_personal = is_personal
        self.inception = inception
        self.visitors = VisitorTable(table.runs)
        self.rule_book = RuleBook(table.runs)
        self.model_shelf = ModelShelf(OwnedFiles(imported, ".safetensors", is_personal), models_given)
        self.data_shelf = DataShelf(data, imported / "data", is_personal)
        self.picture_shelf = PictureShelf(OwnedFiles(imported / "pictures", ".png", is_personal), self.data_shelf)
        self.run_shelf = RunShelf(table, self.visitors, is_personal)
        self._follower = Follower()

    @property
    def runs(self) -> Path:
        """The folder that holds the run folders."""
        return self.table.runs

    # Models

    def models(self, visitor: Visitor = NOBODY) -> dict[str, Path]:
        """Give the models that are listed for a visitor, by name: those named at the start, the demos, his uploads."""
        return self.model_shelf.models(visitor)

    def model_choices(self, visitor: Visitor = NOBODY, also: str | None = None) -> list[tuple[str, str]]:
        """Give (words, name) of the models for a list, one that a link names among them."""
        known = self.models(visitor)
        linked = {also: path} if also and also not in known and (path := self.model_shelf.find(also)) else {}
        return model_choices({**known, **linked})

    def model(self, name: str | None) -> Path:
        """Look a model up; CheckpointError where there is none of that name."""
        return self.model_shelf.model(name)

    def import_model(self, uploaded: Path, visitor: Visitor = NOBODY) -> str:
        """Check an uploaded file, keep it as safetensors and give its name; CheckpointError says what it is instead."""
        return self.model_shelf.add(uploaded, visitor)

    def remove_model(self, name: str, visitor: Visitor = NOBODY) -> None:
        """Remove a visitor's own upload; RunError where it is not his, or while a run needs it."""
        self.run_shelf.refuse_needed("model", str(self.model_shelf.find(name)), plain_name(name))
        self.model_shelf.remove(name, visitor)

    def describe(self, name: str | None) -> tuple["GeneratorConfig", tuple[str, ...]]:
        """Give a model's architecture and the reasons why it was recognised as that."""
        return self.model_shelf.describe(name)

    def cost(self, name: str) -> "Cost":
        """Count a model at the size it was made for."""
        config = config_of(self.model(name))
        from coronet.cost import cost

        return cost(config)

    def is_demo(self, name: str) -> bool:
        """Tell whether a model ships with the project."""
        return find_demo(name) is not None

    def sample(self, name: str) -> tuple[str, Image.Image, Image.Image]:
        """Give a picture that a model may be shown with, its name first and its translation last."""
        picture = self.sample_for(name, None) or self.pictures()[0]
        if (demo := find_demo(name)) is not None and demo.sample.is_file():  # without torch, which takes seconds
            with Image.open(demo.sample) as pair:
                side = pair.height
                return picture, pair.crop((0, 0, side, side)), pair.crop((pair.width - side, 0, pair.width, side))
        source = self.picture(picture)
        return picture, source, translate(self.model(name), source)

    # Pictures and data

    def pictures(self, visitor: Visitor = NOBODY) -> list[str]:
        """Name a visitor's uploads, some test pictures of the data folders and some of the drawn worlds."""
        return self.picture_shelf.names(visitor)

    def picture_choices(self, visitor: Visitor = NOBODY, also: str | None = None) -> list[tuple[str, str]]:
        """Give (words, name) of the pictures for a list, one that a link names among them."""
        known = self.picture_shelf.choices(visitor)
        is_linked = bool(also) and also not in self.pictures(visitor) and self.knows_picture(also)
        return [*known, (picture_words(also or ""), also or "")] if is_linked else known

    def knows_picture(self, name: str | None) -> bool:
        """Tell whether there is a picture of that name, whoever uploaded it."""
        return self.picture_shelf.find(name) is not None

    def picture(self, name: str) -> Image.Image:
        """Read one of `pictures`, or draw it; of a pair A|B the left half, A."""
        return self.picture_shelf.picture(name)

    def import_picture(self, path: Path, visitor: Visitor = NOBODY) -> str:
        """Keep an uploaded picture and give its name; DataError says what is wrong with the file."""
        return self.picture_shelf.add(path, visitor)

    def test_pictures(self, model: str | None, visitor: Visitor = NOBODY) -> dict[str, Image.Image]:
        """Give some test pictures by name: of a demo model's own world, else the first of the list."""
        return self.picture_shelf.tests_of(model, visitor)

    def sample_for(self, model: str | None, picture: str | None) -> str | None:
        """Name a picture that a demo model was made for, where another world's is shown; None where all is well."""
        return self.picture_shelf.sample_for(model, picture)

    def data_sets(self, visitor: Visitor = NOBODY) -> tuple[str, ...]:
        """Give a visitor's uploads, the folders below the allowed ones that look like data sets, the drawn worlds."""
        return self.data_shelf.names(visitor)

    def data_choices(self, visitor: Visitor = NOBODY) -> list[tuple[str, str]]:
        """Give (words, name) of the data sets for a list."""
        return self.data_shelf.choices(visitor)

    def data_for(self, model: str | None, data: str | None, visitor: Visitor = NOBODY) -> str | None:
        """Choose data for a model: for a demo model its own world, unless a folder was chosen."""
        return self.data_shelf.suited(model, data, visitor)

    def data_folder(self, written: str | None, visitor: Visitor = NOBODY) -> str:
        """Give what a visitor wrote: a drawn world, an upload, or a folder; DataError when it is not allowed."""
        return self.data_shelf.folder(written, visitor)

    def import_data(self, zip_path: Path, visitor: Visitor = NOBODY) -> "ImportedData":
        """Check a zip of pictures and keep it; DataError says what is wrong with it."""
        return self.data_shelf.add(zip_path, visitor)

    def remove_data(self, name: str, visitor: Visitor = NOBODY) -> "ImportedData":
        """Remove a data set of a visitor and give what it was; DataError where it is not his, RunError while in use."""
        data = self.data_shelf.own(name, visitor)
        self.run_shelf.refuse_needed("data", str(data.folder), data.name)
        self.data_shelf.remove(name, visitor)
        return data

    # Previews

    def preview(self, model: str | None, ratio: float, picture: Image.Image) -> "Preview":
        """Slice the slim net now and let both nets translate the picture."""
        prepare_torch()
        from coronet.recipes.preview import preview

        return preview(self.model(model), ratio, shrunk(picture))

    def ratio_within(self, model: str | None, picture: Image.Image, amount: float, budget: "Budget") -> float:
        """Give the least ratio at which a slim net has at most this amount of MACs or parameters."""
        prepare_torch()
        from coronet.recipes.preview import ratio_within

        return ratio_within(self.model(model), shrunk(picture), amount, budget, LARGEST_RATIO)

    def channels(self, model: str | None, ratio: float, picture: Image.Image) -> "tuple[GroupShare, ...]":
        """Say what a preview with this picture keeps of each channel group."""
        prepare_torch()
        from coronet.recipes.preview import preview_channels

        return preview_channels(self.model(model), ratio, shrunk(picture))

    def outcomes(self, model: str | None, visitor: Visitor = NOBODY) -> list[Outcome]:
        """Give the trained slim nets of a model: those that ship with the project, the visitor's, and shared ones."""
        if not model:
            return []
        own, linked = (
            [self.runs / job.id for job in jobs if job.state == "done"]
            for jobs in (self.run_shelf.own(visitor), self.run_shelf.linked(visitor))
        )
        return find_outcomes(model, self.model(model), ready_made_runs(), own, linked)

    def outcome(self, model: str | None, key: str | None, visitor: Visitor = NOBODY) -> Outcome | None:
        """Look a trained slim net of a model up by its key, which names its run, whoever owns that; None without one.

        What a visitor owns or was given a link to is listed for him; what he only knows the name of is not.
        """
        listed = self.outcomes(model, visitor)
        if key and key.startswith(OWN) and all(outcome.key != key for outcome in listed):
            with suppress(RunError):
                job, run = self.run(key.removeprefix(OWN))
                folders = [run.path] if job.state == "done" else []
                listed = find_outcomes(model or "", self.model(model), (), (), folders)
        return next((outcome for outcome in listed if outcome.key == key), None)

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

    def start(self, model: str | None, data: str | None, choices: Mapping[str, Any], visitor: Visitor = NOBODY) -> str:
        """Queue a compression and give the run's name; SettingsError or BudgetError says what cannot be."""
        settings = self.settings(model, data, choices, visitor)
        check_ratio(settings)
        return self.run_shelf.start(settings, visitor)

    def settings(
        self, model: str | None, data: str | None, choices: Mapping[str, Any], visitor: Visitor = NOBODY
    ) -> CompressSettings:
        """Give the settings of a compression; SettingsError where a choice is out of range or locked by the teacher."""
        settings = compress_settings(model, self.model(model), self.data_folder(data, visitor), choices)
        if (rules := self.rule_book.rules()) is not None:
            rules.check(settings)
        return settings

    def wish(self, wish: Wish, id: str | None) -> State:
        """Ask for what shall become of a run, whoever owns it; give its state afterwards."""
        return self.run_shelf.wish(wish, id)

    def run(self, id: str) -> tuple[Job, Run]:
        """Look a run up, whoever owns it; RunError when there is no such run."""
        return self.run_shelf.run(id)

    def events(self, run: Run) -> list[dict[str, Any]]:
        """Give a run's events so far, thinned out when there are many; a line is read once, whoever asks."""
        return self._follower.events(run)

    def run_channels(self, run: Run, widths: Mapping[str, int]) -> "tuple[GroupShare, ...]":
        """Say what a run keeps of each channel group of its dense net; () where its student has other layers."""
        prepare_torch()
        from coronet.methods import METHODS
        from coronet.recipes.channel_map import group_shares

        method = METHODS.get(str(run.settings.get("method")))
        if method is None or not method.keeps_layers:
            return ()
        try:
            dense = config_of(resolve_model(str(run.settings.get("model", ""))))
        except (CheckpointError, OSError):  # an upload that its owner has removed since
            return ()
        return group_shares(dense, widths) if set(widths) == set(dense.widths) else ()

    def run_names(self, visitor: Visitor = NOBODY) -> list[tuple[str, str]]:
        """Give (words, id) of the youngest runs that a visitor owns or opened by a link."""
        return self.run_shelf.names(visitor)
