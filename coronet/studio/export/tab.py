"""The Export tab: choose a net, have its files prepared in the background, and take them home."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from coronet.studio.address import OWN, writer
from coronet.studio.choosing import Choosing
from coronet.studio.desk import Desk
from coronet.studio.edge import edge, on_any
from coronet.studio.export import text, view
from coronet.studio.export.kits import ITSELF, Shelf, find_net, nets
from coronet.studio.live import live_region
from coronet.studio.visitors import visitor_of
from coronet.studio.workshop import Preparation

_TICK_SECONDS = 1.0
_TAB = "export"
# A link names the net.
_WANTED = "new URL(location).searchParams.get('net') ?? net"
_WHEN_OPENED = f"(opened, model, net) => ['{_TAB}', model, {_WANTED}, null]"
_WHEN_CHANGED = f"(opened, model, net) => [opened, model, {_WANTED}, null]"

Seen = list[Any]
Listed = list[Any]


class Handlers:
    """What happens on an event: values in, values out."""

    def __init__(self, desk: Desk, shelf: Shelf) -> None:
        self._desk = desk
        self._shelf = shelf

    def nets(
        self, opened: str, model: str | None, net: str | None, listed: Listed, request: gr.Request
    ) -> tuple[Any, Any, Any]:
        """List what can be taken home of a model, and choose: what was asked for, else one of the youngest own runs.

        listed: what the page shows already; where it is the same, a choice made meanwhile is left alone.
        """
        if opened != _TAB or not model:  # asked again when it is opened
            return (gr.skip(),) * 3
        found = nets(self._desk, model, visitor_of(request))
        keys = [entry.key for entry in found]
        if [model, *keys] == listed:
            return (gr.skip(),) * 3
        own = [key for key in keys if key.startswith(OWN)]
        slim = [key for key in keys if key != ITSELF]
        chosen = net if net in keys else max(own, default=next(iter(slim), ITSELF))
        return gr.Radio([(entry.label, entry.key) for entry in found], value=chosen), chosen, [model, *keys]

    def nets_again(
        self, opened: str, model: str | None, net: str | None, listed: Listed, request: gr.Request
    ) -> tuple[Any, Any, Any]:
        """List them where the tab is opened: what the address names counts, though it was chosen in another tab."""
        told = self.nets(opened, model, net, listed, request)
        is_same = told[2] == gr.skip() and [model] == listed[:1]
        return (gr.Radio(value=net), net, told[2]) if is_same and net in listed[1:] else told

    def look(self, model: str | None, net: str | None, seen: Seen, request: gr.Request) -> tuple[Any, ...]:
        """Show how far a net's bundle is, and what there is of it; what the page shows already is not sent again."""
        if not model or not net:
            return (gr.skip(),) * 6
        known = nets(self._desk, model, visitor_of(request))
        found = next((entry for entry in known if entry.key == net), None)
        if found is None:  # another model was chosen elsewhere: this tab lists its nets when it is opened
            return *(gr.skip(),) * 4, gr.Timer(active=False), []
        return self._shown(self._shelf.look(found), seen)

    def prepare(self, model: str | None, net: str | None, seen: Seen, request: gr.Request) -> tuple[Any, ...]:
        """Have a net's bundle made, unless it is there or under way already."""
        return self._shown(self._shelf.prepare(find_net(self._desk, model, net, visitor_of(request))), seen)

    def _shown(self, found: Preparation, seen: Seen) -> tuple[Any, ...]:
        now = [found.id, found.state, found.stage, found.ahead, found.message]
        if now == seen:
            return (gr.skip(),) * 6
        is_busy = found.state in ("waiting", "running")
        return (
            view.status(found),
            gr.Button(visible=found.state != "ready", interactive=not is_busy),
            view.result(found),
            view.code(found),
            gr.Timer(active=is_busy),
            now,
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """The components of this tab."""

    net: gr.Radio
    chosen: gr.Textbox
    prepare: gr.Button
    status: gr.HTML
    result: gr.HTML
    code: gr.HTML
    timer: gr.Timer
    seen: gr.State


def build_export(desk: Desk, shelf: Shelf, choosing: Choosing, tab: gr.Tab) -> None:
    """Build this tab and its events inside the current layout; its nets are listed anew when it is opened."""
    gr.Markdown(f"## {text.HEADING}\n\n{text.LEAD}")
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            net = gr.Radio([], label=text.NET, info=text.NET_INFO, elem_id="export-net")
            # What the radio shows, as text: Gradio checks a radio against the list of its session, which a restart of
            # the server empties while this page goes on asking.
            chosen = gr.Textbox(label=text.NET, visible="hidden", elem_id="export-chosen")
            prepare = gr.Button(text.PREPARE, variant="primary", elem_id="prepare")
            status = live_region(text.PREPARING, "preparation")
        with gr.Column(scale=2, min_width=300):
            result = gr.HTML(label=text.RESULT, elem_id="forms", elem_classes="numbers-panel")
    code = gr.HTML(label=text.CODE, js_on_load=view.COPY_SCRIPT, elem_id="code")
    parts = Parts(net, chosen, prepare, status, result, code, gr.Timer(_TICK_SECONDS, active=False), gr.State([]))
    _connect(Handlers(desk, shelf), choosing, tab, parts)


def _connect(handlers: Handlers, choosing: Choosing, tab: gr.Tab, parts: Parts) -> None:
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "undocumented", "queue": False}
    model, chosen = choosing.model, parts.chosen
    listed = gr.State([])
    known, told = [choosing.opened, model, chosen, listed], [parts.net, chosen, listed]
    asked = [model, chosen, parts.seen]
    shown = [parts.status, parts.prepare, parts.result, parts.code, parts.timer, parts.seen]
    look = edge(handlers.look)
    triggers: list[tuple[Any, Any, str, str]] = [
        (tab.select, edge(handlers.nets_again), _WHEN_OPENED, "opened"),
        (model.change, edge(handlers.nets), _WHEN_CHANGED, "changed"),
    ]
    for trigger, list_nets, script, name in triggers:
        told_nets = on_any([trigger], list_nets, known, told, js=script, api_name=f"export_{name}", **quiet)
        told_nets.then(look, asked, shown, trigger_mode="always_last", api_name=f"look_{name}", **quiet)
    chose = parts.net.input(None, parts.net, chosen, js="(net) => net", api_name="choose_net", **quiet)
    chose.then(look, asked, shown, trigger_mode="always_last", api_name="look_at_kit", **quiet)
    parts.net.input(None, parts.net, None, js=writer("net"), api_name="write_kit_net", **quiet)
    parts.timer.tick(look, asked, shown, api_name="kit_tick", **quiet)
    parts.prepare.click(edge(handlers.prepare), asked, shown, api_name="prepare", **quiet)
