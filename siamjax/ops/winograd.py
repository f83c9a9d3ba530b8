"""Winograd / Toom-Cook convolution F(2x2) for stride-1 kernels of 3x3 and 5x5, as batched matrix products.

A tile of 2x2 outputs of an r x r kernel is an (n x n)-point product, n = r + 1, instead of 4 r^2 ones: 16 in
place of 36 (3x3), 36 in place of 100 (5x5). Kernels are transformed once (`transform_kernel`); a call then
transforms the input tiles, does n^2 products `[T, C] @ [C, O]`, T tiles, and transforms back.
Source: Winograd 1980; Lavin and Gray 2016 (arXiv 1509.09308).
"""

from __future__ import annotations

import functools
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from siamjax.ops.lanes import as_batch
from siamjax.types import Array, Float

Kernel = TypeVar("Kernel", jax.Array, np.ndarray)
TILE = 2  # outputs a tile and axis; larger tiles need fewer products but round ten times worse
CACHE = 24 << 20  # bytes of tiles and products in work at a time: what a last-level cache holds
# Interpolation points, infinity besides. Their choice decides the rounding: for 5x5 the usual 0, ±1, ±2 has
# three times the error of these. All are dyadic, so that input and output transforms are exact in float32.
POINTS = {3: (0.0, 1.0, -1.0), 5: (0.0, 11 / 16, -11 / 16, 1.5, -1.5)}


@functools.cache
def transforms(size: int) -> tuple[Float[np.ndarray, "2 n"], Float[np.ndarray, "n {size}"], Float[np.ndarray, "n n"]]:
    """Float64 matrices of the 1D algorithm: output `[2, n]`, kernel `[n, size]`, input `[n, n]`.

    `output @ ((kernel @ g) * (input @ d))` is the valid correlation of `d` `[n]` with `g` `[size]`.
    """
    points, n = POINTS[size], size + TILE - 1

    def vandermonde(columns):
        infinity = np.eye(1, columns, columns - 1)
        return np.concatenate([np.vander(points, columns, increasing=True), infinity])

    output, kernel, inputs = vandermonde(TILE).T, vandermonde(size), np.zeros((n, n))
    for row in range(n):
        roots = points[:row] + points[row + 1:]
        polynomial = np.poly(roots)[::-1]
        scale = 2.0 ** -np.round(np.log2(np.abs(polynomial).max()))  # a power of two keeps both sides exact
        inputs[row, :len(polynomial)] = scale * polynomial
        divisor = np.prod([points[row] - p for p in roots]) if row < n - 1 else 1.0
        kernel[row] /= scale * divisor
    return output, kernel, inputs


def transform_kernel(kernel: Kernel) -> Kernel:
    """Maps `[r, r, C, O]` to `[n * n, C, O]`; numpy stays numpy and keeps its precision."""
    size, _, channels, features = kernel.shape
    matrix = transforms(size)[1]
    if isinstance(kernel, np.ndarray):
        return np.einsum("ai,bj,ijco->abco", matrix, matrix, kernel).reshape(-1, channels, features)
    matrix = jnp.asarray(matrix, kernel.dtype)
    out = jnp.einsum("ai,bj,ijco->abco", matrix, matrix, kernel, precision=lax.Precision.HIGHEST)
    return out.reshape(-1, channels, features)


@as_batch
def convolve(x: Float[Array, "B H W C"], transformed: Float[Array, "n C O"], *, padding: int = 0, dilation: int = 1,
             precision: lax.Precision = lax.Precision.HIGHEST) -> Float[Array, "B _ _ O"]:
    """Stride-1 convolution of `x` `[B, H, W, C]` with a transformed kernel `[n * n, C, O]`.

    Returns `[B, H + 2p - (r-1)d, W + 2p - (r-1)d, O]`, equal to the plain convolution up to rounding
    (largest difference about 1e-6 of the largest output for 3x3, 2e-6 for 5x5).
    """
    n = round(transformed.shape[0] ** 0.5)
    size, features = n - TILE + 1, transformed.shape[2]
    sides = [side + 2 * padding - (size - 1) * dilation for side in x.shape[1:3]]

    def some(images):
        tiles, grid = _input_tiles(_to_phases(images, dilation, padding), size)
        products = lax.dot_general(tiles, transformed, (((2,), (1,)), ((0,), (0,))), precision=precision)
        return _from_phases(_output(products, grid, size), dilation, sides)

    count = _chunk(len(x), (x.shape[3] + features) * sides[0] * sides[1], n)
    y = lax.map(some, x.reshape(-1, count, *x.shape[1:]))
    return y.reshape(-1, *sides, features)


def kernel_gradient(x: Float[Array, "B H W C"], dy: Float[Array, "B _ _ O"], size: int, *, padding: int = 0,
                    dilation: int = 1,
                    precision: lax.Precision = lax.Precision.HIGHEST) -> Float[Array, "{size} {size} C O"]:
    """Gradient `[r, r, C, O]` of a loss in the plain kernel, given `dy`, its gradient in the output."""
    n = size + TILE - 1

    def accumulate(total, pair):
        x, dy = pair
        tiles, grid = _input_tiles(_to_phases(x, dilation, padding), size)
        back = _output_adjoint(_to_phases(dy, dilation), grid, size)
        return total + lax.dot_general(tiles, back, (((1,), (1,)), ((0,), (0,))), precision=precision), None

    count = _chunk(len(x), (x.shape[3] + dy.shape[3]) * dy.shape[1] * dy.shape[2], n)
    total, _ = lax.scan(accumulate, jnp.zeros((n * n, x.shape[3], dy.shape[3]), dy.dtype),
                        (x.reshape(-1, count, *x.shape[1:]), dy.reshape(-1, count, *dy.shape[1:])))
    matrix = jnp.asarray(transforms(size)[1], dy.dtype)
    return jnp.einsum("ai,bj,abco->ijco", matrix, matrix, total.reshape(n, n, *total.shape[1:]),
                      precision=lax.Precision.HIGHEST)


