"""Is it the same object? Two images, an image and words, or an image and a file of embeddings, in one call."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from siamjax.data.images import read_image
from siamjax.errors import BoxError, ConfigError
from siamjax.evaluation.embedding import crop_for, make_embed
from siamjax.evaluation.files import embeddings
from siamjax.nets.contrastive import Side
from siamjax.ops.boxes import checked
from siamjax.ops.nearest import nearest as find_nearest
from siamjax.weights import embedders
from siamjax.weights.embedders import LoadedEmbedder


@dataclasses.dataclass(frozen=True)
class Match:
    """How near something is.

    Attributes:
      what: it is: the image or the words.
      distance: to the image asked for.
      same: whether both show the same object, by the model's threshold; None where it has none.
    """

    what: str
    distance: float
    same: bool | None


@dataclasses.dataclass(frozen=True)
class Matches:
    """What was compared.

    Attributes:
      found: the nearest first; of two inputs the one.
      distance: name of it.
      threshold: at which, or below, both are the same object; None where the model has none.
      model: its name.
    """

    found: tuple[Match, ...]
    distance: str
    threshold: float | None
    model: str


def match(a: str | Path, b: str | Path, *, model: str = embedders.DEFAULT, box_a: Sequence[float] | None = None,
          box_b: Sequence[float] | None = None, nearest: int = 5) -> Matches:
    """Compares two images, or finds the nearest to one among the embeddings of many.

    Give boxes for both images or, for photos cut to their objects, for none: the threshold is that of like with like.

    Args:
      a: image; or, for a net of words, what its side takes.
      b: image or words; or an .npz of `embed`, among which the nearest to `a` are found.
      model: embedding net: a weight file, the folder of a training; or a tracker, whose pooled trunk is one.
      box_a: `(x, y, w, h)` of the object in `a`, pixels; without it the whole image is the object, and its rim,
        repeated outwards, the margin.
      box_b: likewise in `b`.
      nearest: how many to find, of an npz.
    Raises:
      ConfigError: fewer than one to find.
      BoxError: a box of something that has none, or outside its image.
      SourceError, DataError: something that cannot be read.
      WeightsError: a model that cannot be loaded, or that did not make the embeddings.
    """
    if nearest < 1:
        raise ConfigError(f"the {nearest} nearest", "--nearest", "ask for 1 or more")
    gallery = embeddings.read(Path(b)) if str(b).endswith(".npz") else None
    if gallery is not None and box_b is not None:
        raise BoxError("an npz has no box", "--box-b", "leave it out")
    loaded = embedders.load(model, prepare=True)
    config = loaded.embedder.config
    if gallery is not None:
        gallery.check_model(loaded, str(b))
        one = _embedding(loaded, a, "second" if gallery.side == "first" else "first", box_a, "--box-a")
        count = min(nearest, len(gallery.files))
        distances, places = find_nearest(one, gallery.embeddings, count, distance=config.distance)
        found = [(str(gallery.files[place]), distance)
                 for distance, place in zip(np.asarray(distances[0]).tolist(), np.asarray(places[0]).tolist())]
    else:
        one, other = _embedding(loaded, a, "first", box_a, "--box-a"), _embedding(loaded, b, "second", box_b, "--box-b")
        found = [(str(b), float(loaded.embedder.distance(one, other)[0]))]
    matches = tuple(Match(what, distance, None if config.threshold is None else distance <= config.threshold)
                    for what, distance in found)
    return Matches(matches, config.distance, config.threshold, loaded.name)


def _embedding(loaded: LoadedEmbedder, given: str | Path, side: Side, box: Sequence[float] | None,
               where: str) -> np.ndarray:
    """`[1, D]` of an image file or of words, whichever the side takes."""
    view = loaded.embedder.view(side)
    if view.modality == "words":
        if box is not None:
            raise BoxError("words have no box", where, "leave it out")
        found = view.tokens(str(given))
    else:
        image = read_image(Path(given))
        area = None if box is None else checked(box, image.shape[:2], where=where)[0]
        found = crop_for(loaded, side, image, area)
    return make_embed(loaded, side, batch=1)([found])
