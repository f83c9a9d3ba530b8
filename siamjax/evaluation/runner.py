"""Trackers x sequences -> result files. A run that was stopped goes on where it was."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from siamjax.data import sequences as data
from siamjax.errors import ConfigError, DataError
from siamjax.evaluation.files import masks as mask_files
from siamjax.evaluation.files import results
from siamjax.evaluation.files.inputs import Inputs
from siamjax.evaluation.files.label_images import MaskRule, rule_of
from siamjax.evaluation.protocols.base import PROTOCOLS, Protocol, Track
from siamjax.outputs import safe_name
from siamjax.trackers.base import LoadedTracker
from siamjax.weights import spec

REPORTS = ("report.json", "report.html")


@dataclasses.dataclass(frozen=True)
class Contender:
    """A tracker that takes part in an evaluation.

    Attributes:
      name: of its folder and in the tables.
      track: follows targets through frames.
      record: what makes its results what they are (weights, settings, code); written beside them.
      rule: of its masks; None for a tracker without any.
    """

    name: str
    track: Track
    record: dict[str, object]
    rule: MaskRule | None = None


def contenders(
    loaded: Sequence[LoadedTracker],
    track_frames: Callable[..., list],
) -> list[Contender]:
    """Makes contenders of loaded trackers; a second one of the same name gets `-2`, a third `-3`.

    Args:
      loaded: as `weights.zoo.load` gives them.
      track_frames: `(tracker, params, frames, boxes) -> results`, that is `trackers.loop.track_frames`.
    Raises:
      OutputError: a name that no folder can have.
    """
    for entry in loaded:
        safe_name(entry.name, "--model")
    names = [*REPORTS]  # which lie beside the folders
    for entry in loaded:
        count = 1
        while (name := entry.name if count == 1 else f"{entry.name}-{count}") in names:
            count += 1
        names.append(name)

    def bound(entry: LoadedTracker) -> Track:
        return lambda frames, boxes: track_frames(entry.tracker, entry.params, frames, boxes)

    return [Contender(name, bound(entry), describe(entry), rule_of(entry.tracker))
            for name, entry in zip(names[len(REPORTS):], loaded)]


def describe(loaded: LoadedTracker) -> dict[str, object]:
    """What makes a tracker's results what they are, as JSON."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(loaded.params):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return {
        "model": loaded.name,
        "weights_sha256": digest.hexdigest(),
        "tracker": spec.encode(loaded.tracker),
        "code_sha256": _code_digest(),
        "versions": versions(),
        "device": f"{jax.devices()[0].device_kind} ({jax.default_backend()}, {platform.machine()})",
    }


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    packages = ("siamjax", "jax", "jaxlib", "flax", "numpy", "pillow")
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


def check_sequences(sequences: Sequence[data.Sequence]) -> None:
    """Checks, before anything is tracked, that every sequence can be started and stored.

    Raises:
      DataError: no sequences; a first frame without a box; names whose files or folders would collide.
      OutputError: a name that no file can have.
    """
    if not sequences:
        raise DataError("no sequences", "data", "give a folder of sequences")
    owners: dict[str, str] = {}
    groups: dict[str, str] = {}
    for sequence in sequences:
        if groups.setdefault(folder := results.stem(sequence.group), sequence.group) != sequence.group:
            raise DataError(f"two videos have the result folder {folder}", f"{groups[folder]} and {sequence.group}",
                            "rename one")
        if not np.isfinite(sequence.boxes[0]).all():
            raise DataError(
                "the target is absent from frame 1", sequence.name, "cut the sequence to start where it shows"
            )
        for ending in ("", "_scores", "_time", "_polygon"):
            file = f"{results.stem(sequence.name)}{ending}.txt"
            if file in owners:
                where = f"{owners[file]} and {sequence.name}"
                raise DataError(f"two sequences have the result file {file}", where, "rename one")
            owners[file] = sequence.name


