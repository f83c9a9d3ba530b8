"""Trains one part of a net on features of the parts that stay frozen, which are computed once.

`siamjax train` runs the frozen parts anew for every pair, which on a CPU is most of its time. Here the pairs of the
experiment are drawn, augmented and embedded once, kept as half-precision shards in OUTPUT/features and gone over
several times by Adam, whose first steps a part from random parameters needs more than SGD's. Shards that are there
already are not made again. Figures on pairs of the validation split (DATA/validation.txt) are printed on the way.

What the part is, what it is given and what its loss is, `train_on_features.py` (a head) and `train_masks.py` say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from siamjax import rngs
from siamjax.data.augment import make_augment
from siamjax.data.pipeline import batches
from siamjax.data.readers import open_split
from siamjax.data.sequences import Track
from siamjax.errors import ConfigError
from siamjax.outputs import check_folder
from siamjax.training.experiment import Experiment, load_experiment
from siamjax.training.start import start_from, take_parts
from siamjax.types import Array, Metrics, TrainPair
from siamjax.weights import files, zoo

REPORT, HELD = 100, 50  # steps between lines, validation pairs that are looked at together

Rows = dict[str, Any]  # arrays of one row a pair
Variables = dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Part:
    """What trains, and on what.

    Attributes:
      name: of the part among the net's parameters.
      frozen: names of those that the weights to start from must hold.
      shard, embedded: pairs a file of features, and pairs that are embedded at once.
      usable: which tracks the pairs are of.
      embed: experiment and variables to a function, of crops in the net's order of channels to the rows of features
        and which of them are worth keeping `[B]` bool.
      loss: `(experiment, params, stats, rows, key) -> (loss, (stats, metrics))` of the part, while it trains.
      judge: `(experiment, params, stats, rows) -> metrics` of the part as it tracks.
    """

    name: str
    frozen: tuple[str, ...]
    shard: int
    embedded: int
    usable: Callable[[Track], bool]
    embed: Callable[[Experiment, Variables], Callable[[TrainPair], tuple[Rows, Array]]]
    loss: Callable[[Experiment, Any, Any, Rows, Array], tuple[Array, tuple[Any, Metrics]]]
    judge: Callable[[Experiment, Any, Any, Rows], Metrics]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How it trains.

    Attributes:
      steps, batch_size: of the training.
      lr: highest rate of Adam; it rises over 50 steps and falls as a cosine to a fiftieth.
      weight_decay: of Adam's.
      clip_norm: largest norm of a gradient.
    """

    steps: int
    batch_size: int
    lr: float
    weight_decay: float
    clip_norm: float


