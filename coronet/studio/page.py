"""The page: its parts in order, and what it shows when it opens."""

from typing import Any

import gradio as gr

from coronet.errors import RunError
from coronet.studio import text
from coronet.studio.desk import Desk
from coronet.studio.edge import edge
from coronet.studio.squeeze import Handlers, build_squeeze
from coronet.studio.train import build_train


def build(desk: Desk) -> gr.Blocks:
    """Build the whole page; nothing heavy is loaded before someone looks at it."""
    with gr.Blocks(title=text.TITLE, analytics_enabled=False, delete_cache=(3600, 86_400)) as page:
        gr.Markdown(f"# {text.TITLE}\n\n{text.LEAD}")
        squeeze = build_squeeze(desk)
        watch = build_train(desk, squeeze)
        opened = page.load(
            edge(Opening(desk).restore),
            watch.saved_run,
            [squeeze.model, squeeze.notice, squeeze.picture, watch.data, watch.run],
            queue=False,
            api_name="restore",
            api_visibility="undocumented",
        )
        opened.then(
            edge(Handlers(desk).show_picture),
            squeeze.picture,
            squeeze.source,
            api_name="first_picture",
            api_visibility="undocumented",
        )
    return page


class Opening:
    """What a page shows when it is opened or reloaded."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def restore(self, saved_run: str | None, request: gr.Request) -> tuple[Any, ...]:
        """List models, pictures, data and runs; choose the run that the address or this browser names."""
        models, pictures = list(self._desk.models()), self._desk.pictures()
        model = models[0] if models else None
        data = self._desk.data_sets()
        run = self._known(request.query_params.get("run")) or self._known(saved_run)
        return (
            gr.Dropdown(models, value=model),
            gr.HTML(visible=not models),
            gr.Dropdown(pictures, value=self._desk.sample_for(model, None) or pictures[0]),
            gr.Dropdown(list(data), value=self._desk.data_for(model, None)),
            gr.Dropdown(self._desk.run_names(), value=run),
        )

    def _known(self, id: str | None) -> str | None:
        try:
            return self._desk.run(id)[0].id if id else None
        except RunError:
            return None
