"""Procedural worlds in which the truth is known: drawn here, free to ship, the same for everybody."""

from coronet.scenes.base import Scene, World
from coronet.scenes.horses import HORSES
from coronet.scenes.seasons import SEASONS
from coronet.scenes.shoes import SHOES

__all__ = ["WORLDS", "Scene", "World"]

WORLDS: dict[str, World] = {"shoes": SHOES, "horses": HORSES, "seasons": SEASONS}
