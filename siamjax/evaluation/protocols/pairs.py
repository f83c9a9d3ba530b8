"""Figures of an embedding net on pairs of held-out objects, and the pairs that it gets most wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence as Listing

import numpy as np

from siamjax.data.config import AugmentConfig, DataConfig
from siamjax.data.sequences import Track
from siamjax.evaluation.held_out import Embedded, checked_draw, embed_pairs, settings_for
from siamjax.evaluation.metrics import verification
from siamjax.evaluation.metrics.verification import Curve
from siamjax.weights.embedders import LoadedEmbedder

QUERIES = 500  # similar pairs among which each first input looks for its second


@dataclasses.dataclass(frozen=True, eq=False)
class PairScore:
    """How a net tells pairs of one kind apart.

    Attributes:
      kind: "frames": two frames or photos of an object, cut as they are; "images": one image twice, each moved by
        chance.
      tracks: of the objects, by their numbers in `embedded.identity`.
      data: how the pairs were drawn; with `seed`, pair `i` is sample `i`.
      seed: of the draw.
      embedded: both sides.
      distance: `[N]` float64.
      similar: `[N]` bool; where words are compared, objects of the same words are the same.
      curve: of distance and similar.
      recall: by rank, of finding the second input of a similar pair among those of `QUERIES` of them.
    """

    kind: str
    tracks: Listing[Track]
    data: DataConfig
    seed: int
    embedded: Embedded
    distance: np.ndarray
    similar: np.ndarray
    curve: Curve
    recall: dict[int, float]

    @property
    def figures(self) -> dict[str, float | int]:
        """By the names that tables and report.json use."""
        error, threshold = self.curve.equal_error
        return {"pairs": len(self.similar), "area": self.curve.area, "equal_error": error, "threshold": threshold,
                **{f"recall@{rank}": share for rank, share in self.recall.items()}}

    def errors_at(self, threshold: float) -> dict[str, float]:
        """Both errors at a threshold that was measured on other pairs."""
        accepted, refused = self.curve.errors_at(threshold)
        return {"threshold": threshold, "false_accept": accepted, "false_refuse": refused}

    def most_wrong(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the farthest similar pairs and of the nearest different ones, none of the same two objects."""
        return tuple(self._first_of_each(order[self.similar[order] == similar], count)  # type: ignore[return-value]
                     for order, similar in ((np.argsort(-self.distance, kind="stable"), True),
                                            (np.argsort(self.distance, kind="stable"), False)))

    def _first_of_each(self, order: np.ndarray, count: int) -> np.ndarray:
        objects = np.sort(self.embedded.identity[order], axis=1)
        return order[np.sort(np.unique(objects, axis=0, return_index=True)[1])[:count]]


def score(loaded: LoadedEmbedder, tracks: Listing[Track], *, pairs: int, seed: int = 0) -> list[PairScore]:
    """Scores a net on objects with several frames or photos, and on those with one, as far as there are at least two.

    Raises:
      DataError: neither are there two of.
    """
    kinds = {kind: [track for track in tracks if (len(track.boxes) == 1) == (kind == "images")]
             for kind in ("frames", "images")}
    able = {kind: own for kind, own in kinds.items() if len({track.group for track in own}) > 1}
    return [score_pairs(loaded, own, kind, *settings_for(loaded.embedder.config, moved=kind == "images"), pairs=pairs,
                        seed=seed) for kind, own in (able or {"frames": tracks}).items()]


def score_pairs(loaded: LoadedEmbedder, tracks: Listing[Track], kind: str, data: DataConfig, augment: AugmentConfig, *,
                pairs: int, seed: int) -> PairScore:
    """Scores a net on pairs drawn and cut by these settings; arguments as of `embed_pairs`, `kind` of `PairScore`."""
    embedder, data = loaded.embedder, checked_draw(tracks, data)
    embedded = embed_pairs(loaded, tracks, data, augment, pairs=pairs, seed=seed)
    objects = embedded.identity
    if "words" in (embedder.config.first.modality, embedder.config.second.modality):
        objects = numbers_of_words(tracks)[objects]
    similar = objects[:, 0] == objects[:, 1]
    distance = np.asarray(embedder.distance(embedded.first, embedded.second), np.float64)
    curve = verification.roc(distance, similar)
    rows = np.flatnonzero(similar)[:QUERIES]
    apart = np.stack([embedder.distance(embedded.first[row][None], embedded.second[rows]) for row in rows])
    recall = verification.recall_at(apart, objects[rows, 0], objects[rows, 1])
    return PairScore(kind, tracks, data, seed, embedded, distance, similar, curve, recall)


def numbers_of_words(tracks: Listing[Track]) -> np.ndarray:
    """`[N]` number of each object, the same for objects of the same words."""
    names = [getattr(track, "description", "") or track.name for track in tracks]
    return np.array([names.index(name) for name in names])
