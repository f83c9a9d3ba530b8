"""A small data set, trackers whose scores are known by hand, and their way through the evaluation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from siamjax.data.readers.folder import read_folder
from siamjax.trackers.base import LoadedTracker, Result

SIZE = (64, 96)  # height, width
SQUARE = 16  # px


def truth_of(frames: int, step: float, absent: tuple[int, ...] = ()) -> np.ndarray:
    """A square that moves `step` px to the right each frame."""
    boxes = np.stack([[4 + step * t, 20.0, SQUARE, SQUARE] for t in range(frames)])
    boxes[list(absent)] = np.nan
    return boxes


TRUTHS = {"fast": truth_of(9, 4), "gone": truth_of(12, 1, absent=(5, 6)), "slow": truth_of(6, 2)}


@pytest.fixture
def data_folder(tmp_path) -> Path:
    """Three sequences of a white square on grey, named as in `TRUTHS`."""
    root = tmp_path / "data"
    for name, truth in TRUTHS.items():
        (root / name / "img").mkdir(parents=True)
        for number, box in enumerate(truth):
            pixels = np.full((*SIZE, 3), 90, np.uint8)
            if np.isfinite(box).all():
                x, y, w, h = box.astype(int)
                pixels[y : y + h, x : x + w] = 255
            Image.fromarray(pixels).save(root / name / "img" / f"{number + 1:08d}.png")
        lines = (",".join(str(value) for value in box) for box in truth)
        (root / name / "groundtruth.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def sequences(data_folder):
    return read_folder(data_folder)


@dataclasses.dataclass(frozen=True)
class FakeConfig:
    speed: float = 0.0  # px a frame that the box drifts to the right


@dataclasses.dataclass(frozen=True)
class FakeTracker:
    """`find`: looks for the white square; otherwise the given box drifts."""

    net: str = "none"
    config: FakeConfig = FakeConfig()
    find: bool = False


def follow(tracker: FakeTracker, params, frames, boxes) -> list[Result]:
    """Has the signature of `trackers.loop.track_frames`; takes 10 ms a frame and 1 s to start."""
    answers, valid = [], []
    for number, frame in enumerate(frames):
        box = answers[-1] if answers else np.asarray(boxes[0], np.float32)
        if number and tracker.find and frame is not None and (frame[..., 0] > 200).any():
            ys, xs = np.nonzero(frame[..., 0] > 200)
            box = np.array([xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1])
        elif number and not tracker.find:
            box = box + np.array([tracker.config.speed, 0, 0, 0])
        answers.append(np.asarray(box, np.float32))
        valid.append(frame is not None)
    seconds = np.full(len(answers), 0.01)
    seconds[0] = 1.0
    scores = np.linspace(1, 0.5, len(answers))
    return [Result(np.stack(answers), scores, np.zeros(len(answers), bool), np.array(valid), seconds)]


@pytest.fixture
def perfect() -> LoadedTracker:
    return LoadedTracker(FakeTracker(find=True), {"params": {"w": np.ones(2, np.float32)}}, "card", "perfect")


@pytest.fixture
def still() -> LoadedTracker:
    return LoadedTracker(FakeTracker(), {"params": {}}, "card", "still")


@pytest.fixture
def drifting() -> LoadedTracker:
    return LoadedTracker(FakeTracker(config=FakeConfig(speed=-3.0)), {"params": {}}, "card", "drifting")


@pytest.fixture
def fake_track():
    return follow


@pytest.fixture
def truths():
    return TRUTHS
