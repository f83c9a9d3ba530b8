"""What tells one data set from another, wherever it lies; and whether one is another with a few images taken out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

FEW, SHARE = 3, 20  # images that may be taken out: so many, or one in SHARE of them
NAME, CONTENT, FRAMES = 12, 8, 6  # hexadecimal digits of each of a group's entries


def data_digest(tracks: Sequence[Any]) -> dict[str, Any]:
    """Number of the tracks, and SHA-256 of their names and boxes."""
    digest = hashlib.sha256()
    for track in tracks:
        digest.update(_name(track.name) + b"\0" + np.ascontiguousarray(track.boxes).tobytes())
    return {"tracks": len(tracks), "sha256": digest.hexdigest()}


def group_digests(tracks: Sequence[Any]) -> str:
    """One entry a video or image: digests of its name and of its objects, and its number of frames."""
    contents: dict[str, Any] = {}
    frames: dict[str, int] = {}
    for track in tracks:
        contents.setdefault(track.group, hashlib.sha256()).update(
            _name(track.name) + b"\0" + np.ascontiguousarray(track.boxes).tobytes())
        frames[track.group] = max(len(track.boxes), frames.get(track.group, 0))
    return "".join(f"{hashlib.sha256(_name(group)).hexdigest()[:NAME]}{content.hexdigest()[:CONTENT]}"
                   f"{min(frames[group], 16**FRAMES - 1):0{FRAMES}x}" for group, content in contents.items())


def images_gone(before: Any, now: str) -> int | None:
    """How many images have been taken out of the data set since; None where anything else has changed, or too much.

    Args:
      before, now: of `group_digests`; `before` is from a file and may be anything.
    """
    old, new = _entries(before), _entries(now)
    if old is None or new is None or new.keys() - old.keys():
        return None
    gone = 0
    for name, (content, frames) in old.items():
        left = new.get(name, ("", 0))
        if left[0] != content:
            if left[1] >= frames:
                return None
            gone += frames - left[1]
    return gone if 0 < gone <= max(FEW, sum(frames for _, frames in old.values()) // SHARE) else None


def _entries(text: Any) -> dict[str, tuple[str, int]] | None:
    width = NAME + CONTENT + FRAMES
    if not isinstance(text, str) or len(text) % width:
        return None
    parts = [text[at : at + width] for at in range(0, len(text), width)]
    try:
        return {one[:NAME]: (one[NAME : NAME + CONTENT], int(one[NAME + CONTENT :], 16)) for one in parts}
    except ValueError:
        return None


def _name(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")  # of a file, in whatever encoding
