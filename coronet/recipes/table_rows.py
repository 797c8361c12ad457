"""The rows of a comparison: reports of runs flattened to numbers under dotted names, and merged over seeds."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

Row = dict[str, Any]
_COUNTED = ("ratio", "macs", "macs_as_published", "parameters")
_SCORES = frozenset(("psnr_db", "ssim", "l1", "value"))  # the last part of their names
_MEASURED_ON = ("protocol", "real_images", "fake_images")  # of a distance; others do not compare


def dense_row(report: Mapping[str, Any]) -> Row:
    """Flatten what a run's report says of the dense net: the row of the method "original"."""
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


def as_distance(score: Mapping[str, Any]) -> Row:
    """Flatten a distance of sets under its own name: value, interval, what it was measured on, and what makes it
    doubtful. subset_sd: standard deviation over the subsets of a KID."""
    if "value" not in score:  # a note says why there is none
        return {}
    low, high = score["interval"]
    parts = {"value": score["value"], "low": low, "high": high}
    parts |= {part: score[part] for part in _MEASURED_ON}
    parts |= {"subset_sd": score["sd"]} if "sd" in score else {}
    parts |= {"note": score["note"]} if score["note"] else {}
    return {f"{score['name']}.{part}": value for part, value in parts.items()}


def measured_on(row: Mapping[str, Any], distance: str) -> tuple[Any, ...]:
    """Say what a distance was measured on: only those that agree in all of it compare."""
    return tuple(row.get(f"{distance}.{part}") for part in _MEASURED_ON)


def summary(found: Sequence[Row]) -> list[Row]:
    """Merge the seeds: a row for every method and ratio asked for, numbers as mean, with `.sd` where there are more.

    A distance that was not measured on the same for all seeds has no mean, and is left out.
    """
    merged: dict[tuple[str, float], list[Row]] = {}
    for row in found:
        merged.setdefault((row["method"], row["requested_ratio"]), []).append(row)
    return [_merged(same) for same in merged.values()]


def score_names(found: Sequence[Row]) -> list[str]:
    """List the scores that some row has, in the order of their first appearance."""
    names = dict.fromkeys(name for row in found for name in row)
    return [name for name in names if name.rpartition(".")[2] in _SCORES]


def _scores(scores: Mapping[str, Any]) -> Row:
    """Flatten the scores of a report; a distance of sets goes by its own name and says what it was measured on."""
    found: Row = {}
    for name, value in scores.items():
        if name in ("distribution", "kernel"):
            found |= as_distance(value)
        elif isinstance(value, Mapping):
            found |= {f"{name}.{part}": number for part, number in value.items()}
        elif isinstance(value, int):
            found[name] = value
    return found


def _merged(same: Sequence[Row]) -> Row:
    first = same[0]
    merged: Row = {
        "method": first["method"],
        "title": first["title"],
        "requested_ratio": first["requested_ratio"],
        "seeds": len(same),
    }
    left_out = tuple(f"{distance}." for distance in _distances(same) if not _agree(same, distance))
    for name in dict.fromkeys(name for each in same for name in each if name not in (*merged, "seed")):
        if name.startswith(left_out):
            continue
        values = [each[name] for each in same if name in each]
        if isinstance(values[0], str):
            merged[name] = " ".join(dict.fromkeys(values))
            continue
        merged[name] = mean(values)
        if len(values) > 1 and name not in _COUNTED:
            merged[f"{name}.sd"] = stdev(values)
    return merged


def _distances(found: Sequence[Row]) -> dict[str, None]:
    names = (name for row in found for name in row if name.endswith(".protocol"))
    return dict.fromkeys(name.removesuffix(".protocol") for name in names)


def _agree(same: Sequence[Row], distance: str) -> bool:
    return len({measured_on(row, distance) for row in same if f"{distance}.value" in row}) < 2
