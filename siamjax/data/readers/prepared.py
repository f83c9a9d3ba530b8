"""What `siamjax prepare` wrote, as tracks again: whole frames, or crops of objects."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Hashable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from siamjax.data.images import decode_image
from siamjax.data.patches import patch_scale
from siamjax.data.prepared import places
from siamjax.data.prepared.examples import Value
from siamjax.data.prepared.plan import FORMAT
from siamjax.data.prepared.settings import EXEMPLAR, Preparation
from siamjax.data.prepared.store import Records
from siamjax.errors import DataError, SourceError


@dataclasses.dataclass(frozen=True, eq=False)
class PreparedTrack:
    """A `MaskedTrack` over whole frames in records.

    Attributes:
      name, group, category: of the track.
      boxes: `[T, 4]` float32 `xywh`, frame pixels; NaN where absent, or where the frame could not be read.
      size: `(height, width)` px of the frames.
      number: of the track in its data set, by which records name it.
      records: `[T]` int64, the record of each frame; -1 for none.
      masked: `[T]` bool, which frames have a mask.
      store: the records.
    """

    name: str
    group: str
    category: str
    boxes: np.ndarray
    size: tuple[int, int]
    number: int
    records: np.ndarray
    masked: np.ndarray
    store: Records

    def key(self, number: int) -> Hashable:
        return self.store.files[0], int(self.records[number])

    def read(self, number: int) -> np.ndarray:
        """`[H, W, 3]` uint8 RGB pixels of a frame.

        Raises:
          SourceError: its record is missing or damaged.
          DataError: it is of another size than it was.
        """
        pixels = decode_image(_bytes(self._example(number)["image"])[0], self._place(number))
        if pixels.shape[:2] != tuple(self.size):
            raise DataError(f"the image is {pixels.shape[1]}x{pixels.shape[0]} px and its annotations are for "
                            f"{self.size[1]}x{self.size[0]}", self._place(number), "prepare the data again")
        return pixels

    def mask(self, number: int) -> np.ndarray:
        """`[H, W]` bool, the object's pixels in one of the frames that have a mask.

        Raises:
          SourceError: its record is missing or damaged.
        """
        example = self._example(number)
        place = np.asarray(example["tracks"]).tolist().index(self.number)
        try:
            with Image.open(io.BytesIO(_bytes(example["masks"])[place]), formats=("PNG",)) as image:
                return np.asarray(image) > 0
        except (OSError, SyntaxError, IndexError, ValueError) as error:
            raise SourceError(f"the mask cannot be read: {error}", self._place(number),
                              "prepare the data again") from error

    def _example(self, number: int) -> dict[str, Value]:
        record = int(self.records[number])
        if record < 0:
            raise SourceError("the frame could not be read when the data was prepared", f"{self.name}, frame {number}",
                              "mend it, and prepare the data again")
        return self.store.read(record)

    def _place(self, number: int) -> str:
        return self.store.place(int(self.records[number]))


@dataclasses.dataclass(frozen=True, eq=False)
class CroppedTrack(PreparedTrack):
    """A track over crops of its object: `boxes` and `size` are of the crops, as training cuts from them.

    Attributes:
      frame_boxes: `[T, 4]` float32 `xywh` in the whole frames.
      frame_size: `(height, width)` px of those.
    """

    frame_boxes: np.ndarray = dataclasses.field(kw_only=True)
    frame_size: tuple[int, int] = dataclasses.field(kw_only=True)


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What prepared.json says.

    Attributes:
      root: folder of the prepared data.
      name: of the data set.
      settings: of its preparation.
      splits: names of the splits.
      files: number of records, size and SHA-256 of each file of records.
      left_out: frames that have none.
    """

    root: Path
    name: str
    settings: Preparation
    splits: tuple[str, ...]
    files: dict[str, dict[str, Any]]
    left_out: tuple[dict[str, str], ...]

    @cached_property
    def frames(self) -> dict[str, Records]:
        """The records of the frames or crops of each split."""
        return self._records(self.settings.form)

    @cached_property
    def tracks(self) -> dict[str, Records]:
        """The records of the tracks of each split."""
        return self._records(places.TRACKS)

    def _records(self, config: str) -> dict[str, Records]:
        found = {}
        for split in self.splits:
            start = f"{self.name}/{config}/{places.VERSION}/{self.name}-{split}.array_record-"
            named = sorted(name for name in self.files if name.startswith(start))
            found[split] = Records([self.root / name for name in named],
                                   [self.files[name]["records"] for name in named])
        return found


