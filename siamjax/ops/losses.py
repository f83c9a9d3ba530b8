"""Losses on logits and labels.

Under a mapped axis (`axis_name`) each device holds a share of the batch. Sums over the data that stand in a
denominator are then averaged over the axis, so that **the mean over the axis of what the devices return is
the loss of the whole batch**, and so for gradients: with denominators of their own, four devices would differ
from one.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from siamjax.types import Array, Bool, Float, Real


def over_axis(x: Array, axis_name: str | None) -> Array:
    """Mean of `x` over the mapped axis, `x` itself outside of one."""
    return x if axis_name is None else lax.pmean(x, axis_name)


def masked_mean(values: Float[Array, "*N"], mask: Bool[Array, "*N"],
                axis_name: str | None = None) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Mean of `values` where `mask` holds (0 if nowhere), and 1.0 if it holds anywhere, else 0.0."""
    count = over_axis(mask.sum(dtype=jnp.float32), axis_name)
    mean = jnp.where(mask, values, 0.0).sum() / jnp.where(count > 0, count, 1.0)
    return mean, (count > 0).astype(jnp.float32)


def logistic(logits: Float[Array, "*N"], labels: Float[Array, "*N"]) -> Float[Array, "*N"]:
    """Binary cross-entropy of each logit with its label in 0..1; finite with its gradient for any logit."""
    return jax.nn.softplus(logits) - logits * labels


def balanced_logistic(logits: Float[Array, "*N"], labels: Float[Array, "*N"], *, neg_weight: float = 1.0,
                      axis_name: str | None = None) -> Float[Array, ""]:
    """Mean over the positives and mean over the negatives, weighted 1 to `neg_weight`.

    Args:
      logits, labels: label 1 is a positive, 0 a negative, anything else is left out.
      neg_weight: share of the negatives against 1 for the positives; a side without cells has no share.
      axis_name: see the head of this file.
    Returns:
      `[]` loss; 0 when every cell is left out.
    Source: siamfc-pytorch, siamfc/losses.py `BalancedLoss`.
    """
    chex.assert_equal_shape([logits, labels])
    losses = logistic(logits, labels)
    positive, any_positive = masked_mean(losses, labels == 1, axis_name)
    negative, any_negative = masked_mean(losses, labels == 0, axis_name)
    share = any_positive + neg_weight * any_negative
    return (positive + neg_weight * negative) / jnp.where(share > 0, share, 1.0)


def focal(logits: Float[Array, "*N"], labels: Float[Array, "*N"], *, gamma: float = 2.0,
          axis_name: str | None = None) -> Float[Array, ""]:
    """Cross-entropy weighted by how wrong each cell is, over the mean weight (differentiated through).

    Args:
      logits, labels: labels in 0..1.
      gamma: power of the weight.
      axis_name: see the head of this file.
    Returns:
      `[]` loss.
    Source: siamfc-pytorch, siamfc/losses.py `FocalLoss`; Lin et al. 2017.
    """
    chex.assert_equal_shape([logits, labels])
    log_p, log_q = jax.nn.log_sigmoid(logits), jax.nn.log_sigmoid(-logits)
    positive, negative = labels * jnp.exp(gamma * log_q), (1 - labels) * jnp.exp(gamma * log_p)
    weight = over_axis(jnp.mean(positive + negative), axis_name)
    # All cells right beyond float32: weight and loss vanish together.
    return -jnp.mean(positive * log_p + negative * log_q) / jnp.maximum(weight, jnp.finfo(jnp.float32).tiny)


def ghm_c(logits: Float[Array, "*N"], labels: Float[Array, "*N"], accumulated: Float[Array, " bins"], *,
          momentum: float = 0.5, axis_name: str | None = None) -> tuple[Float[Array, ""], Float[Array, " bins"]]:
    """Cross-entropy in which every length of gradient weighs alike, however many cells have it.

    Args:
      logits, labels: labels in 0..1.
      accumulated: running count of cells by length of gradient, zeros at first.
      momentum: share of the old count that stays.
      axis_name: see the head of this file.
    Returns:
      `[]` loss and the new `accumulated`.
    Source: siamfc-pytorch, siamfc/losses.py `GHMCLoss`; Li et al. 2019, section 3.3.
    """
    chex.assert_equal_shape([logits, labels])
    bins = accumulated.shape[0]
    length = jnp.abs(lax.stop_gradient(jax.nn.sigmoid(logits)) - labels).reshape(-1)
    edges = jnp.arange(1, bins, dtype=jnp.float32) / bins
    member = jax.nn.one_hot(jnp.searchsorted(edges, length, side="right"), bins)
    count = member.sum(0) if axis_name is None else lax.psum(member.sum(0), axis_name)
    accumulated = jnp.where(count > 0, momentum * accumulated + (1 - momentum) * count, accumulated)
    weight = member @ (1 / jnp.where(accumulated > 0, accumulated, 1.0))
    weight = weight / over_axis(weight.mean(), axis_name)
    return jnp.mean(weight * logistic(logits, labels).reshape(-1)), accumulated


