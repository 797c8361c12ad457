"""CoroNetGAN: search with a hypernetwork along a budget plan, then fine-tune the slim student (arXiv 2403.08261).

Departures that measurements asked for: what channels change in the output ranks them, per cost, the plan replaces a
hand-tuned lambda, dead channels leave the network at once, and a teacher is the default (it can be off).
"""

from dataclasses import replace

from coronet.hypernetwork import Hypernetwork
from coronet.importance import consumer_norm
from coronet.methods.base import Carry, Job, Method, Phase
from coronet.methods.parts import fine_tune, warm_up
from coronet.randomness import seeded
from coronet.search import SearchTask
from coronet.training import Training


def phases(job: Job) -> list[Phase]:
    """Give the phases: warm up fresh players, search, fine-tune."""

    def measure(carry: Carry) -> Carry:
        return replace(carry, importance=job.importance())

    search = Phase("search", job.lengths.search, lambda carry: _search(job, carry), _after_search, measure)
    return [warm_up(job), search, fine_tune(job)]


# The plan's cost falls as (1 - t)^3: a quarter of what is cut on average, and a bit for removing.
METHOD = Method("CoroNetGAN", phases, searches=True, measures=True, search_cost=0.3)


def _search(job: Job, carry: Carry) -> Training:
    config = job.generator.config
    random = seeded(job.seed, "hypernetwork")
    hypernetwork = Hypernetwork.from_generator(job.generator, form=job.form, embedding=job.embedding, random=random)
    importance = carry.importance or consumer_norm(job.generator)  # a saved state replaces it
    task = SearchTask(config, hypernetwork, job.objective, job.plan, importance)
    return job.training(task, "search", job.lengths.search, job.search_learning_rate, carry)


def _after_search(training: Training) -> Carry:
    task = training.task
    assert isinstance(task, SearchTask)
    others = {player: kept for player, kept in training.optimisers.items() if player != "generator"}
    return Carry(kept=task.kept, student=task.current(), optimisers=others)
