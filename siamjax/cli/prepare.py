"""`siamjax prepare`: any data set -> array_record shards to train from."""

from __future__ import annotations

import warnings
from pathlib import Path

import tyro

from siamjax.cli.common import choose_reader
from siamjax.data import preparing
from siamjax.data.prepared.checking import verify_prepared
from siamjax.data.prepared.settings import Form, Preparation
from siamjax.errors import ConfigError


def prepare(
    data: tyro.conf.Positional[Path | None] = None,
    /,
    *,
    output: Path,
    form: Form = "images",
    side: int = 511,
    context: float = 0.5,
    quality: int = 95,
    records: int = 1024,
    name: str | None = None,
    shard: str = "1/1",
    threads: int | None = None,
    reader: str | None = None,
    layout: str | None = None,
    split: str | None = None,
    strict: tyro.conf.FlagCreatePairsOff[bool] = False,
    verify: tyro.conf.FlagCreatePairsOff[bool] = False,
) -> None:
    """Writes a data set once in the form that training reads fastest: array_record shards and an index.

    Run again with the same output it goes on where it was. `siamjax train EXPERIMENT --data OUTPUT` trains from it,
    and `tensorflow_datasets.data_source(NAME, data_dir=OUTPUT)` reads it in any program.

    Args:
      data: folder of a data set, as siamjax train takes it; what its validation.txt names becomes a split of its own.
      output: folder for the shards.
      form: images: the files of the frames as they are; crops: a square round every object, as PySOT's crop 511.
      side: of a crop, px.
      context: margin of the object's square in a crop, of the sum of its sides.
      quality: of the JPEGs of crops, 1 to 100.
      records: in a shard, at most.
      name: of the data set; by default its publisher's, or that of its folder.
      shard: i/n: write the i-th of n shares only, for the jobs of an array; the last to end makes the index.
      threads: that read, cut and write; by default as many as there are cores.
      reader: Python file with a function `reader(folder)` that lists the tracks of a layout of one's own.
      layout: which layout of a publisher the folder has, e.g. got10k, where its content leaves that open.
      split: which part of a published data set: train, val, test, ..., all, or a file with a sequence's name a line.
      strict: stop at the first sequence with a fault; without it those with faults are left out, and counted.
      verify: prepare nothing, but read all that is in output and say which files are as they were written.
    """
    if verify:
        return verify_prepared(output)
    if data is None:
        raise ConfigError("no data is given", "siamjax prepare", "give the folder of a data set")
    settings = Preparation(form, side, context, quality, records)
    done = preparing.prepare(data, output, settings, name=name, share=parse_share(shard), threads=threads,
                             reader=choose_reader(reader, layout, split, strict))
    if done.left_out:
        first = done.left_out[0]
        warnings.warn(f"{len(done.left_out)} frames cannot be read and are left out, the first: {first['what']} "
                      f"({first['where']}); prepared.json names all of them", stacklevel=1)
    there = "" if done.written == done.records else f", {done.written} of them now"
    print(f"{done.records} records{there}")
    if done.whole:
        print(f"wrote {output}\ntrain from it: siamjax train EXPERIMENT --data {output} --output RUN")
    else:
        print(f"the other shares of {output} are still to be written")


def parse_share(text: str) -> tuple[int, int]:
    """The numbers of `i/n`.

    Raises:
      ConfigError: it is none.
    """
    part, slash, count = text.partition("/")
    if not (slash and part.isascii() and part.isdecimal() and count.isascii() and count.isdecimal()):
        raise ConfigError(f"'{text}' is not a share", "--shard", "write i/n with i from 1 to n, e.g. 3/16")
    return int(part), int(count)
