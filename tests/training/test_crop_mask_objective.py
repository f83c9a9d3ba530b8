"""The objective of masks of crops, against a plain NumPy reference."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.errors import ConfigError
from siamjax.training.crop_mask_objective import CropMaskObjective, targets_of
from siamjax.types import TrainPair


def pair_of(mask, masked):
    return TrainPair(None, None, None, None, None, None, None, None if mask is None else jnp.asarray(mask),
                     jnp.asarray(masked))


def case():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 8, 8)), (rng.random((3, 16, 16)) > 0.4).astype(np.float32), np.array([True, False, True])


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_the_loss_is_that_of_the_reference(weight):
    logits, mask, masked = case()
    loss, metrics = CropMaskObjective(weight)(jnp.asarray(logits, jnp.float32), pair_of(mask, masked))
    rows = []
    for own, target in zip(logits[masked], np.asarray(targets_of(jnp.asarray(mask), 8), np.float64)[masked]):
        likely = 1 / (1 + np.exp(-own))
        entropy = -(target * np.log(likely) + (1 - target) * np.log(1 - likely)).mean()
        both = (likely * target).sum()
        lacking = 1 - (both + 1) / (likely.sum() + target.sum() - both + 1)
        hard = ((own > 0) & (target > 0.5)).sum() / ((own > 0) | (target > 0.5)).sum()
        rows.append((entropy + weight * lacking, entropy, hard))
    wanted = np.mean(rows, axis=0)
    np.testing.assert_allclose([loss, metrics["mask"], metrics["mask_iou"]], wanted, rtol=1e-5)


@pytest.mark.parametrize("size", [32, 31])
def test_a_target_lies_where_its_pixels_do(size):
    mask = np.zeros((1, size, size), np.float32)
    mask[:, 7:14, 10:21] = 1
    few = np.asarray(targets_of(jnp.asarray(mask), 16))[0] > 0.5
    wanted = np.zeros((16, 16), bool)
    wanted[4:7, 5:11] = True  # rows 8, 10, 12 and columns 10 to 20
    np.testing.assert_array_equal(few, wanted)


def test_batches_without_masks_are_refused():
    with pytest.raises(ConfigError, match="no masks"):
        CropMaskObjective()(jnp.zeros((1, 8, 8)), pair_of(None, [True]))


@pytest.mark.parametrize("weight", [-1.0, float("inf"), float("nan")])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(ConfigError, match="overlap_weight"):
        CropMaskObjective(weight)
