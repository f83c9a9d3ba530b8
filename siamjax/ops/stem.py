"""First layers with a large kernel, stride 2 and few channels, as matrix products on bands of rows.

XLA's CPU convolution has too few channels to work on there. A product `[positions, patch] @ [patch, O]` runs
well, but the patches of a whole image are thirty times its size; so they are built for a few rows of outputs
at a time and stay in the second-level cache. Measured at 255 px, 11x11, 3 to 96 channels: 0.75 of the time.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from siamjax.ops.lanes import as_batch
from siamjax.ops.shifted import taps
from siamjax.types import Array, Float

STRIDE = 2
BAND_ROWS = 4  # output rows a band


@as_batch
def convolve(x: Float[Array, "B H W C"], kernel: Float[Array, "k k C O"], *, padding: int = 0,
             precision: lax.Precision = lax.Precision.HIGHEST) -> Float[Array, "B _ _ O"]:
    """Stride-2 convolution of `x` `[B, H, W, C]` with `[k, k, C, O]`; returns `[B, H', W', O]`."""
    rows, columns = _output_sides(x, kernel.shape[0], padding)
    cut, bands = _bands(x, kernel.shape[0], padding)
    matrix = _matrix(kernel)
    y = lax.map(lambda index: jnp.matmul(cut(index), matrix, precision=precision),
                jnp.arange(len(x) * bands))
    return y.reshape(len(x), bands * BAND_ROWS, columns, -1)[:, :rows]


def kernel_gradient(x: Float[Array, "B H W C"], kernel: Float[Array, "k k C O"], dy: Float[Array, "B _ _ O"], *,
                    padding: int = 0, precision: lax.Precision = lax.Precision.HIGHEST) -> Float[Array, "k k C O"]:
    """Gradient of a loss in `kernel`, given `dy`, its gradient in the output."""
    rows, columns, features = dy.shape[1:]
    cut, bands = _bands(x, kernel.shape[0], padding)
    dy = jnp.pad(dy, ((0, 0), (0, bands * BAND_ROWS - rows), (0, 0), (0, 0)))
    dy = dy.reshape(len(x) * bands, BAND_ROWS * columns, features)

    def accumulate(total, band):
        index, dy = band
        return total + jnp.matmul(cut(index).T, dy, precision=precision), None

    matrix, back = jax.vjp(_matrix, kernel)
    total, _ = lax.scan(accumulate, jnp.zeros_like(matrix), (jnp.arange(len(dy)), dy))
    return back(total)[0]


def _output_sides(x: Array, size: int, padding: int) -> tuple[int, int]:
    height, width = ((side + 2 * padding - size) // STRIDE + 1 for side in x.shape[1:3])
    return height, width


def _space_to_depth(x: Array) -> Array:
    """Cells of 2 x 2 pixels become channels: `[B, H, W, C]` to `[B, H/2, W/2, 4 C]`."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, channels).swapaxes(2, 3)
    return x.reshape(batch, height // 2, width // 2, 4 * channels)


def _bands(x: Array, size: int, padding: int):
    """Function that cuts one band, and the number of bands an image.

    `cut(index)` gives the patches `[BAND_ROWS * W', K]` of band `index`, counted over images and then
    downwards. On cells of 2 x 2 pixels the stride is 1, and a patch consists of fewer and longer runs.
    """
    _, height, width, _ = x.shape
    rows, columns = _output_sides(x, size, padding)
    cells = -(-size // 2)
    bands = -(-rows // BAND_ROWS)
    tall, wide = bands * BAND_ROWS - 1 + cells, columns - 1 + cells
    # Negative at the end where no window reaches the last pixel.
    ends = [STRIDE * cells_along - side - padding for cells_along, side in ((tall, height), (wide, width))]
    x = lax.pad(x, jnp.zeros((), x.dtype),
                [(0, 0, 0), (padding, ends[0], 0), (padding, ends[1], 0), (0, 0, 0)])

    def cut(index):
        start = (index // bands, index % bands * BAND_ROWS * STRIDE, 0, 0)
        span = (1, (BAND_ROWS - 1 + cells) * STRIDE, wide * STRIDE, x.shape[3])
        # Band by band, though bands overlap: outside of the loop XLA fuses what made `x` (a tracker's crop,
        # gathers and all) into this change of layout, which then takes six times as long.
        band = _space_to_depth(lax.dynamic_slice(x, start, span))
        runs = [run for row in taps(band, 1, cells) for run in taps(row, 2, cells)]
        return jnp.concatenate(runs, axis=3).reshape(BAND_ROWS * columns, -1)

    return cut, bands


def _matrix(kernel: Array) -> Array:
    """`[k, k, C, O]` to the `[K, O]` that a patch is multiplied with."""
    odd = kernel.shape[0] % 2
    kernel = jnp.pad(kernel, ((0, odd), (0, odd), (0, 0), (0, 0)))
    return _space_to_depth(kernel.transpose(3, 0, 1, 2)).transpose(1, 2, 3, 0).reshape(-1, kernel.shape[3])
