"""What a training tells: metrics.jsonl, and a progress bar or plain lines."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
from tqdm import tqdm

from siamjax.data.damage import Damage, named
from siamjax.errors import OutputError
from siamjax.outputs import write_text
from siamjax.training.output import set_aside


class Report:
    """Writes metrics of a training as it goes.

    Args:
      path: `metrics.jsonl`; lines of an earlier start beyond `first_step` are taken out, for those steps are
        done again. Where it is damaged, it is kept under another name and the lines that can be read go on.
      first_step, last_step: this start's.
      batch_size: global, for pairs a second.
      quiet: nothing on the terminal and no file (all processes but the first).
    Raises:
      OutputError: the file cannot be written, now or later.
    """

    def __init__(self, path: Path, *, first_step: int, last_step: int, batch_size: int, quiet: bool = False):
        self._batch_size, self._quiet, self._last_step = batch_size, quiet, last_step
        self._since, self._since_step = time.monotonic(), first_step
        self._bar = None
        self._path = path
        self._damaged: dict[str, str] = {}  # what is wrong with images, by their name
        if quiet:
            return
        self._start_file(first_step)
        if sys.stderr.isatty():
            self._bar = tqdm(total=last_step, initial=first_step, unit="step", dynamic_ncols=True)

    def metrics(self, step: int, values: dict[str, float], *, waited: float) -> None:
        """Means over the steps since the last call, up to `step`; in `waited` seconds of it no step was under way."""
        now = time.monotonic()
        rate = (step - self._since_step) / max(now - self._since, 1e-9)
        waiting = min(1.0, waited / max(now - self._since, 1e-9))
        self._since, self._since_step = now, step
        speed = {"steps_per_second": rate, "pairs_per_second": rate * self._batch_size, "waiting": waiting}
        self.line({"step": step, **values, **speed})
        left = (self._last_step - step) / rate
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {values.get('loss', math.nan):.4f}"
                                      f", {rate * self._batch_size:.0f} pairs/s")
            self._bar.update(step - self._bar.n)
        elif not self._quiet:
            self.say(f"step {step}/{self._last_step}  loss {values.get('loss', math.nan):.4f}"
                     f"  {rate:.2f} steps/s  {rate * self._batch_size:.1f} pairs/s  {waiting:.0%} waiting for data"
                     f"  {_duration(left)} left")

    def damages(self, step: int, damages: Sequence[Damage]) -> None:
        """Names the images among these that no line so far has named."""
        for damage in damages:
            if damage.where not in self._damaged:
                self._damaged[damage.where] = damage.what
                self.line({"step": step, "damaged": damage.where, "what": damage.what})
                self.say(f"damaged image skipped: {damage.where}: {damage.what}")

    def line(self, record: dict[str, Any]) -> None:
        """One object of metrics.jsonl; numbers that JSON has not become null."""
        if not self._quiet:
            with self._writing():
                left = (json.dumps({k: _clean(v) for k, v in record.items()}) + "\n").encode()
                while left:  # the file has no buffer, which would be written again when it is closed
                    left = left[self._file.write(left):]

    def begin(self) -> None:
        """The first step begins now: what came before does not count for the speed."""
        self._since = time.monotonic()

    def say(self, text: str) -> None:
        """One line for people."""
        if not self._quiet:
            tell(text)

    def close(self) -> None:
        """Ends the file; says which images were skipped, from the first start on."""
        if self._damaged:
            images = "1 image was" if len(self._damaged) == 1 else f"{len(self._damaged)} images were"
            self.say(f"{images} damaged and skipped, and other pairs drawn in place of those with them: "
                     + named(list(self._damaged)))
        if self._bar is not None:
            self._bar.close()
        if not self._quiet:
            self._file.close()

    def _start_file(self, first_step: int) -> None:
        with self._writing():
            records, whole = _read_lines(self._path)
            if not whole:
                kept = set_aside(self._path)
                self.say(f"warning: {self._path} is damaged{kept}; its lines that can be read go on")
            held = [record for record in records if record["step"] <= first_step]
            self._damaged = {record["damaged"]: "" for record in held if isinstance(record.get("damaged"), str)}
            write_text(self._path, "".join(json.dumps(record) + "\n" for record in held))
            self._file = self._path.open("ab", buffering=0)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror or error}", str(self._path),
                              "make space; the same command then goes on from the last checkpoint") from error


def tell(text: str) -> None:
    """One line for people, from the first of several processes."""
    if jax.process_index() == 0:
        tqdm.write(text, file=sys.stderr)


def _read_lines(path: Path) -> tuple[list[dict[str, Any]], bool]:
    """The objects of metrics.jsonl, each with a step, and whether there is nothing else in it.

    A last line that a kill cut short does not count as something else.
    """
    try:
        *lines, cut = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [], True
    except IsADirectoryError:
        return [], False
    records = [_record(line) for line in lines]
    return [record for record in [*records, _record(cut)] if record], None not in records


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and type(record.get("step")) is int else None


def _clean(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
