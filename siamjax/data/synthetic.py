"""Synthetic videos: textured objects that move, grow, turn and occlude each other over a moving background.

The default data of tests, smoke runs and examples. Every frame is a pure function of (config, seed, video,
frame); nothing is read from files.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np

from siamjax.data.shapes import SHAPES, make_radius
from siamjax.data.textures import coloured_noise, sample_wrapped
from siamjax.errors import ConfigError

MOTIONS = ("still", "straight", "circle", "wave")
COLOURS = {
    "black": (0, 0, 0), "grey": (128, 128, 128), "white": (255, 255, 255), "red": (255, 0, 0), "green": (0, 255, 0),
    "blue": (0, 0, 255), "yellow": (255, 255, 0), "magenta": (255, 0, 255), "cyan": (0, 255, 255),
}
VOCABULARY = (*COLOURS, *SHAPES, "with", "spots")  # of descriptions
TEXTURE = 64  # px, side of an object's texture


@dataclasses.dataclass(frozen=True)
class SyntheticConfig:
    """What the videos are like.

    Attributes:
      videos, frames: number of videos, and of frames in each.
      height, width: of the frames, px.
      objects: in each video; later ones lie above earlier ones.
      min_size, max_size: diameter of the objects, px, before they grow and shrink.
      max_speed: of objects, px a frame; the background drifts at up to a quarter of it.
      max_spin: of objects, radians a frame.
      growth: objects grow and shrink by up to this factor, 1 for not at all.
      min_visible: an object of which less than this part can be seen counts as absent.
    """

    videos: int = 32
    frames: int = 24
    height: int = 240
    width: int = 320
    objects: int = 3
    min_size: float = 36.0
    max_size: float = 72.0
    max_speed: float = 4.0
    max_spin: float = 0.06
    growth: float = 1.3
    min_visible: float = 0.25

    def __post_init__(self):
        whole = (self.videos, self.frames, self.height, self.width, self.objects)
        if min(whole) < 1 or self.objects > 100:
            do = "use 1 or more of everything and 100 objects at most"
            raise ConfigError("a count is out of range", "SyntheticConfig", do)
        if not 4 <= self.min_size <= self.max_size <= min(self.height, self.width):
            sizes = f"objects of {self.min_size} to {self.max_size} px"
            raise ConfigError(sizes, "SyntheticConfig", "use 4 px to the shorter side of the frame")
        speeds = self.max_speed >= 0 and self.max_spin >= 0
        if not (speeds and self.growth >= 1 and 0 <= self.min_visible <= 1):
            do = "use growth of 1 or more, min_visible in 0..1, and speeds of 0 or more"
            raise ConfigError("growth, visibility or speed is out of range", "SyntheticConfig", do)


class Attributes(NamedTuple):
    """What an object is, in words."""

    shape: str
    colour: tuple[int, int, int]  # RGB, of the lightest and darkest parts of the texture: spots
    motion: str
    ground: tuple[int, int, int]  # RGB, of what lies between them: most of the object

    @property
    def description(self) -> str:
        """What can be seen of it in one frame, in words of `VOCABULARY`: "green star with red spots"."""
        return f"{colour_name(self.ground)} {self.shape} with {colour_name(self.colour)} spots"


def colour_name(colour: tuple[int, int, int]) -> str:
    """The nearest of `COLOURS` to an RGB colour."""
    return min(COLOURS, key=lambda name: float(np.square(np.subtract(COLOURS[name], colour, dtype=float)).sum()))


class Rendered(NamedTuple):
    """Some frames of a video.

    `images` `[T, H, W, 3]` uint8 RGB; `masks` `[T, K, H, W]` bool, the pixels of each object that can be
    seen; `boxes` `[T, K, 4]` float32 `xywh`, tight round the whole shape's pixels, hidden or outside the
    frame though some may be, NaN where the object counts as absent; `visible` `[T, K]`, the part seen.
    """

    images: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray
    visible: np.ndarray
    attributes: tuple[Attributes, ...]


def render(config: SyntheticConfig, seed: int, frames: int | None = None, *, video: int = 0) -> Rendered:
    """Renders the first frames (by default all) of one video with everything that is known of it."""
    scene = Scene(config, seed, video)
    numbers = range(config.frames if frames is None else frames)
    layouts = [scene.layout(number) for number in numbers]
    return Rendered(
        np.stack([scene.image(number) for number in numbers]),
        np.stack([layout.boxes for layout in layouts]),
        np.stack([layout.labels[None] == np.arange(config.objects)[:, None, None] for layout in layouts]),
        np.stack([layout.visible for layout in layouts]),
        tuple(item.attributes for item in scene.items),
    )


def make_tracks(config: SyntheticConfig | None = None, *, seed: int = 0) -> list[SyntheticTrack]:
    """Tracks of all objects of all videos, for `data.pipeline`; frames are rendered when they are read."""
    config = config or SyntheticConfig()
    scenes = [Scene(config, seed, video) for video in range(config.videos)]
    return [SyntheticTrack(scene, number) for scene in scenes for number in range(config.objects)]


@dataclasses.dataclass(frozen=True, eq=False)
class SyntheticTrack:
    """A `data.sequences.MaskedTrack` of one object of a scene."""

    scene: Scene
    number: int

    @property
    def name(self) -> str:
        return f"{self.group}/{self.number}"

    @property
    def group(self) -> str:
        return f"synthetic/{self.scene.video}"

    @property
    def category(self) -> str:
        return ""  # objects of one shape have nothing else in common

    @property
    def description(self) -> str:
        return self.scene.items[self.number].attributes.description

    @property
    def boxes(self) -> np.ndarray:
        return self.scene.all_boxes[:, self.number]

    @property
    def size(self) -> tuple[int, int]:
        return self.scene.config.height, self.scene.config.width

    def key(self, number: int) -> Hashable:
        return self.scene.config, self.scene.seed, self.scene.video, number

    def read(self, number: int) -> np.ndarray:
        return self.scene.image(number)

    @property
    def masked(self) -> np.ndarray:
        return np.ones(self.scene.config.frames, bool)

    def mask(self, number: int) -> np.ndarray:
        """The pixels of the object that can be seen: its box goes round the whole of it."""
        return self.scene.layout(number).labels == self.number


class Layout(NamedTuple):
    """Where the objects of a frame are: `labels` `[H, W]` int8 the object seen at a pixel, -1 for none."""

    boxes: np.ndarray
    labels: np.ndarray
    visible: np.ndarray


class Outline(NamedTuple):
    """An object's shape in a frame: coverage `alpha` of a window, and where in the texture its pixels lie."""

    top: int
    left: int
    alpha: np.ndarray  # [h, w] float32 0..1
    u: np.ndarray  # [h, w] float32, -1..1 across the shape
    v: np.ndarray


