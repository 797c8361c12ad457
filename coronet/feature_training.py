"""Train the proxy network: drawn scenes, varied and made worse, and what Inception says of each.

Run as `python -m coronet.feature_training --inception FILE --out FILE`. FILE holds the FID Inception up to Mixed_6e;
no photo is needed. With one thread the same seed gives the same weights on the same kind of processor.
"""

import argparse
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from coronet.images import to_levels
from coronet.metrics.degrade import DEGRADATIONS, degrade
from coronet.metrics.features import FEATURES, SIZE, ProxyNetwork, save_proxy
from coronet.metrics.inception import load_inception
from coronet.randomness import seed_of, seeded
from coronet.recipes.machine import best_device, has_bfloat16
from coronet.scenes import WORLDS
from coronet.scenes.write import draw_scene

log = logging.getLogger(__name__)

KINDS = tuple(DEGRADATIONS)
HELD_BACK = 25  # one picture in so many is for the figure at the end
_DESCRIBED = 8  # pictures at once


@dataclass(frozen=True, slots=True)
class Plan:
    """How the network is trained: scenes of each world, pictures made of them, steps, and the seed of everything."""

    scenes: int = 250
    pictures: int = 10_000
    steps: int = 4000
    batch: int = 32
    learning_rate: float = 3e-3  # at its highest
    seed: int = 0


def draw_scenes(count: int, seed: int) -> Tensor:
    """Draw `count` scenes of every world, both sides of each: (6 count, 3, S, S), uint8."""
    sides = [
        side
        for world in WORLDS
        for number in range(count)
        for scene in [draw_scene(world, "features", number, size=SIZE, seed=seed)]
        for side in (scene.a, scene.b)
    ]
    return torch.stack([torch.from_numpy(side).permute(2, 0, 1) for side in sides])


def vary(scenes: Tensor, random: torch.Generator) -> Tensor:
    """Make one picture (3, S, S), uint8, of drawn scenes (N, 3, S, S): a part of one, or of two laid into each other,
    often recoloured and textured as photos are, and most often made worse."""

    def chance() -> float:
        return float(torch.rand((), generator=random))

    picture = _part(scenes, random)
    if chance() < 0.3:
        where = _patchwork(4, random).mul(6.0).sigmoid()
        picture = picture * where + _part(scenes, random) * (1 - where)
    if chance() < 0.6:
        picture = textured(picture, random)
    for share in (0.75, 0.1):  # some are made worse twice
        if chance() < share:
            kind = KINDS[int(torch.randint(len(KINDS), (), generator=random))]
            picture = degrade(picture[None], kind, max(0.02, chance()), random)[0]
    return to_levels(picture)


def textured(image: Tensor, random: torch.Generator) -> Tensor:
    """Lay random texture over parts of a picture (3, S, S), so that it has what photos have and drawings lack."""
    decay = 0.4 + 0.6 * float(torch.rand((), generator=random))
    amount = 0.5 * float(torch.rand((), generator=random))
    grey = torch.stack([_patchwork(side, random) * decay**level for level, side in enumerate((4, 8, 15, 30, 60, 120))])
    part = _patchwork(4, random).mul(3.0).sigmoid()
    return (image + amount * part * grey.sum(0)).clamp(-1.0, 1.0)


@torch.inference_mode()
def described(inception: nn.Module, pictures: Tensor) -> Tensor:
    """Give Inception's features (N, 768) of pictures (N, 3, S, S), uint8; in bfloat16 where that is faster."""
    inception = inception.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = []
    with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16(best_device())):
        for start in range(0, len(pictures), _DESCRIBED):
            images = _as_images(pictures[start : start + _DESCRIBED]).contiguous(memory_format=torch.channels_last)
            found.append(inception(images).float())
            if start % 1000 == 0:
                log.info("described %d of %d pictures", start, len(pictures))
    return torch.cat(found)


def principal(wanted: Tensor) -> tuple[Tensor, float]:
    """Give the leading principal components of features (N, 768) as coordinates (N, F), and the share they explain."""
    centred = (wanted - wanted.mean(0)).double()
    _, sizes, directions = torch.linalg.svd(centred, full_matrices=False)
    squares = sizes.square()
    return (centred @ directions[:FEATURES].T).float(), float(squares[:FEATURES].sum() / squares.sum())


