"""Whether prepared data is as it was written: every file of it against its checksum, every record against its count."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from siamjax import stopping
from siamjax.data.prepared.writing import digest_of
from siamjax.data.readers.prepared import Manifest, read_manifest
from siamjax.errors import DataError


def verify_prepared(output: str | Path, *, say: Callable[[str], None] = print) -> None:
    """Reads all files of prepared data, and says which are as they were written.

    Args:
      output: folder of the prepared data.
      say: is told what was found, a line for each file that is not sound.
    Raises:
      DataError: the preparation has not ended, or a file is missing or damaged; the first is named.
    """
    manifest = read_manifest(output)
    damaged: list[tuple[Path, str]] = []
    total = sum(about["size"] for about in manifest.files.values())
    with tqdm(total=total, unit="B", unit_scale=True, desc=f"reading {manifest.name}", disable=None,
              file=sys.stderr) as bar:
        for name, about in manifest.files.items():
            stopping.check()
            path = manifest.root / name
            if problem := _problem(path, about, bar.update):
                damaged.append((path, problem))
                say(f"damaged: {path}: {problem}")
    if damaged:
        raise DataError(f"{len(damaged)} of {len(manifest.files)} files are not as they were written, the first: "
                        f"{damaged[0][1]}", str(damaged[0][0]), "remove them and run siamjax prepare again")
    records = _count(manifest)
    say(f"all {len(manifest.files)} files are as they were written: {records} records, "
        f"{sum(len(one) for one in manifest.tracks.values())} tracks")


def _problem(path: Path, about: dict, seen: Callable[[int], object]) -> str | None:
    try:
        size, digest = digest_of(path, seen)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if size != about["size"]:
        return f"{size} of {about['size']} bytes"
    return None if digest == about["sha256"] else "its bytes have changed"


def _count(manifest: Manifest) -> int:
    """Number of the records of frames, each track's against those that are there.

    Raises:
      DataError: a track names a record that is not there.
    """
    for split, tracks in manifest.tracks.items():
        for number in range(len(tracks)):
            named = np.asarray(tracks.read(number)["records"], np.int64).max(initial=-1)
            if named >= len(manifest.frames[split]):
                raise DataError(f"record {named} of {len(manifest.frames[split])} is not there", tracks.place(number),
                                "prepare the data again")
    return sum(len(one) for one in manifest.frames.values())
