"""Photos of objects: one as a frame with a box, all of an object's as a track, and the crops that nets take."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from pathlib import Path

import numpy as np
from PIL import Image

from siamjax.data.images import read_image
from siamjax.data.listing import SUFFIXES, image_files, matching, natural_key, subfolders
from siamjax.data.patches import context_patch
from siamjax.errors import SourceError

CANVAS = 320  # px; a photo's longer side takes half of it: as much margin as the context of a square object


def as_frame(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A photo that is its object from rim to rim, as a frame with a margin: the photo's rim, repeated outwards.

    All photos become frames of one size, whatever theirs is. On tight crops of the validation videos that margin makes
    distances like those of boxes in whole frames (docs/siamese.md); one of the mean colour makes all photos alike.

    Args:
      photo: `[H, W, 3]` uint8 RGB.
    Returns:
      `[CANVAS, CANVAS, 3]` uint8 frame and the `[4]` float32 `xywh` box of the photo in it.
    """
    box = box_in_frame(*photo.shape[:2])
    left, top, width, height = box.astype(int).tolist()
    small = Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR)  # which averages as it shrinks
    rows, columns = (top, CANVAS - top - height), (left, CANVAS - left - width)
    return np.pad(np.asarray(small), (rows, columns, (0, 0)), "edge"), box


def box_in_frame(height: int, width: int) -> np.ndarray:
    """The `[4]` float32 `xywh` box, whole px, that `as_frame` gives to a photo of that size."""
    sides = np.maximum(1, np.rint(np.array([width, height]) * (CANVAS / 2 / max(height, width))))
    return np.concatenate([(CANVAS - sides) // 2, sides]).astype(np.float32)


def object_crop(image: np.ndarray, box: np.ndarray | None, *, size: int, exemplar_size: int = 127,
                context: float = 0.5) -> np.ndarray:
    """What a net sees of an object, as training cuts it.

    Args:
      image: `[H, W, 3]` uint8 RGB.
      box: `[4]` `xywh` of the object, image pixels; None where the whole image is the object (see `as_frame`).
      size: side of the crop, px.
      exemplar_size, context: see `context_patch`.
    Returns:
      `[size, size, 3]` uint8.
    """
    if box is None:
        image, box = as_frame(image)
    return context_patch(image, box, size=size, exemplar_size=exemplar_size, context=context)[0]


def find_images(source: str | Path) -> list[Path]:
    """The image files of a folder and of all folders in it, of a glob pattern, or the one that is named.

    Hidden files and folders, and those of tools, are left out (see `listing.is_hidden`). The order is that of the
    names, part by part, with numbers in them by their value.

    Raises:
      SourceError: there are none.
    """
    path = Path(source)
    if path.is_dir():
        found = [file for folder in _folders(path) for file in image_files(folder)]
        if not found:
            raise SourceError("the folder holds no images", str(source),
                              f"put {', '.join(sorted(SUFFIXES))} files in it")
    elif path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise SourceError("not an image by its name", str(source), f"give one of {', '.join(sorted(SUFFIXES))}")
        found = [path]
    else:
        found = [file for file in matching(str(source)) if file.suffix.lower() in SUFFIXES and file.is_file()]
        if not found:
            raise SourceError("there is no such file or folder, and no image by that pattern", str(source),
                              "check the path")
    return sorted(found, key=lambda file: [natural_key(Path(part)) for part in file.parts])


def _folders(root: Path) -> list[Path]:
    """A folder and all that are in it; what is in a linked folder's folders is left out: links may lead in a circle."""
    return [root, *(one for folder in subfolders(root)
                    for one in ([folder] if folder.is_symlink() else _folders(folder)))]


@dataclasses.dataclass(frozen=True, eq=False)
class Album:
    """A `Track` of separate photos of one object, each photo the object from rim to rim.

    Attributes:
      name: of the object; its group too.
      photos: image files.
      boxes: `[T, 4]` float32 `xywh` of each photo in its frame, see `as_frame`.
      category: empty, since nothing says what kind of thing it is.
    """

    name: str
    photos: tuple[Path, ...]
    boxes: np.ndarray
    category: str = ""

    @property
    def group(self) -> str:
        return self.name

    @property
    def size(self) -> tuple[int, int]:
        return CANVAS, CANVAS

    def key(self, number: int) -> Hashable:
        return self.photos[number]

    def read(self, number: int) -> np.ndarray:
        """Pixels of the frame made of a photo.

        Raises:
          SourceError: the file does not decode.
        """
        return as_frame(read_image(self.photos[number]))[0]
