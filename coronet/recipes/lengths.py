"""How many steps every phase gets: said by the user, by a preset, or measured for a number of minutes.

Minutes are shared out after a few throw-away steps. The last phase is measured again while it runs and settles on the
steps that fill the time really left, whatever was done between the phases. What is settled is written into the run
folder and never measured again, so that a resumed run is the same run.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from coronet import clock
from coronet.datasets import Batch
from coronet.errors import RunError, SettingsError
from coronet.files import read_json, write_json_atomic
from coronet.methods import METHODS, ROUND, Carry, Lengths
from coronet.networks import build
from coronet.recipes.pace import RESERVE, Pace, said_steps, search_seconds, shared_out
from coronet.recipes.preparing import Opened, dense_generator, make_job
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from coronet.training import Training, fit

LENGTHS = "lengths.json"
SETTLED = "settled"  # the key beside the lengths: whether they stay as they are
PROBE_STEPS = 1 + ROUND  # a first one, which warms caches up, and a whole round
LEAST_STEPS = 10  # of search and of fine-tuning, below which minutes are refused


def fixed_lengths(opened: Opened, run: Run) -> Lengths:
    """Give the lengths of a run, measuring them the first time where minutes were asked for."""
    path = run.path / LENGTHS
    if path.exists():
        return Lengths(**stored_lengths(path, ("warmup", "search", "finetune")))
    settings = opened.settings
    lengths = _chosen(settings) if settings.minutes is None else _measured(opened, settings.minutes)
    settled = settings.minutes is None or settings.finetune_steps is not None
    write_json_atomic(path, asdict(lengths) | {SETTLED: settled})
    return lengths


@dataclass(frozen=True, slots=True)
class Deadline:
    """What is left to settle of a run that was given minutes: how many steps its last phase has.

    seconds: for all that the run counts, from opening the data to the last step.
    """

    path: Path
    lengths: Lengths
    seconds: float

    def settle(self, steps: int) -> None:
        """Write the steps of the last phase for good."""
        write_json_atomic(self.path, asdict(replace(self.lengths, finetune=steps)) | {SETTLED: True})


def open_deadline(settings: CompressSettings, run: Run, lengths: Lengths) -> Deadline | None:
    """Give the deadline of a run with fixed lengths; None where nothing is left to settle."""
    path = run.path / LENGTHS
    if settings.minutes is None or read_json(path).get(SETTLED, True):
        return None
    return Deadline(path, lengths, settings.minutes * 60 * (1 - RESERVE))


def last_length(done: int, steps: int, spent: float, left: float) -> int | None:
    """Give the steps that fill the `left` seconds of a phase, of which `done` steps took `spent`; None: too early.

    Told at the end of a round, after a third of the time or next to half of the steps that were planned; within a round
    where half of the time or of the steps is over. Up to there the learning rate is that of a phase of any length that
    is at least twice as long (Training.rate): nothing done so far depends on the answer.
    """
    half = steps // 2
    ripe = done % ROUND == 0 and (spent >= left / 3 or done + ROUND > half)
    if not ripe and spent < left / 2 and done < half:
        return None
    return max(2 * done, done + round((left - spent) / spent * done)) if spent > 0 else steps


def stored_lengths(path: Path, names: Sequence[str]) -> dict[str, int]:
    """Read the steps a run has fixed, by phase; RunError where the file is damaged."""
    found = read_json(path)
    found.pop(SETTLED, None)
    if set(found) != set(names) or not all(type(steps) is int and steps >= 0 for steps in found.values()):
        raise RunError(f"{path} is damaged: it must give the steps of {', '.join(names)}. Start the run again.")
    return found


def _chosen(settings: CompressSettings) -> Lengths:
    return Lengths(settings.warmup_steps, *said_steps(settings, searches=METHODS[settings.method].searches))


def _measured(opened: Opened, minutes: float) -> Lengths:
    """Time a few throw-away steps of every phase and share the minutes out."""
    settings = opened.settings
    begin = clock.seconds()
    method = METHODS[settings.method]
    step = phase_seconds(opened)
    small = step["finetune"]
    seconds = minutes * 60 * (1 - RESERVE) - (clock.seconds() - begin) - step["warmup"] * settings.warmup_steps
    search_step = search_seconds(step["search"], small, method.search_cost)
    missing = LEAST_STEPS * (search_step + small) - seconds
    if missing > 0:
        least = minutes + missing / 60 / (1 - RESERVE)
        raise SettingsError(
            f"'minutes' is {minutes:g}, but this model needs at least {least:.1f} on this machine. "
            "Give it more minutes, or say the numbers of steps."
        )
    pace = Pace(step["warmup"], search_step, small, method.searches, method.search_share)
    return Lengths(settings.warmup_steps, *shared_out(settings, pace, seconds))


def phase_seconds(opened: Opened) -> dict[str, float]:
    """Give the seconds of a phase's first step, by phase; 0 for one that the method has not."""
    dense = dense_generator(opened)
    job = make_job(opened, dense, Lengths(PROBE_STEPS, 10**9, PROBE_STEPS))  # so long a plan removes nothing yet
    method = METHODS[opened.settings.method]
    student = build(method.student(opened.checkpoint.config, opened.plan)).to(opened.device)
    seconds = dict.fromkeys(("warmup", "search", "finetune"), 0.0)
    for phase in method.phases(job):
        if phase.steps:  # not prepared, which may take long
            seconds[phase.name] = step_seconds(phase.start(Carry(kept={}, student=student)), job.batch_at)
    return seconds


def step_seconds(training: Training, batch_at: Callable[[int], Batch]) -> float:
    """Give the average of a round of steps, after a first one that warms caches up."""
    steps = fit(training, batch_at)
    seconds = [next(steps).seconds for _ in range(PROBE_STEPS)]
    steps.close()
    return (seconds[-1] - seconds[0]) / (PROBE_STEPS - 1)
