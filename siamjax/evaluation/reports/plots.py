"""Curves as inline SVG that takes its colours from the page, so that it reads on light and on dark."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

NUM_COLOURS = 8
LEFT, TOP, WIDTH, HEIGHT = 44, 12, 300, 210  # of the plotting area, in SVG units
DASHES = ("", "7 4", "2 3", "9 3 2 3")  # colours repeat after eight trackers, in another dash


@dataclasses.dataclass(frozen=True)
class Curve:
    """One line of a plot.

    Attributes:
      index: of the tracker, which is that of its colour in all plots.
      x, y: `[K]` points; y in 0..1.
    """

    index: int
    x: np.ndarray
    y: np.ndarray


def line_plot(title: str, description: str, x_label: str, y_label: str, curves: Sequence[Curve]) -> Markup:
    """An SVG of curves over a common x axis, y from 0 to 1; what lies above is drawn at 1.

    Args:
      title: heading, also read out by screen readers.
      description: what is to be seen, in a sentence, for those who cannot.
      x_label, y_label: names of the axes.
      curves: at least one; all on the same x range.
    """
    first, last = float(curves[0].x[0]), float(curves[0].x[-1])

    def at(x: float, y: float) -> str:
        across = LEFT + WIDTH * (x - first) / (last - first)
        return f"{across:.1f},{TOP + HEIGHT * (1 - min(y, 1.0)):.1f}"

    parts = [
        f'<svg class="plot" viewBox="0 0 {LEFT + WIDTH + 14} {TOP + HEIGHT + 46}" role="img" '
        f'aria-label="{escape(title)}: {escape(description)}">'
    ]
    for step in range(6):
        share = step / 5
        x, y = LEFT + WIDTH * share, TOP + HEIGHT * (1 - share)
        parts += [
            f'<path class="grid" d="M{LEFT} {y:.1f}h{WIDTH}M{x:.1f} {TOP}v{HEIGHT}"/>',
            f'<text class="tick end" x="{LEFT - 6}" y="{y + 4:.1f}">{share:.1f}</text>',
            f'<text class="tick middle" x="{x:.1f}" y="{TOP + HEIGHT + 16}">'
            f"{first + share * (last - first):g}</text>",
        ]
    middle = TOP + HEIGHT / 2
    parts += [
        f'<text class="axis middle" x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 38}">{escape(x_label)}</text>',
        f'<text class="axis middle" transform="rotate(-90 11 {middle})" x="11" y="{middle}">'
        f"{escape(y_label)}</text>",
    ]
    for curve in reversed(curves):  # the best lies on top
        points = " ".join(at(float(x), float(y)) for x, y in zip(curve.x, curve.y))
        parts.append(f'<polyline class="line {_paint(curve.index)} points="{points}"/>')
    return Markup("".join([*parts, "</svg>"]))


def swatch(index: int) -> Markup:
    """A short piece of a tracker's line, for legends."""
    return Markup('<svg class="swatch" viewBox="0 0 24 8" aria-hidden="true">'
                  f'<polyline class="line {_paint(index)} points="0,4 24,4"/></svg>')


def sparkline(overlaps: Sequence[np.ndarray], indices: Sequence[int], description: str) -> Markup:
    """A small SVG of overlaps over time, one line a tracker; gaps where the target is absent.

    Long sequences are thinned to 200 points, each the lowest of its stretch, so that no failure is hidden.

    Args:
      overlaps: `[T]` in 0..1, NaN where absent; one a tracker.
      indices: of the trackers' colours.
      description: for screen readers.
    """
    width, height = 200, 36
    parts = [
        f'<svg class="spark" viewBox="0 0 {width} {height + 2}" role="img" '
        f'aria-label="{escape(description)}">'
        f'<path class="grid" d="M0 1h{width}M0 {1 + height / 2:g}h{width}M0 {1 + height}h{width}"/>'
    ]
    for values, index in reversed(list(zip(overlaps, indices))):
        thinned = _lowest_of_stretches(values, 200)
        step = width / max(1, len(thinned) - 1)
        for start, run in _runs(thinned):
            points = [f"{(start + k) * step:.1f},{1 + height * (1 - y):.1f}" for k, y in enumerate(run)]
            points += points if len(points) == 1 else []
            parts.append(f'<polyline class="line thin {_paint(index)} points="{" ".join(points)}"/>')
    return Markup("".join([*parts, "</svg>"]))


def _paint(index: int) -> str:
    """The end of a class attribute, and a dash where colours repeat."""
    dash = DASHES[index // NUM_COLOURS % len(DASHES)]
    return f'c{index % NUM_COLOURS}"' + (f' stroke-dasharray="{dash}"' if dash else "")


def _lowest_of_stretches(values: np.ndarray, most: int) -> np.ndarray:
    if len(values) <= most:
        return values
    stretches = np.array_split(values, most)
    return np.array([np.nan if np.isnan(s).all() else np.nanmin(s) for s in stretches])


def _runs(values: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Start and values of each unbroken run of finite values."""
    finite = np.concatenate([[False], np.isfinite(values), [False]])
    starts, stops = np.flatnonzero(finite[1:] & ~finite[:-1]), np.flatnonzero(~finite[1:] & finite[:-1])
    return [(int(start), values[start:stop]) for start, stop in zip(starts, stops)]
