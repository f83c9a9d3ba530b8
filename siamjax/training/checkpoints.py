"""Checkpoints of a training and where they come from."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from siamjax.errors import ConfigError, OutputError, WeightsError
from siamjax.outputs import write_text
from siamjax.settings import describe, differences
from siamjax.training.experiment import FREE, Experiment
from siamjax.training.state import TrainState

PROVENANCE = "experiment.json"
PACKAGES = ("siamjax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


class Checkpoints:
    """The checkpoints of one output folder; each is whole or not there.

    Args:
      folder: output folder of the training; checkpoints lie in its `checkpoints/`.
      keep: how many are kept, the latest.
    """

    def __init__(self, folder: Path, *, keep: int):
        self.folder = folder
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True, cleanup_tmp_directories=True)
        self._manager = ocp.CheckpointManager((folder / "checkpoints").absolute(), options=options)

    def latest_step(self) -> int | None:
        return self._manager.latest_step()

    def save(self, state: TrainState) -> None:
        """Saves an unreplicated state; the writing goes on while the training does."""
        try:
            self._manager.save(int(state.step), args=ocp.args.Composite(
                state=ocp.args.StandardSave(_plain(state))))
        except OSError as error:
            raise OutputError(f"checkpoint {int(state.step)} cannot be written: {error}", str(self.folder),
                              "make space; the training then resumes from the last checkpoint") from error

    def restore(self, like: TrainState) -> TrainState:
        """The latest state, in the form of `like`.

        Raises:
          WeightsError: the checkpoint cannot be read as a state of this form.
        """
        step = self.latest_step()
        try:
            restored = self._manager.restore(
                step, args=ocp.args.Composite(state=ocp.args.StandardRestore(_plain(like))))["state"]
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise WeightsError(f"checkpoint {step} cannot be read: {str(error).splitlines()[0]}",
                               str(self.folder / "checkpoints"),
                               "delete that checkpoint to resume from the one before, or use another --output"
                               ) from error
        return like.replace(**{**restored, "key": jax.random.wrap_key_data(restored["key"])})

    def close(self) -> None:
        """Waits until what was saved is written."""
        try:
            self._manager.wait_until_finished()
            self._manager.close()
        except OSError as error:
            raise OutputError(f"the last checkpoint was not written: {error}", str(self.folder),
                              "make space; the training then resumes from the checkpoint before") from error


def _plain(state: TrainState) -> dict[str, Any]:
    """The state as numpy arrays, which every process of several may hand to Orbax; the first one writes."""
    fields = {**vars(state), "key": jax.random.key_data(state.key)}
    return jax.tree.map(np.asarray, jax.device_get(fields))


def data_digest(tracks: Sequence[Any]) -> dict[str, Any]:
    """What tells one data set from another, wherever it lies: names and boxes of its tracks."""
    digest = hashlib.sha256()
    for track in tracks:
        digest.update(track.name.encode() + b"\0" + np.ascontiguousarray(track.boxes).tobytes())
    return {"tracks": len(tracks), "sha256": digest.hexdigest()}


def write_provenance(folder: Path, experiment: Experiment, tracks: Sequence[Any], *, data: str,
                     resumed_at: int | None) -> None:
    """Writes the configuration, and for this start of the training versions, devices and git revision.

    Args:
      folder: output folder.
      experiment: what is trained.
      tracks: of the data set.
      data: name of the data set, for the record.
      resumed_at: step of the checkpoint that this start goes on from, None for a new training.
    Raises:
      ConfigError: the folder's checkpoints are of another experiment or of other data.
    """
    path, runs = folder / PROVENANCE, []
    now = {"experiment": describe(experiment), "data": data_digest(tracks)}
    if resumed_at is not None:
        before = _read(path)
        changed = [line for line in differences({k: before.get(k) for k in now}, now)
                   if line.split(":")[0].removeprefix("experiment.") not in FREE]
        if changed:
            raise ConfigError("the checkpoint is of a different experiment; " + "; ".join(changed),
                              where=str(path), do="use another --output, or the settings of the checkpoint")
        runs = before.get("runs", [])
    runs = [*runs, {"from_step": resumed_at or 0, "data": data, **surroundings()}]
    if jax.process_index() == 0:
        write_text(path, json.dumps({**now, "runs": runs}, indent=2) + "\n")


def surroundings() -> dict[str, Any]:
    """What a run depends on beside its configuration."""
    return {"versions": {"python": platform.python_version(), **{p: metadata.version(p) for p in PACKAGES}},
            "git_revision": git_revision(), "devices": jax.device_count(), "processes": jax.process_count(),
            "device": jax.devices()[0].device_kind, "platform": platform.platform()}


def git_revision() -> str | None:
    """Revision of the checkout the package runs from, with a + if files were changed; None outside one."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        run = [subprocess.run(["git", "-C", str(root), *args], capture_output=True, text=True, check=True,
                              timeout=10)
               for args in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])]
    except (OSError, subprocess.SubprocessError):
        return None
    return run[0].stdout.strip() + ("+" if run[1].stdout.strip() else "")


def _read(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"the record of the experiment cannot be read: {error}", where=str(path),
                          do="use another --output") from error
    if not isinstance(read, dict):
        raise ConfigError("the record of the experiment is not one", where=str(path),
                          do="use another --output")
    return read
