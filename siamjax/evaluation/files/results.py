"""Result files: `OUT/TRACKER/raw/SEQUENCE.txt`, `_scores.txt`, `_time.txt`, `_polygon.txt`, and their run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from collections.abc import Sequence as Listing
from pathlib import Path

import numpy as np

from siamjax.errors import DataError, OutputError
from siamjax.outputs import check_folder, safe_name, write_text
from siamjax.trackers.base import Result

RECORD = "run.json"


@dataclasses.dataclass(frozen=True)
class StoredRun:
    """What the files of one sequence hold.

    Attributes:
      boxes: `[T, 4]` xywh, row 0 the given box.
      scores: `[T]`, or None where there is no such file.
      seconds: `[T]`, likewise; row 0 is the start.
      polygons: `[T, 4, 2]` corners of the rotated boxes, likewise.
    """

    boxes: np.ndarray
    scores: np.ndarray | None
    seconds: np.ndarray | None
    polygons: np.ndarray | None = None


def stem(sequence: str) -> str:
    """File name of a sequence, without its ending: an object `video/2` is in `video-2.txt`.

    Raises:
      OutputError: no file can be called so.
    """
    return safe_name(sequence.replace("/", "-"), "name of a sequence")


def claim(folder: Path, record: dict[str, object]) -> None:
    """Takes a tracker's folder for the run that `record` describes, or goes on with the same run.

    Raises:
      OutputError: the folder holds results of a run with another record, or of an unknown one.
    """
    check_folder(folder)
    check_folder(folder / "raw")
    file = folder / RECORD
    record = json.loads(json.dumps(record))
    if file.exists():
        try:
            earlier = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            earlier = {}
        keys = record.keys() | earlier.keys()
        differing = sorted(key for key in keys if record.get(key) != earlier.get(key))
        if differing:
            raise OutputError(
                f"results of an earlier run, which differs in {', '.join(differing)}",
                str(folder),
                "choose another output folder or remove this one",
            )
    elif any((folder / "raw").iterdir()):
        raise OutputError(
            f"results of an unknown run, without {RECORD}",
            str(folder),
            "choose another output folder or remove this one",
        )
    else:
        write_text(file, json.dumps(record, indent=2) + "\n")


def read_record(folder: Path) -> dict[str, object]:
    """What the run in a tracker's folder was made with; empty where nothing says so."""
    file = folder / RECORD
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


@contextlib.contextmanager
def unclaimed_if_empty(folders: Listing[Path]) -> Iterator[None]:
    """For a block that may `claim` trackers' folders; if it raises, those in which nothing was tracked go again."""
    fresh = [folder for folder in folders if not (folder / RECORD).exists()]
    try:
        yield
    except BaseException:
        for folder in fresh:
            with contextlib.suppress(OSError):  # a result is there
                (folder / "raw").rmdir()
                for file in folder.glob("*.json"):
                    file.unlink()
                folder.rmdir()
        raise


def write_run(folder: Path, sequence: str, result: Result) -> None:
    """Writes the files of one sequence; the boxes come last, so a sequence with boxes is complete."""
    raw, sequence = folder / "raw", stem(sequence)
    write_text(raw / f"{sequence}_scores.txt", "".join(f"{score:.6f}\n" for score in result.scores))
    write_text(raw / f"{sequence}_time.txt", "".join(f"{second:.8f}\n" for second in result.seconds))
    if result.polygons is not None:
        write_text(raw / f"{sequence}_polygon.txt", _lines(result.polygons))
    write_text(raw / f"{sequence}.txt", _lines(result.boxes))


def has_run(folder: Path, sequence: str) -> bool:
    """Whether this sequence was tracked to its end."""
    return (folder / "raw" / f"{stem(sequence)}.txt").exists()


def read_run(folder: Path, sequence: str, truth: np.ndarray) -> StoredRun:
    """Reads the files of one sequence and checks that they fit its ground truth `[T, 4]`.

    Raises:
      DataError: missing, not numbers, of another length, or started from another box.
    """
    raw, sequence = folder / "raw", stem(sequence)
    boxes = _read_numbers(raw / f"{sequence}.txt", 4)
    if len(boxes) != len(truth):
        raise DataError(
            f"{len(boxes)} boxes for {len(truth)} frames",
            str(raw / f"{sequence}.txt"),
            "run this sequence again: remove the file",
        )
    if np.abs(boxes[0] - truth[0]).max() > 1e-3:
        raise DataError(
            f"the run started from {boxes[0].tolist()}, the ground truth says {truth[0].tolist()}",
            str(raw / f"{sequence}.txt"),
            "run this sequence again: remove the file",
        )
    beside = []
    for kind, columns in (("scores", 1), ("time", 1), ("polygon", 8)):
        file = raw / f"{sequence}_{kind}.txt"
        numbers = _read_numbers(file, columns) if file.exists() else None
        if numbers is not None and len(numbers) != len(boxes):
            raise DataError(f"{len(numbers)} lines for {len(boxes)} frames", str(file), "remove the file")
        beside.append(numbers)
    scores, seconds, polygons = beside
    return StoredRun(boxes, None if scores is None else scores[:, 0], None if seconds is None else seconds[:, 0],
                     None if polygons is None else polygons.reshape(-1, 4, 2))


def _lines(rows: np.ndarray) -> str:
    """A line a frame, its numbers separated by commas."""
    numbers = np.asarray(rows, np.float64).reshape(len(rows), -1)
    return "".join(",".join(f"{value:.4f}" for value in row) + "\n" for row in numbers)


def _read_numbers(file: Path, columns: int) -> np.ndarray:
    try:
        numbers = np.loadtxt(file, delimiter=",", ndmin=2, dtype=np.float64)
    except FileNotFoundError as error:
        raise DataError("there is no such result", str(file), "run the tracker on this sequence") from error
    except ValueError as error:
        raise DataError("this is not a result file", str(file), "remove it and run again") from error
    if numbers.shape[1] != columns:
        raise DataError(
            f"{numbers.shape[1]} numbers a line, not {columns}", str(file), "remove it and run again"
        )
    return numbers
