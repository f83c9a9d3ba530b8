"""Verification: how an embedding net tells pairs of held-out objects apart, and which it gets most wrong."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from PIL import Image

from siamjax.data.config import AugmentConfig, DataConfig
from siamjax.data.pipeline import make_sample
from siamjax.data.readers import open_objects
from siamjax.data.sequences import DescribedTrack, Track
from siamjax.data.synthetic import SyntheticConfig, make_tracks
from siamjax.evaluation.files import records
from siamjax.evaluation.held_out import Embedded, checked_draw, embed_pairs, settings_for
from siamjax.evaluation.metrics import verification
from siamjax.evaluation.metrics.verification import Curve
from siamjax.evaluation.reports import embedding_plot, plots
from siamjax.evaluation.reports.parts import (
    Entry,
    Figure,
    Figures,
    Folded,
    Gallery,
    Page,
    Picture,
    Section,
    Sheet,
    Text,
    jpeg,
    made_by,
    named,
    png,
)
from siamjax.evaluation.reports.report import Report, now, said
from siamjax.evaluation.reports.table import Column, Table
from siamjax.nets.embedder import EmbedderConfig
from siamjax.ops.views import View, edge_sketch
from siamjax.settings import describe
from siamjax.types import PairBatch
from siamjax.weights.embedders import LoadedEmbedder

UNSEEN = 1_000_003  # seed of the synthetic videos that no training of a small seed has drawn
COLUMNS = {key: Column(head, about) for key, head, about in (
    ("area", "ROC area", "The chance that a similar pair is nearer than a different one"),
    ("equal_error", "Equal error", "Where as many different pairs are accepted as similar ones are refused"),
    ("threshold", "Threshold", "The distance at which errors are equal"),
    ("recall@1", "Recall@1", "Share of inputs whose nearest shows the same object"),
    ("recall@5", "Recall@5", "Share of inputs with the same object among their nearest five"),
)}
RULE = (
    "Pairs of inputs, half of them of the same object, are accepted by their distance. ROC: similar pairs accepted "
    "against different ones. The threshold is where as many different pairs are accepted as similar ones are refused."
)
KINDS = ("Half of the pairs show the same object. Frames: two frames or photos of an object, cut as they are. "
         "Images: one image twice, each time moved, mirrored and recoloured by chance.")
SIMILAR, DIFFERENT, RULER = 2, 4, 7  # colours of lines
BINS = 40
WRONG = 8  # pairs shown of either kind
CURVE_POINTS = 300
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


class Objects(NamedTuple):
    """What pairs are drawn of: objects, the name of their data, and which part of it they are, in words."""

    tracks: Listing[Track]
    name: str
    split: str


def prepare(data: Path | None) -> Objects:
    """Objects of the validation split of `data`, or of all of it where there is none; None for drawn shapes.

    Raises:
      DataError, SourceError: data that cannot be read.
    """
    if data is None:
        return Objects(make_tracks(SyntheticConfig(), seed=UNSEEN), "moving shapes", "of another seed")
    train, validation = open_objects(data)
    split = "validation.txt" if validation else "all, for want of a validation.txt"
    return Objects(validation or train, data.resolve().name, split)


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


def report(loaded: LoadedEmbedder, scores: Listing[PairScore], *, data_name: str, split: str, seed: int) -> Report:
    """What is said of a net.

    Args:
      loaded: the net that was scored.
      scores: of each kind of pairs, the main one first, of which curves and pictures are.
      data_name: of the data set.
      split: which part of it, in words.
      seed: of the draw.
    """
    main, config = scores[0], loaded.embedder.config
    about = _as_data(loaded, scores, data_name=data_name, split=split, seed=seed)
    plot = embedding_plot.draw((main.embedded.first, main.embedded.second), main.embedded.identity,
                               [track.name for track in main.tracks], apart=config.first != config.second)
    facts = {"Objects": about["data"]["objects"], "Split": split, "Seed": seed, "Distance": config.distance,
             "Made": about["created"]}
    page = Page(f"{data_name}: does {loaded.name} tell objects apart?", RULE, facts, [
        Section("Figures", [
            Table([Column("Pairs", kind="name"), Column("Number"), *COLUMNS.values()],
                  [[named(place, score.kind), len(score.similar), *(score.figures[key] for key in COLUMNS)]
                   for place, score in enumerate(scores)], KINDS),
            *(Text(line[0].upper() + line[1:] + ".", quiet=False)
              for line in errors_said(scores, config.threshold, digits=3, share=".1%"))]),
        Section("Curves", [_curves(scores, config)]),
        Section("Embeddings", [
            Text("Along their two principal axes; the objects that were drawn most are coloured."
                 + " Dots are of the first side, triangles of the second." * (config.first != config.second)
                 + " The rest of the space cannot be seen here: what lies together may yet be far apart."),
            Sheet(png(plot), "The embeddings as points, coloured by object")]),
        Section("Most wrong pairs", [
            Text("At most one of the same two objects; what the net saw."), *_wrong(main, config)]),
        Section("How this was made", made_by({loaded.name: about["model"]})),
    ], [f"{said(about['versions'])}. All figures are in report.json and the plot in embeddings.png beside this page."])
    return Report(about, page, [summary(scores)], RULE, {"embeddings.png": plot})


def summary(scores: Listing[PairScore]) -> Table:
    """The figures, as terminals show them."""
    return Table([Column("kind", kind="name"), Column("pairs"), *(Column(key, digits=4) for key in COLUMNS)],
                 [[score.kind, *score.figures.values()] for score in scores])


def errors_said(scores: Listing[PairScore], threshold: float | None, *, digits: int = 4,
                share: str = ".4f") -> list[str]:
    """What the model's own threshold does, a sentence a kind; none where it has no threshold."""
    if threshold is None:
        return []
    errors = [(score.kind, score.errors_at(threshold)) for score in scores]
    return [f"at the model's own threshold, {threshold:.{digits}f}: {error['false_accept']:{share}} of the different "
            f"{kind} accepted, {error['false_refuse']:{share}} of the similar ones refused" for kind, error in errors]


