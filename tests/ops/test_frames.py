import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.errors import SourceError
from siamjax.ops import frames


def test_grey_alpha_and_16_bit_become_rgb8():
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (5, 7), dtype=np.uint8)
    rgb = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, (5, 7, 1), dtype=np.uint8)
    tripled = np.stack([grey] * 3, axis=-1)
    for image, expected in [
        (grey, tripled),
        (grey[..., None], tripled),
        (np.concatenate([grey[..., None], alpha], -1), tripled),
        (rgb, rgb),
        (np.concatenate([rgb, alpha], -1), rgb),
        (grey.astype(np.uint16) * 257, tripled),
        (grey > 127, np.where(tripled > 127, 255, 0)),
    ]:
        converted = frames.to_rgb8(image)
        assert converted.dtype == np.uint8
        np.testing.assert_array_equal(converted, expected)


def test_16_bit_is_rounded_like_the_exact_scaling():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(frames.to_rgb8(values)[..., 0], np.rint(values * (255 / 65535)))


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.zeros((4, 4, 5), np.uint8), r"\(4, 4, 5\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"\(2, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), "4x0"),
    ],
)
def test_what_is_no_image_is_refused(image, says):
    with pytest.raises(SourceError, match=says):
        frames.to_rgb8(image, where="frame 3")


@given(st.integers(1, 4000), st.integers(1, 4000))
def test_bucket_is_the_smallest_multiple_that_fits(height, width):
    for side, padded in zip((height, width), frames.bucket(height, width)):
        step = 64 if side <= 512 else 128
        assert padded % step == 0
        assert side <= padded < side + step


@given(st.integers(1, 200), st.integers(1, 200))
def test_pad_keeps_the_pixels_and_says_where_they_end(height, width):
    pixels = np.full((height, width, 3), 7, np.uint8)
    frame = frames.pad(pixels)
    assert frame.pixels.shape == (*frames.bucket(height, width), 3)
    np.testing.assert_array_equal(frame.extent, [height, width])
    np.testing.assert_array_equal(frame.pixels[:height, :width], pixels)
    assert frame.pixels.sum(dtype=np.int64) == pixels.sum(dtype=np.int64)
    assert frame.valid


def test_pad_refuses_what_does_not_fit():
    with pytest.raises(SourceError, match="65x20"):
        frames.pad(np.zeros((20, 65, 3), np.uint8), (64, 64))


def test_blank_is_invalid_and_keeps_the_extent():
    frame = frames.blank((64, 128), (50, 100))
    assert frame.pixels.shape == (64, 128, 3)
    assert not frame.valid
    np.testing.assert_array_equal(frame.extent, [50, 100])
