"""Checkpoints of a training: each whole or not there, each with a digest of what it holds."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from siamjax.errors import OutputError, SiamjaxError, SourceError, WeightsError
from siamjax.training.state import TrainState

FOLDER = "checkpoints"
STATE, DIGEST = "state", "digest"  # items of a checkpoint
TRIES = 20


class Checkpoints:
    """The checkpoints of one output folder; each is whole or not there.

    Args:
      folder: output folder of the training; checkpoints lie in its `checkpoints/`.
      keep: how many are kept, the latest.
    Raises:
      OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, *, keep: int):
        self.folder = folder / FOLDER
        self._written: int | None = None  # the step that is being written
        self._failed = False
        self._unsilence = _silence_orbax()
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True, cleanup_tmp_directories=True)
        try:
            self._manager = ocp.CheckpointManager(self.folder.absolute(), options=options)
        except Exception as error:
            raise OutputError(f"the checkpoints cannot be listed: {_reason(error)}", str(self.folder),
                              "check its rights and the space left, or use another --output") from error

    def latest_step(self) -> int | None:
        return self._manager.latest_step()

    def save(self, state: TrainState) -> None:
        """Saves an unreplicated state; the writing goes on while the training does.

        Raises:
          OutputError: this checkpoint or the one before cannot be written; those before it are as they were.
        """
        self.wait()
        plain = _plain(state)
        with self._writing(int(state.step)):
            self._manager.save(int(state.step), args=ocp.args.Composite(**{
                STATE: ocp.args.StandardSave(plain), DIGEST: ocp.args.JsonSave({"sha256": digest(plain)})}))

    def check(self) -> None:
        """Raises OutputError if it is known by now that what was saved cannot be written; does not wait."""
        with self._writing(self._written):
            self._manager.check_for_errors()

    def wait(self) -> None:
        """Waits until what was saved is written; raises OutputError if it cannot be."""
        with self._writing(self._written):
            self._manager.wait_until_finished()

    def restore(self, like: TrainState) -> tuple[TrainState, bool]:
        """The latest state, in the form of `like`, and whether it has a digest to be held against.

        Raises:
          WeightsError: the checkpoint is damaged, or not a state of this form.
        """
        step = self.latest_step()
        assert step is not None
        try:
            path = self.folder / str(step)
            items = {STATE: ocp.args.StandardRestore(_plain(like))}
            with _damage_told():
                restored = self._manager.restore(step, args=ocp.args.Composite(**items))[STATE]
            known = _check_digest(path, restored)
        except _Damaged as damage:
            self._failed = True
            raise damaged_error(self.folder, {step: str(damage)}) from damage
        return like.replace(**{**restored, "key": jax.random.wrap_key_data(restored["key"])}), known

    def close(self) -> None:
        """Waits until what was saved is written; raises OutputError if it cannot be."""
        try:
            if not self._failed:
                self.wait()
        finally:
            with contextlib.suppress(Exception):  # what failed has been said by then
                self._manager.close()
            if self._failed:
                self._remove_partial()  # only now, and the silence stays: other files of it are still being written
            else:
                self._unsilence()
            with contextlib.suppress(OSError):  # there are checkpoints in it
                self.folder.rmdir()

    def _remove_partial(self) -> None:
        """Removes what is there of a checkpoint that failed, until no thread writes to it any more."""
        for _ in range(TRIES):
            for partial in self.folder.glob("*.orbax-checkpoint-tmp*"):
                shutil.rmtree(partial, ignore_errors=True)
            time.sleep(0.1)
            if not any(self.folder.glob("*.orbax-checkpoint-tmp*")):
                return

    @contextlib.contextmanager
    def _writing(self, step: int | None) -> Iterator[None]:
        """Turns what fails in the writing of `step` into an error."""
        self._written = step
        try:
            yield
        except Exception as error:  # a full disk is a ValueError of tensorstore, or an OSError, or other
            self._failed = True
            raise OutputError(f"checkpoint {step} cannot be written: {_reason(error)}", str(self.folder),
                              f"make space; the same command then goes on from {last_saved(self.folder)}") from error


class Checked(NamedTuple):
    """What was found of one checkpoint: `problem` is empty where it is sound, `known` False without a digest."""

    step: int
    problem: str
    known: bool


