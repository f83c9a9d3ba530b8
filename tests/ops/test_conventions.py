"""Each convention against the program it is named after: recorded figures, and restatements on random labels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.errors import DataError
from siamjax.ops import conventions, metrics

BAR = 1e-6

# What each program's own code says of the set in golden/conventions: got10k 0.1.3, PySOT d04028f, pytracking 7eb9e74;
# LaSOT's Matlab toolkit restated. Overall, then of each sequence in order of names: AUC, of GOT-10k the mean overlap.
SIZES = {"edge_06": (320, 240), "edge_07": (640, 360), "integer_08": (1280, 720), "lost_09": (320, 240),
         "mixed_11": (1280, 720), "nan_01": (640, 360), "nan_02": (1280, 720), "plain_00": (320, 240),
         "short_10": (640, 360), "stale_05": (1280, 720), "zeros_03": (320, 240), "zeros_04": (640, 360)}
PYTRACKING_AUC = [0.5452381, 0.62103176, 0.60952382, 0.29714286, 0.49007937, 0.52888889, 0.36071428, 0.50357144,
                  0.76190477, 0.54539683, 0.5218254, 0.52261905]
OTB_AUC = [0.55, 0.64285714, 0.60952381, 0.29587302, 0.49007937, 0.52825397, 0.36507937, 0.50119048, 0.76190476,
           0.5447619, 0.5218254, 0.52142857]
# program: (convention, which absence list it read, overall, each sequence)
PROGRAMS = {
    "got10k, ExperimentOTB": (
        "otb", None, {"auc": 0.52773148, "precision": 0.49388889, "success_50": 0.66125}, OTB_AUC),
    "got10k, ExperimentUAV123": (
        "uav123", None, {"auc": 0.55190576, "precision": 0.50540955, "success_50": 0.69163142},
        [0.55, 0.64285714, 0.60952381, 0.29587302, 0.49007937, 0.62887377, 0.55455093, 0.50119048, 0.76190476,
         0.5447619, 0.5218254, 0.52142857]),
    "got10k, ExperimentGOT10k": (
        "got10k", "nan", {"mean_overlap": 0.52456536, "success_50": 0.63865546, "auc": 0.52365421},
        [0.55779577, 0.65932497, 0.60480537, 0.28778363, 0.47638401, 0.63073959, 0.55355246, 0.48751048, 0.67425015,
         0.54402588, 0.50752875, 0.51688598]),
    "PySOT": (
        "pysot", None, {"auc": 0.52773148, "precision": 0.58916667, "normalised_precision": 0.62416667}, OTB_AUC),
    "PySOT with a list": (
        "pysot", "nan", {"auc": 0.52773148, "precision": 0.54736111, "normalised_precision": 0.58236111}, OTB_AUC),
    "pytracking": (
        "pytracking", None, {"auc": 0.52566138, "precision": 0.49319444, "normalised_precision": 0.62902778},
        PYTRACKING_AUC),
    "pytracking with a list": (
        "pytracking", "nan", {"auc": 0.52566138, "precision": 0.49319444, "normalised_precision": 0.58722223},
        PYTRACKING_AUC),
    "pytracking, uav": (
        "pytracking_uav", None, {"auc": 0.52566138, "precision": 0.59333334, "normalised_precision": 0.62902778},
        PYTRACKING_AUC),
    "pytracking, exclude_invalid_frames": (
        "pytracking_valid", "nan", {"auc": 0.58770917, "precision": 0.54646238, "normalised_precision": 0.66717691},
        [0.54981993, 0.64803313, 0.60952382, 0.29714286, 0.61904763, 0.62962964, 0.55494505, 0.50357144, 0.76190477,
         0.54539683, 0.65914788, 0.67434714]),
    "LaSOT's toolkit": (
        "lasot", "flags", {"auc": 0.50888889, "precision": 0.49583333, "normalised_precision": 0.52263889}, None),
}
INTEGERS = (  # pytracking of the same boxes, cut to whole pixels as its trackers write them
    {"auc": 0.52550265, "precision": 0.51638889, "normalised_precision": 0.61986111},
    [0.5468254, 0.62103176, 0.60952382, 0.2952381, 0.49007937, 0.52698413, 0.36031746, 0.50119048, 0.77777778,
     0.54730159, 0.51190476, 0.51785714])


@pytest.fixture(scope="session")
def recorded(shared):
    """`{sequence: (ground truth, results, absence flags)}` of the recorded set."""
    folder = shared / "golden/conventions"

    def read(kind, name):
        return np.genfromtxt(folder / kind / f"{name}.txt", delimiter=",")

    return {name: (read("groundtruth", name), read("results", name), read("absent", name) == 1) for name in SIZES}


def scores_of(recorded, convention, read_list, change=lambda boxes: boxes):
    scores = []
    for name, (truth, boxes, flags) in recorded.items():
        visible = {None: None, "nan": ~np.isnan(truth).any(axis=1), "flags": ~flags}[read_list]
        scores.append(metrics.score_sequence(change(boxes), truth, convention, frame_size=SIZES[name],
                                             visible=visible))
    return scores


def check(scores, convention, overall, each):
    figures = metrics.score_overall(scores, convention).figures(convention)
    assert {name: getattr(figures, name) for name in overall} == pytest.approx(overall, abs=BAR)
    if each is not None:
        field = "mean_overlap" if "mean_overlap" in overall else "auc"
        got = [getattr(score.figures(convention), field) for score in scores]
        np.testing.assert_allclose(got, each, atol=BAR, rtol=0)


@pytest.mark.parametrize("program", PROGRAMS)
def test_figures_are_the_programs_own(recorded, program):
    name, read_list, overall, each = PROGRAMS[program]
    convention = metrics.CONVENTIONS[name]
    check(scores_of(recorded, convention, read_list), convention, overall, each)


def test_figures_of_integer_results_are_pytrackings_own(recorded):
    check(scores_of(recorded, metrics.PYTRACKING, None, np.trunc), metrics.PYTRACKING, *INTEGERS)


@pytest.mark.parametrize("name", ["lasot", "got10k", "visible", "got10k_lasot"])
def test_nan_and_zeros_and_a_list_say_the_same_of_absent_frames(name):
    """The three ways in which absence comes, of one sequence."""
    rng = np.random.default_rng(0)
    boxes, truth, gone = random_case(rng, odd=False)
    convention = metrics.CONVENTIONS[name]
    forms = {"nan": np.nan, "zeros": 0.0}
    wanted = metrics.score_sequence(boxes, truth, convention, frame_size=(320, 240), visible=~gone)
    for form, value in forms.items():
        if form == "zeros" and name.startswith("got10k"):
            continue  # without a list got10k's programs take a box of zeros as it is
        marked = np.where(gone[:, None], value, truth)
        for visible in (None, ~gone):
            got = metrics.score_sequence(boxes, marked, convention, frame_size=(320, 240), visible=visible)
            np.testing.assert_array_equal(got.success, wanted.success)
            np.testing.assert_array_equal(got.precision, wanted.precision)
            np.testing.assert_array_equal(got.normalised_precision, wanted.normalised_precision)
            assert got.frames == wanted.frames


def walk(frames: int = 10) -> np.ndarray:
    """A target of 20 x 20 px that moves 5 px to the right each frame, from x = 5 on."""
    return np.stack([[5.0 + 5 * t, 50, 20, 20] for t in range(frames)])


def test_what_becomes_of_frames_by_hand():
    """Ten frames, five of them absent, and the first result is wrong: share of hits at 0 px and frames counted."""
    truth, boxes = walk(), walk()
    truth[5:] = np.nan
    boxes[0] += 100
    got = {}
    for name, convention in metrics.CONVENTIONS.items():
        score = metrics.score_sequence(boxes, truth, convention, frame_size=(320, 240))
        got[name] = (round(float(score.success[0]), 6), round(float(score.precision[0]), 6),
                     round(float(score.normalised_precision[0]), 6), score.frames)
    assert got == {
        "visible": (1, 1, 1, 4), "otb": (0.5, 0.5, 0.5, 10), "uav123": (1, 1, 1, 5), "got10k": (1, 1, 1, 4),
        "lasot": (0.5, 0.5, 0.5, 10), "got10k_lasot": (1, 1, 1, 5), "pysot": (0.4, 0.9, 0.9, 10),
        "pytracking": (0.5, 0.5, 1, 10), "pytracking_uav": (0.5, 1, 1, 10), "pytracking_valid": (1, 1, 2, 5)}


def test_a_target_that_sticks_out_counts_as_the_programs_have_it():
    """One of four frames with its corner left of the frame, its centre inside; the tracker loses it there."""
    truth = walk(4)
    truth[2, 0] = -3
    boxes = truth.copy()
    boxes[2, 0] += 200
    precision = {name: (float(score.precision[20]), float(score.normalised_precision[20])) for name, score in
                 ((name, metrics.score_sequence(boxes, truth, convention, frame_size=(320, 240)))
                  for name, convention in metrics.CONVENTIONS.items())}
    assert precision["otb"] == precision["pysot"] == (0.75, 0.75)
    assert precision["lasot"] == precision["pytracking_uav"] == (1, 1)
    assert precision["pytracking"] == (0.75, 1)


def test_the_box_before_stands_for_one_without_a_size():
    truth = np.repeat(walk(1), 5, axis=0)
    boxes = truth.copy()
    boxes[2:4, 2:] = 0
    for name, hits in (("lasot", 1), ("pytracking", 1), ("otb", 0.6), ("pysot", 0.6)):
        assert metrics.score_sequence(boxes, truth, metrics.CONVENTIONS[name]).success[0] == pytest.approx(hits), name
    assert (boxes[2:4, 2:] == 0).all()


@pytest.mark.usefixtures("no_shape_checks")
def test_an_absence_list_of_another_length_is_refused():
    with pytest.raises(DataError, match="absence list for 10 frames"):
        metrics.score_sequence(walk(), walk(), visible=np.ones(9, bool))


def test_conventions_are_plain_data_and_keep_their_names():
    for name, convention in metrics.CONVENTIONS.items():
        assert name == convention.name
        assert len(convention.rule) > 40
        assert hash(convention) == hash(dataclasses.replace(convention))
        text = str(dataclasses.asdict(convention))
        assert "array" not in text
    assert len({dataclasses.replace(c, name="", rule="") for c in metrics.CONVENTIONS.values()}) == len(
        metrics.CONVENTIONS)


# The programs' rules once more, each as its own code goes, in a few lines of NumPy.

THRESHOLDS, PIXELS, SHARES = np.arange(0, 1.05, 0.05), np.arange(51), np.arange(51) / 100


def centres(boxes):
    return boxes[:, :2] + (boxes[:, 2:] - 1) / 2


def plain_overlap(a, b):
    sides = np.minimum(a[:, :2] + a[:, 2:] - 1, b[:, :2] + b[:, 2:] - 1) - np.maximum(a[:, :2], b[:, :2]) + 1
    shared = np.prod(np.maximum(sides, 0), axis=1)
    return shared / (np.prod(a[:, 2:], axis=1) + np.prod(b[:, 2:], axis=1) - shared)


def distance(a, b):
    return np.sqrt(np.sum((a - b) ** 2, axis=1))


def curves(overlaps, errors, relative, length):
    return [(overlaps[:, None] > THRESHOLDS).sum(0) / length, (errors[:, None] <= PIXELS).sum(0) / length,
            (relative[:, None] <= SHARES).sum(0) / length]


def lasot_toolkit(boxes, truth, gone):
    truth, boxes, length = np.nan_to_num(truth), boxes.copy(), len(truth)
    boxes[0] = truth[0]
    boxes, truth = boxes[~gone], truth[~gone]
    odd = ~(truth > 0).all(axis=1)
    with np.errstate(all="ignore"):
        overlaps, errors = plain_overlap(boxes, truth), distance(centres(boxes), centres(truth))
        relative = distance(centres(boxes) / truth[:, 2:], centres(truth) / truth[:, 2:])
    overlaps[odd] = errors[odd] = relative[odd] = -1
    return curves(overlaps, errors, relative, length)


def pysot_toolkit(boxes, truth, gone=None):
    length = len(truth)
    if gone is not None:
        boxes, truth = boxes[~gone], truth[~gone]
    overlaps, errors, relative = -np.ones((3, len(truth)))
    with np.errstate(all="ignore"):
        sized = (truth[:, 2:] > 0).all(axis=1)
        overlaps[sized] = np.clip(plain_overlap(boxes[sized], truth[sized]), 0, 1)
        inside = (centres(truth) > 0).all(axis=1)
        errors[inside] = distance(centres(boxes), centres(truth))[inside]
        size = truth[:, 2:] + 1e-16
        inside = (centres(truth) / size > 0).all(axis=1)
        relative[inside] = distance(centres(boxes) / size, centres(truth) / size)[inside]
    return curves(overlaps, errors, relative, length)


def pytracking_program(boxes, truth, gone=None, *, uav=False, exclude=False):
    truth, boxes = np.nan_to_num(truth), boxes.copy()
    boxes[0] = truth[0]
    valid = (truth > 0).all(axis=1) & (True if gone is None else ~gone)
    with np.errstate(all="ignore"):
        overlaps, errors = plain_overlap(boxes, truth), distance(centres(boxes), centres(truth))
        relative = distance(centres(boxes) / truth[:, 2:], centres(truth) / truth[:, 2:])
    overlaps[~valid], errors[~valid], relative[~valid] = -1, -1 if uav else np.inf, -1
    if gone is not None:
        errors[gone] = relative[gone] = np.inf
    return curves(overlaps, errors, relative, valid.sum() if exclude else len(truth))


RESTATED = {
    "lasot": (metrics.LASOT, lasot_toolkit, True),
    "pysot": (metrics.PYSOT, pysot_toolkit, False),
    "pysot with a list": (metrics.PYSOT, pysot_toolkit, True),
    "pytracking": (metrics.PYTRACKING, pytracking_program, False),
    "pytracking with a list": (metrics.PYTRACKING, pytracking_program, True),
    "pytracking, uav": (metrics.PYTRACKING_UAV, lambda *case: pytracking_program(*case, uav=True), False),
    "pytracking, valid": (metrics.PYTRACKING_VALID, lambda *case: pytracking_program(*case, exclude=True), True),
}


def random_case(rng, *, odd=True, integers=False):
    """Boxes of a tracker, ground truth with odd rows if asked for, and which frames are absent."""
    count = int(rng.integers(2, 40))
    truth = np.concatenate([rng.normal(60, 25 if odd else 4, (count, 2)), rng.uniform(8, 60, (count, 2))], axis=1)
    truth = np.round(truth, 0 if integers else 2)
    boxes = truth + rng.normal(0, 6, truth.shape) * rng.integers(0, 3, (count, 1))
    boxes = np.round(boxes, 0 if integers else 4)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], 1)
    gone = rng.random(count) < 0.2
    gone[0] = False
    if odd:
        truth[0] = 20, 20, 30, 30
        truth[gone & (rng.random(count) < 0.3)] = np.nan
        truth[(rng.random(count) < 0.1) & (np.arange(count) > 0)] = 0
    return boxes, truth, gone


@pytest.mark.parametrize("name", RESTATED)
@given(seed=st.integers(0, 2**32 - 1), integers=st.booleans())
def test_curves_are_those_of_the_restated_program(name, seed, integers):
    convention, program, with_list = RESTATED[name]
    boxes, truth, gone = random_case(np.random.default_rng(seed), integers=integers)
    gone = gone | np.isnan(truth).any(axis=1) if with_list else gone  # a list names the rows of NaN too
    wanted = program(boxes, truth, *([gone] * with_list))
    score = metrics.score_sequence(boxes, truth, convention, visible=~gone if with_list else None)
    for got, curve in zip((score.success, score.precision, score.normalised_precision), wanted):
        np.testing.assert_allclose(got, curve, atol=1e-12)


def test_every_fate_and_test_is_used_by_a_convention():
    """No choice without a program that makes it."""
    used = {fate for c in metrics.CONVENTIONS.values() for fates in (c.absent, c.odd)
            for fate in dataclasses.astuple(fates)}
    assert used == set(conventions.Fate.__args__)
