"""The state that a training starts from: random parameters, or those of a weight file, in whole or in part."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import traverse_util

from siamjax import rngs
from siamjax.errors import WeightsError
from siamjax.training.experiment import Experiment
from siamjax.training.freezing import starts
from siamjax.training.state import TrainState, new_state
from siamjax.training.step import Augment
from siamjax.types import PairBatch, Params
from siamjax.weights import backbones, files, zoo


def first_state(experiment: Experiment, tx: optax.GradientTransformation, augment: Augment,
                batch: PairBatch) -> TrainState:
    """State of step 0.

    Args:
      experiment: its net, seed and start.
      tx: optimiser.
      augment: makes of `batch` what the net is called with, for shapes alone.
      batch: any batch of the training.
    Raises:
      WeightsError: the file to start from is not of this net.
    """
    key = jax.random.key(experiment.seed)
    pair = jax.eval_shape(augment, key, batch)
    inputs = [jnp.zeros((1, *one.shape[1:]), one.dtype) for one in (pair.exemplar, pair.search)]
    variables = jax.jit(experiment.net.init)(rngs.stream(key, "init"), *inputs)
    if experiment.init_from is not None:
        variables = _started(experiment, variables)
    return new_state(variables, tx, key, ema=experiment.ema > 0)


def start_from(variables: Params, loaded: Params, *, where: str) -> Params:
    """`variables` with those of a weight file in place; what the file lacks keeps its initial value.

    Whole layers of a backbone that the net does not build, as the last stage of a ResNet-50 under SiamMask, are left
    out.

    Raises:
      WeightsError: the file has no entries, or one that the net has not or has in another shape.
    """
    mine = traverse_util.flatten_dict(variables, sep="/")
    theirs = traverse_util.flatten_dict(loaded, sep="/")
    built = {_layer(name) for name in mine}
    theirs = {name: value for name, value in theirs.items() if "/backbone/" not in name or _layer(name) in built}
    wrong = [f"{name} {value.shape}" + (f" where the net has {mine[name].shape}" if name in mine else "")
             for name, value in theirs.items() if name not in mine or mine[name].shape != value.shape]
    if wrong or not theirs:
        raise WeightsError("the weights are not of this net: " + ("; ".join(wrong[:5]) or "there are none"),
                           where, "start from weights of the same net, or change the net of the experiment")
    return traverse_util.unflatten_dict(
        {name: jnp.asarray(theirs.get(name, value)) for name, value in mine.items()}, sep="/")


def take_parts(loaded: Params, parts: Sequence[tuple[str, str]], *, where: str) -> Params:
    """The named parts of a weight file's variables, and nothing else, under the paths they have in the net.

    Args:
      loaded: `{"params", "batch_stats"}` of the file.
      parts: `(path in the file, path in the net)`, e.g. `("backbone", "first/backbone")`.
      where: the file, for the message.
    Raises:
      WeightsError: the file has no such part.
    """
    taken = {}
    for theirs, ours in parts:
        found = {}
        for kind, tree in loaded.items():
            for path, value in traverse_util.flatten_dict(tree, sep="/").items():
                if starts(path, (theirs,)):
                    found[f"{kind}/{ours}{path.removeprefix(theirs)}"] = value
        if not found:
            raise WeightsError(f"the file has no part '{theirs}'", where,
                               f"take parts of it: {', '.join(sorted(loaded['params']))}")
        taken |= found
    return traverse_util.unflatten_dict(taken, sep="/")


def _started(experiment: Experiment, variables: Params) -> Params:
    """`variables` with what `init_from` and `init_parts` name in place."""
    assert experiment.init_from is not None
    where = str(zoo.locate(experiment.init_from)[0])
    loaded, metadata = files.load(where)
    parts = (("backbone", "backbone"),) if experiment.init_parts is None else experiment.init_parts
    for theirs, ours in parts:
        if theirs == "backbone":
            backbones.check_input(metadata, _part(experiment.net, ours), experiment.use.channel_order, where=where)
    if experiment.init_parts is not None:
        loaded = take_parts(loaded, experiment.init_parts, where=where)
    return start_from(variables, loaded, where=where)


def _part(net: Any, path: str) -> Any:
    """The module of a net at `first/backbone`; None where there is none."""
    return functools.reduce(lambda part, name: getattr(part, name, None), path.split("/"), net)


def _layer(path: str) -> str:
    """`params/first/backbone/layer4/block0/conv1/kernel` as `params/first/backbone/layer4`."""
    above, backbone, below = path.partition("/backbone/")
    return above + backbone + below.split("/")[0]
