"""How a set of tracks is divided into those to train on and those to validate on: validation.txt."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Listing
from typing import TypeVar

from siamjax.data.sequences import Track
from siamjax.errors import DataError

AnyTrack = TypeVar("AnyTrack", bound=Track)


def split(tracks: Listing[AnyTrack], lines: Listing[str], where: str = "validation split"
          ) -> tuple[list[AnyTrack], list[AnyTrack]]:
    """Divides tracks into those to train on and those to validate on.

    All objects of a video or image fall on the same side.

    Args:
      tracks: of one data set.
      lines: of a validation.txt, see `named_groups`.
      where: what an error should name, e.g. that file.

    Returns:
      `(train, validation)`, each in the order given.

    Raises:
      DataError: a line names nothing (most likely a name misspelt).
    """
    groups = {track.group: _plain(track.group) for track in tracks}
    held_out = set().union(*(_named(line, groups, where) for line in lines))
    train = [track for track in tracks if track.group not in held_out]
    return train, [track for track in tracks if track.group in held_out]


def named_groups(line: str, groups: Iterable[str]) -> set[str]:
    """Those of the groups that a line of a validation.txt names, e.g. `images/pose_*`.

    A line that is a group's name names that group, whatever characters are in it, `#` and `[` too; blanks around it
    and a slash behind do not count. Else `*` is any characters and `?` is one. What begins with `#` is a comment, as is
    what follows a `#` between blanks.

    Raises:
      DataError: it names none, and is neither empty nor a comment.
    """
    return _named(line, {group: _plain(group) for group in groups}, "validation split")


def _named(line: str, groups: Mapping[str, str], where: str) -> set[str]:
    """See `named_groups`; `groups` are with their names as they are compared."""
    if line in groups:
        return {line}
    # A name may hold " # ": the longest reading that names something is meant.
    ends = [len(line), *sorted((mark.start() for mark in re.finditer(r"\s+#\s", line)), reverse=True)]
    readings = [reading for end in ends if (reading := line[:end].strip())]
    for reading in readings:
        if found := _matches(_plain(reading), groups):
            return found
    if not readings or readings[0].startswith("#"):
        return set()
    near = difflib.get_close_matches(readings[-1], groups, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "correct or remove the line"
    raise DataError(f"{readings[-1]!r} names no video and no image", where, hint)


def _matches(name: str, groups: Mapping[str, str]) -> set[str]:
    same = {group for group, plain in groups.items() if plain == name}
    if same or name.startswith("#") or not set(name) & {"*", "?"}:
        return same
    pattern = re.compile(re.escape(name).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
    return {group for group, plain in groups.items() if pattern.fullmatch(plain)}


def _plain(name: str) -> str:
    """A name as it is compared: accents as one letter (macOS writes two), no blanks around it, no slash behind."""
    return unicodedata.normalize("NFC", name).strip().rstrip("/")
