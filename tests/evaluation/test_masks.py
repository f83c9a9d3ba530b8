"""Protocol davis: what is written, that it goes on after a stop, and figures that are known by hand."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from siamjax.data.labels import read_labels
from siamjax.data.readers.folder import read_folder
from siamjax.errors import DataError
from siamjax.evaluation import runner
from siamjax.evaluation.files import masks as mask_files
from siamjax.evaluation.metrics import davis
from siamjax.evaluation.protocols.base import by_video
from siamjax.evaluation.protocols.video_objects import Rotated, VideoObjects, scorable
from siamjax.ops.masks import filled_box
from siamjax.trackers.base import LoadedTracker, MaskRule, Result
from siamjax.trackers.siammask import SiamMaskConfig

SIZE, FRAMES = (64, 96), 6
MASKED = SiamMaskConfig()


def l_shape(x, y, side=20):
    """A square without its upper right quarter: `[H, W]` bool."""
    mask = np.zeros(SIZE, bool)
    mask[y:y + side, x:x + side] = True
    mask[y:y + side // 2, x + side // 2:x + side] = False
    return mask


def write_truth(folder, place):
    """groundtruth.txt and masks/ of an object at `place(t)`."""
    (folder / "masks").mkdir(parents=True)
    for number in range(FRAMES):
        Image.fromarray(l_shape(*place(number))).save(folder / f"masks/{number:03d}.png")
    (folder / "groundtruth.txt").write_text("".join("{},{},20,20\n".format(*place(t)) for t in range(FRAMES)))


@pytest.fixture
def folder(tmp_path):
    """`one` has a mask, `pair` two objects, `turned` rotated boxes, `plain` nothing but boxes."""
    root = tmp_path / "data"
    for name in ("one", "pair", "turned", "plain"):
        (root / name / "img").mkdir(parents=True)
        for number in range(FRAMES):
            Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(root / name / f"img/{number:03d}.jpg")
    write_truth(root / "one", lambda t: (10 + 5 * t, 20))
    write_truth(root / "pair/objects/a", lambda t: (5, 10))
    write_truth(root / "pair/objects/b", lambda t: (60, 30 + t))
    for name in ("turned", "plain"):
        (root / name / "groundtruth.txt").write_text("20,10,40,40\n" * FRAMES)
    (root / "turned/polygon.txt").write_text("40,10,60,30,40,50,20,30\n" * FRAMES)
    return root


@dataclasses.dataclass(frozen=True)
class FakeTracker:
    config: SiamMaskConfig | str
    net: str = "none"

    @property
    def mask_rule(self):
        return None if isinstance(self.config, str) else MaskRule(MASKED.mask_threshold, MASKED.mask_border)


def follow(tracker, params, frames, boxes):
    """Boxes that stay; the mask is the lower half of the box at first, then nothing from the last frame on."""
    count = len(list(frames))
    flags = np.zeros(count, bool)
    results = []
    for box in np.float32(boxes):
        x, y, w, h = box
        mask, affine = map(np.asarray, filled_box(np.float32([x, y + h / 2, w, h / 2]), 127))
        corners = np.float32([[x + w / 2, y], [x + w, y + h / 2], [x + w / 2, y + h], [x, y + h / 2]])
        held = {} if isinstance(tracker.config, str) else {
            "masks": np.stack([mask] * count).astype(np.float16), "affines": np.stack([affine] * count),
            "polygons": np.stack([corners] * count)}
        results.append(Result(np.stack([box] * count), np.ones(count), flags, ~flags, np.full(count, 0.1), **held))
    return results


def scored(folder, output, config=MASKED, track=follow):
    protocol = VideoObjects()
    units = protocol.prepare(read_folder(folder), lambda line: None)
    [entry] = runner.contenders([LoadedTracker(FakeTracker(config=config), {}, "card", "fake")], track)
    lines = []
    runner.run(entry, protocol, units, output, data_folder=folder, progress=lines.append)
    return protocol.score(output / "fake", units), [one for unit in units for one in unit.objects], lines


def lower_half(x, y):
    mask = np.zeros(SIZE, bool)
    mask[y + 10:y + 20, x:x + 20] = True
    return mask


def test_masks_are_written_one_a_frame_the_first_being_the_given_one(folder, tmp_path):
    scored(folder, tmp_path / "out")
    masks = tmp_path / "out/fake/masks"
    assert sorted(path.name for path in masks.iterdir()) == ["one", "pair", "turned"]
    assert [path.name for path in sorted((masks / "pair").iterdir())] == [f"{n:03d}.png" for n in range(FRAMES)]
    first, last = (read_labels(masks / f"pair/{n:03d}.png") for n in (0, FRAMES - 1))
    np.testing.assert_array_equal(first, l_shape(5, 10) + 2 * l_shape(60, 30).astype(np.uint8))
    np.testing.assert_array_equal(last, lower_half(5, 10) + 2 * lower_half(60, 30).astype(np.uint8))
    raw = sorted(path.name for path in (tmp_path / "out/fake/raw").iterdir())
    assert "pair-a.txt" in raw
    assert np.loadtxt(tmp_path / "out/fake/raw/turned_polygon.txt", delimiter=",").shape == (FRAMES, 8)


def test_figures_are_those_by_hand(folder, tmp_path):
    score, sequences, _ = scored(folder, tmp_path / "out")
    rows = {row.name: row for row in score.objects}
    still = rows["pair/a"]
    assert still.frames == FRAMES - 2
    np.testing.assert_allclose(still.values[1:-1], 2 / 3)
    assert np.isnan(still.values[[0, -1]]).all()
    assert still.figures["mask"].j == davis.Statistics(pytest.approx(2 / 3), 1.0, pytest.approx(0))
    assert still.figures["filled box"].j.mean == pytest.approx(3 / 4)
    wanted = davis.region_similarity(davis.ellipse_mask(np.array([5, 10, 20, 20.0]), SIZE), l_shape(5, 10))
    assert still.figures["ellipse"].j.mean == pytest.approx(wanted)
    assert still.figures["mask"].f.mean == pytest.approx(
        davis.boundary_accuracy(lower_half(5, 10), l_shape(5, 10)))
    moving = rows["one"]
    j = [davis.region_similarity(lower_half(10, 20), l_shape(10 + 5 * t, 20)) for t in range(1, FRAMES - 1)]
    np.testing.assert_allclose(moving.values[1:-1], j)
    assert moving.worst_frame == FRAMES - 2
    assert score.figures["mask"].j.mean == pytest.approx(np.mean([rows[name].figures["mask"].j.mean for name in
                                                                  ("one", "pair/a", "pair/b")]))
    assert rows["turned"].rotated == Rotated(pytest.approx(1), pytest.approx(0.5))
    assert score.rotated == rows["turned"].rotated
    assert not rows["turned"].frames
    assert np.isnan(rows["turned"].figures["mask"].j_and_f)
    assert score.frames_per_second == pytest.approx(10)
    assert [sequence.name for sequence in sequences] == ["one", "pair/a", "pair/b", "turned"]


def test_a_tracker_of_boxes_is_scored_by_its_filled_boxes(folder, tmp_path):
    score, _, _ = scored(folder, tmp_path / "out", config="boxes")
    assert score.figures["mask"] == score.figures["filled box"]
    assert score.rotated is not None
    assert np.isnan(score.rotated.polygon)
    assert score.rotated.box == pytest.approx(0.5)


@pytest.mark.parametrize("config", [MASKED, "boxes"], ids=["masks", "boxes"])
def test_where_given_objects_or_equal_answers_overlap_the_first_has_the_pixel(folder, tmp_path, config):
    for part in ("masks", "groundtruth.txt"):
        target = folder / "pair/objects/b" / part
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    write_truth(folder / "pair/objects/b", lambda t: (12, 13))
    scored(folder, tmp_path / "out", config=config)
    first, later = (read_labels(tmp_path / f"out/fake/masks/pair/{n:03d}.png") for n in (0, 2))
    np.testing.assert_array_equal(first, np.where(l_shape(5, 10), 1, 2 * l_shape(12, 13)))
    one, two = ((davis.box_mask(np.array([x, y, 20.0, 20]), SIZE) if config == "boxes" else lower_half(x, y))
                for x, y in ((5, 10), (12, 13)))
    np.testing.assert_array_equal(later[one & ~two], 1)
    np.testing.assert_array_equal(later[two & ~one], 2)
    assert (later[one & two] == 1).mean() > 0.8  # at the rim of a mask the other one may be likelier


def test_a_stopped_run_goes_on_where_it_was(folder, tmp_path):
    started = []

    def stopped(*arguments):
        started.append(1)
        if len(started) == 2:
            raise KeyboardInterrupt
        return follow(*arguments)

    with pytest.raises(KeyboardInterrupt):
        scored(folder, tmp_path / "out", track=stopped)
    kept = (tmp_path / "out/fake/masks/one/003.png").stat().st_mtime_ns
    _, _, lines = scored(folder, tmp_path / "out", track=stopped)
    assert len(started) == 4  # a video of two objects is followed once
    assert (tmp_path / "out/fake/masks/one/003.png").stat().st_mtime_ns == kept
    assert lines[0] == "fake: 1 of 3 sequences are there already"
    assert lines[1].startswith("fake: 1/2 pair, 6 frames at")
    (tmp_path / "out/fake/raw/pair-b.txt").unlink()
    _, _, lines = scored(folder, tmp_path / "out", track=stopped)
    assert lines[0] == "fake: 2 of 3 sequences are there already"


def test_what_cannot_be_started_or_scored_is_said_before_work(folder, tmp_path):
    (folder / "one/masks/000.png").unlink()
    with pytest.raises(DataError, match=r"first mask is missing \(one\)"):
        scorable(read_folder(folder))
    Image.fromarray(np.zeros(SIZE, bool)).save(folder / "one/masks/000.png")
    with pytest.raises(DataError, match="first mask is empty"):
        scorable(read_folder(folder))
    Image.fromarray(np.zeros((9, 9), bool)).save(folder / "one/masks/000.png")
    with pytest.raises(DataError, match="9x9 px and its annotations are for 96x64"):
        scorable(read_folder(folder))
    with pytest.raises(DataError, match="no sequence has masks"):
        scorable(read_folder(folder / "plain"))


def test_frames_without_a_true_mask_do_not_count(folder, tmp_path):
    for number in range(1, FRAMES):
        (folder / f"pair/objects/a/masks/{number:03d}.png").unlink()
    (folder / "one/masks/002.png").unlink()
    score, _, _ = scored(folder, tmp_path / "out")
    assert {row.name: row.frames for row in score.objects} == {"one": 3, "pair/a": 0, "pair/b": 4, "turned": 0}
    assert np.isfinite(score.figures["mask"].j.mean)


def test_an_absent_object_is_an_empty_mask(folder, tmp_path):
    for number in range(3, FRAMES):
        Image.fromarray(np.zeros(SIZE, bool)).save(folder / f"one/masks/{number:03d}.png")
    score, _, _ = scored(folder, tmp_path / "out")
    np.testing.assert_array_equal(score.objects[0].values[3:-1], 0)


@pytest.mark.parametrize("damage", ["missing", "broken", "small"])
def test_damaged_masks_of_a_run_are_named(folder, tmp_path, damage):
    _, sequences, _ = scored(folder, tmp_path / "out")
    file = tmp_path / "out/fake/masks/one/002.png"
    if damage == "missing":
        file.unlink()
    elif damage == "broken":
        file.write_bytes(b"no image")
    else:
        Image.fromarray(np.zeros((5, 5), np.uint8)).save(file)
    with pytest.raises(DataError, match=r"002.png\): run this sequence again"):
        mask_files.read(tmp_path / "out/fake", sequences[0], 2)


def test_reports_hold_every_figure_and_nothing_from_elsewhere(folder, tmp_path):
    score, sequences, _ = scored(folder, tmp_path / "out")
    found = VideoObjects().report([score], by_video(sequences), data_folder=folder, output=tmp_path / "out")
    page = found.write(tmp_path / "out")
    report = json.loads((tmp_path / "out/report.json").read_text())
    [tracker] = report["trackers"]
    assert tracker["figures"]["j"]["mean"] == pytest.approx(score.figures["mask"].j.mean)
    assert set(tracker["figures"]) == {"j_and_f", "j", "f"}
    assert set(tracker["figures"]["j"]) == {"mean", "recall", "decay"}
    assert tracker["baselines"]["filled_box"]["j"]["mean"] == pytest.approx(score.figures["filled box"].j.mean)
    assert tracker["rotated_box"] == {"polygon": pytest.approx(1), "box": pytest.approx(0.5)}
    assert [row["name"] for row in tracker["sequences"]] == ["one", "pair/a", "pair/b", "turned"]
    assert tracker["sequences"][3]["figures"]["j"]["mean"] is None
    assert tracker["run"]["protocol"] == report["protocol"] == "davis"
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 3
    assert 'src="http' not in text
    assert "filled box" in text
    table = str(found)
    assert f"{score.figures['mask'].j_and_f:.3f}" in table
    assert "ellipse" in table
    assert "rotated" in table
