"""The layouts that are known, which of them a folder has, and its sequences read."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import time
import warnings
from collections.abc import Iterable
from collections.abc import Sequence as Listing
from pathlib import Path

from siamjax.data.readers import (
    coco_published,
    coco_video,
    csv_boxes,
    cvat,
    davis_published,
    got10k,
    imagenet,
    index,
    label_studio,
    lasot,
    mot,
    nfs,
    otb,
    templecolor,
    tnl2k,
    trackingnet,
    uav,
    vot,
)
from siamjax.data.readers.checked import check_tracks
from siamjax.data.readers.davis import is_davis
from siamjax.data.readers.folder import has_sequences
from siamjax.data.readers.layouts import Entry, Layout, Splits, chosen, names_in
from siamjax.data.readers.quarantine import Fault, TrackList, gather, settle
from siamjax.data.split import named_groups
from siamjax.errors import ConfigError, DataError

LAYOUTS: dict[str, Layout] = {one.name: one for one in (
    got10k.LAYOUT, lasot.LAYOUT, trackingnet.LAYOUT, otb.LAYOUT, uav.LAYOUT, nfs.LAYOUT, templecolor.LAYOUT,
    tnl2k.LAYOUT, vot.LAYOUT, imagenet.VID, imagenet.DET, coco_published.LAYOUT, mot.LAYOUT, cvat.LAYOUT,
    davis_published.DAVIS, davis_published.YOUTUBE_VOS, csv_boxes.LAYOUT, label_studio.LAYOUT, coco_video.LAYOUT)}
OWN = "folder"  # the layouts that docs/own_data.md describes, which `detect` reads
EVERYTHING = "all"
ORIGINS = "zero", "written"


class Use(enum.Enum):
    """What tracks are wanted for."""

    LIST = "listing"
    TRAIN = "training"
    VALIDATE = "validation"
    EVALUATE = "evaluation"


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which layout and split of a folder are meant, where its content does not say enough.

    Attributes:
      layout: a name of `LAYOUTS`, or `folder`; None to find it by the content.
      split: a published one (`train`, `val`, `test`, ...), `all`, or a file of names, one a line; None for what suits
        the use.
      strict: stop at the first sequence with a fault instead of leaving it out.
      origin: of boxes whose files count pixels from 1: `zero` to count them from 0, `written` to take them as they are,
        as all toolkits do; None for the latter in evaluations and the former else.
    Raises:
      ConfigError: there is no such layout or origin.
    """

    layout: str | None = None
    split: str | None = None
    strict: bool = False
    origin: str | None = None

    def __post_init__(self) -> None:
        if self.layout is not None and self.layout not in (OWN, *LAYOUTS):
            raise ConfigError(f"there is no layout '{self.layout}'", "--layout",
                              f"choose one of: {', '.join((OWN, *sorted(LAYOUTS)))}")
        if self.origin not in (None, *ORIGINS):
            raise ConfigError(f"there is no origin '{self.origin}'", "--origin", f"choose one of: {', '.join(ORIGINS)}")


@dataclasses.dataclass(frozen=True)
class Found:
    """A folder whose layout is known, its sequences not read yet."""

    root: Path
    layout: Layout
    splits: Splits


def find_layout(root: Path, choice: Choice) -> Found | None:
    """How a folder is laid out; None for the layouts of `detect`.

    Raises:
      DataError: it is not laid out as asked for, or fits two layouts.
    """
    if choice.layout == OWN or not root.is_dir():
        return None
    if choice.layout is not None:
        layout = LAYOUTS[choice.layout]
        splits = layout.find(root)
        if splits is None:
            raise DataError(f"the folder is not laid out as {layout.title}", str(root),
                            "give the folder that its publisher's archives unpack to, or leave --layout out")
        return Found(root, layout, splits)
    fits = _fitting(root, by_users=False)
    if not fits and not (has_sequences(root) or has_sequences(root / "videos") or is_davis(root)):
        fits = _fitting(root, by_users=True)
    if len(fits) > 1:
        names = " and ".join(one.layout.name for one in fits)
        raise DataError(f"the folder fits the layouts {names}", str(root), "say which one is meant with --layout NAME")
    return fits[0] if fits else None


