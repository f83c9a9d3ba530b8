"""report.html of a verification, built like that of boxes in `page`."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence as Listing
from html import escape

import jax.numpy as jnp
import numpy as np
from PIL import Image

from siamjax.data.pipeline import make_sample
from siamjax.data.sequences import DescribedTrack
from siamjax.evaluation.protocols.pairs import PairScore
from siamjax.evaluation.reports import gallery, plots
from siamjax.evaluation.reports.page import cells_of, document
from siamjax.nets.embedder import EmbedderConfig
from siamjax.ops.views import View, edge_sketch
from siamjax.types import PairBatch

COLUMNS = (
    ("area", "ROC area", "The chance that a similar pair is nearer than a different one"),
    ("equal_error", "Equal error", "Where as many different pairs are accepted as similar ones are refused"),
    ("threshold", "Threshold", "The distance at which errors are equal"),
    ("recall@1", "Recall@1", "Share of inputs whose nearest shows the same object"),
    ("recall@5", "Recall@5", "Share of inputs with the same object among their nearest five"),
)
KINDS = ("Half of the pairs show the same object. Frames: two frames or photos of an object, cut as they are. "
         "Images: one image twice, each time moved, mirrored and recoloured by chance.")
SIMILAR, DIFFERENT, RULER = 2, 4, 7  # colours of lines
BINS = 40
WRONG = 8  # pairs shown of either kind
CURVE_POINTS = 300


def render(report: dict, scores: Listing[PairScore], config: EmbedderConfig, plot: bytes) -> str:
    """The page, as text.

    Args:
      report: what report.json holds.
      scores: of each kind of pairs; curves and pictures are of the first.
      config: settings of the net.
      plot: PNG of the embeddings.
    """
    title = f"{report['data']['name']}: does {report['model']['name']} tell objects apart?"
    main = scores[0]
    return document(title, [
        _head(report, title), _table(scores, config.threshold), _curves(main, scores, config), _plane(plot, config),
        _wrong(main, config), _foot(report)])


def _head(report: dict, title: str) -> str:
    facts = {"Objects": report["data"]["objects"], "Split": report["data"]["split"], "Seed": report["seed"],
             "Distance": report["model"]["distance"], "Made": report["created"]}
    rows = "".join(f"<div><dt>{key}</dt><dd>{escape(str(value))}</dd></div>" for key, value in facts.items())
    return f'<h1>{escape(title)}</h1><p class="quiet">{escape(report["rule"])}</p><dl class="facts">{rows}</dl>'


def _table(scores: Listing[PairScore], threshold: float | None) -> str:
    heads = "".join(f'<th scope="col"><abbr title="{about}">{label}</abbr></th>' for _, label, about in COLUMNS)
    rows = "".join(
        f'<tr><th scope="row">{plots.swatch(index)}{score.kind}</th>'
        f"<td>{len(score.similar)}</td>{''.join(cells_of([score.figures[key]])[0] for key, *_ in COLUMNS)}</tr>"
        for index, score in enumerate(scores))
    said = "".join(
        f"<p>At the model's own threshold, {threshold:.3f}, {errors['false_accept']:.1%} of the different {score.kind} "
        f"are accepted and {errors['false_refuse']:.1%} of the similar ones refused.</p>"
        for score in scores if threshold is not None for errors in [score.errors_at(threshold)])
    return (f'<h2>Figures</h2><div class="scroll"><table><caption>{KINDS}</caption>'
            '<thead><tr><th scope="col" class="name">Pairs</th><th scope="col">Number</th>'
            f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>{said}")


def _curves(main: PairScore, scores: Listing[PairScore], config: EmbedderConfig) -> str:
    chance = np.array([0.0, 1.0])
    lines = [plots.Curve(index, *_thinned(score)) for index, score in enumerate(scores)]
    said = "; ".join(f"area {score.curve.area:.3f} on {score.kind}" for score in scores)
    receiver = plots.line_plot("ROC", said, "different pairs accepted", "similar pairs accepted",
                               [*lines, plots.Curve(RULER, chance, chance)])
    legend = [(index, score.kind, f"area {score.curve.area:.3f}") for index, score in enumerate(scores)]
    edges, similar, different = histogram(main)
    threshold = main.figures["threshold"]
    ruled = [plots.Curve(RULER, np.array([threshold] * 2), np.array([0.0, 1.0]))]
    shown = [plots.Curve(kind, np.repeat(edges, 2)[1:-1], np.repeat(shares, 2))
             for kind, shares in ((SIMILAR, similar), (DIFFERENT, different))]
    distances = plots.line_plot(
        "Distances", f"similar and different {main.kind}, and the threshold {threshold:.3f}",
        f"{config.distance} distance", "pairs, of the fullest bin", [*shown, *ruled])
    return ('<h2>Curves</h2><div class="plots">'
            + _figure("ROC", "grey: chance", receiver, [*legend])
            + _figure("Distances", f"of {main.kind}", distances, [
                (SIMILAR, "the same object", ""), (DIFFERENT, "another object", ""),
                (RULER, "threshold", f"{threshold:.3f}")])
            + "</div>")


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


def _figure(title: str, quiet: str, plot: str, legend: Listing[tuple[int, str, str]]) -> str:
    rows = "".join(f"<li>{plots.swatch(index)}<span>{escape(name)}</span><span>{escape(value)}</span></li>"
                   for index, name, value in legend)
    return (f'<figure><figcaption><b>{title}</b><span class="quiet">{escape(quiet)}</span></figcaption>{plot}'
            f"<ul>{rows}</ul></figure>")


def _plane(plot: bytes, config: EmbedderConfig) -> str:
    sides = " Dots are of the first side, triangles of the second." if config.first != config.second else ""
    encoded = base64.b64encode(plot).decode()
    return ('<h2>Embeddings</h2><p class="quiet">Along their two principal axes; the objects that were drawn most are '
            f"coloured.{sides} The rest of the space cannot be seen here: what lies together may yet be far apart.</p>"
            f'<img class="sheet" src="data:image/png;base64,{encoded}" '
            'alt="The embeddings as points, coloured by object">')


def _wrong(main: PairScore, config: EmbedderConfig) -> str:
    sample = make_sample(main.tracks, main.data, seed=main.seed)
    far, near = (
        "".join(_pair(main, config, sample(int(row)), int(row)) for row in rows) for rows in main.most_wrong(WRONG))
    return ('<h2>Most wrong pairs</h2><p class="quiet">At most one of the same two objects; what the net saw.</p>'
            f'<details open><summary>The same object, yet far apart</summary><div class="gallery">{far}</div></details>'
            f'<details open><summary>Different objects, yet near</summary><div class="gallery">{near}</div></details>')


def _pair(main: PairScore, config: EmbedderConfig, batch: PairBatch, row: int) -> str:
    objects = [main.tracks[number] for number in main.embedded.identity[row]]
    views = (config.first, config.second)
    shown = [_seen(view, patch) for view, patch in zip(views, (batch.exemplar, batch.search))]
    side = max(map(len, shown))
    shown = [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BILINEAR)) for one in shown]
    names = [f'"{one.description}"' if view.modality == "words" and isinstance(one, DescribedTrack) else one.name
             for view, one in zip(views, objects)]
    what, distance = " / ".join(dict.fromkeys(names)), f"{main.distance[row]:.3f}"
    caption = f"<figcaption><b>{escape(what)}</b><span>{distance}</span></figcaption>"
    return gallery.figure(np.concatenate(shown, axis=1), f"{what}, at a distance of {distance}", caption)


def _seen(view: View, patch: np.ndarray) -> np.ndarray:
    """`[S, S, 3]` uint8 of what a side took of a patch; for words, the object that they describe."""
    if view.modality == "words":
        return patch
    start = (len(patch) - view.size) // 2
    crop = patch[start:start + view.size, start:start + view.size]
    if view.modality == "sketch":
        crop = np.repeat(255 - np.asarray(edge_sketch(jnp.asarray(crop))).astype(np.uint8), 3, axis=-1)
    return crop


def _foot(report: dict) -> str:
    record = escape(json.dumps(report["model"], indent=2))
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    return (f"<h2>How this was made</h2><details><summary>{escape(report['model']['name'])}</summary>"
            f"<pre>{record}</pre></details><footer><p>{escape(versions)}. All figures are in report.json and the plot "
            "in embeddings.png beside this page.</p></footer>")
