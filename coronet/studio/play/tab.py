"""The Play tab: draw, open a picture or use the camera, and a dense and a slim net answer at once, each with its time.

Nothing is computed while the tab is closed: the pad asks, and only while it can be seen.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import gradio as gr

from coronet.studio.address import FIRST_RATIO, writer
from coronet.studio.choosing import Choosing
from coronet.studio.desk import Desk
from coronet.studio.edge import edge, on_any
from coronet.studio.play import pad, script
from coronet.studio.play import text as play_text
from coronet.studio.play.drawings import as_data_url, as_quick_url
from coronet.studio.play.racing import CUT, Races, read_question, usual_net
from coronet.studio.play.ready_nets import RECENT
from coronet.studio.squeeze import Squeeze
from coronet.studio.visitors import visitor_of

Asked = ParamSpec("Asked")
Said = dict[str, Any]
Listed = list[Any]
_READ_ADDRESS = "(model, net, ratio) => [model, net, ratio, new URLSearchParams(location.search).get('net'), null]"
_TELL_PAD = "(model, net, ratio, picture) => JSON.stringify({model, net, ratio, picture: picture?.url})"
_LATER: Said = {"later": True}


class Handlers:
    """What the pad asks and what an event does: values in, values out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._races = Races(desk)

    def nets(
        self,
        model: str | None,
        net: str | None,
        ratio: float | None,
        wanted: str | None,
        listed: Listed,
        request: gr.Request,
    ) -> tuple[Any, Any]:
        """List the slim nets of a model and choose one: the one before, else the trained one next to the ratio.

        wanted: the net that the address names, which counts only before one was chosen here. listed: what the page
        shows already; where it is the same, a choice made meanwhile is left alone.
        """
        if not model:  # asked again when the page knows one
            return gr.skip(), gr.skip()
        outcomes = self._desk.outcomes(model, visitor_of(request))
        choices = [*((outcome.label, outcome.key) for outcome in outcomes), (play_text.CUT, CUT)]
        if [model, *choices] == listed:
            return gr.skip(), gr.skip()
        net = usual_net(outcomes, net or wanted, max(1.0, ratio or FIRST_RATIO))
        return gr.Radio(choices, value=net), [model, *choices]

    def play_open(self, sent: Any, request: gr.Request) -> Said:
        """Load both nets and give what the pad needs; {"later": true} where too many wait."""
        opened = self._races.open(read_question(sent, visitor_of(request)))
        if opened is None:
            return _LATER
        samples = [{"name": name, "picture": as_data_url(picture)} for name, picture in opened.samples.items()]
        return {"side": opened.side, "net": opened.net, "samples": samples}

    def play_answer(self, sent: Any, request: gr.Request) -> Said:
        """Give both translations of a drawing and the nets' times; {"later": true} where it was not the newest."""
        question = read_question(sent, visitor_of(request))
        race = self._races.answer(question, sent.get("picture"))
        if race is None:
            return _LATER
        return {
            "dense": {"picture": as_quick_url(race.dense), "speed": play_text.speed(race.dense_seconds)},
            "slim": {"picture": as_quick_url(race.slim), "speed": play_text.speed(race.slim_seconds)},
            "verdict": play_text.verdict(race.dense_seconds, race.slim_seconds),
        }


def for_pad(handler: Callable[Asked, Said]) -> Callable[Asked, Said]:
    """Let the pad read an error as {"problem": words}: its questions are no events, which would show a message."""
    guarded = edge(handler)

    @wraps(handler)
    def said(*asked: Asked.args, **named: Asked.kwargs) -> Said:
        try:
            return guarded(*asked, **named)
        except gr.Error as error:
            return {"problem": error.message}

    return said


def build_play(desk: Desk, choosing: Choosing, squeeze: Squeeze, tab: gr.Tab) -> None:
    """Build this tab and its events inside the current layout; its nets are listed anew when it is opened."""
    handlers = Handlers(desk)
    gr.Markdown(f"## {play_text.PLAY}")
    net = gr.Radio([], label=play_text.NET, info=play_text.NET_INFO, elem_id="play-net")
    wanted = gr.Textbox(label=play_text.NET, visible=False)  # a net of the address may be none of the radio's
    drawing = gr.HTML(
        label=play_text.PAD,
        html_template=pad.TEMPLATE,
        css_template=pad.STYLE,
        js_on_load=script.SCRIPT,
        apply_default_css=False,
        server_functions=[for_pad(handlers.play_open), for_pad(handlers.play_answer)],
        elem_id="pad",
    )
    gr.HTML(f"<p class='note'>{play_text.TIMES_NOTE.format(count=RECENT)}</p>", label=play_text.PAD)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "undocumented"}
    told: dict[str, Any] = {"js": _TELL_PAD, **quiet}
    chosen = [choosing.model, net, squeeze.ratio]
    listed = gr.State([])
    told_nets = on_any(
        [choosing.model.change, tab.select],
        edge(handlers.nets),
        [*chosen, wanted, listed],
        [net, listed],
        js=_READ_ADDRESS,
        api_name="play_nets",
        **quiet,
    )
    told_nets.then(None, [*chosen, choosing.source], drawing, api_name="tell_pad", **told)
    changes = [net.change, squeeze.ratio.change, choosing.source.change]
    gr.on(changes, None, [*chosen, choosing.source], drawing, api_name="tell_pad_more", **told)
    net.input(None, net, None, js=writer("net"), api_name="write_play_net", **quiet)
