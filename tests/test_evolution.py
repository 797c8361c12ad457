"""The evolutionary search: it finds the best widths of a small space, and none that does not fit."""

from itertools import product

import pytest
import torch

from coronet.methods.evolution import Evolution, evolve, sized

RUNGS = {"a": (1, 2, 4), "b": (2, 3), "c": (1, 4, 6, 8), "d": (1, 5)}
LIMIT = 14
ENOUGH = Evolution(population=16, generations=12)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def fits(widths):
    return sum(widths.values()) <= LIMIT


def badness_of(seed):
    """Judge every choice at random, but alike: there is no slope to follow."""
    every = [dict(zip(RUNGS, widths, strict=True)) for widths in product(*RUNGS.values())]
    scores = torch.rand(len(every), generator=random(seed)).tolist()
    table = {tuple(widths.values()): score for widths, score in zip(every, scores, strict=True)}
    best = min((widths for widths in every if fits(widths)), key=lambda widths: table[tuple(widths.values())])
    return lambda widths: table[tuple(widths.values())], best


@pytest.mark.parametrize("seed", range(8))
def test_the_best_that_fits_is_found(seed):
    badness, best = badness_of(seed)
    assert evolve(RUNGS, fits, badness, ENOUGH, random(seed)) == best


def test_only_what_fits_is_judged_and_only_once():
    judged = []

    def badness(widths):
        judged.append(tuple(widths.values()))
        return float(-sum(widths.values()))

    evolve(RUNGS, fits, badness, ENOUGH, random())
    assert len(judged) == len({*judged})
    assert max(sum(widths) for widths in judged) == LIMIT


def test_the_same_random_numbers_give_the_same_search():
    def path():
        judged = []
        evolve(RUNGS, fits, lambda widths: judged.append(widths) or float(len(judged)), ENOUGH, random(3))
        return judged

    assert path() == path()


def test_a_tight_budget_leaves_the_narrowest():
    narrowest = {group: rungs[0] for group, rungs in RUNGS.items()}
    assert evolve(RUNGS, lambda widths: widths == narrowest, lambda widths: 0.0, ENOUGH, random()) == narrowest
    with pytest.raises(ValueError, match="Not even the narrowest"):
        evolve(RUNGS, lambda widths: False, lambda widths: 0.0, ENOUGH, random())


@pytest.mark.parametrize(("evaluations", "population", "generations"), [(0.4, 8, 2), (200, 14, 18), (1e9, 100, 500)])
def test_the_search_is_as_long_as_asked_and_never_longer_than_published(evaluations, population, generations):
    assert sized(evaluations) == Evolution(population, generations)
