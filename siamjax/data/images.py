"""One image file in, one `[H, W, 3]` uint8 RGB array out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from siamjax.errors import SourceError
from siamjax.ops.frames import to_rgb8


def read_image(path: Path) -> np.ndarray:
    """Decodes an image file to `[H, W, 3]` uint8 RGB, turned upright by its EXIF orientation.

    Raises:
      SourceError: the file is missing, damaged, cut off, too large or of a kind without an RGB form.
    """
    try:
        with Image.open(path) as image:
            return to_rgb8(_pixels(ImageOps.exif_transpose(image)), where=str(path))
    except SourceError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
        what = f"the image cannot be read: {reason}"
        raise SourceError(what, str(path), "replace or remove the file") from error


def image_size(path: Path) -> tuple[int, int]:
    """`(height, width)` px of an image file as `read_image` would give it, from its header alone."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(0x0112, 1) >= 5  # EXIF orientations 5 to 8 swap the axes
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SourceError("the image cannot be read", str(path), "replace or remove the file") from error
    return (width, height) if sideways else (height, width)


def _pixels(image: Image.Image) -> np.ndarray:
    if image.mode in ("1", "L", "LA", "RGB", "RGBA"):
        return np.asarray(image)
    if image.mode.startswith("I"):  # "I;16", or "I" for 16-bit PNG in older Pillow
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"values {values.min()} to {values.max()} are not 16-bit")
        return values.astype(np.uint16)
    if image.mode == "F":
        raise ValueError("floating-point images have no agreed range")
    return np.asarray(image.convert("RGB"))
