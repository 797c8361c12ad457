"""Train the proxy network on drawn scenes: what was drawn, which world and side, and what was done to the picture.

Run as `python -m coronet.feature_training --out FILE`; on a CPU with one thread the same seed gives the same weights.
"""

import argparse
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from coronet.metrics.degrade import DEGRADATIONS, degrade
from coronet.metrics.features import HIDDEN, SIZE, ProxyNetwork, as_saved, save_proxy
from coronet.randomness import seed_of, seeded
from coronet.scenes import WORLDS
from coronet.scenes.write import draw_scene

log = logging.getLogger(__name__)

KINDS = ("none", *DEGRADATIONS)
SIDED = ("facing_right", "x", "sun_from_right", "sun from the right", "toe_right", "middle_x")  # facts a flip changes
CROP = 120  # pixels a side that the network sees of 128
NEW_SCENES = 30  # of each world, for the figures at the end


@dataclass(frozen=True, slots=True)
class Plan:
    """How the network is trained: scenes of each world, steps, pictures of a step, and the seed of everything."""

    scenes: int = 250
    steps: int = 700
    batch: int = 16
    learning_rate: float = 2e-3  # at its highest
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Drawn pictures and the truth about them.

    images: (N, 3, S, S), uint8; place: (N,), world and side as one number; facts: (N, F) in [0, 1]; known: (N, F),
    whether the fact is one of the picture's world; sided: (F,), whether a flip changes it.
    """

    images: Tensor
    place: Tensor
    facts: Tensor
    known: Tensor
    sided: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Pictures in [-1, 1] as the network sees them, and what it should say; kind: index in KINDS, strength: 0 to 1."""

    images: Tensor
    place: Tensor
    facts: Tensor
    known: Tensor
    kind: Tensor
    strength: Tensor


class Answers(nn.Module):
    """Linear questions to the features, so that the answers lie open in them."""

    def __init__(self, facts: int) -> None:
        super().__init__()
        self.parts = (2 * len(WORLDS), facts, len(KINDS))
        self.linear = nn.Linear(HIDDEN, sum(self.parts))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Give logits of the place, facts, and logits of the kind of damage."""
        parts: tuple[Tensor, ...] = self.linear(features).split(self.parts, dim=1)
        return parts


def draw_pictures(phase: str, count: int, seed: int) -> Pictures:
    """Draw `count` scenes of every world, both sides of each."""
    images, places, rows = [], [], []
    columns: dict[tuple[str, str], int] = {}
    for place, world in enumerate(WORLDS):
        for number in range(count):
            scene = draw_scene(world, phase, number, size=SIZE, seed=seed)
            facts = {columns.setdefault((world, name), len(columns)): value for name, value in scene.facts.items()}
            for side, pixels in enumerate((scene.a, scene.b)):
                images.append(torch.from_numpy(pixels).permute(2, 0, 1))
                places.append(2 * place + side)
                rows.append(facts)
    values = torch.full((len(rows), len(columns)), math.nan)
    for index, facts in enumerate(rows):
        values[index, list(facts)] = torch.tensor(list(facts.values()), dtype=torch.float32)
    sided = torch.tensor([name in SIDED for _, name in columns])
    return Pictures(torch.stack(images), torch.tensor(places), values.nan_to_num(), ~values.isnan(), sided)


def draw_batch(pictures: Pictures, chosen: Tensor, random: torch.Generator) -> Batch:
    """Crop, flip and degrade the chosen pictures (N,): a third stays as drawn."""
    images, kinds, strengths, flips = [], [], [], []
    for image in pictures.images[chosen]:
        top, left, flip = (int(torch.randint(high, (), generator=random)) for high in (SIZE - CROP, SIZE - CROP, 2))
        cut = image[:, top : top + CROP, left : left + CROP].float().div(127.5).sub(1.0)
        cut = textured(cut.flip(2) if flip else cut, random)
        bad = float(torch.rand((), generator=random)) > 1 / 3
        kind = int(torch.randint(1, len(KINDS), (), generator=random)) if bad else 0
        strength = float(torch.rand((), generator=random)) if bad else 0.0
        images.append(degrade(cut[None], KINDS[kind], strength, random) if bad else cut[None])
        kinds.append(kind)
        strengths.append(strength)
        flips.append(flip)
    changed = torch.tensor(flips, dtype=torch.bool)[:, None] & pictures.sided
    return Batch(
        images=as_saved(torch.cat(images)),
        place=pictures.place[chosen],
        facts=pictures.facts[chosen],
        known=pictures.known[chosen] & ~changed,
        kind=torch.tensor(kinds),
        strength=torch.tensor(strengths),
    )


def textured(image: Tensor, random: torch.Generator) -> Tensor:
    """Lay random texture over parts of a picture (3, S, S), so that it has what photos have and drawings lack."""
    size, octaves = image.shape[-1], (4, 8, 15, 30, 60, 120)
    decay = 0.4 + 0.6 * float(torch.rand((), generator=random))
    amount = 0.5 * float(torch.rand((), generator=random))
    grey, where = torch.zeros(1, 1, size, size), torch.randn(1, 1, 4, 4, generator=random)
    for level, side in enumerate(octaves):
        grid = torch.randn(1, 1, side, side, generator=random) * decay**level
        grey = grey + functional.interpolate(grid, (size, size), mode="bilinear")
    part = functional.interpolate(where, (size, size), mode="bilinear").mul(3.0).sigmoid()
    return (image + amount * (part * grey)[0]).clamp(-1.0, 1.0)


def loss(answers: tuple[Tensor, ...], severity: Tensor, batch: Batch) -> Tensor:
    """Add up how wrong the answers are; facts of other worlds are not asked for. severity: (N, kinds without none)."""
    place, facts, kind = answers
    true = functional.one_hot(batch.kind, len(KINDS))[:, 1:] * batch.strength[:, None]
    return (
        functional.cross_entropy(place, batch.place)
        + functional.cross_entropy(kind, batch.kind)
        + 10.0 * functional.mse_loss(facts[batch.known], batch.facts[batch.known])
        + 30.0 * functional.mse_loss(severity, true)
    )


def fit(pictures: Pictures, plan: Plan) -> tuple[ProxyNetwork, Answers]:
    """Train a network and its questions; torch's global random numbers are as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("features", plan.seed))
        network, answers = ProxyNetwork(), Answers(pictures.facts.shape[1])
    weights = [*network.parameters(), *answers.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=plan.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.learning_rate, total_steps=plan.steps, pct_start=0.1)
    for step, batch in enumerate(_batches(pictures, plan)):
        _, hidden, severity = network.parts(batch.images)
        value = loss(answers(hidden), severity, batch)
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step == plan.steps - 1:
            log.info("step %d of %d: loss %.3f", step + 1, plan.steps, value.item())
    return network.eval(), answers.eval()


