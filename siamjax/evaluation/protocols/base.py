"""What a protocol is: how sequences are prepared, followed, stored, scored and reported, in one object.

A protocol of one's own is a subclass in one file: it needs a `name`, a `rule` and `score`; the rest has a default that
suits one-pass protocols. `siamjax evaluate --protocol FILE.py` uses the object that the file calls `protocol`.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Sequence as Listing
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np

from siamjax import stopping
from siamjax.data.sequences import Sequence
from siamjax.errors import ConfigError, SourceError
from siamjax.evaluation.files import results
from siamjax.evaluation.reports.parts import Section, named
from siamjax.evaluation.reports.report import Report, circumstances, evaluation_page
from siamjax.evaluation.reports.table import Column, Table
from siamjax.trackers.base import MaskRule, Result

Frames: TypeAlias = Iterable[np.ndarray | None]
# Follows targets from the first of the frames on: (frames, boxes [N, 4] xywh) -> one result a target.
Track: TypeAlias = Callable[[Frames, np.ndarray], list[Result]]
DEFAULT_CONVENTION = "visible"


@dataclasses.dataclass(frozen=True)
class Unit:
    """What is followed together: one sequence, or the objects of one video.

    Attributes:
      objects: that share their frames; results are stored under their names.
    """

    objects: tuple[Sequence, ...]

    @property
    def name(self) -> str:
        """For people."""
        return self.objects[0].name if len(self.objects) == 1 else self.objects[0].group

    @property
    def frames(self) -> int:
        """How many there are."""
        return len(self.objects[0].frames)


@dataclasses.dataclass(frozen=True)
class TrackerScore:
    """What one tracker comes to.

    Attributes:
      name: of the tracker.
      record: what the run was made with.
      figures: over all sequences, by name; trackers are ranked by the first one, the highest first.
      by_sequence: the same figures of each sequence by its name; NaN where a figure does not exist.
      frames_per_second: frames after the first over the time they took; NaN where unknown.
    """

    name: str
    record: Mapping[str, object]
    figures: Mapping[str, float]
    by_sequence: Mapping[str, Mapping[str, float]]
    frames_per_second: float = math.nan

    @property
    def merit(self) -> float:
        """The figure that trackers are ranked by."""
        return next(iter(self.figures.values()))


class Protocol(abc.ABC):
    """A way of evaluating trackers.

    Attributes:
      name: of the command line and in records: results of another protocol are another run's.
      rule: what is measured, in a sentence or a few, for reports.
      masks: whether trackers' masks are kept while they are followed, and the first mask of a sequence is read.
    """

    name: ClassVar[str]
    rule: ClassVar[str]
    masks: ClassVar[bool] = False

    def under(self, convention: str) -> Protocol:
        """This protocol with figures after the rules of a convention.

        Raises:
          ConfigError: there is no such convention, or this protocol has none to choose from.
        """
        if convention != DEFAULT_CONVENTION:
            raise ConfigError(f"'{convention}' is a convention for boxes, and {self.name} has its own rule",
                              "--convention", "leave it out")
        return self

    def prepare(self, sequences: Listing[Sequence], say: Callable[[str], object] = print) -> list[Unit]:
        """What is followed, in order.

        Args:
          sequences: of the data.
          say: is told what is left out, and why.
        Raises:
          DataError: there is nothing to follow or to score.
        """
        return [Unit((one,)) for one in sequences]

    def follow(self, track: Track, unit: Unit, seen: Callable[[], object] = lambda: None) -> list[Result]:
        """Follows the objects of a unit, from their boxes in frame 1 on without help.

        Args:
          track: follows targets through frames; a frame that does not decode comes to it as None.
          unit: with true boxes in its first frame.
          seen: called once a frame, when the tracker asks for the next.
        Returns:
          A result an object, with an answer a frame.
        """
        boxes = np.stack([np.asarray(one.boxes[0], np.float32) for one in unit.objects])
        return track(read_frames(unit.objects[0], seen), boxes)

    def write(self, folder: Path, unit: Unit, answers: Listing[Result], rule: MaskRule | None) -> None:
        """Writes the results of a unit into `folder`, `OUT/TRACKER`; boxes come last and say that all is there.

        Args:
          folder: of the tracker.
          unit: what was followed.
          answers: of its objects.
          rule: of the tracker's masks; None for a tracker without any.
        """
        for one, answer in zip(unit.objects, answers):
            results.write_run(folder, one.name, answer)

    @abc.abstractmethod
    def score(self, folder: Path, units: Listing[Unit]) -> TrackerScore:
        """Scores the result files of one tracker, `folder` being `OUT/TRACKER`.

        Raises:
          DataError: results are missing or do not fit the sequences.
        """

    def report(self, scores: Listing[Any], units: Listing[Unit], *, data_folder: Path, output: Path) -> Report:
        """What is said of the trackers.

        Args:
          scores: of `score`, in whatever order.
          units: that were scored.
          data_folder: of the sequences.
          output: of the evaluation, with the trackers' folders in it.
        """
        scores = ranked(scores)
        sequences = [one for unit in units for one in unit.objects]
        about = circumstances(sequences, data_folder=data_folder, protocol=self.name) | {
            "convention": {"name": self.name, "rule": self.rule},
            "trackers": [{"name": score.name, "figures": score.figures, "frames_per_second": score.frames_per_second,
                          "sequences": [{"name": name, "figures": figures}
                                        for name, figures in score.by_sequence.items()],
                          "run": score.record} for score in scores]}
        heads = [Column(name, compared=True) for name in scores[0].figures]
        speed = Column("frames/s", digits=1, compared=True)
        overall = Table([Column("tracker", kind="name"), *heads, speed], [
            [named(place, score.name), *score.figures.values(), score.frames_per_second]
            for place, score in enumerate(scores)], best="column")
        each = [Table([Column("sequence", kind="name"), *heads],
                      [[name, *figures.values()] for name, figures in score.by_sequence.items()], score.name)
                for score in scores]
        page = evaluation_page(about, {score.name: score.record for score in scores},
                               [Section("Overall", [overall]), Section("By sequence", each)])
        return Report(about, page, [overall], f"{self.name}: {self.rule}")


def ranked(scores: Listing[Any]) -> list[Any]:
    """Scores by their merit, the best first; those without any last."""
    return sorted(scores, key=lambda score: -math.inf if math.isnan(score.merit) else score.merit, reverse=True)


def from_the_first_frame(sequences: Listing[Sequence], say: Callable[[str], object]) -> list[Sequence]:
    """Without the objects of videos that come later than others, for nothing says where to start them."""
    late = {one.name for one in sequences if one.label is not None and np.isnan(one.boxes[0]).any()}
    if late:
        say(f"left out, not in the first frame: {', '.join(sorted(late))}")
    return [one for one in sequences if one.name not in late]


def by_video(sequences: Listing[Sequence]) -> list[Unit]:
    """The objects of each video together, in the order in which they come."""
    videos: dict[str, list[Sequence]] = {}
    for sequence in sequences:
        videos.setdefault(sequence.group, []).append(sequence)
    return [Unit(tuple(objects)) for objects in videos.values()]


def frames_per_second(seconds: Listing[np.ndarray | None]) -> float:
    """Frames after the first of each `[T]` over the time they took; NaN where unknown."""
    known = [each[1:] for each in seconds if each is not None]
    spent = sum(float(each.sum()) for each in known)
    return sum(map(len, known)) / spent if len(known) == len(seconds) and spent > 0 else math.nan


def read_frames(
    sequence: Sequence, seen: Callable[[], object] = lambda: None
) -> Iterator[np.ndarray | None]:
    """Decodes frames one by one, `[H, W, 3]` uint8 RGB; None where one does not decode, but for the first.

    Raises:
      SourceError: the first file does not decode: there is nothing to start from.
      DataError: a frame is not as large as the first; it is named.
      KeyboardInterrupt: a stop was asked for.
    """
    for number in range(len(sequence.frames)):
        stopping.check()
        try:
            frame = sequence.read(number)
        except SourceError:
            if number == 0:
                raise
            frame = None
        yield frame
        seen()
