"""Kinds: the names that files use for classes, which stay when a class moves to another module.

A file can name no other class than these.
"""

from __future__ import annotations

from siamjax.nets import alexnet, contrastive, inverted
from siamjax.nets.anchor_free_heads import PixelwiseHead
from siamjax.nets.crop_mask import CropSegment, MaskedRPN
from siamjax.nets.embedder import Embedder, EmbedderConfig
from siamjax.nets.guided_mask import GuidedMask, Segment
from siamjax.nets.layers import Norm
from siamjax.nets.mask_heads import Refine
from siamjax.nets.mobilenet import MobileNetV2
from siamjax.nets.nanotrack_heads import NanoTrackHead, NanoTrackV3Head
from siamjax.nets.necks import Adjust
from siamjax.nets.pooled import PooledHead
from siamjax.nets.resnet import ResNet
from siamjax.nets.rpn_heads import DepthwiseBranch, DepthwiseRPN, MultiRPN, UpChannelRPN
from siamjax.nets.siamfc import SiamFC
from siamjax.nets.siammask import SiamMask
from siamjax.nets.siamrpn import SiamRPN
from siamjax.nets.similarity_heads import PixelwiseRPN, SimilarityRPN
from siamjax.nets.text import TextBackbone
from siamjax.nets.trunk import Layout
from siamjax.ops.anchors import AnchorConfig
from siamjax.ops.points import PointConfig
from siamjax.ops.views import View
from siamjax.precision import Precision
from siamjax.trackers.anchor_free import AnchorFreeConfig, AnchorFreeTracker
from siamjax.trackers.longterm import LongTerm, LongTermConfig
from siamjax.trackers.masked import Masked, MaskedConfig
from siamjax.trackers.siamfc import SiamFCConfig, SiamFCTracker
from siamjax.trackers.siammask import SiamMaskConfig, SiamMaskTracker
from siamjax.trackers.siamrpn import SiamRPNConfig, SiamRPNTracker
from siamjax.trackers.verified import Verified, VerifiedConfig

KINDS: dict[str, type] = {
    # Trackers and their settings.
    "siamfc_tracker": SiamFCTracker, "siamfc_config": SiamFCConfig,
    "siamrpn_tracker": SiamRPNTracker, "siamrpn_config": SiamRPNConfig,
    "siammask_tracker": SiamMaskTracker, "siammask_config": SiamMaskConfig,
    "anchor_free_tracker": AnchorFreeTracker, "anchor_free_config": AnchorFreeConfig,
    "long_term_tracker": LongTerm, "long_term_config": LongTermConfig,
    "verified_tracker": Verified, "verified_config": VerifiedConfig,
    "masked_tracker": Masked, "masked_config": MaskedConfig,
    "anchors": AnchorConfig, "points": PointConfig,
    # Nets.
    "siamfc": SiamFC, "siamrpn": SiamRPN, "siammask": SiamMask, "guided_mask": GuidedMask,
    "masked_rpn": MaskedRPN, "crop_segment": CropSegment,
    "siamese": contrastive.Siamese, "pseudo_siamese": contrastive.PseudoSiamese, "tower": contrastive.Tower,
    "embedder": Embedder, "embedder_config": EmbedderConfig, "view": View,
    # Backbones, and what their stages and blocks are.
    "alexnet": alexnet.AlexNet, "alexnet_stage": alexnet.Stage,
    "mobilenet_v2": MobileNetV2, "resnet": ResNet, "layout": Layout,
    "inverted_trunk": inverted.InvertedTrunk, "inverted_block": inverted.Block,
    "text_backbone": TextBackbone,
    # Necks, heads and layers.
    "adjust": Adjust, "depthwise_branch": DepthwiseBranch, "depthwise_rpn": DepthwiseRPN, "multi_rpn": MultiRPN,
    "upchannel_rpn": UpChannelRPN, "pixelwise_rpn": PixelwiseRPN, "similarity_rpn": SimilarityRPN,
    "pixelwise_head": PixelwiseHead, "nanotrack_head": NanoTrackHead, "nanotrack_v3_head": NanoTrackV3Head,
    "refine": Refine, "segment": Segment, "embedding_head": contrastive.EmbeddingHead, "pooled_head": PooledHead,
    "norm": Norm, "precision": Precision,
}
NAMES = {kind: name for name, kind in KINDS.items()}
