"""`siamjax track`: follows targets through a video and shows what it saw."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tqdm import tqdm

from siamjax.cli.common import Settings, load_tracker
from siamjax.data.readers.folder import read_boxes
from siamjax.data.sample import sample_clip
from siamjax.data.video import open_source
from siamjax.errors import BoxError
from siamjax.evaluation.overlay import VideoWriter, draw
from siamjax.ops.boxes import checked
from siamjax.outputs import check_folder, whole_file
from siamjax.trackers.loop import track_frames
from siamjax.weights.zoo import DEFAULT

DEFAULT_FPS = 25.0  # for sources that state none: folders, arrays


def track(
    source: tyro.conf.Positional[str | None] = None,
    /,
    box: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    model: str = DEFAULT,
    output: Path | None = None,
    video: bool = True,
    settings: Annotated[Settings, tyro.conf.arg(name="set")] = (),
) -> None:
    """Follows one or many targets and writes tracks.csv and an overlay video.

    Args:
      source: video file, folder or glob of images, or camera index; without it the bundled sample.
      box: x,y,w,h of a target in the first frame, pixels; once for each target. Write --box=-3,4,50,60 where
        a number is negative. Without it, a folder's groundtruth.txt gives the box.
      model: zoo name, .safetensors file, or output folder of a training.
      output: folder for tracks.csv and video.mp4; by default track-NAME here.
      video: write the overlay video.
      settings: tracker.KEY=VALUE, e.g. tracker.num_scales=5; may be given several times.
    """
    if source is None:
        clip, boxes = sample_clip()
        source, given = str(clip), boxes[:1]
    else:
        given = boxes_for(source, box)
    if box:
        given = boxes_for(source, box)
    loaded = load_tracker(model, settings)
    with ExitStack() as stack:
        frames = stack.enter_context(open_source(int(source) if source.isdecimal() else source))
        given = checked(given, frames.size, where="--box")  # before anything is made
        folder = check_folder(output or f"track-{Path(source).stem or 'video'}")
        table = stack.enter_context(whole_file(folder / "tracks.csv", keep_if_stopped=True))
        writer = (stack.enter_context(VideoWriter(folder / "video.mp4", frames.fps or DEFAULT_FPS))
                  if video else None)
        progress = stack.enter_context(tqdm(total=frames.count, unit="frame", desc=f"tracking with {loaded.name}",
                                            disable=None, file=sys.stderr))
        table.write("frame,target,x,y,w,h,score,lost,valid\n")
        lost = unreadable = 0

        def on_frame(number, image, answer):
            nonlocal lost, unreadable, last
            for target in range(len(answer.box)):
                place = ",".join(f"{v:.4f}" for v in (*answer.box[target], answer.score[target]))
                table.write(f"{number},{target},{place},{int(answer.lost[target])},{int(answer.valid[target])}\n")
            lost += int(np.any(answer.lost))
            unreadable += image is None
            last = image if image is not None else last
            if writer is not None:
                writer.write(draw(last, answer.box, scores=answer.score, lost=answer.lost))
            progress.update()

        last = frames.first
        results = track_frames(loaded.tracker, loaded.params, frames, given, on_frame=on_frame)
    seconds = results[0].seconds[1:]
    rate = f", {len(seconds) / seconds.sum():.1f} frames a second" if seconds.sum() > 0 else ""
    print(f"{len(results[0].boxes)} frames, {_plural(len(results), 'target')}{rate}; "
          f"{_plural(lost, 'frame')} with a target lost")
    if frames.unreadable:
        print(f"{_plural(unreadable, 'frame')} could not be decoded, boxes held: "
              + ", ".join(map(str, frames.unreadable[:20])) + (" ..." if unreadable > 20 else ""))
    for name in ("tracks.csv", "video.mp4") if video else ("tracks.csv",):
        print(f"wrote {folder / name}")


def boxes_for(source: str, given: tuple[str, ...]) -> np.ndarray:
    """Boxes `[N, 4]` of the command line, or the first of the source folder's groundtruth.txt.

    Raises:
      BoxError: a box that is not four numbers, or no box at all.
    """
    if given:
        return np.array([_parse(text) for text in given])
    truth = Path(source) / "groundtruth.txt"
    if not truth.is_file():
        raise BoxError("no target is given", "--box",
                       "say where it is in the first frame, e.g. --box 120,80,60,40 (x,y,w,h in pixels)")
    return read_boxes(truth)[:1]


def _parse(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise BoxError(f"'{text}' is not a box", "--box", "give four numbers x,y,w,h, e.g. --box 120,80,60,40")
    return numbers


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
