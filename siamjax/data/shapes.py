"""Outlines of synthetic objects: the distance of the rim from the centre, over the angle."""

from __future__ import annotations

import numpy as np

SHAPES = ("ellipse", "polygon", "star", "blob")
STEPS = 720  # angles at which an outline is kept


def make_radius(shape: str, random: np.random.Generator) -> np.ndarray:
    """`[STEPS]` float32 radii, 1 the largest, of one of `SHAPES`; corners and bumps are drawn."""
    angle = np.arange(STEPS) * (2 * np.pi / STEPS)
    if shape == "ellipse":
        radius = np.ones(STEPS)
    elif shape == "polygon":
        radius = _polygon(angle, int(random.integers(3, 7)))
    elif shape == "star":
        points = int(random.integers(4, 7))
        inner = random.uniform(0.4, 0.6)
        # Straight edges between points and notches, in polar form: a line through (0, 1) and (half, inner).
        half = np.pi / points
        offset = np.abs((angle + half) % (2 * half) - half)
        radius = inner * np.sin(half) / (inner * np.sin(half - offset) + np.sin(offset))
    else:
        waves = np.arange(2, 6)[:, None]
        bumps = random.uniform(-0.5, 0.5, (4, 1)) / waves
        radius = 1 + (bumps * np.cos(waves * angle + random.uniform(0, 2 * np.pi, (4, 1)))).sum(axis=0)
    return (radius / radius.max()).astype(np.float32)


def _polygon(angle: np.ndarray, corners: int) -> np.ndarray:
    half = np.pi / corners
    return np.cos(half) / np.cos(angle % (2 * half) - half)
