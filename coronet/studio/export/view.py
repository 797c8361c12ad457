"""What the Export tab shows of a preparation: how far it is, the forms side by side, links, and code to copy."""

from collections.abc import Mapping
from html import escape
from typing import Any

from coronet.studio import charts
from coronet.studio.export import text
from coronet.studio.export.snippets import javascript
from coronet.studio.text import count
from coronet.studio.workshop import Preparation

# The clipboard is closed to pages that came over plain HTTP from another machine: there the text is marked instead.
COPY_SCRIPT = f"""
element.addEventListener("click", async (event) => {{
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const code = button.closest("section").querySelector("pre");
  const say = (words) => {{ button.textContent = words; setTimeout(() => button.textContent = button.dataset.copy, 4000); }};
  try {{ await navigator.clipboard.writeText(code.textContent); say({text.COPIED!r}); }}
  catch {{ getSelection().selectAllChildren(code); say({text.NOT_COPIED!r}); }}
}});
"""  # noqa: E501
_LEAST_DIFFERENCE = 1e-2  # below it, one digit says enough


def status(found: Preparation) -> str:
    """Say how far a bundle is; while it is made, with a bar."""
    stages = list(text.STAGES)
    number = stages.index(found.stage) if found.stage in stages else 0
    said = {
        "absent": text.ABSENT,
        "waiting": text.WAITING.format(ahead=found.ahead),
        "running": text.RUNNING.format(stage=text.STAGES[stages[number]], number=number + 1, count=len(stages)),
        "failed": text.AGAIN.format(message=found.message),
        "ready": text.READY,
    }[found.state]
    words = charts.sentence(said, "problem" if found.state == "failed" else "note")
    if found.state not in ("waiting", "running"):
        return words
    value = f"value='{number}' " if found.state == "running" else ""
    return f"{words}<progress {value}max='{len(stages)}' aria-label='{text.PREPARING}'></progress>"


def result(found: Preparation) -> str:
    """Show the forms of a kit side by side, and where to get each; nothing before it is there."""
    kit = found.made
    if not kit:
        return ""
    address = f"/kits/{found.id}"
    rows = kit["variants"]
    head = "".join(f"<th scope='col'>{row['precision']}</th>" for row in rows)
    lines = {
        text.SIZE: [f"{count(row['bytes'])}B" for row in rows],
        text.TIME: [f"{row['median_ms']:.3g} ms" for row in rows],
        text.FIDELITY: [_decibels(row) for row in rows],
        text.CHECK: [_check(row) for row in rows],
        text.PICTURE + _input(address): [_picture(row, address) for row in rows],
        text.FILE: [_link(row, address) for row in rows],
    }
    body = "".join(
        f"<tr><th scope='row'>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for name, cells in lines.items()
    )
    caption = text.CAPTION.format(
        size=kit["image_size"], cpu=kit["cpu"], threads=kit["threads"], images=kit["images"], on=kit["checked_on"]
    )
    table = f"<table class='numbers forms'><thead><tr><th scope='col'>{text.FORM}</th>{head}</tr></thead>"
    notes = [text.REFUSED.format(reason=row["refused"]) for row in rows if row["refused"]]
    notes += [note for note in kit["notes"] if note not in notes]
    said = "".join(charts.sentence(note, "problem") for note in notes)
    return f"{_take_home(kit, address)}{table}<tbody>{body}</tbody></table>{charts.sentence(caption)}{said}"


def code(found: Preparation) -> str:
    """Show the sample programs that suit a kit, each with a button that copies it."""
    kit = found.made
    if not kit:
        return ""
    first = next(f"{row['precision']}.onnx" for row in kit["variants"] if not row["refused"])
    browser = javascript(first, least_side=kit["least_side"], size_multiple=kit["size_multiple"])
    sections = ((text.PYTHON, kit["sample"]), (text.JAVASCRIPT, browser))
    return f"<h2>{text.CODE}</h2>{''.join(_section(title, program) for title, program in sections)}"


def _section(title: str, program: str) -> str:
    label = escape(f"{text.COPY}: {title}", quote=True)
    button = f"<button type='button' data-copy='{text.COPY}' aria-label='{label}'>{text.COPY}</button>"
    head = f"<div class='code-head'><h3>{escape(title)}</h3>{button}</div>"
    region = f"tabindex='0' role='region' aria-label='{escape(title, quote=True)}'"
    return f"<section class='code'>{head}<pre {region}>{escape(program)}</pre></section>"


def _take_home(kit: Mapping[str, Any], address: str) -> str:
    """Give the link to the zip, and say what is in it."""
    words = text.ALL_IN_ONE.format(size=count(kit["bytes"]))
    link = f"<p><a class='take-home' href='{address}/bundle.zip' download>{words}</a></p>"
    items = "".join(
        f"<li><code>{escape(name)}</code>{_role(name)}, {size:,} B</li>" for name, size in kit["files"].items()
    )
    return f"{link}<details><summary>{text.INSIDE}</summary><ul class='inside'>{items}</ul></details>"


def _role(name: str) -> str:
    return f": {text.ROLES[name]}" if name in text.ROLES else ""


def _decibels(row: Mapping[str, Any]) -> str:
    return text.NO_NUMBER if row["psnr_db"] is None else f"{row['psnr_db']:.1f} dB"


def _check(row: Mapping[str, Any]) -> str:
    difference = row["max_abs_difference"]
    if row["refused"]:
        return text.LEFT_OUT
    if difference is None:
        return text.NO_NUMBER
    digits = f"{difference:.0e}".replace("e-0", "e-")
    return digits if difference < _LEAST_DIFFERENCE else f"{difference:.2g}"


def _picture(row: Mapping[str, Any], address: str) -> str:
    if row["refused"]:
        return text.LEFT_OUT
    alt = escape(text.FORM_ALT.format(form=row["precision"]), quote=True)
    return f"<img src='{address}/{row['precision']}.png' alt='{alt}'>"


def _input(address: str) -> str:
    return f"<img src='{address}/input.png' alt='{escape(text.INPUT_ALT, quote=True)}'>"


def _link(row: Mapping[str, Any], address: str) -> str:
    if row["refused"]:
        return text.LEFT_OUT
    label = text.ONNX_LABEL.format(form=row["precision"])
    return f"<a href='{address}/{row['precision']}.onnx' aria-label='{label}' download>{text.ONNX}</a>"