def _chunk(batch: int, numbers: int, n: int) -> int:
    """How many images to do at a time, a divisor of `batch`: as many as stay in the cache, or one.

    Args:
      batch: images there are.
      numbers: outputs times the channels in and out, of one image.
      n: points a tile and axis.
    """
    image = 4 * numbers * (n / TILE) ** 2  # bytes of tiles and products
    return max(count for count in range(1, batch + 1)
               if batch % count == 0 and (count == 1 or count * image <= CACHE))


def _combine(row: np.ndarray, parts: list[Array]) -> Array:
    """Sum of `parts` with the coefficients of `row`, those that are not zero."""
    terms = [part if c == 1 else -part if c == -1 else part * np.float32(c)
             for c, part in zip(row, parts) if c]
    return functools.reduce(jnp.add, terms)


def _input_tiles(x: Array, size: int) -> tuple[Array, tuple[int, int, int]]:
    """Transformed tiles `[n * n, T, C]`, and their grid `(B, rows, columns)` with `T` the product."""
    batch, height, width, channels = x.shape
    rows, columns = (-(-(side - size + 1) // TILE) for side in (height, width))
    ends = [TILE * tiles + size - 1 - side for tiles, side in ((rows, height), (columns, width))]
    x = jnp.pad(x, ((0, 0), (0, ends[0]), (0, ends[1]), (0, 0)))  # to whole tiles
    matrix = transforms(size)[2]
    n = len(matrix)
    parts = [lax.slice_in_dim(x, i, i + TILE * (rows - 1) + 1, TILE, axis=1) for i in range(n)]
    # Stacking between the two axes keeps XLA from computing the first transform n times over.
    x = jnp.stack([_combine(row, parts) for row in matrix])
    parts = [lax.slice_in_dim(x, j, j + TILE * (columns - 1) + 1, TILE, axis=3) for j in range(n)]
    x = jnp.stack([_combine(row, parts) for row in matrix], axis=1)
    return x.reshape(n * n, -1, channels), (batch, rows, columns)


def _output(products: Array, grid: tuple[int, int, int], size: int) -> Array:
    """Products `[n * n, T, O]` to outputs `[B, 2 rows, 2 columns, O]`."""
    batch, rows, columns = grid
    matrix = transforms(size)[0]
    n = matrix.shape[1]
    products = products.reshape(n, n, *grid, -1)
    parts = [_combine(row, list(products)) for row in matrix]
    tiles = [jnp.stack([_combine(row, list(part)) for row in matrix], axis=3) for part in parts]
    return jnp.stack(tiles, axis=2).reshape(batch, TILE * rows, TILE * columns, -1)


def _output_adjoint(dy: Array, grid: tuple[int, int, int], size: int) -> Array:
    """Transpose of `_output`, with zeros for outputs beyond those of `dy`: to `[n * n, T, O]`."""
    batch, rows, columns = grid
    dy = jnp.pad(dy, ((0, 0), (0, TILE * rows - dy.shape[1]), (0, TILE * columns - dy.shape[2]), (0, 0)))
    dy = dy.reshape(batch, rows, TILE, columns, TILE, -1)
    matrix = transforms(size)[0].T
    parts = jnp.stack([_combine(row, [dy[:, :, i] for i in range(TILE)]) for row in matrix])
    tiles = jnp.stack([_combine(row, [parts[..., j, :] for j in range(TILE)]) for row in matrix], axis=1)
    return tiles.reshape(len(matrix) ** 2, -1, dy.shape[-1])


def _to_phases(x: Array, dilation: int, padding: int = 0) -> Array:
    """Zero-pads `[B, H, W, C]` and splits it by position modulo `dilation` d: `[d * d * B, H', W', C]`.

    A dilated convolution is a plain one on each phase.
    """
    d, (_, height, width, channels) = dilation, x.shape
    ends = [padding + -(side + 2 * padding) % d for side in (height, width)]
    x = jnp.pad(x, ((0, 0), (padding, ends[0]), (padding, ends[1]), (0, 0)))
    x = x.reshape(-1, x.shape[1] // d, d, x.shape[2] // d, d, channels).transpose(2, 4, 0, 1, 3, 5)
    return x.reshape(-1, *x.shape[3:])


def _from_phases(y: Array, dilation: int, sides: list[int]) -> Array:
    """Inverse of `_to_phases`, cut to `sides` (height, width)."""
    d, (_, height, width, channels) = dilation, y.shape
    y = y.reshape(d, d, -1, height, width, channels).transpose(2, 3, 0, 4, 1, 5)
    return y.reshape(-1, d * height, d * width, channels)[:, :sides[0], :sides[1]]
