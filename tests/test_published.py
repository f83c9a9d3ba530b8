"""Published weights behave as published, and the default ones keep that quality, on whole real sequences."""

from __future__ import annotations

import numpy as np
import pytest

import siamjax
from siamjax.cli.common import load_tracker
from siamjax.data.readers.folder import read_folder
from siamjax.data.sample import sample_clip
from siamjax.ops import metrics
from siamjax.trackers.loop import track_frames
from siamjax.trackers.siamfc import SiamFCTracker
from siamjax.weights import zoo
from siamjax.weights.published import convert

BAR = 0.69


@pytest.fixture(scope="module")
def sequences(shared):
    return read_folder(shared / "sequences")


@pytest.fixture(scope="module")
def published(shared, tmp_path_factory):
    pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("weights") / "siamfc_2016.safetensors"
    convert(shared / "weights" / "siamfc_alexnet_2016.pth", output=path)
    return str(path)


def runs(model, sequences, *settings):
    loaded = load_tracker(model, settings)
    return {s.name: track_frames(loaded.tracker, loaded.params, (s.read(n) for n in range(len(s.frames))),
                                 s.boxes[0])[0] for s in sequences}


def auc(results, sequences):
    scores = [metrics.score_sequence(results[s.name].boxes, s.boxes, metrics.VISIBLE, frame_size=s.size[::-1])
              for s in sequences]
    return metrics.score_overall(scores, metrics.VISIBLE).figures(metrics.VISIBLE).auc


@pytest.mark.slow
def test_reference_resampling_gives_the_boxes_of_the_reference_code(shared, sequences, published):
    results = runs(published, sequences, "tracker.resampling=reference")
    apart = []
    for s in sequences:
        theirs = np.loadtxt(shared / "golden" / "real_runs" / "siamfc_2016" / f"{s.name}.txt", delimiter=",")
        overlap = metrics.iou(results[s.name].boxes, theirs)
        print(f"{s.name}: mean IoU with the reference {overlap.mean():.5f}, least {overlap.min():.5f}")
        if overlap.mean() < 0.98:
            first = int(np.argmax(overlap < 0.98))
            apart.append(f"{s.name} from frame {first}: ours {results[s.name].boxes[first]} "
                         f"(score {results[s.name].scores[first]:.4f}), theirs {theirs[first]}")
    assert not apart, "\n".join(apart)
    assert auc(results, sequences) == pytest.approx(0.702, abs=0.005)


@pytest.mark.slow
def test_default_resampling_keeps_the_published_quality(sequences, published):
    assert auc(runs(published, sequences), sequences) >= BAR


@pytest.mark.slow
def test_default_weights_keep_the_published_quality(sequences):
    assert auc(runs(zoo.DEFAULT, sequences), sequences) >= BAR


def test_every_model_in_the_package_is_small_and_has_a_card():
    with_weights = [name for name, entry in zoo.ZOO.items() if entry.weights]
    assert zoo.DEFAULT in with_weights
    of_others = {entry.weights for entry in zoo.ZOO.values() if "as published" in entry.summary}
    for name in with_weights:
        path, _ = zoo.locate(name)
        assert path.stat().st_size <= 13e6
        loaded = zoo.load(name, prepare=False)
        if isinstance(loaded.tracker, SiamFCTracker):
            assert loaded.tracker.config.score_scale is None, f"{name}: a fit to raw peaks is worth less than none"
        if zoo.ZOO[name].weights in of_others:
            said = ("as published by", "github.com/", "licence", "Converted by siamjax")
        else:
            score = "J 0." if hasattr(loaded.tracker.config, "mask_threshold") else "AUC"
            said = ("source", "data", "steps", "seed", "command", score)
        for word in said:
            assert word in loaded.card, f"{name}: the card does not say: {word}"


def test_default_weights_follow_the_sample():
    clip, boxes = sample_clip()
    result = siamjax.track(siamjax.load(zoo.DEFAULT), clip, boxes[0])
    overlap = metrics.iou(result.boxes, np.nan_to_num(boxes))
    assert overlap.mean() > 0.6
    assert result.scores[1:].mean() > 0.5
    assert not result.lost.mean() > 0.1
