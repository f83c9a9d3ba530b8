"""Our side of `benchmark.py`: makes one call for each line read, the name of a call, and answers with its times.

    python scripts/benchmark_worker.py WHAT MODEL WEIGHTS

`WHAT` is `step` or `light` (decode, crop, network, choice, step), `train` (step) or `targets` (the counts of
`TARGETS`). An answer is the milliseconds of wall and of processor time.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from PIL import Image
from safetensors import numpy as safetensors_numpy

import siamjax
from siamjax.data import read_image
from siamjax.ops import crops, frames, resize
from siamjax.trackers import as_frame, loop, siamfc, siamrpn
from siamjax.training import (
    LogisticObjective,
    OptimConfig,
    Phase,
    RPNObjective,
    make_optimiser,
    make_schedule,
    make_train_step,
    new_state,
    replicas,
)
from siamjax.types import PairBatch, TrainPair
from siamjax.weights import conversion, prepare, zoo

FRAME = 480, 640
BOX = (270.0, 200.0, 100.0, 80.0)  # xywh, frame pixels; the baseline's target
TARGETS = (1, 4, 16, 32)
TARGET_FRAMES = 2  # a call
BATCH, EXEMPLAR, SEARCH = 8, 127, 255  # of training, as in the baseline
WARM_UP = {"step": 3, "light": 3, "train": 2, "targets": 1}  # calls
Calls = dict[str, Callable[[], object]]


def main(what: str, model: str, weights: str) -> None:
    siamjax.tune_cpu()
    calls: Calls = {"step": step_calls, "light": step_calls, "train": train_calls, "targets": target_calls}[what](
        model, Path(weights))
    for call in calls.values():
        for _ in range(WARM_UP[what]):
            call()
    print("ready", flush=True)
    for line in sys.stdin:
        call, wall, processor = calls[line.strip()], time.perf_counter(), time.process_time()
        call()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        print(f"{wall * 1e3:.4f} {processor * 1e3:.4f}", flush=True)


# ---------------------------------------------------------------- weights

def write_weights(model: str, path: Path) -> None:
    """Random weights under the published names, the first spelling of each, which both sides read.

    Of a model with weights in the package nothing is written: `load` takes those.
    """
    entry = zoo.ZOO[model]
    if entry.weights is not None:
        return
    wanted = traverse_util.flatten_dict(zoo.wanted_variables(entry.tracker), sep="/")
    rng = np.random.default_rng(0)

    def random(theirs, shape):
        if len(shape) != 4:
            return rng.uniform(0.8, 1.2, shape)
        # What sees pixels, 0 to 255, gives numbers near 1, and boxes are near their anchors.
        scale = 1 / 64 if shape[2] == 3 else 0.01 if theirs.endswith("head.3.weight") else 1.0
        return (scale / np.sqrt(np.prod(shape[:3])) * rng.standard_normal(shape)).transpose(3, 2, 0, 1)

    spelling = {}
    for theirs, ours in entry.names or ():
        if ours is not None:
            spelling.setdefault(ours, theirs)
    tensors = {theirs: np.ascontiguousarray(random(theirs, wanted[ours].shape), np.float32)
               for ours, theirs in spelling.items()}
    safetensors_numpy.save_file(tensors, path)


def load(model: str, weights: Path, *, prepared: bool = True) -> tuple[Any, Any]:
    """The tracker and its parameters on the device."""
    entry = zoo.ZOO[model]
    if entry.weights is not None:
        ours = zoo.load(model, prepare=prepared)
        return ours.tracker, jax.device_put(ours.params)
    assert entry.names is not None
    variables = conversion.convert(safetensors_numpy.load_file(weights), entry.names,
                                zoo.wanted_variables(entry.tracker), where=str(weights))
    net = entry.tracker.net
    if prepared:
        net, variables = prepare.prepare(net, variables)
    return dataclasses.replace(entry.tracker, net=net), jax.device_put(variables)


# ---------------------------------------------------------------- one frame

def step_calls(model: str, weights: Path) -> Calls:
    """The whole step as users run it, and each of its stages compiled by itself."""
    tracker, params = load(model, weights)
    photo = weights.with_suffix(".jpg")
    picture().save(photo, quality=90)
    pixels = read_image(photo)
    state = jax.jit(type(tracker).init, static_argnums=0)(tracker, params, pixels, BOX)
    step = jax.jit(type(tracker).step, static_argnums=0)
    parts = siamfc_parts if isinstance(tracker, siamfc.SiamFCTracker) else siamrpn_parts
    crop, network, choice = (jax.jit(function) for function in parts(tracker))
    seen = crop(state, as_frame(pixels))
    outputs = network(params, state, seen)
    return {
        "decode": lambda: read_image(photo),
        "crop": lambda: jax.block_until_ready(crop(state, as_frame(pixels))),
        "network": lambda: jax.block_until_ready(network(params, state, seen)),
        "choice": lambda: jax.device_get(choice(state, seen, outputs)),
        "step": lambda: jax.device_get(step(tracker, params, state, pixels)[1]),
    }


def picture() -> Image.Image:
    """Smooth noise of the size of `FRAME`."""
    noise = np.random.default_rng(0).uniform(0, 255, (FRAME[0] // 8, FRAME[1] // 8, 3)).astype(np.uint8)
    return Image.fromarray(noise).resize((FRAME[1], FRAME[0]), Image.Resampling.BICUBIC)


def siamfc_parts(tracker):
    """Crop, network and choice (up-sampling and localisation) of a SiamFC tracker."""
    config, net = tracker.config, tracker.net

    def crop(state, frame):
        sides = state.x_side * jnp.array(tracker.factors, jnp.float32)
        return jax.vmap(lambda side: crops.crop(frame, state.centre, side, config.search_size, state.mean,
                                                rule="siamfc", resampling=config.resampling))(sides)

    def network(params, state, images):
        x = net.apply(params, images, method="embed")
        return net.apply(params, state.z[None], x, method="correlate")

    def choice(state, images, raw):
        del images
        return siamfc.locate(config, state, resize.cubic(raw, raw.shape[-1] * config.upsampling))

    return crop, network, choice


def siamrpn_parts(tracker):
    """Crop, network and choice (decoding, penalty and window) of a SiamRPN or anchor-free tracker.

    What is cut is the search `[1, S, S, 3]`, its middle `[2]` in the frame and its scale, crop pixels a frame pixel.
    """
    config, net = tracker.config, tracker.net

    def crop(state, frame):
        if getattr(config, "squeezed", False):
            image, middle, scale = tracker.cut(state, frame, config.search_context, config.search_size)
            return image[None], middle, scale
        side = crops.context_side(state.size[0], state.size[1], config.context)
        wide = side * (config.search_size / config.exemplar_size)
        image = siamrpn.cut(config, state, frame, wide, config.search_size)
        return image[None], state.centre, config.exemplar_size / side

    def network(params, state, seen):
        kernels = jax.tree.map(lambda kernel: kernel[None], state.kernels)
        return net.apply(params, kernels, seen[0], method="detect")

    def choice(state, seen, proposals):
        cls, loc = (maps[0] for maps in proposals[:2])  # a net with masks gives a third thing
        _, middle, scale = seen
        best = siamrpn.choose(config, state, scale, state.settings.window_influence, cls, loc)
        return tracker.follow(state, best.replace(offset=best.offset + middle - state.centre))

    return crop, network, choice


# ---------------------------------------------------------------- many targets, training

def target_calls(model: str, weights: Path) -> Calls:
    """`TARGET_FRAMES` frames of `track_many`'s compiled step for each number of targets."""
    tracker, params = load(model, weights)
    frame = frames.pad(np.asarray(picture()))
    chunk = jax.tree.map(lambda leaf: np.stack([leaf] * TARGET_FRAMES), frame)

    def call(count):
        shifts = np.random.default_rng(count).uniform(-100, 100, (count, 2))
        boxes = np.concatenate([np.array(BOX[:2]) + shifts, np.tile(BOX[2:], (count, 1))], 1).astype(np.float32)
        states = loop.start(tracker, params, frame, boxes, shared=True)
        return lambda: jax.device_get(loop.advance(tracker, params, states, chunk, shared=True)[1])

    return {str(count): call(count) for count in TARGETS}


