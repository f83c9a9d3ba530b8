"""Readers of data sets: each lists tracks, and `open_data` finds out which one fits a folder."""

from siamjax.data.readers.coco import read_coco
from siamjax.data.readers.detect import open_data, open_split
from siamjax.data.readers.folder import read_folder

__all__ = ["open_data", "open_split", "read_coco", "read_folder"]
