"""Folders of photos: one folder an object, as someone has them who wants to tell objects apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from siamjax.data.images import image_size
from siamjax.data.listing import image_files, subfolders
from siamjax.data.photos import Album, box_in_frame
from siamjax.errors import DataError


def is_albums(root: str | Path) -> bool:
    """Whether a folder holds folders of images, and nothing that another reader knows (boxes, annotations)."""
    root = Path(root)
    if (root / "annotations.json").is_file() or (root / "videos").is_dir():
        return False
    folders = _folders(root)
    return any(map(image_files, folders)) and not any(
        (folder / "groundtruth.txt").is_file() or (folder / "objects").is_dir() for folder in folders)


def read_albums(root: str | Path) -> list[Album]:
    """Lists the objects of a folder in natural order: `ROOT/OBJECT/*.jpg`, each photo cut to its object.

    Photos may be of any size, and objects may have one photo or many. Only headers are read.

    Raises:
      DataError: no folder of images in it.
      SourceError: a file that is no image; it is named.
    """
    albums = []
    for folder in _folders(Path(root)):
        photos = tuple(image_files(folder))
        if photos:
            boxes = np.stack([box_in_frame(*image_size(photo)) for photo in photos])
            albums.append(Album(folder.name, photos, boxes))
    if not albums:
        raise DataError("no folder of images in it", str(root),
                        "put the photos of each object into a folder of its own")
    return albums


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        raise DataError("there is no such folder", str(root), "check the path")
    return subfolders(root)

