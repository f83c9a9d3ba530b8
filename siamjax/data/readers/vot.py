"""VOT of all years: `list.txt`, `NAME/color/00000001.jpg` and `NAME/groundtruth.txt` of boxes, polygons or masks."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from siamjax.data.frame_list import FrameList
from siamjax.data.listing import files_named, subfolders
from siamjax.data.readers.layouts import Entry, Layout, Splits, frames_of, from_first_seen, names_in
from siamjax.data.readers.rows import LIMIT, check_count, present_boxes
from siamjax.data.runs import RunLengths, vot_runs
from siamjax.data.sequences import WHEN_ASKED, Polygon, Sequence
from siamjax.data.text import read_text
from siamjax.errors import DataError

TRUTH = "groundtruth"
DO = "write x,y,w,h, a polygon's x1,y1,x2,y2,..., a mask's mX,Y,W,H,c0,c1,..., or nan,nan,nan,nan for an absent target"


class Region(NamedTuple):
    """One row: the box `[4]` `xywh` of NaN where absent, and the polygon or mask that it is of."""

    box: np.ndarray
    polygon: Polygon | None = None
    mask: RunLengths | None = None


ABSENT = Region(np.full(4, np.nan, np.float32))


def find(root: Path) -> Splits | None:
    """Entries of a folder with `list.txt`, or of the workspace that has it in `sequences/`."""
    home = root / "sequences" if (root / "sequences" / "list.txt").is_file() else root
    if not home.is_dir():
        return None
    listing = home / "list.txt"
    names = names_in(listing) if listing.is_file() else [one.name for one in subfolders(home)]
    if not any(_is_sequence(home / name, listing.is_file()) for name in names[:20]):
        return None
    return {"": [_entry(home / name) for name in names]}


def _is_sequence(folder: Path, is_listed: bool) -> bool:
    """Whether it is one of VOT's: `color/`, a `sequence` file, or polygons and masks beside its images."""
    truths = _truths(folder)
    if not truths or (folder / "img").is_dir():
        return False
    if (folder / "color").is_dir() or (folder / "sequence").is_file():
        return True
    return is_listed and _reads_as_region(truths[0]) and not files_named(folder, "*.label")


def _reads_as_region(path: Path) -> bool:
    first = read_text(path).split("\n", 1)[0]
    return first.startswith("m") or first.count(",") >= 5


def _entry(folder: Path) -> Entry:
    truths = _truths(folder)
    return Entry(folder.name, functools.partial(_read, folder, truths),
                 (*(truths or [folder / f"{TRUTH}.txt"]), _images(folder), folder / "sequence", folder))


def _truths(folder: Path) -> list[Path]:
    """Files of the objects: `groundtruth.txt`, or `groundtruth_NAME.txt` for each of several."""
    return [path for path in files_named(folder, f"{TRUTH}*.txt")
            if path.stem == TRUTH or path.stem.startswith(f"{TRUTH}_")]


def _images(folder: Path) -> Path:
    """Where the images are: as `sequence` says (`channels.color=color/%08d.jpg`), in `color/`, or beside."""
    pattern = _about(folder / "sequence").get("channels.color", "color/")
    inside = Path(pattern).parent if Path(pattern).suffix else Path(pattern)
    named = folder / inside if not inside.is_absolute() and ".." not in inside.parts else folder
    return named if named.is_dir() else folder


def _read(folder: Path, truths: list[Path]) -> list[Sequence]:
    if not truths:
        raise DataError("the sequence has no groundtruth.txt", str(folder), "give it, or take the name off the list")
    frames, about = frames_of(_images(folder)), _about(folder / "sequence")
    rate = re.fullmatch(r"[0-9.]+", about.get("fps", about.get("fps ", "")))
    # A tag is a file of a number a frame; shorter ones are of zeros from their end on.
    tags = tuple(path.stem for path in files_named(folder, "*.tag") if "1" in read_text(path))
    tracks = []
    for path in truths:
        name = path.stem.removeprefix(TRUTH).strip("_")
        track = _track(f"{folder.name}/{name}" if name else folder.name, folder.name, frames, path, tags,
                       float(rate[0]) if rate else None)
        if track is not None:
            tracks.append(track)
    if not tracks:
        raise DataError("no row of the sequence has a target", str(truths[0]), "remove it")
    return tracks


def _track(name: str, group: str, frames: FrameList, path: Path, tags: tuple[str, ...], fps: float | None
           ) -> Sequence | None:
    lines = read_text(path, do=DO).rstrip().splitlines()
    regions = [_region(line, path, number) for number, line in enumerate(lines, start=1)]
    check_count(len(regions), len(frames), path, "rows")
    polygons = masks = None
    if any(one.polygon is not None for one in regions):
        polygons = tuple(() if one.polygon is None else (one.polygon,) for one in regions)
    if any(one.mask is not None for one in regions):
        masks = tuple(one.mask for one in regions)
    four = polygons is not None and all(len(outline) == 4 for outlines in polygons for outline in outlines)
    return from_first_seen(Sequence(
        name, group, frames, np.stack([one.box for one in regions]), WHEN_ASKED, masks=masks, polygons=polygons,
        attributes=tags, turned_boxes=four, fps=fps))


def _region(line: str, path: Path, number: int) -> Region:
    where, words = f"{path}, line {number}", line.strip().removeprefix("m").replace(",", " ").split()
    is_mask = line.strip().startswith("m")
    try:
        values = [int(word) if is_mask else float(word) for word in words if "_" not in word or _fail(word)]
    except ValueError as error:
        raise DataError(f"{line[:60]!r} is no region", where, DO) from error
    if is_mask:
        mask = vot_runs(int(value) for value in values)
        if mask is None:
            raise DataError("run lengths that do not fit their window", where, DO)
        box = mask.box()
        return ABSENT if box is None else Region(box, mask=mask)
    if len(values) < 4 or len(values) % 2 or any(abs(value) > LIMIT for value in values):
        raise DataError(f"{len(values)} numbers are no region", where, DO)
    if all(map(np.isnan, values)):
        return ABSENT
    if len(values) == 4:
        return Region(present_boxes(np.array([values]), path, number)[0])
    if any(map(np.isnan, values)):
        raise DataError("a polygon that is partly NaN", where, DO)
    polygon = np.array(values, np.float32).reshape(-1, 2)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    if not (high > low).all():
        return ABSENT
    return Region(np.concatenate([low, high - low]), polygon)


def _fail(word: str) -> bool:
    raise ValueError(word)  # Python reads 1_0 as 10


def _about(path: Path) -> dict[str, str]:
    """What `sequence` says, `key=value` a line."""
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in read_text(path).splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


LAYOUT = Layout("vot", "VOT", find, train=("",), validate=(), evaluate=("",))