def _fitting(root: Path, *, by_users: bool) -> list[Found]:
    return [Found(root, layout, splits) for layout in LAYOUTS.values()
            if layout.by_users is by_users and (splits := layout.find(root)) is not None]


def pick(found: Found, choice: Choice, use: Use) -> list[Entry]:
    """The entries that are meant.

    Raises:
      ConfigError: there is no such split, or none that suits the use; the choices are named.
      DataError: a file of names has one that is not there.
    """
    splits = found.splits
    if choice.split is not None:
        return _named(found, choice.split)
    wanted = {Use.TRAIN: found.layout.train, Use.VALIDATE: found.layout.validate,
              Use.EVALUATE: found.layout.evaluate, Use.LIST: ()}[use]
    there = [name for name in wanted if splits.get(name)]
    if there:
        return splits[there[0]]
    if use is Use.VALIDATE:
        return []
    filled = [name for name, entries in splits.items() if entries]
    if use is Use.LIST or len(filled) < 2:
        if filled and filled[0] and use is not Use.LIST:
            warnings.warn(f"{found.root}: for {use.value} the split '{filled[0]}' is read, the only one that is there",
                          RuntimeWarning, stacklevel=4)
        return _all(splits)
    raise ConfigError(f"the folder has the splits {', '.join(filled)}, and none is meant for {use.value}",
                      str(found.root), "choose with --split NAME")


def read(found: Found, entries: Listing[Entry], choice: Choice, use: Use) -> TrackList:
    """The tracks of entries; those with a fault are left out, see `quarantine.settle`.

    Raises:
      DataError: too many have a fault, or there is no track.
    """
    begun, kept_at = time.monotonic(), index.path_of(found.root, found.layout.name, entries)
    kept = index.load(kept_at, entries)
    lists, faults = gather(enumerate(entries), lambda one: (one[1], kept[one[0]] if one[0] in kept else one[1].read()),
                           lambda one: one[1].name)
    lists, twice = _without_doubles(lists)
    lists, unfit = check_tracks(lists, images_needed=use is not Use.LIST)
    if len(kept) < len(lists) and time.monotonic() - begun > index.SLOW:
        index.save(kept_at, lists)
    faults = [*faults, *twice, *unfit]
    settle(faults, len(entries), str(found.root), strict=choice.strict)
    within = [fault for _, tracks in lists if isinstance(tracks, TrackList) for fault in tracks.faults]
    settle(within, max(2 * len(within), 2), str(found.root), strict=choice.strict)
    tracks, faults = [track for _, tracks in lists for track in tracks], [*faults, *within]
    if (choice.origin or ("written" if use is Use.EVALUATE else "zero")) == "written":
        tracks = [one.written() if one.origin else one for one in tracks]
    if not tracks and entries:
        raise DataError(f"no track is in the {found.layout.title} data", str(found.root), "check that it is complete")
    return TrackList(tracks, layout=found.layout.name, faults=faults)


def _named(found: Found, split: str) -> list[Entry]:
    if split in found.splits:
        return found.splits[split]
    if split == EVERYTHING:
        return _all(found.splits)
    if not Path(split).is_file():
        names = [name for name in found.splits if name]
        raise ConfigError(f"there is no split '{split}' here", "--split", "choose one of: " + ", ".join(
            [*names, EVERYTHING]) + ", or give a file with a name of a sequence a line")
    entries = _all(found.splits)
    known = [entry.name for entry in entries]
    return chosen(entries, set().union(*(named_groups(line, known) for line in names_in(Path(split)))))


def _all(splits: Splits) -> list[Entry]:
    """Entries of all splits, once each: some publishers have one in several."""
    return list({id(entry): entry for entry in itertools.chain(*splits.values())}.values())


def _without_doubles(lists: Iterable[tuple[Entry, list]]) -> tuple[list[tuple[Entry, list]], list[Fault]]:
    kept, faults, names = [], [], {}
    for entry, tracks in lists:
        double = next((track.name for track in tracks if track.name in names), None)
        if double is None:
            names |= dict.fromkeys((track.name for track in tracks), entry)
            kept.append((entry, tracks))
        else:
            faults.append(Fault(entry.name, f"a second sequence of the name {double}", str(entry.truth), "rename one"))
    return kept, faults
