"""What a training was started with: experiment.json, and the guard against going on with something else."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from siamjax.errors import ConfigError
from siamjax.outputs import write_text
from siamjax.settings import completed, describe, differences
from siamjax.training.experiment import FREE, Experiment
from siamjax.training.fingerprint import data_digest, group_digests, images_gone
from siamjax.training.output import set_aside

PROVENANCE = "experiment.json"
PACKAGES = ("siamjax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def provenance(folder: Path, experiment: Experiment, tracks: Sequence[Any], *, data: str,
               resumed_at: int | None, say: Callable[[str], None]) -> dict[str, Any]:
    """The configuration, and for every start of the training, this one too, versions, devices and git revision.

    Args:
      folder: output folder.
      experiment: what is trained.
      tracks: of the data set.
      data: name of the data set, for the record.
      resumed_at: step of the checkpoint that this start goes on from, None for a new training.
      say: is told what stops nothing: a record of an earlier start that cannot be read, a few images that are gone.
    Returns:
      What `write_provenance` writes, once the training can begin.
    Raises:
      ConfigError: the folder's checkpoints are of another experiment or of other data.
    """
    path, runs = folder / PROVENANCE, []
    now = {"experiment": describe(experiment), "data": data_digest(tracks)}
    groups = group_digests(tracks)
    if resumed_at is not None:
        try:
            before = _read(path)
        except _Unreadable as reason:
            kept = set_aside(path)
            say(f"warning: {path} {reason}{kept}; whether the checkpoint is of this experiment and these data is "
                "not checked")
        else:
            old, added = completed({k: before.get(k) for k in now}, {"experiment": experiment})
            changed = [line for line in differences(old, now)
                       if line.split(":")[0].removeprefix("experiment.") not in FREE]
            gone = images_gone(before.get("groups"), groups)
            if gone and all(line.startswith("data.") for line in changed):
                say(f"warning: {gone} of the images are gone since the checkpoint; the training goes on without them, "
                    "with other pairs than it would have had")
            elif changed:
                raise ConfigError("the checkpoint is of a different experiment; " + "; ".join(changed),
                                  where=str(path), do="use another --output, or the settings of the checkpoint")
            if added:
                say(f"{path} is of an earlier version, without "
                    f"{', '.join(name.removeprefix('experiment.') for name in added)}: taken to be as by default")
            runs = before["runs"]
    runs = [*runs, {"from_step": resumed_at or 0, "data": data, **surroundings()}]
    return {**now, "runs": runs, "groups": groups}


def write_provenance(folder: Path, record: dict[str, Any]) -> None:
    """Writes `experiment.json`; the first of several processes does it."""
    if jax.process_index() == 0:
        write_text(folder / PROVENANCE, json.dumps(record, indent=2) + "\n")


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


class _Unreadable(Exception):
    """Why the record of an earlier start is none."""


def _read(path: Path) -> dict[str, Any]:
    """The record, its `experiment` and `data` objects and its `runs` a list."""
    try:
        read = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise _Unreadable("is missing") from error
    except (OSError, ValueError, RecursionError) as error:
        raise _Unreadable("cannot be read") from error
    if not (isinstance(read, dict) and isinstance(read.get("experiment"), dict)
            and isinstance(read.get("data"), dict)):
        raise _Unreadable("is not the record of an experiment")
    return {**read, "runs": read["runs"] if isinstance(read.get("runs"), list) else []}
