"""Trains the head of an experiment whose backbone stays frozen, on features that are computed once.

    python scripts/train_on_features.py experiments/siamrpn_small.py --data DIR --output runs/small --pairs 24000

See `frozen_features.py`; of each pair the features of both crops are kept, 0.27 MB.
"""

from __future__ import annotations

from pathlib import Path

import frozen_features
import jax
import jax.numpy as jnp
import tyro
from flax import linen as nn

from siamjax.cpu import tune_cpu
from siamjax.nets.siamrpn import SiamRPN
from siamjax.training.experiment import Experiment
from siamjax.types import TrainPair
from siamjax.weights.prepare import prepare


def main(experiment: tyro.conf.Positional[Path], /, data: Path, output: Path, pairs: int = 24_000, steps: int = 3200,
         batch_size: int = 32, lr: float = 2e-3, weight_decay: float = 1e-4) -> None:
    """Embeds, trains and writes OUTPUT/weights.safetensors.

    Args:
      experiment: its net must be a `SiamRPN` without a neck, its `init_from` hold the backbone.
      data: folder with validation.txt.
      output: folder for the shards and the weights.
      pairs: to embed, a multiple of 1,000.
      steps, batch_size: of the training.
      lr: highest rate of Adam; it rises over 50 steps and falls as a cosine to a fiftieth.
      weight_decay: of Adam's.
    """
    frozen_features.train(HEAD, experiment, data, output, pairs,
                          frozen_features.Recipe(steps, batch_size, lr, weight_decay, clip_norm=10.0))


def embed(config: Experiment, variables):
    """`exemplar` and `search` features, `box` and `similar` of each pair."""
    size = config.augment.search_size
    plain = {kind: variables[kind]["backbone"] for kind in variables if "backbone" in variables[kind]}
    net, params = prepare(config.net.backbone, plain, shapes=((1, size, size, 3),))

    def run(pair):
        z, x = (net.apply(params, image).astype(jnp.float16) for image in (pair.exemplar, pair.search))
        return ({"exemplar": z, "search": x, "box": pair.search_box, "similar": pair.similar},
                jnp.ones(len(pair.search), bool))

    return run


class Features(nn.Module):
    """A backbone whose images are features already."""

    def __call__(self, features, *, train: bool = False):
        return features


def loss(config: Experiment, params, stats, rows, key, *, train: bool = True):
    """That of the experiment's objective."""
    # The same net with nothing before the head: features come in where images did.
    net, size = SiamRPN(backbone=Features(), head=config.net.head), config.augment.search_size
    outputs, updated = net.apply(
        {"params": {"head": params}, "batch_stats": {"head": stats}}, rows["exemplar"].astype(jnp.float32),
        rows["search"].astype(jnp.float32), train=train, mutable=["batch_stats"])
    crop = jnp.zeros((len(rows["box"]), size, size, 0))  # the objective asks for its size only
    pair = TrainPair(None, crop, None, rows["box"], rows["similar"], None, jax.random.split(key, len(rows["box"])))
    value, metrics = config.objective(outputs, pair)
    return value, (updated["batch_stats"]["head"] if train else stats, metrics)


def judge(config: Experiment, params, stats, rows):
    """The metrics of the objective; anchors are drawn the same each time."""
    return loss(config, params, stats, rows, jax.random.key(3), train=False)[1][1]


HEAD = frozen_features.Part("head", frozen=("backbone",), shard=1000, embedded=40, usable=lambda track: True,
                            embed=embed, loss=loss, judge=judge)

if __name__ == "__main__":
    tune_cpu()
    tyro.cli(main)
