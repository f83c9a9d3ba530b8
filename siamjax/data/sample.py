"""The clip inside the package: a dotted ball among balls like it, rendered by scripts/make_sample.py."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np

from siamjax.data.readers.rows import read_boxes


def sample_clip() -> tuple[Path, np.ndarray]:
    """The video file, and the target's boxes `[T, 4]` float32 `xywh`, frame pixels, one a frame."""
    folder = Path(str(files("siamjax") / "assets" / "sample"))
    return folder / "clip.mp4", read_boxes(folder / "groundtruth.txt")
