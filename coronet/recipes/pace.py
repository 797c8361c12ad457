"""From the seconds of a step to the length of a run and back: arithmetic alone, for whom torch would be too heavy.

How long a step takes is measured in `timing` for an estimate and in `lengths` for a run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coronet.recipes.settings import CompressSettings

PRESETS = {"quick": (200, 400), "standard": (1500, 3000), "full": (10_000, 20_000)}  # search, fine-tuning
RESERVE = 0.06  # of the minutes, for evaluation and export
FIRST_RATIO, SECOND_RATIO = 2.0, 8.0  # at which a step of the slim net is timed


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds a step on this machine: of the warm-up, the search on average, and fine-tuning.

    warmup is 0 where no player starts untrained. A method that does not search has 0 for the search and its share.
    """

    warmup: float
    search: float
    finetune: float
    searches: bool
    search_share: float


@dataclass(frozen=True, slots=True)
class Timing:
    """What was measured of a model and a method on this machine, in seconds and bytes.

    first, second: a step of fine-tuning at the two ratios; before, after: what surrounds the training; memory: at the
    peak. search: the first step, which has all channels; search_cost: as a method says it.
    """

    warmup: float
    search: float
    first: float
    second: float
    searches: bool
    search_cost: float
    search_share: float
    before: float
    after: float
    memory: int

    def pace(self, ratio: float) -> Pace:
        """Give the pace at a ratio: what a step of the slim net takes beyond a constant goes with 1/ratio."""
        slope = (self.first - self.second) / (1 / FIRST_RATIO - 1 / SECOND_RATIO)
        finetune = max(self.second / 2, self.second + slope * (1 / ratio - 1 / SECOND_RATIO))
        search = search_seconds(self.search, finetune, self.search_cost) if self.searches else 0.0
        return Pace(self.warmup, search, finetune, self.searches, self.search_share)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Timing":
        """Read what `dataclasses.asdict` gave; TypeError where it is something else."""
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Steps of one phase and the seconds that each takes."""

    phase: str
    steps: int
    seconds: float


def stretches(settings: CompressSettings, timing: Timing) -> list[Stretch]:
    """Say how many steps of each phase a run with these settings has, about, and how long one takes."""
    pace = timing.pace(settings.ratio)
    warmup = settings.warmup_steps if pace.warmup else 0
    if settings.minutes is None:
        search, finetune = said_steps(settings, searches=pace.searches)
    else:
        seconds = settings.minutes * 60 * (1 - RESERVE) - timing.before - warmup * pace.warmup
        search, finetune = shared_out(settings, pace, max(0.0, seconds))
    found = [("warmup", warmup, pace.warmup), ("search", search, pace.search), ("finetune", finetune, pace.finetune)]
    return [Stretch(*stretch) for stretch in found if stretch[1]]


def run_seconds(settings: CompressSettings, timing: Timing) -> float:
    """Say how long a run takes from its start to its report, about."""
    training = sum(stretch.steps * stretch.seconds for stretch in stretches(settings, timing))
    return timing.before + training + timing.after


def said_steps(settings: CompressSettings, *, searches: bool) -> tuple[int, int]:
    """Give the steps of search and fine-tuning that the settings say; without a search all of them fine-tune."""
    search, finetune = PRESETS[settings.preset]
    search = search if settings.search_steps is None else settings.search_steps
    finetune = finetune if settings.finetune_steps is None else settings.finetune_steps
    return (max(1, search), finetune) if searches else (0, search + finetune)


def shared_out(settings: CompressSettings, pace: Pace, seconds: float) -> tuple[int, int]:
    """Give the steps of search and fine-tuning that fill the seconds, but for those that the settings say."""
    search = settings.search_steps if pace.searches else 0
    if search is None:
        share = pace.search_share if settings.search_share is None else settings.search_share
        search = round(seconds * share / pace.search)
    finetune = settings.finetune_steps
    if finetune is None:
        finetune = round((seconds - search * pace.search) / pace.finetune)
    return max(int(pace.searches), search), max(0, finetune)


def search_seconds(first: float, slim: float, search_cost: float) -> float:
    """Give the average step of a search between its own first step and one of the slim net."""
    return slim + (first - slim) * search_cost
