"""Settings of a mix of data sets: how often each is drawn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from siamjax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Part:
    """One data set of several.

    Attributes:
      name: what the groups of its tracks begin with, e.g. `vid` of `vid/ILSVRC2015_train_00000000`: the name given on
        the command line, or a folder of the data set (`videos`, `images`).
      weight: share of the pairs, relative to the other parts; None where `uses` says it.
      uses: videos or images taken in an epoch. All are taken in a random order, over and over until that many are; -1
        takes each once. None where `weight` says it.
      max_gap: largest distance of the two frames of a pair, in frames of the track; None for that of `DataConfig`.
    """

    name: str
    weight: float | None = None
    uses: int | None = None
    max_gap: int | None = None

    def __post_init__(self):
        where = f"Part '{self.name}'"
        if (self.weight is None) == (self.uses is None):
            raise ConfigError("both weight and uses, or neither", where, "give one of them")
        if self.weight is not None and not 0 < self.weight < math.inf:
            raise ConfigError(f"weight is {self.weight}", where, "use a number above 0")
        if self.uses is not None and self.uses != -1 and self.uses < 1:
            raise ConfigError(f"uses is {self.uses}", where, "use 1 or more, or -1 for each once")
        if self.max_gap is not None and self.max_gap < 0:
            raise ConfigError(f"max_gap is {self.max_gap}", where, "use 0 or more")

    def holds(self, group: str) -> bool:
        """Whether a group of tracks is of this part."""
        return group == self.name or group.startswith(self.name + "/")


def check_parts(parts: Sequence[Part]) -> None:
    """Raises ConfigError where names repeat, or some parts have weights and others uses."""
    names = [part.name for part in parts]
    if len(set(names)) < len(names):
        raise ConfigError(f"parts are named {', '.join(names)}", "DataConfig.parts", "name each once")
    if len({part.weight is None for part in parts}) > 1:
        raise ConfigError("some parts have weights and others uses", "DataConfig.parts", "give all of them the same")


def pysot_parts() -> tuple[Part, ...]:
    """The mix of PySOT's configurations (`DATASET.NAMES`); with `DataConfig.epoch_pairs` of 600,000."""
    return (Part("vid", uses=100_000, max_gap=100), Part("yb", uses=-1, max_gap=3), Part("coco", uses=-1, max_gap=1),
            Part("det", uses=-1, max_gap=1))
