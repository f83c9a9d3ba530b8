"""Which reader fits: one call for every folder that training and evaluation are given."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import TypeAlias

import numpy as np

from siamjax.data.readers.albums import is_albums, read_albums
from siamjax.data.readers.coco import read_coco
from siamjax.data.readers.davis import is_davis, read_davis
from siamjax.data.readers.folder import read_folder
from siamjax.data.sequences import Sequence, Track
from siamjax.data.split import AnyTrack, split
from siamjax.data.text import read_text
from siamjax.errors import ConfigError, DataError
from siamjax.user_code import called, load_object

Reader: TypeAlias = Callable[[Path], list[Sequence]]  # lists the tracks of a folder


def find_reader(given: str | Path) -> Reader:
    """A reader of one's own: the function `reader` of `FILE.py`, or `FILE.py:NAME` or `package.module:NAME`.

    Raises:
      ConfigError: there is none.
    """
    return load_object(given, Callable, "reader", what="reader")  # type: ignore[type-abstract]


def open_data(path: str | Path, reader: Reader | None = None) -> list[Sequence]:
    """Lists all tracks under a folder.

    The folder holds sequences (`NAME/groundtruth.txt`), or is one; or it holds one or more of a COCO pair
    (`annotations.json` beside `images/`), sequences in `videos/`, and videos in the layout of DAVIS
    (`JPEGImages/` beside `Annotations/`). Their groups are called `images/STEM`, `videos/NAME` and `NAME`.

    Args:
      path: the folder.
      reader: of another layout; by default those above.
    Raises:
      DataError: nothing of the kind is there, or what is there has an error.
    """
    root = Path(path)
    if reader is not None:
        return _read(reader, root)
    tracks = read_folder(root / "videos", prefix="videos/") if (root / "videos").is_dir() else []
    if is_davis(root):
        tracks += read_davis(root)
    if (root / "annotations.json").is_file():
        tracks += read_coco(root / "annotations.json", root / "images")
    return tracks or read_folder(root)


def open_videos(path: str | Path, reader: Reader | None = None) -> list[Sequence]:
    """Lists the videos of a folder that trackers are to be run over: in the layout of DAVIS, or else `read_folder`'s.

    Raises:
      DataError: as `open_data`.
    """
    root = Path(path)
    if reader is not None:
        return _read(reader, root)
    return read_davis(root) if is_davis(root) else read_folder(root)


def open_split(path: str | Path, reader: Reader | None = None) -> tuple[list[Sequence], list[Sequence]]:
    """`(train, validation)` tracks of a folder; `validation.txt` in it, where there, names the latter.

    `validation.txt` has one group a line, see `split.named_groups`.

    Raises:
      DataError: as `open_data`; or a line that matches nothing; or nothing left to train on.
    """
    return _divided(Path(path), open_data(path, reader))


def open_objects(path: str | Path, reader: Reader | None = None) -> tuple[Listing[Track], Listing[Track]]:
    """`(train, validation)` tracks of a folder for embedding nets: those of `open_split`, or `OBJECT/*.jpg`.

    Trackers do not read the latter, since a video that lacks its boxes looks the same.

    Raises:
      DataError: as `open_split`.
    """
    root = Path(path)
    if reader is not None:
        return open_split(root, reader)
    if root.is_dir() and not any(root.iterdir()):
        raise DataError("the folder is empty", str(root),
                        "put the photos of each object into a folder of its own, or give videos with boxes")
    return _divided(root, read_albums(root)) if root.is_dir() and is_albums(root) else open_split(root)


def _read(reader: Reader, root: Path) -> list[Sequence]:
    with called("reader"):
        tracks = list(reader(root))
    strange = [type(one).__name__ for one in tracks if not isinstance(one, Sequence)]
    if strange:
        raise ConfigError(f"the reader lists {len(strange)} objects that are no tracks, the first of type {strange[0]}",
                          "--reader", "let it give a list of `siamjax.data.Sequence`")
    for one in tracks:
        if not one.frames or np.shape(one.boxes) != (len(one.frames), 4):
            raise DataError(f"{len(one.frames)} frames and boxes of shape {np.shape(one.boxes)}", one.name,
                            "let the reader give a box x,y,w,h for each frame, of NaN where the target is absent")
    if not tracks:
        raise DataError("the reader found no tracks", str(root), "give the folder that it is for")
    return tracks


def _divided(root: Path, tracks: list[AnyTrack]) -> tuple[list[AnyTrack], list[AnyTrack]]:
    """Tracks by the `validation.txt` of their folder, if there is one."""
    listing = root / "validation.txt"
    if not listing.is_file():
        return tracks, []
    # Not `splitlines`, which divides at characters that names may have.
    train, validation = split(tracks, [line.rstrip("\r") for line in read_text(listing).split("\n")],
                              str(listing))
    if not train:
        raise DataError("the validation split takes all of the data", str(listing), "leave some to train on")
    return train, validation
