"""Makes siamjax/assets/trunk_means.safetensors: what `weights.embedders.load()` needs beside the trunk.

    python scripts/default_embedder.py --data DIR

The file holds the mean of the trunk's pooled features over 4,096 objects of the training split of DIR: 384 numbers.
Nothing is trained. The threshold of the result is measured by `siamjax verify --data DIR --output OUT`, and stands in
weights/embedders.py.
"""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import tyro

from siamjax import tune_cpu
from siamjax.data import DataConfig, batches, open_split, wide
from siamjax.weights import embedders, files, zoo

OUTPUT = Path(__file__).resolve().parents[1] / "siamjax" / "assets" / embedders.MEANS
BATCH, OBJECTS, SEED = 32, 4096, 7


def main(data: Path) -> None:
    """Measures the means.

    Args:
      data: folder with a training split.
    """
    tune_cpu()
    tracker = zoo.load(embedders.DEFAULT, prepare=False)
    embedder = embedders.trunk_of(tracker.tracker, centred=True, where=embedders.DEFAULT)
    params = {kind: tree["backbone"] for kind, tree in tracker.params.items() if "backbone" in tree}
    pooled = jax.jit(lambda crops: pooled.pool(embedder.net.backbone.apply(params, crops), embedder.net.head.margin))
    stream = batches(open_split(data)[0], wide(DataConfig(patch_size=embedder.config.first.size)), seed=SEED,
                     batch_size=BATCH)
    rows = [pooled(batch.exemplar.astype(np.float32)) for _, batch in zip(range(OBJECTS // BATCH), stream)]
    mean = np.concatenate(rows).mean(0, dtype=np.float64)
    card = f"mean of {embedders.DEFAULT}'s pooled trunk over {OBJECTS} objects of the training split, seed {SEED}"
    metadata = zoo.metadata_for(embedder, card=card, licence="Apache-2.0", source_sha256=files.digest(
        zoo.locate(embedders.DEFAULT)[0]))
    files.save(OUTPUT, {"params": {"head": {"mean": mean}}}, metadata)
    print(f"wrote {OUTPUT}, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    tyro.cli(main)
