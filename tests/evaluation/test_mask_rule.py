"""Masks go by what a tracker can do, not by its class."""

from __future__ import annotations

import numpy as np
import pytest

from siamjax.data.labels import read_labels
from siamjax.data.sequences import Sequence
from siamjax.evaluation.files import masks
from siamjax.trackers.base import MaskRule, Result, mask_rule_of
from siamjax.trackers.longterm import LongTerm, LongTermConfig
from siamjax.trackers.siamfc import SiamFCTracker
from siamjax.trackers.siammask import SiamMaskConfig, SiamMaskTracker


class Own:
    """A tracker of somebody else's."""

    mask_rule = MaskRule(0.7, -1.0)


@pytest.mark.parametrize(("tracker", "rule"), [
    (Own(), MaskRule(0.7, -1.0)),
    (SiamMaskTracker(None, SiamMaskConfig(mask_threshold=0.2)), MaskRule(0.2, -1.0)),  # type: ignore[arg-type]
    (LongTerm(None, LongTermConfig(inner=SiamMaskConfig(mask_threshold=0.2))), MaskRule(0.2, -1.0)),  # type: ignore[arg-type]
    (SiamFCTracker(None), None),  # type: ignore[arg-type]
], ids=["of one's own", "siammask", "siammask within another", "boxes"])
def test_a_tracker_says_how_its_masks_become_pixels(tracker, rule):
    assert mask_rule_of(tracker) == rule


def test_masks_of_a_tracker_that_names_no_rule_are_written(tmp_path):
    frames = (tmp_path / "0.png", tmp_path / "1.png")
    one = Sequence("a", "a", frames, np.float32([[2, 2, 8, 8]] * 2), (16, 16))
    mask = np.zeros((2, 8, 8), np.float16)
    mask[:, :4] = 1  # the upper half of the box
    flags = np.zeros(2, bool)
    answer = Result(one.boxes, np.ones(2), flags, ~flags, np.ones(2), masks=mask,
                    affines=np.float32([[[1, 0, 2], [0, 1, 2]]] * 2))
    masks.write(tmp_path / "t", [one], [answer], None)
    found = read_labels(tmp_path / "t/masks/a/1.png")
    assert found[3, 4] == 1
    assert found[8, 4] == 0
