"""The channel map: one bar for each channel group, kept of all, as HTML that keys reach, and the same as a table."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from coronet.studio import text

if TYPE_CHECKING:
    from coronet.recipes.channel_map import GroupShare

# Bars are buttons, so click, Enter and Space are one event; the chosen group stays chosen when its numbers change.
SCRIPT = """
let chosen = "";
const show = () => {
  const said = element.querySelector(".said");
  for (const bar of element.querySelectorAll("button[data-group]")) {
    bar.setAttribute("aria-pressed", bar.dataset.group === chosen);
    if (bar.dataset.group === chosen && said) said.textContent = bar.dataset.said;
  }
};
element.addEventListener("click", (event) => {
  const bar = event.target.closest("button[data-group]");
  if (bar) { chosen = bar.dataset.group; show(); }
});
watch("value", () => setTimeout(show));
"""
_LEAST_HEIGHT = 12  # per cent of the highest bar


def channel_map(groups: "Sequence[GroupShare]") -> str:
    """Draw the groups of a net in the order in which a picture meets them; nothing where there are none."""
    if not groups:
        return ""
    widest = max(group.of for group in groups)
    bars = "".join(_bar(group, widest) for group in groups)
    kept, of = sum(group.kept for group in groups), sum(group.of for group in groups)
    title = f"<h2>{text.MAP}</h2><p class='note'>{text.MAP_SUM.format(kept=kept, of=of)}</p>"
    drawn = f"<div class='map' role='group' aria-label='{text.MAP}'>{bars}</div>"
    hint = f"<p class='said' role='status'>{text.CHOOSE_BAR}</p>"
    return f"{title}{drawn}{hint}{_table(groups)}"


def describe(group: "GroupShare") -> str:
    """Say what there is to know of one group."""
    kernels = ", ".join(
        text.KERNEL.format(count=count, kernel=kernel) for kernel, count in Counter(group.kernels).items()
    )
    return text.GROUP.format(
        group=group.group, kept=group.kept, of=group.of, kernels=kernels, share=f"{100 * group.share:.1f} %"
    )


def _bar(group: "GroupShare", widest: int) -> str:
    height = max(_LEAST_HEIGHT, 100 * group.of / widest)
    style = f"--of:{height:.1f}%;--kept:{100 * group.kept / group.of:.1f}%"
    label = text.BAR.format(group=group.group, kept=group.kept, of=group.of)
    said = escape(describe(group), quote=True)
    names = f"data-group='{escape(group.group, quote=True)}' data-said='{said}' title='{said}'"
    inside = f"<span class='of'><span class='kept'></span></span><span class='name'>{escape(group.group)}</span>"
    state = f"aria-pressed='false' aria-label='{escape(label, quote=True)}'"
    return f"<button type='button' {names} {state} style='{style}'>{inside}</button>"


def _table(groups: "Sequence[GroupShare]") -> str:
    head = "".join(f"<th scope='col'>{name}</th>" for name in text.MAP_HEAD)
    rows = "".join(
        f"<tr><th scope='row'>{escape(group.group)}</th><td>{group.kept}</td><td>{group.of}</td>"
        f"<td>{100 * group.share:.1f} %</td></tr>"
        for group in groups
    )
    table = f"<table class='numbers'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<details><summary>{text.AS_TABLE}</summary>{table}</details>"