def fit(pictures: Tensor, wanted: Tensor, plan: Plan) -> ProxyNetwork:
    """Train a network to give coordinates (N, F) for pictures (N, 3, S, S); torch's global state is as before."""
    scale = float(wanted.square().sum(1).mean().sqrt())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("features", plan.seed))
        network = ProxyNetwork()
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.learning_rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.learning_rate, total_steps=plan.steps, pct_start=0.1)
    for step in range(plan.steps):
        chosen = torch.randint(len(pictures), (plan.batch,), generator=seeded("features", plan.seed, step))
        images = _as_images(pictures[chosen])
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16(best_device())):
            features = network(images.flip(3) if step % 2 else images)
        value = (features.float() - wanted[chosen] / scale).square().sum(1).mean()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == plan.steps - 1:
            log.info("step %d of %d: error %.3f", step + 1, plan.steps, value.item())
    with torch.no_grad():  # back to Inception's scale
        network.answer.weight.mul_(scale)
        network.answer.bias.mul_(scale)
    return network.eval()


@torch.inference_mode()
def missed(network: ProxyNetwork, pictures: Tensor, wanted: Tensor) -> float:
    """Give the share of the variance of `wanted` that the network does not tell, over pictures it has not seen."""
    parts = (pictures[start : start + 32] for start in range(0, len(pictures), 32))
    told = torch.cat([network(_as_images(part)) for part in parts])
    return float((told - wanted).square().sum() / (wanted - wanted.mean(0)).square().sum())


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, vary, describe, train, ask and save."""
    parser = argparse.ArgumentParser(prog="python -m coronet.feature_training", description=__doc__)
    usual = Plan()
    parser.add_argument("--inception", type=Path, required=True, metavar="FILE", help="weights of the FID Inception")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .safetensors file to write")
    for name in ("scenes", "pictures", "steps", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(usual, name), help="default: %(default)s")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)  # with more, sums are taken in another order
    plan = Plan(chosen.scenes, chosen.pictures, chosen.steps, seed=chosen.seed)
    started = time.perf_counter()
    scenes = draw_scenes(plan.scenes, plan.seed)
    random = seeded("pictures", plan.seed)
    pictures = torch.stack([vary(scenes, random) for _ in range(plan.pictures + plan.pictures // HELD_BACK)])
    wanted, explained = principal(described(load_inception(chosen.inception), pictures))
    network = fit(pictures[: plan.pictures], wanted[: plan.pictures], plan)
    unexplained = missed(network, pictures[plan.pictures :], wanted[plan.pictures :])
    figures = {"explained": round(explained, 4), "missed": round(unexplained, 4)}
    seconds = round(time.perf_counter() - started)
    save_proxy(network, chosen.out, {"data": "drawn scenes", "plan": asdict(plan), "seconds": seconds, **figures})
    log.info("%s written after %d s: %s", chosen.out, seconds, figures)


def _part(scenes: Tensor, random: torch.Generator) -> Tensor:
    """Cut a part out of one scene, enlarge it to the whole size, and often give it other colours."""

    def chance() -> float:
        return float(torch.rand((), generator=random))

    scene = _as_images(scenes[int(torch.randint(len(scenes), (), generator=random))])
    side = round(SIZE * (0.45 + 0.55 * chance()))
    top, left = (int(torch.randint(SIZE - side + 1, (), generator=random)) for _ in range(2))
    part = scene[None, :, top : top + side, left : left + side]
    part = functional.interpolate(part, (SIZE, SIZE), mode="bicubic", antialias=True, align_corners=False)[0]
    if chance() < 0.5:
        part = part.flip(2)
    if chance() < 0.5:
        gain = torch.randn(3, 1, 1, generator=random).mul(0.25).exp()
        part = part[torch.randperm(3, generator=random)] * gain + 0.15 * torch.randn(3, 1, 1, generator=random)
    return part.clamp(-1.0, 1.0)


def _patchwork(cells: int, random: torch.Generator) -> Tensor:
    """Draw smooth noise (1, S, S) with this many values along each side."""
    grid = torch.randn(1, 1, cells, cells, generator=random)
    return functional.interpolate(grid, (SIZE, SIZE), mode="bilinear")[0]


def _as_images(pictures: Tensor) -> Tensor:
    return pictures.float().div(127.5).sub(1.0)


if __name__ == "__main__":
    main()
