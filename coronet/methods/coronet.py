"""CoroNetGAN: search with a hypernetwork along a budget plan, then fine-tune the slim student (arXiv 2403.08261).

Departures that measurements asked for: latents start from Taylor importance per cost instead of noise, the plan
replaces a hand-tuned lambda, dead channels leave the network at once, and a teacher is the default (it can be off).
"""

from coronet.channels import keep_all
from coronet.cost import CostModel
from coronet.hypernetwork import Hypernetwork
from coronet.importance import per_cost
from coronet.methods.base import Carry, Job, Phase
from coronet.randomness import seeded
from coronet.search import SearchTask
from coronet.tasks import GeneratorTask, WarmupTask
from coronet.training import Training


def phases(job: Job) -> list[Phase]:
    """Give the phases: warm up fresh players, search, fine-tune."""
    return [
        Phase("warmup", job.lengths.warmup if job.fresh else 0, lambda carry: _warm_up(job), _after_warmup),
        Phase("search", job.lengths.search, lambda carry: _search(job, carry), _after_search),
        Phase("finetune", job.lengths.finetune, lambda carry: _finetune(job, carry), _after_finetune),
    ]


def _warm_up(job: Job) -> Training:
    task = WarmupTask(job.generator, job.objective, job.fresh)
    return job.training(task, "warmup", job.lengths.warmup, job.learning_rate)


def _after_warmup(training: Training) -> Carry:
    return Carry(optimisers=training.optimisers)


def _search(job: Job, carry: Carry) -> Training:
    config = job.generator.config
    importance = per_cost(job.importance(), CostModel(config, None, job.plan.budget), config.widths)
    random = seeded(job.seed, "hypernetwork")
    hypernetwork = Hypernetwork.from_generator(
        job.generator, importance, form=job.form, embedding=job.embedding, random=random
    )
    task = SearchTask(config, hypernetwork, job.objective, job.plan)
    return job.training(task, "search", job.lengths.search, job.search_learning_rate, carry)


def _after_search(training: Training) -> Carry:
    task = training.task
    assert isinstance(task, SearchTask)
    others = {player: kept for player, kept in training.optimisers.items() if player != "generator"}
    return Carry(kept=task.kept, student=task.current(), optimisers=others)


def _finetune(job: Job, carry: Carry) -> Training:
    student = carry.student if carry.student is not None else job.generator
    kept = carry.kept if carry.kept is not None else keep_all(job.generator.config.widths)
    task = GeneratorTask(student, job.objective, kept=kept, ema=job.ema)
    return job.training(task, "finetune", job.lengths.finetune, job.learning_rate, carry, decay=True)


def _after_finetune(training: Training) -> Carry:
    task = training.task
    assert isinstance(task, GeneratorTask)
    return Carry(kept=task.kept, student=task.current())