def run(
    contender: Contender,
    sequences: Sequence[data.Sequence],
    output: Path,
    *,
    data_folder: Path,
    protocol: str = "ope",
    inputs: Inputs | None = None,
    progress: Callable[[str], None] = print,
) -> None:
    """Tracks every sequence that has no result yet and writes `output/NAME/raw/`, and masks if the protocol has any.

    Args:
      contender: the tracker.
      sequences: checked by `check_sequences`.
      output: folder of the whole evaluation.
      data_folder: of the sequences.
      protocol: a key of `PROTOCOLS`.
      inputs: digests of the sequences that were worked out already, e.g. for another contender.
      progress: is given a line a sequence where the output is no terminal (there a bar is drawn).
    Raises:
      ConfigError: an unknown protocol.
      OutputError: the folder holds results of another run, or of pictures that have changed since.
    """
    rules = find_protocol(protocol)
    folder, inputs = output / contender.name, inputs or Inputs(masks=rules.masks)
    claim(contender, sequences, output, data_folder=data_folder, protocol=protocol, inputs=inputs)
    units = rules.split(sequences)
    if rules.masks:
        for unit in units:
            mask_files.check_names(unit)
    todo = [unit for unit in units if not all(results.has_run(folder, sequence.name) for sequence in unit)]
    if done := len(units) - len(todo):
        progress(f"{contender.name}: {done} of {len(units)} sequences are there already")
    on_terminal = sys.stderr.isatty()
    total = sum(len(unit[0].frames) for unit in todo)
    with tqdm(total=total, unit="frame", desc=contender.name, disable=not on_terminal) as bar:
        for number, unit in enumerate(todo, 1):
            name = unit[0].name if len(unit) == 1 else unit[0].group
            bar.set_postfix_str(name)
            inputs.note(folder, unit)
            answers = rules.follow(contender.track, unit, bar.update)
            for sequence, answer in zip(unit, answers):
                if len(answer.boxes) != len(sequence.frames):
                    raise DataError(
                        f"{len(answer.boxes)} results for {len(sequence.frames)} frames",
                        f"{contender.name} on {sequence.name}",
                        "let the tracker answer every frame",
                    )
            if rules.masks:  # before the boxes, which say that a sequence is complete
                mask_files.write(folder, unit, answers, contender.rule)
            for sequence, answer in zip(unit, answers):
                results.write_run(folder, sequence.name, answer)
            if not on_terminal:
                rate = frames_per_second(answers[0].seconds)
                place = f"{contender.name}: {number}/{len(todo)} {name}"
                progress(f"{place}, {len(unit[0].frames)} frames at {rate:.1f} frames/s")


def claim(contender: Contender, sequences: Sequence[data.Sequence], output: Path, *, data_folder: Path,
          protocol: str, inputs: Inputs) -> None:
    """Takes the folder of a contender for this run, or goes on with it; arguments as for `run`.

    Raises:
      OutputError: the folder holds results of another run, or of pictures that have changed since.
    """
    folder = output / contender.name
    results.claim(folder, record_of(contender, data_folder, protocol))
    inputs.check(folder, sequences)


def record_of(contender: Contender, data_folder: Path, protocol: str) -> dict[str, object]:
    """What is written beside the results; a run with another record is another run."""
    return contender.record | {"protocol": protocol, "data": str(data_folder.resolve())}


def find_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
      ConfigError: there is none; lists what there is.
    """
    if name not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise ConfigError(f"unknown protocol '{name}'", "--protocol", f"choose one of: {known}")
    return PROTOCOLS[name]


def frames_per_second(seconds: np.ndarray) -> float:
    """Frames after the first over the time they took; NaN without any."""
    spent = float(np.sum(seconds[1:]))
    return (len(seconds) - 1) / spent if spent > 0 else float("nan")


def _code_digest() -> str:
    """Digest of the code that results depend on: with other code an earlier run is another run."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for layer in ("ops", "nets", "trackers", "weights", "data"):
        for file in sorted((root / layer).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()
