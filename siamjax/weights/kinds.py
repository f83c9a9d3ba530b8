"""What files call the classes of nets and settings: names that outlive a move of the class to another module.

A file from outside names what is listed here and nothing else.
"""

from __future__ import annotations

from siamjax.nets import alexnet, contrastive, inverted
from siamjax.nets.anchor_free_heads import PixelwiseHead
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
from siamjax.trackers.longterm import AnchorFreeLongTermConfig, LongTermConfig, LongTermTracker
from siamjax.trackers.siamfc import SiamFCConfig, SiamFCTracker
from siamjax.trackers.siammask import SiamMaskConfig, SiamMaskTracker
from siamjax.trackers.siamrpn import SiamRPNConfig, SiamRPNTracker
from siamjax.trackers.verified import AnchorFreeVerifiedConfig, VerifiedConfig, VerifiedTracker

KINDS: dict[str, type] = {
    # Trackers and their settings.
    "siamfc_tracker": SiamFCTracker, "siamfc_config": SiamFCConfig,
    "siamrpn_tracker": SiamRPNTracker, "siamrpn_config": SiamRPNConfig,
    "siammask_tracker": SiamMaskTracker, "siammask_config": SiamMaskConfig,
    "anchor_free_tracker": AnchorFreeTracker, "anchor_free_config": AnchorFreeConfig,
    "long_term_tracker": LongTermTracker, "long_term_config": LongTermConfig,
    "anchor_free_long_term_config": AnchorFreeLongTermConfig,
    "verified_tracker": VerifiedTracker, "verified_config": VerifiedConfig,
    "anchor_free_verified_config": AnchorFreeVerifiedConfig,
    "anchors": AnchorConfig, "points": PointConfig,
    # Nets.
    "siamfc": SiamFC, "siamrpn": SiamRPN, "siammask": SiamMask, "guided_mask": GuidedMask,
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

# Files written before 0.2.0 name a class by its module, as it was then.
FORMER = {
    "siamjax.trackers.siamfc:SiamFCTracker": "siamfc_tracker", "siamjax.trackers.siamfc:SiamFCConfig": "siamfc_config",
    "siamjax.trackers.siamrpn:SiamRPNTracker": "siamrpn_tracker",
    "siamjax.trackers.siamrpn:SiamRPNConfig": "siamrpn_config",
    "siamjax.trackers.siammask:SiamMaskTracker": "siammask_tracker",
    "siamjax.trackers.siammask:SiamMaskConfig": "siammask_config",
    "siamjax.trackers.anchor_free:AnchorFreeTracker": "anchor_free_tracker",
    "siamjax.trackers.anchor_free:AnchorFreeConfig": "anchor_free_config",
    "siamjax.trackers.longterm:LongTermTracker": "long_term_tracker",
    "siamjax.trackers.longterm:LongTermConfig": "long_term_config",
    "siamjax.trackers.longterm:AnchorFreeLongTermConfig": "anchor_free_long_term_config",
    "siamjax.trackers.verified:VerifiedTracker": "verified_tracker",
    "siamjax.trackers.verified:VerifiedConfig": "verified_config",
    "siamjax.trackers.verified:AnchorFreeVerifiedConfig": "anchor_free_verified_config",
    "siamjax.ops.anchors:AnchorConfig": "anchors", "siamjax.ops.points:PointConfig": "points",
    "siamjax.nets.siamfc:SiamFC": "siamfc", "siamjax.nets.siamrpn:SiamRPN": "siamrpn",
    "siamjax.nets.siammask:SiamMask": "siammask", "siamjax.nets.guided_mask:GuidedMask": "guided_mask",
    "siamjax.nets.contrastive:Siamese": "siamese", "siamjax.nets.contrastive:PseudoSiamese": "pseudo_siamese",
    "siamjax.nets.contrastive:Tower": "tower", "siamjax.nets.contrastive:EmbeddingHead": "embedding_head",
    "siamjax.nets.embedder:Embedder": "embedder", "siamjax.nets.embedder:EmbedderConfig": "embedder_config",
    "siamjax.ops.views:View": "view", "siamjax.nets.alexnet:AlexNet": "alexnet",
    "siamjax.nets.alexnet:Stage": "alexnet_stage", "siamjax.nets.mobilenet:MobileNetV2": "mobilenet_v2",
    "siamjax.nets.resnet:ResNet": "resnet", "siamjax.nets.trunk:Layout": "layout",
    "siamjax.nets.inverted:InvertedTrunk": "inverted_trunk",
    "siamjax.nets.inverted:Block": "inverted_block", "siamjax.nets.text:TextBackbone": "text_backbone",
    "siamjax.nets.necks:Adjust": "adjust", "siamjax.nets.rpn_heads:DepthwiseBranch": "depthwise_branch",
    "siamjax.nets.rpn_heads:DepthwiseRPN": "depthwise_rpn", "siamjax.nets.rpn_heads:MultiRPN": "multi_rpn",
    "siamjax.nets.rpn_heads:UpChannelRPN": "upchannel_rpn",
    "siamjax.nets.similarity_heads:PixelwiseRPN": "pixelwise_rpn",
    "siamjax.nets.similarity_heads:SimilarityRPN": "similarity_rpn",
    "siamjax.nets.anchor_free_heads:PixelwiseHead": "pixelwise_head",
    "siamjax.nets.nanotrack_heads:NanoTrackHead": "nanotrack_head",
    "siamjax.nets.nanotrack_heads:NanoTrackV3Head": "nanotrack_v3_head", "siamjax.nets.mask_heads:Refine": "refine",
    "siamjax.nets.guided_mask:Segment": "segment", "siamjax.nets.pooled:PooledHead": "pooled_head",
    "siamjax.nets.layers:Norm": "norm",
    "siamjax.precision:Precision": "precision",
}
