"""Conventions: the rules by which the toolkits of the field make scores of the same boxes, as data.

Toolkits count the given first box or not, take frames without a target for misses, for hits or leave them out, and
average over sequences or over frames. A `Convention` holds those choices and `ops.metrics` follows any of them.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

# What becomes of a frame in one measure. `extra`: a hit that is not among the frames which the hits are divided by.
Fate = Literal["measured", "hit", "missed", "left_out", "extra"]


@dataclasses.dataclass(frozen=True)
class Fates:
    """How a group of frames counts in each of the three measures: overlap, centre error, normalised error."""

    success: Fate
    precision: Fate
    normalised: Fate


MEASURED = Fates("measured", "measured", "measured")
MISSED = Fates("missed", "missed", "missed")
LEFT_OUT = Fates("left_out", "left_out", "left_out")


@dataclasses.dataclass(frozen=True)
class Convention:
    """One way to score a sequence of boxes.

    Attributes:
      name: as given on the command line.
      rule: one sentence or two for reports.
      first_frame: `given`: the result's row 0 is replaced by the ground truth and counted; `as_written`: it is
        counted as it stands; `left_out`: it is not counted.
      absent: what becomes of frames without the target.
      told_by: rows of ground truth that say by themselves that the target is absent: `nan`; `no_size`, the same, and
        without an absence list also those whose width or height is not above 0; `list`, none: such a list alone does.
      reads_list: whether an absence list is read; if not, frames are what their ground truth says.
      odd: what becomes of frames that are not absent, but whose ground truth fails `odd_if`.
      odd_if: `never`; `no_size`: width or height is not above 0; `not_positive`: x, y, width or height is not;
        `no_size_or_centre`: for success width or height is not, for both precisions a coordinate of the centre.
      overlap: `clipped` to 0..1; or `inclusive`, by pixels' inclusive corners and as it is computed: the overlap of
        equal boxes may come out above 1 by rounding and beats even the threshold of 1.
      empty_result: what stands for a result without a positive size: itself (`as_written`), or the box before it
        (`previous`).
      thresholds: `[K]` overlap thresholds of the success curve; a frame succeeds with an overlap `>` t.
      clipped: both boxes are cut to the frame before they are compared.
      pooled: averages over all frames of all sequences, not over sequences of equal weight.
      normalised_by: `floor`: the target's size, at least 1 px; `size`: the size + 1e-16.
      normalised_score: the value at 0.2 of the target's size (`at_0.2`), or the curve's mean (`mean`).
    """

    name: str
    rule: str
    first_frame: Literal["given", "as_written", "left_out"]
    absent: Fates
    told_by: Literal["nan", "no_size", "list"] = "nan"
    reads_list: bool = True
    odd: Fates = MEASURED
    odd_if: Literal["never", "no_size", "not_positive", "no_size_or_centre"] = "never"
    overlap: Literal["clipped", "inclusive"] = "clipped"
    empty_result: Literal["as_written", "previous"] = "as_written"
    thresholds: tuple[float, ...] = tuple(np.linspace(0, 1, 21).tolist())
    clipped: bool = False
    pooled: bool = False
    normalised_by: Literal["floor", "size"] = "floor"
    normalised_score: Literal["at_0.2", "mean"] = "at_0.2"

    def index_of(self, threshold: float) -> int:
        """Index of the overlap threshold nearest to `threshold`."""
        return int(np.argmin(np.abs(np.asarray(self.thresholds) - threshold)))


VISIBLE = Convention(
    "visible",
    "Frame 1 and frames without the target are left out; 21 overlap thresholds; every sequence weighs the same.",
    first_frame="left_out",
    absent=LEFT_OUT,
    odd=LEFT_OUT,
    odd_if="no_size",
)
OTB = Convention(
    "otb",
    "The given first box counts as a hit, frames without the target (NaN) count as misses, and no absence list is "
    "read; 21 overlap thresholds; every sequence weighs the same (got10k toolkit, ExperimentOTB).",
    first_frame="given",
    absent=MISSED,
    reads_list=False,
)
UAV123 = dataclasses.replace(
    OTB,
    name="uav123",
    rule="As otb, but frames without the target (NaN) are left out (got10k toolkit, ExperimentUAV123).",
    absent=LEFT_OUT,
)
GOT10K_LASOT = Convention(
    "got10k_lasot",
    "The given first box counts as a hit, frames without the target are left out; 21 overlap thresholds; "
    "normalised precision is the mean of its curve; every sequence weighs the same (got10k toolkit, "
    "ExperimentLaSOT: not the figures that papers give for LaSOT, which are those of lasot).",
    first_frame="given",
    absent=LEFT_OUT,
    normalised_score="mean",
)
GOT10K = Convention(
    "got10k",
    "Boxes are cut to the frame; frame 1 and frames without the target are left out; 101 overlap thresholds; "
    "every frame weighs the same (got10k toolkit, ExperimentGOT10k).",
    first_frame="left_out",
    absent=LEFT_OUT,
    thresholds=tuple(np.linspace(0, 1, 101).tolist()),
    clipped=True,
    pooled=True,
)
_ARANGE = tuple(np.arange(0, 1.05, 0.05).tolist())  # as PySOT, pytracking and Matlab's 0:0.05:1 make them
_POSITIVE_ONLY = Fates("missed", "hit", "hit")
LASOT = Convention(
    "lasot",
    "The given first box counts as a hit, frames without the target count as misses; a true box whose x or y is not "
    "above 0 is a miss of success and a hit of both precisions; 21 overlap thresholds; normalised precision at 0.2; "
    "every sequence weighs the same (LaSOT's own toolkit).",
    first_frame="given",
    absent=MISSED,
    told_by="no_size",
    odd=_POSITIVE_ONLY,
    odd_if="not_positive",
    overlap="inclusive",
    empty_result="previous",
    thresholds=_ARANGE,
    normalised_by="size",
)
PYSOT = Convention(
    "pysot",
    "The first box counts as written; frames without the target count as misses of success and as hits of both "
    "precisions, those that an absence list names as misses of all; 21 overlap thresholds; normalised precision at "
    "0.2; every sequence weighs the same (PySOT toolkit, OPEBenchmark).",
    first_frame="as_written",
    absent=MISSED,
    told_by="list",
    odd=_POSITIVE_ONLY,
    odd_if="no_size_or_centre",
    thresholds=_ARANGE,
    normalised_by="size",
)
PYTRACKING = Convention(
    "pytracking",
    "The given first box counts as a hit; frames without the target, and those whose true x or y is not above 0, "
    "count as misses of success and precision and as hits of normalised precision, those that an absence list names "
    "as misses of all; 21 overlap thresholds; normalised precision at 0.2; every sequence weighs the same "
    "(pytracking, as for OTB, NfS and LaSOT).",
    first_frame="given",
    absent=MISSED,
    told_by="list",
    odd=Fates("missed", "missed", "hit"),
    odd_if="not_positive",
    overlap="inclusive",
    empty_result="previous",
    thresholds=_ARANGE,
    normalised_by="size",
)
PYTRACKING_UAV = dataclasses.replace(
    PYTRACKING,
    name="pytracking_uav",
    rule="As pytracking, but what counts as a hit of normalised precision counts as one of precision too (pytracking, "
    "as for UAV123).",
    odd=_POSITIVE_ONLY,
)
PYTRACKING_VALID = dataclasses.replace(
    PYTRACKING,
    name="pytracking_valid",
    rule="As pytracking, with all sums divided by the number of frames that are compared; those that are not are hits "
    "of normalised precision on top, which may exceed 1 (pytracking, exclude_invalid_frames).",
    absent=LEFT_OUT,
    odd=Fates("left_out", "left_out", "extra"),
)
CONVENTIONS = {
    c.name: c for c in (VISIBLE, OTB, UAV123, GOT10K, LASOT, GOT10K_LASOT, PYSOT, PYTRACKING, PYTRACKING_UAV,
                        PYTRACKING_VALID)
}
