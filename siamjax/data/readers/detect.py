"""Which reader fits: one call for every folder that training and evaluation are given."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import TypeAlias

import numpy as np

from siamjax.data.readers import catalogue
from siamjax.data.readers.albums import is_albums, read_albums
from siamjax.data.readers.catalogue import Choice, Use
from siamjax.data.readers.coco import read_coco
from siamjax.data.readers.davis import is_davis, read_davis
from siamjax.data.readers.folder import read_folder
from siamjax.data.readers.prepared import PreparedTrack, is_prepared, originals_needed, read_prepared
from siamjax.data.readers.quarantine import Fault, TrackList, gather, settle
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


def open_data(path: str | Path, reader: Reader | Choice | None = None) -> list[Sequence] | list[PreparedTrack]:
    """Lists all tracks under a folder.

    The folder is laid out as the publisher of a data set does it (`catalogue.LAYOUTS`). Or it holds sequences
    (`NAME/groundtruth.txt`), or is one; or it holds one or more of a COCO pair (`annotations.json` beside `images/`),
    sequences in `videos/`, and videos in the layout of DAVIS (`JPEGImages/` beside `Annotations/`). Their groups are
    called `images/STEM`, `videos/NAME` and `NAME`. Or it is what `siamjax prepare` wrote.

    Sequences with a fault are left out, a `RuntimeWarning` says how many, and the `TrackList` that comes back names
    them.

    Args:
      path: the folder.
      reader: of another layout, or which of those above is meant; by default its content tells.
    Raises:
      DataError: nothing of the kind is there, or more than half of what is there has an error.
      ConfigError: a layout or split that is not there.
    """
    if _is_prepared(path, reader):
        train, validation = read_prepared(path)
        return train + validation
    return _open(Path(path), reader, Use.LIST)


def open_videos(path: str | Path, reader: Reader | Choice | None = None) -> list[Sequence]:
    """Lists the videos of a folder that trackers are to be run over: those of the split that is for evaluations.

    Of the layouts of one's own that is the one of DAVIS, or else `read_folder`'s.

    Raises:
      DataError, ConfigError: as `open_data`.
    """
    if _is_prepared(path, reader):
        raise originals_needed(path)
    return _open(Path(path), reader, Use.EVALUATE)


def open_split(path: str | Path, reader: Reader | Choice | None = None) -> tuple[Listing[Track], Listing[Track]]:
    """`(train, validation)` tracks of a folder: the publisher's splits, or what `validation.txt` in it says.

    `validation.txt` names the latter, one group a line, see `split.named_groups`.

    Raises:
      DataError, ConfigError: as `open_data`; or a line that matches nothing; or nothing left to train on.
    """
    root = Path(path)
    if _is_prepared(root, reader):
        return read_prepared(root)
    tracks = _open(root, reader, Use.TRAIN)
    if (root / "validation.txt").is_file() or not isinstance(reader, Choice | None):
        return _divided(root, tracks)
    choice = reader or Choice()
    found = catalogue.find_layout(root, choice) if choice.split is None else None
    entries = [] if found is None else catalogue.pick(found, choice, Use.VALIDATE)
    if found is None or not entries:
        return tracks, []
    return tracks, catalogue.read(found, entries, choice, Use.VALIDATE)


def open_validation(path: str | Path, reader: Reader | Choice | None = None) -> list[Sequence]:
    """Tracks of a folder that settings are chosen on: of the split that is asked for, else those of `open_split`.

    Raises:
      DataError, ConfigError: as `open_split`.
    """
    if _is_prepared(path, reader):
        raise originals_needed(path)
    if isinstance(reader, Choice) and reader.split is not None:
        return _open(Path(path), reader, Use.VALIDATE)
    return [one for one in open_split(path, reader)[1] if isinstance(one, Sequence)]


def open_objects(path: str | Path, reader: Reader | Choice | None = None) -> tuple[Listing[Track], Listing[Track]]:
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


def _is_prepared(path: str | Path, reader: Reader | Choice | None) -> bool:
    return is_prepared(path) and (reader is None or isinstance(reader, Choice))


def _open(root: Path, reader: Reader | Choice | None, use: Use) -> list[Sequence]:
    if reader is not None and not isinstance(reader, Choice):
        return _read(reader, root)
    choice = reader or Choice()
    found = catalogue.find_layout(root, choice)
    tracks = _own(root, choice, use) if found is None else catalogue.read(
        found, catalogue.pick(found, choice, use), choice, use)
    return _startable(root, tracks, choice) if use is Use.EVALUATE else tracks


def _own(root: Path, choice: Choice, use: Use) -> TrackList:
    """Tracks of the layouts that users make."""
    faults: list[Fault] = []
    if use is Use.EVALUATE:
        tracks = read_davis(root, faults) if is_davis(root) else read_folder(root, faults=faults)
    else:
        tracks = read_folder(root / "videos", prefix="videos/", faults=faults) if (root / "videos").is_dir() else []
        if is_davis(root):
            tracks += read_davis(root, faults)
        if (root / "annotations.json").is_file():
            tracks += read_coco(root / "annotations.json", root / "images")
        tracks = tracks or read_folder(root, faults=faults)
    settle(faults, len({one.group for one in tracks}) + len(faults), str(root), strict=choice.strict)
    return TrackList(tracks, layout=catalogue.OWN, faults=faults)


def _startable(root: Path, tracks: list[Sequence], choice: Choice) -> TrackList:
    """Tracks that can be followed from their first frame; objects of label images may come later, as protocols say."""
    found, faults = gather(tracks, _with_start, lambda one: one.name)
    settle(faults, len(tracks), str(root), strict=choice.strict)
    known = tracks if isinstance(tracks, TrackList) else TrackList(tracks)
    return TrackList(found, layout=known.layout, faults=[*known.faults, *faults])


def _with_start(one: Sequence) -> Sequence:
    if one.label is None and not np.isfinite(one.boxes[0]).all():
        raise DataError("the target is absent from frame 1", one.name, "cut the sequence to start where it shows")
    return one


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
