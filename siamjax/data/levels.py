"""Which 16-bit values are black and white: cameras of 10 to 14 bits fill only a part of the range."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from siamjax.ops.frames import FULL_RANGE

DEPTHS = (8, 10, 12, 14)  # bits that cameras have and files of 16 hold
NARROW = 1 << 12  # a window that is narrower, and lies high, is a thermal camera's (0.01 K a step, say)
SAMPLES = 8  # pictures of a sequence that are looked at
FEW = 1 << 18  # values of a picture that are looked at, for the percentiles

Item = TypeVar("Item")


def is_deep(values: np.ndarray) -> bool:
    """Whether the values are of 16 bits."""
    return values.dtype.kind == "u" and values.dtype.itemsize == 2


def spread(items: Sequence[Item]) -> list[Item]:
    """`SAMPLES` of the items at most, the first and the last among them: what a rule for all of them looks at."""
    count = min(len(items), SAMPLES)
    return [items[number * (len(items) - 1) // max(1, count - 1)] for number in range(count)]


def levels_of(samples: Iterable[np.ndarray]) -> tuple[int, int]:
    """The values that become black and white in all pictures of a sequence, see `ops.frames.to_rgb8`.

    Values up to 2^14 are taken for those of a camera of 8, 10, 12 or 14 bits, the fewest that hold them. Where nearly
    all of them (but for 0.1 % at either end) lie in a quarter of that range, or in a narrow window high up in the full
    one, that window is stretched, an eighth of it left free on either side.

    Args:
      samples: `[H, W, ...]` integers of a few of the pictures.
    """
    top, low, high = 0, 65535.0, 0.0
    for values in samples:
        step = max(1, round((values.shape[0] * values.shape[1] / FEW) ** 0.5))
        ends = np.percentile(values[::step, ::step], (0.1, 99.9))
        top, low, high = max(top, int(values.max())), min(low, ends[0]), max(high, ends[1])
    bits = next((bits for bits in DEPTHS if top < 1 << bits), 16)
    white, window = (1 << bits) - 1, high - low
    is_narrow = low > window and window < NARROW if bits == 16 else window < white / 4
    if window <= 0 or not is_narrow:
        return FULL_RANGE if top == 0 else (0, white)
    margin = max(1.0, window / 8)
    return max(0, round(low - margin)), min(65535, round(high + margin))


def say(name: str, levels: tuple[int, int]) -> None:
    """Warns where pictures are not shown as their files say."""
    if levels != FULL_RANGE:
        warnings.warn(
            f"{name}: its 16-bit values fill a part of their range; {levels[0]} is shown as black and {levels[1]} as "
            "white", RuntimeWarning, stacklevel=2,
        )


class Levels:
    """The levels of one sequence, found when its first 16-bit picture comes, and said then.

    Args:
      name: of the sequence, for the warning.
      samples: gives values of a few of its pictures; without it the first picture that comes decides.
    """

    def __init__(self, name: str, samples: Callable[[], Iterable[np.ndarray]] | None = None):
        self._name, self._samples = name, samples
        self._found: tuple[int, int] | None = None

    def __call__(self, values: np.ndarray) -> tuple[int, int]:
        """Those for a picture `[H, W, ...]` of the sequence."""
        if not is_deep(values):
            return FULL_RANGE
        if self._found is None:
            self._found = levels_of([values] if self._samples is None else filter(is_deep, self._samples()))
            say(self._name, self._found)
        return self._found
