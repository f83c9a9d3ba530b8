"""Trains the head of an experiment whose backbone stays frozen, on features that are computed once.

    python scripts/train_on_features.py experiments/siamrpn_small.py --data DIR --output runs/small --pairs 24000

`siamjax train` runs the frozen backbone anew for every pair, which on a CPU is most of its time. Here the pairs of the
experiment are drawn, augmented and embedded once, kept as half-precision shards in OUTPUT/features (0.27 MB a pair) and
gone over several times by Adam, whose first steps a head from random parameters needs more than SGD's. Shards that are
there already are not made again. Prints the losses on pairs of the validation split (DATA/validation.txt) as it goes.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from flax import linen as nn

from siamjax import rngs
from siamjax.cpu import tune_cpu
from siamjax.data.augment import make_augment
from siamjax.data.pipeline import batches
from siamjax.data.readers import open_split
from siamjax.errors import ConfigError
from siamjax.nets.siamrpn import SiamRPN
from siamjax.training.experiment import Experiment, load_experiment
from siamjax.training.start import start_from
from siamjax.types import TrainPair
from siamjax.weights import files, zoo
from siamjax.weights.prepare import prepare

SHARD, EMBEDDED, REPORT = 1000, 40, 100  # pairs a shard, pairs embedded at once, steps between lines


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
    config = load_experiment(experiment)
    if config.init_from is None or pairs % SHARD or pairs < SHARD:
        raise ConfigError(f"init_from {config.init_from!r}, {pairs} pairs", "train_on_features",
                          "name the backbone's weights in the experiment, and give a multiple of 1000 pairs")
    folder = output / "features"
    folder.mkdir(parents=True, exist_ok=True)
    train, held_out = open_split(data)
    variables = first_variables(config)
    real = dataclasses.replace(config.data, paste=0.0, distractors=0.0, synthetic_share=0.0)
    held = dataclasses.replace(config, data=real)
    validation = np.load(embed(held, held_out, variables, folder / "validation", 0))
    shards = [np.load(embed(config, train, variables, folder / "train", number)) for number in range(pairs // SHARD)]
    head, stats = fit(config, variables, [dict(shard) for shard in shards], dict(validation), steps, batch_size, lr,
                      weight_decay)
    variables = {"params": {**variables["params"], "head": head},
                 "batch_stats": {**variables["batch_stats"], "head": stats}}
    _, source = files.load(config.init_from)
    card = (f"{config.name}: head trained for {steps} steps of {batch_size} on features of {pairs} pairs of "
            f"{data.resolve().name}, seed {config.seed}, Adam {lr:g}, moving average {config.ema}; "
            f"backbone of {Path(config.init_from).name} ({source['card']})")
    zoo.save(output / "weights.safetensors", config.build_tracker(), jax.device_get(variables), card=card,
             licence=source["licence"], source_sha256=files.digest(config.init_from))
    print(f"wrote {output / 'weights.safetensors'}")


def first_variables(config: Experiment):
    """Variables of the net with the backbone of `init_from` in place."""
    images = [jnp.zeros((1, size, size, 3)) for size in (config.augment.exemplar_size, config.augment.search_size)]
    fresh = jax.jit(config.net.init)(rngs.stream(jax.random.key(config.seed), "init"), *images)
    loaded, _ = files.load(config.init_from)
    return start_from(fresh, {kind: {"backbone": tree["backbone"]} for kind, tree in loaded.items()},
                      where=str(config.init_from))


def embed(config: Experiment, tracks, variables, stem: Path, number: int) -> Path:
    """The file of a shard: `exemplar` and `search` features, `box` and `similar` of `SHARD` pairs."""
    path = stem.with_name(f"{stem.name}_{number:03d}.npz")
    if path.exists():
        return path
    backbone = config.net.backbone
    plain = {kind: variables[kind]["backbone"] for kind in variables if "backbone" in variables[kind]}
    size = config.augment.search_size
    net, params = prepare(backbone, plain, shapes=((1, size, size, 3),))
    augment, key = make_augment(config.augment), rngs.stream(jax.random.key(config.seed), "augment")

    @jax.jit
    def run(batch):
        pair = augment(key, batch)
        order = slice(None, None, -1 if config.tracker.channel_order == "bgr" else 1)
        z, x = (net.apply(params, image[..., order]).astype(jnp.float16) for image in (pair.exemplar, pair.search))
        return {"exemplar": z, "search": x, "box": pair.search_box, "similar": pair.similar}

    per_shard = SHARD // EMBEDDED
    stream = batches(tracks, config.data, seed=config.seed, batch_size=EMBEDDED, start_step=number * per_shard)
    rows = [jax.device_get(run(next(stream))) for _ in range(per_shard)]
    stream.close()
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, **{name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
    print(f"embedded {path.name}", flush=True)
    return temporary.rename(path)


class Features(nn.Module):
    """A backbone whose images are features already."""

    def __call__(self, features, *, train: bool = False):
        return features


def fit(config: Experiment, variables, shards: list[dict], validation: dict, steps: int, batch_size: int, lr: float,
        weight_decay: float):
    """Averaged parameters and statistics of the head after `steps`."""
    # The same net with nothing before the head: features come in where images did.
    net = SiamRPN(backbone=Features(), head=config.net.head)
    schedule = optax.warmup_cosine_decay_schedule(lr / 10, lr, 50, steps, lr / 50)
    tx = optax.chain(optax.clip_by_global_norm(10.0), optax.adamw(schedule, weight_decay=weight_decay))
    params, stats = variables["params"]["head"], variables["batch_stats"]["head"]
    size = config.augment.search_size

    def loss_of(params, stats, rows, key, train):
        outputs, updated = net.apply(
            {"params": {"head": params}, "batch_stats": {"head": stats}}, rows["exemplar"].astype(jnp.float32),
            rows["search"].astype(jnp.float32), train=train, mutable=["batch_stats"])
        crop = jnp.zeros((len(rows["box"]), size, size, 0))  # the objective asks for its size only
        pair = TrainPair(None, crop, None, rows["box"], rows["similar"], None, jax.random.split(key, len(rows["box"])))
        loss, metrics = config.objective(outputs, pair)
        return loss, (metrics, updated["batch_stats"]["head"] if train else stats)

    @jax.jit
    def step(state, number, rows, key):
        params, stats, opt_state, average = state
        grads, (metrics, stats) = jax.grad(loss_of, has_aux=True)(params, stats, rows, key, True)
        updates, opt_state = tx.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        decay = jnp.minimum(config.ema, (1.0 + number) / (10.0 + number))
        average = jax.tree.map(lambda a, p: a * decay + p * (1 - decay), average, params)
        return (params, stats, opt_state, average), metrics

    @jax.jit
    def evaluate(average, stats):
        return loss_of(average, stats, {name: value[:500] for name, value in validation.items()}, jax.random.key(3),
                       False)[1][0]

    random, key = np.random.default_rng(config.seed), rngs.stream(jax.random.key(config.seed), "objective")
    state = params, stats, tx.init(params), params
    for number in range(steps):
        shard, index = shards[random.integers(len(shards))], random.integers(0, SHARD, batch_size)
        rows = {name: value[index] for name, value in shard.items()}
        state, metrics = step(state, number, rows, jax.random.fold_in(key, number))
        if (number + 1) % REPORT == 0:
            shown = " | ".join(f"{title} " + " ".join(f"{name} {float(value):.3f}" for name, value in row.items())
                               for title, row in (("train", metrics), ("validation", evaluate(state[3], state[1]))))
            print(f"step {number + 1}/{steps}  {shown}", flush=True)
    return state[3], state[1]


if __name__ == "__main__":
    tune_cpu()
    tyro.cli(main)
