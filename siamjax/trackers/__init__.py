"""Trackers: pairs of pure functions over arrays, each with its frozen settings."""

from typing import TYPE_CHECKING

from siamjax.faces import face

if TYPE_CHECKING:
    from siamjax.trackers.anchor_free import AnchorFreeConfig, AnchorFreeTracker
    from siamjax.trackers.base import LoadedTracker, MaskRule, Output, Result, Tracker, as_frame
    from siamjax.trackers.longterm import LongTerm, LongTermConfig, long_term
    from siamjax.trackers.loop import track_frames
    from siamjax.trackers.masked import Masked, MaskedConfig
    from siamjax.trackers.siamfc import SiamFCConfig, SiamFCTracker
    from siamjax.trackers.siammask import SiamMaskConfig, SiamMaskTracker
    from siamjax.trackers.siamrpn import SiamRPNConfig, SiamRPNTracker
    from siamjax.trackers.stream import Stream
    from siamjax.trackers.verified import Verified, VerifiedConfig

__all__ = ["AnchorFreeConfig", "AnchorFreeTracker", "LoadedTracker", "LongTerm", "LongTermConfig", "MaskRule",
           "Masked", "MaskedConfig", "Output", "Result", "SiamFCConfig", "SiamFCTracker", "SiamMaskConfig",
           "SiamMaskTracker", "SiamRPNConfig", "SiamRPNTracker", "Stream", "Tracker", "Verified", "VerifiedConfig",
           "as_frame", "long_term", "track_frames"]

__getattr__, __dir__ = face(__name__)
