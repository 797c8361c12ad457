"""The phases that several methods share: warming fresh players up, and fine-tuning a student."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from coronet.channels import keep_all
from coronet.methods.base import ROUND, Carry, Job, Phase
from coronet.networks import Generator, GeneratorConfig, build, initialise
from coronet.objectives import Objective
from coronet.randomness import seeded
from coronet.tasks import GeneratorTask, WarmupTask
from coronet.training import Training


def warm_up(job: Job) -> Phase:
    """Let the players that start untrained catch up with a generator that stands still."""

    def start(carry: Carry) -> Training:
        task = WarmupTask(job.generator, job.objective, job.fresh)
        return job.training(task, "warmup", job.lengths.warmup, job.learning_rate)

    steps = job.lengths.warmup if job.fresh else 0
    return Phase("warmup", steps, start, lambda training: Carry(optimisers=training.optimisers))


def fine_tune(
    job: Job,
    prepare: Callable[[Carry], Carry] = lambda carry: carry,
    *,
    objective: Objective | None = None,
    shares: Mapping[str, float] | None = None,
) -> Phase:
    """Train the student that `prepare` or the phase before has made.

    objective: another game than the job's; shares: players in it that learn at another rate, times the job's.
    """

    def start(carry: Carry) -> Training:
        student = carry.student
        assert student is not None
        kept = carry.kept if carry.kept is not None else keep_all(job.generator.config.widths)
        game = objective or job.objective
        judged_every = ROUND if game.imitates else 1  # in the steps between it imitates, which is sooner done
        task = GeneratorTask(student, game, kept=kept, ema=job.ema, judged_every=judged_every)
        steps = job.lengths.finetune
        return job.training(task, "finetune", steps, job.learning_rate, carry, decay=True, shares=shares)

    return Phase("finetune", job.lengths.finetune, start, _tuned, prepare)


def fresh_student(job: Job, config: GeneratorConfig) -> Generator:
    """Build a student with published initial weights where the dense net is."""
    student = build(config)
    initialise(student, seeded(job.seed, "student"))
    return student.to(next(job.generator.parameters()).device)


def from_scratch(job: Job, config: GeneratorConfig) -> Callable[[Carry], Carry]:
    """Give what prepares the training of a fresh student; none of its channels is one of the dense net's."""
    return lambda carry: replace(carry, kept={}, student=fresh_student(job, config))


def _tuned(training: Training) -> Carry:
    task = training.task
    assert isinstance(task, GeneratorTask)
    return Carry(kept=task.kept, student=task.current())
