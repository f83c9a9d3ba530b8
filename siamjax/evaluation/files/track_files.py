"""What `siamjax track` leaves in its folder: a table of the answers, an overlay video, label images."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Sequence as Listing
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np

from siamjax import stopping
from siamjax.data.labels import write_labels
from siamjax.errors import OutputError
from siamjax.evaluation.drawing.annotators import Annotator, draw
from siamjax.evaluation.files import label_images
from siamjax.evaluation.files.video_writer import VideoWriter
from siamjax.outputs import check_folder, leftovers, whole_file
from siamjax.trackers.base import MaskRule, Output

COLUMNS = "frame,target,x,y,w,h,score,lost,valid"
CORNERS = "x1,y1,x2,y2,x3,y3,x4,y4"  # of trackers with masks: the rotated box
PATH = 120  # frames of which the video can show where a target was
OURS = re.compile(r"\d{5,}\.png")


class TrackFiles:
    """Writes answers as they arrive; `with TrackFiles(folder, ...) as files:`, then `files.add` for each frame.

    `tracks.csv` and `video.mp4` appear when the block ends, on Ctrl-C with what was done, and not at all on an
    error; but where the disk is full, the table keeps its rows. `masks/NNNNN.png`, one a frame, appear one by one. A
    folder made here in which nothing appeared is removed.

    Args:
      folder: to write into; made if need be.
      fps: of the video; None for no video.
      rule: of the tracker's masks, None for a tracker without any.
      masks: whether to write the label images.
      given: `[H, W]` uint8 labels of the first frame where they are known; otherwise the given boxes, filled.
      annotators: what the video shows of each answer; masks, boxes and scores by default.
    Raises:
      OutputError: the folder cannot be written, or its `masks` holds what no earlier run has left there.
    """

    def __init__(self, folder: Path, *, fps: float | None, rule: MaskRule | None, masks: bool = True,
                 given: np.ndarray | None = None, annotators: Listing[Annotator] | None = None):
        self.folder, self.fps, self.rule, self.given = folder, fps, rule, given
        self._annotators = annotators
        self._path: deque[np.ndarray] = deque(maxlen=PATH)
        self.mask_folder = folder / "masks" if masks and rule is not None else None
        self.lost = self.unreadable = self.count = 0
        self._stack = ExitStack()
        self._last: Any = None
        if self.mask_folder is not None and self.mask_folder.exists():
            killed = leftovers(folder)  # a run that was killed has masks, and its table under a hidden name
            ours = (folder / "tracks.csv").is_file() or any(path.name.startswith(".tracks.csv.") for path in killed)
            others = [path.name for path in {*self.mask_folder.iterdir()} - {*leftovers(self.mask_folder)}]
            if others and not (ours and all(map(OURS.fullmatch, others))):
                raise OutputError(f"holds files of another origin, such as {sorted(others)[0]}", str(self.mask_folder),
                                  "choose another output folder or remove this one")

    def __enter__(self) -> TrackFiles:
        made = [path for path in (self.mask_folder, self.folder) if path is not None and not path.exists()]
        check_folder(self.folder)
        with ExitStack() as stack:
            stack.callback(_remove_empty, made)
            self._table = stack.enter_context(whole_file(self.folder / "tracks.csv", keep_lines=True))
            self._opened = os.fstat(self._table.fileno()).st_ino
            self._video = (None if self.fps is None
                           else stack.enter_context(VideoWriter(self.folder / "video.mp4", self.fps)))
            if self.mask_folder is not None:
                for earlier in check_folder(self.mask_folder).iterdir():
                    earlier.unlink()
            self._stack = stack.pop_all()
        self._table.write(f"{COLUMNS}{',' + CORNERS if self.rule is not None else ''}\n")
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self._stack.__exit__(kind, error, trace)
            if isinstance(error, OutputError):
                raise error
        except OutputError as refused:
            table = self.folder / "tracks.csv"
            if not (table.is_file() and table.stat().st_ino == self._opened):
                raise
            raise OutputError(refused.what, refused.where, f"{refused.do}; {table} has the frames until then"
                              ) from refused

    def add(self, number: int, image: np.ndarray | None, answer: Output) -> None:
        """Writes the answer `[N, ...]` for a frame; `image` is None where it could not be decoded."""
        stopping.check()
        with stopping.held():  # the files agree on how many frames there are
            self._add(number, image, answer)

    def _add(self, number: int, image: np.ndarray | None, answer: Output) -> None:
        for target in range(len(answer.box)):
            place = [*answer.box[target], answer.score[target]]
            row = [str(number), str(target), *(f"{value:.4f}" for value in place),
                   str(int(answer.lost[target])), str(int(answer.valid[target]))]
            if answer.polygon is not None:
                row += [f"{value:.4f}" for value in answer.polygon[target].ravel()]
            self._table.write(",".join(row) + "\n")
        self.count += 1
        self.lost += int(np.any(answer.lost))
        self.unreadable += image is None
        self._last = image if image is not None else self._last
        labels = self._labels(number, answer)
        if self._video is not None:
            self._path.append(answer.box[:, :2] + answer.box[:, 2:] / 2)
            self._video.write(draw(self._last, answer.box, scores=answer.score, lost=answer.lost, labels=labels,
                                   polygons=answer.polygon, paths=np.stack(self._path, axis=1),
                                   annotators=self._annotators))
        if self.mask_folder is not None and labels is not None:
            write_labels(self.mask_folder / f"{number:05d}.png", labels)

    @property
    def written(self) -> list[Path]:
        """The files and folders that a whole run leaves."""
        names = ["tracks.csv"] + ["video.mp4"] * (self.fps is not None) + ["masks"] * (self.mask_folder is not None)
        return [self.folder / name for name in names]

    def _labels(self, number: int, answer: Output) -> np.ndarray | None:
        if self.rule is None or (self._video is None and self.mask_folder is None):
            return None
        if number == 0 and self.given is not None:
            return self.given
        return label_images.from_masks(answer.mask, answer.affine, self._last.shape[:2], self.rule)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # something is in it
            folder.rmdir()
