"""How well an embedding net tells objects apart, and its threshold, in one call."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from siamjax.errors import ConfigError, WeightsError
from siamjax.evaluation.protocols import pairs as protocol
from siamjax.evaluation.protocols.pairs import PairScore
from siamjax.evaluation.reports.report import Report
from siamjax.outputs import folder_for
from siamjax.weights import embedders

FEWEST = 100  # pairs, below which an area says nothing


@dataclasses.dataclass(frozen=True)
class Verification:
    """What a verification found.

    Attributes:
      scores: of each kind of pairs, the main one first.
      threshold: the model's own; None without any.
      report: what is said of it.
      page: the report for people.
    """

    scores: tuple[PairScore, ...]
    threshold: float | None
    report: Report
    page: Path

    @property
    def figures(self) -> dict[str, float | int]:
        """Of the main kind of pairs."""
        return self.scores[0].figures

    def __str__(self) -> str:
        """The figures, and the errors at the model's own threshold, as lines of text."""
        errors = protocol.errors_said(self.scores, self.threshold)
        return "\n".join([str(self.report), *([""] if errors else []), *errors])


def verify(output: str | Path, *, data: str | Path | None = None, model: str = embedders.DEFAULT, pairs: int = 2000,
           seed: int = 0, calibrated: str | Path | None = None) -> Verification:
    """Measures an embedding net on pairs of objects: ROC, equal error rate, recall; and a threshold for its distance.

    Args:
      output: folder for report.html, report.json and embeddings.png.
      data: OBJECT/*.jpg, folder of sequences or a COCO pair. What its validation.txt names is used, or without one
        all of it: then leave out what the model was trained on. Without data: moving shapes that the package draws.
      model: embedding net: a weight file, the folder of a training; or a tracker, whose pooled trunk is one.
      pairs: to draw of each kind, half of them of the same object.
      seed: of the draw.
      calibrated: .safetensors to write: the model with the threshold measured here; may be the model's own file.
    Raises:
      ConfigError: too few pairs.
      DataError, SourceError: data that cannot be used.
      WeightsError: a model that cannot be loaded, or another name for `calibrated`.
      OutputError: something cannot be written.
    """
    output, calibrated = Path(output), None if calibrated is None else Path(calibrated)
    if pairs < FEWEST:
        raise ConfigError(f"{pairs} pairs", "--pairs", f"draw {FEWEST} or more")
    if calibrated is not None and calibrated.suffix != ".safetensors":
        raise WeightsError(f"'{calibrated.name}' is not a weight file's name", "--calibrated",
                           "let it end in .safetensors")
    objects = protocol.prepare(None if data is None else Path(data))
    loaded = embedders.load(model, prepare=True)
    with folder_for(output):
        scores = protocol.score(loaded, objects.tracks, pairs=pairs, seed=seed)
        report = protocol.report(loaded, scores, data_name=objects.name, split=objects.split, seed=seed)
        page = report.write(output)
    main = scores[0].figures
    if calibrated is not None:
        embedders.save_calibrated(calibrated, model, float(main["threshold"]),
                                  said=f"by {main['pairs']} pairs of {scores[0].kind} of {objects.name}, equal error "
                                       f"{main['equal_error']:.3f}")
    return Verification(tuple(scores), loaded.embedder.config.threshold, report, page)
