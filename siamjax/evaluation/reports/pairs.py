"""Reports on embedding nets: report.json, report.html, embeddings.png, and a table for terminals."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Any

from siamjax.evaluation.protocols.pairs import PairScore
from siamjax.evaluation.reports import embedding_plot, verification_page
from siamjax.evaluation.reports.boxes import lined, plain
from siamjax.evaluation.runner import versions
from siamjax.outputs import whole_file, write_text
from siamjax.settings import describe
from siamjax.weights.embedders import LoadedEmbedder

RULE = (
    "Pairs of inputs, half of them of the same object, are accepted by their distance. ROC: similar pairs accepted "
    "against different ones. The threshold is where as many different pairs are accepted as similar ones are refused."
)


def write_reports(output: Path, loaded: LoadedEmbedder, scores: Listing[PairScore], *, data_name: str, split: str,
                  seed: int) -> Path:
    """Writes the three files into `output` and returns the path of the page.

    Args:
      output: folder.
      loaded: the net that was scored.
      scores: of each kind of pairs, the main one first.
      data_name: of the data set.
      split: which part of it, in words.
      seed: of the draw.
    Raises:
      OutputError: they cannot be written.
    """
    main = scores[0]
    report = as_json(loaded, scores, data_name=data_name, split=split, seed=seed)
    config = loaded.embedder.config
    plot = embedding_plot.draw((main.embedded.first, main.embedded.second), main.embedded.identity,
                               [track.name for track in main.tracks], apart=config.first != config.second)
    with whole_file(output / "embeddings.png", "wb") as file:
        file.write(plot)
    write_text(output / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    write_text(output / "report.html", verification_page.render(report, scores, config, plot))
    return output / "report.html"


def as_json(loaded: LoadedEmbedder, scores: Listing[PairScore], *, data_name: str, split: str,
            seed: int) -> dict[str, Any]:
    """Everything there is to say, as JSON."""
    config = loaded.embedder.config
    return plain({
        "created": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
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
        "versions": versions(),
    })


def table(scores: Listing[PairScore], threshold: float | None) -> str:
    """The figures, and the errors at the model's own threshold, as lines of text."""
    columns = ["pairs", *(key for key, *_ in verification_page.COLUMNS)]
    text = lined([f"{'kind':7}", *columns], [
        [score.kind, *(str(value) if isinstance(value, int) else f"{value:.4f}"
                       for value in (score.figures[key] for key in columns))] for score in scores])
    if threshold is None:
        return text
    errors = [(score.kind, score.errors_at(threshold)) for score in scores]
    return "\n".join([text, "", *(
        f"at the model's own threshold, {threshold:.4f}: {error['false_accept']:.4f} of the different {kind} accepted, "
        f"{error['false_refuse']:.4f} of the similar ones refused" for kind, error in errors)])
