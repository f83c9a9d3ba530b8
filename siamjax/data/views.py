"""From crops of both images of a pair to what the two sides of an embedding net take."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Listing

import jax.numpy as jnp
import numpy as np

from siamjax.data.sequences import DescribedTrack, Track
from siamjax.errors import ConfigError, DataError
from siamjax.ops.views import View, edge_sketch
from siamjax.types import Array, PairBatch, TrainPair

Augment = Callable[[Array, PairBatch], TrainPair]


def as_seen(augment: Augment, first: View, second: View, *, channel_order: str = "rgb",
            tracks: Listing[Track] = ()) -> Augment:
    """`augment` with each crop in the view that a side takes: as an image, as a sketch, or words in its place.

    Words are the description of the object in the crop, looked up on the device by the pair's `identity`.

    Args:
      augment: cuts RGB crops, `(key, PairBatch) -> TrainPair`; to be traced into the step.
      first, second: what the two sides take, made of the exemplar and of the search.
      channel_order: of images, "rgb" or "bgr".
      tracks: of the data set, for words.
    Raises:
      DataError: words are wanted and an object has no description, or one of other words.
      ConfigError: when called, if crops are of another size than a side takes.
    """
    tables = [token_table(tracks, view) if view.modality == "words" else None for view in (first, second)]

    def seen(view: View, table: np.ndarray | None, crop: Array, objects: Array) -> Array:
        if table is not None:
            return jnp.asarray(table)[objects]
        if crop.shape[1:3] != (view.size, view.size):
            raise ConfigError(f"crops of {crop.shape[1]} px for a side that takes {view.size}", "EmbedderConfig",
                              "give the view the size of the augmentation's crops")
        if view.modality == "sketch":
            return edge_sketch(crop)
        return crop[..., ::-1] if channel_order == "bgr" else crop

    def viewed(key: Array, batch: PairBatch) -> TrainPair:
        pair = augment(key, batch)
        objects = pair.identity
        return pair.replace(exemplar=seen(first, tables[0], pair.exemplar, objects[:, 0]),
                            search=seen(second, tables[1], pair.search, objects[:, 1]))

    return viewed


def token_table(tracks: Listing[Track], view: View) -> np.ndarray:
    """Tokens `[N, L]` int32 of the descriptions of all tracks.

    Raises:
      DataError: a track has none, or one that is not of the view's vocabulary and length.
    """
    def tokens(track: Track) -> np.ndarray:
        if not (isinstance(track, DescribedTrack) and track.description):
            raise DataError("no words describe this object", track.name, "train on data with descriptions, such as the "
                            "package's own synthetic set (leave --data out)")
        return view.tokens(track.description)

    return np.stack([tokens(track) for track in tracks])
