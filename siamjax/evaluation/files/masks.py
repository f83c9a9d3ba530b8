"""Masks of a run: `OUT/TRACKER/masks/VIDEO/FRAME.png`, label images under the names of the frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from siamjax.data import sequences as data
from siamjax.data.labels import read_labels, write_labels
from siamjax.errors import DataError, SourceError
from siamjax.evaluation.files import label_images, results
from siamjax.evaluation.metrics import davis
from siamjax.outputs import check_folder, safe_name
from siamjax.trackers.base import MaskRule, Result


def write(folder: Path, objects: Sequence[data.Sequence], answers: Sequence[Result], rule: MaskRule | None) -> None:
    """Writes the masks of one video, the first being the given one; without masks the boxes are filled.

    Args:
      folder: `OUT/TRACKER`.
      objects: of the video; the label of the first is 1.
      answers: one each, all with masks or none.
      rule: of the tracker's masks; None for one that names none.
    """
    video, size = objects[0], objects[0].size
    target = check_folder(folder / "masks" / results.stem(video.group))
    write_labels(_file(target, video, 0), label_images.stacked([given_mask(one) for one in objects]))
    for number in range(1, len(video.frames)):
        if answers[0].masks is None:
            labels = label_images.from_boxes(np.stack([answer.boxes[number] for answer in answers]), size)
        else:
            masks = [answer.masks[number] for answer in answers if answer.masks is not None]
            affines = [answer.affines[number] for answer in answers if answer.affines is not None]
            labels = label_images.from_masks(np.stack(masks), np.stack(affines), size, rule or MaskRule())
        write_labels(_file(target, video, number), labels)


def read(folder: Path, video: data.Sequence, number: int) -> np.ndarray:
    """Labels `[H, W]` uint8 of frame `number`.

    Raises:
      DataError: the file is missing, damaged, or of another size than the frame.
    """
    file = _file(folder / "masks" / results.stem(video.group), video, number)
    do = f"run this sequence again: remove {results.stem(video.name)}.txt from raw/"
    try:
        labels = read_labels(file)
    except SourceError as error:
        raise DataError("a mask of this run cannot be read", str(file), do) from error
    if labels.shape != video.size:
        raise DataError(f"a mask of {labels.shape[1]}x{labels.shape[0]} px, for frames of "
                        f"{video.size[1]}x{video.size[0]}", str(file), do)
    return labels


def check_names(objects: Sequence[data.Sequence]) -> None:
    """Checks, before anything is tracked, that every frame of a video can have its mask.

    Raises:
      OutputError: a name that no file can have.
    """
    for number in range(len(objects[0].frames)):
        _file(Path(), objects[0], number)


def given_mask(one: data.Sequence) -> np.ndarray:
    """What a tracker starts from, `[H, W]` bool: the true mask of frame 1, or the box filled where there is none."""
    return one.mask(0) if one.masked[0] else davis.box_mask(one.boxes[0], one.size)


def _file(folder: Path, video: data.Sequence, number: int) -> Path:
    return folder / f"{safe_name(video.frames[number].stem, f'a frame of {video.group}')}.png"
