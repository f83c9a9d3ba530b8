from __future__ import annotations

import numpy as np

from siamjax.evaluation.metrics.departures import judge, total


def test_verdicts_counted_by_hand():
    nowhere = [np.nan] * 4
    here, off = [10.0, 10, 20, 20], [100.0, 10, 20, 20]
    truth = np.float32([here, here, nowhere, nowhere, here, here, here, nowhere, here, here])
    boxes = np.float32([here, off, here, here, here, here, here, here, off, off])
    lost = np.array([0, 0, 0, 1, 1, 0, 0, 1, 0, 1], bool)
    verdict = judge(boxes, lost, truth)
    assert (verdict.absent, verdict.seen) == (3, 6)
    assert (verdict.false_tracked, verdict.false_absent) == (3, 1)  # frames 1, 2 and 8
    assert verdict.false_lost == 2  # 4 and 9
    assert verdict.until_found == (1, 2)  # the second not at all
    assert verdict.found == (True, False)
    both = total([verdict, verdict])
    assert both.seen == 12
    assert both.until_found == (1, 2, 1, 2)
