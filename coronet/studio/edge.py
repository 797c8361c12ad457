"""The edge between our code and the page: the one place where an error becomes what a visitor reads."""

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import gradio as gr

from coronet.errors import CoronetError
from coronet.studio import text

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_log = logging.getLogger(__name__)


def edge(handler: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let a handler's CoronetError be read on the page; anything else is a bug and goes to the log."""

    @functools.wraps(handler)
    def guarded(*values: Parameters.args, **named: Parameters.kwargs) -> Result:
        try:
            return handler(*values, **named)
        except CoronetError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except gr.Error:
            raise
        except Exception as error:
            _log.exception("%s failed", handler.__name__)
            raise gr.Error(text.UNEXPECTED, print_exception=False) from error

    return guarded


def free_box(upload: gr.events.Dependency, file: gr.File, name: str) -> None:
    """Empty a box after an upload, whether it was good or not: it is ready for the next file."""
    # Gradio 6.31 does not run `then` after a failure.
    for event, when in ((upload.success, "good"), (upload.failure, "bad")):
        event(None, None, file, js="() => null", api_name=f"clear_{name}_{when}", api_visibility="undocumented")
