"""`siamjax embed`: a folder of images -> an npz of embeddings."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import tyro

from siamjax import evaluation
from siamjax.weights import embedders


def embed(
    source: tyro.conf.Positional[str],
    /,
    output: Path,
    model: str = embedders.DEFAULT,
    side: Literal["first", "second"] = "first",
    skip_unreadable: bool = False,
) -> None:
    """Makes an embedding of every image: numbers that are alike where the object is the same.

    An image is taken for its object from rim to rim, and its rim, repeated outwards, for the margin: cut photos to
    their objects first. `siamjax match` finds the nearest of the result.

    Args:
      source: folder of images (and of folders of them), glob pattern in quotes, or one image.
      output: file to write, .npz: embeddings [N, D] float32, files [N], distance, model, side, fingerprint.
      model: embedding net: a weight file, the folder of a training; or a tracker, whose pooled trunk is one.
      side: of a net whose two sides take different inputs.
      skip_unreadable: leave images that do not decode out, and say which, instead of stopping at the first.
    """
    found = evaluation.embed(source, output, model=model, side=side, skip_unreadable=skip_unreadable)
    for said in found.left_out:
        warnings.warn(f"left out {said}", stacklevel=1)
    count, numbers = found.embeddings.embeddings.shape
    print(f"{count} images, {numbers} numbers each"
          + (f"; {len(found.left_out)} of {count + len(found.left_out)} could not be read and were left out"
             if found.left_out else ""))
    print(f"wrote {output}")
