"""Windows and choices that trackers share: pure, on arrays."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from siamjax.types import Array


def hann(size: int, *, normalised: bool = False) -> np.ndarray:
    """Cosine window `[size, size]` float32, zero at the rim; summing to 1 if `normalised`."""
    window = np.outer(np.hanning(size), np.hanning(size))
    return (window / window.sum() if normalised else window).astype(np.float32)


def scale_factors(count: int, step: float) -> tuple[float, ...]:
    """`step ** k` for `count` whole `k` around 0: the scale pyramid of SiamFC (SPEC 8.3)."""
    return tuple(float(step) ** k for k in range(-(count // 2), count // 2 + 1))


def first_argmax(values: Array) -> tuple[Array, ...]:
    """Index, along each axis, of the first largest element in C order (SPEC 8.4)."""
    return jnp.unravel_index(jnp.argmax(values), values.shape)
