"""The previews of a run behind a slider, the newest one shown until the visitor goes back."""

from collections.abc import Sequence
from html import escape

from coronet.studio import text
from coronet.studio.charts import sentence

# The page is told of new previews while the visitor looks at old ones: the slider stays where it was put.
SCRIPT = """
let isLast = true;
const show = () => {
  const range = element.querySelector("input");
  if (!range) { isLast = true; return; }
  const steps = range.dataset.steps.split(","), lapse = range.closest("figure");
  if (isLast) range.value = steps.length - 1;
  const step = steps[range.value], image = lapse.querySelector("img");
  const source = lapse.dataset.folder + step;
  if (image.getAttribute("src") !== source) image.src = source;
  image.alt = lapse.dataset.alt.replace("#", step);
  lapse.querySelector("figcaption").textContent = lapse.dataset.caption.replace("#", step);
  range.setAttribute("aria-valuetext", lapse.dataset.step.replace("#", step));
};
element.addEventListener("input", (event) => { isLast = event.target.value === event.target.max; show(); });
watch("value", () => setTimeout(show));
show();
"""


def time_lapse(id: str, steps: Sequence[int]) -> str:
    """Show a run's previews from our own address, the latest first; a slider leads back where there are several."""
    if not steps:
        return sentence(text.NO_PREVIEW)
    last = steps[-1]
    words = {
        "folder": f"/runs/{id}/previews/",
        "alt": text.PREVIEW_ALT.format(step="#"),
        "caption": text.PREVIEW_CAPTION.format(step="#"),
        "step": text.PREVIEW_STEP.format(step="#"),
    }
    data = " ".join(f"data-{name}='{escape(value, quote=True)}'" for name, value in words.items())
    alt = escape(text.PREVIEW_ALT.format(step=last), quote=True)
    image = f"<img src='{escape(words['folder'], quote=True)}{last}' alt='{alt}'>"
    caption = f"<figcaption>{text.PREVIEW_CAPTION.format(step=last)}</figcaption>"
    return f"<figure class='preview' {data}>{image}{caption}{_range(steps)}</figure>"


def _range(steps: Sequence[int]) -> str:
    if len(steps) < 2:
        return ""
    end = len(steps) - 1
    joined = ",".join(map(str, steps))
    bounds = f"min='0' max='{end}' value='{end}' data-steps='{joined}'"
    return f"<label class='small'>{text.TIME_LAPSE}<input type='range' {bounds}></label>"
