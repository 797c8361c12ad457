"""Nets that stay loaded while someone plays with them: few of them, the last used ones, each with its latest times.

Which nets are wanted, and by whom, is `racing`'s.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from coronet.networks import Generator

RECENT = 20  # pictures whose times are averaged
_MOST_NETS = 8
_MOST_BYTES = 400_000_000  # of weights: a dense published generator may have 218 MB


class ReadyNet:
    """A loaded net, warmed up at the size it will be asked for, and its last times."""

    def __init__(self, generator: "Generator", example: "Tensor") -> None:
        self.generator = generator
        self.bytes = sum(tensor.numel() * tensor.element_size() for tensor in generator.state_dict().values())
        self._recent: deque[float] = deque(maxlen=RECENT)
        for _ in range(2):  # kernels are set up in a first run, which is no time of the net
            self.translate(example)
        self._recent.clear()

    def translate(self, pixels: "Tensor") -> "Tensor":
        """Translate (1, 3, H, W) in [-1, 1] and note how long that took."""
        import torch

        with torch.inference_mode():
            begin = time.perf_counter()
            output: Tensor = self.generator(pixels)
            self._recent.append(time.perf_counter() - begin)
        return output

    @property
    def seconds(self) -> float:
        """Mean time of the last pictures, once there is one."""
        return sum(self._recent) / len(self._recent)


class ReadyNets:
    """The nets used last, bounded in number and bytes. Not made for several threads at once."""

    def __init__(self, *, most: int = _MOST_NETS, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._nets: OrderedDict[Hashable, ReadyNet] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], ReadyNet]) -> ReadyNet:
        """Give the net of a key, made where it is not here; the two used last always stay, however large."""
        found = self._nets.get(key)
        if found is None:
            found = self._nets[key] = make()
        self._nets.move_to_end(key)
        while len(self._nets) > 2 and (len(self._nets) > self._most or self._bytes() > self._most_bytes):
            self._nets.popitem(last=False)
        return found

    def __len__(self) -> int:
        return len(self._nets)

    def _bytes(self) -> int:
        return sum(net.bytes for net in self._nets.values())
