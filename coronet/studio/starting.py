"""What a run is started with: a visitor's choices, what a demo model asks for, and whether the ratio can be met."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coronet.demos import find_demo
from coronet.recipes.settings import CompressSettings
from coronet.settings import from_json
from coronet.studio.translating import prepare_torch


def softening(model: str | None) -> float:
    """Give the pixels by which pictures are softened for the judges of a model; 0 where nothing is known of them."""
    demo = find_demo(model or "")
    return demo.soften_judges if demo else 0.0


def compress_settings(model: str | None, path: Path, data: str, choices: Mapping[str, Any]) -> CompressSettings:
    """Join a visitor's choices with what is not theirs to say; SettingsError where one is out of range.

    path: of the model, which a demo model is named without; data: a folder that may be read, or a drawn world.
    """
    demo = find_demo(model or "")
    usual = {"soften_judges": softening(model)}
    fixed = {"model": str(model if demo else path), "data": data, "vgg": ""}  # no other path
    if demo and data == demo.data:
        fixed["direction"] = demo.direction
    return from_json(CompressSettings, {**usual, **choices, **fixed})


def check_ratio(settings: CompressSettings) -> None:
    """Raise BudgetError where the method cannot make the model so small: it says how far it can go."""
    prepare_torch()
    from coronet.checkpoints import load, resolve_model
    from coronet.methods import METHODS
    from coronet.recipes.preparing import search_plan

    config = load(resolve_model(settings.model), direction=settings.direction).config
    METHODS[settings.method].student(config, search_plan(settings))
