"""`prepare`: any data set that is read -> array_record shards that training reads as fast as a disk gives them."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from siamjax import stopping
from siamjax.data.prepared import places
from siamjax.data.prepared.examples import Value
from siamjax.data.prepared.index import write_index
from siamjax.data.prepared.plan import Plan, Shard, make_plan
from siamjax.data.prepared.records import Recorder
from siamjax.data.prepared.settings import Preparation
from siamjax.data.prepared.writing import read_part, write_part, write_records
from siamjax.data.readers import Choice, Reader, catalogue, open_objects
from siamjax.data.readers.prepared import is_prepared
from siamjax.data.sequences import Track
from siamjax.errors import ConfigError, DataError, OutputError, SourceError
from siamjax.outputs import check_folder, folder_for, write_text

WHOLE = Preparation()
POLL = 0.2  # seconds between looks at whether to stop


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What a call has done.

    Attributes:
      folder: of the prepared data.
      name: of the data set in it.
      records: that are there now; those of this share, until all shares are.
      written: records that this call has written.
      left_out: frames that could not be read, as `{"where", "what"}`.
      whole: whether all shards are there, and the data can be used.
    """

    folder: Path
    name: str
    records: int
    written: int
    left_out: Listing[dict[str, Any]]
    whole: bool


def prepare(data: str | Path, output: str | Path, settings: Preparation = WHOLE, *, name: str | None = None,
            share: tuple[int, int] = (1, 1), threads: int | None = None, reader: Reader | Choice | None = None
            ) -> Prepared:
    """Writes a data set as array_record shards, in the form of tensorflow-datasets.

    Called again with the same output it goes on with the shards that are missing; its bytes depend on the data and the
    settings alone. Frames that cannot be read are left out, and named.

    Args:
      data: folder, as `open_data` takes it, or OBJECT/*.jpg; what its validation.txt names becomes a split of its own.
      output: folder of the prepared data.
      settings: what is written.
      name: of the data set; by default that of its publisher's layout, or of the folder, in small letters.
      share: `(i, n)`: write the i-th of n shares of the shards, from 1; the last to end makes the whole.
      threads: that decode and write; by default as many as there are cores.
      reader: lists the tracks of `data`, or which layout and split is meant; by default its content tells.
    Raises:
      SiamjaxError: data or settings that cannot be used, or an output folder that holds something else.
      KeyboardInterrupt: stopped; the shards that were whole are kept.
    """
    _check(share, threads)
    root = Path(output)
    if is_prepared(data):
        raise DataError("the data is prepared already", str(data), "give the folder that it was prepared from")
    train, validation = open_objects(data, reader)
    title = places.name_of(Path(data), name, layout_of(train))
    faults = [fault for tracks in (train, validation) for fault in getattr(tracks, "faults", ())]
    plan = make_plan(train, validation, settings, str(data))
    shards = plan.shards()
    with folder_for(root):
        _claim(root, title, plan)
        for folder in (*(places.config_folder(root, title, config) for config in (settings.form, places.TRACKS)),
                       root / title / ".config"):
            check_folder(folder)
        mine = [shard for place, shard in enumerate(shards) if place % share[1] == share[0] - 1]
        written = _write_all(root, title, plan, mine, threads or os.cpu_count() or 1)
        notes = [read_part(root, shard, file_of(root, title, settings, shard)) for shard in shards]
        found = [note for note in notes if note is not None]
        records, left_out = sum(note["records"] for note in found), [one for note in found for one in note["left_out"]]
        if len(found) == len(shards):
            if not records:
                raise DataError(f"none of {len(left_out)} frames can be read: {left_out[0]['what']}",
                                left_out[0]["where"], "mend the files")
            write_index(root, title, plan, list(zip(shards, found)), faults)
    return Prepared(root, title, records, written, left_out, len(found) == len(shards))


def layout_of(tracks: Listing[Track]) -> str | None:
    """The publisher's layout that tracks were read from; None for those that users make."""
    layout = catalogue.LAYOUTS.get(getattr(tracks, "layout", ""))
    return None if layout is None or layout.by_users else layout.name


