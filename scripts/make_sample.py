"""Renders the sample clip of the package: a dotted ball that rolls among balls much like it.

    python scripts/make_sample.py [--output siamjax/assets/sample] [--samples 8]

Everything in it is made here, by ray casting with numpy and the package's own noise; it is under the
project's licence. A pixel is the mean of `samples` rays at random places in it and random times while the
shutter is open, which gives soft edges and motion blur. Takes some minutes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path

import av
import numpy as np

from siamjax.data import textures

FRAMES, FPS, HEIGHT, WIDTH = 125, 25, 320, 480
FOCAL = 520.0  # px
SHUTTER = 0.5  # part of a frame's time
DOTS = 22  # on a dotted ball
WALL = 7.0  # m, distance of the wall from the camera's start
LIGHT = np.array([-0.45, 0.8, -0.4]) / np.linalg.norm([-0.45, 0.8, -0.4])  # from the ground towards the lamp
# Axes: x to the right, y up, z away from the camera; metres; the floor is y = 0.


@dataclasses.dataclass
class Ball:
    """A ball that rolls through `knots` `[n, 2]`, places (x, z) passed in equal times; `radius` in m.

    `colours` `[2, 3]`: of its sectors and their ground, or, where `sectors` is 0, of dots and theirs.
    """

    radius: float
    knots: np.ndarray
    colours: np.ndarray
    sectors: int
    seed: int

    def __post_init__(self):
        random = np.random.default_rng(self.seed)
        self.stains = textures.value_noise(random, 128, 256, 24, 5)
        self.times = np.linspace(0, FRAMES + 1, 8 * FRAMES)
        self.path = smooth_path(self.knots, self.times)
        self.turns = roll(self.path, self.radius, start=random.normal(size=(3, 3)))

    def at(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Centre `[3]` and orientation `[3, 3]` (world to ball) at a time in frames."""
        x, z = (np.interp(time, self.times, column) for column in self.path.T)
        index = int(np.clip(np.searchsorted(self.times, time), 0, len(self.times) - 1))
        return np.array([x, self.radius, z]), self.turns[index]

    def colour(self, normal: np.ndarray) -> np.ndarray:
        """`[N, 3]` surface colours 0..1 where the normals `[N, 3]`, in the ball's axes, point."""
        longitude = np.arctan2(normal[:, 2], normal[:, 0])
        if self.sectors:
            stripe = np.clip(np.sin(longitude * self.sectors / 2) * 12, -1, 1) * 0.5 + 0.5
            cap = np.clip((np.abs(normal[:, 1]) - 0.9) * 40, 0, 1)
            mix = (stripe * (1 - cap))[:, None]
        else:
            mix = np.clip(((normal @ spread_points(DOTS).T).max(axis=1) - 0.945) * 60 + 0.5, 0, 1)[:, None]
        colour = self.colours[0] * mix + self.colours[1] * (1 - mix)
        row = np.clip((normal[:, 1] * 0.5 + 0.5) * 127, 0, 127).astype(int)
        column = ((longitude / (2 * np.pi)) % 1 * 255).astype(int)
        return colour * (0.72 + 0.36 * self.stains[row, column])[:, None]


def spread_points(count: int) -> np.ndarray:
    """`[count, 3]` unit vectors spread evenly over the sphere, along a spiral of the golden angle."""
    y = 1 - (2 * np.arange(count) + 1) / count
    angle = np.arange(count) * np.pi * (3 - np.sqrt(5))
    return np.stack([np.sqrt(1 - y**2) * np.cos(angle), y, np.sqrt(1 - y**2) * np.sin(angle)], axis=1)


def smooth_path(knots: np.ndarray, times: np.ndarray) -> np.ndarray:
    """`[n, 2]` Catmull-Rom curve through the knots."""
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    place = np.clip(times / times[-1], 0, 1 - 1e-9) * (len(knots) - 1)
    index = place.astype(int)
    s = (place - index)[:, None]
    a, b, c, d = (padded[index + offset] for offset in range(4))
    return 0.5 * (2 * b + (c - a) * s + (2 * a - 5 * b + 4 * c - d) * s**2 + (3 * b - a - 3 * c + d) * s**3)


