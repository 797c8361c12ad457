"""The model card of a demo world: what its networks are, how they were made, what they score and cannot do."""

from collections.abc import Mapping, Sequence
from typing import Any

from coronet.demos import DEMOS
from coronet.recipes.settings import TrainSettings
from coronet.scenes.write import Amount
from coronet.settings import to_json

_TITLES = {
    "shoes": "Drawing → shoe: a Pix2Pix U-Net",
    "horses": "Horse ↔ zebra: the two ResNet generators of a CycleGAN",
    "seasons": "Summer ↔ winter: the two ResNet generators of a CycleGAN",
}
LIMITS = {  # what the nets of a world cannot translate
    "shoes": "other things than shoes from the side, pencil lines without colour, and photos of drawings: it has seen "
    "drawn lines on pure white only.",
    "horses": "photos: it has seen drawn animals in drawn meadows only. There the shade of the stripes tells a horse's "
    "colour.",
    "seasons": "photos: it has seen drawn landscapes only. What snow hides (flowers, the meadow's hue) `winter2summer` "
    "makes up.",
}


def card(world: str, amount: Amount, stages: Sequence[TrainSettings], report: Mapping[str, Any]) -> str:
    """Write the card in Markdown; `report` is that of all stages, with `evaluated` scores by demo name."""
    drawn = f"python -m coronet scenes {world} --train {amount.train} --test {amount.test} --out {world}"
    scores = "\n".join(
        f"| {_named(name)} | {found['psnr_db']:.2f} dB | {found['ssim']:.3f} | {found['l1']:.4f} | {found['images']} |"
        for name, found in report["evaluated"].items()
    )
    trained = "\n".join(_command(world, number, stage) for number, stage in enumerate(stages, start=1))
    minutes = report["seconds"]["total"] / 60
    return f"""# {_TITLES[world]}

{report["parameters"]:,} parameters and {report["macs"] / 1e9:.3f} GMACs per generator at {amount.image_size} x \
{amount.image_size}; weights are stored as float16.
Discriminators lie beside the generators, so that a compression can go on with them.
Trained by this project on scenes it draws itself: no photo and no third-party weight is in it.

```sh
{drawn}
{trained}
```
{report["steps"]:,} steps, seed {report["seed"]}, {minutes:.0f} minutes on one core. \
`python -m coronet.demo_build --work FOLDER --world {world}` does all of it again.

Scores of the stored weights against the truth, on test scenes \
(`python -m coronet evaluate --data {world} --model ...` with what stands in the row):

| model | PSNR | SSIM | L1 | images |
|---|---|---|---|---|
{scores}

What it cannot do: {LIMITS[world]}
"""


def _named(name: str) -> str:
    """Give the name as `--model` takes it, with the direction where it is not A to B."""
    direction = DEMOS[name].direction
    return f"`demo/{name}`" if direction == "AtoB" else f"`demo/{name} --direction {direction}`"


def _command(world: str, number: int, settings: TrainSettings) -> str:
    plain = to_json(TrainSettings())
    words = [f"python -m coronet train --kind {settings.kind} --data {world}"]
    for name, value in to_json(settings).items():
        if name == "start" and value:
            value = f"runs/{world}-{number - 1}"
        if value != plain[name] and name not in ("kind", "data", "threads"):
            flag = f"--{name.replace('_', '-')}"
            if value is False:
                flag = flag.replace("--", "--no-", 1)
            words.append(flag if isinstance(value, bool) else f"{flag} {value}")
    return " ".join([*words, f"--out runs/{world}-{number}"])
