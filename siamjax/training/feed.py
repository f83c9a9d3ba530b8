"""What a training draws its batches from: pairs of crops, or features of pairs that were computed once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import linen as nn

from siamjax import rngs
from siamjax.data.augment import make_augment
from siamjax.data.damage import Damaged
from siamjax.data.pipeline import batches
from siamjax.data.views import as_seen
from siamjax.errors import DataError
from siamjax.training import shards
from siamjax.training.experiment import Experiment
from siamjax.training.objectives import Objective
from siamjax.training.step import Augment
from siamjax.types import Array, PairBatch, Params, TrainPair


class Batches(Protocol):
    """An endless iterator; to be closed."""

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Any: ...

    def close(self) -> None: ...


@dataclasses.dataclass(frozen=True)
class Feed:
    """Where the batches of a training come from, and what the step makes of them.

    Attributes:
      draw: number of a step to this process's share of the batches from that step on. The batch of a step depends on
        the experiment and the data alone.
      augment: from a batch to what the net and the objective get.
      net: what trains; its parameters are among those of the experiment's net, under the same names.
      objective: of its outputs.
    """

    draw: Callable[[int], Batches]
    augment: Callable[[Array, Any], TrainPair]
    net: nn.Module
    objective: Objective


def pair_feed(experiment: Experiment, tracks: Sequence[Any], *, data: str, damaged: Damaged) -> Feed:
    """Pairs of crops.

    Args:
      tracks: of the data set.
      data: name of the data set, for messages.
      damaged: is told which images cannot be read.
    Raises:
      DataError: a single object, where objects are to be told apart.
    """
    def draw(first_step: int):
        return batches(tracks, experiment.data, seed=experiment.seed, batch_size=experiment.batch_size,
                       start_step=first_step, process_index=jax.process_index(), process_count=jax.process_count(),
                       damaged=damaged)

    augment = make_augment(experiment.augment)
    if experiment.embedder is None:
        augment = in_order(augment, experiment.use.channel_order)
    elif len(tracks) < 2:
        raise DataError(f"{len(tracks)} object: there is nothing to tell it from", data,
                        "give data of several objects")
    else:
        use = experiment.embedder
        augment = as_seen(augment, use.first, use.second, channel_order=use.channel_order, tracks=tracks)
    return Feed(draw, augment, experiment.training_net, experiment.objective)


def feature_feed(experiment: Experiment, tracks: Sequence[Any], folder: Path, variables: Params, pairs: Feed,
                 example: PairBatch, *, damaged: Damaged, say: Callable[[str], None]) -> Feed:
    """Features of pairs, which are computed now where they are not in `folder` yet.

    Args:
      tracks: of the data set.
      folder: output folder.
      variables: of the experiment's net, of which the frozen parts are used.
      pairs: the feed of the crops.
      example: any batch of it.
      damaged: is told which images cannot be read.
      say: is told how the work goes.
    Raises:
      ConfigError: the folder holds features of another experiment or of other data.
      OutputError: no room for them.
      TrainingError: features that half precision does not hold, or none worth keeping.
    """
    assert experiment.cached is not None
    features = experiment.cached.features
    rows = shards.rows_of(experiment, tracks, folder, variables, pairs.augment, example, damaged=damaged, say=say)
    sizes = experiment.augment.exemplar_size, experiment.augment.search_size

    def restored(key: Array, pair: TrainPair) -> TrainPair:
        each = jax.vmap(lambda index: rngs.stream(jax.random.fold_in(key, index), "objective"))(pair.index)
        return features.varied(shards.unpacked(pair).replace(key=each))

    def objective(outputs: Any, pair: TrainPair, *, axis_name: str | None = None):
        # Of crops an objective wants the sizes only: these have no channels.
        exemplar, search = (jnp.zeros((len(pair.index), size, size, 0)) for size in sizes)
        return experiment.objective(outputs, pair.replace(exemplar=exemplar, search=search), axis_name=axis_name)

    def draw(first_step: int):
        return shards.drawn(rows, seed=experiment.seed, batch_size=experiment.batch_size, first_step=first_step,
                            process_index=jax.process_index(), process_count=jax.process_count())

    return Feed(draw, restored, features.trained(experiment.training_net), objective)


def in_order(augment: Augment, channel_order: str) -> Augment:
    """`augment` with its RGB crops in the order of channels that the net's tracker will give it."""
    def reordered(key, batch):
        pair = augment(key, batch)
        return pair.replace(exemplar=pair.exemplar[..., ::-1], search=pair.search[..., ::-1])

    return reordered if channel_order == "bgr" else augment
