"""The race of the Play tab: a dense and a slim net translate the same drawing, both timed, one visitor at a time.

The pad's questions do not come through Gradio's queue. What the queue does elsewhere is done here: one race at a time,
few that wait, and of a visitor's questions only the newest is answered.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PIL import Image, ImageOps

from coronet.errors import DataError
from coronet.studio.address import LARGEST_RATIO
from coronet.studio.desk import Desk
from coronet.studio.latest import Latest
from coronet.studio.outcomes import SLIM, Outcome
from coronet.studio.play import text as play_text
from coronet.studio.play.drawings import LARGEST_SIDE, read_drawing
from coronet.studio.play.ready_nets import ReadyNet, ReadyNets
from coronet.studio.translating import prepare_torch
from coronet.studio.visitors import NOBODY, Visitor

if TYPE_CHECKING:
    from torch import Tensor

    from coronet.networks import GeneratorConfig

Answer = TypeVar("Answer")
CUT = "cut"  # the key of the untrained slim net
_MOST_WAITING = 8  # each holds one of the 40 threads that answer all visitors
_MOST_FILES = 64
_MOST_SAMPLES = 6
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Question:
    """Which nets are asked, by which page, and whose that is."""

    model: str
    net: str
    ratio: float
    page: str
    visitor: Visitor = NOBODY


@dataclass(frozen=True, slots=True)
class Race:
    """Both translations of a drawing, and the mean time that each net took lately."""

    dense: Image.Image
    slim: Image.Image
    dense_seconds: float
    slim_seconds: float


@dataclass(frozen=True, slots=True)
class Opened:
    """What a pad needs: pixels a side, the slim net's name, and pictures of the model's world by name."""

    side: int
    net: str
    samples: dict[str, Image.Image]


def read_question(sent: Any, visitor: Visitor = NOBODY) -> Question:
    """Check what a page sent; DataError where it is no question."""
    if not isinstance(sent, dict):
        raise DataError(play_text.NO_QUESTION)
    words = [sent.get(name) for name in ("model", "net", "visitor")]
    model, net, page = (word if isinstance(word, str) else "" for word in words)
    if not all(0 < len(word) <= _LONGEST_NAME for word in (model, net, page)):
        raise DataError(play_text.NO_QUESTION)
    ratio = sent.get("ratio")
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 1 <= ratio <= LARGEST_RATIO:
        raise DataError(play_text.NO_RATIO.format(most=LARGEST_RATIO))
    return Question(model, net, round(float(ratio), 1), page, visitor)


def usual_net(outcomes: list[Outcome], net: str | None, ratio: float) -> str:
    """Keep a net that is there, else take the trained one next to a ratio, else the untrained cut."""
    if net == CUT or net in [outcome.key for outcome in outcomes]:
        return str(net)
    nearest = min(outcomes, key=lambda outcome: abs(log(outcome.ratio / ratio)), default=None)
    return CUT if nearest is None else nearest.key


class Races:
    """Answers the pads of all visitors."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._nets = ReadyNets()
        self._files: OrderedDict[tuple[str, str, str], tuple[Path, str]] = OrderedDict()
        self._latest, self._questions, self._turns = Latest(), count(1), count()
        self._asking, self._racing = threading.Lock(), threading.Lock()
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)

    def open(self, question: Question) -> Opened | None:
        """Load both nets and say what a pad needs; None where too many wait: ask again."""
        return self._alone(question, partial(self._opened, question))

    def answer(self, question: Question, drawing: Any) -> Race | None:
        """Let both nets translate a drawing, a data URL; None where the visitor asked again since or too many wait."""
        return self._alone(question, partial(self._raced, question, drawing))

    def _alone(self, question: Question, work: Callable[[], Answer]) -> Answer | None:
        with self._asking:
            at = float(next(self._questions))
            self._latest.ask(question.page, at)
        if not self._waiting.acquire(blocking=False):
            return None
        try:
            with self._racing:
                return None if self._latest.is_stale(question.page, at) else work()
        finally:
            self._waiting.release()

    def _opened(self, question: Question) -> Opened:
        dense, _, name = self._both(question)
        side = _side(dense.generator.config)
        return Opened(side, name, self._samples(question.model, side, question.visitor))

    def _raced(self, question: Question, drawing: Any) -> Race:
        dense, slim, _ = self._both(question)
        config = dense.generator.config
        pixels = _pixels(read_drawing(drawing, _side(config)), config)
        # Whoever comes second finds the picture in the processor's cache: they take turns.
        order = (dense, slim) if next(self._turns) % 2 else (slim, dense)
        answers = {net: net.translate(pixels) for net in order}
        from coronet.images import to_image

        return Race(to_image(answers[dense]), to_image(answers[slim]), dense.seconds, slim.seconds)

    def _both(self, question: Question) -> tuple[ReadyNet, ReadyNet, str]:
        """Give both nets, loaded, and the slim one's name."""
        prepare_torch()
        path = self._desk.model(question.model)
        modified = path.stat().st_mtime_ns
        dense = self._nets.get((path, modified), partial(_load, path))
        if question.net == CUT:
            key = (path, modified, question.ratio)
            return dense, self._nets.get(key, partial(self._cut, path, question)), play_text.CUT
        file, name = self._file(question)
        return dense, self._nets.get((file, file.stat().st_mtime_ns), partial(_load, file)), name

    def _file(self, question: Question) -> tuple[Path, str]:
        """Look up the file of a trained net; the last ones are remembered, for the lookup reads every report."""
        key = (question.model, question.net, question.visitor.owner)
        if key not in self._files or not self._files[key][0].is_file():
            found = self._desk.outcome(question.model, question.net, question.visitor)
            if found is None:
                raise DataError(play_text.UNKNOWN_NET.format(net=question.net[:80]))
            self._files[key] = (found.folder / SLIM, found.label)
            while len(self._files) > _MOST_FILES:
                self._files.popitem(last=False)
        return self._files[key]

    def _cut(self, path: Path, question: Question) -> ReadyNet:
        from coronet.recipes.preview import PreviewModel

        opened = PreviewModel(path)  # one of its own: that of Squeeze may be at work in another thread
        # All visitors play with this one, so that nobody's own pictures have a part in it.
        samples = self._samples(question.model, _side(opened.generator.config), NOBODY)
        return _ready(opened.cut(list(samples.values()), question.ratio))

    def _samples(self, model: str, side: int, visitor: Visitor) -> dict[str, Image.Image]:
        pictures = list(self._desk.test_pictures(model, visitor).items())[:_MOST_SAMPLES]
        return {name: ImageOps.fit(picture, (side, side)) for name, picture in pictures}


def _load(path: Path) -> ReadyNet:
    from coronet.checkpoints import build_generator, load

    return _ready(build_generator(load(path)))


def _ready(generator: Any) -> ReadyNet:
    config = generator.config
    if (config.input_channels, config.output_channels) != (3, 3):
        raise DataError(play_text.OTHER_CHANNELS.format(given=config.input_channels, made=config.output_channels))
    side = _side(config)
    return ReadyNet(generator, _pixels(Image.new("RGB", (side, side), "white"), config))


def _side(config: "GeneratorConfig") -> int:
    """Give the pixels a side that a model's pad has: its own, where that is not too many."""
    return min(LARGEST_SIDE, config.image_size)


def _pixels(picture: Image.Image, config: "GeneratorConfig") -> "Tensor":
    """Turn a picture of the pad into what a net takes: a U-Net the size it was made for, a ResNet any."""
    from coronet.images import fit, to_tensor

    size = config.image_size if config.architecture == "unet" else None
    return to_tensor(fit(picture, config.size_multiple, size)).unsqueeze(0)
