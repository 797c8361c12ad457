"""How anything is learned: the step loop, Adam by tensor name, the learning-rate plan and exact resume.

What is learned is a Task. Every random choice of a step is a function of (seed, phase, step), so a state needs no
generator states and a resumed run repeats an uninterrupted one bit for bit.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Generator as PythonGenerator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coronet import clock
from coronet.datasets import Batch
from coronet.errors import RunError
from coronet.networks import Generator
from coronet.randomness import seed_of, seeded

Players = tuple[str, ...]
Losses = dict[str, Tensor]
Gradients = dict[str, dict[str, Tensor]]
Cut = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]  # follows removed channels in tensors named like parameters
PUBLISHED_RATE = 2e-4  # of generators and discriminators (Isola et al. 2017, Zhu et al. 2017)
RISE = 20  # steps until the full learning rate
BETAS = (0.5, 0.999)  # of Adam, as pytorch-CycleGAN-and-pix2pix trains


@dataclass(frozen=True, slots=True)
class Step:
    """What is reported of one step. `seconds` counts from the start of the phase; in a run, of the whole run."""

    phase: str
    step: int  # steps done in this phase, the first is 1
    steps: int  # of this phase
    losses: dict[str, float]
    ratio: float | None
    widths: dict[str, int] | None
    learning_rate: float
    seconds: float
    done: int = 0  # steps done over all phases
    total: int = 0  # steps of all phases

    def to_json(self) -> dict[str, Any]:
        """Turn into plain JSON values."""
        return asdict(self)


Steps = PythonGenerator[Step, None, None]  # close() stops after the last whole step


class Task(ABC):
    """What is learned: the players, their losses, and what happens between steps."""

    @abstractmethod
    def parameters(self) -> dict[str, dict[str, nn.Parameter]]:
        """Give the tensors that Adam learns, by player and name."""

    @abstractmethod
    def watched(self) -> dict[str, dict[str, nn.Parameter]]:
        """Give tensors whose gradients `after_step` wants and updates itself."""

    @abstractmethod
    def play(self, batch: Batch, random: torch.Generator) -> Iterator[tuple[Players, Losses]]:
        """Yield the losses of one move after the other; when resumed, the players named have made their step."""

    @abstractmethod
    def after_step(self, gradients: Gradients, progress: float) -> dict[str, Cut]:
        """Do what follows a step; `progress` runs from 0 to 1. Give a cut for every player that lost channels."""

    @abstractmethod
    def current(self) -> Generator:
        """Give the generator as it would be kept now, a plain module."""

    @abstractmethod
    def end_early(self) -> None:
        """Bring the net to what the phase would have ended with, where its last steps are left out."""

    @abstractmethod
    def describe(self) -> tuple[float | None, dict[str, int] | None]:
        """Give compression ratio and widths of the net as it is, where they change."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Give everything that changes during training, as tensors and plain values."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""


class NamedAdam:
    """torch's Adam over named tensors, so that its moments can be saved by name and follow removed channels."""

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self._parameters = dict(parameters)
        self._adam = torch.optim.Adam(list(self._parameters.values()), lr=0.0, betas=BETAS, fused=True)

    def step(self, gradients: Mapping[str, Tensor], learning_rate: float) -> None:
        """Move every tensor that has a gradient."""
        for group in self._adam.param_groups:
            group["lr"] = learning_rate
        for name, parameter in self._parameters.items():
            gradient = gradients.get(name)
            parameter.grad = gradient if gradient is None else _as_it_lies(gradient, parameter)
        self._adam.step()
        for parameter in self._parameters.values():
            parameter.grad = None

    def follow(self, parameters: Mapping[str, nn.Parameter], cut: Cut) -> "NamedAdam":
        """Give the optimiser of the smaller tensors, with this one's moments cut alike."""
        state = self.state()
        moments = {part: cut({name: values[part] for name, values in state.items()}) for part in _MOMENTS}
        smaller = NamedAdam(parameters)
        smaller.load_state(
            {name: {part: moments[part][name] for part in _MOMENTS} | {"step": state[name]["step"]} for name in state}
        )
        return smaller

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Give the moments by tensor name."""
        return {
            name: dict(self._adam.state[parameter])
            for name, parameter in self._parameters.items()
            if parameter in self._adam.state
        }

    def load_state(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Continue from saved moments."""
        for name, values in state.items():
            parameter = self._parameters[name]
            own = {part: value.to(parameter.device, copy=True) for part, value in values.items()}
            self._adam.state[parameter] = own | {part: _as_it_lies(own[part], parameter) for part in _MOMENTS}


_MOMENTS = ("exp_avg", "exp_avg_sq")


def _as_it_lies(values: Tensor, parameter: Tensor) -> Tensor:
    """Put values in the parameter's order in memory: fused Adam takes all as they lie, in whatever order."""
    return values if values.stride() == parameter.stride() else torch.empty_like(parameter).copy_(values)


