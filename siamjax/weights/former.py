"""Brings settings in files of earlier versions into the form that this version writes."""

from __future__ import annotations

from typing import Any

# Files written before 0.2.0 name a class by its module, as it was then.
MODULES = {
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

# Trackers that now stand round another one were kinds of their own, whose settings were a list with those of the other.
LONG = ("lost_search_size", "lost_window_influence", "confidence_low", "confidence_high")
VERIFIED = ("stage", "identity_rate", "distance_scale")
FLAT = {"long_term_config": ("siamrpn_config", False), "anchor_free_long_term_config": ("anchor_free_config", False),
        "verified_config": ("siamrpn_config", True), "anchor_free_verified_config": ("anchor_free_config", True)}


def current(found: dict[str, Any]) -> dict[str, Any]:
    """Settings `{"kind": ..., ...}` of any version in the form of this one."""
    kind = found.get("kind")
    if not isinstance(kind, str):
        return found
    found = found | {"kind": MODULES.get(kind, kind)}
    if found["kind"] in FLAT and "inner" not in found:
        return _nested(found)
    config = found.get("config")
    if found["kind"] == "verified_tracker" and isinstance(config, dict) and "inner" not in config:
        return found | {"kind": "long_term_tracker"}
    return found


def _nested(found: dict[str, Any]) -> dict[str, Any]:
    kind, verified = FLAT[found["kind"]]
    outer = {name: found[name] for name in LONG if name in found}
    looks = {name: found[name] for name in VERIFIED if name in found}
    inner = {name: value for name, value in found.items() if name not in outer and name not in looks}
    inner["kind"] = kind
    if verified:
        sure = {"sure": outer["confidence_high"]} if "confidence_high" in outer else {}
        inner = {"kind": "verified_config", "inner": inner, **looks, **sure}
    return {"kind": "long_term_config", "inner": inner, **outer}
