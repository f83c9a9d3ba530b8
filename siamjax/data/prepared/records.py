"""From what a record shows to its bytes: files of frames as they are, or crops."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Hashable
from collections.abc import Sequence as Listing
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from siamjax.data.images import FORMATS
from siamjax.data.patches import context_mask, context_patch
from siamjax.data.prepared.examples import Value
from siamjax.data.prepared.plan import Shown, masked
from siamjax.data.prepared.settings import EXEMPLAR, Preparation
from siamjax.data.sequences import MaskedTrack, Sequence, Track

KEPT = {"JPEG": {"L", "RGB", "CMYK"}, "PNG": {"1", "L", "LA", "P", "RGB", "RGBA"}}  # of 8 bits a channel
ORIENTATION = 0x0112  # of EXIF
JPEG_END = b"\xff\xd9"


class _Held(NamedTuple):
    key: Hashable
    pixels: np.ndarray


class Recorder:
    """Makes the examples of records; of consecutive ones it decodes a frame once. For one thread."""

    def __init__(self, tracks: Listing[Track], settings: Preparation):
        self._tracks, self._settings = tracks, settings
        self._held: _Held | None = None
        self._masked: tuple[int, np.ndarray] = -1, np.zeros(0, bool)  # of the track that was asked last

    def example(self, shown: Listing[Shown]) -> dict[str, Value]:
        """The example of the objects `shown` in one frame.

        Raises:
          SourceError, DataError, OSError: the frame or a mask of it cannot be read.
        """
        make = self._whole if self._settings.form == "images" else self._crop
        image, boxes, masks = make(shown)
        track = self._tracks[shown[0].track]
        return {"image": [image], "video": [track.group.encode("utf-8", "surrogateescape")],
                "frame": np.array([shown[0].frame]), "tracks": np.array([one.track for one in shown]),
                "boxes": np.asarray(boxes, np.float32).ravel(), "masks": masks}

    def _whole(self, shown: Listing[Shown]) -> tuple[bytes, Any, list[bytes]]:
        first = self._tracks[shown[0].track]
        content = _own_bytes(first, shown[0].frame)
        if content is None:
            content = _png(first.read(shown[0].frame))
        masks = [b"" if (mask := self._mask(one)) is None else _png(mask) for one in shown]
        boxes = [self._tracks[number].boxes[frame] for number, frame in shown]
        return content, boxes, masks if any(masks) else []

    def _crop(self, shown: Listing[Shown]) -> tuple[bytes, Any, list[bytes]]:
        [(number, frame)], settings = shown, self._settings
        track = self._tracks[number]
        if self._held is None or self._held.key != track.key(frame):
            self._held = _Held(track.key(frame), track.read(frame))
        how: dict[str, Any] = {"size": settings.side, "exemplar_size": EXEMPLAR, "context": settings.context}
        patch, box = context_patch(self._held.pixels, track.boxes[frame], **how)
        mask = self._mask(shown[0])
        shown_mask = [] if mask is None else [_png(context_mask(mask, track.boxes[frame], **how) > 127)]
        file = io.BytesIO()
        Image.fromarray(patch).save(file, "JPEG", quality=settings.quality)
        return file.getvalue(), box, shown_mask

    def _mask(self, shown: Shown) -> np.ndarray | None:
        track = self._tracks[shown.track]
        if self._masked[0] != shown.track:
            self._masked = shown.track, masked(track)
        return track.mask(shown.frame) if isinstance(track, MaskedTrack) and self._masked[1][shown.frame] else None


def _own_bytes(track: Track, frame: int) -> bytes | None:
    """The file of a frame, where decoding it gives what `track.read` does, as far as its header and its end tell."""
    if not isinstance(track, Sequence):
        return None
    content = track.frames[frame].read_bytes()
    with contextlib.suppress(Exception), Image.open(io.BytesIO(content), formats=FORMATS) as image:
        tiles: Any = getattr(image, "tile", [])
        is_deep = bool(tiles) and ";16" in str(tiles[0][3])
        size = image.size == tuple(track.size[::-1])
        is_upright = image.getexif().get(ORIENTATION, 1) not in range(2, 9)
        is_whole = image.format != "JPEG" or JPEG_END in content[-4096:]
        if image.mode in KEPT.get(image.format or "", ()) and not is_deep and size and is_upright and is_whole:
            return content
    return None


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