def file_of(root: Path, name: str, settings: Preparation, shard: Shard) -> Path:
    """The file of a shard."""
    return places.config_folder(root, name, settings.form) / places.shard_name(name, shard.split, shard.number,
                                                                               shard.count)


def _check(share: tuple[int, int], threads: int | None) -> None:
    if not 1 <= share[0] <= share[1]:
        raise ConfigError(f"share {share[0]} of {share[1]}", "--shard", "write i/n with i from 1 to n, e.g. 3/16")
    if threads is not None and not 1 <= threads <= 256:
        raise ConfigError(f"{threads} threads", "--threads", "use 1 to 256")


def _claim(root: Path, name: str, plan: Plan) -> None:
    """Takes the folder for this preparation, or goes on with it.

    Raises:
      OutputError: it holds something else.
    """
    path = root / places.PARTS / "plan.json"
    ours = {"name": name, "plan": plan.digest, "settings": dataclasses.asdict(plan.settings)}
    try:
        theirs = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        theirs = None
    if not isinstance(theirs, dict):
        strange = sorted(entry.name for entry in root.iterdir() if not entry.name.startswith(".")
                         and entry.name not in (places.PARTS, name))
        if strange:
            raise OutputError(f"holds other files, such as {strange[0]}", str(root), "choose another output folder")
        check_folder(path.parent)
        write_text(path, json.dumps(ours, indent=2) + "\n")
        return
    check_folder(path.parent)
    if theirs != ours:
        before, now = ({"name": one.get("name")} | (one.get("settings") or {}) for one in (theirs, ours))
        changed = [f"{key} {before.get(key)}" for key in now if before.get(key) != now[key]]
        how = f"with {', '.join(changed)}" if changed else "from other tracks or boxes"
        raise OutputError(f"holds data that was prepared {how}", str(root),
                          "choose another output folder, or remove this one")


def _write_all(root: Path, name: str, plan: Plan, shards: Listing[Shard], threads: int) -> int:
    """Writes the shards that are missing; gives the number of records written."""
    todo = [shard for shard in shards if read_part(root, shard, file_of(root, name, plan.settings, shard)) is None]
    done = sum(shard.stop - shard.start for shard in shards) - (rest := sum(one.stop - one.start for one in todo))
    stop, count = threading.Event(), 0
    lock = threading.Lock()
    with tqdm(total=rest + done, initial=done, unit="record", desc=f"preparing {name}", disable=None,
              file=sys.stderr) as bar, concurrent.futures.ThreadPoolExecutor(min(threads, max(1, len(todo)))) as pool:
        def seen() -> None:
            if stop.is_set():
                raise _Stopped
            with lock:
                bar.update()

        waiting = {pool.submit(_write_shard, root, name, plan, shard, seen) for shard in todo}
        try:
            while waiting:
                stopping.check()
                ready, waiting = concurrent.futures.wait(waiting, POLL, concurrent.futures.FIRST_COMPLETED)
                count += sum(one.result() for one in ready)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return count


class _Stopped(Exception):
    """The work is to end before the shard is whole."""


def _write_shard(root: Path, name: str, plan: Plan, shard: Shard, seen: Callable[[], None]) -> int:
    left_out: list[dict[str, Any]] = []
    examples = _examples(plan, shard, left_out, seen)
    written = write_records(file_of(root, name, plan.settings, shard), examples)
    write_part(root, shard, written, left_out)
    return written.records


def _examples(plan: Plan, shard: Shard, left_out: list[dict[str, Any]], seen: Callable[[], None]
              ) -> Iterator[dict[str, Value]]:
    recorder = Recorder(plan.tracks, plan.settings)
    for item, shown in enumerate(plan.parts[shard.split].items(shard.start, shard.stop), start=shard.start):
        seen()
        try:
            yield recorder.example(shown)
        except (SourceError, DataError) as error:
            left_out.append({"item": item, "where": error.where, "what": error.what})
        except OSError as error:
            where = getattr(error, "filename", None) or plan.tracks[shown[0].track].name
            left_out.append({"item": item, "where": str(where), "what": error.strerror or str(error)})
