"""Losses that bring embeddings of the same object together and keep those of others apart.

**`similar` is 1 (True) for two inputs that show the same object and 0 (False) for two that do not**, here and
everywhere in the package; Hadsell et al. 2006 and some texts after them label the other way round. Where a batch says
which object is which, `identity` holds a number an input, the same for the same object.

Under a mapped axis (`axis_name`) each device holds a share of the pairs, and **the mean over the axis of what the
devices return is the loss of the whole batch**, as in `ops.losses`; what a pair is compared with comes from all of
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from siamjax.errors import ConfigError
from siamjax.ops.distances import Distance, euclidean, normalised
from siamjax.ops.losses import masked_mean
from siamjax.types import Array, ArrayLike, Bool, Float, Int, Real

Reduction = Literal["mean", "sum"]


def contrastive(distance: Float[Array, " B"],
                similar: Bool[ArrayLike, " B"] | Real[ArrayLike, " B"] | Sequence[float], *, margin: float,
                reduction: Reduction = "mean", axis_name: str | None = None) -> Float[Array, ""]:
    """`similar * d + (1 - similar) * max(margin - d, 0)`, the mean or the sum over the pairs.

    Args:
      distance: of the two embeddings of each pair.
      similar: `[B]` bool or 0 / 1: 1 where both show the same object.
      margin: distance from which two different objects are far enough apart, above 0.
      reduction: "mean" or "sum" over the whole batch.
      axis_name: see the head of this file.
    Raises:
      ConfigError: a margin that is not above 0.
    """
    same = jnp.asarray(similar, jnp.float32)
    return _reduced(same * distance + (1 - same) * _short_of(margin, distance), reduction, axis_name)


def contrastive_squared(distance: Float[Array, " B"],
                        similar: Bool[ArrayLike, " B"] | Real[ArrayLike, " B"] | Sequence[float], *, margin: float,
                        reduction: Reduction = "mean", axis_name: str | None = None) -> Float[Array, ""]:
    """`similar * d^2 / 2 + (1 - similar) * max(margin - d, 0)^2 / 2`; arguments and errors as `contrastive`.

    Source: Hadsell et al. 2006, equation 4, whose label `Y` is 1 for *dissimilar* pairs: `Y = 1 - similar`.
    """
    same = jnp.asarray(similar, jnp.float32)
    losses = same * jnp.square(distance) + (1 - same) * jnp.square(_short_of(margin, distance))
    return _reduced(losses / 2, reduction, axis_name)


def triplet(first: Float[Array, "B D"], second: Float[Array, "B D"], identity: Int[Array, "B 2"], *, margin: float,
            distance: Distance = euclidean, within: bool = True,
            axis_name: str | None = None) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """Mean of `max(margin + d(positive) - d(negative), 0)` with the hardest of the batch for each input.

    The positive is the farthest input that shows the same object, the negative the nearest that shows another. Inputs
    that have no positive or no negative in the whole batch have no part.

    Args:
      first, second: embeddings of the two inputs of each pair.
      identity: the object in each input.
      margin: by which a negative is to be farther away than a positive, above 0.
      distance: of `ops.distances`.
      within: whether inputs of its own side are compared with an input, not only those of the other; False for
        sides of two kinds, which are only ever compared with each other.
      axis_name: see the head of this file.
    Returns:
      `[]` loss, and the mean distances `[]` of those positives and negatives.
    Raises:
      ConfigError: a margin that is not above 0, or a single pair in the whole batch.
    Source: Hermans et al. 2017, "In defense of the triplet loss", batch hard, equation 5.
    """
    _check_margin(margin)
    own, others = _compared(first, second, identity, within, axis_name, loss="triplet")
    # Looking for the hardest takes no gradient, and a row at a time no memory for all differences.
    far = lax.map(lambda x: distance(x[None], lax.stop_gradient(others.embeddings)), lax.stop_gradient(own))
    positive, negative = others.allowed & others.same, others.allowed & ~others.same
    chosen = (jnp.where(positive, far, -jnp.inf).argmax(-1), jnp.where(negative, far, jnp.inf).argmin(-1))
    near, away = (distance(own, others.embeddings[index]) for index in chosen)
    valid = positive.any(-1) & negative.any(-1)

    def mean(values):
        return masked_mean(values, valid, axis_name)[0]

    return mean(jax.nn.relu(margin + near - away)), mean(near), mean(away)


def nt_xent(first: Float[Array, "B D"], second: Float[Array, "B D"], identity: Int[Array, "B 2"], *,
            temperature: float = 0.1, within: bool = True,
            axis_name: str | None = None) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Cross-entropy of finding an input's partner among the inputs of all devices, by cosine over `temperature`.

    Args:
      first, second, identity, within: as in `triplet`. Pairs of two different objects have no loss of their own, but
        are negatives to the others; inputs known to show the same object as an input are no negatives to it.
        `within=False` is the symmetric loss of CLIP (Radford et al. 2021).
      temperature: above 0.
      axis_name: see the head of this file.
    Returns:
      `[]` loss, and the share `[]` of inputs to which their partner is nearer than any negative.
    Raises:
      ConfigError: a temperature that is not above 0, or a single pair in the whole batch.
    Source: SimCLR, Chen et al. 2020, equation 1, where all pairs are similar and no object comes twice.
    """
    if not temperature > 0:
        raise ConfigError(f"temperature is {temperature}", "nt_xent", "use a temperature above 0, e.g. 0.1")
    own, others = _compared(normalised(first), normalised(second), identity, within, axis_name, loss="nt_xent")
    logits = jnp.matmul(own, others.embeddings.T, precision=lax.Precision.HIGHEST) / temperature
    partner = jnp.where(others.partner, logits, 0.0).sum(-1)
    negative = others.allowed & ~others.same
    # Kept from the softmax by a number and not by infinity, whose gradient is NaN where a row has nothing else.
    rivals = jnp.where(negative, logits, jnp.finfo(jnp.float32).min)
    losses = jax.nn.logsumexp(jnp.concatenate([partner[:, None], rivals], axis=1), axis=1) - partner
    valid = (others.partner & others.same).any(-1)
    found = (partner > rivals.max(-1)).astype(jnp.float32)
    return masked_mean(losses, valid, axis_name)[0], masked_mean(found, valid, axis_name)[0]


