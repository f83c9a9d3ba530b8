import json

import numpy as np

from siamjax.data.sample import sample_clip
from siamjax.data.video import open_source


def test_sample_clip_is_whole_and_small():
    path, boxes = sample_clip()
    meta = json.loads((path.parent / "meta.json").read_text())
    assert path.stat().st_size <= 1_000_000
    with open_source(path) as source:
        assert source.size == (meta["height"], meta["width"])
        assert source.fps == meta["fps"]
        frames = list(source)
    assert len(frames) == len(boxes) == meta["frames"]
    assert not source.unreadable
    assert source.truncated is None
    ends = boxes[:, :2] + boxes[:, 2:]
    assert (boxes[:, :2] >= 0).all()
    assert (ends <= np.array([meta["width"], meta["height"]])).all()


def test_boxes_sit_on_the_dotted_ball():
    path, boxes = sample_clip()
    for frame, (x, y, w, h) in list(zip(open_source(path), boxes))[::40]:
        inner = frame[round(y + h / 4) : round(y + 3 * h / 4), round(x + w / 4) : round(x + 3 * w / 4)]
        red, green, blue = inner.reshape(-1, 3).astype(int).T
        is_red = (red > green + 60) & (red > blue + 60)
        is_white = (np.minimum(np.minimum(red, green), blue) > 120) & (abs(red - blue) < 60)
        assert is_red.mean() > 0.2
        assert (is_red | is_white).mean() > 0.7