def ohnm(logits: Float[Array, "*N"], labels: Float[Array, "*N"], *, neg_ratio: int = 3,
         axis_name: str | None = None) -> Float[Array, ""]:
    """Mean cross-entropy of the positives and of the `neg_ratio` times as many negatives of highest logit.

    Args:
      logits, labels: label above 0 is a positive, 0 a negative.
      neg_ratio: negatives kept for each positive.
      axis_name: see the head of this file; the negatives are then ranked over the whole batch.
    Returns:
      `[]` loss; 0 without positives (the reference gives NaN); that of the positives without negatives (the
      reference raises).
    Source: siamfc-pytorch, siamfc/losses.py `OHNMLoss`.
    """
    chex.assert_equal_shape([logits, labels])
    flat, is_positive, is_negative = logits.reshape(-1), labels.reshape(-1) > 0, labels.reshape(-1) == 0
    rivals = jnp.where(is_negative, lax.stop_gradient(flat), -jnp.inf)
    positives, first = is_positive.sum(), 0
    if axis_name is not None:
        positives, first = lax.psum(positives, axis_name), lax.axis_index(axis_name) * flat.size
        rivals = lax.all_gather(rivals, axis_name).reshape(-1)
    order = jnp.argsort(-rivals, stable=True)
    rank = jnp.zeros_like(order).at[order].set(jnp.arange(order.size))
    rank = lax.dynamic_slice_in_dim(rank, first, flat.size)
    kept = is_positive | (is_negative & (rank < neg_ratio * positives))
    return masked_mean(logistic(flat, labels.reshape(-1)), kept, axis_name)[0]


def two_class(logits: Float[Array, "*N 2"], labels: Real[Array, "*N"], *,
              axis_name: str | None = None) -> Float[Array, ""]:
    """Mean cross-entropy of the positives and that of the negatives, half each.

    Args:
      logits: background and target.
      labels: 1 is a positive, 0 a negative, anything else is left out.
      axis_name: see the head of this file.
    Returns:
      `[]` float32 loss. A kind with no element has no part, and neither has one with **exactly one** in the whole
      batch: PySOT takes its index for an empty one, and published weights were trained so.
    Source: PySOT, pysot/models/loss.py `select_cross_entropy_loss`.
    """
    chex.assert_shape(logits, (*labels.shape, 2))
    log_p = jax.nn.log_softmax(logits.astype(jnp.float32))

    def half(label: int) -> Array:
        chosen = labels == label
        count = chosen.sum() if axis_name is None else lax.psum(chosen.sum(), axis_name)
        mean = masked_mean(-log_p[..., label], chosen & (count > 1), axis_name)[0]
        return 0.5 * mean

    return half(1) + half(0)


def weighted_l1(loc: Float[Array, "B N 4"], target: Float[Array, "B N 4"],
                weight: Float[Array, "B N"]) -> Float[Array, ""]:
    """Weighted sum of absolute differences a pair, averaged over all pairs, those without weights too.

    Returns:
      `[]` float32 loss; its mean over devices is that of the whole batch, no sum over data divides it.
    Source: PySOT, pysot/models/loss.py `weight_l1_loss`; the papers write smooth L1.
    """
    chex.assert_equal_shape([loc, target])
    difference = loc.astype(jnp.float32) - target
    # Not `abs`, whose gradient in JAX is 1 where nothing is left to do.
    distance = (difference * jnp.sign(difference)).sum(-1)
    return (distance * weight).sum() / len(loc)


def soft_margin(logits: Float[Array, "*N n n"], target: Float[Array, "*N n n"], chosen: Bool[Array, "*N"], *,
                axis_name: str | None = None) -> Float[Array, ""]:
    """Mean of `ln(1 + exp(-target * logit))` over the pixels of the chosen masks of the whole batch.

    Args:
      logits: of a mask at each of some positions.
      target: 1 the object, -1 what is not, 0 beyond the crop, which adds ln 2 and no gradient.
      chosen: the masks that count.
      axis_name: see the head of this file.
    Returns:
      `[]` float32 loss; 0 where no mask is chosen.
    Source: SiamMask, models/siammask.py `select_mask_logistic_loss`.
    """
    chex.assert_equal_shape([logits, target])
    losses = jax.nn.softplus(-target * logits.astype(jnp.float32))
    return masked_mean(losses.mean((-2, -1)), chosen, axis_name)[0]


def mask_overlap(logits: Float[Array, "*N h w"], target: Float[Array, "*N h w"]) -> Float[Array, "*N"]:
    """Overlap `[...]` of the pixels of logit 0 or more with those of target 1, in masks `[..., n, n]`.

    1 where there are neither. The reference's own count is 0 on any recent PyTorch, which adds its booleans.
    Source: SiamMask, models/siammask.py `iou_measure`.
    """
    chex.assert_equal_shape([logits, target])
    predicted, wanted = logits >= 0, target == 1
    both, either = (pixels.sum((-2, -1)) for pixels in (predicted & wanted, predicted | wanted))
    return jnp.where(either > 0, both / jnp.maximum(either, 1), 1.0)


def upsample_aligned(maps: Float[Array, "*N m m"], size: int) -> Float[Array, "*N {size} {size}"]:
    """Maps `[..., m, m]` as `[..., size, size]` float32, bilinear with corner pixels on corner pixels.

    Source: PyTorch's `UpsamplingBilinear2d`, by which SiamMask brings its 63 x 63 masks to the target's 127.
    """
    side = maps.shape[-1]
    if side == size:
        return maps.astype(jnp.float32)
    place = np.arange(size) * ((side - 1) / (size - 1))
    # Each axis a product with two numbers a row: so is its gradient, and neither gathers nor scatters.
    weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(side))).astype(np.float32)
    return jnp.einsum("yi,...ij,xj->...yx", weights, maps.astype(jnp.float32), weights,
                      precision=lax.Precision.HIGHEST)
