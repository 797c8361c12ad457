"""The edge between our code and the page: the one place where an error becomes what a visitor reads."""

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from coronet.errors import CoronetError
from coronet.studio import text

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_log = logging.getLogger(__name__)
# Time for the page to draw what it was given already, between two of the handlers that one event sets off.
_PAUSE = "() => new Promise((done) => setTimeout(() => done([]), 40))"


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


def on_any(
    triggers: Sequence[Any], handler: Callable[..., Any], inputs: Any, outputs: Any, *, api_name: str, **options: Any
) -> gr.events.Dependency:
    """Call a handler after any of these events, once more after the last of those that come while it is at work.

    Never bound to the events themselves, which others share: Gradio 6.31 calls the handlers of an event one after the
    other, and when one that was busy is free again, all of them. Two events with two common handlers never end.
    """
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "undocumented"}
    happened = gr.on(triggers, None, None, None, js=_PAUSE, api_name=f"before_{api_name}", **quiet)
    return happened.then(handler, inputs, outputs, api_name=api_name, **{**options, "trigger_mode": "always_last"})


def settle(page: gr.Blocks) -> None:
    """Set right, on a page that is built, two things that Gradio 6.31 does at its events.

    What an event without progress gives something to is marked as busy nevertheless, and all that is marked is copied
    at every event, while nothing can be pressed (`tests.benchmarks.opening`). And a list refuses what was chosen before
    it changed, as a net of the model before: our handlers look every name up themselves.
    """
    for event in page.fns.values():
        if event.show_progress == "hidden":
            event.show_progress_on = []
    gr.Radio.preprocess = _name  # type: ignore[method-assign, assignment]
    gr.CheckboxGroup.preprocess = _names  # type: ignore[method-assign, assignment]


def _name(_: gr.Radio, sent: object) -> str | None:
    return sent if isinstance(sent, str) else None


def _names(_: gr.CheckboxGroup, sent: object) -> list[str]:
    return [name for name in sent if isinstance(name, str)] if isinstance(sent, list) else []


def free_box(upload: gr.events.Dependency, file: gr.File, name: str) -> None:
    """Empty a box after an upload, whether it was good or not: it is ready for the next file."""
    # Gradio 6.31 does not run `then` after a failure.
    for event, when in ((upload.success, "good"), (upload.failure, "bad")):
        event(None, None, file, js="() => null", api_name=f"clear_{name}_{when}", api_visibility="undocumented")
