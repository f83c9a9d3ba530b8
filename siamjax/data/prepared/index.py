"""The index of prepared data: a record a track, and what there is altogether. Written when all shards are there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Any

import numpy as np

from siamjax.data.prepared import places
from siamjax.data.prepared.examples import Value
from siamjax.data.prepared.plan import FORMAT, Part, Plan, Shard, masked
from siamjax.data.prepared.writing import Written, write_records
from siamjax.data.readers.quarantine import Fault
from siamjax.outputs import write_text


def write_index(root: Path, name: str, plan: Plan, notes: Listing[tuple[Shard, dict[str, Any]]],
                faults: Listing[Fault] = ()) -> None:
    """Writes the records of the tracks, the files of tensorflow-datasets and, last, the manifest.

    Args:
      notes: every shard, and what is noted of it.
      faults: of the sequences that are left out.
    """
    form = plan.settings.form
    files: dict[str, dict[str, Any]] = {}
    indexes: dict[str, Written] = {}
    frames: dict[str, tuple[list[int], int]] = {}
    for split, part in plan.parts.items():
        ours = [(shard, note) for shard, note in notes if shard.split == split]
        frames[split] = [note["records"] for _, note in ours], sum(note["bytes"] for _, note in ours)
        for shard, note in ours:
            path = f"{name}/{form}/{places.VERSION}/{places.shard_name(name, split, shard.number, shard.count)}"
            files[path] = {key: note[key] for key in ("records", "size", "sha256")}
        gone = {one["item"] for _, note in ours for one in note["left_out"]}
        path = f"{name}/{places.TRACKS}/{places.VERSION}/{places.shard_name(name, split, 0, 1)}"
        index = indexes[split] = write_records(root / path, track_examples(plan, part, gone))
        files[path] = {"records": index.records, "size": index.size, "sha256": index.sha256}
    places.describe(root, name, form, places.FRAME_FEATURES, frames, places.about(plan.settings))
    places.describe(root, name, places.TRACKS, places.TRACK_FEATURES,
                    {split: ([one.records], one.bytes) for split, one in indexes.items()},
                    f"A track a record; `records` are those of its {form}, -1 where there is none.")
    (root / name / ".config").mkdir(exist_ok=True)
    write_text(root / name / ".config" / "metadata.json", json.dumps({"default_config_name": form}) + "\n")
    left_out = [{"where": one["where"], "what": one["what"]} for _, note in notes for one in note["left_out"]]
    manifest = {"format": FORMAT, "name": name, "settings": dataclasses.asdict(plan.settings), "plan": plan.digest,
                "records": sum(sum(lengths) for lengths, _ in frames.values()), "tracks": len(plan.tracks),
                "splits": {split: {"records": sum(lengths), "tracks": indexes[split].records}
                           for split, (lengths, _) in frames.items()},
                "quarantined": [fault._asdict() for fault in faults], "left_out": left_out, "files": files}
    write_text(root / places.MANIFEST, json.dumps(manifest, indent=1) + "\n")


def track_examples(plan: Plan, part: Part, gone: set[int]) -> Iterator[dict[str, Value]]:
    """The example of each track of a split; `gone` are the items that have no record."""
    records = {number: np.full(len(plan.tracks[number].boxes), -1, np.int64) for number in part.chosen}
    record = 0
    for item, shown in enumerate(part.items(0, part.size)):
        if item not in gone:
            for one in shown:
                records[one.track][one.frame] = record
            record += 1
    for number in part.chosen:
        track = plan.tracks[number]
        yield {"name": _text(track.name), "video": _text(track.group), "category": _text(track.category),
               "number": np.array([number]), "height": np.array([track.size[0]]), "width": np.array([track.size[1]]),
               "boxes": np.asarray(track.boxes, np.float32).ravel(), "records": records[number],
               "masked": masked(track).astype(np.int64)}


def _text(words: str) -> list[bytes]:
    return [words.encode("utf-8", "surrogateescape")]
