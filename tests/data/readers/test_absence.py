"""Lists of absent frames: stale boxes there are neither trained on nor taken for the target."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from siamjax.data.config import DataConfig
from siamjax.data.pools import usable_frames
from siamjax.data.readers import read_folder
from siamjax.errors import DataError
from siamjax.evaluation import OnePass, Unit
from siamjax.evaluation.files import results
from siamjax.ops import metrics
from siamjax.trackers.base import Result

COUNT = 6


def sequence(root, lists):
    folder = root / "data/dog"
    (folder / "img").mkdir(parents=True)
    for number in range(COUNT):
        Image.fromarray(np.full((60, 80, 3), 9, np.uint8)).save(folder / f"img/{number}.png")
    (folder / "groundtruth.txt").write_text("10,12,30,20\n" * COUNT)
    for name, text in lists.items():
        (folder / name).write_text(text)
    [found] = read_folder(root / "data")
    return found


@pytest.mark.parametrize(("lists", "absent"), [
    ({}, None), ({"full_occlusion.txt": "0,0,0,1,0,0"}, [3]), ({"out_of_view.txt": "0,0,0,0,1,1\n"}, [4, 5]),
    ({"full_occlusion.txt": "0,0,1,0,0,0", "out_of_view.txt": "0,0,0,0,1,0"}, [2, 4]),
    ({"absence.label": "0\n0\n0\n1\n0\n0\n"}, [3]), ({"cover.label": "8\n8\n3\n0\n1\n8\n"}, [3]),
    ({"absence.label": "0\n" * COUNT, "cover.label": "8\n" * COUNT}, [])])
def test_frames_that_a_list_names_are_absent(tmp_path, lists, absent):
    found = sequence(tmp_path, lists)
    gone = np.isin(np.arange(COUNT), absent or [])
    np.testing.assert_array_equal(np.isnan(found.boxes).all(axis=1), gone)
    np.testing.assert_array_equal(usable_frames(found, DataConfig(min_side=5)), np.flatnonzero(~gone))
    if absent is None:
        assert found.listed is None
    else:
        np.testing.assert_array_equal(found.listed, gone)


@pytest.mark.parametrize("name", ["full_occlusion.txt", "out_of_view.txt", "absence.label", "cover.label"])
@pytest.mark.parametrize("text", ["", "0,0", "0,0,0,0,0,0,0", "0,0,0,0,0,x", "0,0,0,0,0,-1", "0,0,0,0,0,0.5",
                                  "0,0,0,0,0,nan", "0,0,0,0,0,²", "0,0,0,0,0," + "9" * 5000])
def test_lists_of_another_form_are_refused_with_their_name(tmp_path, name, text):
    with pytest.raises(DataError, match=name):
        sequence(tmp_path, {name: text})


@pytest.mark.parametrize(("convention", "precision"), [
    ("lasot", 0.5), ("pysot", 0.5), ("pytracking", 0.5), ("got10k", 1), ("visible", 1), ("got10k_lasot", 1)])
def test_conventions_hear_of_the_list(tmp_path, convention, precision):
    """A tracker that stays; LaSOT's flags say that half of the frames are absent."""
    found = sequence(tmp_path, {"full_occlusion.txt": "0,0,0,1,1,1"})
    flags = np.zeros(COUNT, bool)
    boxes = np.repeat([[10.0, 12, 30, 20]], COUNT, axis=0)
    results.claim(tmp_path / "t", {})
    results.write_run(tmp_path / "t", found.name, Result(boxes, np.ones(COUNT), flags, ~flags, np.ones(COUNT)))
    score = OnePass(metrics.CONVENTIONS[convention]).score(tmp_path / "t", [Unit((found,))])
    assert score.figures.precision == pytest.approx(precision)
    assert score.figures.normalised_precision == pytest.approx(precision)
