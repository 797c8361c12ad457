"""Shared things: made once for all who ask at about the same time."""

from types import SimpleNamespace

import pytest

from coronet.studio import shared
from coronet.studio.shared import Shared


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of the clock, to be changed."""
    seconds = [100.0]
    monkeypatch.setattr(shared, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    return seconds


def test_a_thing_is_made_anew_when_it_is_old(now: list[float]) -> None:
    things: Shared[object] = Shared(1.0)
    first = things.of("a", object)
    now[0] += 0.9
    assert things.of("a", object) is first
    now[0] += 0.2
    assert things.of("a", object) is not first


def test_every_key_has_a_thing_of_its_own() -> None:
    things: Shared[object] = Shared(60.0)
    assert things.of("a", object) is not things.of("b", object)


def test_few_things_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_MOST_KEPT", 2)
    things: Shared[object] = Shared(60.0)
    a, b, c = (things.of(key, object) for key in "abc")
    assert (things.of("c", object), things.of("b", object)) == (c, b)
    assert things.of("a", object) is not a


def test_nothing_is_kept_of_what_could_not_be_made() -> None:
    things: Shared[float] = Shared(60.0)
    with pytest.raises(ZeroDivisionError):
        things.of("a", lambda: 1 / 0)
    assert things.of("a", lambda: 1.0) == 1.0
