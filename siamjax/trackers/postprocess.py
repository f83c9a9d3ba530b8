"""Windows and choices that trackers share: pure, on arrays."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from siamjax.errors import ConfigError
from siamjax.types import Array, Float, Int, Real

WIDEST = 4096  # cells of a response a side; SiamFC's has 272


def hann(size: int, *, normalised: bool = False) -> Float[np.ndarray, "{size} {size}"]:
    """Cosine window `[size, size]` float32, zero at the rim; summing to 1 if `normalised`.

    Raises:
      ConfigError: it is wider than any response; it is made where a step is traced, before memory is looked at.
    """
    if size > WIDEST:
        raise ConfigError(f"a response of {size} cells a side", "window", "use a smaller search_size or upsampling, "
                                                                         f"for {WIDEST} cells at most")
    window = np.outer(np.hanning(size), np.hanning(size))
    return (window / window.sum() if normalised else window).astype(np.float32)


def scale_factors(count: int, step: float) -> tuple[float, ...]:
    """`step ** k` for `count` whole `k` around 0: the scale pyramid of SiamFC."""
    return tuple(float(step) ** k for k in range(-(count // 2), count // 2 + 1))


def first_argmax(values: Real[Array, "..."]) -> tuple[Int[Array, ""], ...]:
    """Index, along each axis, of the first largest element in C order."""
    return jnp.unravel_index(jnp.argmax(values), values.shape)


def padded_side(size: Float[Array, "*N 2"]) -> Float[Array, "*N"]:
    """Side of the context square of boxes of `size` `[..., 2]` (w, h), as PySOT's penalty takes it."""
    margin = jnp.sum(size, axis=-1) / 2
    return jnp.sqrt((size[..., 0] + margin) * (size[..., 1] + margin))


def change_penalty(sizes: Float[Array, "N 2"], size: Float[Array, "2"],
                   penalty_k: Float[Array, ""]) -> Float[Array, " N"]:
    """Penalty `[N]`, 0..1, on boxes whose scale or aspect is unlike that of the last frame.

    Args:
      sizes: (w, h) of the proposals.
      size: (w, h) of the target, in the same unit.
      penalty_k: how steeply it falls.
    Source: SiamRPN (Li et al. 2018), equation 14; PySOT, pysot/tracker/siamrpn_tracker.py.
    """
    def change(ratio):
        return jnp.maximum(ratio, 1 / ratio)

    scale = change(padded_side(sizes) / padded_side(size))
    aspect = change((size[0] / size[1]) / (sizes[:, 0] / sizes[:, 1]))
    return jnp.exp(-(scale * aspect - 1) * penalty_k)


def log_odds(probability: Float[Array, "*N"]) -> Float[Array, "*N"]:
    """Logits of probabilities, those nearer than 1e-6 to 0 or 1 as if they were at that: float32 has no more."""
    p = jnp.clip(probability, 1e-6, 1 - 1e-6)
    return jnp.log(p) - jnp.log1p(-p)
