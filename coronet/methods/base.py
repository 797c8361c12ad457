"""What every compression method is given and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from coronet.datasets import Batch
from coronet.hypernetwork import Form
from coronet.importance import Importance
from coronet.methods import students
from coronet.methods.vgg import Vgg
from coronet.networks import Generator, GeneratorConfig
from coronet.objectives import Objective
from coronet.search import SearchPlan
from coronet.training import PUBLISHED_RATE, NamedAdam, Task, Training

JUDGES_RATE = PUBLISHED_RATE  # of discriminators: at a student's they diverge, or tell nothing apart any more
ROUND = 4  # steps in which every method does all that its steps do: time is told by whole rounds


@dataclass(frozen=True, slots=True)
class Lengths:
    """Steps of each phase; a method without a search has 0 of them."""

    warmup: int
    search: int
    finetune: int


@dataclass(slots=True)
class Carry:
    """What one phase hands to the next: the channels kept so far, the student, and optimisers that go on.

    importance: of the dense net, for the phase that was prepared with it; no saved state holds it.
    """

    kept: dict[str, Tensor] | None = None
    student: Generator | None = None
    optimisers: dict[str, NamedAdam] = field(default_factory=dict)
    importance: Importance | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A generator to compress, the game to train it in, and the choices of a method.

    importance: measures the dense net, for methods that rank its channels. batch_at: the training images of a step.
    fresh: the players that start untrained; players: a sentence about where each came from. vgg: where a method that
    can use it was given one. deep_teacher: whether OMGD has its second teacher, on pairs.
    """

    generator: Generator
    objective: Objective
    fresh: frozenset[str]
    importance: Callable[[], Importance]
    batch_at: Callable[[int], Batch]
    plan: SearchPlan
    lengths: Lengths
    seed: int
    search_learning_rate: float
    learning_rate: float
    form: Form = "factored"
    embedding: int = 8
    ema: float = 0.0
    mixed_precision: bool = False
    players: tuple[str, ...] = ()
    vgg: Vgg | None = None
    deep_teacher: bool = True

    def training(
        self,
        task: Task,
        phase: str,
        steps: int,
        rate: float,
        carry: Carry | None = None,
        *,
        decay: bool = False,
        shares: Mapping[str, float] | None = None,
    ) -> Training:
        """Set up a phase's training at a learning rate, with the optimisers that go on from the phase before.

        shares: players that learn at another rate, times this one. Discriminators always learn at theirs.
        """
        return Training(
            task,
            phase=phase,
            steps=steps,
            learning_rate=rate,
            seed=self.seed,
            decay=decay,
            mixed_precision=self.mixed_precision,
            optimisers=carry.optimisers if carry else {},
            shares={judge: JUDGES_RATE / rate for judge in self.objective.judges()} | dict(shares or {}),
        )


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of training: how to start it from what was carried over, and what to carry on.

    name: a field of Lengths, or "train". prepare: what is done once before it, even where it has no steps; a resumed
    run does not do it again.
    """

    name: str
    steps: int
    start: Callable[[Carry], Training]
    finish: Callable[[Training], Carry]
    prepare: Callable[[Carry], Carry] = lambda carry: carry


@dataclass(frozen=True, slots=True)
class Method:
    """A way to a slim net: its phases, and whether some of its steps come before the net is slim.

    measures: whether it asks for the job's importance, which takes time before its first step.
    search_cost: what a step of the search takes on average, between a step of the slim net (0) and its own first (1).
    search_share: of the time, where the user does not say it. student: describes the net it would end with, or one
    like it; BudgetError where the ratio cannot be met. imitates_features: where the user gives them a weight; a net
    from scratch has none of the dense net's channels. teacher: the dense net is imitated as the user says, always
    (frozen), or while it goes on learning in a game of its own. title_with_vgg: the title of one that is another method
    with VGG-16's weights; empty: it has no use for them.
    """

    title: str
    phases: Callable[[Job], list[Phase]]
    searches: bool = False
    measures: bool = False
    search_cost: float = 1.0
    search_share: float = 0.3
    student: Callable[[GeneratorConfig, SearchPlan], GeneratorConfig] = students.narrow
    imitates_features: bool = True
    teacher: Literal["as set", "frozen", "learning"] = "as set"
    title_with_vgg: str = ""

    @property
    def keeps_layers(self) -> bool:
        """Tell whether its student has the dense net's layers, only with fewer channels."""
        return self.student is students.narrow

    def named(self, *, vgg: bool) -> str:
        """Give the title of the method, with VGG-16's weights or without."""
        return self.title_with_vgg if vgg and self.title_with_vgg else self.title