def is_prepared(root: str | Path) -> bool:
    """Whether a folder holds prepared data, or the beginning of it."""
    return (Path(root) / places.MANIFEST).is_file() or (Path(root) / places.PARTS / "plan.json").is_file()


def originals_needed(root: str | Path) -> DataError:
    """What to say to those who want to run a tracker over prepared data."""
    return DataError("prepared data is to train on; trackers are run over the original frames", str(root),
                     "give the folder that it was prepared from")


def read_manifest(root: str | Path) -> Manifest:
    """What a folder of prepared data says of itself.

    Raises:
      DataError: the preparation has not ended, or the file is damaged or of another version.
    """
    root, path = Path(root), Path(root) / places.MANIFEST
    if not path.is_file() and is_prepared(root):
        raise DataError("the data is not prepared to its end", str(root), "run siamjax prepare again, it goes on")
    if not path.is_file():
        raise DataError("nothing is prepared there", str(root), "give the output folder of siamjax prepare")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise DataError(f"prepared data of format {said['format']}", str(path),
                            f"prepare it again with this version, which reads format {FORMAT}")
        return Manifest(root, said["name"], Preparation(**said["settings"]), tuple(said["splits"]), said["files"],
                        tuple(said["left_out"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"the file is damaged: {error}", str(path), "prepare the data again") from error


def read_prepared(root: str | Path) -> tuple[list[PreparedTrack], list[PreparedTrack]]:
    """`(train, validation)` tracks of prepared data.

    Raises:
      DataError: as `read_manifest`.
      SourceError: a file of records is missing or damaged.
    """
    manifest = read_manifest(root)
    make = _cropped if manifest.settings.form == "crops" else _whole
    train, validation = ([make(manifest, split, manifest.tracks[split].read(number))
                          for number in range(len(manifest.tracks[split]))] if split in manifest.splits else []
                         for split in ("train", "validation"))
    return train, validation


def _whole(manifest: Manifest, split: str, example: dict[str, Value]) -> PreparedTrack:
    records = np.asarray(example["records"], np.int64)
    boxes = np.array(example["boxes"], np.float32).reshape(len(records), 4)
    boxes[records < 0] = np.nan
    size = int(example["height"][0]), int(example["width"][0])
    masked = np.asarray(example["masked"], bool) & (records >= 0)
    name, group, category = (_bytes(example[key])[0].decode("utf-8", "surrogateescape")
                             for key in ("name", "video", "category"))
    return PreparedTrack(name, group, category, boxes, size, int(example["number"][0]), records, masked,
                         manifest.frames[split])


def _cropped(manifest: Manifest, split: str, example: dict[str, Value]) -> CroppedTrack:
    whole, settings = _whole(manifest, split, example), manifest.settings
    boxes = np.full_like(whole.boxes, np.nan)
    for number in np.flatnonzero(whole.records >= 0).tolist():
        sides = whole.boxes[number, 2:].astype(np.float64)
        sides = sides * patch_scale(*sides.tolist(), exemplar_size=EXEMPLAR, context=settings.context)
        boxes[number] = np.concatenate([settings.side / 2 - sides / 2, sides])
    own = {field.name: getattr(whole, field.name) for field in dataclasses.fields(whole)}
    return CroppedTrack(**own | {"boxes": boxes, "size": (settings.side, settings.side)},
                        frame_boxes=whole.boxes, frame_size=whole.size)


def _bytes(value: Value) -> list[bytes]:
    return value if isinstance(value, list) else []
