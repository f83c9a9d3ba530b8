"""An embedding of one object from the features of a tracker's backbone, without parameters of its own."""

from __future__ import annotations

import jax.numpy as jnp
from flax import linen as nn

from siamjax.errors import ConfigError
from siamjax.ops import distances
from siamjax.types import Array, Float, Params, Real, Tree

# Cells left out on each side, as a share of the side: a square box takes half of its exemplar crop, and a ring of a
# tenth round it says how it stands out. What lies farther off is the background, which a target leaves behind.
RIM = 0.2


def embed_object(net: nn.Module, params: Params, image: Real[Array, "B S S 3"], stage: int) -> Float[Array, "B C"]:
    """Embeddings `[B, C]` of length 1: the mean of one stage's features over the middle of the crop.

    Middle stages tell objects apart better than the last, which was trained to find one look of the target and not
    to compare two; and the mean is the same wherever in the box a part of the target has moved.

    Args:
      net: of a tracker, with `features` and a `backbone` of the package's.
      params: of it, plain or prepared.
      image: exemplar crops in the net's order of channels, 0..255.
      stage: number of the backbone's stage, from 1; the stages after it are not run.
    Raises:
      ConfigError: the backbone has no such stage.
    """
    _, kept = net.apply(params, image, method="features", mutable=["intermediates"])
    stages: Tree = kept["intermediates"]["backbone"]
    if f"stage{stage}" not in stages:
        raise ConfigError(f"there is no stage {stage}", "embed_object", f"use one of {', '.join(sorted(stages))}")
    features = stages[f"stage{stage}"][0].astype(jnp.float32)
    edge = round(features.shape[1] * RIM)
    middle = features[:, edge:features.shape[1] - edge, edge:features.shape[2] - edge]
    return distances.normalised(middle.mean((1, 2)))
