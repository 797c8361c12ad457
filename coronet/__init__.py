"""CoroNet Studio: make Pix2Pix and CycleGAN generators small and fast. Public names are loaded when first used."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Checkpoint": "checkpoints",
    "CompressSettings": "recipes.settings",
    "CoronetError": "errors",
    "CostModel": "cost",
    "GeneratorConfig": "networks",
    "Hypernetwork": "hypernetwork",
    "Run": "runs",
    "TrainSettings": "recipes.settings",
    "build": "networks",
    "build_generator": "checkpoints",
    "choose": "slimming",
    "compress": "recipes.compress",
    "execute": "recipes.execute",
    "fit": "training",
    "load": "checkpoints",
    "open_dataset": "datasets",
    "open_finished": "bundle",
    "preview": "recipes.preview",
    "save": "checkpoints",
    "slim": "slimming",
    "to_onnx": "export",
    "train": "recipes.train",
    "variants": "bundle",
    "write_bundle": "bundle",
}
__all__ = sorted(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load a public name: importing the package itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'coronet' has no attribute '{name}'")
    return getattr(import_module(f"coronet.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
