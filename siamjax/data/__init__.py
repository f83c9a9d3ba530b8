"""Data sets, videos and drawn scenes; from them pairs, batches and crops."""

from typing import TYPE_CHECKING

from siamjax.faces import face

if TYPE_CHECKING:
    from siamjax.data.augment import make_augment
    from siamjax.data.config import AugmentConfig, DataConfig, Jitter, pysot, wide
    from siamjax.data.images import read_image
    from siamjax.data.labels import write_labels
    from siamjax.data.mixing import united
    from siamjax.data.parts import Part, pysot_parts
    from siamjax.data.pipeline import batches, make_sample
    from siamjax.data.prepared.checking import verify_prepared
    from siamjax.data.prepared.settings import Preparation
    from siamjax.data.readers import (
        Choice,
        Fault,
        Reader,
        TrackList,
        find_reader,
        open_data,
        open_objects,
        open_split,
        open_validation,
        open_videos,
        read_folder,
    )
    from siamjax.data.sample import sample_clip
    from siamjax.data.sequences import DescribedTrack, MaskedTrack, Sequence, Track
    from siamjax.data.synthetic import VOCABULARY, SyntheticConfig, make_tracks
    from siamjax.data.video import open_source

__all__ = [
    "VOCABULARY",
    "AugmentConfig",
    "Choice",
    "DataConfig",
    "DescribedTrack",
    "Fault",
    "Jitter",
    "MaskedTrack",
    "Part",
    "Preparation",
    "Reader",
    "Sequence",
    "SyntheticConfig",
    "Track",
    "TrackList",
    "batches",
    "find_reader",
    "make_augment",
    "make_sample",
    "make_tracks",
    "open_data",
    "open_objects",
    "open_source",
    "open_split",
    "open_validation",
    "open_videos",
    "pysot",
    "pysot_parts",
    "read_folder",
    "read_image",
    "sample_clip",
    "united",
    "verify_prepared",
    "wide",
    "write_labels",
]

__getattr__, __dir__ = face(__name__)
