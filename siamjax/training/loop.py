"""The loop around the step: next batch, step, now and then a line and a checkpoint."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from siamjax.data.damage import Damaged
from siamjax.errors import TrainingError
from siamjax.outputs import folder_for
from siamjax.training import interrupt, optim, output, peers, replicas
from siamjax.training.checkpoints import Checkpoints
from siamjax.training.experiment import Experiment
from siamjax.training.feed import feature_feed, pair_feed
from siamjax.training.lock import only_training
from siamjax.training.provenance import provenance, write_provenance
from siamjax.training.report import Report, tell
from siamjax.training.start import first_state
from siamjax.training.state import TrainState, variables_of
from siamjax.training.step import make_train_step


def train(experiment: Experiment, tracks: Sequence[Any], folder: Path, *, data: str,
          stop_at: int | None = None) -> Path:
    """Trains, or goes on from the last checkpoint in `folder`.

    Args:
      experiment: all settings.
      tracks: of the data set, see `data.pipeline`.
      folder: output folder; gets `checkpoints/`, `experiment.json`, `metrics.jsonl`, `weights.safetensors`.
      data: name of the data set, for the record.
      stop_at: step to stop at and write weights, before the experiment's own end; the schedule stays.
    Returns:
      The weight file.
    Raises:
      KeyboardInterrupt: stopped by Ctrl-C or SIGTERM, after a checkpoint was saved.
      TrainingError: too many bad steps in a row.
      OutputError: another training is at work in the folder; or its disk is full, where the last checkpoint stays.
      SiamjaxError: settings, folder, data or checkpoint that cannot be used, before the first step.

    On several hosts an error, of one's own or of another host, ends the process with one line and exit status 2.
    """
    devices = jax.local_device_count()
    replicas.check_batch_size(experiment.batch_size, processes=jax.process_count(), local_devices=devices)
    alone = only_training(folder) if jax.process_index() == 0 else contextlib.nullcontext()
    with folder_for(folder), peers.watched(folder), alone:
        return _train(experiment, tracks, folder, data, min(stop_at or experiment.steps, experiment.steps))


def _train(experiment: Experiment, tracks: Sequence[Any], folder: Path, data: str, last_step: int) -> Path:
    """`train` up to `last_step`, in a folder of one's own."""
    schedule = optim.make_schedule(experiment.optim, experiment.epochs, experiment.steps_per_epoch)
    phases = experiment.optim.phases(experiment.steps_per_epoch)
    optimisers = [optim.make_optimiser(experiment.optim, schedule, phase) for phase in phases]
    if experiment.cached is not None:
        tracks = list(filter(experiment.cached.features.usable, tracks))
    damaged = Damaged()
    feed = pair_feed(experiment, tracks, data=data, damaged=damaged)

    with contextlib.closing(Checkpoints(folder, keep=experiment.keep)) as checkpoints:
        resumed_at = checkpoints.latest_step()
        record = provenance(folder, experiment, tracks, data=data, resumed_at=resumed_at, say=tell)
        first_step = resumed_at or 0
        with contextlib.ExitStack() as streams:
            stream = streams.enter_context(contextlib.closing(feed.draw(first_step)))
            first_batch = next(stream)
            state = first_state(experiment, optimisers[0], feed.augment, first_batch)
            optim.check_paths(experiment.optim, state.params)
            output.check_space(folder, state, experiment.keep)
            write_provenance(folder, record)
            if experiment.cached is not None and first_step < last_step:
                streams.close()
                feed = feature_feed(experiment, tracks, folder, variables_of(state), feed, first_batch,
                                    damaged=damaged, say=tell)
                stream = streams.enter_context(contextlib.closing(feed.draw(first_step)))
                first_batch = next(stream)
            if resumed_at is not None:
                state, known = checkpoints.restore(state)
                if not known:
                    tell(f"warning: checkpoint {resumed_at} has no digest, as those of older versions: whether it is "
                         "as it was saved is not checked")
            steps = [(phase.first_step, replicas.replicated(make_train_step(
                feed.net, feed.objective, tx, feed.augment, phase, train_norm=experiment.norm_mode == "train",
                ema=experiment.ema))) for phase, tx in zip(phases, optimisers, strict=True)]
            report = Report(folder / "metrics.jsonl", first_step=first_step, last_step=last_step,
                            batch_size=experiment.batch_size, quiet=jax.process_index() > 0)
            with contextlib.closing(report):
                if resumed_at is not None:
                    report.say(f"resuming from step {resumed_at}")
                state = _run(experiment, steps, state, itertools.chain([first_batch], stream),
                             range(first_step, last_step), checkpoints, report, damaged, schedule)
    if jax.process_index() == 0:
        output.write_weights(folder, experiment, state, data)
    return folder / "weights.safetensors"


