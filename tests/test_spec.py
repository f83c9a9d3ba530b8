"""The numbers in docs/spec.md are those of the code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siamjax.ops.anchors import AnchorConfig, base_sizes
from siamjax.weights.zoo import ZOO

ROWS = [[cell.strip() for cell in line.strip("|").split("|")]
        for line in (Path(__file__).resolve().parents[1] / "docs" / "spec.md").read_text().splitlines()
        if line.startswith("|")]
TABLE = {row[0]: row[1:] for row in ROWS}
NAMES = {"SiamRPN, AlexNet": "siamrpn_alex", "SiamRPN++, MobileNetV2": "siamrpn_mobilev2",
         "SiamRPN++, ResNet-50": "siamrpn_r50", "the same for OTB": "siamrpn_r50_otb",
         "SiamMask, PySOT's": "siammask_r50", "SiamMask base": "siammask_base",
         "SiamMask sharp, for VOT": "siammask_sharp", "NanoTrack 1": "nanotrack_v1", "NanoTrack 2": "nanotrack_v2",
         "NanoTrack 3": "nanotrack_v3"}


@pytest.mark.parametrize("row", NAMES)
def test_settings_of_the_trackers(row):
    [cells] = [cells[1:] for cells in ROWS if cells[0] == row and len(cells) == 5 and cells[1][0].isdigit()]
    config = ZOO[NAMES[row]].tracker.config
    assert [float(cell) for cell in cells] == [config.penalty_k, config.window_influence, config.lr, config.search_size]


def test_sides_of_the_anchors():
    sides = [[float(side) for side in cell.split(" x ")] for cell in TABLE["width x height, px"]]
    config = AnchorConfig()
    np.testing.assert_array_equal(sides, base_sizes(config))
    assert [float(ratio) for ratio in TABLE["ratio"]] == list(config.ratios)
