"""The phases that several methods share: warming fresh players up, and fine-tuning a student."""

from collections.abc import Callable

from coronet.channels import keep_all
from coronet.methods.base import Carry, Job, Phase
from coronet.tasks import GeneratorTask, WarmupTask
from coronet.training import Training


def warm_up(job: Job) -> Phase:
    """Let the players that start untrained catch up with a generator that stands still."""

    def start(carry: Carry) -> Training:
        task = WarmupTask(job.generator, job.objective, job.fresh)
        return job.training(task, "warmup", job.lengths.warmup, job.learning_rate)

    steps = job.lengths.warmup if job.fresh else 0
    return Phase("warmup", steps, start, lambda training: Carry(optimisers=training.optimisers))


def fine_tune(job: Job, prepare: Callable[[Carry], Carry] = lambda carry: carry) -> Phase:
    """Train the student that `prepare` or the phase before has made; without one, the dense net itself."""

    def start(carry: Carry) -> Training:
        student = carry.student if carry.student is not None else job.generator
        kept = carry.kept if carry.kept is not None else keep_all(job.generator.config.widths)
        task = GeneratorTask(student, job.objective, kept=kept, ema=job.ema)
        return job.training(task, "finetune", job.lengths.finetune, job.learning_rate, carry, decay=True)

    return Phase("finetune", job.lengths.finetune, start, _tuned, prepare)


def _tuned(training: Training) -> Carry:
    task = training.task
    assert isinstance(task, GeneratorTask)
    return Carry(kept=task.kept, student=task.current())
