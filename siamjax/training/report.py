"""What a training tells: metrics.jsonl, and a progress bar or plain lines."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from siamjax.outputs import write_text


class Report:
    """Writes metrics of a training as it goes.

    Args:
      path: `metrics.jsonl`; lines of an earlier start beyond `first_step` are taken out, for those steps are
        done again.
      first_step, last_step: this start's.
      batch_size: global, for pairs a second.
      quiet: nothing on the terminal and no file (all processes but the first).
    """

    def __init__(self, path: Path, *, first_step: int, last_step: int, batch_size: int, quiet: bool = False):
        self._batch_size, self._quiet, self._last_step = batch_size, quiet, last_step
        self._first_step = first_step
        self._since, self._since_step = time.monotonic(), first_step
        self._bar = None
        if quiet:
            return
        write_text(path, "".join(_lines_until(path, first_step)))
        self._file = path.open("a", buffering=1)
        if sys.stderr.isatty():
            self._bar = tqdm(total=last_step, initial=first_step, unit="step", dynamic_ncols=True)

    def metrics(self, step: int, values: dict[str, float]) -> None:
        """Means over the steps since the last call, up to `step`."""
        now = time.monotonic()
        # The first call's time would hold the compilation, which says nothing of the speed.
        rate = (step - self._since_step) / max(now - self._since, 1e-9)
        first = self._since_step == self._first_step
        self._since, self._since_step = now, step
        speed = {} if first else {"steps_per_second": rate, "pairs_per_second": rate * self._batch_size}
        self.line({"step": step, **values, **speed})
        left = (self._last_step - step) / rate
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {values.get('loss', math.nan):.4f}"
                                      + (f", {rate * self._batch_size:.0f} pairs/s" if speed else ""))
            self._bar.update(step - self._bar.n)
        elif not self._quiet:
            self.say(f"step {step}/{self._last_step}  loss {values.get('loss', math.nan):.4f}"
                     + (f"  {rate:.2f} steps/s  {rate * self._batch_size:.1f} pairs/s" if speed else "")
                     + f"  {_duration(left)} left")

    def line(self, record: dict[str, Any]) -> None:
        """One object of metrics.jsonl; numbers that JSON has not become null."""
        if not self._quiet:
            self._file.write(json.dumps({k: _clean(v) for k, v in record.items()}) + "\n")

    def say(self, text: str) -> None:
        """One line for people."""
        if not self._quiet:
            tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        if not self._quiet:
            self._file.close()


def _lines_until(path: Path, step: int) -> list[str]:
    """Lines of earlier starts that hold; a line cut short by a kill does not."""
    def holds(line: str) -> bool:
        try:
            return json.loads(line)["step"] <= step
        except (ValueError, KeyError, TypeError):
            return False

    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [line for line in lines if holds(line)]


def _clean(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