class Scene:
    """One video: its objects and background, drawn from (seed, video)."""

    def __init__(self, config: SyntheticConfig, seed: int, video: int):
        self.config, self.seed, self.video = config, seed, video

    @functools.cached_property
    def items(self) -> list[Item]:
        return [make_item(self.config, self._random(1 + number)) for number in range(self.config.objects)]

    @functools.cached_property
    def background(self) -> tuple[np.ndarray, np.ndarray]:
        """`[h, w, 3]` float32 texture that repeats, and its drift `(y, x)`, px a frame."""
        random = self._random(0)
        colours = random.integers(30, 226, (3, 3)).astype(np.float32)
        cell = random.uniform(16, 64)
        texture = coloured_noise(random, 256, 320, cell, colours, octaves=5)
        limit = self.config.max_speed / 4
        return texture, random.uniform(-limit, limit, 2)

    @functools.cached_property
    def all_boxes(self) -> np.ndarray:
        """`[T, K, 4]` boxes of all frames."""
        return np.stack([self.layout(number).boxes for number in range(self.config.frames)])

    def image(self, number: int) -> np.ndarray:
        """`[H, W, 3]` uint8 RGB of a frame."""
        texture, drift = self.background
        top, left = drift * number
        canvas = sample_wrapped(texture, top, left, self.config.height, self.config.width)
        for item in self.items:
            outline = item.outline(number)
            rows, columns, inside = _clip(outline, canvas.shape[:2])
            if inside is not None:
                alpha = outline.alpha[inside][..., None]
                canvas[rows, columns] += alpha * (item.paint(outline, inside) - canvas[rows, columns])
        return np.rint(canvas).astype(np.uint8)

    def layout(self, number: int) -> Layout:
        """Boxes, visible pixels and visible parts of all objects in a frame."""
        config = self.config
        labels = np.full((config.height, config.width), -1, np.int8)
        boxes = np.empty((config.objects, 4), np.float32)
        areas = np.empty(config.objects)
        for index, item in enumerate(self.items):
            outline = item.outline(number)
            solid = outline.alpha >= 0.5
            ys, xs = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
            left, top = outline.left + xs[0], outline.top + ys[0]
            boxes[index] = left, top, xs[-1] - xs[0] + 1, ys[-1] - ys[0] + 1
            areas[index] = solid.sum()
            rows, columns, inside = _clip(outline, labels.shape)
            if inside is not None:
                labels[rows, columns][solid[inside]] = index
        seen = np.bincount(labels.ravel() + 1, minlength=config.objects + 1)[1:]
        visible = (seen / areas).astype(np.float32)
        boxes[visible < max(config.min_visible, 1e-9)] = np.nan
        return Layout(boxes, labels, visible)

    def _random(self, part: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.video, part])


