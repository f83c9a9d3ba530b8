"""A synthetic clip in which the target leaves the frame and comes back, amid objects that look like it.

Rendered as all synthetic videos are (`data.synthetic`); only the ways of the objects and their looks are other ones.
Every frame is a pure function of (config, seed) and of the photographs, if any.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import numpy as np
from PIL import Image

from siamjax.data.synthetic import TEXTURE, Item, Scene, SyntheticConfig, make_item
from siamjax.data.textures import coloured_noise
from siamjax.errors import ConfigError

AWAY = -4096.0  # px, where an absent target is: far from any frame
INSET = 36.0  # px that the ways of distractors keep from the frame's edges
APART = 1.3  # of the mean diameter, the least distance of a distractor from the target at the middle of a visit
DRAWS = 50  # of such a place


@dataclasses.dataclass(frozen=True)
class DeparturesConfig:
    """What the clip is like.

    Attributes:
      departures: how often the target leaves; it returns as often.
      present, away: frames of each visit, with the frames of entering and leaving, and of each absence.
      distractors: objects that never leave. Each is like the target in something, in turn: in its colours; in its
        outline; in its outline and the colour of most of it. What is like it in all is the target to any eye.
      height, width: of the frames, px.
    """

    departures: int = 5
    present: int = 24
    away: int = 10
    distractors: int = 3
    height: int = 240
    width: int = 320

    def __post_init__(self):
        if min(self.departures, self.distractors) < 1 or self.present < 8 or self.away < 2:
            raise ConfigError("a count is out of range", "DeparturesConfig",
                              "use 1 departure and distractor or more, visits of 8 frames and absences of 2 or more")

    @property
    def frames(self) -> int:
        return (self.departures + 1) * self.present + self.departures * self.away

    @property
    def returns(self) -> tuple[int, ...]:
        """Frames at which an absence ends."""
        return tuple(k * (self.present + self.away) for k in range(1, self.departures + 1))

    def scene(self) -> SyntheticConfig:
        """Settings of the renderer."""
        return SyntheticConfig(videos=1, frames=self.frames, height=self.height, width=self.width,
                               objects=1 + self.distractors, min_size=44, max_size=60, max_speed=2.0, max_spin=0.01,
                               growth=1.15)


class Photos(NamedTuple):
    """What a clip shows in place of drawn patterns, uint8 RGB of any size.

    Attributes:
      target: `[h, w, 3]`, the inside of its box.
      distractors: as many such as there are distractors.
      background: `[H, W, 3]`, a whole photograph.
    """

    target: np.ndarray
    distractors: tuple[np.ndarray, ...]
    background: np.ndarray


class Departures(Scene):
    """The clip; the target is the last object, above all others.

    `image(number)` gives frames, `boxes` the target's way.

    Args:
      config: what it is like.
      seed: of everything that is drawn.
      photos: what objects and background show; without them drawn patterns. Outlines and ways are the same.
    """

    def __init__(self, config: DeparturesConfig, seed: int, photos: Photos | None = None):
        super().__init__(config.scene(), seed, video=0)
        if photos is not None and len(photos.distractors) != config.distractors:
            raise ConfigError(f"{len(photos.distractors)} photographs of {config.distractors} distractors",
                              "Departures", "give one for each")
        self.plan, self.photos = config, photos

    @functools.cached_property
    def background(self) -> tuple[np.ndarray, np.ndarray]:
        """As in `Scene`; a photograph and its mirror images, which meet without a seam."""
        texture, drift = super().background
        if self.photos is None:
            return texture, drift
        photo = scaled(self.photos.background, self.config.height, self.config.width)
        photo = np.concatenate([photo, photo[::-1]])
        return np.concatenate([photo, photo[:, ::-1]], axis=1), drift

    @functools.cached_property
    def items(self) -> list[Item]:
        random = self._random(1)
        target = make_item(self.config, random)
        way, exits = target_way(self.plan, target.size, random)
        crowd = [alike(target, number, self.config, random) for number in range(self.plan.distractors)]
        ways = distractor_ways(self.plan, target.size, way, exits, random)
        if self.photos is not None:
            target = showing(target, self.photos.target)
            crowd = [showing(item, photo) for item, photo in zip(crowd, self.photos.distractors)]
        return [on_way(item, path) for item, path in zip([*crowd, target], [*ways, way])]

    @property
    def boxes(self) -> np.ndarray:
        """`[T, 4]` float32 `xywh` of the target, px; NaN where a quarter of it or less is in the frame."""
        return self.all_boxes[:, -1]


@dataclasses.dataclass(frozen=True, eq=False)
class Walker(Item):
    """An object on a given way."""

    way: np.ndarray  # [T, 2] (x, y) px of its centre

    def centre(self, number: int) -> np.ndarray:
        return self.way[number]


def on_way(item: Item, way: np.ndarray) -> Walker:
    """`item` on the way `[T, 2]`."""
    return Walker(**{field.name: getattr(item, field.name) for field in dataclasses.fields(Item)}, way=way)


def alike(target: Item, number: int, config: SyntheticConfig, random: np.random.Generator) -> Item:
    """Distractor `number`: what it shares with the target is said in `DeparturesConfig`."""
    other = make_item(config, random)
    looks = target.attributes
    if number % 3 == 0:
        colours = looks.colour, looks.ground
    elif number % 3 == 1:
        colours = other.attributes.colour, other.attributes.ground
    else:
        colours = other.attributes.colour, looks.ground
    spots, ground = np.array(colours, np.float32)
    texture = coloured_noise(random, TEXTURE, TEXTURE, random.uniform(8, 24), np.stack([spots, ground, spots]),
                             octaves=3)
    if number % 3 != 0:
        other = dataclasses.replace(other, radius=target.radius, aspect=target.aspect)
    return dataclasses.replace(other, texture=texture)


def showing(item: Item, photo: np.ndarray) -> Item:
    """`item` with a photograph `[h, w, 3]` on it."""
    return dataclasses.replace(item, texture=scaled(photo, TEXTURE, TEXTURE))


def scaled(photo: np.ndarray, height: int, width: int) -> np.ndarray:
    """`[height, width, 3]` float32."""
    return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BOX), np.float32)


def target_way(config: DeparturesConfig, size: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Where the target is, and where it leaves.

    Returns:
      `[T, 2]` (x, y) px of its centre, `AWAY` while it is away; and `[departures, 2]` where it crosses the edge.
    """
    area = np.array([config.width, config.height], float)
    way, exits = np.full((config.frames, 2), AWAY), []
    entry = random.uniform(0.3, 0.7, 2) * area
    for visit in range(config.departures + 1):
        last = visit == config.departures
        exit_ = random.uniform(0.3, 0.7, 2) * area if last else beyond(area, size, random)
        corners = np.stack([entry, *random.uniform(0.2, 0.8, (2, 2)) * area, exit_])
        start = visit * (config.present + config.away)
        way[start:start + config.present] = bezier(corners, np.linspace(0, 1, config.present))
        exits.append(np.clip(exit_, 0, area))
        entry = beyond(area, size, random)
    return way, np.stack(exits[:-1])


