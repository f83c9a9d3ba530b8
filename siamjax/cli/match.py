"""`siamjax match`: is it the same object? Two images, an image and words, or an image and a file of embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro

from siamjax.cli.common import parse_box
from siamjax.data.images import read_image
from siamjax.errors import BoxError, ConfigError, one_line
from siamjax.evaluation import embedding as embeddings
from siamjax.nets.contrastive import Side
from siamjax.ops.boxes import checked
from siamjax.ops.nearest import nearest as find_nearest
from siamjax.weights import embedders
from siamjax.weights.embedders import LoadedEmbedder

SAME, OTHER = "same object", "another object"


def match(
    a: tyro.conf.Positional[str],
    b: tyro.conf.Positional[str],
    /,
    model: str = embedders.DEFAULT,
    box_a: str | None = None,
    box_b: str | None = None,
    nearest: int = 5,
) -> None:
    """Compares two images, or finds the nearest to one among the embeddings of many.

    Prints distances, and beside each the verdict: at the model's threshold or below, it is the same object. Give boxes
    for both images or, for photos cut to their objects, for none: the threshold is that of like with like.

    Args:
      a: image; or, for a net of words, what its side takes.
      b: image or words; or an .npz of `siamjax embed`, among which the nearest to A are found.
      model: embedding net: a weight file, the folder of a training; or a tracker, whose pooled trunk is one.
      box_a: x,y,w,h of the object in A, pixels; without it the whole image is the object, and its rim, repeated
        outwards, the margin.
      box_b: likewise in B.
      nearest: how many to print, of an npz.
    """
    if nearest < 1:
        raise ConfigError(f"the {nearest} nearest", "--nearest", "ask for 1 or more")
    gallery = embeddings.read(Path(b)) if b.endswith(".npz") else None
    if gallery is not None and box_b is not None:
        raise BoxError("an npz has no box", "--box-b", "leave it out")
    loaded = embedders.load(model, prepare=True)
    if gallery is not None:
        gallery.check_model(loaded, b)
        one = _embedding(loaded, a, "second" if gallery.side == "first" else "first", box_a, "--box-a")
        _print_nearest(loaded, one, gallery, min(nearest, len(gallery.files)))
    else:
        one, other = _embedding(loaded, a, "first", box_a, "--box-a"), _embedding(loaded, b, "second", box_b, "--box-b")
        _print_pair(loaded, float(loaded.embedder.distance(one, other)[0]))


def _embedding(loaded: LoadedEmbedder, given: str, side: Side, box: str | None, where: str) -> np.ndarray:
    """`[1, D]` of an image file or of words, whichever the side takes."""
    view = loaded.embedder.view(side)
    if view.modality == "words":
        if box is not None:
            raise BoxError("words have no box", where, "leave it out")
        found = view.tokens(given)
    else:
        image = read_image(Path(given))
        area = None if box is None else checked(parse_box(box, where), image.shape[:2], where=where)[0]
        found = embeddings.crop_for(loaded, side, image, area)
    return embeddings.make_embed(loaded, side, batch=1)([found])


def _print_pair(loaded: LoadedEmbedder, distance: float) -> None:
    config = loaded.embedder.config
    print(f"distance   {distance:.4f} ({config.distance})")
    if config.threshold is not None:
        print(f"threshold  {config.threshold:.4f}")
    print(f"verdict    {_verdict(loaded, distance)}")


def _print_nearest(loaded: LoadedEmbedder, one: np.ndarray, gallery: embeddings.Embeddings, count: int) -> None:
    config = loaded.embedder.config
    distances, indices = find_nearest(one, gallery.embeddings, count, distance=config.distance)
    if config.threshold is None:
        print(_verdict(loaded, 0.0))
    else:
        print(f"threshold {config.threshold:.4f} ({config.distance})")
    width = max(map(len, (SAME, OTHER)))
    for distance, index in zip(np.asarray(distances[0]).tolist(), np.asarray(indices[0]).tolist()):
        said = "" if config.threshold is None else f"{_verdict(loaded, distance):{width}}  "
        print(f"{distance:8.4f}  {said}{one_line(str(gallery.files[index]), 5000)}")


def _verdict(loaded: LoadedEmbedder, distance: float) -> str:
    threshold = loaded.embedder.config.threshold
    if threshold is None:
        return f"none: '{loaded.name}' has no threshold yet (siamjax verify --model ... --calibrated FILE measures one)"
    return SAME if distance <= threshold else OTHER
