"""Settings by one vmap: each lane is the run that its settings alone would give."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from siamjax.errors import ConfigError, DataError
from siamjax.evaluation import tuning
from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.rpn_heads import DepthwiseRPN
from siamjax.nets.siamfc import SiamFC
from siamjax.nets.siamrpn import SiamRPN
from siamjax.ops import metrics
from siamjax.trackers import loop
from siamjax.trackers.base import LoadedTracker
from siamjax.trackers.siamfc import SiamFCConfig, SiamFCTracker
from siamjax.trackers.siamrpn import SiamRPNConfig, SiamRPNTracker

STAGES = (Stage(4, 11, 2, pool_stride=2), Stage(4, 5, pool_stride=2), Stage(4, 3, norm=False, relu=False))


def loaded(tracker) -> LoadedTracker:
    config = tracker.config
    crops = (np.zeros((1, size, size, 3), np.float32) for size in (config.exemplar_size, config.search_size))
    params = jax.jit(tracker.net.init)(jax.random.key(0), *crops)
    # Grey levels to 255 through random kernels: boxes would be astronomic.
    params = jax.tree.map(lambda leaf: leaf / 64 if leaf.ndim == 4 and leaf.shape[2] == 3 else leaf, params)
    return LoadedTracker(tracker, params, "card", "tiny")


BACKBONE = AlexNet(STAGES, lowering="lax")
CASES = {
    "siamfc": (SiamFCTracker(SiamFC(BACKBONE), SiamFCConfig(upsampling=4)),
               [{}, {"scale_lr": 0.9, "window_influence": 0.8}, {"template_rate": 0.2}]),
    "siamrpn": (SiamRPNTracker(SiamRPN(BACKBONE, DepthwiseRPN(hidden=4, lowering="lax")), SiamRPNConfig()),
                [{}, {"penalty_k": 0.5, "lr": 1.0}, {"window_influence": 0.1, "lr": 0.2}]),
}


# The program of a tracker with several scales takes minutes to compile without optimisation.
@pytest.fixture(params=[pytest.param("siamfc", marks=pytest.mark.slow), *(name for name in CASES if name != "siamfc")])
def case(request):
    tracker, settings = CASES[request.param]
    return loaded(tracker), settings


def test_every_trial_is_the_run_of_its_settings_alone(case, sequences, monkeypatch):
    tracked, settings = case
    sequences = sequences[:2]
    seen: dict[int, list[np.ndarray]] = {}

    def keep(chosen, videos, tracks):
        seen[len(seen)] = tracks
        return score(chosen, videos, tracks)

    score = tuning._score
    monkeypatch.setattr(tuning, "_score", keep)
    tried = list(tuning.trials(tracked, sequences, settings, lanes=2, progress=lambda line: None))
    assert [trial.settings for trial in tried] == settings
    for number, trial in enumerate(tried):
        config = dataclasses.replace(tracked.tracker.config, **trial.settings)
        alone = dataclasses.replace(tracked.tracker, config=config)
        for video, boxes in zip(sequences, seen[number]):
            frames = [video.read(n) for n in range(len(video.frames))]
            [result] = loop.track_frames(alone, tracked.params, frames, video.boxes[0])
            np.testing.assert_allclose(boxes, result.boxes, atol=1e-3)
            auc = metrics.score_sequence(result.boxes, video.boxes).figures(metrics.VISIBLE).auc
            assert trial.videos[video.name] == pytest.approx(auc)
    assert len({boxes[0].tobytes() for boxes in seen.values()}) > 1  # the settings do something
    assert tried[0].auc == pytest.approx(np.mean(list(tried[0].videos.values())))
    assert tuning.best(tried).auc == max(trial.auc for trial in tried)


def test_one_program_serves_all_settings_and_videos(sequences):
    tracker, _ = CASES["siamrpn"]
    before = loop.advance._cache_size(), loop.start._cache_size()
    config = dataclasses.replace(tracker.config, context=0.45)  # no other test has compiled this one
    tracked = loaded(dataclasses.replace(tracker, config=config))
    settings = tuning.grid({"lr": [0.2, 0.4], "penalty_k": [0.1, 0.2]}) + [{}]
    list(tuning.trials(tracked, sequences, settings, lanes=2, progress=lambda line: None))
    assert loop.advance._cache_size() - before[0] == 1
    assert loop.start._cache_size() - before[1] == 1


def test_progress_is_told_a_pass(sequences):
    lines: list[str] = []
    tracked = loaded(CASES["siamfc"][0])
    list(tuning.trials(tracked, sequences[:1], [{}, {"scale_lr": 0.3}], lanes=1, progress=lines.append))
    assert lines == ["tiny: 1 of 2 settings tried", "tiny: 2 of 2 settings tried"]


def test_a_grid_is_every_combination():
    tried = tuning.grid({"a": [1, 2], "b": [3, 4]})
    assert tried == [{"a": 1, "b": 3}, {"a": 1, "b": 4}, {"a": 2, "b": 3}, {"a": 2, "b": 4}]


def test_scatter_stays_in_range_and_repeats():
    options = {"lr": [0.2, 0.6, 0.4], "penalty_k": [0.1]}
    drawn = tuning.scatter(options, 50, seed=3)
    assert drawn == tuning.scatter(options, 50, seed=3) != tuning.scatter(options, 50, seed=4)
    lrs = np.array([trial["lr"] for trial in drawn])
    assert lrs.min() >= 0.2
    assert lrs.max() <= 0.6
    assert np.ptp(lrs) > 0.3
    assert {trial["penalty_k"] for trial in drawn} == {0.1}


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ([{"penalty": 0.1}], ConfigError, "no setting 'penalty'.*penalty_k"),
        ([{"search_size": 287}], ConfigError, "'search_size' shapes the program"),
        ([{}, {"lr": 1.5}], ConfigError, "lr is 1.5"),
        ([], ConfigError, "nothing to try"),
    ],
)
def test_settings_that_cannot_be_tried(sequences, settings, error, words):
    tracked = LoadedTracker(CASES["siamrpn"][0], {}, "card", "tiny")
    with pytest.raises(error, match=words):  # before anything is tracked: there are no parameters
        tuning.trials(tracked, sequences, settings)


def test_videos_that_cannot_be_tuned_on(sequences):
    tracked = LoadedTracker(CASES["siamrpn"][0], {}, "card", "tiny")
    with pytest.raises(DataError, match="no video to tune on"):
        tuning.trials(tracked, [], [{}])
    for absent, words in ((slice(0, 1), "absent from frame 1"), (slice(1, None), "no frame after the first")):
        boxes = sequences[0].boxes.copy()
        boxes[absent] = np.nan
        with pytest.raises(DataError, match=words):
            tuning.trials(tracked, [dataclasses.replace(sequences[0], boxes=boxes)], [{}])