def distractor_ways(config: DeparturesConfig, size: float, way: np.ndarray, exits: np.ndarray,
                    random: np.random.Generator) -> list[np.ndarray]:
    """Ways `[T, 2]` of the distractors, which rest for a moment amid each visit and each absence.

    Amid a visit they lie anywhere beside the target; amid an absence one of them, in turn, is where the target left.
    """
    area = np.array([config.width, config.height], float)
    period = config.present + config.away

    def place(free_of: np.ndarray | None) -> np.ndarray:
        at = area / 2
        for _ in range(DRAWS):
            at = random.uniform(INSET, area - INSET)
            if free_of is None or np.linalg.norm(at - free_of) >= APART * size:
                break
        return at

    times, stops = [], [[] for _ in range(config.distractors)]
    for visit in range(config.departures + 1):
        middle = visit * period + config.present // 2
        times.append(middle)
        for stop in stops:
            stop.append(place(way[middle]))
        if visit < config.departures:
            times.append(visit * period + config.present + config.away // 2)
            for number, stop in enumerate(stops):
                waits = number == visit % config.distractors
                stop.append(np.clip(exits[visit], INSET, area - INSET) if waits else place(None))
    return [eased(np.array(times), np.stack(stop), config.frames) for stop in stops]


def beyond(area: np.ndarray, size: float, random: np.random.Generator) -> np.ndarray:
    """`[2]` (x, y) px just outside one of the four edges of a frame of `area` (width, height)."""
    axis, far = random.integers(2), random.random() < 0.5
    place = random.uniform(0.25, 0.75, 2) * area
    place[axis] = area[axis] + size * 0.6 if far else -size * 0.6
    return place


def bezier(corners: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Points `[T, 2]` at `time` `[T]`, 0..1, of the cubic curve with the four control points `corners` `[4, 2]`."""
    t = time[:, None]
    return ((1 - t)**3 * corners[0] + 3 * t * (1 - t)**2 * corners[1] + 3 * t**2 * (1 - t) * corners[2]
            + t**3 * corners[3])


def eased(times: np.ndarray, stops: np.ndarray, frames: int) -> np.ndarray:
    """Points `[frames, 2]` of a way that rests at `stops` `[K, 2]` at `times` `[K]`, speeding up and slowing down."""
    number = np.clip(np.searchsorted(times, np.arange(frames), side="right") - 1, 0, len(times) - 2)
    part = np.clip((np.arange(frames) - times[number]) / (times[number + 1] - times[number]), 0, 1)
    part = (part * part * (3 - 2 * part))[:, None]
    return stops[number] * (1 - part) + stops[number + 1] * part
