"""Every method on one model with the same time and the same seeds: a folder of runs, and their scores as rows.

Each run is a run like any other. A comparison that was stopped goes on where it was; what is finished stays.
"""

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from coronet.checkpoints import load, resolve_model
from coronet.errors import CoronetError, DataError, RunError, SettingsError
from coronet.files import make_folder, read_json, write_json_atomic
from coronet.metrics.extractors import FeatureChoice, open_extractor
from coronet.recipes.execute import execute
from coronet.recipes.opening import data_folder, sized
from coronet.recipes.settings import CompressSettings, DataChoices, MethodName
from coronet.recipes.verbs import evaluate
from coronet.runs import Run
from coronet.scenes.cached import is_scenes
from coronet.settings import check as check_settings
from coronet.settings import to_json
from coronet.training import Step

Row = dict[str, Any]
RUNS = "runs"
_COUNTED = ("ratio", "macs", "macs_as_published", "parameters")
_SCORES = frozenset(("psnr_db", "ssim", "l1", "value"))  # the last part of their names


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
                self.settings, method=method, ratio=ratio, seed=self.settings.seed + number
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
    """Raise SettingsError where nothing, or the same twice, would be compared, CheckpointError where Inception's file
    is not what the features need."""
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


def compare(plan: Plan, out: Path) -> Generator[tuple[str, Step | CoronetError], None, None]:
    """Do what is left of a comparison in the folder `out`, run by run; yields the run's name and the step done.

    A run that cannot be done (a ratio that its method cannot meet) yields its error instead, and the others go on.
    Raises RunError where a run of that name in the folder had other settings, and the first run's error where none
    can be done.
    """
    check(plan)
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
    dense = _dense_row(next(iter(finished.values()))) | _measured(files.get("original"))
    return [dense, *(as_row(report) | _measured(files.get(path.name)) for path, report in finished.items())]


def as_row(report: Mapping[str, Any]) -> Row:
    """Flatten a run's report: method, ratio, seed, costs, scores and seconds under dotted names."""
    return {
        "method": report["method"],
        "title": report.get("title", report["method"]),
        "players": " ".join(report.get("players", ())),
        "requested_ratio": report["requested_ratio"],
        "seed": report["seed"],
        "ratio": report["ratio"],
        **{name: report["slim"][name] for name in _COUNTED[1:]},
        **_scores(report["scores"]),
        **{f"seconds.{name}": value for name, value in report["seconds"].items()},
    }


def summary(found: Sequence[Row]) -> list[Row]:
    """Merge the seeds: a row for every method and ratio asked for, numbers as mean, with `.sd` where there are more."""
    merged: dict[tuple[str, float], list[Row]] = {}
    for row in found:
        merged.setdefault((row["method"], row["requested_ratio"]), []).append(row)
    return [_merged(same) for same in merged.values()]


def score_names(found: Sequence[Row]) -> list[str]:
    """List the scores that some row has, in the order of their first appearance."""
    names = dict.fromkeys(name for row in found for name in row)
    return [name for name in names if name.rpartition(".")[2] in _SCORES]


def _reports(plan: Plan, out: Path) -> dict[Path, dict[str, Any]]:
    """Give the reports of the plan's finished runs by their folders."""
    folders = [out / RUNS / name for name in plan.runs()]
    reports = {folder: Run.open(folder).report() for folder in folders if folder.exists()}
    return {folder: report for folder, report in reports.items() if report is not None}


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
    return _distance(found["fid"]) | _distance(found["kid"])


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
    different = [name for name, value in wanted.items() if had[name] != value]
    if different:
        raise RunError(
            f"{path} was made with another '{different[0]}' ({had[different[0]]}, now "
            f"{wanted[different[0]]}). Choose another folder."
        )
    return run


def _dense_row(report: Mapping[str, Any]) -> Row:
    costs = {name: report["dense"][name] for name in _COUNTED[1:]}
    scores = _scores(report["teacher_scores"])
    return {
        "method": "original",
        "title": "original",
        "players": "",
        "requested_ratio": 1.0,
        "seed": None,
        "ratio": 1.0,
        **costs,
        **scores,
    }


def _scores(scores: Mapping[str, Any]) -> Row:
    """Flatten the scores of a report; a distance of sets goes by its own name and says what it was measured on."""
    found: Row = {}
    for name, value in scores.items():
        if name == "distribution":
            found |= _distance(value)
        elif isinstance(value, Mapping):
            found |= {f"{name}.{part}": number for part, number in value.items()}
        elif isinstance(value, int):
            found[name] = value
    return found


def _distance(score: Mapping[str, Any]) -> Row:
    if "value" not in score:  # a note says why there is none
        return {}
    low, high = score["interval"]
    parts = {"value": score["value"], "low": low, "high": high}
    parts |= {part: score[part] for part in ("real_images", "fake_images", "protocol")}
    return {f"{score['name']}.{part}": value for part, value in parts.items()}


def _merged(same: Sequence[Row]) -> Row:
    first = same[0]
    merged: Row = {
        "method": first["method"],
        "title": first["title"],
        "requested_ratio": first["requested_ratio"],
        "seeds": len(same),
    }
    for name in dict.fromkeys(name for each in same for name in each if name not in (*merged, "seed")):
        values = [each[name] for each in same if name in each]
        if isinstance(values[0], str):
            merged[name] = values[0]
            continue
        merged[name] = mean(values)
        if len(values) > 1 and name not in _COUNTED:
            merged[f"{name}.sd"] = stdev(values)
    return merged