@torch.inference_mode()
def answered(network: ProxyNetwork, answers: Answers, plan: Plan) -> dict[str, float]:
    """Ask the network about scenes that it has never seen; shares of right answers and mean absolute errors."""
    pictures = draw_pictures("new features", NEW_SCENES, plan.seed)
    batch = draw_batch(pictures, torch.arange(len(pictures.images)), seeded("new features", plan.seed))
    _, hidden, severity = network.parts(batch.images)
    place, facts, kind = answers(hidden)
    bad = batch.kind > 0
    told = severity[bad].gather(1, batch.kind[bad, None] - 1)[:, 0]
    return {
        "place_right": float((place.argmax(1) == batch.place).float().mean()),
        "kind_right": float((kind.argmax(1) == batch.kind).float().mean()),
        "facts_error": float((facts - batch.facts)[batch.known].abs().mean()),
        "strength_error": float((told - batch.strength[bad]).abs().mean()),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, train, ask and save."""
    parser = argparse.ArgumentParser(prog="python -m coronet.feature_training", description=__doc__)
    usual = Plan()
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .safetensors file to write")
    parser.add_argument("--steps", type=int, default=usual.steps, help=f"steps of training (default: {usual.steps})")
    parser.add_argument("--scenes", type=int, default=usual.scenes, help=f"of each world (default: {usual.scenes})")
    parser.add_argument("--seed", type=int, default=usual.seed, help="seed of the scenes and of the training")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)  # with more, sums are taken in another order
    plan = Plan(scenes=chosen.scenes, steps=chosen.steps, seed=chosen.seed)
    started, processor = time.perf_counter(), time.process_time()
    network, answers = fit(draw_pictures("features", plan.scenes, plan.seed), plan)
    took = {"seconds": round(time.perf_counter() - started), "cpu_seconds": round(time.process_time() - processor)}
    figures = {name: round(value, 4) for name, value in answered(network, answers, plan).items()}
    save_proxy(network, chosen.out, {"data": "drawn scenes", "plan": asdict(plan), **took, "new_scenes": figures})
    log.info("%s written after %d s: %s", chosen.out, took["seconds"], figures)


def _batches(pictures: Pictures, plan: Plan) -> Iterator[Batch]:
    for step in range(plan.steps):
        random = seeded("features", plan.seed, step)
        chosen = torch.randint(len(pictures.images), (plan.batch,), generator=random)
        yield draw_batch(pictures, chosen, random)


if __name__ == "__main__":
    main()
