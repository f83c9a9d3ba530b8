"""Crops against OpenCV's: windows, padding and both resamplings (golden crops.npz)."""

from __future__ import annotations

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamjax.ops import crops
from siamjax.types import Frame

# By default every fourth of the 24 recorded crops.
CASES = [case if case % 4 == 0 else pytest.param(case, marks=pytest.mark.slow) for case in range(24)]
cut = jax.jit(crops.crop, static_argnames=("size", "rule", "resampling"))


def frame_of(pixels: np.ndarray, pad: int = 0) -> Frame:
    h, w = pixels.shape[:2]
    pixels = np.pad(pixels, ((0, pad), (0, pad), (0, 0)), constant_values=77)  # beyond the extent: never read
    return Frame(jnp.asarray(pixels), jnp.array([h, w]), jnp.array(True))


def golden_crop(golden, golden_frame, rule, case, resampling, pad=0):
    g = golden("crops")
    frame = frame_of(golden_frame(str(g["frame"][case])), pad)
    siamfc = rule == "siamfc"
    side = np.float32(g["size"][case] + (0.3 if siamfc else 0))
    mean = crops.mean_colour(frame)
    return np.asarray(cut(frame, jnp.float32(g["pos_xy"][case]), side, int(g["out"][case]), mean,
                          rule=rule, resampling=resampling))


@pytest.mark.parametrize("rule", ["siamfc", "pysot", "siammask"])
@pytest.mark.parametrize("case", CASES)
def test_reference_resampling_equals_opencv_to_the_bit(golden, golden_frame, rule, case):
    ours = golden_crop(golden, golden_frame, rule, case, "reference")
    if rule != "siamfc":
        ours = ours[..., ::-1]  # recorded in BGR
    digest = hashlib.sha256(np.ascontiguousarray(ours.astype(np.uint8)).tobytes()).hexdigest()
    if rule == "siammask" and golden("crops")["siammask_equals_pysot"][case]:
        rule = "pysot"  # recorded once
    assert digest == str(golden("crops")[f"{rule}/{case:02d}/sha256"])


@pytest.mark.parametrize("rule", ["siamfc", "pysot"])
@pytest.mark.parametrize("case", CASES)
def test_float_resampling_is_within_a_grey_level(golden, golden_frame, rule, case):
    reference = golden_crop(golden, golden_frame, rule, case, "reference")
    ours = golden_crop(golden, golden_frame, rule, case, "float")
    assert np.abs(ours - reference).max() <= 1.0
    assert np.abs(ours - reference).mean() <= 0.3


@pytest.mark.parametrize("case", [0, 15, *(pytest.param(case, marks=pytest.mark.slow) for case in (3, 5, 11))])
def test_padding_the_frame_changes_nothing(golden, golden_frame, case):
    plain = golden_crop(golden, golden_frame, "siamfc", case, "float")
    np.testing.assert_array_equal(plain, golden_crop(golden, golden_frame, "siamfc", case, "float", pad=50))


def test_mean_colour_is_that_of_the_extent(golden, golden_frame):
    mean = crops.mean_colour(frame_of(golden_frame("bag_00"), pad=40))
    np.testing.assert_allclose(mean, golden("crops")["avg_rgb/bag_00"], rtol=1e-6)


def test_mean_colour_of_a_white_frame_does_not_overflow():
    frame = frame_of(np.full((2200, 4000, 3), 255, np.uint8))  # its sum passes int32
    np.testing.assert_allclose(crops.mean_colour(frame), 255, rtol=1e-6)


# Worked by hand.
@pytest.mark.parametrize(("size", "origin"), [(127, (-19, 12)), (255, (-78, -47)), (287, (-93, -62)),
                                             (831, (-344, -313))])
def test_pysot_windows_of_the_worked_example(size, origin):
    side = crops.context_side(41.0, 77.7)
    assert side == pytest.approx(117.27304677546329)
    corner, n = crops.window(jnp.array([40.3, 71.35]), jnp.float32(side * size / 127), "pysot")
    assert tuple(np.asarray(corner)) == origin
    assert int(n) == {127: 117, 255: 235, 287: 265, 831: 767}[size]


@pytest.mark.parametrize(("scale", "side", "origin"), [(1.0375**-1, 170, (-30, -28)), (1.0, 176, (-34, -30)),
                                                      (1.0375, 183, (-37, -34))])
def test_siamfc_windows_of_the_worked_example(scale, side, origin):
    corner, n = crops.window(jnp.array([54.0, 57.0]), jnp.float32(176.13301 * scale), "siamfc")
    assert (int(n), *np.asarray(corner)) == (side, *origin)


@settings(max_examples=25, deadline=None)
@given(dx=st.integers(-20, 20), dy=st.integers(-20, 20), side=st.integers(20, 90),
       x=st.floats(60, 80), y=st.floats(60, 80))
