"""The frames on which a tracker did worst, as pictures inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from siamjax.data import sequences as data
from siamjax.data.images import read_image
from siamjax.errors import SourceError
from siamjax.evaluation.drawing import overlay
from siamjax.evaluation.protocols.one_pass import SequenceScore, TrackerScore

PICTURE_WIDTH = 400  # px
MOST_PICTURES = 24  # a tracker


def worst_frames(tracker: TrackerScore, sequences: Sequence[data.Sequence], *, is_open: bool) -> str:
    """HTML of the frame of lowest overlap of each sequence, those that went worst first; it can be folded."""
    pairs = [(row, one) for row, one in zip(tracker.sequences, sequences) if row.worst_frame is not None]
    pairs.sort(key=lambda pair: float(np.nanmin(pair[0].overlaps[1:])))
    figures = "".join(_figure(row, one) for row, one in pairs[:MOST_PICTURES])
    shown = "every sequence"
    if len(pairs) > MOST_PICTURES:
        shown = f"the {MOST_PICTURES} of {len(pairs)} sequences that went worst"
    return (
        f"<details{' open' * is_open}><summary>{escape(tracker.name)}</summary>"
        f'<p class="quiet">The first frame with the lowest overlap, of {shown}. '
        "The tracker's box is orange, with its score; the true box is white.</p>"
        f'<div class="gallery">{figures}</div></details>'
    )


def _figure(row: SequenceScore, sequence: data.Sequence) -> str:
    frame = row.worst_frame or 0
    what = f"frame {frame}, overlap {row.overlaps[frame]:.2f}"
    caption = f"<figcaption><b>{escape(row.name)}</b><span>{what}</span></figcaption>"
    try:
        pixels = read_image(sequence.frames[frame], among=sequence.frames)
    except SourceError:
        return f'<figure><p class="quiet">This frame cannot be read.</p>{caption}</figure>'
    small, scale = reduced(pixels)
    scores = None if row.scores is None else row.scores[frame : frame + 1]
    drawn = overlay.draw(small, row.boxes[frame] * scale, scores=scores, truth=sequence.boxes[frame] * scale)
    return figure(drawn, f"{row.name}, {what}: the tracker's box and the true one", caption)


def reduced(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """A frame `[h, w, 3]` of `PICTURE_WIDTH` at most, and its scale."""
    scale = min(1.0, PICTURE_WIDTH / pixels.shape[1])
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)), scale


def figure(drawn: np.ndarray, says: str, caption: str) -> str:
    """HTML of a picture `[h, w, 3]`: inside the page, with words for those who cannot see it."""
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "JPEG", quality=82)
    encoded = base64.b64encode(file.getvalue()).decode()
    return f'<figure><img src="data:image/jpeg;base64,{encoded}" alt="{escape(says)}">{caption}</figure>'
