"""The demo models that ship with the project: where they lie, and which drawn world they translate, which way."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Direction = Literal["AtoB", "BtoA"]

DEMO_FOLDER = Path(__file__).resolve().parents[1] / "checkpoints" / "demo"
READY_MADE = "runs"  # the folder of the ready-made runs in it
PREFIX = "demo/"


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo model. `world` is the drawn world it was trained on, its data are scenes/WORLD in this direction.

    soften_judges: pixels by which pictures were softened for its judges at the end; they go on judging such ones.
    """

    world: str
    direction: Direction
    file: str  # in the folder of its world
    soften_judges: float = 0.0

    @property
    def path(self) -> Path:
        """Where it lies; its companions lie beside it."""
        return DEMO_FOLDER / self.world / self.file

    @property
    def sample(self) -> Path:
        """A test picture of its world with its translation on the right: what it is shown with before it is loaded."""
        return self.path.with_suffix(".png")

    @property
    def side(self) -> str:
        """The side of its world that it translates."""
        return "A" if self.direction == "AtoB" else "B"

    @property
    def data(self) -> str:
        """The name of its data set."""
        return f"scenes/{self.world}"


_AHEAD, _BACK = "generator.safetensors", "backward.safetensors"
DEMOS = {  # the first that is here opens the studio
    "shoes": Demo("shoes", "AtoB", _AHEAD),
    "horse2zebra": Demo("horses", "AtoB", _AHEAD, soften_judges=1.0),
    "zebra2horse": Demo("horses", "BtoA", _BACK, soften_judges=1.0),
    "summer2winter": Demo("seasons", "AtoB", _AHEAD, soften_judges=1.0),
    "winter2summer": Demo("seasons", "BtoA", _BACK, soften_judges=1.0),
}


def demo_names() -> tuple[str, ...]:
    """List the demo models that are here, as demo/NAME."""
    return tuple(f"{PREFIX}{name}" for name, demo in DEMOS.items() if demo.path.is_file())


def find_demo(text: str) -> Demo | None:
    """Give the demo model that demo/NAME names, if it is here."""
    name = text.removeprefix(PREFIX).removesuffix(".safetensors")
    demo = DEMOS.get(name) if text.startswith(PREFIX) else None
    return demo if demo is not None and demo.path.is_file() else None


def ready_made_runs() -> tuple[Path, ...]:
    """List the folders of the ready-made runs: settings, report and slim net of every demo model at some ratios."""
    return tuple(sorted(path.parent for path in (DEMO_FOLDER / READY_MADE).glob("*/report.json")))
