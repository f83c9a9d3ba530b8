"""Scores against hand-made values, the toolkits' recorded ones, and a reference tracker's whole runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.errors import DataError
from siamjax.ops import metrics

BAR = 1e-6
number = st.floats(-100, 400, allow_nan=False)
size = st.floats(0, 200, allow_nan=False)
box = st.tuples(number, number, size, size).map(lambda b: np.array([b]))


@given(box, box)
def test_iou_is_symmetric_and_between_zero_and_one(a, b):
    assert metrics.iou(a, b) == metrics.iou(b, a)
    assert 0 <= metrics.iou(a, b)[0] <= 1


@given(box, number, number)
def test_iou_and_error_move_with_both_boxes(a, dx, dy):
    b = a + [3, -2, 1, 4]
    moved = [dx, dy, 0, 0]
    np.testing.assert_allclose(metrics.iou(a + moved, b + moved), metrics.iou(a, b), atol=1e-9)
    moved_error = metrics.centre_error(a + moved, b + moved)
    np.testing.assert_allclose(moved_error, metrics.centre_error(a, b), atol=1e-9)


def test_iou_by_hand():
    a = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 0, 0], [0, 0, 10, -5]])
    b = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [10, 0, 10, 10], [0, 0, 0, 0], [0, 0, 10, 10]])
    np.testing.assert_allclose(metrics.iou(a, b), [1, 1 / 3, 0, 0, 0], atol=1e-12)


def test_errors_by_hand():
    truth = np.array([[0.0, 0, 10, 40], [0, 0, 0.5, 0.5]])
    boxes = truth + [3, 4, 0, 0]
    np.testing.assert_allclose(metrics.centre_error(boxes, truth), [5, 5])
    np.testing.assert_allclose(metrics.normalised_error(boxes, truth), [np.hypot(0.3, 0.1), 5])
    np.testing.assert_allclose(metrics.normalised_error(boxes, truth, "size"), [np.hypot(0.3, 0.1), 10])


@given(box)
def test_clipped_boxes_lie_in_the_frame_and_stay(b):
    clipped = metrics.clip_to_frame(b, (320, 240))
    assert (clipped >= 0).all()
    assert ((clipped[:, :2] + clipped[:, 2:]) <= np.array([320, 240]) + 1e-9).all()
    np.testing.assert_array_equal(metrics.clip_to_frame(clipped, (320, 240)), clipped)


def walk(frames: int = 11) -> np.ndarray:
    """A target of 20 x 20 px that moves 5 px to the right each frame."""
    return np.stack([[5.0 * t, 50, 20, 20] for t in range(frames)])


def test_a_perfect_tracker_misses_only_the_threshold_of_one():
    figures = metrics.score_sequence(walk(), walk()).figures(metrics.VISIBLE)
    assert figures == metrics.Figures(pytest.approx(20 / 21), 1, 1, 1, 1, 1)


def test_a_still_tracker_by_hand():
    truth = walk(6)
    still = np.repeat(truth[:1], 6, axis=0)
    score = metrics.score_sequence(still, truth)
    assert score.frames == 5
    overlaps = np.array([(20 - 5 * t) / (20 + 5 * t) for t in range(1, 5)] + [0.0])  # 0.6, 1/3, 1/7, 0, 0
    assert score.mean_overlap == pytest.approx(overlaps.mean())
    assert score.precision[5] == pytest.approx(0.2)
    figures = score.figures(metrics.VISIBLE)
    assert figures.precision == pytest.approx(0.8)  # 5, 10, 15, 20 of 25 px
    assert figures.normalised_precision == 0  # 0.25 of the size at least
    assert (figures.success_50, figures.success_75) == (pytest.approx(0.2), 0)
    # 0.6 beats the 12 thresholds below it (the next is 0.6 itself, within float noise), 1/3 beats 7, 1/7 3.
    assert figures.auc * 5 * 21 == pytest.approx(12 + 7 + 3, abs=1)


def test_a_box_that_is_not_finite_is_a_miss():
    boxes = walk(5)
    boxes[2] = np.nan
    boxes[3, 2] = np.inf
    score = metrics.score_sequence(boxes, walk(5))
    assert score.precision[50] == pytest.approx(0.5)
    assert score.mean_overlap == pytest.approx(0.5)


def test_scoring_leaves_its_arguments_alone():
    boxes, truth = walk() + 400, walk() + 300
    before = boxes.copy(), truth.copy()
    intrusive = dataclasses.replace(metrics.GOT10K, first_frame="given")
    metrics.score_sequence(boxes, truth, intrusive, frame_size=(9, 9))
    np.testing.assert_array_equal(boxes, before[0])
    np.testing.assert_array_equal(truth, before[1])


def test_sequences_weigh_the_same_unless_pooled():
    short, long = walk(3), walk(31)
    scores = [metrics.score_sequence(short, short), metrics.score_sequence(long + 1000, long)]
    assert metrics.score_overall(scores).precision[20] == pytest.approx(0.5)
    assert metrics.score_overall(scores, metrics.GOT10K).precision[20] == pytest.approx(2 / 32)
    assert metrics.score_overall(scores).frames == 32


def test_a_sequence_without_counted_frames_has_no_say():
    nothing = metrics.score_sequence(walk(1), walk(1))
    assert nothing.frames == 0
    assert np.isnan(nothing.figures(metrics.VISIBLE).auc)
    joined = metrics.score_overall([nothing, metrics.score_sequence(walk(), walk())])
    assert joined.precision[0] == 1
    with pytest.raises(DataError, match="no frame counts"):
        metrics.score_overall([nothing])


@pytest.mark.usefixtures("no_shape_checks")
def test_errors_name_what_is_wrong():
    with pytest.raises(DataError, match="one box a frame"):
        metrics.score_sequence(walk(3), walk(4))
    with pytest.raises(DataError, match="width and height"):
        metrics.score_sequence(walk(3), walk(3), metrics.GOT10K)


def test_golden_overlaps_and_errors(golden):
    g = golden("metrics")
    truth, boxes = g["ope/gt_xywh"], g["ope/pred_xywh"]
    np.testing.assert_allclose(metrics.iou(boxes, truth), g["got10k/rect_iou"], atol=BAR)
    np.testing.assert_allclose(metrics.iou(boxes, truth), g["pysot/overlap_ratio"], atol=BAR)
    clipped = [metrics.clip_to_frame(b, (320, 240)) for b in (boxes, truth)]
    np.testing.assert_allclose(metrics.iou(*clipped), g["got10k/rect_iou_bound_320_240"], atol=BAR)
    np.testing.assert_allclose(metrics.centre_error(boxes, truth), g["got10k/center_error"], atol=BAR)
    normalised = metrics.normalised_error(boxes, truth)
    np.testing.assert_allclose(normalised, g["got10k/normalized_center_error"], atol=BAR)


def test_golden_otb(golden):
    g = golden("metrics")
    # The recorded curves are of the boxes as they are: the toolkit replaces row 0 before it comes to them.
    convention = dataclasses.replace(metrics.OTB, first_frame="as_written")
    score = metrics.score_sequence(g["ope/pred_xywh"], g["ope/gt_xywh"], convention)
    np.testing.assert_allclose(score.success, g["otb/success_curve"], atol=BAR)
    np.testing.assert_allclose(score.precision, g["otb/precision_curve"], atol=BAR)
    figures = score.figures(convention)
    assert figures.auc == pytest.approx(g["otb/success_score_auc"], abs=BAR)
    assert figures.precision == pytest.approx(g["otb/precision_score_20px"], abs=BAR)
    assert figures.success_50 == pytest.approx(g["otb/success_rate_0.5"], abs=BAR)


def test_golden_got10k(golden):
    g = golden("metrics")
    visible = np.concatenate([[True], g["got10k/cover_from_frame1"]])
    score = metrics.score_sequence(
        g["ope/pred_xywh"], g["ope/gt_xywh"], metrics.GOT10K, frame_size=(320, 240), visible=visible
    )
    figures = score.figures(metrics.GOT10K)
    expected = g["got10k/ao_sr50_bound_320_240_cover"]
    np.testing.assert_allclose([figures.mean_overlap, figures.success_50], expected, atol=BAR)
    np.testing.assert_allclose(score.success, g["got10k/succ_curve"], atol=BAR)


@pytest.mark.parametrize("video", ["a", "b"])
def test_golden_pysot(golden, video):
    g = golden("metrics")
    visible = g["pysot/absent_video_b"] == 1 if video == "b" else None
    score = metrics.score_sequence(g["ope/pred_xywh"], g["ope/gt_xywh"], metrics.PYSOT, visible=visible)
    np.testing.assert_allclose(score.success, g[f"pysot/ope/{video}/success_21"], atol=BAR)
    np.testing.assert_allclose(score.precision, g[f"pysot/ope/{video}/precision_51"], atol=BAR)
    expected = g[f"pysot/ope/{video}/norm_precision_51"]
    np.testing.assert_allclose(score.normalised_precision, expected, atol=BAR)


@pytest.mark.parametrize(("name", "auc"), [("visible", 0.702), ("otb", 0.692)])
def test_the_reference_tracker_scores_as_recorded(shared, name, auc):
    convention = metrics.CONVENTIONS[name]
    results = sorted((shared / "golden/real_runs/siamfc_2016").glob("*.txt"))
    assert len(results) == 9
    scores = []
    for file in results:
        truth = np.genfromtxt(shared / "sequences" / file.stem / "groundtruth.txt", delimiter=",")
        scores.append(metrics.score_sequence(np.loadtxt(file, delimiter=","), truth, convention))
    figures = metrics.score_overall(scores, convention).figures(convention)
    assert figures.auc == pytest.approx(auc, abs=5e-4)
    if name == "visible":
        assert figures.precision == pytest.approx(0.827, abs=5e-4)
        basketball = scores[0].figures(convention)
        assert basketball.auc == pytest.approx(0.691, abs=5.1e-4)