def train(part: Part, experiment: Path, data: Path, output: Path, pairs: int, recipe: Recipe) -> None:
    """Embeds `pairs` pairs, trains the part and writes OUTPUT/weights.safetensors.

    Raises:
      ConfigError: no weights to start from, or pairs that are no multiple of a shard's.
    """
    config = load_experiment(experiment)
    if config.init_from is None:
        raise ConfigError("init_from is not set", str(experiment), f"name weights with {' and '.join(part.frozen)}")
    if pairs < part.shard or pairs % part.shard:
        raise ConfigError(f"{pairs} pairs", "--pairs", f"give a multiple of {part.shard}")
    start, _ = zoo.locate(config.init_from)
    tracks, held_out = (list(filter(part.usable, side)) for side in open_split(data))
    variables = first_variables(part, config, start)
    folder = check_folder(output / "features")
    real = dataclasses.replace(config.data, paste=0.0, distractors=0.0, synthetic_share=0.0)
    validation = shard(part, dataclasses.replace(config, data=real), held_out, variables, folder / "validation", 0)
    shards = [shard(part, config, tracks, variables, folder / "train", number)
              for number in range(pairs // part.shard)]
    trained = fit(part, config, variables, shards, validation, recipe)
    variables = {kind: {**variables[kind], part.name: trained[kind]} for kind in variables}
    _, source = files.load(start)
    card = (f"{config.name}: {part.name} trained for {recipe.steps} steps of {recipe.batch_size} on features of "
            f"{pairs} pairs of {data.resolve().name}, seed {config.seed}, Adam {recipe.lr:g}, moving average "
            f"{config.ema}; {' and '.join(part.frozen)} of {start.name} ({source['card']})")
    zoo.save(output / "weights.safetensors", config.build_tracker(), jax.device_get(variables), card=card,
             licence=source["licence"], source_sha256=files.digest(start))
    print(f"wrote {output / 'weights.safetensors'}")


def first_variables(part: Part, config: Experiment, start: Path) -> Variables:
    """Variables of the net, the frozen parts from the weight file `start` and the rest at random."""
    images = [jnp.zeros((1, size, size, 3)) for size in (config.augment.exemplar_size, config.augment.search_size)]
    fresh = jax.jit(config.net.init)(rngs.stream(jax.random.key(config.seed), "init"), *images)
    kept = take_parts(files.load(start)[0], [(name, name) for name in part.frozen], where=str(start))
    return start_from(fresh, kept, where=str(start))


def shard(part: Part, config: Experiment, tracks: Listing[Track], variables: Variables, stem: Path,
          number: int) -> Rows:
    """Features of `part.shard` pairs, from their file, which is made where it is not there."""
    path = stem.with_name(f"{stem.name}_{number:03d}.npz")
    if not path.exists():
        temporary = path.with_suffix(".part.npz")
        rows = embedded(part, config, tracks, variables, number)
        np.savez(temporary, **rows)
        temporary.rename(path)
        print(f"embedded {path.name}: {count(rows)} pairs", flush=True)
    return dict(np.load(path))


def embedded(part: Part, config: Experiment, tracks: Listing[Track], variables: Variables, number: int) -> Rows:
    """Rows of the pairs of shard `number` in the stream of the experiment, but for those not worth keeping."""
    augment, key = make_augment(config.augment), rngs.stream(jax.random.key(config.seed), "augment")
    embed, order = part.embed(config, variables), slice(None, None, -1 if config.tracker.channel_order == "bgr" else 1)

    @jax.jit
    def run(batch):
        pair = augment(key, batch)
        return embed(pair.replace(exemplar=pair.exemplar[..., order], search=pair.search[..., order]))

    each = part.shard // part.embedded
    stream = batches(tracks, config.data, seed=config.seed, batch_size=part.embedded, start_step=number * each)
    done = [jax.device_get(run(next(stream))) for _ in range(each)]
    stream.close()
    return {name: np.concatenate([rows[name][kept] for rows, kept in done]) for name in done[0][0]}


def fit(part: Part, config: Experiment, variables: Variables, shards: Listing[Rows], validation: Rows,
        recipe: Recipe) -> Variables:
    """Averaged parameters, and statistics, of the part after the training."""
    rise = min(50, recipe.steps // 2)
    schedule = optax.warmup_cosine_decay_schedule(recipe.lr / 10, recipe.lr, rise, recipe.steps, recipe.lr / 50)
    tx = optax.chain(optax.clip_by_global_norm(recipe.clip_norm),
                     optax.adamw(schedule, weight_decay=recipe.weight_decay))

    @jax.jit
    def step(state, number, rows, key):
        params, stats, opt_state, average = state
        grads, (stats, metrics) = jax.grad(
            lambda params: part.loss(config, params, stats, rows, key), has_aux=True)(params)
        updates, opt_state = tx.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        decay = jnp.minimum(config.ema, (1.0 + number) / (10.0 + number))
        average = jax.tree.map(lambda a, p: a * decay + p * (1 - decay), average, params)
        return (params, stats, opt_state, average), metrics

    judge = jax.jit(lambda average, stats, rows: part.judge(config, average, stats, rows))
    random, key = np.random.default_rng(config.seed), rngs.stream(jax.random.key(config.seed), "objective")
    params, stats = variables["params"][part.name], variables["batch_stats"][part.name]
    state = params, stats, tx.init(params), params
    for number in range(recipe.steps):
        rows = shards[random.integers(len(shards))]
        index = random.integers(0, count(rows), recipe.batch_size)
        state, metrics = step(state, number, {name: value[index] for name, value in rows.items()},
                              jax.random.fold_in(key, number))
        if (number + 1) % REPORT == 0 or number + 1 == recipe.steps:
            held = [judge(state[3], state[1], {name: value[start:start + HELD] for name, value in validation.items()})
                    for start in range(0, count(validation) - HELD + 1, HELD)]
            held = jax.tree.map(lambda *values: sum(values) / len(values), *held) if held else {}
            shown = " | ".join(f"{title} " + " ".join(f"{name} {float(value):.3f}" for name, value in row.items())
                               for title, row in (("train", metrics), ("validation", held)))
            print(f"step {number + 1}/{recipe.steps}  {shown}", flush=True)
    return {"params": state[3], "batch_stats": state[1]}


def count(rows: Rows) -> int:
    """Pairs in `rows`."""
    return len(next(iter(rows.values())))
