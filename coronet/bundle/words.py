"""What stands in a bundle to be read: the model card, the note on the licence, how pictures go in and out, a sample.

Names come from strangers: of a path its last part is shown, printable and as code.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coronet.bundle.finished import Finished
from coronet.bundle.forms import Variant, Variants
from coronet.containers import plain
from coronet.cost import cost
from coronet.demo_card import LIMITS
from coronet.demos import find_demo
from coronet.methods import METHODS
from coronet.networks import GeneratorConfig
from coronet.recipes.finish import versions
from coronet.scenes.cached import is_scenes

_LARGEST = 1e18  # of a number that is written; more is damage
_ARCHITECTURES = {"resnet": "ResNet", "mobile_resnet": "mobile ResNet", "unet": "U-Net"}
_SAMPLE = '''\
"""Translate a picture: python sample.py INPUT OUTPUT.png (needs numpy, pillow and onnxruntime)."""
import pathlib, sys
import numpy, onnxruntime
from PIL import Image, ImageOps

if len(sys.argv) != 3:
    sys.exit(__doc__)
picture = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
size = [max({least}, round(side / {multiple}) * {multiple}) for side in picture.size]
levels = numpy.asarray(picture.resize(size, Image.Resampling.BICUBIC), numpy.float32)
model = str(pathlib.Path(__file__).with_name("{file}"))
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
output = session.run(None, {{"input": levels.transpose(2, 0, 1)[None] / 127.5 - 1}})[0][0]
levels = numpy.rint((output.clip(-1, 1) + 1) * 127.5).astype(numpy.uint8)
Image.fromarray(levels.transpose(1, 2, 0)).save(sys.argv[2])
'''


def sample(config: GeneratorConfig, file: str) -> str:
    """Write the program of 15 lines that translates one picture with an ONNX file beside it."""
    return _SAMPLE.format(least=config.least_side, multiple=config.size_multiple, file=file)


def preprocessing(config: GeneratorConfig) -> str:
    """Write as JSON how a picture becomes the input of the ONNX files, and their output a picture."""
    described = {
        "input": {
            "name": "input",
            "type": "float32",
            "layout": "NCHW",
            "channels": "RGB",
            "range": [-1, 1],
            "from_levels": "level / 127.5 - 1",
            "size_multiple": config.size_multiple,
            "least_side": config.least_side,
            "made_for_side": config.image_size,
            "resize": "bicubic, each side to its nearest multiple",
        },
        "output": {
            "name": "output",
            "type": "float32",
            "layout": "NCHW",
            "channels": "RGB",
            "range": [-1, 1],
            "to_levels": "clamp to [-1, 1], (x + 1) * 127.5, round half to even, 8 bits",
        },
    }
    return json.dumps(described, indent=1) + "\n"


def licence(finished: Finished) -> str:
    """Write what is known about who may use the network."""
    model = _shown(finished.origin)
    if find_demo(finished.origin):
        text = (
            f"The model it comes from, {model}, was trained by the CoroNet Studio project on scenes that the project "
            "draws itself: no photo and no third-party weight is in it. The terms of CoroNet Studio hold for it."
        )
    elif finished.origin:
        text = (
            f"It comes from {model}. CoroNet Studio does not know the licence of that model, and does not change it: "
            "the licence of the source applies to this network, too, for it is made from it. Look for it where the "
            "model was published, and pass nothing on before you know it."
        )
    else:
        text = "It was trained from scratch with CoroNet Studio: no third-party weight is in it."
    return f"{text}\n{_images_used(finished)}".strip() + "\n"


def card(finished: Finished, found: Variants, weights: str) -> str:
    """Write the model card in Markdown; `weights` is the name of the safetensors file."""
    config = finished.checkpoint.config
    slim = "slim " if finished.verb == "compress" else ""
    multiple = config.size_multiple
    return f"""# {finished.name}: a {slim}{_ARCHITECTURES[config.architecture]}

It translates RGB pictures whose sides are multiples of {multiple}, and was made for {config.image_size} x \
{config.image_size} pixels. {_making(finished)}

```sh
python sample.py test/1-input.png translated.png    # needs numpy, pillow and onnxruntime
sha256sum -c SHA256SUMS
```
`translated.png` must look like `test/1-output.png`, give or take one level of 255. `preprocessing.json` says how
pictures go in and out in any other language, `LICENCE.txt` what is known about the rights.

## Costs of one image of {config.image_size} x {config.image_size}

{_costs(finished)}
MACs as published count transposed convolutions at the size of their output, as papers do.

## Files

{_files(found)}
Checked on {found.images} {found.checked_on}.{f" {plain(finished.note, 300)}" if finished.note else ""}
`{weights}` holds the weights without code, for CoroNet Studio.

## Scores

{_scores(finished)}

## How it was made

{_history(finished)}

## What it cannot do

