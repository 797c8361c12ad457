"""Where a slim net's picture differs from the dense net's: a slider between both, a map, and the worst pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coronet.studio import text
from coronet.studio.compare.comparison import image

_AMPLIFIED = 4  # a difference of a quarter of the scale is white
# Black, violet, orange, white: lighter is more, in grey as well.
_SHADES = np.array([[0, 0, 0], [87, 16, 110], [229, 92, 48], [252, 255, 220]], dtype=np.float64)
_STOPS = np.linspace(0.0, 1.0, len(_SHADES))
_MOST_SHOWN = 4
SCRIPT = """
let at = 50;
const show = () => {
  const range = element.querySelector("input[type=range]");
  if (!range) return;
  range.value = at;
  range.setAttribute("aria-valuetext", range.dataset.said.replace("#", at));
  element.querySelector(".before-after").style.setProperty("--at", at + "%");
};
element.addEventListener("input", (event) => { at = event.target.value; show(); });
watch("value", () => setTimeout(show));
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """One test picture, both translations, and how far they are apart: mean difference in levels of 255."""

    name: str
    source: Image.Image
    dense: Image.Image
    slim: Image.Image

    @property
    def apart(self) -> float:
        """Mean absolute difference in levels of 255."""
        return float(_gap(self.dense, self.slim).mean())


def closer(dense: Image.Image, slim: Image.Image, label: str) -> str:
    """Lay both pictures over each other under a slider, and show the map of their difference beside."""
    before = image(dense, text.DENSE_ALT)
    after = f"<div class='after'>{image(slim, text.TRAINED_ALT.format(label=label))}</div>"
    said = escape(text.BEFORE_AFTER_SAID, quote=True)
    range_input = f"<input type='range' min='0' max='100' value='50' data-said='{said}'>"
    slider = f"<label class='small'>{text.BEFORE_AFTER.format(label=escape(label))}{range_input}</label>"
    gap = _gap(dense, slim)
    words = text.DIFFERENCE_ALT.format(label=label, mean=gap.mean(), most=gap.max())
    drawn = f"{image(difference_map(dense, slim), words)}<figcaption>{escape(words)}</figcaption>"
    both = f"<figure><div class='before-after' style='--at:50%'>{before}{after}</div>{slider}</figure>"
    return f"<div class='closer'>{both}<figure>{drawn}</figure></div>"


def difference_map(dense: Image.Image, slim: Image.Image) -> Image.Image:
    """Colour every pixel by the mean difference of its channels, amplified."""
    amount = np.clip(_gap(dense, slim).mean(axis=2) * _AMPLIFIED / 255.0, 0.0, 1.0)
    shades = np.stack([np.interp(amount, _STOPS, _SHADES[:, channel]) for channel in range(3)], axis=2)
    return Image.fromarray(shades.round().astype(np.uint8))


def worst(compared: Sequence[Compared], label: str) -> str:
    """Show the pictures on which the slim net of this name is furthest from the dense one, the worst first."""
    ordered = sorted(compared, key=lambda entry: -entry.apart)[:_MOST_SHOWN]
    items = []
    for entry in ordered:
        images = (
            image(entry.source, entry.name),
            image(entry.dense, f"{entry.name}: {text.DENSE_ALT}"),
            image(entry.slim, f"{entry.name}: {text.SLIM_TRAINED_ALT}"),
            image(difference_map(entry.dense, entry.slim), f"{entry.name}: {text.DIFFERENCE}"),
        )
        words = text.WORST_CAPTION.format(name=escape(entry.name), mean=entry.apart)
        items.append(f"<figure><div class='four'>{''.join(images)}</div><figcaption>{words}</figcaption></figure>")
    note = text.WORST_NOTE.format(count=len(compared), label=escape(label))
    return f"<p class='note'>{note}</p><div class='worst'>{''.join(items)}</div>"


def _gap(dense: Image.Image, slim: Image.Image) -> NDArray[np.float64]:
    return np.abs(np.asarray(dense, dtype=np.float64) - np.asarray(slim, dtype=np.float64))
