"""`siamjax track`: follows targets through a video and shows what it saw."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tqdm import tqdm

from siamjax.cli.common import Settings, load_tracker, parse_box
from siamjax.data.images import MAX_PIXELS
from siamjax.data.labels import read_objects
from siamjax.data.readers.folder import TRUTH, check_truth
from siamjax.data.readers.rows import read_boxes
from siamjax.data.sample import sample_clip
from siamjax.data.video import USUAL_RATE, open_source
from siamjax.errors import BoxError, ConfigError, DataError
from siamjax.evaluation import TrackFiles, default_folder, noted
from siamjax.ops.boxes import checked
from siamjax.precision import Name
from siamjax.trackers.base import mask_rule_of
from siamjax.trackers.loop import track_frames
from siamjax.weights.zoo import DEFAULT


def track(
    source: tyro.conf.Positional[str | None] = None,
    /,
    box: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    init_mask: Path | None = None,
    model: str = DEFAULT,
    output: Path | None = None,
    video: bool = True,
    masks: bool = True,
    max_pixels: int = MAX_PIXELS,
    settings: Annotated[Settings, tyro.conf.arg(name="set")] = (),
    experiment: str | None = None,
    precision: Name | None = None,
) -> None:
    """Follows one or many targets and writes tracks.csv and an overlay video, and masks where the model has them.

    Args:
      source: video file, folder or glob of images, TIFF stack, animated image, or camera index; without it the
        bundled sample.
      box: x,y,w,h of a target in the first frame, pixels; once for each target. Write --box=-3,4,50,60 where
        a number is negative. Without it, a folder's groundtruth.txt gives the box.
      init_mask: in place of boxes, an indexed or grey PNG of the first frame's size with one number a target. What
        appears later needs a run of its own.
      model: zoo name, .safetensors file, or output folder of a training.
      output: folder for tracks.csv, video.mp4 and masks/; by default track-NAME here, of a folder img the name of
        that which it lies in, and track-NAME-2 where track-NAME is another source's.
      video: write the overlay video.
      masks: write masks/NNNNN.png, one a frame, if the model has masks.
      max_pixels: larger pictures are refused, before memory is taken for them.
      settings: tracker.KEY=VALUE, e.g. tracker.num_scales=5; may be given several times.
      experiment: Python file with `config = Experiment(...)`, whose net and tracker a model that is a file is of.
      precision: float32 or bfloat16, in which the net computes.
    """
    objects = None if init_mask is None else read_objects(init_mask)
    if objects is not None and box:
        raise ConfigError("boxes and a mask are given", "--box and --init-mask", "give one of them")
    sample, truth = sample_clip() if source is None else (source, None)
    source = str(sample)
    if objects is not None:
        given = objects.boxes
    elif truth is not None and not box:
        given = truth[:1]
    else:
        given = boxes_for(source, box)
    loaded = load_tracker(model, settings, experiment=experiment, precision=precision)
    rule = mask_rule_of(loaded.tracker)
    with ExitStack() as stack:
        frames = stack.enter_context(open_source(source, max_pixels=max_pixels))
        if objects is not None:  # all checks come before anything is made
            _check_size(objects.labels, frames.size, str(init_mask))
        if objects is None and truth is None and not box:
            check_truth(Path(source) / TRUTH, frames.size)
        given = checked(given, frames.size, where="--box")
        folder = output or default_folder(source)
        stack.enter_context(noted(folder, source))  # for `export`, and for a next run from another source
        files = stack.enter_context(TrackFiles(folder, fps=(frames.fps or USUAL_RATE) if video else None, rule=rule,
                                               masks=masks, given=None if objects is None else objects.labels))
        if objects is not None and len(objects.ids) == 1 and objects.labels.all():
            print(f"all pixels of {init_mask} are {objects.ids[0]}: the target is the whole frame; "
                  "write 0 where it is not", file=sys.stderr)
        if objects is not None and rule is None:
            print(f"{loaded.name} has no masks: it follows the boxes round those that are given", file=sys.stderr)
        progress = stack.enter_context(tqdm(total=frames.count, unit="frame", desc=f"tracking with {loaded.name}",
                                            disable=None, file=sys.stderr))

        def on_frame(number, image, answer):
            files.add(number, image, answer)
            progress.update()

        results = track_frames(loaded.tracker, loaded.params, frames, given, on_frame=on_frame, keep_masks=False)
    seconds = results[0].seconds[1:]
    rate = f", {len(seconds) / seconds.sum():.1f} frames a second" if seconds.sum() > 0 else ""
    print(f"{len(results[0].boxes)} frames, {_plural(len(results), 'target')}{rate}; "
          f"{_plural(files.lost, 'frame')} with a target lost")
    if objects is not None and objects.ids != tuple(range(1, len(objects.ids) + 1)):
        print(f"targets 0 to {len(objects.ids) - 1} are the numbers {', '.join(map(str, objects.ids))} of {init_mask}")
    if frames.unreadable:
        print(f"{_plural(files.unreadable, 'frame')} could not be decoded, boxes held: "
              + ", ".join(map(str, frames.unreadable[:20])) + (" ..." if files.unreadable > 20 else ""))
    for path in files.written:
        print(f"wrote {path}")


def boxes_for(source: str, given: tuple[str, ...]) -> np.ndarray:
    """Boxes `[N, 4]` of the command line, or the first of the source folder's groundtruth.txt.

    Raises:
      BoxError: a box that is not four numbers, or no box at all.
    """
    if given:
        return np.array([parse_box(text, "--box") for text in given])
    truth = Path(source) / TRUTH
    if not truth.is_file():
        raise BoxError("no target is given", "--box",
                       "say where it is in the first frame, e.g. --box 120,80,60,40 (x,y,w,h in pixels)")
    boxes = read_boxes(truth)
    if not len(boxes):
        raise BoxError("there is no box in it", str(truth), "give --box, or write the target's x,y,w,h into it")
    return boxes[:1]


def _check_size(labels: np.ndarray, size: tuple[int, int], where: str) -> None:
    if labels.shape != size:
        raise DataError(f"the mask is {labels.shape[1]}x{labels.shape[0]} px and the first frame {size[1]}x{size[0]}",
                        where, "draw it on the frame as it is")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
