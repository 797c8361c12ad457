"""The main job: a trained generator in; search, slim, fine-tune, evaluate, export; a run folder out."""

from contextlib import closing

import torch
import torch.nn.functional as F

from coronet import clock
from coronet.methods import METHODS, Carry, Job
from coronet.recipes.finish import finish_compression
from coronet.recipes.lengths import fixed_lengths, open_deadline
from coronet.recipes.phases import PhasedRun
from coronet.recipes.preparing import dense_generator, make_job, open_compression
from coronet.recipes.preview import recalibrate
from coronet.recipes.previews import Previewer
from coronet.recipes.settings import CompressSettings
from coronet.runs import Run
from coronet.training import Steps

STATISTICS_BATCHES = 8
LEAST_TUNED = 50  # steps, after which next to nothing is left of the statistics that a cut net brought (.9 ** 50)


def compress(settings: CompressSettings, run: Run) -> Steps:
    """Do what is left of a compression; the last thing written is the run's report.json.

    Raises CoronetError for anything wrong with model, data, ratio or folder before the first step is done.
    """
    begun = clock.seconds()
    opened = open_compression(settings)
    dense = dense_generator(opened)
    lengths = fixed_lengths(opened, run)
    job = make_job(opened, dense, lengths)
    state = run.load_state()
    phased = PhasedRun(
        run,
        METHODS[settings.method].phases(job),
        opened.device,
        job.batch_at,
        settings.save_seconds,
        begun=begun,
        deadline=open_deadline(settings, run, lengths),
        origin=opened.checkpoint.lineage["sha256"],
    )
    previewer = Previewer(run, opened.data, dense, settings.preview_steps)
    all_steps = phased.steps(state)
    del state  # hundreds of megabytes for a U-Net
    with closing(all_steps) as steps:
        for step in steps:
            previewer.after(step, phased.current)
            yield step
    if phased.tuned == 0 or (phased.stopped is not None and phased.tuned < LEAST_TUNED):
        _measure_statistics(phased.carry, job)
    finish_compression(opened, run, dense, phased, job.players)


def _measure_statistics(carry: Carry, job: Job) -> None:
    """Measure the batch statistics of a net that was cut and not tuned: those it brought are of the wider net."""
    assert carry.student is not None
    sources = [job.batch_at(step).source for step in range(STATISTICS_BATCHES)]
    size = sources[0].shape[-2:]  # without a crop they differ
    recalibrate(carry.student.eval(), torch.cat([F.interpolate(images, size, mode="bilinear") for images in sources]))
