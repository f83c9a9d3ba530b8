"""Embeddings as points on a plane, a PNG: the two directions in which they differ most, coloured by object."""

from __future__ import annotations

import io
from collections.abc import Sequence as Listing

import numpy as np

COLOURED = 12  # objects; the others are grey
POINTS = 1200
MARKERS = ("o", "^")  # of the first and of the second side


def principal_plane(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates `[N, 2]` of embeddings `[N, D]` along their first two principal axes, and these axes' shares `[2]`.

    The sign of an axis is such that its largest part is positive, so that equal data gives equal plots.
    """
    centred = np.asarray(embeddings, np.float64) - np.mean(embeddings, axis=0, dtype=np.float64)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = np.concatenate([axes, np.zeros((2, axes.shape[1]))])[:2]  # of a single number there is one axis
    axes *= np.where(axes[np.arange(2), np.abs(axes).argmax(1)] < 0, -1.0, 1.0)[:, None]
    power = np.concatenate([sizes**2, np.zeros(2)])
    return centred @ axes.T, power[:2] / max(power.sum(), np.finfo(np.float64).tiny)


def draw(sides: tuple[np.ndarray, np.ndarray], objects: np.ndarray, names: Listing[str], *, apart: bool) -> bytes:
    """The plot, as the bytes of a PNG.

    Args:
      sides: embeddings `[N, D]` of both sides of `N` pairs.
      objects: `[N, 2]` numbers of what they show.
      names: of the objects, by number.
      apart: the second side is of another kind, and gets another marker.
    """
    # Here, since it takes half a second to import and no other command needs it.
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    places, shares = principal_plane(np.concatenate(sides))
    shown, side = objects.T.reshape(-1), np.repeat([0, 1], len(objects))
    chosen = np.concatenate([np.arange(len(objects))[:POINTS // 2] + start for start in (0, len(objects))])
    places, shown, side = places[chosen], shown[chosen], side[chosen]
    numbers, counts = np.unique(shown, return_counts=True)
    coloured = numbers[np.argsort(-counts, kind="stable")[:COLOURED]].tolist()
    figure = Figure(figsize=(8.4, 5.2), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for number in (0, 1):
        marker = MARKERS[number * apart]
        rest = (side == number) & ~np.isin(shown, coloured)
        axes.scatter(*places[rest].T, s=9, c="#c4c8cd", marker=marker, linewidths=0)
        for place, one in enumerate(coloured):
            own = (side == number) & (shown == one)
            axes.scatter(*places[own].T, s=20, color=colormaps["tab20"](place), marker=marker, linewidths=0,
                         label=_plain(names[int(one)]) if number == 0 else None)
    if len(coloured) < len(numbers):
        axes.scatter([], [], s=9, c="#c4c8cd", label=f"{len(numbers) - len(coloured)} more")
    axes.set_xlabel(f"first principal axis, {shares[0]:.0%} of the variance")
    axes.set_ylabel(f"second, {shares[1]:.0%}")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _plain(name: str) -> str:
    """A name that matplotlib takes for nothing else: `$` begins a formula there, and `_` hides an entry."""
    return " " + name.replace("$", r"\$")
