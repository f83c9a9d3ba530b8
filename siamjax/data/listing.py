"""Which entries of a folder are images and which are folders of data, and in which order they stand."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from siamjax.errors import SourceError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
# What file servers, desktops and archives put beside people's files; names that begin with a dot are hidden anyway.
TOOLS = frozenset({"@eadir", "@tmp", "@recycle", "@sharebin", "#recycle", "#snapshot", "$recycle.bin", "recycler",
                   "system volume information", "__macosx", "lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini",
                   "__pycache__"})
_NUMBER = re.compile(r"(?P<sign>[-+]?)(?P<whole>[0-9]+)(?:\.(?P<part>[0-9]+))?(?:[eE](?P<power>[-+]?[0-9]+))?")
# What a beginning and an end that names share may have of the numbers between.
_BEGUN = re.compile(r"[-+]?([0-9]+\.?[0-9]*([eE][-+]?[0-9]*)?)?$")
_ENDED = re.compile(r"[0-9.]*([eE][-+]?[0-9]+)?")


def is_hidden(path: Path) -> bool:
    """Whether an entry is no data: its name begins with a dot, or is one that tools put everywhere."""
    return path.name.startswith(".") or path.name.lower() in TOOLS


def image_files(folder: Path) -> list[Path]:
    """Image files of a folder (by suffix, hidden ones left out), `ordered`.

    A link that leads nowhere is among them, so that whoever reads it says so instead of counting one image less.

    Raises:
      SourceError: there is no such folder, or it cannot be listed.
    """
    return ordered(path for path, entry in _entries(folder)
                   if path.suffix.lower() in SUFFIXES and _is(entry.is_file, if_lost=entry.is_symlink()))


def subfolders(folder: Path) -> list[Path]:
    """Folders in a folder, hidden ones left out, in natural order.

    Raises:
      SourceError: as `image_files`.
    """
    return sorted((path for path, entry in _entries(folder) if _is(entry.is_dir)), key=natural_key)


def files_named(folder: Path, pattern: str) -> list[Path]:
    """Files of a folder that a pattern of names matches, hidden ones left out, in natural order; none without a folder.

    Raises:
      SourceError: the folder cannot be listed.
    """
    if not folder.is_dir():
        return []
    return sorted((path for path, entry in _entries(folder)
                   if fnmatch.fnmatchcase(path.name, pattern) and _is(entry.is_file)), key=natural_key)


def matching(pattern: str) -> list[Path]:
    """Files and folders that a glob pattern (`*`, `?`, `[]`, `**`) matches, in natural order of their names.

    Hidden ones are left out, as are those in hidden folders, unless the pattern names them.
    """
    named = set(Path(pattern).parts)
    found = (Path(name) for name in glob.iglob(pattern, recursive=True))
    return sorted((path for path in found if not any(is_hidden(Path(part)) for part in {*path.parts} - named)),
                  key=natural_key)


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key under which `img9` stands before `img10`; no two names of a folder share one."""
    parts = [part for part in re.split(r"([0-9]+)", path.name) if part]
    return [(0, int(part), part) if part[0] in "0123456789" else (1, 0, part.lower()) for part in parts
            ] + [(-1, 0, path.name)]


def ordered(files: Iterable[Path]) -> list[Path]:
    """Files of one folder in natural order, or by value where all of their names are numbers that are no counters.

    Such are times (`1700000000.05` before `1700000000.1`), values with exponents (`1e-05`), and negative numbers
    beside others. Names such as `1.2.10`, or `1.9` and `1.10`, count.
    """
    files = sorted(files, key=natural_key)
    values = _values([path.stem for path in files])
    return files if values is None else [path for _, path in sorted(zip(values, files), key=lambda pair: pair[0])]


def _values(stems: list[str]) -> list[Decimal] | None:
    """Numbers that names are, with the same words before and after each; None where natural order is right."""
    before = _BEGUN.sub("", _beginning(stems))
    stems = [stem[len(before):] for stem in stems]
    after = _ENDED.sub("", _beginning([stem[::-1] for stem in stems])[::-1], count=1)
    found = [match for stem in stems if (match := _NUMBER.fullmatch(stem.removesuffix(after)))]
    if len(found) < max(2, len(stems)):
        return None
    is_bare = not (before or after)
    signs = {match["sign"] == "-" for match in found}
    if len(signs) > 1 and before:
        return None
    parts = [match["part"] or "" for match in found]
    powers = [match for match in found if match["power"]]
    if any(match["part"] is None and match["power"][0] not in "+-" for match in powers):
        return None  # such as `12e4`, which is more likely a word
    uneven = len(set(map(len, parts))) > 1
    if uneven and not powers and any(len(part) > 1 and part[-1] == "0" for part in parts):
        return None  # a counter: 1.9 and 1.10
    if uneven and not (is_bare or powers or any(len(part) > 1 and part[0] == "0" for part in parts)):
        return None  # v1.2 and v1.11 may well count; v1.05 and v1.1 do not
    if not (uneven or powers or len(signs) > 1):
        return None
    minus = "-" if len(signs) > 1 else ""  # a dash before every number is a dash
    return [Decimal(f"{minus if match['sign'] == '-' else ''}{match['whole']}.{match['part'] or 0}"
                    f"E{match['power'] or 0}") for match in found]


def _beginning(words: list[str]) -> str:
    """What all words begin with; the least and the greatest of them tell."""
    first, last = min(words, default=""), max(words, default="")
    return first[:next((n for n, (a, b) in enumerate(zip(first, last)) if a != b), min(len(first), len(last)))]


def _entries(folder: Path) -> list[tuple[Path, os.DirEntry]]:
    try:
        with os.scandir(folder) as entries:
            found = [(folder / entry.name, entry) for entry in entries]
    except OSError as error:
        raise SourceError(f"the folder cannot be listed: {error.strerror}", str(folder), "check the path and its "
                          "permissions") from error
    return [(path, entry) for path, entry in found if not is_hidden(path)]


def _is(question, *, if_lost: bool = False) -> bool:
    """Answer of a `DirEntry`; `if_lost` for a link that leads nowhere, or in a circle."""
    try:
        return question() or (if_lost and not question.__self__.is_dir())
    except OSError:
        return if_lost
