"""The plain tasks: train or fine-tune a generator, and warm up the other players; the search has a file of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from coronet.channels import Kept, keep_all
from coronet.datasets import Batch
from coronet.networks import Generator
from coronet.objectives import Objective, Translation, tapped
from coronet.slimming import slim
from coronet.training import Cut, Gradients, Losses, Players, Task


class GeneratorTask(Task):
    """Train a generator, dense or slim, in a game.

    kept: the teacher's channels that this generator has (all of them when it is dense). ema: share of the old value in
    the moving average of the weights, of this generator and of the game's backward one; 0: no average. judged_every:
    steps from one in which discriminators play to the next.
    """

    def __init__(
        self,
        generator: Generator,
        objective: Objective,
        *,
        kept: Kept | None = None,
        ema: float = 0.0,
        judged_every: int = 1,
    ) -> None:
        self.generator = generator
        self.objective = objective
        self.judged_every = judged_every
        self.kept = dict(kept) if kept is not None else keep_all(generator.config.widths)
        self.ema = ema
        self.steps = 0  # so far
        self.averaged = {
            player: {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
            for player, network in self.generators().items()
            if ema
        }

    def generators(self) -> dict[str, nn.Module]:
        """Give the generators that are trained here, as their last step left them."""
        backward = self.objective.networks.get("backward")
        return {"generator": self.generator} | ({} if backward is None else {"backward": backward})

    def kept_generator(self, player: str) -> Generator:
        """Give one of them as it would be kept now: with its averaged weights where there is an average."""
        network = self.generators()[player]
        assert isinstance(network, Generator)
        if not self.ema:
            return network
        return slim(network, self.averaged[player], keep_all(network.config.widths))

    def parameters(self) -> dict[str, dict[str, nn.Parameter]]:
        """The generator and the other players."""
        return {"generator": dict(self.generator.named_parameters())} | self.objective.parameters()

    def watched(self) -> dict[str, dict[str, nn.Parameter]]:
        """Nothing."""
        return {}

    def play(self, batch: Batch, random: torch.Generator) -> Iterator[tuple[Players, Losses]]:
        """Play the objective's game with the generator in training mode."""
        self.generator.train()
        game = self.objective.unjudged() if self.steps % self.judged_every else self.objective
        yield from game.play(lambda images: tapped(self.generator, images), self.kept, batch, random)

    @torch.no_grad()
    def after_step(self, gradients: Gradients, progress: float) -> dict[str, Cut]:
        """Move the averages."""
        self.steps += 1
        share = min(self.ema, (1 + self.steps) / (10 + self.steps))  # or the initial weights would stay in for long
        for player, average in self.averaged.items():
            for name, tensor in self.generators()[player].state_dict().items():
                if tensor.is_floating_point():
                    average[name].lerp_(tensor, 1.0 - share)
        return {}

    def current(self) -> Generator:
        """Give the generator, with its averaged weights where there is an average."""
        return self.kept_generator("generator")

    def end_early(self) -> None:
        """Nothing: the net has its widths already."""

    def describe(self) -> tuple[float | None, dict[str, int] | None]:
        """The widths do not change."""
        return None, None

    def state(self) -> dict[str, Any]:
        """Generator, averages and the other players."""
        return {
            "generator": dict(self.generator.state_dict()),
            "averaged": self.averaged,
            "steps": self.steps,
            "objective": self.objective.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.generator.load_state_dict(state["generator"])
        self.steps = state["steps"]
        self.averaged = {
            player: {name: tensor.to(self.averaged[player][name].device, copy=True) for name, tensor in average.items()}
            for player, average in state["averaged"].items()
        }
        self.objective.load_state(state["objective"])


class WarmupTask(Task):
    """Train only the players that start fresh, against a generator that stands still."""

    def __init__(self, generator: Generator, objective: Objective, fresh: frozenset[str]) -> None:
        self.generator = generator
        self.objective = objective
        self.fresh = fresh

    def parameters(self) -> dict[str, dict[str, nn.Parameter]]:
        """The fresh players."""
        return {player: tensors for player, tensors in self.objective.parameters().items() if player in self.fresh}

    def watched(self) -> dict[str, dict[str, nn.Parameter]]:
        """Nothing."""
        return {}

    def play(self, batch: Batch, random: torch.Generator) -> Iterator[tuple[Players, Losses]]:
        """Play the objective's game with the generator in evaluation mode."""
        self.generator.eval()
        kept = keep_all(self.generator.config.widths)
        yield from self.objective.play(self._translate, kept, batch, random)

    def _translate(self, images: Tensor) -> Translation:
        with torch.set_grad_enabled(images.requires_grad):  # a cycle needs gradients through the standing generator
            return tapped(self.generator, images)

    def after_step(self, gradients: Gradients, progress: float) -> dict[str, Cut]:
        """Nothing."""
        return {}

    def current(self) -> Generator:
        """The generator that stands still."""
        return self.generator

    def end_early(self) -> None:
        """Nothing: the net has its widths already."""

    def describe(self) -> tuple[float | None, dict[str, int] | None]:
        """The widths do not change."""
        return None, None

    def state(self) -> dict[str, Any]:
        """The other players."""
        return {"objective": self.objective.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.objective.load_state(state["objective"])
