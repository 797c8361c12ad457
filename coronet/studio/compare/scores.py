"""What trained nets are judged by: which scores there are, which way each is better, and which nets are best by it.

Scores of whole sets are called by their own names. They compare only where as many images of the same data were seen:
a score speaks of those that most nets have in common.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from coronet.studio import sheets
from coronet.studio.compare import text
from coronet.studio.outcomes import UNITS, Measure, Outcome, Unit, score_of

FID = "FID"  # on Inception's 2048 features and on nothing else


@dataclass(frozen=True, slots=True)
class Value:
    """A score of one net, with its interval where it has one."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def reach(self) -> tuple[float, float] | None:
        """How far its interval reaches up and down; None without one."""
        if self.low is None or self.high is None:
            return None
        return self.high - self.value, self.value - self.low


@dataclass(frozen=True, slots=True)
class Score:
    """One way to judge. key: to_truth or to_teacher, which are PSNR, or the own name of a distance, such as "FID".

    protocol, real_images, fake_images: what a distance was measured on.
    """

    key: str
    protocol: str = ""
    real_images: int = 0
    fake_images: int = 0

    @property
    def is_distance(self) -> bool:
        """Tell whether it compares whole sets; lower is better then."""
        return self.key not in text.TITLES

    @property
    def title(self) -> str:
        """What it is called."""
        return text.TITLES.get(self.key, self.key)

    def goodness(self, value: Value) -> float:
        """Give a number that is higher for what is better."""
        return -value.value if self.is_distance else value.value


def scores_of(outcomes: Sequence[Outcome]) -> dict[str, Score]:
    """Give the scores that some of the nets have, by their keys; PSNR comes first."""
    found = [outcome.report["scores"] for outcome in outcomes]
    paired = [Score(key) for key in text.TITLES if any(key in scores for scores in found)]
    names = dict.fromkeys(name for scores in found for name in _distances(scores))
    return {score.key: score for score in (*paired, *(_in_common(found, name) for name in names))}


def choose_score(outcomes: Sequence[Outcome], wanted: str | None) -> Score:
    """Give the score of that key; where there is none: FID where all have it, else PSNR, to the truth where known."""
    found = scores_of(outcomes)
    if wanted in found:
        return found[wanted]
    if FID in found and all(value_of(outcome, found[FID]) for outcome in outcomes):
        return found[FID]
    return found[score_of(outcomes)]


def value_of(outcome: Outcome, score: Score) -> Value | None:
    """Give a net's score; None where it has none, or a distance measured on other images."""
    return _value(outcome.report["scores"], score)


def value_elsewhere(outcome: Outcome, score: Score) -> Value | None:
    """Give a net's distance of that name, whatever it was measured on; None where it has none."""
    found = _distances(outcome.report["scores"]).get(score.key)
    return None if found is None else _as_value(found)


def dense_value(outcomes: Sequence[Outcome], score: Score) -> Value | None:
    """Give the dense net's score, as any report tells it."""
    values = (_value(outcome.report.get("teacher_scores", {}), score) for outcome in outcomes)
    return next((value for value in values if value is not None), None)


def notes_of(outcomes: Sequence[Outcome], score: Score) -> list[str]:
    """Say what makes these scores doubtful, each once; what holds for some nets only names them."""
    scored = [outcome for outcome in outcomes if score.is_distance and value_of(outcome, score)]
    labels: dict[str, list[str]] = {}
    for outcome in scored:
        if note := _distances(outcome.report["scores"])[score.key].get("note"):
            labels.setdefault(str(note), []).append(outcome.label)
    return [
        note if len(of) == len(scored) else text.OF_SOME.format(nets=", ".join(of), note=note)
        for note, of in labels.items()
    ]


def pareto(outcomes: Sequence[Outcome], score: Score) -> list[Outcome]:
    """Give those that no other one beats with fewer MACs and a better score, the smallest first."""
    rated = [(outcome, score.goodness(value)) for outcome in outcomes if (value := value_of(outcome, score))]
    best: list[Outcome] = []
    highest = -inf
    for outcome, goodness in sorted(rated, key=lambda pair: (pair[0].macs, -pair[1])):
        if goodness > highest:
            best.append(outcome)
            highest = goodness
    return best


def best_under(outcomes: Sequence[Outcome], score: Score, measure: Measure, limit: float) -> Outcome | None:
    """Give the best of those that cost at most this; None where none with a score is known to be so small."""
    fitting = [outcome for outcome in outcomes if outcome.report["slim"].get(measure, inf) <= limit]
    rated = [(outcome, score.goodness(value)) for outcome in fitting if (value := value_of(outcome, score))]
    return max(rated, key=lambda pair: pair[1])[0] if rated else None


def best_within(outcomes: Sequence[Outcome], score: Score, limit: float | None, unit: Unit) -> Outcome | None:
    """Give the best of those below a limit in a unit that a visitor chose; None also where there is no limit."""
    measure, size = UNITS[unit]
    return best_under(outcomes, score, measure, limit * size) if limit else None


def as_csv(outcomes: Sequence[Outcome], score: Score) -> str:
    """Write every number that the reports have of cost and scores, one net a line, the dense net last."""
    front = {outcome.key for outcome in pareto(outcomes, score)}
    judged = {"judged_by": score.key, "better": "lower" if score.is_distance else "higher"}
    rows: list[dict[str, object]] = [
        {"net": outcome.key, "kind": outcome.kind, "method": outcome.report.get("method", "")}
        | {"ratio": outcome.ratio, **outcome.report["slim"], **_flat(outcome.report["scores"]), **judged}
        | {"on_pareto_line": "yes" if outcome.key in front else "no"}
        for outcome in outcomes
    ]
    for outcome in outcomes[:1]:
        dense = {"net": "dense", "kind": "dense", "method": "", "ratio": 1.0, **outcome.report["dense"]}
        rows.append({**dense, **_flat(outcome.report.get("teacher_scores", {})), **judged})
    return sheets.as_csv(rows)


def _distances(scores: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Give the distances of a net by their names: that of its report, and what was measured since."""
    found = (scores.get(part) for part in ("distribution", "fid"))
    return {str(score["name"]): score for score in found if isinstance(score, Mapping) and "value" in score}


def _in_common(found: Sequence[Mapping[str, Any]], name: str) -> Score:
    """Name the images that most nets were measured on."""
    known = [score for scores in found if (score := _distances(scores).get(name))]
    return Counter(_as_score(score) for score in known).most_common(1)[0][0]


def _as_score(score: Mapping[str, Any]) -> Score:
    images = (int(score.get(name, 0)) for name in ("real_images", "fake_images"))
    return Score(str(score["name"]), str(score.get("protocol", "")), *images)


def _as_value(score: Mapping[str, Any]) -> Value:
    return Value(float(score["value"]), *map(float, score.get("interval", ())))


def _value(scores: Mapping[str, Any], score: Score) -> Value | None:
    if not score.is_distance:
        return Value(float(scores[score.key]["psnr_db"])) if score.key in scores else None
    found = _distances(scores).get(score.key)
    return _as_value(found) if found is not None and _as_score(found) == score else None


def _flat(scores: Mapping[str, Any]) -> dict[str, object]:
    flat: dict[str, object] = {
        f"{name}.{part}": number for name in text.TITLES for part, number in scores.get(name, {}).items()
    }
    for name, found in _distances(scores).items():
        value = _as_value(found)
        flat |= {f"{name}.value": value.value, f"{name}.low": value.low, f"{name}.high": value.high}
        flat |= {f"{name}.{part}": found.get(part) for part in ("real_images", "fake_images")}
    return flat
