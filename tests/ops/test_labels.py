"""Masks of several objects merged into one image."""

from __future__ import annotations

import numpy as np

from siamjax.ops import labels, masks

PLACE = np.float32([[1, 0, 2], [0, 1, 3]])  # a mask's pixel (0, 0) is the frame's (2, 3)


def merged(values, threshold=0.3, border=-1.0):
    affines = np.stack([PLACE] * len(values))
    return np.asarray(labels.merge(np.float32(values), affines, (12, 14), threshold, border))


def test_the_likelier_object_has_the_pixel_the_first_of_equals_and_none_below_the_threshold():
    values = np.zeros((3, 4, 4))
    values[0, 0, 0], values[1, 0, 0] = 0.5, 0.9
    values[0, 1, 1], values[2, 1, 1] = 0.6, 0.6
    values[2, 2, 2] = 0.31
    values[1, 3, 3] = 0.29
    found = merged(values)
    assert found.dtype == np.uint8
    wanted = np.zeros((12, 14))
    wanted[3, 2], wanted[4, 3], wanted[5, 4] = 2, 1, 3
    np.testing.assert_array_equal(found, wanted)


def test_a_single_object_is_its_rendered_mask_above_the_threshold():
    mask = np.random.default_rng(0).uniform(0, 1, (5, 5)).astype(np.float32)
    for border in (0.0, -1.0):
        whole = np.asarray(masks.render(mask, PLACE, (12, 14), border)) > 0.3
        np.testing.assert_array_equal(merged(mask[None], border=border), whole)


def test_without_a_pixel_above_the_threshold_there_is_no_object():
    assert not merged(np.zeros((2, 4, 4)), threshold=0.0, border=0.0).any()