{_limits(finished)}
"""


def _making(finished: Finished) -> str:
    model, report = _shown(finished.origin), finished.report
    if finished.verb == "compress":
        budget = "parameters" if report.get("budget") == "params" else "MACs"
        wanted = _number(report.get("requested_ratio"), ".2f")
        return (
            f"{_method(report)} made it from {model}, at a compression ratio of {_number(report.get('ratio'), '.2f')}x "
            f"in {budget} ({wanted}x was asked for)."
        )
    if finished.verb == "train":
        return f"It was trained further from {model}." if finished.origin else "It was trained from scratch."
    return f"It is {model} as it was, not compressed here."


def _method(report: Mapping[str, Any]) -> str:
    name = str(report.get("method"))
    title = report.get("title") or (METHODS[name].named(vgg=False) if name in METHODS else "An unknown method")
    return plain(title)


def _costs(finished: Finished) -> str:
    columns: dict[str, Mapping[str, Any]] = {"this network": cost(finished.checkpoint.config).to_json()}
    if dense := _part(finished.report, "dense"):
        columns = {"dense": dense} | columns
    rows = {
        "parameters": "parameters",
        "MACs": "macs",
        "MACs as published": "macs_as_published",
        "bytes of float32": "bytes",
    }
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for title, name in rows.items():
        cells = " | ".join(_number(counts.get(name), ",d") for counts in columns.values())
        lines.append(f"| {title} | {cells} |")
    return "\n".join([*lines, ""])


def _files(found: Variants) -> str:
    head = ["| file | bytes | PSNR to the network | largest difference |", "|---|---|---|---|"]
    left_out = [f"{row.refused} It is left out." for row in found.rows if row.refused]
    return "\n".join([*head, *map(_file, found.usable), "", *left_out])


def _file(row: Variant) -> str:
    decibels, difference = _number(row.psnr_db, ".1f"), _number(row.max_abs_difference, ".2g")
    return f"| `{row.precision}.onnx` | {row.bytes:,} | {decibels} dB | {difference} of 2 |"


def _scores(finished: Finished) -> str:
    scores, teacher = _part(finished.report, "scores"), _part(finished.report, "teacher_scores")
    lines = [*_score_lines("This network", scores), *_score_lines("The dense net", teacher)]
    return "\n".join(lines) or "None are known. `coronet evaluate` measures some."


def _score_lines(who: str, scores: Mapping[str, Any]) -> Iterator[str]:
    images = f", {_number(scores['images'], 'd')} test images" if "images" in scores else ""
    for name, reference in (("to_truth", "the truth"), ("to_teacher", "the dense net")):
        found = _part(scores, name)
        if not found and name == "to_truth" and "psnr_db" in scores:  # a training's
            found = scores
        if found:
            yield (
                f"- {who} against {reference}: PSNR {_number(found.get('psnr_db'), '.2f')} dB, SSIM "
                f"{_number(found.get('ssim'), '.3f')}, L1 {_number(found.get('l1'), '.4f')}{images}."
            )
    found = _part(scores, "distribution")
    if "value" in found:
        counts = f"{_number(found.get('fake_images'), 'd')} generated, {_number(found.get('real_images'), 'd')} real"
        yield (
            f"- {who}, {plain(found.get('name', ''))} distance: {_number(found['value'], '.4g')} ({counts} images; "
            f"{plain(found.get('protocol', ''), 600)}). {plain(found.get('note', ''), 300)}".rstrip()
        )


def _history(finished: Finished) -> str:
    report, now = finished.report, versions()
    lines = [f"- Exported with {_listed(now)}."]
    if seconds := _part(report, "seconds"):
        spent = ", ".join(f"{plain(name)} {_number(value, '.0f')}" for name, value in seconds.items() if value)
        lines.append(f"- Seconds: {spent}; seed {_number(report.get('seed'), 'd')}.")
    if made := _part(report, "versions"):
        lines.append(f"- Made with {_listed(made)}.")
    if digest := finished.checkpoint.lineage.get("sha256"):
        lines.append(f"- SHA-256 of the model file it was exported from: {plain(digest)}.")
    return "\n".join(lines)


def _limits(finished: Finished) -> str:
    config, demo = finished.checkpoint.config, find_demo(finished.origin)
    unseen = LIMITS[demo.world] if demo else "pictures of another kind than those it has learned from."
    lines = [f"- It was not made for {unseen}"]
    lines.append(f"- Sides are multiples of {config.size_multiple}, at least {config.least_side} pixels.")
    if finished.verb == "compress":
        lines.append("- It cannot do all that the dense net can: fine textures go first. Look at your own pictures.")
    lines.append("- MACs are no milliseconds. `coronet benchmark` measures them on your machine.")
    return "\n".join(lines)


def _images_used(finished: Finished) -> str:
    if is_scenes(finished.data):
        return f"It has learned from {_shown(finished.data)}, which CoroNet Studio draws: nobody's rights are in them."
    if finished.data:
        return f"It has learned from the images in {_shown(finished.data)}, whose rights are not known here."
    return ""


def _shown(text: str) -> str:
    """Show a model or data folder as its user named it, but for the folders on the way to it."""
    own = find_demo(text) is not None or is_scenes(text)
    return f"`{plain(text if own else Path(text).name).replace('`', '?')}`"


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(f"{plain(name)} {plain(value)}" for name, value in names.items())


def _part(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _number(value: Any, form: str) -> str:
    """Write a number; a question mark for what a report lacks or could not measure."""
    known = isinstance(value, int if form.endswith("d") else int | float) and abs(value) < _LARGEST
    return format(value, form) if known else "?"
