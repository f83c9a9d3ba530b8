"""Readers of data sets: each lists tracks, and `open_data` finds out which one fits a folder."""

from siamjax.data.readers.albums import read_albums
from siamjax.data.readers.catalogue import Choice
from siamjax.data.readers.coco import read_coco
from siamjax.data.readers.davis import read_davis
from siamjax.data.readers.detect import (
    Reader,
    find_reader,
    open_data,
    open_objects,
    open_split,
    open_validation,
    open_videos,
)
from siamjax.data.readers.folder import read_folder
from siamjax.data.readers.quarantine import Fault, TrackList

__all__ = ["Choice", "Fault", "Reader", "TrackList", "find_reader", "open_data", "open_objects", "open_split",
           "open_validation", "open_videos", "read_albums", "read_coco", "read_davis", "read_folder"]
