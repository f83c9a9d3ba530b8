"""Which reader fits: one call for every folder that training and evaluation are given."""

from __future__ import annotations

from pathlib import Path

from siamjax.data.readers.coco import read_coco
from siamjax.data.readers.davis import is_davis, read_davis
from siamjax.data.readers.folder import read_folder
from siamjax.data.sequences import Sequence, split
from siamjax.errors import DataError


def open_data(path: str | Path) -> list[Sequence]:
    """Lists all tracks under a folder.

    The folder holds sequences (`NAME/groundtruth.txt`), or is one; or it holds one or more of a COCO pair
    (`annotations.json` beside `images/`), sequences in `videos/`, and videos in the layout of DAVIS
    (`JPEGImages/` beside `Annotations/`). Their groups are called `images/STEM`, `videos/NAME` and `NAME`.

    Raises:
      DataError: nothing of the kind is there, or what is there has an error.
    """
    root = Path(path)
    tracks = read_folder(root / "videos", prefix="videos/") if (root / "videos").is_dir() else []
    if is_davis(root):
        tracks += read_davis(root)
    if (root / "annotations.json").is_file():
        tracks += read_coco(root / "annotations.json", root / "images")
    return tracks or read_folder(root)


def open_videos(path: str | Path) -> list[Sequence]:
    """Lists the videos of a folder that trackers are to be run over: in the layout of DAVIS, or else `read_folder`'s.

    Raises:
      DataError: as `open_data`.
    """
    root = Path(path)
    return read_davis(root) if is_davis(root) else read_folder(root)


def open_split(path: str | Path) -> tuple[list[Sequence], list[Sequence]]:
    """`(train, validation)` tracks of a folder; `validation.txt` in it, where there, names the latter.

    `validation.txt` has one group a line, with `*` and `?` as in a shell; `#` starts a comment.

    Raises:
      DataError: as `open_data`; or a line that matches nothing; or nothing left to train on.
    """
    root = Path(path)
    tracks = open_data(root)
    listing = root / "validation.txt"
    if not listing.is_file():
        return tracks, []
    lines = (line.split("#")[0].strip() for line in listing.read_text(encoding="utf-8").splitlines())
    train, validation = split(tracks, [line for line in lines if line])
    if not train:
        raise DataError("the validation split takes all of the data", str(listing), "leave some to train on")
    return train, validation
