"""The page: the bar, the tabs in order, and what it shows when it opens."""

from typing import Any

import gradio as gr

from coronet.errors import RunError
from coronet.studio import address, charts, glossary, text
from coronet.studio.api import build_api
from coronet.studio.choosing import Choosing, Handlers, build_choosing, connect_choosing
from coronet.studio.compare.distances import Distances
from coronet.studio.compare.tab import build_compare
from coronet.studio.desk import Desk
from coronet.studio.edge import edge, settle
from coronet.studio.export.kits import Shelf, kits_folder
from coronet.studio.export.tab import build_export
from coronet.studio.learn.tab import Ways, build_learn
from coronet.studio.learn.text import MEANINGS
from coronet.studio.model.data_box import build_data_box, connect_data_box
from coronet.studio.model.tab import Models, build_models
from coronet.studio.outcomes import UNITS
from coronet.studio.play.tab import build_play
from coronet.studio.squeeze import Squeeze, build_squeeze
from coronet.studio.teacher import text as text_teacher
from coronet.studio.teacher.gate import Gate
from coronet.studio.teacher.group import build_group
from coronet.studio.teacher.page import PATH, build_teacher
from coronet.studio.train.tab import Watch, build_train
from coronet.studio.visitors import Visitor, visitor_of

# A figure that was drawn while its tab was hidden takes the width it has now.
_RESIZE = "setTimeout(() => window.dispatchEvent(new Event('resize')), 50);"


def build(desk: Desk, gate: Gate | None = None) -> gr.Blocks:
    """Build the whole page; nothing heavy is loaded before someone looks at it. A gate adds the teacher's page."""
    shelf, distances = Shelf(kits_folder(desk)), Distances(desk)
    with gr.Blocks(title=text.TITLE, analytics_enabled=False, delete_cache=(3600, 86_400)) as page:
        gr.Markdown(f"# {text.TITLE}")
        gr.HTML(charts.sentence(text.LEAD, "lead"), label=text.TITLE, padding=False)
        choosing = build_choosing()
        compared = gr.State({})  # what the address says of the comparison
        # Only a run's name, which this browser knows anyway: a fixed key lets it outlive a restart of the server.
        saved_run = gr.BrowserState("", storage_key="coronet-run", secret="coronet-run")
        with gr.Tabs(elem_id="tabs") as tabs:
            opened = {name: gr.Tab(text.TABS[name], id=name) for name in address.TABS}
            with opened["model"]:
                models = build_models(desk, choosing)
                data_box = build_data_box()
            with opened["squeeze"]:
                squeeze = build_squeeze(desk, choosing)
            with opened["train"]:
                if gate is not None:
                    build_group(desk, choosing, opened["train"])
                watch = build_train(desk, choosing, squeeze, saved_run)
            with opened["compare"]:
                build_compare(desk, distances, choosing, opened["compare"], compared)
            with opened["play"]:
                build_play(desk, choosing, squeeze, opened["play"])
            with opened["export"]:
                build_export(desk, shelf, choosing, opened["export"])
            with opened["learn"]:
                build_learn(page, desk, choosing, Ways(tabs, squeeze.ratio))
        build_api(desk, shelf, distances)
        gr.HTML(glossary.meanings(), label=MEANINGS, elem_id="meanings")  # outside the tabs: each of them marks words
        connect_choosing(desk, choosing, models.cards)
        connect_data_box(page, desk, data_box, watch.data_choice, choosing)
        _connect_address(opened, choosing, squeeze)
        _open(page, desk, tabs, choosing, models, squeeze, watch, saved_run, compared)
    if gate is not None:
        with page.route(text_teacher.TITLE, PATH, show_in_navbar=False):
            build_teacher(desk, gate, page)
    settle(page)
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
    hidden: dict[str, Any] = {"api_visibility": "undocumented", "show_progress": "hidden"}
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
    state = [choosing.model, squeeze.ratio, choosing.picture, watch.run, choosing.opened]
    restored.then(None, state, None, js=address.opened(), api_name="opened", **hidden)
    show_picture = edge(Handlers(desk).show_picture)
    restored.then(show_picture, choosing.picture, choosing.source, api_name="first_picture", **hidden)


class Opening:
    """What a page shows when it is opened or reloaded."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def restore(self, saved_run: str | None, request: gr.Request) -> tuple[Any, ...]:
        """List models, pictures, data and runs; choose what the address names, and else a run of this browser."""
        query, visitor = request.query_params, visitor_of(request)
        models = self._desk.model_choices(visitor, query.get("model"))
        pictures = self._desk.picture_choices(visitor, query.get("picture"))
        names = [name for _, name in models]
        model = address.known(query.get("model"), names) or next(iter(names), None)
        picture = address.known(query.get("picture"), [name for _, name in pictures])
        ratio = address.read_ratio(query)
        run = self._known(query.get("run"), visitor)
        for linked in address.read_runs_of_nets(query):
            self._known(linked, visitor)
        runs = self._desk.run_names(visitor)
        if run is None and saved_run in [id for _, id in runs]:  # another of this browser may have saved it
            run = saved_run
        nets = [outcome.key for outcome in self._desk.outcomes(model, visitor)]
        tab = address.read_tab(query)
        return (
            gr.Tabs(selected=tab) if tab else gr.skip(),
            gr.Dropdown(models, value=model),
            gr.HTML(visible=not models),
            ratio,
            ratio,
            gr.Dropdown(pictures, value=picture or self._desk.sample_for(model, None) or pictures[0][1]),
            tab or gr.skip(),
            address.read_comparison(query, nets, UNITS),
            gr.Dropdown(self._desk.data_choices(visitor), value=self._desk.data_for(model, None, visitor)),
            gr.Dropdown(runs, value=run),
        )

    def _known(self, id: str | None, visitor: Visitor) -> str | None:
        """Give a run's name where there is such a run, and list it for who came by a link."""
        try:
            if id:
                self._desk.run_shelf.open_link(self._desk.run(id)[0].id, visitor)
        except RunError:
            return None
        return id or None
