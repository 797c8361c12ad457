"""The drawing pad as HTML and its looks. What it does in the browser stands in `script`, its words in `text`.

The template is read as a JavaScript template and by Handlebars: no backtick, backslash or double brace may stand in it.
"""

from html import escape

from coronet.studio.play import text as words

_SWATCHES = "".join(
    f"<button type='button' class='swatch' data-colour='{colour}' aria-label='{name}' title='{name}' "
    f"aria-pressed='{str(number == 0).lower()}' style='--colour: {colour}'></button>"
    for number, (name, colour) in enumerate(words.COLOURS.items())
)


def _act(name: str, label: str, more: str = "") -> str:
    return f"<button type='button' data-act='{name}' {more}>{label}</button>"


_TOOLS = f"""
<div class="tools" role="group" aria-label="{words.TOOLS}">
  <div class="set" role="group" aria-label="{words.TOOL}">
    <button type="button" data-tool="pen" aria-pressed="true">{words.PEN}</button>
    <button type="button" data-tool="eraser" aria-pressed="false">{words.ERASER}</button>
  </div>
  <div class="set" role="group" aria-label="{words.COLOUR}">{_SWATCHES}
    <input type="color" value="#00a0a0" aria-label="{words.OTHER_COLOUR}" title="{words.OTHER_COLOUR}">
  </div>
  <label class="set">{words.WIDTH} <input type="range" class="width" min="1" max="16" step="0.5" value="3"></label>
  <div class="set">
    {_act("undo", words.UNDO, "aria-disabled='true'")}
    {_act("redo", words.REDO, "aria-disabled='true'")}
    {_act("clear", words.CLEAR)}
  </div>
  <div class="set">
    {_act("file", words.UPLOAD)}{_act("camera", words.CAMERA, "aria-pressed='false'")}
    <input type="file" accept="image/*" hidden aria-label="{words.UPLOAD}">
  </div>
  <div class="set">{_act("translate", words.TRANSLATE, "class='go'")}</div>
</div>"""


def _answer(name: str, label: str, alt: str) -> str:
    return f"""
<figure class="{name}">
  <figcaption><span class="name">{label}</span></figcaption>
  <div class="sheet"><img alt="{escape(alt)}" hidden></div>
  <p class="time">–</p>
</figure>"""


TEMPLATE = f"""
<div class="play">
  {_TOOLS}
  <p class="problem" role="alert" hidden></p>
  <div class="stage">
    <figure class="drawing">
      <figcaption>{words.DRAWING}</figcaption>
      <div class="sheet"><canvas role="img" tabindex="-1" aria-label="{words.DRAWING_ALT}"></canvas></div>
    </figure>
    {_answer("dense", words.DENSE, words.DENSE_ALT)}
    {_answer("slim", words.SLIM, words.SLIM_ALT)}
  </div>
  <p class="verdict">{words.WAITING}</p>
  <p class="trip note"></p>
  <p class="said" role="status"></p>
  <h3>{words.SAMPLES}</h3>
  <ul class="samples"></ul>
</div>"""

STYLE = """
.tools { display: flex; flex-wrap: wrap; gap: 0.5rem 1.1rem; align-items: center; margin-bottom: 0.6rem; }
.set { display: flex; flex-wrap: wrap; gap: 0.3rem; align-items: center; }
label.set { font-size: 0.9rem; }
.width { width: 7rem; accent-color: var(--color-accent); }
.tools button { min-height: 2.25rem; padding: 0 0.8rem; border-radius: 6px; cursor: pointer;
  border: 1px solid var(--body-text-color-subdued); background: var(--background-fill-primary);
  color: var(--body-text-color); }
.tools button:hover { background: var(--background-fill-secondary); }
.tools button[aria-disabled=true] { opacity: 0.45; cursor: default; }
.tools button[aria-pressed=true] { box-shadow: inset 0 0 0 2px var(--color-accent); border-color: var(--color-accent);
  font-weight: 600; }
.tools button.go { background: var(--button-primary-background-fill); color: var(--button-primary-text-color);
  border-color: transparent; font-weight: 600; }
.tools button.swatch { width: 2.25rem; padding: 0; background: var(--colour); }
.tools button.swatch[aria-pressed=true] { box-shadow: inset 0 0 0 3px #fff, 0 0 0 3px var(--color-accent); }
input[type=color] { width: 2.25rem; height: 2.25rem; padding: 2px; border-radius: 6px; cursor: pointer;
  border: 1px solid var(--body-text-color-subdued); background: var(--background-fill-primary); }
.stage { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 1rem; }
.stage figure { margin: 0; min-width: 0; }
.stage figcaption { font-weight: 600; margin-bottom: 0.3rem; }
.sheet { aspect-ratio: 1; border-radius: 6px; overflow: hidden; background: var(--background-fill-secondary);
  box-shadow: 0 0 0 1px var(--border-color-primary); }
.sheet > * { width: 100%; height: 100%; display: block; margin: 0; }
.sheet > [hidden] { display: none; }
canvas { touch-action: none; cursor: crosshair; background: #fff; }
.time { margin: 0.3rem 0 0; font-variant-numeric: tabular-nums; }
.verdict { font-size: 1.15rem; font-weight: 600; margin: 0.7rem 0 0; font-variant-numeric: tabular-nums; }
.trip { font-variant-numeric: tabular-nums; min-height: 1.2em; }
.said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
h3 { margin: 0.9rem 0 0.4rem; font-size: 1rem; }
.samples { display: flex; flex-wrap: wrap; gap: 0.6rem; list-style: none; margin: 0; padding: 0; }
.samples li { margin: 0; padding: 0; }
.samples button { display: grid; gap: 0.2rem; width: 6.5rem; padding: 0.3rem; border-radius: 6px; cursor: pointer;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-primary);
  color: var(--body-text-color); font-size: 0.8rem; }
.samples button:hover { border-color: var(--body-text-color-subdued); }
.samples img { width: 100%; margin: 0; border-radius: 4px; }
@media (max-width: 700px) {
  .stage { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.6rem; }
  .drawing { grid-column: span 2; }
  .tools { gap: 0.5rem; }
}
"""
