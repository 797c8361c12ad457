"""Evolutionary search for the best widths within a budget, as in GAN Compression (Li et al., CVPR 2020, section 3.3).

Knows neither networks nor images: what fits and what is good are functions it is given.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

Rungs = Mapping[str, Sequence[int]]  # group -> the widths it may have, rising
_Genes = tuple[int, ...]  # rung of every group


@dataclass(frozen=True, slots=True)
class Evolution:
    """How long to search; the published recipe has a population of 100 and 500 generations.

    parents: share of a generation that lives on; mutation: probability that a gene of a mutant is drawn anew.
    """

    population: int
    generations: int
    parents: float = 0.25
    mutation: float = 0.4


def sized(evaluations: float) -> Evolution:
    """Give the search of about so many evaluations, at least 16 and never longer than the published one."""
    population = round(min(100, max(8, math.sqrt(evaluations))))
    generations = round(min(500, max(2, (evaluations - population) / (0.75 * population))))
    return Evolution(population, generations)


def evolve(
    rungs: Rungs,
    fits: Callable[[dict[str, int]], bool],
    badness: Callable[[dict[str, int]], float],
    size: Evolution,
    random: torch.Generator,
) -> dict[str, int]:
    """Give the widths with the lowest badness among those looked at, all of which fit; each is judged once.

    Half of a generation's children are mutants, half mix the genes of two parents. What does not fit is narrowed, one
    random group by one rung at a time (the recipe draws again). Raises ValueError where not even the narrowest fits.
    """
    space = _Space(rungs, fits, badness, random)
    generation = [space.fitting(space.drawn()) for _ in range(size.population)]
    for _ in range(size.generations):
        parents = space.best(generation, max(1, round(size.parents * size.population)))
        children = size.population - len(parents)
        mutants = [space.mutant(parents, size.mutation) for _ in range(children // 2)]
        mixed = [space.mixed(parents) for _ in range(children - len(mutants))]
        generation = parents + [space.fitting(genes) for genes in mutants + mixed]
    return space.widths(space.best(generation, 1)[0])


class _Space:
    """The widths there are, what is known of them, and the ways to new ones."""

    def __init__(
        self,
        rungs: Rungs,
        fits: Callable[[dict[str, int]], bool],
        badness: Callable[[dict[str, int]], float],
        random: torch.Generator,
    ) -> None:
        self._rungs = dict(rungs)
        self._fits = fits
        self._badness = badness
        self._random = random
        self._known: dict[_Genes, float] = {}

    def widths(self, genes: _Genes) -> dict[str, int]:
        return {group: rungs[gene] for (group, rungs), gene in zip(self._rungs.items(), genes, strict=True)}

    def best(self, generation: list[_Genes], count: int) -> list[_Genes]:
        different = sorted({*generation})  # equal ones end in the same order whatever came before
        for genes in different:
            if genes not in self._known:
                self._known[genes] = self._badness(self.widths(genes))
        return sorted(different, key=self._known.__getitem__)[:count]

    def drawn(self) -> _Genes:
        return tuple(self._below(len(rungs)) for rungs in self._rungs.values())

    def mutant(self, parents: list[_Genes], probability: float) -> _Genes:
        parent, fresh = parents[self._below(len(parents))], self.drawn()
        redrawn = torch.rand(len(parent), generator=self._random) < probability
        return tuple(new if anew else old for old, new, anew in zip(parent, fresh, redrawn.tolist(), strict=True))

    def mixed(self, parents: list[_Genes]) -> _Genes:
        first, second = (parents[self._below(len(parents))] for _ in range(2))
        coins = torch.rand(len(first), generator=self._random) < 0.5
        return tuple(one if coin else other for one, other, coin in zip(first, second, coins.tolist(), strict=True))

    def fitting(self, genes: _Genes) -> _Genes:
        while not self._fits(self.widths(genes)):
            above = [place for place, gene in enumerate(genes) if gene > 0]
            if not above:
                raise ValueError(f"Not even the narrowest widths fit: {self.widths(genes)}.")
            place = above[self._below(len(above))]
            genes = (*genes[:place], genes[place] - 1, *genes[place + 1 :])
        return genes

    def _below(self, limit: int) -> int:
        return int(torch.randint(limit, (), generator=self._random))
