"""What the package's own region-proposal weights do where the target changes, leaves and comes back."""

from __future__ import annotations

import numpy as np
import pytest

import siamjax
from siamjax.data.textures import coloured_noise
from siamjax.ops import metrics
from siamjax.trackers.longterm import long_term

HEIGHT, WIDTH = 240, 320
pytestmark = pytest.mark.slow


def noise(seed: int, height: int, width: int) -> np.ndarray:
    """A texture `[height, width, 3]` uint8."""
    random = np.random.default_rng(seed)
    return coloured_noise(random, height, width, 24, random.uniform(40, 220, (4, 3))).astype(np.uint8)


def drawn(box, texture: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The background with the texture stretched over `box`, as far as it lies in the frame."""
    frame = background.copy()
    x, y, w, h = np.round(box).astype(int)
    rows = np.arange(max(y, 0), min(y + h, HEIGHT))
    columns = np.arange(max(x, 0), min(x + w, WIDTH))
    side = len(texture)
    frame[np.ix_(rows, columns)] = texture[np.ix_((rows - y) * side // h, (columns - x) * side // w)]
    return frame


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(5)
    blocks = rng.integers(0, 256, (6, 6, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    texture = (0.6 * blocks + 0.4 * noise(1, 96, 96)).astype(np.uint8)
    return texture, (0.5 * noise(2, HEIGHT, WIDTH) + 50).astype(np.uint8)


def test_boxes_follow_a_change_of_aspect_and_size(scene):
    time = np.linspace(0, 1, 80)
    aspect, area = 0.5 * 4**time, (40 * 3**time) ** 2  # width to height 1:2 to 2:1; three times as large
    w, h = np.sqrt(area * aspect), np.sqrt(area / aspect)
    boxes = np.stack([160 + 30 * np.sin(6 * time) - w / 2, 120 - h / 2, w, h], axis=1).astype(np.float32)
    frames = [drawn(box, *scene) for box in boxes]
    overlap = {name: metrics.iou(siamjax.track(siamjax.load(name), frames, boxes[0]).boxes, boxes).mean()
               for name in ("siamfc", "siamrpn_small")}
    print(overlap)  # measured: 0.54 and 0.79
    assert overlap["siamrpn_small"] > 0.7
    assert overlap["siamrpn_small"] > overlap["siamfc"] + 0.15


def there_and_away(frames: int = 60, away: range = range(20, 35)):
    """Boxes of a target that drifts, is away for a while and comes back at another place; NaN while away."""
    time = np.arange(frames)
    x, y = 60 + time * 1.0, 80 + 20 * np.sin(time / 9)
    boxes = np.stack([x, y, np.full(frames, 48.0), np.full(frames, 44.0)], axis=1)
    boxes[away.stop:, 0] += 60  # within reach of the larger crop only
    boxes[away] = np.nan
    return boxes.astype(np.float32)


LOADERS = {"short-term": lambda: siamjax.load("siamrpn_small"),
           "long-term": lambda: long_term(siamjax.load("siamrpn_small")),
           "verified": lambda: siamjax.load("siamrpn_small_lt")}


@pytest.mark.parametrize("kind", LOADERS)
def test_the_score_falls_while_the_target_is_away(scene, kind):
    boxes = there_and_away()
    frames = [drawn(box, *scene) if np.isfinite(box).all() else scene[1] for box in boxes]
    result = siamjax.track(LOADERS[kind](), frames, boxes[0])
    away = np.isnan(boxes[:, 0])
    print(result.scores[1:20].mean(), result.scores[away].mean(), result.lost[away].mean())
    assert result.scores[1:20].mean() > result.scores[away].mean() + 0.3
    assert result.lost[away].mean() > 0.8
    assert not result.lost[1:20].any()


@pytest.mark.parametrize("kind", ["long-term", "verified"])
def test_the_long_term_tracker_finds_the_target_again(scene, kind):
    boxes = there_and_away()
    frames = [drawn(box, *scene) if np.isfinite(box).all() else scene[1] for box in boxes]
    result = siamjax.track(LOADERS[kind](), frames, boxes[0])
    assert metrics.iou(result.boxes[-15:], boxes[-15:]).mean() > 0.5
    assert not result.lost[-15:].any()


def test_a_pedestrian_that_leaves_is_lost_and_found(shared):
    from siamjax.data.readers import open_data

    video = next(track for track in open_data(shared / "sequences") if track.name.endswith("pedestrian3"))
    frames = [video.read(number) for number in range(len(video.frames))]
    result = siamjax.track(long_term(siamjax.load("siamrpn_small")), frames, video.boxes[0])
    absent = np.isnan(video.boxes[:, 0])
    last = np.flatnonzero(absent)[-1]
    print(result.lost[absent].mean(), metrics.iou(result.boxes[last + 5:], video.boxes[last + 5:]).mean())
    assert result.lost[absent].mean() > 0.5
    assert metrics.iou(result.boxes[last + 5:], video.boxes[last + 5:]).mean() > 0.4


def test_long_term_settings_can_be_given():
    tracker = long_term(siamjax.load("siamrpn_small"), lost_search_size=511).tracker
    assert tracker.config.lost_search_size == 511
    assert tracker.config.inner == siamjax.load("siamrpn_small").tracker.config