class _Fed:
    """A stream of batches that counts how long a step was not under way for want of one.

    Attributes:
      under_way: anything that the last step gives.
      waited: seconds.
    """

    def __init__(self, stream: Iterator[Any]):
        self._stream = stream
        self.under_way: jax.Array | None = None
        self.waited = 0.0

    def __iter__(self) -> _Fed:
        return self

    def __next__(self) -> Any:
        began, is_idle = time.monotonic(), self.under_way is None or self.under_way.is_ready()
        batch = next(self._stream)
        if is_idle:  # where the step ends meanwhile, the rest is not counted: when it did is not known
            self.waited += time.monotonic() - began
        return batch


def _run(experiment, steps, state, stream, numbers, checkpoints, report, damaged, schedule) -> TrainState:
    """Takes the steps `numbers`, each with the last of `steps`, `(first number, step)`, that has begun by then."""
    devices = jax.local_device_count()
    pending: list = []  # (step, its metrics on the device, indices of its pairs)
    state = replicas.replicate(state)
    with interrupt.stop_requests() as asked_to_stop:
        first_batch = next(stream)
        steps = _compiled(steps, state, replicas.shard_batch(first_batch, devices), numbers, report)
        fed = _Fed(itertools.chain([first_batch], stream))
        report.begin()
        for number, batch in zip(numbers, fed):
            step = next(step for first, step in reversed(steps) if first <= number)
            state, metrics = step(state, replicas.shard_batch(batch, devices))
            pending.append((number, metrics, batch.index))
            fed.under_way = metrics["good"]
            done = number + 1
            stopping = asked_to_stop(done)
            last = stopping or done == numbers.stop
            if last or done % experiment.log_every == 0:
                _log(experiment, pending, replicas.unreplicate(state), report, damaged, schedule, fed.waited)
                fed.waited = 0.0
                checkpoints.check()
            if last or done % experiment.checkpoint_every == 0:
                checkpoints.save(replicas.unreplicate(state))
            if stopping and done < numbers.stop:
                checkpoints.wait()
                report.say(f"stopped after step {done}; the same command goes on from there")
                raise KeyboardInterrupt
    return replicas.unreplicate(state)


def _compiled(steps, state, batch, numbers: range, report: Report) -> list[tuple[int, Callable]]:
    """The steps that `numbers` need, all compiled now: what does not fit fails at once, and not hours later."""
    ends = [first for first, _ in steps[1:]] + [numbers.stop]
    needed = [(first, step) for (first, step), end in zip(steps, ends, strict=True)
              if first < numbers.stop and end > numbers.start]
    if len(needed) > 1:
        report.say(f"compiling {len(needed)} steps: the first, and those from step "
                   + ", ".join(str(first) for first, _ in needed[1:]) + " on")
    programs = []
    for first, step in needed:
        try:
            programs.append((first, replicas.compiled(step, state, batch)))
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            raise TrainingError(f"the step does not fit into the memory of {jax.devices()[0].device_kind}",
                                f"from step {first} on", "set precision=bfloat16, or a smaller batch_size, or use more "
                                "devices") from error
    return programs


def _log(experiment, pending, state: TrainState, report: Report, damaged: Damaged, schedule,
         waited: float) -> None:
    """Reads the metrics of the steps since the last call: the host waits for the device here only."""
    numbers, metrics, indices = zip(*pending, strict=True)
    pending.clear()
    rows = [jax.tree.map(float, m) for m in jax.device_get([replicas.unreplicate(m) for m in metrics])]
    bad_in_a_row, redrawn = int(state.skipped_in_a_row), 0
    for number, row, index in zip(numbers, rows, indices, strict=True):
        met = [damage for damage in map(damaged.met, np.asarray(index).tolist()) if damage]
        redrawn += len(met)
        report.damages(number + 1, [one for damage in met for one in damage])
        if not row["good"]:
            report.line({"step": number + 1, "skipped": True, "indices": np.asarray(index).tolist()})
            report.say(f"step {number + 1} had NaN or Inf and was skipped; its pairs are in metrics.jsonl")
    if bad_in_a_row >= experiment.max_bad_steps:
        raise TrainingError(f"{bad_in_a_row} steps in a row had NaN or Inf", where=f"step {numbers[-1] + 1}",
                            do="lower optim.peak_lr or optim.clip_norm, or see the pairs in metrics.jsonl")
    good = [row for row in rows if row["good"]]
    if good:
        means = {name: float(np.mean([row[name] for row in good])) for name in good[0] if name != "good"}
        rate = float(schedule(jnp.asarray(numbers[-1] - int(state.skipped))))
        report.metrics(numbers[-1] + 1, {**means, "lr": rate, "skipped": int(state.skipped), "redrawn": redrawn},
                       waited=waited)
