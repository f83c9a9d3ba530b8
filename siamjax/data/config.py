"""Settings of the data: which pairs of which objects, how they are cut, what augmentation does."""

from __future__ import annotations

import dataclasses
import math

from siamjax.data.parts import Part, check_parts
from siamjax.errors import ConfigError


def _check(config, name: str, **limits: float) -> None:
    for field, limit in limits.items():
        value = getattr(config, field)
        if not 0 <= value <= limit or math.isinf(value):
            raise ConfigError(f"{field} is {value}", where=f"{name}.{field}", do=f"use 0 to {limit}")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """How pairs are drawn and cut. The filters of objects are those of siamfc-pytorch.

    Attributes:
      patch_size: side of the patches, px; the exemplar square is `exemplar_size` of them. It should reach
        `AugmentConfig.reach`; what augmentation wants beyond the patch is filled with its mean colour.
      exemplar_size: px that the exemplar square takes in a patch; the scale of nearly all networks here.
      context: margin of the exemplar square, as a part of width plus height.
      squeezed: patches have the aspect of the box and are squeezed to a square, as a tracker's `squeezed` crops;
        `context` is then a part of the width on the left and right, and of the height above and below.
      search_scale: how large the object is in a search patch against an exemplar's: 0.56 for FEAR, whose crop of
        256 px shows 5 widths of the object and that of 128 px 1.4; 1 for all others.
      max_gap: largest distance of the two frames of a pair, in frames of the track's own list.
      negative: share of pairs whose search shows another object.
      hard_negative: share of the negative pairs that show one hard to tell apart: of the same video or image,
        where its box does not touch the target's; or, where there is none, of the same category. All others
        show an object of another video or image. Not for labels that cover the whole search crop, since
        the target may be near the other object: those of RPN nets lie around the crop's centre.
      paste: share of the positive pairs whose search shows an object with a mask, cut out and pasted onto
        another video or image.
      distractors: share of the positive pairs, pasted or not, with one or two other objects pasted into the
        search beside the target.
      masks: whether the batches carry the target's mask in the search, where it is known; pairs without one train
        class and box alone.
      image_share: share of pairs from single images, where there are both images and videos.
      parts: data sets that are mixed, each with its share of the pairs, in place of `image_share`; empty: all tracks
        are one set. Tracks of no part are not drawn.
      epoch_pairs: pairs of an epoch, for parts with uses an epoch.
      synthetic_share: share of pairs from the moving shapes that the package draws itself
        (`data.synthetic.make_tracks` with the seed of the training), beside those of the data.
      min_area: of a box, px^2.
      min_side, max_side: of width and height of a box, px.
      min_fraction, max_fraction: of the frame's width or height that a box takes.
      max_aspect: of width to height or height to width.
      cache_mb: decoded images kept in memory, MiB.
      threads: that decode and cut ahead; 0 does it while the caller waits.
      workers: processes that do so, each with that many threads and a cache of its own, for machines with more cores
        than threads of one process can use; 0 does it in this one. They take seconds to start.
    """

    patch_size: int = 287
    exemplar_size: int = 127
    context: float = 0.5
    squeezed: bool = False
    search_scale: float = 1.0
    max_gap: int = 100
    negative: float = 0.0
    hard_negative: float = 0.0
    paste: float = 0.0
    distractors: float = 0.0
    masks: bool = False
    image_share: float = 0.5
    parts: tuple[Part, ...] = ()
    epoch_pairs: int = 600_000
    synthetic_share: float = 0.0
    min_area: float = 20.0
    min_side: float = 20.0
    max_side: float = 500.0
    min_fraction: float = 0.01
    max_fraction: float = 0.5
    max_aspect: float = 4.0
    cache_mb: int = 512
    threads: int = 1
    workers: int = 0

    def __post_init__(self):
        checks = {
            "patch_size": (self.exemplar_size <= self.patch_size <= 2048, "use exemplar_size to 2048"),
            "exemplar_size": (self.exemplar_size >= 1, "use 1 or more"),
            "context": (0 <= self.context <= 4, "use 0 to 4"),
            "search_scale": (0.1 <= self.search_scale <= 4, "use 0.1 to 4"),
            "max_gap": (self.max_gap >= 0, "use 0 or more"),
            "negative": (0 <= self.negative <= 1, "use 0 to 1"),
            "hard_negative": (0 <= self.hard_negative <= 1, "use 0 to 1"),
            "paste": (0 <= self.paste <= 1, "use 0 to 1"),
            "distractors": (0 <= self.distractors <= 1, "use 0 to 1"),
            "epoch_pairs": (self.epoch_pairs >= 1, "use 1 or more"),
            "image_share": (0 <= self.image_share <= 1, "use 0 to 1"),
            "synthetic_share": (0 <= self.synthetic_share <= 1, "use 0 to 1"),
            "min_area": (self.min_area >= 0, "use 0 or more"),
            "max_side": (0 <= self.min_side < self.max_side, "use more than min_side"),
            "max_fraction": (0 <= self.min_fraction < self.max_fraction, "use more than min_fraction"),
            "max_aspect": (self.max_aspect >= 1, "use 1 or more"),
            "cache_mb": (self.cache_mb >= 0, "use 0 or more"),
            "threads": (0 <= self.threads <= 64, "use 0 to 64"),
            "workers": (0 <= self.workers <= 256, "use 0 to 256"),
        }
        for name, (good, do) in checks.items():
            if not good:
                raise ConfigError(f"{name} is {getattr(self, name)}", where=f"DataConfig.{name}", do=do)
        check_parts(self.parts)


