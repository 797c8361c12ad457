"""Taking a finished network home: its ONNX variants side by side, and one zip with all that is needed to use it."""

from coronet.bundle.finished import Finished, open_finished
from coronet.bundle.forms import PRECISIONS, STAGES, Stage, Tell, Variant, Variants, variants
from coronet.bundle.writing import Bundle, write_bundle

__all__ = [
    "PRECISIONS",
    "STAGES",
    "Bundle",
    "Finished",
    "Stage",
    "Tell",
    "Variant",
    "Variants",
    "open_finished",
    "variants",
    "write_bundle",
]
