"""DAVIS and YouTube-VOS: `JPEGImages/NAME/*.jpg` and `Annotations/NAME/*.png`, which number the objects."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from siamjax.data.frame_files import frame_files, mask_files
from siamjax.data.labels import VOID, Look, Meaning, boxes_of, meaning_of, open_annotation
from siamjax.data.listing import ordered, subfolders
from siamjax.data.readers.frames import common_size
from siamjax.data.readers.quarantine import Fault, gather
from siamjax.data.sequences import Sequence
from siamjax.data.text import read_json
from siamjax.errors import DataError

RESOLUTIONS = "480p", "1080p", "Full-Resolution"  # of DAVIS, a folder each; the first is the one that results are of


class Annotated(NamedTuple):
    """One mask file: its size `(height, width)` px, how it looks, and by each meaning what is in it.

    Which is the box `[4]` `xywh` of each number, or why the file cannot mean that. One that is not grey has no meaning.
    """

    size: tuple[int, int]
    look: Look | None
    found: dict[Meaning | None, dict[int, np.ndarray] | DataError]

    def boxes(self, meaning: Meaning | None) -> dict[int, np.ndarray]:
        boxes = self.found[None if self.look is None else meaning]
        if isinstance(boxes, DataError):
            raise boxes
        return boxes


def is_davis(root: Path) -> bool:
    """Whether a folder is laid out as DAVIS and YouTube-VOS are."""
    return (root / "JPEGImages").is_dir() and (root / "Annotations").is_dir()


def read_davis(root: str | Path, faults: list[Fault] | None = None, *, only: str | None = None) -> list[Sequence]:
    """Lists the objects of a folder in the layout of DAVIS 2016, DAVIS 2017 or YouTube-VOS, in natural order.

    A track begins with the first annotated frame. Frames without an annotation (YouTube-VOS annotates every fifth, of
    its test sets those where an object appears) have neither mask nor box: whether the object is in them is not known
    (`Sequence.annotated`). A box is the least one round the object's pixels, NaN where it has none. What the numbers of
    grey files mean is decided for each video, and for all where one shows that 255 is void (`labels.meaning_of`). DAVIS
    may have a folder for each resolution in between; `480p` is taken before the others. `meta.json`, where there, names
    the categories as in YouTube-VOS. All annotations are decoded, several at once, to find the boxes.

    Args:
      root: the folder that holds `JPEGImages` and `Annotations`.
      faults: is told of videos with an error, which are then left out.
      only: name of the one video that is wanted; None for all.

    Returns:
      One `Sequence` an object: named by its video, and by `video/number` where that has several.

    Raises:
      DataError: no video; or (without `faults`) one without frames or objects, a mask without a frame or of another
        size, or one that `labels.read_annotation` refuses; the file or folder is named.
      SourceError: a file that does not decode.
    """
    root = Path(root)
    images, annotations = resolution(root)
    categories = _read_categories(root / "meta.json")
    videos = subfolders(annotations) if only is None else [annotations / only]
    if not videos:
        raise DataError("the folder holds no video", str(annotations), "give Annotations/NAME/*.png")
    pool = ThreadPoolExecutor(min(16, os.cpu_count() or 1))
    try:
        asked = [(video, files, [pool.submit(_annotated, file) for file in files])
                 for video in videos for files in [ordered(mask_files(video).values())]]
        read, wrong = gather(asked, _looked_at, lambda one: one[0].name, stop=faults is None)
    finally:
        pool.shutdown(cancel_futures=True)  # after an error nobody waits for the rest
    if any(one.meaning is Meaning.NUMBERS for one in read):  # and then 255 is void too in a video with nothing else
        read = [one._replace(meaning=one.meaning or Meaning.NUMBERS) for one in read]
    found, unfit = gather(read, lambda one: _read_video(images / one.folder.name, one.files, one.rows, one.meaning,
                                                        categories.get(one.folder.name, {})),
                          lambda one: one.folder.name, stop=faults is None)
    if faults is not None:
        faults += [*wrong, *unfit]
    return [sequence for sequences in found for sequence in sequences]


class _Video(NamedTuple):
    """A folder of mask files, what was found in each, and what grey ones mean."""

    folder: Path
    files: list[Path]
    rows: list[Annotated]
    meaning: Meaning | None


def _looked_at(asked: tuple[Path, list[Path], list[Future[Annotated]]]) -> _Video:
    folder, files, futures = asked
    rows = [one.result() for one in futures]
    return _Video(folder, files, rows, meaning_of(row.look for row in rows))


def resolution(root: Path) -> tuple[Path, Path]:
    """The folders of images and of annotations, each with a folder a video in it."""
    images, annotations = root / "JPEGImages", root / "Annotations"
    for name in RESOLUTIONS:
        if (images / name).is_dir() and (annotations / name).is_dir():
            return images / name, annotations / name
    return images, annotations


def _read_video(folder: Path, files: list[Path], rows: list[Annotated], meaning: Meaning | None,
                categories: dict[int, str]) -> list[Sequence]:
    """The objects of a video, from its folder of frames, its mask files, what was found in each and what it means."""
    by_stem = {path.stem: path for path in frame_files(folder)} if folder.is_dir() else {}
    if not by_stem:
        raise DataError("the video has no frames", str(folder), "give its images, or remove its annotations")
    for file in files:
        if file.stem not in by_stem:
            raise DataError(f"the mask has no frame in {folder}", str(file), "name the masks as their frames")
    size = common_size(list(by_stem.values()))
    for file, row in zip(files, rows):
        if row.size != size:
            mask, frame = (f"{width}x{height}" for height, width in (row.size, size))
            turned = "; an EXIF orientation may turn the frame" if row.size == size[::-1] else ""
            raise DataError(f"the mask is {mask} px and its frame {frame}", str(file),
                            f"take masks and frames of one resolution{turned}")
    boxes = [row.boxes(meaning) for row in rows]
    numbers = sorted({number for row in boxes for number in row})
    if len(numbers) > 1:  # a frame may show nothing but void
        numbers = [number for number in numbers if number != VOID]
    if not numbers:
        void = " but void (255)" if meaning is Meaning.NUMBERS else ""
        raise DataError(f"the masks of the video show no object{void}", folder.name, "remove it, or draw the objects")
    of_stem = {file.stem: place for place, file in enumerate(files)}
    frames = tuple(by_stem.values())
    frames = frames[frames.index(by_stem[files[0].stem]):]
    places = [of_stem.get(frame.stem) for frame in frames]  # in `files`, None where there is no mask
    found = [{} if place is None else boxes[place] for place in places]
    nothing = np.full(4, np.nan, np.float32)
    annotated = np.array([place is not None for place in places])
    return [Sequence(folder.name if len(numbers) == 1 else f"{folder.name}/{number}", folder.name, frames,
                     np.stack([row.get(number, nothing) for row in found]), size,
                     masks=tuple(None if place is None else files[place] for place in places),
                     category=categories.get(number, ""), label=number, meaning=meaning,
                     annotated=None if annotated.all() else annotated)
            for number in numbers]


def _annotated(file: Path) -> Annotated:
    annotation = open_annotation(file)
    look = annotation.look()
    found: dict[Meaning | None, dict[int, np.ndarray] | DataError] = {}
    for meaning in (None,) if look is None else (None, *Meaning):
        try:
            found[meaning] = boxes_of(annotation.numbers(meaning))
        except DataError as error:  # which only matters if the file's video means that
            found[meaning] = error
    return Annotated((annotation.channel.shape[0], annotation.channel.shape[1]), look, found)


def _read_categories(path: Path) -> dict[str, dict[int, str]]:
    """Categories by video and number, of `{"videos": {NAME: {"objects": {"1": {"category": "cat"}}}}}`."""
    if not path.is_file():
        return {}
    do = "give the meta.json of YouTube-VOS, or none"
    try:
        videos: dict[str, Any] = read_json(path, do=do)["videos"]
        return {name: {int(number): str(one.get("category", "")) for number, one in video["objects"].items()}
                for name, video in videos.items()}
    except DataError:
        raise
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise DataError("the file is not as expected", str(path), do) from error
