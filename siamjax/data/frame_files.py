"""The frames of a video that is a folder of images: which of the files they are, in which order."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from siamjax.data.images import opened
from siamjax.data.listing import image_files, ordered
from siamjax.errors import SourceError

COLOURS = frozenset({"RGB", "RGBA", "CMYK", "YCbCr"})  # Pillow's modes of pictures that no label image has
_SAME = {".jpeg": ".jpg", ".tiff": ".tif"}


class Kind(NamedTuple):
    """What the names of some files share: letters, with `#` for each number, and the suffix."""

    letters: str
    suffix: str

    def __str__(self) -> str:
        return self.letters + self.suffix


def frame_files(folder: Path) -> list[Path]:
    """Frames of a folder of images, in order; see `frames_among`.

    Raises:
      SourceError: the folder cannot be listed, or `frames_among` refuses it.
    """
    return frames_among(image_files(folder), str(folder))


def frames_among(files: Iterable[Path], where: str) -> list[Path]:
    """Those files of one folder that are its frames, `ordered`.

    Where two kinds of files have the same numbers (`00000.jpg` and its mask `00000.png` or `00000_mask.png`), the
    frames are the kind that is complete and in colour beside label images, or JPEG beside others; a `RuntimeWarning`
    says what is left out. Another one says where two names are one number (`1.jpg`, `01.jpg`): both are frames.

    Args:
      files: image files.
      where: what messages should name, e.g. the folder.
    Raises:
      SourceError: each frame has two pictures, and nothing tells which kind is meant.
    """
    kinds: dict[Kind, dict[tuple[str, ...], Path]] = {}
    files = ordered(files)
    for path in files:
        kinds.setdefault(_kind(path), {})[tuple(re.findall("[0-9]+", path.stem))] = path
    _say_doubles(files, where)
    paired = [kind for kind in kinds if any(_is_pair(kind, other, kinds) for other in kinds)]
    if not paired:
        return files
    chosen = _choose({kind: kinds[kind] for kind in paired})
    names = " and ".join(map(str, paired))
    if chosen is None and len({kind.letters for kind in paired}) == 1:
        raise SourceError(f"each frame has several pictures ({names}), and nothing tells which are the frames", where,
                          "keep one kind in the folder")
    if chosen is None:
        warnings.warn(f"{where}: files of two kinds have the same numbers ({names}); all are taken for frames, one "
                      "kind after the other: name one kind by a pattern if that is wrong", RuntimeWarning, stacklevel=2)
        return files
    left_out = [path for path in files if _kind(path) in paired and _kind(path) != chosen]
    warnings.warn(f"{where}: the frames are {chosen}; {len(left_out)} files with the same numbers are left out "
                  f"({', '.join(str(kind) for kind in paired if kind != chosen)})", RuntimeWarning, stacklevel=2)
    return ordered(set(files) - set(left_out))


def mask_files(folder: Path) -> dict[str, Path]:
    """Mask files of a folder by the stems of their names; of two of one stem that which keeps numbers (PNG).

    Raises:
      SourceError: the folder cannot be listed.
    """
    found: dict[str, Path] = {}
    for path in image_files(folder):
        if path.stem not in found or path.suffix.lower() == ".png":
            found[path.stem] = path
    return found


def _kind(path: Path) -> Kind:
    suffix = path.suffix.lower()
    return Kind(re.sub("[0-9]+", "#", path.stem).lower(), _SAME.get(suffix, suffix))


def _is_pair(one: Kind, other: Kind, kinds: dict[Kind, dict[tuple[str, ...], Path]]) -> bool:
    """Whether two kinds of files are two pictures of each frame, rather than names that happen to meet."""
    if one == other:
        return False
    shared = len(kinds[one].keys() & kinds[other].keys())
    if one.letters == other.letters:
        return shared > 0
    return "#" in one.letters and "#" in other.letters and 2 * shared > min(len(kinds[one]), len(kinds[other]))


def _choose(kinds: dict[Kind, dict[tuple[str, ...], Path]]) -> Kind | None:
    """The kind that is the frames; None where that cannot be told."""
    everything = set().union(*kinds.values())
    complete = [kind for kind, files in kinds.items() if files.keys() == everything]
    in_colour = {kind for kind, files in kinds.items() if mode_of(next(iter(files.values()))) in COLOURS}
    if 0 < len(in_colour) < len(kinds):
        complete = [kind for kind in complete if kind in in_colour]
    elif len({kind.letters for kind in kinds}) > 1:
        return None  # left and right of a stereo camera, or one scene after the other
    if len(complete) > 1:
        complete = [kind for kind in complete if kind.suffix == ".jpg"]
    return complete[0] if len(complete) == 1 else None


def mode_of(path: Path) -> str | None:
    """Pillow's mode of an image file, from its header; None where that cannot be read."""
    with contextlib.suppress(SourceError), opened(path) as image:
        return image.mode
    return None


def _say_doubles(files: list[Path], where: str) -> None:
    """Warns where two names are one number, or differ in capital letters alone."""
    seen: dict[tuple[str, str], Path] = {}
    for path in files:
        # Zeros in front of a number, but not those behind its point.
        one = re.sub(r"(?<![0-9.])0+(?=[0-9])", "", path.stem.lower()), _kind(path).suffix
        if one in seen:
            warnings.warn(f"{where}: {seen[one].name} and {path.name} are one number; both are taken for frames, in "
                          "this order", RuntimeWarning, stacklevel=3)
            return
        seen[one] = path
