"""What is asked of a preparation."""

from __future__ import annotations

import dataclasses
from typing import Literal

from siamjax.errors import ConfigError

Form = Literal["images", "crops"]
EXEMPLAR = 127  # px that an object with its margin has in a crop


@dataclasses.dataclass(frozen=True)
class Preparation:
    """Settings that the bytes of prepared data depend on.

    Attributes:
      form: `images` keeps the files of the frames as they are; `crops` cuts a square round every object.
      side: of a crop, px; of PySOT's 511, for search crops of 255 and shifts of 64.
      context: margin of the exemplar square in a crop, see `data.patches.context_patch`.
      quality: of the JPEGs of crops, 1 to 100; OpenCV writes 95, and so PySOT's are.
      records: of a shard, at most.
    """

    form: Form = "images"
    side: int = 511
    context: float = 0.5
    quality: int = 95
    records: int = 1024

    def __post_init__(self):
        checks = {"form": (self.form in ("images", "crops"), "use images or crops"),
                  "side": (EXEMPLAR <= self.side <= 2048, f"use {EXEMPLAR} to 2048"),
                  "context": (0 <= self.context <= 4, "use 0 to 4"),
                  "quality": (1 <= self.quality <= 100, "use 1 to 100"),
                  "records": (1 <= self.records <= 2**20, "use 1 to 1048576")}
        for name, (good, do) in checks.items():
            if not good:
                raise ConfigError(f"{name} is {getattr(self, name)}", f"--{name}", do)
