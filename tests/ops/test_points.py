"""Points of an anchor-free net, and boxes by the distances of their sides."""

from __future__ import annotations

import numpy as np
import pytest

from siamjax.errors import ConfigError
from siamjax.ops.points import PointConfig, boxes_of, make_points


@pytest.mark.parametrize(("grid", "first"), [(16, -128), (15, -112), (1, 0)])
def test_the_middle_cell_is_at_the_middle(grid, first):
    points = make_points(PointConfig(16), grid)
    assert points.shape == (grid * grid, 2)
    np.testing.assert_array_equal(points[0], [first, first])
    np.testing.assert_array_equal(points[grid // 2 * grid + grid // 2], [0, 0])
    if grid > 1:
        np.testing.assert_array_equal(points[1], [first + 16, first])  # x runs first


def test_sides_are_where_the_distances_say():
    points, distances = np.float32([[10, 20]]), np.float32([[1, 2, 3, 4]])
    x, y, w, h = np.asarray(boxes_of(points, distances))[0]
    assert (x - w / 2, y - h / 2, x + w / 2, y + h / 2) == (9, 18, 13, 24)


def test_proposals_are_finite_whatever_a_net_says():
    wild = np.float32([[1e9, -1e9, 50, -50]] * 4)
    assert np.isfinite(PointConfig().proposals(wild)).all()


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="stride"):
        PointConfig(0)
    with pytest.raises(ConfigError, match="square"):
        PointConfig().grid_of(15)
