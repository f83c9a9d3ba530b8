"""`siamjax match`: is it the same object? Two images, an image and words, or an image and a file of embeddings."""

from __future__ import annotations

import tyro

from siamjax import evaluation
from siamjax.cli.common import parse_box
from siamjax.errors import one_line
from siamjax.weights import embedders

SAME, OTHER = "same object", "another object"


def match(
    a: tyro.conf.Positional[str],
    b: tyro.conf.Positional[str],
    /,
    model: str = embedders.DEFAULT,
    box_a: str | None = None,
    box_b: str | None = None,
    nearest: int = 5,
) -> None:
    """Compares two images, or finds the nearest to one among the embeddings of many.

    Prints distances, and beside each the verdict: at the model's threshold or below, it is the same object. Give boxes
    for both images or, for photos cut to their objects, for none: the threshold is that of like with like.

    Args:
      a: image; or, for a net of words, what its side takes.
      b: image or words; or an .npz of `siamjax embed`, among which the nearest to A are found.
      model: embedding net: a weight file, the folder of a training; or a tracker, whose pooled trunk is one.
      box_a: x,y,w,h of the object in A, pixels; without it the whole image is the object, and its rim, repeated
        outwards, the margin.
      box_b: likewise in B.
      nearest: how many to print, of an npz.
    """
    boxes = {name: None if box is None else parse_box(box, f"--{name.replace('_', '-')}")
             for name, box in (("box_a", box_a), ("box_b", box_b))}
    found = evaluation.match(a, b, model=model, nearest=nearest, **boxes)
    said = {True: SAME, False: OTHER, None: f"none: '{found.model}' has no threshold yet "
            "(siamjax verify --model ... --calibrated FILE measures one)"}
    if not b.endswith(".npz"):
        [one] = found.found
        print(f"distance   {one.distance:.4f} ({found.distance})")
        if found.threshold is not None:
            print(f"threshold  {found.threshold:.4f}")
        print(f"verdict    {said[one.same]}")
        return
    print(said[None] if found.threshold is None else f"threshold {found.threshold:.4f} ({found.distance})")
    width = max(map(len, (SAME, OTHER)))
    for one in found.found:
        verdict = "" if one.same is None else f"{said[one.same]:{width}}  "
        print(f"{one.distance:8.4f}  {verdict}{one_line(one.what, 5000)}")
