"""The light trackers with their published weights give the boxes of their own programs, on whole real sequences."""

from __future__ import annotations

import numpy as np
import pytest

from siamjax.cli.common import load_tracker
from siamjax.data.readers.folder import read_folder
from siamjax.ops import metrics
from siamjax.trackers.loop import track_frames
from siamjax.weights.published import convert

RAW = ("tracker.smoothing=none", "tracker.penalty_k=0", "tracker.window_influence=0")
# Published file, settings, and the success AUC of the recorded boxes.
RUNS = {
    "fear_xs": ("Tracker.mlmodel", (), 0.763), "fear_xs_raw": ("fear_xs_2022.npz", RAW, 0.704),
    "nanotrackv1": ("nanotrackv1.pth", (), 0.643), "nanotrackv2": ("nanotrackv2.pth", (), 0.711),
    "nanotrackv3": ("nanotrackv3.pth", (), 0.685)}
# Where one rounding decides, and the first frame that it moves. The corner of dog's crop there is 0.0002 px from the
# next pixel, less than single precision is off after 25 frames; the boxes part by up to 29 px and meet again.
TIES = {("nanotrackv3", "dog"): 26}


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS)
def test_reference_mode_gives_the_boxes_of_the_original(shared, tmp_path, run):
    file, settings, published_auc = RUNS[run]
    if file.endswith(".pth"):
        pytest.importorskip("torch")
    convert(shared / "weights" / file, output=tmp_path / "weights.safetensors")
    loaded = load_tracker(str(tmp_path / "weights.safetensors"), ("tracker.resampling=reference", *settings))
    apart, scores = [], []
    for s in read_folder(shared / "sequences"):
        result = track_frames(loaded.tracker, loaded.params, (s.read(n) for n in range(len(s.frames))), s.boxes[0])[0]
        theirs = np.loadtxt(shared / "golden" / "real_runs" / run / f"{s.name}.txt", delimiter=",")
        overlap = metrics.iou(result.boxes, theirs)
        print(f"{s.name}: mean IoU with the original {overlap.mean():.5f}, least {overlap.min():.5f}")
        first = int(np.argmax(np.abs(result.boxes - theirs).max(axis=1) > 0.6))
        if overlap.mean() < (0.96 if TIES.get((run, s.name)) == first else 0.98):
            apart.append(f"{s.name} from frame {first}: ours {result.boxes[first]} "
                         f"(score {result.scores[first]:.4f}), theirs {theirs[first]}")
        scores.append(metrics.score_sequence(result.boxes, s.boxes, metrics.VISIBLE, frame_size=s.size[::-1]))
    assert not apart, "\n".join(apart)
    auc = metrics.score_overall(scores, metrics.VISIBLE).figures(metrics.VISIBLE).auc
    print(f"success AUC {auc:.4f}")
    assert auc == pytest.approx(published_auc, abs=0.005)
