"""Trains the masks of an experiment whose trunk and boxes stay frozen, on features that are computed once.

    python scripts/train_masks.py experiments/siammask_small.py --data DIR --output runs/small_masks --pairs 9000

See `frozen_features.py`; the net is a `GuidedMask`. Of each pair the window of the search's middle cell at every level,
the likeliest proposal there and the target's mask are kept, 0.4 MB. Pairs are of tracks with masks only. The loss is
that of `MaskObjective`, with the overlap beside it, so that small masks count as much as large ones. Boxes are shaken:
the frozen head knows these videos, and is less sure of others. Beside the overlap of the masks on the validation split
stands that of filled boxes.
"""

from __future__ import annotations

from pathlib import Path

import frozen_features
import jax
import jax.numpy as jnp
import tyro

from siamjax.cpu import tune_cpu
from siamjax.data.sequences import MaskedTrack
from siamjax.nets.guided_mask import PIXELS
from siamjax.ops import losses, mask_targets
from siamjax.training.experiment import Experiment
from siamjax.weights.prepare import prepare

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
    frozen_features.train(SEGMENT, experiment, data, output, pairs,
                          frozen_features.Recipe(steps, batch_size, lr, weight_decay, clip_norm=1.0))


def embed(config: Experiment, variables):
    """What `segment` is given of each pair, and its packed mask; pairs whose mask is hidden are not worth keeping."""
    size = config.augment.search_size
    margin = (size - PIXELS.side) // 2
    net, params = prepare(config.net, variables, shapes=((1, 127, 127, 3), (1, size, size, 3)))

    def run(pair):
        kernels = net.apply(params, pair.exemplar, method="embed_exemplar")
        _, _, cues = net.apply(params, kernels, pair.search, method="detect")
        middle = jnp.full((len(pair.search), 1, 2), cues.boxes.shape[1] // 2)
        exemplar, (image, *levels), box = net.apply(params, cues, middle, method="windows")
        half = {name: value.astype(jnp.float16) for name, value in
                zip(("z_middle", "z_deep", "fine", "middle", "deep"), (*exemplar, *levels), strict=True)}
        mask = pair.mask[:, margin:size - margin, margin:size - margin] > 0.5
        return {**half, "image": jnp.clip(jnp.round(image), 0, 255).astype(jnp.uint8), "box": box,
                "true_box": pair.search_box - jnp.float32([[margin, margin, 0, 0]]),
                "mask": jnp.packbits(mask, axis=-1)}, mask.any((1, 2))

    return run


def segmented(config: Experiment, params, stats, rows, box, train: bool):
    """Logits `[B, 127, 127]` and the changed statistics."""
    levels = tuple(rows[name].astype(jnp.float32) for name in ("image", "fine", "middle", "deep"))
    exemplar = tuple(rows[name].astype(jnp.float32) for name in ("z_middle", "z_deep"))
    logits, updated = config.net.segment.apply({"params": params, "batch_stats": stats}, exemplar, levels, box,
                                               train=train, mutable=["batch_stats"])
    return logits, updated["batch_stats"] if train else stats


def loss(config: Experiment, params, stats, rows, key):
    """The mask loss and half of what the overlap lacks."""
    logits, stats = segmented(config, params, stats, rows, shaken(key, rows["box"]), train=True)
    target = mask_targets.signed(unpacked(rows["mask"]))
    margin = losses.soft_margin(logits, target, jnp.ones(len(logits), bool))
    overlap = soft_overlap(logits, target).mean()
    return margin + 0.5 * (1 - overlap), (stats, {"mask": margin, "iou": losses.mask_overlap(logits, target).mean()})


def judge(config: Experiment, params, stats, rows):
    """Mean overlap of the masks, and of the filled boxes, proposed and true."""
    logits, _ = segmented(config, params, stats, rows, rows["box"], train=False)
    target = mask_targets.signed(unpacked(rows["mask"]))
    proposed = jnp.concatenate([rows["box"][:, :2] + PIXELS.side / 2 - rows["box"][:, 2:] / 2, rows["box"][:, 2:]], 1)
    return {"iou": losses.mask_overlap(logits, target).mean(),
            "proposed_box": losses.mask_overlap(filled(proposed), target).mean(),
            "true_box": losses.mask_overlap(filled(rows["true_box"]), target).mean()}


def unpacked(bits):
    """Masks `[B, 127, 127]` float32 of their packed rows."""
    return jnp.unpackbits(bits, axis=-1, count=PIXELS.side).astype(jnp.float32)


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


def is_masked(track) -> bool:
    return isinstance(track, MaskedTrack) and bool(track.masked.any())


SEGMENT = frozen_features.Part("segment", frozen=("backbone", "head"), shard=500, embedded=20, usable=is_masked,
                               embed=embed, loss=loss, judge=judge)

if __name__ == "__main__":
    tune_cpu()
    tyro.cli(main)
