"""The drawn worlds as the page knows them: their data sets, and test pictures by readable names."""

from functools import cache, lru_cache

from PIL import Image

from coronet.demos import DEMOS
from coronet.studio import text

_SAMPLES = 4  # drawn pictures of each side of a world that are listed
_SIZE = 128  # pixels

Sample = tuple[str, str, int]  # world, side, number


@cache
def samples() -> dict[str, Sample]:
    """Name the drawn pictures, those of the first demo model first."""
    sides = dict.fromkeys((demo.world, demo.side) for demo in DEMOS.values())
    return {name: sample for world, side in sides for name, sample in test_samples(world, side, _SAMPLES).items()}


def test_samples(world: str, side: str, count: int) -> dict[str, Sample]:
    """Name the first test pictures of one side of a world."""
    return {text.SAMPLES[world, side].format(number=number + 1): (world, side, number) for number in range(count)}


def scenes() -> tuple[str, ...]:
    """List the drawn data sets."""
    return tuple(dict.fromkeys(demo.data for demo in DEMOS.values()))


@lru_cache(maxsize=64)
def draw_sample(world: str, side: str, number: int) -> Image.Image:
    """Draw a test picture of one side of a world."""
    from coronet.scenes.write import draw_test_picture  # heavy, and only a picture needs it

    return Image.fromarray(draw_test_picture(world, side, number, size=_SIZE))
