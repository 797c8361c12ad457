"""Every method on one model with the same time and the same seeds: a folder of runs, and their scores as rows.

Each run is a run like any other. A comparison that was stopped goes on where it was; what is finished stays.
"""

import hashlib
import json
from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from coronet.checkpoints import load, resolve_model
from coronet.errors import CoronetError, DataError, RunError, SettingsError
from coronet.files import make_folder, read_json, write_json_atomic
from coronet.methods import METHODS
from coronet.methods.vgg import load_vgg
from coronet.metrics.extractors import FeatureChoice, open_extractor
from coronet.recipes.execute import execute
from coronet.recipes.opening import data_folder, sized
from coronet.recipes.settings import CompressSettings, DataChoices, MethodName
from coronet.recipes.table_rows import Row, as_distance, as_row, dense_row
from coronet.recipes.verbs import evaluate
from coronet.runs import Run
from coronet.scenes.cached import is_scenes
from coronet.settings import check as check_settings
from coronet.settings import to_json
from coronet.training import Step

RUNS = "runs"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared: every method at every ratio, each with `seeds` seeds.

    features, inception: by what sets of images are compared, as `evaluate` takes them; reports hold the proxy anyway.
    """

    settings: CompressSettings
    methods: tuple[MethodName, ...]
    ratios: tuple[float, ...]
    seeds: int = 1
    features: FeatureChoice = "auto"
    inception: Path | None = None

    def runs(self) -> dict[str, CompressSettings]:
        """Give the settings of every run by its name."""
        return {
            f"{method}-{ratio:g}x-seed{self.settings.seed + number}": replace(
                self.settings,
                method=method,
                ratio=ratio,
                seed=self.settings.seed + number,
                vgg=self.settings.vgg if _needs_vgg(method) else "",
            )
            for number in range(self.seeds)
            for ratio in self.ratios
            for method in self.methods
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """How many nets of how many have been compared with real images."""

    done: int
    total: int


def check(plan: Plan) -> None:
    """Raise SettingsError where nothing, or the same twice, would be compared, CheckpointError where a file of
    Inception or VGG-16 is not what the features or a method need."""
    for name, values in (("method", plan.methods), ("ratio", plan.ratios)):
        if not values:
            raise SettingsError(f"'{name}' is empty, so there is nothing to compare. Name at least one.")
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise SettingsError(f"'{name}' names {twice} twice. Name each once; --seeds repeats runs.")
    for settings in plan.runs().values():
        check_settings(settings)
    if plan.seeds < 1:
        raise SettingsError(f"'seeds' is {plan.seeds}, but must be at least 1.")
    open_extractor(plan.features, plan.inception)
    if plan.settings.vgg and any(map(_needs_vgg, plan.methods)):
        load_vgg(Path(plan.settings.vgg))


def compare(plan: Plan, out: Path) -> Generator[tuple[str, Step | CoronetError], None, None]:
    """Do what is left of a comparison in the folder `out`, run by run; yields the run's name and the step done.

    A run that cannot be done (a ratio that its method cannot meet) yields its error instead, and the others go on.
    Raises RunError where a run of that name in the folder had other settings or was made of another model, and the
    first run's error where none can be done.
    """
    check(plan)
    _check_model(plan, out)
    _draw_scenes(plan.settings)
    first: CoronetError | None = None
    for name, settings in plan.runs().items():
        run = _open(out / RUNS / name, settings)
        try:
            with closing(execute(run)) as steps:
                for step in steps:
                    yield name, step
        except CoronetError as error:
            run.drop_unstarted()
            first = first or error
            yield name, error
    if first is not None and not rows(plan, out):
        for folder in (out / RUNS, out):
            with suppress(OSError):  # something else lies there
                folder.rmdir()
        raise first


def measure(plan: Plan, out: Path) -> Generator[tuple[str, Measured | CoronetError], None, None]:
    """Compare every finished net's translations of all test images, and the dense net's, with the real ones, as
    `evaluate` does; yields whose turn it was, and how many are done or why it has no such score.

    What is measured stays. The proxy is in every report, or the reason why it is not, and not measured here.
    """
    _check_model(plan, out)
    finished = _reports(plan, out)
    files = _distance_files(plan, out, finished)
    if not files:
        for reason in dict.fromkeys(filter(None, map(_why_no_proxy, finished.values()))):
            yield "the proxy distance", DataError(reason)
    for done, (name, file) in enumerate(files.items(), start=1):
        if file.exists():
            continue
        model = plan.settings.model if name == "original" else str(file.parent)
        try:
            found = evaluate(model, plan.settings, features=plan.features, inception=plan.inception)
            if found["fid"] is None:
                raise DataError(found["note"])
        except CoronetError as error:
            yield f"the distance of {name}", error
            continue
        write_json_atomic(file, {"fid": found["fid"], "kid": found["kid"]})
        yield name, Measured(done, len(files))


def rows(plan: Plan, out: Path) -> list[Row]:
    """Give a row for every finished run, the dense net's first: what it is, what it costs, and every score it has."""
    finished = _reports(plan, out)
    if not finished:
        return []
    files = _distance_files(plan, out, finished)
    dense = dense_row(next(iter(finished.values()))) | _measured(files.get("original"))
    return [dense, *(as_row(report) | _measured(files.get(path.name)) for path, report in finished.items())]


