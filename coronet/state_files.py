"""Reading what torch saved of a run: what is damaged is told from what only lacks memory."""

import pickle
from pathlib import Path
from typing import Any

from coronet.errors import RunError
from coronet.files import plain_os_errors

# What torch.load was seen to raise on files with cut ends and flipped bytes.
_DAMAGE = (
    RuntimeError,
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
)


def read_state(path: Path) -> dict[str, Any] | None:
    """Read a saved state on the CPU, None where it is damaged; RunError where there is too little memory."""
    import torch  # heavy, and the web process never loads a state

    with plain_os_errors(path, "read"):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except _DAMAGE as error:
            if isinstance(error, MemoryError) or "allocate memory" in str(error):
                raise RunError(f"There is too little memory to read {path}. Free some and go on.") from error
            return None
    return state if isinstance(state, dict) else None
