"""`siamjax embed`: a folder of images -> an npz of embeddings."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from tqdm import tqdm

from siamjax.data.photos import find_images
from siamjax.errors import ConfigError, OutputError, SourceError
from siamjax.evaluation import embedding as embeddings
from siamjax.outputs import folder_for
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
    if output.suffix != ".npz":
        raise OutputError(f"'{output.name}' is not the name of an npz", "--output", "let it end in .npz")
    files = find_images(source)
    loaded = embedders.load(model, prepare=True)
    if loaded.embedder.view(side).modality == "words":
        raise ConfigError(f"the {side} side of '{model}' takes words", "--side", "give the side that takes images")
    left_out: list[str] = []
    with folder_for(output.parent), tqdm(total=len(files), unit="image", desc=f"embedding with {loaded.name}",
                                         disable=None, file=sys.stderr) as bar:
        vectors, kept = embeddings.embed_files(
            loaded, files, side, seen=bar.update,
            unreadable=(lambda error: left_out.append(f"{error.where}: {error.what}")) if skip_unreadable else _refuse)
        embeddings.write(output, embeddings.Embeddings(
            vectors, np.array([file.as_posix() for file in kept]), loaded.embedder.config.distance, model, side,
            loaded.fingerprint))
    for said in left_out:
        warnings.warn(f"left out {said}", stacklevel=1)
    print(f"{len(kept)} images, {vectors.shape[1]} numbers each"
          + (f"; {len(left_out)} of {len(files)} could not be read and were left out" if left_out else ""))
    print(f"wrote {output}")


def _refuse(error: SourceError) -> None:
    do = "replace or remove it, or leave such images out with --skip-unreadable"
    raise SourceError(error.what, error.where, do) from error