def roll(path: np.ndarray, radius: float, start: np.ndarray) -> np.ndarray:
    """`[n, 3, 3]` orientations of a ball that rolls along a path without slipping."""
    orientation = np.linalg.qr(start)[0]
    turns = [orientation]
    for dx, dz in np.diff(path, axis=0):
        angle = np.hypot(dx, dz) / radius
        axis = np.array([dz, 0, -dx]) / max(np.hypot(dx, dz), 1e-12)
        cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
        turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        orientation = orientation @ turn.T
        turns.append(orientation)
    return np.stack(turns)


class Room:
    """Planked floor, plastered wall with a skirting board."""

    def __init__(self, random: np.random.Generator):
        self.tint = random.uniform(0.75, 1.1, 64)
        self.shift = random.uniform(0, 500, 64)
        self.grain = textures.value_noise(random, 64, 1024, 10, 3) * 0.6
        self.grain += textures.value_noise(random, 64, 1024, 40, 5) * 0.4
        self.fine = textures.value_noise(random, 512, 512, 12, 3)
        self.plaster = textures.value_noise(random, 512, 512, 120, 7)

    def floor(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        plank = np.floor(z / 0.32).astype(int)
        across = z / 0.32 - plank
        shift = self.shift[plank % 64]
        grain = self.grain[(across * 63).astype(int), ((x * 60 + shift * 7) % 1023).astype(int)]
        fine = self.fine[((z * 900) % 511).astype(int), ((x * 90 + shift) % 511).astype(int)]
        board = np.floor(x / 1.7 + shift).astype(int)
        end = np.abs((x / 1.7 + shift) - np.round(x / 1.7 + shift)) * 1.7
        gap = np.minimum(np.minimum(across, 1 - across) * 0.32, end)
        light = self.tint[(plank * 7 + board * 13) % 64] * (0.62 + 0.42 * grain + 0.18 * fine)
        light *= 0.45 + 0.55 * np.clip(gap / 0.008, 0, 1)
        return np.array([0.62, 0.44, 0.28]) * light[:, None]

    def wall(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        plaster = self.plaster[((y * 160) % 511).astype(int), ((x * 160) % 511).astype(int)]
        colour = np.array([0.56, 0.63, 0.62]) * (0.8 + 0.28 * plaster)[:, None]
        board = (y < 0.22)[:, None]
        edge = ((y > 0.2) & (y < 0.22))[:, None]
        return np.where(board, np.where(edge, 0.45, 0.78) * (0.9 + 0.1 * plaster)[:, None], colour)


def camera(time: float) -> tuple[np.ndarray, np.ndarray]:
    """Place `[3]` and axes `[3, 3]` (rows right, up, ahead) of a camera held in the hand."""
    t = time / FPS
    place = np.array([0.10 * np.sin(0.9 * t) + 0.05 * t, 1.25 + 0.03 * np.sin(1.7 * t), -0.1 + 0.06 * t])
    yaw = 0.035 * np.sin(0.8 * t + 0.5) + 0.006 * np.sin(5.1 * t)
    pitch = -0.26 + 0.012 * np.sin(1.3 * t) + 0.004 * np.sin(6.3 * t + 1)
    tilt = 0.008 * np.sin(1.1 * t)
    ahead = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    right = np.cross([np.sin(tilt), np.cos(tilt), 0], ahead)
    right /= np.linalg.norm(right)
    return place, np.stack([right, np.cross(ahead, right), ahead])


def rays(columns: np.ndarray, rows: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Unit directions `[N, 3]` through image points, px."""
    local = np.stack([columns - WIDTH / 2, HEIGHT / 2 - rows, np.full_like(rows, FOCAL)], axis=-1)
    directions = local @ axes
    return directions / np.linalg.norm(directions, axis=-1, keepdims=True)


def hits(place: np.ndarray, directions: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """Distances `[N]` at which rays meet a ball, infinite where they miss."""
    to_centre = centre - place
    along = directions @ to_centre
    squared = along**2 - to_centre @ to_centre + radius**2
    return np.where((squared > 0) & (along > 0), along - np.sqrt(np.maximum(squared, 0)), np.inf)


def lamp(x, z):
    """Brightness of a near lamp at a place: its light falls off to the sides and to the back."""
    return 0.25 + 0.95 / (1 + 0.06 * ((x + 0.8) ** 2 + (z - 3) ** 2))


def shade(room: Room, balls: list[Ball], time: float, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Linear colours `[N, 3]`, 0..1, seen through image points at a time."""
    place, axes = camera(time)
    directions = rays(columns, rows, axes)
    states = [ball.at(time) for ball in balls]
    with np.errstate(divide="ignore"):
        to_floor = np.where(directions[:, 1] < 0, -place[1] / directions[:, 1], np.inf)
        to_wall = np.where(directions[:, 2] > 0, (WALL - place[2]) / directions[:, 2], np.inf)
    on_floor = to_floor < to_wall
    points = place + directions * np.minimum(to_floor, to_wall)[:, None]
    x, y, z = points.T
    colour = np.where(on_floor[:, None], room.floor(x, z), room.wall(x, y))
    light = lamp(x, z)
    for ball, (centre, _) in zip(balls, states):
        off = centre - points
        along = off @ LIGHT
        aside = np.sqrt(np.maximum((off**2).sum(-1) - along**2, 0)) / ball.radius
        softness = 0.15 + 0.25 * np.clip(along / ball.radius - 1, 0, 3)
        umbra = np.clip((1 + softness - aside) / (2 * softness), 0, 1) * (along > 0)
        contact = np.exp(-((off[:, 0] ** 2 + off[:, 2] ** 2) / ball.radius**2) * 1.6) * on_floor
        light *= (1 - 0.62 * umbra**1.5) * (1 - 0.6 * contact)
    colour = colour * light[:, None]
    nearest = np.minimum(to_floor, to_wall)
    for ball, (centre, turn) in zip(balls, states):
        distance = hits(place, directions, centre, ball.radius)
        seen = np.flatnonzero(distance < nearest)
        nearest[seen] = distance[seen]
        point = place + directions[seen] * distance[seen, None]
        normal = (point - centre) / ball.radius
        diffuse = np.clip(normal @ LIGHT, 0, 1)
        sky = 0.5 + 0.5 * normal[:, 1]
        mirror = directions[seen] - 2 * (directions[seen] * normal).sum(-1, keepdims=True) * normal
        gloss = np.clip(mirror @ LIGHT, 0, 1) ** 60
        rim = (1 - np.clip(-(directions[seen] * normal).sum(-1), 0, 1)) ** 4
        bounce = np.array([0.16, 0.11, 0.07]) * (1 - sky)[:, None]  # light from the wooden floor
        body = ball.colour(normal @ turn.T)
        direct = (0.16 + 0.9 * diffuse) * lamp(centre[0], centre[2]) + 0.16 * sky
        lit = body * (direct[:, None] + bounce)
        colour[seen] = lit + (0.55 * gloss + 0.12 * rim)[:, None]
    return colour


def picture(room: Room, balls: list[Ball], frame: int, samples: int) -> np.ndarray:
    """`[HEIGHT, WIDTH, 3]` uint8 RGB of a frame."""
    random = np.random.default_rng([7, frame])
    rows, columns = (grid.ravel().astype(float) for grid in np.mgrid[:HEIGHT, :WIDTH])
    total = np.zeros((HEIGHT * WIDTH, 3))
    for sample in range(samples):
        time = frame + SHUTTER * ((sample + 0.5) / samples - 0.5)
        dx, dy = random.random((2, rows.size))
        total += shade(room, balls, time, columns + dx, rows + dy)
    y, x = rows / HEIGHT - 0.5, columns / WIDTH - 0.5
    exposed = total / samples * (1.12 - 0.5 * (x**2 + y**2))[:, None]
    exposed = 1 - np.exp(-1.55 * np.clip(exposed, 0, None))  # film's shoulder
    coded = exposed ** (1 / 1.9) * 255 + random.normal(0, 1.2, (rows.size, 1))
    return np.clip(np.rint(coded), 0, 255).astype(np.uint8).reshape(HEIGHT, WIDTH, 3)


def box_of(ball: Ball, frame: int, fine: int = 8) -> tuple[np.ndarray, float]:
    """Box `xywh` of the whole ball, px, to 1/`fine` px, and its distance from the camera."""
    place, axes = camera(frame)
    centre, _ = ball.at(frame)
    x, y, z = axes @ (centre - place)
    reach = 1.3 * FOCAL * ball.radius / z + 2
    middle = np.array([WIDTH / 2 + FOCAL * x / z, HEIGHT / 2 - FOCAL * y / z])
    start = np.floor(middle - reach)
    grid = (np.arange(int(2 * reach * fine) + 1) + 0.5) / fine
    columns, rows = (axis.ravel() for axis in np.meshgrid(start[0] + grid, start[1] + grid))
    hit = np.isfinite(hits(place, rays(columns, rows, axes), centre, ball.radius)).reshape(len(grid), -1)
    ys, xs = np.flatnonzero(hit.any(axis=1)), np.flatnonzero(hit.any(axis=0))
    corner = start + np.array([xs[0], ys[0]]) / fine
    return np.array([*corner, (xs[-1] - xs[0] + 1) / fine, (ys[-1] - ys[0] + 1) / fine]), float(z)


def make_balls() -> list[Ball]:
    """The target first; the others look like it, and two cross its way."""
    red, white, blue = [0.80, 0.07, 0.06], [0.86, 0.84, 0.78], [0.07, 0.16, 0.62]
    yellow, green = [0.90, 0.62, 0.06], [0.08, 0.42, 0.16]

    def ball(radius, knots, colours, sectors, seed):
        return Ball(radius, np.array(knots, float), np.array(colours), sectors, seed)

    return [
        ball(0.25, [(-1.3, 4.5), (-0.75, 4.1), (-0.15, 3.6), (0.5, 3.2), (0.85, 3.5), (0.6, 4.2), (0.4, 3.9)],
             (white, red), 0, 1),
        ball(0.24, [(1.9, 4.1), (1.2, 4.4), (0.4, 4.8), (-0.6, 4.9), (-1.3, 4.4), (-1.4, 3.9)],
             (yellow, red), 6, 2),
        ball(0.26, [(-1.3, 2.9), (-0.75, 3.0), (-0.35, 3.05), (-0.2, 3.1), (-0.2, 3.1), (-0.2, 3.1)],
             (white, blue), 0, 3),
        ball(0.2, [(1.6, 5.9), (1.5, 5.8), (0.9, 5.7), (0.1, 5.7), (-0.8, 5.8), (-1.9, 5.9)],
             (red, white), 8, 4),
        ball(0.22, [(0.55, 5.6), (0.5, 5.5), (0.5, 5.5), (0.5, 5.5)], (green, yellow), 6, 5),
        ball(0.17, [(-1.9, 5.5), (-1.9, 5.5), (-1.8, 5.5), (-1.5, 5.4)], (blue, yellow), 4, 6),
    ]


def write(folder: Path, pictures: list[np.ndarray], boxes: np.ndarray) -> None:
    """Writes clip.mp4, groundtruth.txt and meta.json, each under its name only when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    movie = folder / "clip.partial.mp4"
    with av.open(str(movie), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "19", "preset": "veryslow"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for pixels in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    os.replace(movie, folder / "clip.mp4")
    lines = (",".join(f"{value:.3f}" for value in box) for box in boxes)
    meta = {
        "name": "sample", "frames": FRAMES, "width": WIDTH, "height": HEIGHT, "fps": FPS,
        "target": "red ball with white dots",
        "attributes": ["scale change", "rotation", "partial occlusion", "similar objects", "moving camera"],
        "convention": "box of the whole ball at the middle of the shutter's time, hidden parts included",
        "source": "rendered by scripts/make_sample.py", "licence": "Apache-2.0",
    }
    texts = {"groundtruth.txt": "\n".join(lines), "meta.json": json.dumps(meta, indent=1)}
    for name, text in texts.items():
        (folder / f"{name}.partial").write_text(text + "\n")
        os.replace(folder / f"{name}.partial", folder / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    package = Path(__file__).parents[1] / "siamjax"
    parser.add_argument("--output", type=Path, default=package / "assets" / "sample")
    parser.add_argument("--samples", type=int, default=8, help="rays a pixel")
    arguments = parser.parse_args()
    room, balls = Room(np.random.default_rng(3)), make_balls()
    boxes = np.stack([box_of(balls[0], frame)[0] for frame in range(FRAMES)])
    pictures = []
    for frame in range(FRAMES):
        pictures.append(picture(room, balls, frame, arguments.samples))
        print(f"\r{frame + 1} of {FRAMES} frames", end="", flush=True)
    write(arguments.output, pictures, boxes)
    print(f"\nwrote {arguments.output}")


if __name__ == "__main__":
    main()
