"""`siamjax verify`: how well an embedding net tells objects apart, and its threshold."""

from __future__ import annotations

from pathlib import Path

from siamjax import evaluation
from siamjax.weights import embedders


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
    found = evaluation.verify(output, data=data, model=model, pairs=pairs, seed=seed, calibrated=calibrated)
    print(f"{found}\n")
    if calibrated is not None:
        print(f"threshold {found.figures['threshold']:.4f}: wrote {calibrated}")
    print(f"report: {found.page}")
