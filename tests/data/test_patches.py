import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamjax.data.patches import context_mask, context_patch, mean_colour
from siamjax.ops.crops import context_side

Y, X = np.mgrid[:200, :300].astype(np.float32) + 0.5
# Linear in position, so bilinear sampling is exact but for the rounding to uint8.
RAMP = np.stack([X * 0.8, Y, 0 * X + 7], axis=-1).astype(np.float32)
IMAGE = np.rint(RAMP).astype(np.uint8)
MEAN = IMAGE.mean(axis=(0, 1))

boxes = st.tuples(st.floats(-20, 280), st.floats(-20, 180), st.floats(5, 200), st.floats(5, 200))


def cut(box, size=191, image=IMAGE):
    return context_patch(image, np.float32(box), size=size)


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
    patch, new = context_patch(IMAGE, np.float32(box), size=size, exemplar_size=128, context=0.2, squeezed=True)
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
    np.testing.assert_array_equal(cut, context_patch(levels, box, colour=np.zeros(3, np.uint8), **how)[0][..., 0])
    assert abs((cut > 127).mean() - (1 / 1.4) ** 2) < 0.02


def reference_patch(image, box, size):
    """`context_patch` where it shrinks by 2 or more, by NumPy's own means."""
    side = context_side(*box[2:])
    step = int(side / 127)
    edge = np.float64(box[:2]) + np.float64(box[2:]) / 2 - size * side / 127 / 2
    origin = np.floor(edge).astype(int) - step
    cells = int(np.ceil(size * side / 127 / step)) + 4
    rows, columns = (np.arange(origin[axis], origin[axis] + cells * step) for axis in (1, 0))
    inside = ((rows >= 0) & (rows < len(image)))[:, None] & (columns >= 0) & (columns < image.shape[1])
    clipped = image[rows.clip(0, len(image) - 1)[:, None], columns.clip(0, image.shape[1] - 1)]
    canvas = np.where(inside[..., None], clipped, np.rint(image.mean(axis=(0, 1))).astype(np.uint8))
    means = canvas.reshape(cells, step, cells, step, 3).mean(axis=(1, 3), dtype=np.float32)
    for axis in (0, 1):
        position = (edge[1 - axis] - origin[1 - axis] + (np.arange(size) + 0.5) * side / 127) / step - 0.5
        first = np.floor(position).astype(int)
        weight = np.float32(position - first).reshape([-1 if axis == n else 1 for n in range(3)])
        low, high = means.take(first, axis), means.take(first + 1, axis)
        means = low + (high - low) * weight
    return np.rint(means).astype(np.uint8)


@pytest.mark.parametrize("box", [(300, 200, 160, 170), (-40, 330, 150, 220), (500, 100, 330, 300)])
def test_means_of_blocks_and_of_the_image_are_numpys_to_the_bit(box):
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    patch, _ = cut(box, 161, noise)
    np.testing.assert_array_equal(patch, reference_patch(noise, np.float32(box).astype(float), 161))
    np.testing.assert_array_equal(mean_colour(noise), noise.mean(axis=(0, 1), dtype=np.float64))


@pytest.mark.parametrize("size", [287, 467])
@pytest.mark.parametrize("shape", [(40, 90), (63.5, 63.5)])
def test_a_crop_that_was_cut_before_is_copied(size, shape):
    """Its box is rounded to float32, and no pixel is mixed for that."""
    crop = np.random.default_rng(2).integers(0, 256, (511, 511, 3), dtype=np.uint8)
    sides = np.array(shape) * 127 / context_side(*shape)
    patch, _ = cut((*(511 / 2 - sides / 2), *sides), size, crop)
    rim = (511 - size) // 2
    np.testing.assert_array_equal(patch, crop[rim:-rim, rim:-rim])