def check_all(folder: Path) -> Iterator[Checked]:
    """Reads every checkpoint of an output folder, the earliest first, and holds it against its digest.

    Raises:
      SourceError: there are none.
    """
    root = folder / FOLDER
    steps = saved_steps(root)
    if not steps:
        raise SourceError("there are no checkpoints", str(folder), "give the --output of a training")
    unsilence, sound = _silence_orbax(), True
    for step in steps:
        try:
            with _damage_told(), ocp.StandardCheckpointer() as reader:
                restored = reader.restore((root / str(step) / STATE).absolute())
            yield Checked(step, "", _check_digest(root / str(step), restored))
        except _Damaged as damage:
            if (root / str(step)).is_dir():  # else a training that goes on has meanwhile removed it
                sound = False
                yield Checked(step, str(damage), True)
    if sound:
        unsilence()


def last_saved(root: Path) -> str:
    """Where a training goes on from, in words."""
    steps = saved_steps(root)
    return f"step {steps[-1]}" if steps else "the start"


def damaged_error(root: Path, problems: Mapping[int, str]) -> SiamjaxError:
    """The error of damaged checkpoints in `checkpoints/`, by their steps, with what to do about it."""
    sound = [step for step in saved_steps(root) if step not in problems]
    names = " and ".join(str(root / str(step)) for step in problems)
    return WeightsError("; ".join(f"checkpoint {step} is damaged: {why}" for step, why in problems.items()), str(root),
                        f"delete {names} to go on from " + (f"checkpoint {sound[-1]}" if sound else "the start")
                        + ", or use another --output")


def saved_steps(root: Path) -> list[int]:
    """Steps of the checkpoints that lie whole in `checkpoints/`, rising."""
    try:
        return sorted(int(path.name) for path in root.iterdir() if path.name.isdecimal() and path.is_dir())
    except OSError:
        return []


def digest(tree: Any) -> str:
    """SHA-256 of a tree of arrays: paths, dtypes, shapes and values, in the order of the paths.

    Named tuples and the dicts that Orbax makes of them have the same paths, so that a checkpoint can be checked
    without its experiment.
    """
    leaves = {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
              for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
    found = hashlib.sha256()
    for path in sorted(leaves):
        leaf = leaves[path]
        found.update(f"{path} {leaf.dtype.name} {leaf.shape}\n".encode())
        found.update(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


class _Damaged(Exception):
    """Why a checkpoint cannot be used."""


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of a damaged file Orbax and tensorstore raise whatever they meet
        raise _Damaged(_reason(error)) from error


def _check_digest(path: Path, restored: Any) -> bool:
    """Whether there is a digest to hold `restored` against; raises _Damaged where it is another."""
    if not (path / DIGEST).is_dir():  # of a version that kept none
        return False
    with _damage_told(), ocp.Checkpointer(ocp.JsonCheckpointHandler()) as reader:
        wanted = reader.restore((path / DIGEST).absolute())["sha256"]
    if digest(restored) != wanted:
        raise _Damaged("its values are not those that were saved")
    return True


def _plain(state: TrainState) -> dict[str, Any]:
    """The state as numpy arrays, which every process of several may hand to Orbax; the first one writes."""
    fields = {**vars(state), "key": jax.random.key_data(state.key)}
    return jax.tree.map(np.asarray, jax.device_get(fields))


def _reason(error: BaseException) -> str:
    """One short line of what an error says."""
    said = str(error)
    for words in ("No space left on device", "Disk quota exceeded", "File too large", "Read-only file system",
                  "Permission denied"):
        if words in said:  # tensorstore puts them behind paths and codes
            return words
    lines = said.strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__


def _silence_orbax() -> Callable[[], None]:
    """Keeps Orbax's tracebacks of what it raises as well from the terminal, until the function given is called.

    A write that fails leaves others behind: their threads find their event loop closed and say so one by one, and
    at last the tasks that nobody asked for their errors.
    """
    def others(record: logging.LogRecord) -> bool:
        return "orbax" not in record.pathname and "orbax" not in record.getMessage()

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            before(unraisable)

    def undo() -> None:
        for logger in loggers:
            logger.removeFilter(others)
        sys.unraisablehook = before

    before, loggers = sys.unraisablehook, [logging.getLogger(name) for name in ("absl", "asyncio")]
    for logger in loggers:
        logger.addFilter(others)
    sys.unraisablehook = hook
    return undo
