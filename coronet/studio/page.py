"""The page: the bar, the tabs in order, and what it shows when it opens."""

from typing import Any

import gradio as gr

from coronet.errors import RunError
from coronet.studio import address, charts, glossary, text
from coronet.studio.api import build_api
from coronet.studio.choosing import Choosing, Handlers, build_choosing, connect_choosing
from coronet.studio.compare import UNITS, build_compare
from coronet.studio.desk import Desk
from coronet.studio.edge import edge
from coronet.studio.export import build_export
from coronet.studio.kits import Shelf, kits_folder
from coronet.studio.learn import Ways, build_learn
from coronet.studio.lesson_text import MEANINGS
from coronet.studio.models import Models, build_models
from coronet.studio.play import build_play
from coronet.studio.squeeze import Squeeze, build_squeeze
from coronet.studio.train import Watch, build_train

# A figure that was drawn while its tab was hidden takes the width it has now.
_RESIZE = "setTimeout(() => window.dispatchEvent(new Event('resize')), 50);"


def build(desk: Desk) -> gr.Blocks:
    """Build the whole page; nothing heavy is loaded before someone looks at it."""
    shelf = Shelf(kits_folder(desk))
    with gr.Blocks(title=text.TITLE, analytics_enabled=False, delete_cache=(3600, 86_400)) as page:
        gr.Markdown(f"# {text.TITLE}")
        gr.HTML(charts.sentence(text.LEAD, "lead"), label=text.TITLE, padding=False)
        choosing = build_choosing()
        # Outside the tabs, which are not there before they are first opened. Only a run's name is kept, which is no
        # secret: a fixed key lets it outlive a restart of the server.
        compared = gr.State({})  # what the address says of the comparison
        saved_run = gr.BrowserState("", storage_key="coronet-run", secret="coronet-run")
        with gr.Tabs(elem_id="tabs") as tabs:
            opened = {name: gr.Tab(text.TABS[name], id=name) for name in address.TABS}
            with opened["model"]:
                models = build_models(desk, choosing)
            with opened["squeeze"]:
                squeeze = build_squeeze(desk, choosing)
            with opened["train"]:
                watch = build_train(desk, choosing, squeeze, saved_run)
            with opened["compare"]:
                build_compare(desk, choosing, opened["compare"], compared)
            with opened["play"]:
                build_play(desk, choosing, squeeze, opened["play"])
            with opened["export"]:
                build_export(desk, shelf, choosing, opened["export"])
            with opened["learn"]:
                build_learn(page, desk, choosing, Ways(tabs, squeeze.ratio))
        build_api(desk, shelf)
        gr.HTML(glossary.meanings(), label=MEANINGS, elem_id="meanings")  # outside the tabs: each of them marks words
        connect_choosing(desk, choosing, models.cards)
        _connect_address(opened, choosing, squeeze)
        _open(page, desk, tabs, choosing, models, squeeze, watch, saved_run, compared)
    return page


def _connect_address(tabs: dict[str, gr.Tab], choosing: Choosing, squeeze: Squeeze) -> None:
    hidden: dict[str, Any] = {"api_visibility": "undocumented", "show_progress": "hidden"}
    for name, tab in tabs.items():
        script = f"() => {{ ({address.writer('tab', name)})(); {_RESIZE} return {name!r}; }}"
        tab.select(None, None, choosing.opened, js=script, api_name=f"open_{name}", **hidden)
    components: dict[str, gr.Dropdown | gr.Number] = {
        "model": choosing.model,
        "picture": choosing.picture,
        "ratio": squeeze.ratio,
    }
    for key, component in components.items():
        component.change(None, component, None, js=address.writer(key), api_name=f"write_{key}", **hidden)


def _open(
    page: gr.Blocks,
    desk: Desk,
    tabs: gr.Tabs,
    choosing: Choosing,
    models: Models,
    squeeze: Squeeze,
    watch: Watch,
    saved_run: gr.BrowserState,
    compared: gr.State,
) -> None:
    hidden: dict[str, Any] = {"api_visibility": "undocumented"}
    restored = page.load(
        edge(Opening(desk).restore),
        saved_run,
        [
            tabs,
            choosing.model,
            models.notice,
            squeeze.slider,
            squeeze.ratio,
            choosing.picture,
            choosing.opened,
            compared,
            watch.data,
            watch.run,
        ],
        queue=False,
        api_name="restore",
        **hidden,
    )
    state = [choosing.model, squeeze.ratio, choosing.picture, watch.run]
    restored.then(None, state, None, js=address.opened(), api_name="opened", **hidden)
    show_picture = edge(Handlers(desk).show_picture)
    restored.then(show_picture, choosing.picture, choosing.source, api_name="first_picture", **hidden)


class Opening:
    """What a page shows when it is opened or reloaded."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def restore(self, saved_run: str | None, request: gr.Request) -> tuple[Any, ...]:
        """List models, pictures, data and runs; choose what the address names, and else a run of this browser."""
        query = request.query_params
        models, pictures = list(self._desk.models()), self._desk.pictures()
        model = address.known(query.get("model"), models) or next(iter(models), None)
        picture = address.known(query.get("picture"), pictures)
        ratio = address.read_ratio(query)
        run = self._known(query.get("run")) or self._known(saved_run)
        tab = address.read_tab(query)
        return (
            gr.Tabs(selected=tab),
            gr.Dropdown(models, value=model),
            gr.HTML(visible=not models),
            ratio,
            ratio,
            gr.Dropdown(pictures, value=picture or self._desk.sample_for(model, None) or pictures[0]),
            tab,
            address.read_comparison(query, [outcome.key for outcome in self._desk.outcomes(model)], UNITS),
            gr.Dropdown(list(self._desk.data_sets()), value=self._desk.data_for(model, None)),
            gr.Dropdown(self._desk.run_names(), value=run),
        )

    def _known(self, id: str | None) -> str | None:
        try:
            return self._desk.run(id)[0].id if id else None
        except RunError:
            return None