def _needs_vgg(method: MethodName) -> bool:
    """Whether VGG-16's file is a setting of a method: another one concerns no runs of the others."""
    return bool(METHODS[method].title_with_vgg)


def _reports(plan: Plan, out: Path) -> dict[Path, dict[str, Any]]:
    """Give the reports of the plan's finished runs by their folders."""
    folders = [out / RUNS / name for name in plan.runs()]
    reports = {folder: Run.open(folder).report() for folder in folders if folder.exists()}
    return {folder: report for folder, report in reports.items() if report is not None}


def _check_model(plan: Plan, out: Path) -> None:
    """Raise RunError where a finished run was made of another model file than the one that bears the name now."""
    finished = _reports(plan, out)
    if not finished:
        return
    lineage = load(resolve_model(plan.settings.model), direction=plan.settings.direction).lineage
    for folder, report in finished.items():
        was = report.get("model", lineage)["sha256"]  # runs may be older than this entry
        if was != lineage["sha256"]:
            raise RunError(
                f"{folder} was made of another file than {plan.settings.model} is now (SHA-256 {was[:12]}, now "
                f"{lineage['sha256'][:12]}). Choose another folder."
            )


def _distance_files(plan: Plan, out: Path, finished: Mapping[Path, Mapping[str, Any]]) -> dict[str, Path]:
    """Name the files that keep the distances by these features: one in every run's folder, and one for the dense net.

    None for the proxy, which stands in the reports. The dense net's is told apart by its weights and the data.
    """
    extractor = open_extractor(plan.features, plan.inception)
    if extractor.name == "proxy" or not finished:
        return {}
    kept = f"{extractor.name}-{extractor.fingerprint[:8]}.json"
    dense = next(iter(finished.values())).get("model")
    seen = {field.name: getattr(plan.settings, field.name) for field in fields(DataChoices)}
    digest = hashlib.sha256(json.dumps([dense, seen]).encode()).hexdigest()[:8]
    return {"original": out / f"original-{digest}-{kept}"} | {path.name: path / kept for path in finished}


def _measured(file: Path | None) -> Row:
    if file is None or not file.exists():
        return {}
    found = read_json(file)
    return as_distance(found["fid"]) | as_distance(found["kid"])


def _why_no_proxy(report: Mapping[str, Any]) -> str:
    proxy = report["scores"].get("distribution", {})
    return "" if "value" in proxy else str(proxy.get("note", ""))


def _draw_scenes(settings: CompressSettings) -> None:
    """Draw scenes before the first run starts, whose minutes would pay for all; what is wrong a run says itself."""
    if is_scenes(settings.data):
        with suppress(CoronetError):
            model = load(resolve_model(settings.model), direction=settings.direction)
            data_folder(sized(settings, model.config.image_size))


def _open(path: Path, settings: CompressSettings) -> Run:
    wanted = to_json(settings)
    if not path.exists():
        make_folder(path.parent)
        return Run.create(path, "compress", wanted)
    run = Run.open(path)
    had = to_json(CompressSettings()) | run.settings  # a setting may be younger than the run
    had |= {} if _needs_vgg(settings.method) else {"vgg": ""}
    different = [name for name, value in wanted.items() if had[name] != value]
    if different:
        raise RunError(
            f"{path} was made with another '{different[0]}' ({had[different[0]]}, now "
            f"{wanted[different[0]]}). Choose another folder."
        )
    return run
