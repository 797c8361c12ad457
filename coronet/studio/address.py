"""The state in the address: which tab, model, ratio, picture and run a link opens. Unknown values are ignored."""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from math import inf
from typing import Any

TABS = ("model", "squeeze", "train", "compare", "play", "export", "learn")
LAST_LESSON = 5
LARGEST_RATIO = 40
FIRST_RATIO = 4.0
OWN = "own/"  # before the run's name, in the key of its slim net
MOST_NETS = 20  # that an address may name
MOST_LETTERS = 40  # of the name of a score
# What is written before the address was read would replace it; `opened` lifts the gate.
_GATE = "coronetOpened"


def read_tab(query: Mapping[str, str]) -> str | None:
    """Give the tab that an address names; None: the first, or the one that was pressed before the address was read."""
    return known(query.get("tab"), TABS)


def read_ratio(query: Mapping[str, str]) -> float:
    """Give the ratio that an address names, else the usual one."""
    try:
        ratio = float(query.get("ratio", ""))
    except ValueError:
        return FIRST_RATIO
    return round(ratio, 1) if 1 <= ratio <= LARGEST_RATIO else FIRST_RATIO


def read_lesson(query: Mapping[str, str]) -> int:
    """Give the lesson that an address names, else the first."""
    written = query.get("lesson", "")
    return int(written) if written in {str(number) for number in range(1, LAST_LESSON + 1)} else 1


def read_comparison(query: Mapping[str, str], nets: Collection[str], units: Collection[str]) -> dict[str, Any]:
    """Give what an address says of a comparison, of these nets: shown, looked at closely, score and limit.

    What it does not say, or says in vain, is left out.
    """
    found: dict[str, Any] = {}
    named = query.get("nets")
    shown = [net for net in (named or "").split(",") if net in nets]
    if shown or named == "":
        found["nets"] = shown
    if query.get("net") in nets:
        found["net"] = query["net"]
    if score := query.get("score", "")[:MOST_LETTERS]:  # one that the nets lack is not chosen
        found["score"] = score
    with suppress(ValueError):
        limit = float(query.get("limit", ""))
        if 0 <= limit < inf and query.get("unit", next(iter(units))) in units:
            found |= {"limit": limit, "unit": query.get("unit", next(iter(units)))}
    return found


def read_runs_of_nets(query: Mapping[str, str]) -> list[str]:
    """Give the runs whose slim nets an address names, in whatever tab, as keys of outcomes have them."""
    keys = [*query.get("nets", "").split(","), query.get("net", "")][:MOST_NETS]
    return list(dict.fromkeys(key.removeprefix(OWN) for key in keys if key.startswith(OWN)))


def known(name: str | None, names: Collection[str]) -> str | None:
    """Give a name that is one of those there are, else None."""
    return name if name in names else None


def writer(key: str, value: str | None = None) -> str:
    """Give JavaScript that writes a component's value, or always the same one, under this key, and hands it on."""
    given = "" if value is None else f"value = {json.dumps(value)};"
    return f"""(value) => {{ {given} if (window.{_GATE}) {{ {_put(key, "value")} }} return value; }}"""


def opened() -> str:
    """Give JavaScript that writes model, ratio, picture, run and tab, and then lets every change be written."""
    keys = ("model", "ratio", "picture", "run", "tab")
    return f"""({", ".join(keys)}) => {{ window.{_GATE} = true; {"".join(_put(key, key) for key in keys)}
  window.dispatchEvent(new Event("{_GATE}")); return []; }}"""


def once_opened(script: str) -> str:
    """Give JavaScript that runs a statement when the page is opened, now or later: what opens it would undo it."""
    return f"""if (window.{_GATE}) {{ {script} }}
  else window.addEventListener("{_GATE}", () => {{ {script} }}, {{once: true}});"""


def _put(key: str, name: str) -> str:
    return f"""{{ const url = new URL(location);
    if ({name} || {name} === 0) url.searchParams.set("{key}", {name}); else url.searchParams.delete("{key}");
    history.replaceState(null, "", url); }}"""
