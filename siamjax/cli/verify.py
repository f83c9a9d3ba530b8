"""`siamjax verify`: how well an embedding net tells objects apart, and its threshold."""

from __future__ import annotations

from pathlib import Path

from siamjax.data.readers import open_objects
from siamjax.data.synthetic import SyntheticConfig, make_tracks
from siamjax.errors import ConfigError, WeightsError
from siamjax.evaluation.protocols import pairs as verification_scoring
from siamjax.evaluation.reports import pairs as verification_reports
from siamjax.outputs import folder_for
from siamjax.weights import embedders

UNSEEN = 1_000_003  # seed of the synthetic videos that no training of a small seed has drawn
FEWEST = 100  # pairs, below which an area says nothing


def verify(
    output: Path,
    data: Path | None = None,
    model: str = embedders.DEFAULT,
    pairs: int = 2000,
    seed: int = 0,
    calibrated: Path | None = None,
) -> None:
    """Measures an embedding net on pairs of objects: ROC, equal error rate, recall; and a threshold for its distance.

    Args:
      output: folder for report.html, report.json and embeddings.png.
      data: OBJECT/*.jpg, folder of sequences or a COCO pair. What its validation.txt names is used, or without one
        all of it: then leave out what the model was trained on. Without data: moving shapes that the package draws.
      model: embedding net: a weight file, the folder of a training; or a tracker, whose pooled trunk is one.
      pairs: to draw of each kind, half of them of the same object.
      seed: of the draw.
      calibrated: .safetensors to write: the model with the threshold measured here; may be the model's own file.
    """
    if pairs < FEWEST:
        raise ConfigError(f"{pairs} pairs", "--pairs", f"draw {FEWEST} or more")
    if calibrated is not None and calibrated.suffix != ".safetensors":
        raise WeightsError(f"'{calibrated.name}' is not a weight file's name", "--calibrated",
                           "let it end in .safetensors")
    if data is None:
        tracks, split, name = make_tracks(SyntheticConfig(), seed=UNSEEN), "of another seed", "moving shapes"
    else:
        train, validation = open_objects(data)
        tracks, split = (validation, "validation.txt") if validation else (train, "all, for want of a validation.txt")
        name = data.resolve().name
    loaded = embedders.load(model, prepare=True)
    with folder_for(output):
        scores = verification_scoring.score(loaded, tracks, pairs=pairs, seed=seed)
        page = verification_reports.write_reports(output, loaded, scores, data_name=name, split=split, seed=seed)
    print(f"{verification_reports.table(scores, loaded.embedder.config.threshold)}\n")
    main = scores[0].figures
    if calibrated is not None:
        embedders.save_calibrated(calibrated, model, float(main["threshold"]),
                                  said=f"by {main['pairs']} pairs of {scores[0].kind} of {name}, equal error "
                                       f"{main['equal_error']:.3f}")
        print(f"threshold {main['threshold']:.4f}: wrote {calibrated}")
    print(f"report: {page}")
