"""Trains the masks of an experiment whose trunk and boxes stay frozen, on features that are computed once.

    python scripts/train_masks.py experiments/siammask_small.py --data DIR --output runs/small_masks --pairs 9000

As `train_on_features.py`, for a `GuidedMask`: of each pair it keeps the window of the search's middle cell at every
level, the likeliest proposal there and the target's mask, in half precision (0.4 MB a pair), and Adam goes over them.
Pairs are of tracks with masks only. The loss is that of `MaskObjective`, with the overlap beside it, so that small
masks count as much as large ones. Boxes are shaken: the frozen head knows these videos, and is less sure of others.
Prints the overlap of the masks on the validation split (DATA/validation.txt) beside that of filled boxes.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro

from siamjax import rngs
from siamjax.cpu import tune_cpu
from siamjax.data.augment import make_augment
from siamjax.data.pipeline import batches
from siamjax.data.readers import open_split
from siamjax.data.sequences import MaskedTrack
from siamjax.errors import ConfigError
from siamjax.nets.guided_mask import PIXELS
from siamjax.ops import losses, mask_targets
from siamjax.training.experiment import Experiment, load_experiment
from siamjax.training.start import start_from
from siamjax.weights import files, zoo
from siamjax.weights.prepare import prepare

SHARD, EMBEDDED, REPORT = 500, 20, 100  # pairs a shard, pairs embedded at once, steps between lines
MOVE, STRETCH = 0.08, 0.15  # deviations of a shaken box: of its centre, in sides, and of the logarithm of its sides


def main(experiment: tyro.conf.Positional[Path], /, data: Path, output: Path, pairs: int = 9000, steps: int = 1000,
         batch_size: int = 32, lr: float = 2e-3, weight_decay: float = 1e-3) -> None:
    """Embeds, trains and writes OUTPUT/weights.safetensors.

    Args:
      experiment: its net must be a `GuidedMask`, its `init_from` hold the backbone and the head.
      data: folder with validation.txt.
      output: folder for the shards and the weights.
      pairs: to embed, a multiple of 500; those whose mask is hidden altogether are left out.
      steps, batch_size: of the training.
      lr: highest rate of Adam; it rises over 50 steps and falls as a cosine to a fiftieth.
      weight_decay: of Adam's.
    """
    config = load_experiment(experiment)
    if config.init_from is None or pairs % SHARD or pairs < SHARD:
        raise ConfigError(f"init_from {config.init_from!r}, {pairs} pairs", "train_masks",
                          "name the weights of backbone and head in the experiment, and give a multiple of 500 pairs")
    folder = output / "features"
    folder.mkdir(parents=True, exist_ok=True)
    train, held_out = ([track for track in tracks if isinstance(track, MaskedTrack) and track.masked.any()]
                       for tracks in open_split(data))
    variables = first_variables(config)
    real = dataclasses.replace(config.data, paste=0.0, distractors=0.0, synthetic_share=0.0)
    validation = embed(dataclasses.replace(config, data=real), held_out, variables, folder / "validation", 0)
    shards = [embed(config, train, variables, folder / "train", number) for number in range(pairs // SHARD)]
    segment = fit(config, variables, [read(path) for path in shards], read(validation), steps, batch_size, lr,
                  weight_decay)
    variables = {kind: {**variables[kind], "segment": segment[kind]} for kind in variables}
    _, source = files.load(config.init_from)
    card = (f"{config.name}: masks trained for {steps} steps of {batch_size} on features of {pairs} pairs of "
            f"{data.resolve().name}, seed {config.seed}, Adam {lr:g}, moving average {config.ema}; "
            f"backbone and head of {Path(config.init_from).name} ({source['card']})")
    zoo.save(output / "weights.safetensors", config.build_tracker(), jax.device_get(variables), card=card,
             licence=source["licence"], source_sha256=files.digest(config.init_from))
    print(f"wrote {output / 'weights.safetensors'}")


def first_variables(config: Experiment):
    """The whole net at random, but for the backbone and the head."""
    images = [jnp.zeros((1, size, size, 3)) for size in (config.augment.exemplar_size, config.augment.search_size)]
    fresh = jax.jit(config.net.init)(rngs.stream(jax.random.key(config.seed), "init"), *images)
    loaded, _ = files.load(config.init_from)
    return start_from(fresh, loaded, where=str(config.init_from))


def embed(config: Experiment, tracks, variables, stem: Path, number: int) -> Path:
    """The file of a shard: what `segment` is given of up to `SHARD` pairs, and their packed masks."""
    path = stem.with_name(f"{stem.name}_{number:03d}.npz")
    if path.exists():
        return path
    size = config.augment.search_size
    net, params = prepare(config.net, variables, shapes=((1, 127, 127, 3), (1, size, size, 3)))
    augment, key = make_augment(config.augment), rngs.stream(jax.random.key(config.seed), "augment")

    @jax.jit
    def run(batch):
        pair = augment(key, batch)
        order = slice(None, None, -1 if config.tracker.channel_order == "bgr" else 1)
        kernels = net.apply(params, pair.exemplar[..., order], method="embed_exemplar")
        _, _, cues = net.apply(params, kernels, pair.search[..., order], method="detect")
        middle = jnp.full((len(pair.search), 1, 2), cues.boxes.shape[1] // 2)
        exemplar, (image, *levels), box = net.apply(params, cues, middle, method="windows")
        half = {name: value.astype(jnp.float16) for name, value in
                zip(("z_middle", "z_deep", "fine", "middle", "deep"), (*exemplar, *levels), strict=True)}
        margin = (size - PIXELS.side) // 2
        true_box = pair.search_box - jnp.float32([[margin, margin, 0, 0]])
        mask = pair.mask[:, margin:size - margin, margin:size - margin] > 0.5
        return {**half, "image": jnp.clip(jnp.round(image), 0, 255).astype(jnp.uint8), "box": box,
                "true_box": true_box, "mask": mask}

    per_shard = SHARD // EMBEDDED
    stream = batches(tracks, config.data, seed=config.seed, batch_size=EMBEDDED, start_step=number * per_shard)
    rows = [jax.device_get(run(next(stream))) for _ in range(per_shard)]
    stream.close()
    whole = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    seen = whole["mask"].any((1, 2))
    whole["mask"] = np.packbits(whole["mask"], axis=-1)
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, **{name: value[seen] for name, value in whole.items()})
    print(f"embedded {path.name}: {seen.sum()} pairs", flush=True)
    return temporary.rename(path)


def read(path: Path) -> dict[str, np.ndarray]:
    return dict(np.load(path))


def fit(config: Experiment, variables, shards: list[dict], validation: dict, steps: int, batch_size: int, lr: float,
        weight_decay: float):
    """Averaged parameters and statistics of `segment` after `steps`."""
    schedule = optax.warmup_cosine_decay_schedule(lr / 10, lr, 50, steps, lr / 50)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=weight_decay))
    params, stats = variables["params"]["segment"], variables["batch_stats"]["segment"]

    def masks_of(params, stats, rows, box, train):
        names = ("fine", "middle", "deep")
        levels = tuple(rows[name].astype(jnp.float32) for name in ("image", *names))
        exemplar = tuple(rows[name].astype(jnp.float32) for name in ("z_middle", "z_deep"))
        return config.net.segment.apply({"params": params, "batch_stats": stats}, exemplar, levels, box, train=train,
                                        mutable=["batch_stats"])

    def loss_of(params, stats, rows, box):
        logits, updated = masks_of(params, stats, rows, box, True)
        target = mask_targets.signed(unpack(rows["mask"]))
        margin = losses.soft_margin(logits, target, jnp.ones(len(logits), bool))
        overlap = soft_overlap(logits, target).mean()
        return margin + 0.5 * (1 - overlap), (updated["batch_stats"], {
            "mask": margin, "iou": losses.mask_overlap(logits, target).mean()})

    @jax.jit
    def step(state, number, rows, key):
        params, stats, opt_state, average = state
        grads, (stats, metrics) = jax.grad(loss_of, has_aux=True)(params, stats, rows, shaken(key, rows["box"]))
        updates, opt_state = tx.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        decay = jnp.minimum(config.ema, (1.0 + number) / (10.0 + number))
        average = jax.tree.map(lambda a, p: a * decay + p * (1 - decay), average, params)
        return (params, stats, opt_state, average), metrics

    @jax.jit
    def evaluate(average, stats, rows):
        logits, _ = masks_of(average, stats, rows, rows["box"], False)
        target = mask_targets.signed(unpack(rows["mask"]))
        proposed = jnp.concatenate([rows["box"][:, :2] + PIXELS.side / 2 - rows["box"][:, 2:] / 2,
                                    rows["box"][:, 2:]], 1)
        return {"iou": losses.mask_overlap(logits, target).mean(),
                "proposed_box": losses.mask_overlap(filled(proposed), target).mean(),
                "true_box": losses.mask_overlap(filled(rows["true_box"]), target).mean()}

    random, key = np.random.default_rng(config.seed), rngs.stream(jax.random.key(config.seed), "objective")
    state = params, stats, tx.init(params), params
    for number in range(steps):
        shard = shards[random.integers(len(shards))]
        index = random.integers(0, len(shard["mask"]), batch_size)
        state, metrics = step(state, number, {name: value[index] for name, value in shard.items()},
                              jax.random.fold_in(key, number))
        if (number + 1) % REPORT == 0:
            parts = [{name: value[start:start + 50] for name, value in validation.items()}
                     for start in range(0, len(validation["mask"]) - 49, 50)]
            held = [evaluate(state[3], state[1], part) for part in parts]
            held = jax.tree.map(lambda *values: sum(values) / len(values), *held)
            shown = " | ".join(f"{title} " + " ".join(f"{name} {float(value):.3f}" for name, value in row.items())
                               for title, row in (("train", metrics), ("validation", held)))
            print(f"step {number + 1}/{steps}  {shown}", flush=True)
    return {"params": state[3], "batch_stats": state[1]}


def unpack(bits):
    """Masks `[B, 127, 127]` float32 of their packed rows."""
    pixels = (bits[..., None] >> jnp.arange(7, -1, -1, dtype=jnp.uint8).reshape(1, 1, 1, -1)) & 1
    return pixels.reshape(*bits.shape[:2], -1)[..., :PIXELS.side].astype(jnp.float32)


def shaken(key, box):
    """Boxes `[B, 4]` `cxcywh`, moved and stretched a little."""
    draw = jax.random.normal(key, box.shape)
    return jnp.concatenate([box[:, :2] + MOVE * draw[:, :2] * box[:, 2:], box[:, 2:] * jnp.exp(STRETCH * draw[:, 2:])],
                           1)


def soft_overlap(logits, target):
    """Overlap `[B]` of probabilities with targets of 1 and -1."""
    probability, wanted = jax.nn.sigmoid(logits), (target + 1) / 2
    both = (probability * wanted).sum((-2, -1))
    return (both + 1) / ((probability + wanted).sum((-2, -1)) - both + 1)


def filled(box):
    """Logits `[B, 127, 127]` of the inside of `xywh` boxes `[B, 4]`."""
    place = jnp.arange(PIXELS.side) + 0.5
    inside = [(place[None] >= box[:, None, axis]) & (place[None] < (box[:, axis] + box[:, 2 + axis])[:, None])
              for axis in (0, 1)]
    return jnp.where(inside[1][:, :, None] & inside[0][:, None], 1.0, -1.0)


if __name__ == "__main__":
    tune_cpu()
    tyro.cli(main)
