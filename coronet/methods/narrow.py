"""The narrow net: the same architecture with evenly fewer channels, trained from scratch."""

from coronet.methods import students
from coronet.methods.base import Job, Method, Phase
from coronet.methods.parts import fine_tune, from_scratch, warm_up


def phases(job: Job) -> list[Phase]:
    """Give the phases: warm up fresh players, train."""
    return [warm_up(job), fine_tune(job, from_scratch(job, students.narrow(job.generator.config, job.plan)))]


METHOD = Method("Narrow, from scratch", phases, student=students.narrow, imitates_features=False)
