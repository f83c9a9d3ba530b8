"""Masks of crops trained on features: they give what the whole net gives, and the recipe is as used."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.nets.anchor_free_heads import PixelwiseHead
from siamjax.nets.crop_mask import CropSegment, MaskedRPN
from siamjax.nets.inverted import Block, InvertedTrunk
from siamjax.training import shards
from siamjax.training.crop_levels import CropLevels
from siamjax.training.experiment import load_experiment
from siamjax.types import TrainPair
from siamjax.weights import spec, zoo

LAX = {"lowering": "lax"}
BLOCKS = (Block(4, 3, 2, None), Block(6, 3, 2, None), Block(8, 3, 2, None))
NET = MaskedRPN(InvertedTrunk(BLOCKS, stem=4, projection=4, **LAX), PixelwiseHead(hidden=4, depth=1, **LAX),
                segment=CropSegment((6, 5, 4, 3), **LAX), used_stages=(1, 2, 3))
RECIPE = Path(__file__).parents[2] / "experiments" / "fear_mask.py"


@pytest.mark.slow
def test_kept_features_give_the_masks_of_the_crops():
    rng = np.random.default_rng(0)
    exemplar, search = (jnp.asarray(rng.integers(0, 256, (3, 64, 64, 3)), jnp.float32) for _ in range(2))
    mask = np.zeros((3, 64, 64), np.float32)
    mask[:2, 20:40, 10:50] = 1  # that of the last is hidden
    pair = TrainPair(exemplar, search, jnp.zeros((3, 4)), jnp.zeros((3, 4)), jnp.ones(3, bool), jnp.arange(3), None,
                     jnp.asarray(mask), jnp.array([True, False, True]))
    variables = jax.jit(NET.init)(jax.random.key(0), exemplar[:1], search[:1])
    embed, params = CropLevels().embedder(NET, variables, 64)
    rows, kept = jax.jit(embed)(params, pair)
    np.testing.assert_array_equal(kept, [True, False, False])
    rows = shards.unpacked(shards.packed(rows))
    trained = CropLevels().trained(NET)
    own = {kind: {"segment": parts["segment"]} for kind, parts in variables.items()}
    whole = np.asarray(jax.jit(NET.apply)(variables, exemplar, search))
    masks = jax.jit(trained.apply)(own, rows.exemplar, rows.search)
    np.testing.assert_allclose(masks, whole, atol=2e-2 * np.abs(whole).max())  # features in half precision
    np.testing.assert_array_equal(rows.mask, mask)


def test_the_recipe_cuts_crops_as_its_tracker_does_and_leaves_fear_as_it_is():
    config = load_experiment(RECIPE)
    tracker, fear = config.build_tracker(), zoo.ZOO["fear_xs"].tracker
    assert tracker.inner == dataclasses.replace(fear, net=tracker.net)
    assert (tracker.net.backbone, tracker.net.head) == (fear.net.backbone, fear.net.head)
    sizes = {config.augment.exemplar_size, config.augment.search_size, config.data.exemplar_size}
    assert sizes == {tracker.config.crop_size}
    assert config.data.context == tracker.net.segment.margin
    assert set(config.cached.features.frozen) <= set(config.optim.frozen)


def test_its_weight_file_names_what_it_is_of():
    tracker = load_experiment(RECIPE).build_tracker()
    assert spec.loads(spec.dumps(tracker), where="file") == tracker
