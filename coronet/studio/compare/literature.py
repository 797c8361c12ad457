"""What papers published of a task, as a figure and a table, at the end of the Compare tab."""

from typing import Any

import gradio as gr

from coronet.published import tasks
from coronet.studio import text
from coronet.studio.compare import comparison
from coronet.studio.edge import edge, on_any


def published(task: str) -> tuple[Any, str]:
    """Draw the published points of a task."""
    if task not in tasks():
        return gr.Plot(visible=False), ""
    return gr.Plot(comparison.published_figure(task), visible=True), comparison.published_table(task)


def build_literature() -> gr.Dropdown:
    """Build this part and its event inside the current layout; gives the list of tasks."""
    gr.Markdown(f"## {text.PUBLISHED}")
    task = gr.Dropdown([text.NO_TASK, *tasks()], value=text.NO_TASK, label=text.TASK, elem_id="task")
    plot = gr.Plot(label=text.PUBLISHED, visible=False, elem_id="published")
    points = gr.HTML(label=text.PUBLISHED, elem_id="published-points", elem_classes="numbers-panel")
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "undocumented"}
    on_any([task.change], edge(published), task, [plot, points], api_name="published", **quiet)
    return task