def wide(config: DataConfig) -> DataConfig:
    """`config` with filters that keep nearly every object, for small data sets and nets that see scale.

    Of the training split that the small models saw they keep 54 of 54 videos (1330 of 1370 frames) and
    3207 of 3758 objects in images, where the defaults keep 38 videos (694 frames) and 2055 objects.
    """
    limits = {"min_side": 10.0, "max_side": 1000.0, "max_fraction": 0.9, "max_aspect": 6.0}
    return dataclasses.replace(config, **limits)


@dataclasses.dataclass(frozen=True)
class Jitter:
    """What is done to one of the two images. Probabilities are per image; 0 turns a thing off.

    Attributes:
      shift: largest move of the crop's centre in x and y, crop px at the changed scale.
      stretch: the object appears 1 - stretch to 1 + stretch times as large.
      per_axis: width and height are stretched each by its own factor (PySOT), or both by one (SiamFC).
      colour: probability of PySOT's colour noise.
      brightness: largest added grey level.
      contrast: largest relative change of the distance from the crop's mean colour.
      blur: probability of PySOT's motion blur.
    """

    shift: float = 4.0
    stretch: float = 0.05
    per_axis: bool = False
    colour: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    blur: float = 0.0

    def __post_init__(self):
        _check(self, "Jitter", shift=math.inf, stretch=0.9, colour=1, brightness=255, contrast=1, blur=1)


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """From patches to crops; the defaults are the recipe of siamfc-pytorch.

    Two departures from that recipe: its two resamplings (to 255 px, then stretched) are one here, always
    bilinear, where it draws among five interpolations; and its shifts of whole pixels are continuous.

    Attributes:
      exemplar_size, search_size: sides of the crops, px.
      exemplar, search: what is done to each.
      grey: probability that both crops of a pair turn grey.
      flip: probability that both are mirrored left to right.
    """

    exemplar_size: int = 127
    search_size: int = 239
    exemplar: Jitter = Jitter()
    search: Jitter = Jitter()
    grey: float = 0.0
    flip: float = 0.0

    def __post_init__(self):
        _check(self, "AugmentConfig", grey=1, flip=1)
        if min(self.exemplar_size, self.search_size) < 1:
            sizes = f"{self.exemplar_size} and {self.search_size}"
            raise ConfigError(f"crops of {sizes} px", "AugmentConfig", "use sizes of 1 px or more")

    @property
    def reach(self) -> int:
        """Side of the patch, px, that holds whatever the crops may ask for."""
        crops = ((self.exemplar_size, self.exemplar), (self.search_size, self.search))
        return math.ceil(max((size + 2 * jitter.shift) / (1 - jitter.stretch) for size, jitter in crops))


def pysot(search_size: int = 255, *, blur: float = 0.2, grey: float = 0.0) -> AugmentConfig:
    """The recipe of PySOT's training configurations; patches should be of its `reach`."""
    return AugmentConfig(
        search_size=search_size,
        exemplar=Jitter(shift=4.0, stretch=0.05, per_axis=True, colour=1.0),
        search=Jitter(shift=64.0, stretch=0.18, per_axis=True, colour=1.0, blur=blur),
        grey=grey,
    )