@dataclasses.dataclass(frozen=True, eq=False)
class Item:
    """One object; its place, size and angle are closed forms of the frame's number."""

    attributes: Attributes
    texture: np.ndarray  # [TEXTURE, TEXTURE, 3] float32
    radius: np.ndarray  # [n] float32, the outline's distance from the centre over the angle, 1 at most
    aspect: float
    size: float
    growth: float
    rhythm: float  # radians a frame, of growth and of swinging motions
    phase: float
    angle: float
    spin: float
    start: np.ndarray  # [2] (x, y) px
    velocity: np.ndarray  # [2] (x, y) px a frame
    area: np.ndarray  # [2] (x, y) px that the centre stays within

    def centre(self, number: int) -> np.ndarray:
        """`[2]` (x, y) px."""
        speed = float(np.hypot(*self.velocity))
        swing = self.rhythm * number + self.phase
        place = self.start.copy()
        if self.attributes.motion == "straight":
            place += self.velocity * number
        elif self.attributes.motion == "circle":
            place += speed / self.rhythm * np.array([np.cos(swing), np.sin(swing)])
        elif self.attributes.motion == "wave":
            aside = np.array([-self.velocity[1], self.velocity[0]])
            place += 0.7 * (self.velocity * number + aside / self.rhythm * np.sin(swing))
        return self.area - np.abs(place % (2 * self.area) - self.area)  # reflected at the frame's borders

    def outline(self, number: int) -> Outline:
        """The object's shape in a frame, whole, wherever the frame ends."""
        x, y = self.centre(number)
        half = 0.5 * self.size * self.growth ** np.sin(self.rhythm * number + self.phase)
        angle = self.angle + self.spin * number
        reach = half + 1.5
        left, top = int(np.floor(x - reach)), int(np.floor(y - reach))
        side = np.arange(int(np.ceil(2 * reach)) + 1, dtype=np.float32) + 0.5
        dx, dy = (side + (left - x))[None].astype(np.float32), (side + (top - y))[:, None].astype(np.float32)
        cos, sin = np.float32(np.cos(angle) / half), np.float32(np.sin(angle) / half)
        u, v = cos * dx + sin * dy, (cos * dy - sin * dx) / np.float32(self.aspect)
        turn = np.arctan2(v, u) * np.float32(len(self.radius) / (2 * np.pi))
        limit = self.radius[turn.astype(np.intp) % len(self.radius)]
        alpha = np.clip((limit - np.hypot(u, v)) * np.float32(half * self.aspect) + 0.5, 0, 1)
        return Outline(top, left, alpha, u, v)

    def paint(self, outline: Outline, inside: tuple[slice, slice]) -> np.ndarray:
        """`[h, w, 3]` colours of the part `inside` of the outline's window, darker towards the rim."""
        u, v = outline.u[inside], outline.v[inside]
        place = [np.clip((w + 1) * (TEXTURE / 2), 0, TEXTURE - 1).astype(np.intp) for w in (v, u)]
        shade = 1.1 - 0.4 * np.minimum(u * u + v * v, 1)
        return np.clip(self.texture[place[0], place[1]] * shade[..., None], 0, 255)


def make_item(config: SyntheticConfig, random: np.random.Generator) -> Item:
    """Draws one object."""
    shape, motion = str(random.choice(SHAPES)), str(random.choice(MOTIONS))
    colour = random.integers(30, 256, 3)
    ground = random.integers(0, 256, 3)
    colours = np.stack([colour, ground, colour]).astype(np.float32)
    direction = random.uniform(0, 2 * np.pi)
    speed = 0.0 if motion == "still" else random.uniform(0.3, 1) * config.max_speed
    area = np.array([config.width, config.height], float)
    return Item(
        attributes=Attributes(shape, tuple(map(int, colour)), motion, tuple(map(int, ground))),  # type: ignore[arg-type]
        texture=coloured_noise(random, TEXTURE, TEXTURE, random.uniform(8, 24), colours, octaves=3),
        radius=make_radius(shape, random),
        aspect=random.uniform(0.6, 1),
        size=random.uniform(config.min_size, config.max_size),
        growth=random.uniform(1, config.growth),
        rhythm=random.uniform(0.08, 0.25),
        phase=random.uniform(0, 2 * np.pi),
        angle=random.uniform(0, 2 * np.pi),
        spin=random.uniform(-1, 1) * config.max_spin,
        start=random.uniform(0.1, 0.9, 2) * area,
        velocity=speed * np.array([np.cos(direction), np.sin(direction)]),
        area=area,
    )


def _clip(outline: Outline, shape: tuple[int, ...]) -> tuple[slice, slice, tuple[slice, slice] | None]:
    """Rows and columns of the frame that an outline's window covers, and the same in the window."""
    height, width = outline.alpha.shape
    top, left = max(0, outline.top), max(0, outline.left)
    bottom, right = min(shape[0], outline.top + height), min(shape[1], outline.left + width)
    rows, columns = slice(top, bottom), slice(left, right)
    if top >= bottom or left >= right:
        return rows, columns, None
    inside = slice(top - outline.top, bottom - outline.top), slice(left - outline.left, right - outline.left)
    return rows, columns, inside
