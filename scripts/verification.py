"""How well a trained embedding net tells held-out objects apart, on pairs drawn as its experiment draws them.

    python scripts/verification.py experiments/verify_objects.py --model runs/verify --data DIR
    python scripts/verification.py experiments/image_text.py --model runs/text

The figures in the headers of the experiments are these. `siamjax verify` draws in one way for all nets, and reports.

Pairs come from the validation split of DIR (without DIR: from synthetic videos of another seed), half of them of the
same object. `frames`: two frames, cut as they are. `images`: two augmentations of one image, as in training.
Prints one JSON object a kind.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import tyro

from siamjax import tune_cpu
from siamjax.data import SyntheticConfig, make_tracks, open_objects
from siamjax.evaluation import STILL, UNSEEN, score_pairs
from siamjax.training import load_experiment
from siamjax.weights import embedders


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
    config, loaded = load_experiment(experiment), embedders.load(model, prepare=True)
    tracks = open_objects(data)[1] if data else make_tracks(config.synthetic or SyntheticConfig(), seed=UNSEEN)
    still = dataclasses.replace(config.augment, exemplar=STILL, search=STILL, grey=0.0, flip=0.0)
    for kind, augment in (("frames", still), ("images", config.augment)):
        chosen = [track for track in tracks if (len(track.boxes) == 1) == (kind == "images")]
        if chosen:
            score = score_pairs(loaded, chosen, kind, config.data, augment, pairs=pairs, seed=seed)
            figures = {name: round(value, 4) for name, value in score.figures.items()}
            print(json.dumps({"kind": kind, **figures}), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
