import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamjax.data.patches import context_mask, context_patch
from siamjax.ops.crops import context_side

Y, X = np.mgrid[:200, :300].astype(np.float32) + 0.5
# Linear in position, so bilinear sampling is exact but for the rounding to uint8.
RAMP = np.stack([X * 0.8, Y, 0 * X + 7], axis=-1).astype(np.float32)
IMAGE = np.rint(RAMP).astype(np.uint8)
MEAN = IMAGE.mean(axis=(0, 1))

boxes = st.tuples(st.floats(-20, 280), st.floats(-20, 180), st.floats(5, 200), st.floats(5, 200))


def cut(box, size=191, image=IMAGE):
    return context_patch(image, np.float32(box), image.mean(axis=(0, 1)), size=size)


@settings(deadline=None)
@given(boxes)
def test_patch_shows_the_object_in_the_middle_at_the_right_scale(box):
    size = 191
    patch, new = cut(box, size)
    assert patch.shape == (size, size, 3)
    np.testing.assert_allclose(new[:2] + new[2:] / 2, size / 2, atol=1e-3)
    np.testing.assert_allclose(context_side(*new[2:]), 127, rtol=1e-5)
    # Every patch pixel's centre, mapped back by the two boxes, has the ramp's value there.
    scale = box[2] / new[2]
    centres = np.arange(size) + 0.5
    x, y = box[0] + (centres - new[0]) * scale, box[1] + (centres - new[1]) * scale
    margin = max(1, 1.5 * scale)
    inside_x = (x > margin) & (x < 300 - margin)
    inside_y = (y > margin) & (y < 200 - margin)
    seen = patch[np.ix_(inside_y, inside_x)].astype(np.float32)
    np.testing.assert_allclose(seen[..., 0], np.broadcast_to(0.8 * x[inside_x], seen.shape[:2]), atol=1.1)
    np.testing.assert_allclose(seen[..., 1], np.broadcast_to(y[inside_y][:, None], seen.shape[:2]), atol=1.1)
    far_x, far_y = (x < -2 * margin) | (x > 300 + 2 * margin), (y < -2 * margin) | (y > 200 + 2 * margin)
    border = patch[far_y[:, None] | far_x[None]]
    np.testing.assert_array_equal(border, np.broadcast_to(np.rint(MEAN), border.shape))


def test_identity_where_the_exemplar_square_has_127_pixels():
    # a square of side a has context side 2a
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    patch, _ = cut((150 - 31.75, 100 - 31.75, 63.5, 63.5), 128, noise)
    np.testing.assert_array_equal(patch, noise[36:164, 86:214])


def test_fine_texture_is_averaged_and_not_aliased():
    odd = np.indices((400, 400)).sum(0) % 2
    checks = np.repeat((255 * odd).astype(np.uint8)[..., None], 3, axis=2)
    patch, _ = cut((100, 100, 200, 200), 127, checks)
    assert np.abs(patch[20:-20, 20:-20].astype(float) - 127.5).max() < 20  # single pixels would be 127 off


@pytest.mark.parametrize("box", [(100, 60, 90, 30), (120, 20, 20, 140), (-10, 150, 60, 80)])
def test_squeezed_patch_has_the_aspect_of_the_box(box):
    """The object is a square in it, and each axis is sampled at a scale of its own."""
    size = 200
    patch, new = context_patch(IMAGE, np.float32(box), MEAN, size=size, exemplar_size=128, context=0.2, squeezed=True)
    side = 128 / 1.4
    np.testing.assert_allclose(new, [100 - side / 2, 100 - side / 2, side, side], rtol=1e-6)
    centres = np.arange(size) + 0.5
    x, y = (box[axis] + (centres - new[axis]) * box[2 + axis] / side for axis in (0, 1))
    inside_x, inside_y = (x > 3) & (x < 297), (y > 3) & (y < 197)
    seen = patch[np.ix_(inside_y, inside_x)].astype(np.float32)
    np.testing.assert_allclose(seen[..., 0], np.broadcast_to(0.8 * x[inside_x], seen.shape[:2]), atol=1.3)
    np.testing.assert_allclose(seen[..., 1], np.broadcast_to(y[inside_y][:, None], seen.shape[:2]), atol=1.3)


def test_squeezed_mask_is_cut_as_its_image():
    mask = np.zeros((200, 300), bool)
    mask[50:80, 60:160] = True
    box, how = np.float32([60, 50, 100, 30]), {"size": 128, "exemplar_size": 128, "context": 0.2, "squeezed": True}
    levels = np.repeat(np.where(mask, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)
    cut = context_mask(mask, box, **how)
    np.testing.assert_array_equal(cut, context_patch(levels, box, np.zeros(3), **how)[0][..., 0])
    assert abs((cut > 127).mean() - (1 / 1.4) ** 2) < 0.02
