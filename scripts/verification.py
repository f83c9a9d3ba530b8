"""How well a trained embedding net tells held-out objects apart.

    python scripts/verification.py experiments/verify_objects.py --model runs/verify --data DIR
    python scripts/verification.py experiments/image_text.py --model runs/text

Pairs come from the validation split of DIR (without DIR: from synthetic videos of another seed), half of them of the
same object. `videos`: two frames, cut as they are. `images`: two augmentations of one image, as in training.
Prints one JSON object a kind: ROC area, equal error rate with its threshold, recall@1 and @5 of finding the second
input among those of all similar pairs.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import tyro

from siamjax.cpu import tune_cpu
from siamjax.data.config import Jitter
from siamjax.data.readers import open_split
from siamjax.data.synthetic import SyntheticConfig, make_tracks
from siamjax.evaluation import verification
from siamjax.evaluation.held_out import Embedded, embed_pairs
from siamjax.nets.embedder import Embedder
from siamjax.training.experiment import load_experiment
from siamjax.weights import embedders

UNSEEN = 1_000_003  # seed of the synthetic videos that no training of a small seed has drawn
STILL = Jitter(shift=0.0, stretch=0.0)


def main(experiment: tyro.conf.Positional[Path], /, model: Path, data: Path | None = None, pairs: int = 2000,
         seed: int = 0) -> None:
    """Measures `model` on pairs drawn as `experiment` draws them.

    Args:
      experiment: that trained it.
      model: weight file or folder of the training.
      data: folder with a validation split.
      pairs: of each kind.
      seed: of the draw.
    """
    tune_cpu()
    config = load_experiment(experiment)
    loaded = embedders.load(model)
    tracks = open_split(data)[1] if data else make_tracks(config.synthetic or SyntheticConfig(), seed=UNSEEN)
    videos = [track for track in tracks if len(track.boxes) > 1]
    images = [track for track in tracks if len(track.boxes) == 1]
    still = dataclasses.replace(config.augment, exemplar=STILL, search=STILL, grey=0.0, flip=0.0)
    for name, chosen, augment in (("videos", videos, still), ("images", images, config.augment)):
        if chosen:
            embedded = embed_pairs(loaded, chosen, config.data, augment, pairs=pairs, seed=seed)
            print(json.dumps({"pairs": name, **figures(loaded.embedder, embedded, described(chosen))}), flush=True)


def described(tracks) -> np.ndarray:
    """`[N]` number of each object, the same for objects of the same words."""
    names = [getattr(track, "description", "") or track.name for track in tracks]
    return np.array([names.index(name) for name in names])


def figures(embedder: Embedder, embedded: Embedded, objects: np.ndarray) -> dict[str, float | int]:
    """Figures of embedded pairs; objects of the same words count as the same where words are compared."""
    identity = objects[embedded.identity] if embedder.config.second.modality == "words" else embedded.identity
    similar = identity[:, 0] == identity[:, 1]
    curve = verification.roc(embedder.distance(embedded.first, embedded.second), similar)
    error, threshold = curve.equal_error
    rows = np.flatnonzero(similar)[:500]
    distance = np.stack([embedder.distance(embedded.first[row][None], embedded.second[rows]) for row in rows])
    recall = verification.recall_at(distance, identity[rows, 0], identity[rows, 1])
    return {"count": len(similar), "area": round(curve.area, 4), "equal_error": round(error, 4),
            "threshold": round(threshold, 4), **{f"recall@{rank}": round(share, 4) for rank, share in recall.items()}}


if __name__ == "__main__":
    tyro.cli(main)
