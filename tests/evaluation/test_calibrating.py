"""What a tracker's scores are worth, and settings that make them probabilities: of any tracker with a score."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from siamjax import evaluation
from siamjax.evaluation import calibrating
from siamjax.evaluation.metrics.calibration import Logistic
from siamjax.trackers.base import LoadedTracker, Result
from siamjax.trackers.siamrpn import SiamRPNConfig
from siamjax.trackers.verified import VerifiedConfig


def overconfident(tracker, params, frames, boxes, keep_masks):
    """Right in half of the frames at a score of 0.9, in a tenth at 0.6."""
    count = len(list(frames))
    answers, scores = np.repeat(np.float32(boxes), count, axis=0), np.full(count, 0.6)
    scores[::2] = 0.9
    random = np.random.default_rng(count)
    wrong = random.uniform(size=count) > np.where(scores == 0.9, 0.5, 0.1)
    wrong[0] = False
    answers[wrong, 0] += 60
    flags = np.zeros(count, bool)
    return [Result(answers, scores, flags, ~flags, np.full(count, 0.01))]


@pytest.fixture
def follow(monkeypatch):
    monkeypatch.setattr(calibrating, "track_frames", overconfident)


@pytest.fixture
def videos(sequences):
    """Targets that stay where they are, in many frames."""
    return [dataclasses.replace(one, name=f"{count}", frames=one.frames[:1] * count,
                                boxes=np.tile(np.float32([20, 20, 16, 16]), (count, 1)))
            for one, count in zip(sequences, (150, 200, 250))]


def test_scores_are_compared_and_fitted_on_other_videos(follow, still, videos, monkeypatch, tmp_path):
    monkeypatch.setattr(calibrating, "open_videos", lambda data: videos)
    lines = []
    found = evaluation.calibrate(tmp_path / "data", tmp_path / "out", model=still, say=lines.append)
    assert len(found.claims.score) == 149 + 199 + 249
    assert found.diagram == tmp_path / "out/still.png"
    assert found.diagram.stat().st_size > 1000
    assert len(lines) == 3
    before, after = (dict(zip([column.head for column in found.table.columns], row)) for row in found.table.rows)
    assert after["Brier"] < before["Brier"]
    assert after["error, bins of one width"] < 0.1 < before["error, bins of one width"]
    assert np.isfinite(found.left_out).all()
    assert found.settings == {}  # this tracker has no such settings


def test_frames_without_a_label_are_not_claims_and_absent_targets_are_not_held(follow, still, sequences):
    """In `gone` the target is away in two frames, where no box can be right."""
    claims = calibrating.claims_of(still, [sequences[1]], say=lambda line: None)
    assert len(claims.score) == 11
    assert not claims.right[4:6].any()


@pytest.mark.parametrize(("config", "wanted"), [
    (SiamRPNConfig(), {}),
    (SiamRPNConfig(score_scale=2.0, score_offset=1.0), {"score_scale": 3.0, "score_offset": 1.25}),
    (VerifiedConfig(inner=SiamRPNConfig(score_scale=2.0, score_offset=1.0), distance_scale=4.0),
     {"distance_scale": 6.0, "inner.score_scale": 3.0, "inner.score_offset": 1.25}),
], ids=["not in use", "in use", "within another"])
def test_settings_make_the_score_what_the_fit_makes_of_it(config, wanted):
    @dataclasses.dataclass(frozen=True)
    class Tracker:
        config: object

    loaded = LoadedTracker(Tracker(config), {}, "card", "any")
    assert calibrating.settings_of(loaded, Logistic(np.array([1.5]), -0.25)) == pytest.approx(wanted)
