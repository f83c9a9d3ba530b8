"""Pictures made smaller, and set side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from siamjax.errors import ConfigError
from siamjax.evaluation.drawing.painting import WHITE, label

PICTURE_WIDTH = 400  # px, of a page's pictures


def contact_sheet(
    pictures: Sequence[np.ndarray], labels: Sequence[str] = (), *, columns: int = 4, width: int = 320
) -> np.ndarray:
    """Pictures side by side, row by row, each scaled to `width` px and centred in its cell.

    Args:
      pictures: uint8 RGB `[h, w, 3]` of any sizes; at least one.
      labels: a word for each picture, written in its corner; none at all, or one each.
      columns: pictures in a row.
      width: of a picture, px.
    Returns:
      `[H, W, 3]` uint8.
    """
    if not pictures or len(labels) not in (0, len(pictures)):
        raise ConfigError(
            f"{len(pictures)} pictures with {len(labels)} labels", "contact sheet", "give one label each"
        )
    tiles = [_scaled(picture, width) for picture in pictures]
    columns = min(columns, len(tiles))
    height = max(tile.shape[0] for tile in tiles)
    gap = 4
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 24, np.uint8)
    for index, tile in enumerate(tiles):
        if labels:
            label(tile, np.array([0.0, 0, 0, 0]), labels[index], WHITE, max(11, width // 24), 0.85)
        top = gap + (index // columns) * (height + gap) + (height - tile.shape[0]) // 2
        left = gap + (index % columns) * (width + gap)
        sheet[top : top + tile.shape[0], left : left + width] = tile
    return sheet

def reduced(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """A frame `[h, w, 3]` of `PICTURE_WIDTH` at most, and its scale."""
    scale = min(1.0, PICTURE_WIDTH / pixels.shape[1])
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)), scale


def _scaled(picture: np.ndarray, width: int) -> np.ndarray:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