def _as_data(loaded: LoadedEmbedder, scores: Listing[PairScore], *, data_name: str, split: str,
            seed: int) -> dict[str, Any]:
    """Everything there is to say, as JSON."""
    config = loaded.embedder.config
    return {
        "created": now(),
        "data": {"name": data_name, "split": split, "objects": sum(len(score.tracks) for score in scores)},
        "protocol": "verification", "rule": RULE, "seed": seed,
        "pairs": [{"kind": score.kind, **score.figures, "at_model_threshold": (
            None if config.threshold is None else score.errors_at(config.threshold)), "curve": {
            # The first threshold, which accepts nothing, is no number.
            "threshold": score.curve.threshold[1:], "false_accept": score.curve.false_accept[1:],
            "true_accept": score.curve.true_accept[1:]}} for score in scores],
        "model": {"name": loaded.name, "card": loaded.card, "fingerprint": loaded.fingerprint,
                  "distance": config.distance, "threshold": config.threshold,
                  "embedder": describe(loaded.embedder)},
        "versions": records.versions(),
    }


def _curves(scores: Listing[PairScore], config: EmbedderConfig) -> Figures:
    main, chance = scores[0], np.array([0.0, 1.0])
    areas = [f"area {score.curve.area:.3f}" for score in scores]
    receiver = plots.line_plot(
        "ROC", "; ".join(f"{area} on {score.kind}" for area, score in zip(areas, scores)), "different pairs accepted",
        "similar pairs accepted", [*(plots.Curve(place, *_thinned(score)) for place, score in enumerate(scores)),
                                   plots.Curve(RULER, chance, chance)])
    edges, similar, different = histogram(main)
    threshold = main.figures["threshold"]
    distances = plots.line_plot(
        "Distances", f"similar and different {main.kind}, and the threshold {threshold:.3f}",
        f"{config.distance} distance", "pairs, of the fullest bin",
        [*(plots.Curve(kind, np.repeat(edges, 2)[1:-1], np.repeat(shares, 2))
           for kind, shares in ((SIMILAR, similar), (DIFFERENT, different))),
         plots.Curve(RULER, np.array([threshold] * 2), chance)])
    return Figures([
        Figure("ROC", "grey: chance", receiver, [Entry(place, score.kind, area)
                                                 for place, (score, area) in enumerate(zip(scores, areas))]),
        Figure("Distances", f"of {main.kind}", distances, [
            Entry(SIMILAR, "the same object"), Entry(DIFFERENT, "another object"),
            Entry(RULER, "threshold", f"{threshold:.3f}")])])


def histogram(score: PairScore) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges `[BINS + 1]` from 0, and the shares `[BINS]` of similar and of different pairs, the fullest bin being 1."""
    most = float(score.distance.max())
    step = 10 ** math.floor(math.log10(most)) / 2 if most > 0 else 1.0
    edges = np.linspace(0, math.ceil(most / step) * step if most > 0 else 1.0, BINS + 1)
    shares = [np.histogram(score.distance[chosen], edges)[0] / chosen.sum()
              for chosen in (score.similar, ~score.similar)]
    fullest = max(share.max() for share in shares)
    return edges, shares[0] / fullest, shares[1] / fullest


def _thinned(score: PairScore) -> tuple[np.ndarray, np.ndarray]:
    x, y = score.curve.false_accept, score.curve.true_accept
    chosen = np.unique(np.linspace(0, len(x) - 1, CURVE_POINTS).astype(int))
    return x[chosen], y[chosen]


def _wrong(main: PairScore, config: EmbedderConfig) -> list[Folded]:
    sample = make_sample(main.tracks, main.data, seed=main.seed)
    far, near = (Gallery([_pair(main, config, sample(int(row)), int(row)) for row in rows])
                 for rows in main.most_wrong(WRONG))
    return [Folded("The same object, yet far apart", [far], is_open=True),
            Folded("Different objects, yet near", [near], is_open=True)]


def _pair(main: PairScore, config: EmbedderConfig, batch: PairBatch, row: int) -> Picture:
    objects = [main.tracks[number] for number in main.embedded.identity[row]]
    views = (config.first, config.second)
    shown = [_seen(view, patch) for view, patch in zip(views, (batch.exemplar, batch.search))]
    side = max(map(len, shown))
    shown = [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BILINEAR)) for one in shown]
    names = [f'"{one.description}"' if view.modality == "words" and isinstance(one, DescribedTrack) else one.name
             for view, one in zip(views, objects)]
    what, distance = " / ".join(dict.fromkeys(names)), f"{main.distance[row]:.3f}"
    return Picture(what, distance, f"{what}, at a distance of {distance}", jpeg(np.concatenate(shown, axis=1)))


def _seen(view: View, patch: np.ndarray) -> np.ndarray:
    """`[S, S, 3]` uint8 of what a side took of a patch; for words, the object that they describe."""
    if view.modality == "words":
        return patch
    start = (len(patch) - view.size) // 2
    crop = patch[start:start + view.size, start:start + view.size]
    if view.modality == "sketch":
        crop = np.repeat(255 - np.asarray(edge_sketch(jnp.asarray(crop))).astype(np.uint8), 3, axis=-1)
    return crop
