"""What is drawn of an answer: small callables that a list combines, `annotator(canvas, answer, target)`.

    canvas = annotate(frame, answers, [Mask(), RotatedBox(), Trace(), Score()])
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from siamjax.evaluation.drawing.painting import (
    WHITE,
    Colour,
    label,
    outline_box,
    outline_polygon,
    tint,
)

# Told apart by the colour-blind too (Okabe and Ito 2008, brightened for video); targets beyond eight repeat.
COLOURS: tuple[Colour, ...] = (
    (255, 176, 0), (64, 186, 255), (0, 214, 143), (255, 110, 64),
    (240, 228, 66), (226, 134, 196), (120, 140, 255), (190, 190, 190),
)  # fmt: skip
LOST_TINT = 0.4  # of a mask's usual tint, where its target is lost


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """What there is to draw of one target in one frame.

    Attributes:
      box: `[4]` xywh; one that is not finite is not drawn.
      score: 0..1; NaN where there is none.
      lost: whether the target is taken to be out of sight.
      polygon: `[4, 2]` corners (x, y) of its rotated box, pixel centres at integers; None without any.
      mask: `[H, W]` bool, its pixels; None without any.
      path: `[K, 2]` its centres (x, y) in the frames up to this one; None where they are not kept.
    """

    box: np.ndarray
    score: float = float("nan")
    lost: bool = False
    polygon: np.ndarray | None = None
    mask: np.ndarray | None = None
    path: np.ndarray | None = None


class Annotator(Protocol):
    """Draws onto a frame."""

    def __call__(self, canvas: np.ndarray, answer: Answer, target: int) -> None:
        """Draws what there is of `answer` onto `canvas` `[H, W, 3]` uint8, in place; `target` counts from 0."""
        ...


@dataclasses.dataclass(frozen=True)
class Mask:
    """Tints the pixels of the target, its outline more; those of a lost target less.

    Attributes:
      colour: None for that of the target's number.
    """

    colour: Colour | None = None

    def __call__(self, canvas: np.ndarray, answer: Answer, target: int) -> None:
        if answer.mask is not None:
            tint(canvas, answer.mask, self.colour or colour_of(target), LOST_TINT if answer.lost else 1.0)


@dataclasses.dataclass(frozen=True)
class Box:
    """Draws the upright box; that of a lost target is dashed and dimmed.

    Attributes:
      colour: None for that of the target's number.
    """

    colour: Colour | None = None

    def __call__(self, canvas: np.ndarray, answer: Answer, target: int) -> None:
        outline_box(canvas, answer.box, self.colour or colour_of(target), thickness_on(canvas), dashed=answer.lost)


@dataclasses.dataclass(frozen=True)
class RotatedBox:
    """Draws the rotated box, or the upright one where there is no other; as `Box`.

    Attributes:
      colour: None for that of the target's number.
    """

    colour: Colour | None = None

    def __call__(self, canvas: np.ndarray, answer: Answer, target: int) -> None:
        if answer.polygon is None:
            Box(self.colour)(canvas, answer, target)
        else:
            outline_polygon(canvas, answer.polygon, self.colour or colour_of(target), thickness_on(canvas),
                            dashed=answer.lost)


@dataclasses.dataclass(frozen=True)
class Score:
    """Writes the score at the box, and whether the target is lost.

    Attributes:
      numbered: whether the number of the target stands before it.
    """

    numbered: bool = False

    def __call__(self, canvas: np.ndarray, answer: Answer, target: int) -> None:
        box, turned = answer.box, answer.polygon
        if turned is not None:
            box = np.concatenate([turned.min(axis=0), np.ptp(turned, axis=0)])
        words = [f"{target}:"] * self.numbered + ["lost"] * answer.lost
        words += [f"{answer.score:.2f}"] if np.isfinite(answer.score) else []
        if words and np.isfinite(box).all():
            label(canvas, box, " ".join(words), colour_of(target), max(11, min(canvas.shape[:2]) // 28),
                  0.6 if answer.lost else 0.9, centred=turned is not None)


@dataclasses.dataclass(frozen=True)
class Trace:
    """Draws the way that the target's centre took.

    Attributes:
      length: frames of it, 2 or more.
      colour: None for that of the target's number.
    """

    length: int = 30
    colour: Colour | None = None

    def __call__(self, canvas: np.ndarray, answer: Answer, target: int) -> None:
        if answer.path is not None and len(answer.path) > 1:
            outline_polygon(canvas, answer.path[-self.length:], self.colour or colour_of(target),
                            thickness_on(canvas), closed=False)


USUAL: tuple[Annotator, ...] = (Mask(), RotatedBox(), Score())
NUMBERED: tuple[Annotator, ...] = (Mask(), RotatedBox(), Score(numbered=True))


def annotate(pixels: np.ndarray, answers: Sequence[Answer], annotators: Sequence[Annotator] = USUAL) -> np.ndarray:
    """A copy of a frame `[H, W, 3]` uint8 with what each annotator draws of every target, one after the other."""
    canvas = np.array(pixels, np.uint8)
    for annotator in annotators:
        for target, answer in enumerate(answers):
            annotator(canvas, answer, target)
    return canvas


def draw(pixels: np.ndarray, boxes: np.ndarray, *, scores: np.ndarray | None = None, lost: np.ndarray | None = None,
         truth: np.ndarray | None = None, labels: np.ndarray | None = None, polygons: np.ndarray | None = None,
         paths: np.ndarray | None = None, annotators: Sequence[Annotator] | None = None) -> np.ndarray:
    """A copy of a frame with answers on it, each in its target's colour.

    Args:
      pixels: `[H, W, 3]` uint8 RGB.
      boxes: `[N, 4]` xywh, one a target.
      scores: `[N]` in 0..1.
      lost: `[N]` bool.
      truth: `[M, 4]` or `[4]` true boxes, in white below the others.
      labels: `[H, W]` uint8, `n + 1` where target `n` is.
      polygons: `[N, 4, 2]` corners (x, y) of a rotated box a target, pixel centres at integers.
      paths: `[N, K, 2]` centres (x, y) in the frames up to this one.
      annotators: what is drawn; masks, boxes and scores by default.
    Returns:
      `[H, W, 3]` uint8.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    answers = [Answer(box, score=float("nan") if scores is None else float(scores[n]),
                      lost=lost is not None and bool(lost[n]), polygon=None if polygons is None else polygons[n],
                      mask=None if labels is None else labels == n + 1, path=None if paths is None else paths[n])
               for n, box in enumerate(boxes)]
    chosen = annotators or (NUMBERED if len(answers) > 1 else USUAL)
    true = [] if truth is None else [Answer(box) for box in np.asarray(truth, np.float64).reshape(-1, 4)]
    return annotate(annotate(pixels, true, [Box(WHITE)]), answers, chosen)


def colour_of(target: int) -> Colour:
    """The colour of a target's number."""
    return COLOURS[target % len(COLOURS)]


def thickness_on(canvas: np.ndarray) -> float:
    """Of lines on a frame, px."""
    return max(2.0, min(canvas.shape[:2]) / 240)
