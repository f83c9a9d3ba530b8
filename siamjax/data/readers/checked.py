"""Tracks held against their images: sizes, and whether boxes are pixels of them."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Listing
from concurrent.futures import ThreadPoolExecutor

from siamjax.data.box_rules import BoxFile, check_boxes
from siamjax.data.images import image_size
from siamjax.data.readers.layouts import Entry
from siamjax.data.readers.quarantine import Fault, fault_of
from siamjax.data.sequences import Sequence
from siamjax.errors import DataError, SourceError

MOST = 200_000  # boxes that are looked at together
Read = tuple[Entry, list[Sequence]]


def check_tracks(lists: Listing[Read], *, images_needed: bool) -> tuple[list[Read], list[Fault]]:
    """Leaves out videos whose first and last frame differ in size, or whose boxes are not pixels of their frames.

    Of single images only the size that their file states is looked at, when they are read.

    Args:
      lists: entries with their tracks.
      images_needed: whether a video without a first frame that is an image is a fault.
    Raises:
      DataError: the boxes of all together are of another format, see `box_rules.check_boxes`.
    """
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(_size, lists))
    kept, faults, files = [], [], []
    for (entry, tracks), size in zip(lists, sizes):
        try:
            if isinstance(size, DataError) or (isinstance(size, SourceError) and images_needed):
                raise size
            if isinstance(size, tuple):
                found = [_box_file(entry, track, size) for track in tracks]
                check_boxes(found, alone=True)
                files += found
        except (DataError, SourceError) as error:
            faults.append(fault_of(entry.name, error))
        else:
            kept.append((entry, tracks))
    check_boxes(_thinned(files), alone=False)
    return kept, faults


def _size(read: Read) -> tuple[int, int] | SourceError | DataError | None:
    """`(height, width)` px of a video's frames, or what is wrong with them; None for what is no video."""
    tracks = read[1]
    if not tracks or len(tracks[0].frames) < 2:
        return None
    frames = tracks[0].frames
    if tracks[0].has_size:
        return tracks[0].size  # which was read before, and the file has not changed since
    try:
        size, last = tracks[0].size, image_size(frames[-1])
    except SourceError as error:
        return error
    if size != last:
        first, got = (f"{width}x{height}" for height, width in (size, last))
        return DataError(f"the frame is {got} px and the first of its video {first}", str(frames[-1]),
                         "make a video of each size, or resize the frames and their annotations")
    for track in tracks[1:]:
        track.set_size(size)
    return size


def _box_file(entry: Entry, track: Sequence, size: tuple[int, int]) -> BoxFile:
    return BoxFile(str(entry.truth), track.boxes, size, _place(entry))


def _place(entry: Entry) -> Callable[[int], str]:
    return lambda number: f"{entry.truth}, row {number + 1}"


def _thinned(files: list[BoxFile]) -> list[BoxFile]:
    """Files with so few of their boxes that `MOST` are left of all."""
    step = -(-sum(len(file.boxes) for file in files) // MOST)
    if step < 2:
        return files
    return [BoxFile(file.path, file.boxes[::step], file.size, _every(file.place, step), file.scenes) for file in files]


def _every(place: Callable[[int], str], step: int) -> Callable[[int], str]:
    return lambda number: place(number * step)
