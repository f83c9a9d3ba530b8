"""Nets and their parts: linen modules whose settings are all fields."""

from typing import TYPE_CHECKING

from siamjax.faces import face

if TYPE_CHECKING:
    from siamjax.nets.alexnet import PYSOT, V1, AlexNet, Stage
    from siamjax.nets.anchor_free_heads import PixelwiseHead
    from siamjax.nets.contrastive import EmbeddingHead, PseudoSiamese, Siamese, Tower
    from siamjax.nets.crop_mask import CropSegment, MaskedRPN
    from siamjax.nets.embedder import Embedder, EmbedderConfig
    from siamjax.nets.guided_mask import GuidedMask, Segment
    from siamjax.nets.inverted import MOBILENET_V3_SMALL, Block, InvertedTrunk
    from siamjax.nets.layers import ConvNorm, Norm
    from siamjax.nets.mask_heads import Refine
    from siamjax.nets.mobilenet import IMAGENET, MobileNetV2
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
    from siamjax.ops.anchors import AnchorConfig
    from siamjax.ops.points import PointConfig
    from siamjax.ops.views import View
    from siamjax.precision import Precision

__all__ = [
    "IMAGENET",
    "MOBILENET_V3_SMALL",
    "PYSOT",
    "V1",
    "Adjust",
    "AlexNet",
    "AnchorConfig",
    "Block",
    "ConvNorm",
    "CropSegment",
    "DepthwiseBranch",
    "DepthwiseRPN",
    "Embedder",
    "EmbedderConfig",
    "EmbeddingHead",
    "GuidedMask",
    "InvertedTrunk",
    "MaskedRPN",
    "MobileNetV2",
    "MultiRPN",
    "NanoTrackHead",
    "NanoTrackV3Head",
    "Norm",
    "PixelwiseHead",
    "PixelwiseRPN",
    "PointConfig",
    "PooledHead",
    "Precision",
    "PseudoSiamese",
    "Refine",
    "ResNet",
    "Segment",
    "SiamFC",
    "SiamMask",
    "SiamRPN",
    "Siamese",
    "SimilarityRPN",
    "Stage",
    "TextBackbone",
    "Tower",
    "UpChannelRPN",
    "View",
]

__getattr__, __dir__ = face(__name__)