class Training:
    """One phase under way: a task, its optimisers, the learning-rate plan, and the number of steps done."""

    def __init__(
        self,
        task: Task,
        *,
        phase: str,
        steps: int,
        learning_rate: float,
        seed: int,
        decay: bool = False,
        optimisers: Mapping[str, NamedAdam] | None = None,
        mixed_precision: bool = False,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        """Take the task and its plan; `shares`: players that learn at another rate, times `learning_rate`."""
        self.task = task
        self.shares = dict(shares or {})
        self.phase = phase
        self.steps = steps
        self.learning_rate = learning_rate
        self.seed = seed
        self.decay = decay
        self.mixed_precision = mixed_precision
        self.done = 0
        self.optimisers = {player: NamedAdam(tensors) for player, tensors in task.parameters().items()}
        self.optimisers |= {player: kept for player, kept in (optimisers or {}).items() if player in self.optimisers}

    def rate(self) -> float:
        """Give the learning rate of the next step: rising at first, then constant or, from half-way, falling to 0.

        The short rise is for Adam, whose first steps have full size however small the gradient is.
        """
        half = self.steps // 2
        falling = max(0, self.done - half) / (self.steps - half + 1) if self.decay else 0.0
        return self.learning_rate * (1.0 - falling) * min(1.0, (self.done + 1) / RISE)

    def state(self) -> dict[str, Any]:
        """Give everything needed to go on after `done` steps."""
        return {
            "phase": self.phase,
            "done": self.done,
            "task": self.task.state(),
            "optimisers": {player: optimiser.state() for player, optimiser in self.optimisers.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of the same phase."""
        self.done = state["done"]
        self.task.load_state(state["task"])
        self.optimisers = {player: NamedAdam(tensors) for player, tensors in self.task.parameters().items()}
        for player, optimiser in self.optimisers.items():
            optimiser.load_state(state["optimisers"][player])


def fit(training: Training, batch_at: Callable[[int], Batch]) -> Steps:
    """Do the steps that are left, one by one. Stop iterating to stop; `training` then holds the last whole step."""
    start = clock.seconds()
    while training.done < training.steps:
        batch = batch_at(training.done)
        rate = training.rate()
        with _seeded(training.seed, training.phase, training.done) as random:
            device = batch.source.device.type
            # Without the cache: it would keep the weights of a player that moves within the step as they were.
            with torch.autocast(device, torch.bfloat16, enabled=training.mixed_precision, cache_enabled=False):
                losses, gradients = _moves(training, batch, random, rate)
            cuts = training.task.after_step(gradients, (training.done + 1) / training.steps)
        for player, cut in cuts.items():
            training.optimisers[player] = training.optimisers[player].follow(training.task.parameters()[player], cut)
        training.done += 1
        ratio, widths = training.task.describe()
        yield Step(training.phase, training.done, training.steps, losses, ratio, widths, rate, clock.seconds() - start)


def _moves(
    training: Training, batch: Batch, random: torch.Generator, rate: float
) -> tuple[dict[str, float], Gradients]:
    """Let every player of the step move once; give the loss values and the gradients of watched tensors."""
    task = training.task
    learned, watched = task.parameters(), task.watched()
    values: dict[str, float] = {}
    seen: Gradients = {}
    for players, losses in task.play(batch, random):
        active = [player for player in players if player in learned]
        if not active or not losses:
            continue
        values |= {name: float(loss.detach()) for name, loss in losses.items()}
        _check_finite(values, training)
        tensors = {player: learned[player] | watched.get(player, {}) for player in active}
        gradients = _gradients(torch.stack(list(losses.values())).sum(), tensors)
        for player in active:
            found = gradients[player]  # of what took part in the losses
            moved = {name: found[name] for name in learned[player] if name in found}
            training.optimisers[player].step(moved, rate * training.shares.get(player, 1.0))
            seen[player] = {name: found[name] for name in watched.get(player, {}) if name in found}
    return values, seen


def _gradients(loss: Tensor, tensors: Mapping[str, Mapping[str, nn.Parameter]]) -> Gradients:
    flat = [(player, name, tensor) for player, named in tensors.items() for name, tensor in named.items()]
    found = torch.autograd.grad(loss, [tensor for _, _, tensor in flat], allow_unused=True)
    gradients: Gradients = {player: {} for player in tensors}
    for (player, name, _), gradient in zip(flat, found, strict=True):
        if gradient is not None:
            gradients[player][name] = gradient
    return gradients


def _check_finite(values: Mapping[str, float], training: Training) -> None:
    for name, value in values.items():
        if not abs(value) < float("inf"):
            raise RunError(
                f"Training diverged: the loss '{name}' is {value} at step {training.done + 1} of {training.phase}. "
                "Lower the learning rate or raise the batch size, and start again."
            )


@contextmanager
def _seeded(seed: int, phase: str, step: int) -> Iterator[torch.Generator]:
    """Give the step's own generator; dropout, which knows only the global one, is seeded for this block alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(seed, phase, step))
        yield seeded(seed, phase, step)
