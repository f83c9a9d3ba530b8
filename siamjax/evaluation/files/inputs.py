"""What a run has read of each sequence, noted beside its results: pictures that change make another run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from siamjax.data import sequences as data
from siamjax.data.runs import RunLengths
from siamjax.errors import OutputError
from siamjax.evaluation.files import results
from siamjax.outputs import write_text

NOTES = "inputs.json"
SHOWN = 3  # names in a message


class Digest(NamedTuple):
    """Digests of the files that a run reads of a sequence, and of the box that it starts from.

    Attributes:
      listed: names, sizes and times of the files: found in a moment, but a copy differs.
      content: names and bytes of the files.
    """

    listed: str
    content: str


class Inputs:
    """Digests of sequences, each worked out once and not before it is needed.

    Args:
      masks: whether the first mask of a sequence is read too.
    """

    def __init__(self, *, masks: bool):
        self.masks = masks
        self._known: dict[tuple, str] = {}

    def listed(self, sequence: data.Sequence) -> str:
        return self._digest(sequence, _listed)

    def content(self, sequence: data.Sequence) -> str:
        return self._digest(sequence, _content)

    def check(self, folder: Path, sequences: Listing[data.Sequence]) -> None:
        """Checks that what the results in `folder` were made of is what is there now.

        A file whose time or place changed is read; results stay good if its bytes are the same.

        Raises:
          OutputError: pictures or first boxes of some sequences have changed; they are named.
        """
        notes = read_notes(folder)
        changed = []
        for sequence in sequences:
            if not results.has_run(folder, sequence.name):
                continue
            note = notes.get(sequence.name)
            if note is None or (note.listed != self.listed(sequence) and note.content != self.content(sequence)):
                changed.append(sequence.name)
        if changed:
            more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
            raise OutputError(f"results of an earlier run; since then the pictures or the first box of "
                              f"{', '.join(changed[:SHOWN])}{more} changed", str(folder),
                              "choose another output folder or remove this one")

    def note(self, folder: Path, sequences: Iterable[data.Sequence]) -> None:
        """Notes what results of `sequences` are made of, before they are written.

        Raises:
          OutputError: the note cannot be written.
        """
        notes = read_notes(folder) | {one.name: Digest(self.listed(one), self.content(one)) for one in sequences}
        write_text(folder / NOTES, json.dumps({name: note._asdict() for name, note in notes.items()}, indent=1) + "\n")

    def _digest(self, sequence: data.Sequence, of_file) -> str:
        """Of the files, which objects of one video share, and of what is the object's own."""
        first_mask = sequence.masks[0] if self.masks and sequence.masks is not None else None
        files = (*sequence.frames, *([first_mask] if isinstance(first_mask, Path) else []))
        key = (of_file, files)
        if key not in self._known:
            self._known[key] = _joined(of_file(file) for file in files)
        own = [np.asarray(sequence.boxes[0], np.float32).tobytes(), repr(sequence.label).encode()]
        if isinstance(first_mask, RunLengths):
            own += [np.array(first_mask.window).tobytes(), first_mask.counts.tobytes()]
        if self.masks and sequence.polygons is not None:
            own += [np.asarray(outline, np.float32).tobytes() for outline in sequence.polygons[0]]
        return _joined([self._known[key].encode(), *own])


def read_notes(folder: Path) -> dict[str, Digest]:
    """The notes of a tracker's folder by sequence; none where they are damaged."""
    try:
        notes = json.loads((folder / NOTES).read_text(encoding="utf-8"))
        return {name: Digest(note["listed"], note["content"]) for name, note in notes.items()}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}


def _listed(file: Path) -> bytes:
    try:
        about = file.stat()
    except OSError:
        return f"{file.name} missing".encode(errors="surrogateescape")
    return f"{file.name} {about.st_size} {about.st_mtime_ns}".encode(errors="surrogateescape")


def _content(file: Path) -> bytes:
    try:
        with open(file, "rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        digest = "missing"
    return f"{file.name} {digest}".encode(errors="surrogateescape")


def _joined(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