def test_a_shifted_frame_gives_the_same_crop(dx, dy, side, x, y):
    # A whole-pixel shift of content and centre together, away from the border, is not seen by the crop.
    pixels = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    border = jnp.zeros(3)
    centre = jnp.round(jnp.array([x, y]) * 4) / 4  # quarters add exactly in float32
    one = cut(frame_of(pixels), centre, jnp.float32(side / 2), 32, border)
    two = cut(frame_of(np.roll(pixels, (dy, dx), (0, 1))), centre + jnp.array([dx, dy], jnp.float32),
              jnp.float32(side / 2), 32, border)
    if abs(dx) % 2 == 0 and abs(dy) % 2 == 0:  # round half to even is shift invariant for even shifts only
        np.testing.assert_array_equal(one, two)
    else:
        pixel_off = float((centre[0] - (round(side / 2) - 1) / 2) % 1)
        pixel_off_y = float((centre[1] - (round(side / 2) - 1) / 2) % 1)
        if 0.5 not in (pixel_off, pixel_off_y):
            np.testing.assert_array_equal(one, two)


def test_identity_window_copies_the_pixels():
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    for resampling in ("float", "reference"):
        out = cut(frame_of(pixels), jnp.array([31.5, 31.5]), jnp.float32(64), 64, jnp.zeros(3),
                  resampling=resampling)
        np.testing.assert_array_equal(out, pixels)


def squeezed(pixels, origin, sides, size, resampling="reference"):
    return np.asarray(jax.jit(crops.resized, static_argnames=("size", "resampling"))(
        frame_of(pixels), jnp.array(origin), jnp.array(sides), size=size, colour=jnp.zeros(3), resampling=resampling))


@pytest.mark.parametrize("resampling", ["float", "reference"])
def test_a_squeezed_window_is_resized_along_each_side_by_itself(resampling):
    """A picture that only changes downwards does not hear of the width, and the other way round."""
    ramp = np.random.default_rng(2).integers(0, 256, (90, 1, 3), np.uint8)
    down = np.broadcast_to(ramp, (90, 90, 3))
    narrow, wide = (squeezed(down, (10, 20), (width, 50), 32, resampling) for width in (23, 50))
    np.testing.assert_array_equal(narrow, wide)
    across = squeezed(down.swapaxes(0, 1), (20, 10), (50, 23), 32, resampling).swapaxes(0, 1)
    # OpenCV's fixed point cuts off once more for the rows than for the columns.
    np.testing.assert_allclose(across, narrow, atol=0 if resampling == "float" else 1)


@pytest.mark.parametrize(("origin", "sides", "size"), [
    ((5, 9), (40, 30), 32), ((-20, -7), (61, 40), 31), ((50, 33), (300, 7), 24), ((70, 50), (9, 200), 24),
    ((-400, 10), (100, 20), 16), ((20, 10), (5, 3), 32)])
def test_a_float_crop_is_that_of_a_padded_frame_interpolated(origin, sides, size):
    pixels = np.random.default_rng(3).integers(0, 256, (60, 90, 3), np.uint8)
    colour = np.float32([90, 7, 200])
    ours = jax.jit(crops.resized, static_argnames="size")(
        frame_of(pixels, pad=7), jnp.array(origin), jnp.array(sides), size=size, colour=jnp.asarray(colour))
    window = np.empty((sides[1], sides[0], 3))
    for y, x in np.ndindex(window.shape[:2]):
        there = origin[1] + y, origin[0] + x
        window[y, x] = pixels[there] if 0 <= there[0] < 60 and 0 <= there[1] < 90 else colour
    (low, high, fy), (left, right, fx) = ((
        np.clip(np.floor(at), 0, side - 1).astype(int), np.clip(np.floor(at) + 1, 0, side - 1).astype(int), at % 1)
        for side in sides[::-1] for at in [(np.arange(size) + 0.5) * side / size - 0.5])
    rows = window[low] * (1 - fy)[:, None, None] + window[high] * fy[:, None, None]
    expected = rows[:, left] * (1 - fx)[None, :, None] + rows[:, right] * fx[None, :, None]
    assert np.abs(ours - expected).max() <= 0.5 + 1e-4


@pytest.mark.parametrize(("box", "margin", "whole", "origin", "sides"), [
    ((204, 150, 17, 50), 0.2, True, (200, 140), (23, 70)), ((204, 150, 17, 50), 2.0, True, (170, 50), (85, 250)),
    ((3, 2, 10, 11), 2.0, True, (-17, -20), (50, 55)), ((1.4, 1.6, 7, 9), 0.2, True, (0, 0), (9, 12)),
    ((1.4, 1.6, 7, 9), 0.2, False, (0, 0), (10, 13))])
def test_windows_of_a_box(box, margin, whole, origin, sides):
    corner, size = crops.box_window(jnp.float32(box), margin, whole=whole)
    assert (tuple(np.asarray(corner)), tuple(np.asarray(size))) == (origin, sides)
