"""Run phases one after the other in a run folder, so that a kill at any moment loses seconds at most.

The state that is saved names the phase; what a phase was given by the one before is saved with it. Time counts from
`begun`: what is no training (opening, measuring, what a method does between its phases) is counted as "between".
"""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import torch

from coronet import clock
from coronet.datasets import Batch
from coronet.ending import is_ending
from coronet.errors import RunError
from coronet.methods import Carry, Phase
from coronet.networks import Generator, build_hollow, config_from_json
from coronet.recipes.lengths import Deadline, last_length
from coronet.runs import Run
from coronet.training import Steps, Task, Training, fit

STATE_VERSION = 2  # to be raised whenever the states of before can't be gone on with
_LEAST_BETWEEN = 20  # times as long as a save takes


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where a run was ended early: after `step` of its `of` steps, in this phase."""

    phase: str
    step: int
    of: int


class PhasedRun:
    """Phases under way in a run folder; after the last step `carry` holds the outcome."""

    def __init__(
        self,
        run: Run,
        phases: list[Phase],
        device: torch.device,
        batch_at: Callable[[int], Batch],
        save_seconds: float,
        *,
        begun: float | None = None,
        deadline: Deadline | None = None,
        origin: str = "",
    ) -> None:
        """Take the phases; `begun` by clock.seconds (default: now); a deadline fixes the length of the last phase.

        origin: SHA-256 of the model's file, which must be the same when the run goes on.
        """
        self._run = run
        self._phases = phases
        self._device = device
        self._batch_at = batch_at
        self._save_seconds = save_seconds
        self._due = time.monotonic() + save_seconds
        self._deadline = deadline
        self._origin = origin
        self._seconds: dict[str, float] = {}  # by phase and between them, over all sessions
        self._resting_since = clock.seconds() if begun is None else begun
        self._training: Training | None = None
        self.carry = Carry()
        self.total = sum(phase.steps for phase in self._phases)
        self.done = 0
        self.stopped: Stopped | None = None  # where it was ended early

    def task(self) -> Task:
        """Give the task of the phase under way, or of the last one."""
        assert self._training is not None
        return self._training.task

    def current(self) -> Generator:
        """Give the generator as it would be kept now."""
        return self.task().current()

    @property
    def tuned(self) -> int:
        """Steps of fine-tuning that were done."""
        training = self._training
        return training.done if training is not None and training.phase == "finetune" else 0

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of training per phase, and those between phases."""
        return dict(self._seconds)

    def steps(self, state: Mapping[str, Any] | None) -> Steps:
        """Do every step that a saved state (None: from the start) leaves to do.

        RunError for a state that another version of the program has written, or that began with another model.
        """
        first, before = 0, 0
        if state is not None:
            _check_version(state, self._run)
            _check_origin(state, self._run, self._origin)
        self._run.rewind(0 if state is None else state["done"])
        if state is not None:
            first = [phase.name for phase in self._phases].index(state["training"]["phase"])
            self.done = state["done"]
            self._seconds = dict(state["seconds"])
            self.carry = _restored(state, self._device)
        for index, phase in enumerate(self._phases):
            if index >= first and state is None:
                self.carry = phase.prepare(self.carry)
            if index >= first and phase.steps:
                training = phase.start(self.carry)
                if state is not None:
                    training.load_state(state["training"])
                    state = None  # hundreds of megabytes for a U-Net
                self._training = training
                self._rested()
                with closing(self._phase_steps(training, before)) as steps:  # an error while saving must be heard
                    for step in steps:
                        seconds = sum(self._seconds.values())
                        self.done = before + step.step
                        yield replace(step, done=before + step.step, total=self.total, seconds=seconds)
                self._resting_since = clock.seconds()
                if self.stopped is not None:
                    training.task.end_early()
                self.carry = phase.finish(training)
            before += phase.steps
        self._rested()

    def _rested(self) -> None:
        """Count the time since the last training as time between phases."""
        seconds = clock.seconds() - self._resting_since
        self._seconds["between"] = self._seconds.get("between", 0.0) + seconds

    def _settle(self, training: Training) -> None:
        """Fix the length of the last phase as soon as it is known."""
        if self._deadline is None or training.phase != self._phases[-1].name:
            return
        spent = self._seconds[training.phase]
        left = self._deadline.seconds - (sum(self._seconds.values()) - spent)
        steps = last_length(training.done, training.steps, spent, left)
        if steps is not None:
            self._deadline.settle(steps)  # before the step is on record: a resumed run must not settle anew
            self._deadline = None
            self.total += steps - training.steps
            training.steps = steps

    def _phase_steps(self, training: Training, before: int) -> Steps:
        if self._is_ended(training):
            return  # unsaved: what is on disk stays the state after the last step
        spent = self._seconds.get(training.phase, 0.0)
        with closing(fit(training, lambda step: self._batch_at(before + step))) as steps:  # no image twice
            for step in steps:
                self._seconds[training.phase] = spent + step.seconds
                self._settle(training)
                try:
                    yield replace(step, steps=training.steps)
                except GeneratorExit:  # stopped between two steps; an error inside one must not be saved
                    self._save(training, before)
                    raise
                if time.monotonic() >= self._due:  # by now the step is on record
                    self._save(training, before)
                if self._is_ended(training):
                    break
        self._save(training, before)

    def _is_ended(self, training: Training) -> bool:
        """Tell whether the run is to end here; one that has come to its last step is not ended early."""
        if self.stopped is None and self.done < self.total and is_ending(self._run.path):
            self.stopped = Stopped(training.phase, self.done, self.total)
        return self.stopped is not None

    def _save(self, training: Training, before: int) -> None:
        begin = time.monotonic()
        self._run.save_state(
            {
                "version": STATE_VERSION,
                "origin": self._origin,
                "training": training.state(),
                "done": before + training.done,
                "kept": self.carry.kept,
                "student": None if self.carry.student is None else self.carry.student.config.to_json(),
                "seconds": dict(self._seconds),
            }
        )
        now = time.monotonic()
        # A large state takes seconds to write: it must not become what a run mostly does.
        self._due = now + (max(self._save_seconds, _LEAST_BETWEEN * (now - begin)) if self._save_seconds else 0.0)


def _check_version(state: Mapping[str, Any], run: Run) -> None:
    found = state.get("version", 1)
    if found != STATE_VERSION:
        raise RunError(
            f"The state saved in {run.path} is of version {found}, and this version of CoroNet Studio goes on with "
            f"states of version {STATE_VERSION}. Finish the run with the program that began it, or start it again in "
            "another folder."
        )


def _check_origin(state: Mapping[str, Any], run: Run, origin: str) -> None:
    if state.get("origin", origin) != origin:  # states may be older than this entry
        raise RunError(
            f"{run.path} was begun with another model: its file has changed since. Put the old one back, or start "
            "again in another folder."
        )


def _restored(state: Mapping[str, Any], device: torch.device) -> Carry:
    """Give what the phase under way was given; the student's weights follow with the state of its training."""
    if state["student"] is None:
        return Carry(kept=state["kept"])
    student = build_hollow(config_from_json(state["student"]))
    return Carry(kept=state["kept"], student=student.to_empty(device=device))