class _Others(NamedTuple):
    """What the `2 B` inputs of a device are compared with: the `N` inputs of all devices.

    Attributes:
      embeddings: `[N, D]`.
      partner: `[2 B, N]` bool, the other input of the same pair.
      same: `[2 B, N]` bool, shows the same object.
      allowed: `[2 B, N]` bool, is compared at all: never with itself, nor within its side unless asked for.
    """

    embeddings: Array
    partner: Array
    same: Array
    allowed: Array


def _compared(first: Array, second: Array, identity: Array, within: bool, axis_name: str | None, *,
              loss: str) -> tuple[Array, _Others]:
    """This device's inputs `[2 B, D]`, those of the first side first, and what they are compared with."""
    if first.shape != second.shape:
        raise ConfigError(f"embeddings of {first.shape[-1]} and of {second.shape[-1]} numbers", loss,
                          "give both towers heads of one size")
    pairs, devices = len(first), 1 if axis_name is None else lax.psum(1, axis_name)
    if pairs * devices < 2:
        raise ConfigError("a batch of one pair has nothing to tell it from", loss, "use a batch_size of 2 or more")
    own, objects = jnp.concatenate([first, second]), identity.T.reshape(-1)
    embeddings, everyone, offset = own, objects, 0
    if axis_name is not None:
        embeddings, everyone = (lax.all_gather(x, axis_name, tiled=True) for x in (own, objects))
        offset = lax.axis_index(axis_name) * 2 * pairs
    place, places = jnp.arange(2 * pairs), jnp.arange(2 * pairs * devices)
    side, sides = place // pairs, places // pairs % 2
    partner = (offset + (place + pairs) % (2 * pairs))[:, None] == places[None]
    itself = (offset + place)[:, None] == places[None]
    allowed = ~itself & (within | (side[:, None] != sides[None]))
    return own, _Others(embeddings, partner, objects[:, None] == everyone[None], allowed)


def _short_of(margin: float, distance: Array) -> Array:
    """By how much a distance falls short of the margin."""
    _check_margin(margin)
    return jax.nn.relu(margin - distance)


def _check_margin(margin: float) -> None:
    if not margin > 0:
        raise ConfigError(f"margin is {margin}", "margin", "use a distance above 0, e.g. 1.0")


def _reduced(losses: Array, reduction: Reduction, axis_name: str | None) -> Array:
    if reduction not in ("mean", "sum"):
        raise ConfigError(f"reduction is {reduction!r}", "reduction", "use 'mean' or 'sum'")
    if reduction == "mean":
        return losses.mean()
    # The step takes the mean over the devices of what they return.
    return losses.sum() * (1 if axis_name is None else lax.psum(1, axis_name))
