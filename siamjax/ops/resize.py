"""Up-sampling of response maps as OpenCV does it."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from siamjax.types import Array, Float, Int

CUBIC_A = -0.75  # OpenCV's Keys kernel


def cubic_taps(source: int, target: int) -> tuple[Int[np.ndarray, "{target} 4"], Float[np.ndarray, "{target} 4"]]:
    """Tap indices and float32 weights, `[target, 4]` each, of a cubic resize along one axis."""
    x = ((np.arange(target) + 0.5) * (source / target) - 0.5).astype(np.float32)
    floor = np.floor(x).astype(np.int64)
    f = (x - floor).astype(np.float32)
    a = np.float32(CUBIC_A)
    near, far = f + 1, 1 - f
    weights = np.stack([
        ((a * near - 5 * a) * near + 8 * a) * near - 4 * a,
        ((a + 2) * f - (a + 3)) * f * f + 1,
        ((a + 2) * far - (a + 3)) * far * far + 1,
    ], axis=-1).astype(np.float32)
    last = (np.float32(1) - weights.sum(-1, dtype=np.float32))[:, None]
    index = np.clip(floor[:, None] + np.arange(-1, 3), 0, source - 1)  # replicated border
    return index, np.concatenate([weights, last], axis=-1)


def cubic(response: Float[Array, "*N R R"], size: int) -> Float[Array, "*N {size} {size}"]:
    """Resizes maps `[..., R, R]` to `[..., size, size]`, float32, bicubic with a = -0.75, border replicated.

    The taps are summed in OpenCV's order, columns first: neighbouring cells near a peak differ by 1e-7, so
    another order of summation moves the arg-max.
    """
    index, weights = cubic_taps(response.shape[-1], size)

    def along(x, axis):
        shape = [1] * x.ndim
        shape[axis] = size
        taps = [jnp.take(x, index[:, k], axis=axis) * weights[:, k].reshape(shape) for k in range(4)]
        return ((taps[0] + taps[1]) + taps[2]) + taps[3]

    return along(along(response.astype(jnp.float32), response.ndim - 1), response.ndim - 2)