def train_calls(model: str, weights: Path) -> Calls:
    """One step of training, crops at hand: targets, forward, loss, backward, SGD with momentum."""
    tracker, variables = load(model, weights, prepared=False)
    objective = LogisticObjective() if isinstance(tracker, siamfc.SiamFCTracker) else RPNObjective()
    config = OptimConfig(peak_lr=1e-4, final_lr=1e-5, weight_decay=1e-4)
    phase = Phase()
    tx = make_optimiser(config, make_schedule(config, 1, 1), phase)
    step = replicas.replicated(make_train_step(tracker.net, objective, tx, crops_at_hand, phase))
    state = replicas.replicate(new_state(variables, tx, jax.random.key(0), ema=False))
    rng = np.random.default_rng(0)

    def images(size):
        return rng.integers(0, 256, (BATCH, size, size, 3), np.uint8)

    def box(size):
        return np.tile(np.array([size / 2 - 40, size / 2 - 30, 80, 60], np.float32), (BATCH, 1))

    batch = replicas.shard_batch(
        PairBatch(exemplar=images(EXEMPLAR), search=images(SEARCH), exemplar_box=box(EXEMPLAR),
                  search_box=box(SEARCH), similar=np.ones(BATCH, bool), index=np.arange(BATCH, dtype=np.int32)),
        jax.local_device_count())

    def call():
        nonlocal state
        state, metrics = step(state, batch)
        return jax.device_get(metrics)

    return {"step": call}


def crops_at_hand(key: jax.Array, batch: PairBatch) -> TrainPair:
    """The pictures of a batch as they are, in place of augmentation."""
    keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(batch.index)
    exemplar, search = (jnp.asarray(image, jnp.float32) for image in (batch.exemplar, batch.search))
    return TrainPair(exemplar=exemplar, search=search, exemplar_box=batch.exemplar_box,
                     search_box=batch.search_box, similar=batch.similar, index=batch.index, key=keys)


if __name__ == "__main__":
    main(*sys.argv[1:])
