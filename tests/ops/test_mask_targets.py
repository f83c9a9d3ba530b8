"""Windows of masks and the cells that train: against the reference, and where the grid says they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.errors import ConfigError
from siamjax.ops import mask_targets

SIZES = {"size": 127, "stride": 8}


windows = jax.jit(mask_targets.windows, static_argnames=("grid", "size", "stride"))
positive_cells = jax.jit(mask_targets.positive_cells, static_argnums=(1, 2))


def every_cell(grid):
    return jnp.stack(jnp.meshgrid(jnp.arange(grid), jnp.arange(grid), indexing="ij"), axis=-1).reshape(-1, 2)


@pytest.mark.parametrize(("side", "name", "grid"), [(255, "base", 25), (143, "sharp", 3)])
def test_windows_are_the_references(golden, side, name, grid):
    g, cells = golden("geometry"), every_cell(grid)
    target = mask_targets.signed((jnp.asarray(g[f"masktarget/mask{side}"]) > 0).astype(jnp.float32))
    found = np.asarray(windows(target, cells, grid=grid, **SIZES))
    counts = np.stack([(found == value).sum((1, 2)) for value in (-1, 0, 1)], axis=-1)
    np.testing.assert_array_equal(counts.reshape(grid, grid, 3), g[f"masktarget/{name}_window_counts_neg_zero_pos"])
    for key in (key for key in g if key.startswith(f"masktarget/{name}_window_") and key[-1].isdigit()):
        row, column = map(int, key.split("_")[-2:])
        np.testing.assert_array_equal(found[row * grid + column], g[key], err_msg=key)


@pytest.mark.parametrize(("name", "grid"), [("base", 25), ("sharp", 3), ("val", 17)])
def test_cells_are_those_of_the_references_weights(golden, name, grid):
    g, checked = golden("geometry"), 0
    for key in (key for key in g if key.startswith(f"siammask_{name}/target/") and "/label_sampled" in key):
        weight = g[key.rsplit("/", 1)[0] + "/mask_weight_sampled"][0]
        cells, chosen = positive_cells(jnp.asarray(g[key].reshape(-1)), grid, 16)
        np.testing.assert_array_equal(cells[chosen], np.argwhere(weight == 1), err_msg=key)
        assert len(cells) == min(16, grid * grid)
        checked += 1
    assert checked > 0


@given(st.integers(0, 6), st.integers(0, 6), st.sampled_from([(7, 255 - 96), (7, 127), (3, 143), (4, 151)]))
def test_a_window_lies_round_its_cell(row, column, sizes):
    """Cells are a stride apart and the middle one, or the middle of the middle four, is that of the crop."""
    grid, side = sizes
    row, column = min(row, grid - 1), min(column, grid - 1)
    pixels = jnp.arange(side, dtype=jnp.float32)
    marked = jnp.stack([jnp.broadcast_to(axis, (side, side)) for axis in (pixels[:, None], pixels[None])]) + 1
    y, x = (windows(m, jnp.array([[row, column]]), grid=grid, **SIZES)[0] - 1 for m in marked)
    middle = (side - 1) / 2 + 8 * (np.array([row, column]) - (grid - 1) / 2)
    assert (y[63, 63], x[63, 63]) == tuple(middle)


def test_a_mask_is_where_more_than_half_is():
    np.testing.assert_array_equal(mask_targets.signed(jnp.array([0.0, 0.5, 0.501, 1])), [-1, -1, 1, 1])


def test_crop_that_does_not_fit_its_grid():
    for side in (144, 145):
        with pytest.raises(ConfigError, match="3 windows of 127 px"):
            mask_targets.windows(jnp.zeros((side, side)), jnp.zeros((1, 2), jnp.int32), 3, **SIZES)
