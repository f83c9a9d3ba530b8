"""Value noise: random grids, smoothly enlarged and added up; the stuff that synthetic scenes are made of."""

from __future__ import annotations

import numpy as np


def value_noise(
    random: np.random.Generator, height: int, width: int, cell: float, octaves: int = 4
) -> np.ndarray:
    """Noise that repeats at its borders.

    Args:
      random: source of the grids.
      height, width: of the result, px.
      cell: distance of the coarsest grid's points, px; each further octave halves it, and its weight.
      octaves: number of grids; those finer than 2 px are left out.

    Returns:
      `[height, width]` float32 with values from 0 to 1, both reached.
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        size = cell / 2**octave
        if octave and size < 2:
            break
        grid = random.random((max(2, round(height / size)), max(2, round(width / size))), np.float32)
        total += 0.5**octave * _enlarge(_enlarge(grid, height).T, width).T
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def coloured_noise(
    random: np.random.Generator,
    height: int,
    width: int,
    cell: float,
    colours: np.ndarray,
    *,
    octaves: int = 4,
) -> np.ndarray:
    """`[height, width, 3]` float32 texture of a few colours (`[n, 3]`, 0..255) that fade into each other."""
    place = value_noise(random, height, width, cell, octaves) * (len(colours) - 1)
    floor = np.minimum(place.astype(np.intp), len(colours) - 2)
    part = (place - floor)[..., None]
    texture = colours[floor] * (1 - part) + colours[floor + 1] * part
    shade = 0.8 + 0.4 * value_noise(random, height, width, cell / 4, 2)
    return np.clip(texture * shade[..., None], 0, 255).astype(np.float32)


def sample_wrapped(texture: np.ndarray, top: float, left: float, height: int, width: int) -> np.ndarray:
    """Bilinear `[height, width, 3]` view of a repeating texture whose corner is at `(top, left)`, px."""
    rows = _lerp(texture, top, height)
    return _lerp(rows.swapaxes(0, 1), left, width).swapaxes(0, 1)


def _enlarge(grid: np.ndarray, size: int) -> np.ndarray:
    """Smoothstep interpolation of the rows of a wrapped grid, to `size` rows."""
    position = np.arange(size, dtype=np.float32) * (len(grid) / size)
    floor = position.astype(np.intp)
    part = position - floor
    part = (part * part * (3 - 2 * part))[:, None]
    return grid[floor] * (1 - part) + grid[(floor + 1) % len(grid)] * part


def _lerp(texture: np.ndarray, start: float, count: int) -> np.ndarray:
    floor = int(np.floor(start))
    part = np.float32(start - floor)
    index = np.arange(floor, floor + count + 1) % len(texture)
    taken = texture[index]
    return taken[:-1] * (1 - part) + taken[1:] * part
