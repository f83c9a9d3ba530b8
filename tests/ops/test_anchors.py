import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.errors import ConfigError
from siamjax.ops.anchors import AnchorConfig, base_sizes, decode, encode, make_anchors


def test_sides_are_cut_to_whole_strides():
    np.testing.assert_array_equal(base_sizes(AnchorConfig()), [(104, 32), (88, 40), (64, 64), (40, 80), (32, 96)])


@pytest.mark.parametrize(("config", "key"), [
    (AnchorConfig(), ""), (AnchorConfig(stride=16, scales=(8, 16)), "stride16_scales8_16_"),
    (AnchorConfig(scales=(4, 8)), "stride8_scales4_8_")])
def test_sides_are_the_references(golden, config, key):
    g = golden("geometry")
    corners = g["pysot/anchors_base_" + (key.rstrip("_") or "x1y1x2y2")]
    if len(config.ratios) * len(config.scales) != len(corners):
        config = AnchorConfig(config.stride, (0.5, 1, 2), config.scales)
    np.testing.assert_array_equal(base_sizes(config), corners[:, 2:] - corners[:, :2])


@pytest.mark.parametrize(("grid", "step"), [(17, 1), (21, 1), (25, 1), (97, 97)])
def test_grid_of_trackers(golden, grid, step):
    want = golden("geometry")[f"pysot/tracker_anchors_{grid}"]
    np.testing.assert_array_equal(make_anchors(AnchorConfig(), grid)[::step], want)


@pytest.mark.parametrize("grid", [17, 25])
def test_grid_of_training(golden, grid):
    want = golden("geometry")[f"pysot/all_anchors_cxcywh_{grid}"].reshape(4, -1).T
    np.testing.assert_array_equal(make_anchors(AnchorConfig(), grid, centre=255 // 2), want)


@pytest.mark.parametrize("grid", [17, 21, 25])
def test_decoded_boxes(golden, grid):
    g = golden("geometry")
    loc = g[f"decode_{grid}/loc"].reshape(4, -1).T
    np.testing.assert_allclose(decode(make_anchors(AnchorConfig(), grid), jnp.asarray(loc)).T,
                               g[f"decode_{grid}/boxes_cxcywh"], rtol=1e-5, atol=1e-4)


@given(st.lists(st.floats(-200, 200), min_size=2, max_size=2), st.lists(st.floats(4, 400), min_size=2, max_size=2))
def test_decoding_undoes_encoding(centre, size):
    box = jnp.array([*centre, *size], jnp.float32)
    anchors = make_anchors(AnchorConfig(), 5)
    back = decode(anchors, encode(anchors, box[None]))
    np.testing.assert_allclose(back, np.tile(box, (len(anchors), 1)), rtol=1e-4, atol=1e-3)


def test_anchor_itself_is_no_difference():
    anchors = make_anchors(AnchorConfig(ratios=(1.0,)), 3)
    np.testing.assert_array_equal(encode(anchors, jnp.asarray(anchors)), np.zeros_like(anchors))


def test_side_of_the_grid():
    assert AnchorConfig().grid_of(5 * 17 * 17) == 17
    with pytest.raises(ConfigError, match="no square grid of 5"):
        AnchorConfig().grid_of(4 * 17 * 17)


@pytest.mark.parametrize("wrong", [{"ratios": ()}, {"scales": (0,)}, {"stride": 0}, {"ratios": (100.0,)}])
def test_settings_that_make_no_anchors(wrong):
    with pytest.raises(ConfigError, match="AnchorConfig"):
        AnchorConfig(**wrong)
