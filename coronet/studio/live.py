"""A place on the page whose new words a screen reader says by itself."""

import gradio as gr

# The element stays when its content is replaced, which is what makes it a live region.
_SCRIPT = "element.setAttribute('role', 'status');"


def live_region(label: str, name: str, classes: str | None = None) -> gr.HTML:
    """Build an empty place for one or a few sentences; `name` is its id in the page."""
    return gr.HTML(label=label, js_on_load=_SCRIPT, elem_id=name, elem_classes=classes)
