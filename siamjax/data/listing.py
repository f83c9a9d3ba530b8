"""Which files of a folder are images, and in which order they stand."""

from __future__ import annotations

import re
from pathlib import Path

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key under which `img9` stands before `img10`."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part.lower()) for part in parts if part]


def image_files(folder: Path) -> list[Path]:
    """Image files of a folder (by suffix, hidden files left out), in natural order."""
    files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
    return sorted(filter(Path.is_file, files), key=natural_key)
