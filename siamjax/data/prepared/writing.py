"""One shard: whole or not at all, and beside it what is in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from siamjax.data.prepared import places
from siamjax.data.prepared.examples import Value, encode
from siamjax.data.prepared.plan import Shard
from siamjax.errors import OutputError
from siamjax.outputs import whole_file, write_text

# A record can be read alone; JPEGs do not get smaller by compression.
OPTIONS = "group_size:1,uncompressed"


class Written(NamedTuple):
    """What a file of records holds.

    Attributes:
      records: number of them.
      bytes: of the records themselves.
      size: of the file.
      sha256: of the file.
    """

    records: int
    bytes: int
    size: int
    sha256: str


def write_records(path: Path, examples: Iterable[dict[str, Value]]) -> Written:
    """Writes examples as an array_record file that appears when it is whole.

    Raises:
      OutputError: it cannot be written.
    """
    from array_record.python import array_record_module  # a library of its own, that nothing else needs

    count = total = 0
    with whole_file(path, "wb") as file:
        try:
            writer = array_record_module.ArrayRecordWriter(file.name, OPTIONS)
            for example in examples:
                record = encode(example)
                writer.write(record)
                count, total = count + 1, total + len(record)
            writer.close()
        except RuntimeError as error:  # what the library knows
            raise OutputError(f"cannot be written: {error}", str(path),
                              "choose a place you can write to, on a disk with space left") from error
        size, digest = digest_of(Path(file.name))
    return Written(count, total, size, digest)


def digest_of(path: Path, seen: Callable[[int], object] = lambda _: None) -> tuple[int, str]:
    """Size and SHA-256 of a file; `seen` is told how many bytes more have been read."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
            seen(len(block))
    return size, digest.hexdigest()


def part_file(root: Path, shard: Shard) -> Path:
    """Where it is noted what a shard holds; the shard is done when this file is there."""
    return root / places.PARTS / f"{shard.split}-{shard.number:05d}-of-{shard.count:05d}.json"


def write_part(root: Path, shard: Shard, written: Written, left_out: list[dict[str, Any]]) -> None:
    note = {**written._asdict(), "items": shard.stop - shard.start, "left_out": left_out}
    write_text(part_file(root, shard), json.dumps(note) + "\n")


def read_part(root: Path, shard: Shard, path: Path) -> dict[str, Any] | None:
    """What is noted of a shard whose file is there in full size; None where it has to be made."""
    try:
        note = json.loads(part_file(root, shard).read_text(encoding="utf-8"))
        return note if path.stat().st_size == note["size"] and note["items"] == shard.stop - shard.start else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
