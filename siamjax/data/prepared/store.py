"""Records by their numbers, from the shards of a split: opened when first asked for, in each process anew."""

from __future__ import annotations

import bisect
import collections
import itertools
import threading
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Any

from siamjax.data.prepared.examples import Value, decode
from siamjax.errors import SourceError

OPEN = 256  # shards at once: each takes a file of the process
OPTIONS = "readahead_buffer_size:0"  # records are drawn, not read one behind the other
DO = "siamjax prepare --verify names what is damaged; remove it and prepare again"


class Records:
    """The records of a split. Thread-safe; what is pickled is the list of files alone.

    Attributes:
      files: shards.
      counts: number of records of each.
    """

    def __init__(self, files: Listing[Path], counts: Listing[int]):
        self.files, self.counts = tuple(files), tuple(counts)
        self._ends = list(itertools.accumulate(self.counts))
        self._readers: collections.OrderedDict[int, Any] = collections.OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self):
        return type(self), (self.files, self.counts)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def read(self, number: int) -> dict[str, Value]:
        """The example of a record.

        Raises:
          SourceError: its file is missing, or damaged there.
        """
        shard = bisect.bisect_right(self._ends, number)
        file, place = self.files[shard], number - (self._ends[shard - 1] if shard else 0)
        try:
            [record] = self._reader(shard).read([place])
            return decode(record)
        except (RuntimeError, ValueError, IndexError) as error:
            raise SourceError(f"record {place} cannot be read: {error}", str(file), DO) from error

    def place(self, number: int) -> str:
        """A record in words, for messages."""
        shard = bisect.bisect_right(self._ends, number)
        return f"{self.files[shard]}, record {number - (self._ends[shard - 1] if shard else 0)}"

    def _reader(self, shard: int) -> Any:
        from array_record.python import array_record_module

        with self._lock:
            reader = self._readers.pop(shard, None)
            if reader is None:
                reader = array_record_module.ArrayRecordReader(str(self.files[shard]), OPTIONS)
                if reader.num_records() != self.counts[shard]:  # 0 of a file that is missing or cut off
                    raise ValueError(f"the file has {reader.num_records()} of {self.counts[shard]} records")
            self._readers[shard] = reader
            while len(self._readers) > OPEN:
                self._readers.popitem(last=False)  # closed when the last thread that reads from it is done
            return reader
