"""The zoo: public names, each an architecture with its tracker settings, some with weights."""

from __future__ import annotations

import dataclasses
import functools
from importlib import metadata as importlib_metadata
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import traverse_util

from siamjax.errors import SourceError, WeightsError
from siamjax.nets.alexnet import PYSOT, AlexNet
from siamjax.nets.anchor_free_heads import PixelwiseHead
from siamjax.nets.embedder import Embedder
from siamjax.nets.inverted import MOBILENET_V3_SMALL, InvertedTrunk
from siamjax.nets.layers import Norm
from siamjax.nets.mask_heads import Refine
from siamjax.nets.mobilenet import MobileNetV2
from siamjax.nets.nanotrack_heads import NanoTrackHead, NanoTrackV3Head
from siamjax.nets.necks import Adjust
from siamjax.nets.resnet import ResNet
from siamjax.nets.rpn_heads import DepthwiseBranch, DepthwiseRPN, MultiRPN, UpChannelRPN
from siamjax.nets.siamfc import SiamFC
from siamjax.nets.siammask import SiamMask
from siamjax.nets.siamrpn import SiamRPN
from siamjax.nets.similarity_heads import PixelwiseRPN, SimilarityRPN
from siamjax.precision import Name, at_precision
from siamjax.trackers.anchor_free import AnchorFreeConfig
from siamjax.trackers.base import LoadedTracker, Tracker
from siamjax.trackers.longterm import LongTermConfig
from siamjax.trackers.siamfc import SiamFCTracker
from siamjax.trackers.siammask import SiamMaskConfig
from siamjax.trackers.siamrpn import SiamRPNConfig, SiamRPNTracker
from siamjax.trackers.verified import VerifiedConfig
from siamjax.types import Params
from siamjax.weights import files, names, spec, state_dicts, traces
from siamjax.weights.prepare import has_form
from siamjax.weights.prepare import prepare as prepare_net

VERSION = importlib_metadata.version("siamjax")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One name of the zoo.

    Attributes:
      own: net and settings as published; None where those of the weight file are all there are.
      summary: one line for people.
      names: table of the published checkpoint's names, None where there is no published one.
      weights: file in the package's assets, None where weights come from `siamjax convert` or training.
    """

    own: Tracker | None
    summary: str
    names: names.Names | None = None
    weights: str | None = None

    @property
    def tracker(self) -> Tracker:
        """Net and settings."""
        return _of_file(self.weights) if self.own is None else self.own


@functools.cache
def _of_file(weights: str | None) -> Tracker:
    """Net and settings that a file in the package's assets holds."""
    path = asset(str(weights))
    return spec.loads(files.read_header(path).metadata["config"], where=str(path))


def asset(name: str) -> Path:
    """A file in the package."""
    return Path(str(resources.files("siamjax") / "assets" / name))


# PySOT's settings: penalty, window, learning rate of the size.
_ALEX = SiamRPNConfig(search_size=287, penalty_k=0.16, window_influence=0.40, lr=0.30)
_MOBILE = SiamRPNConfig(penalty_k=0.04, window_influence=0.40, lr=0.50)
_R50 = SiamRPNConfig(penalty_k=0.05, window_influence=0.42, lr=0.38)
_R50_OTB = SiamRPNConfig(penalty_k=0.24, window_influence=0.50, lr=0.25)
_LONG = (128, 256, 512)  # channels of each level in the long-term net

# SiamMask's base configuration, its config_vot, and PySOT's. The refined nets hold a coarse mask too.
_MASK_BASE = SiamMaskConfig(penalty_k=0.09, window_influence=0.39, lr=0.38, mask_size=63)
_MASK_SHARP = SiamMaskConfig(penalty_k=0.04, window_influence=0.42, lr=0.25)
_MASK_R50 = SiamMaskConfig(penalty_k=0.10, window_influence=0.41, lr=0.32, crop_rule="pysot", mask_threshold=0.15,
                           mask_border=0.0, fallback_clipped=True)
_COARSE = DepthwiseBranch(hidden=256, features=63 * 63)
_BASE = SiamMask(ResNet(used_layers=(3,)), Adjust((256,), margin=4), DepthwiseRPN(), _COARSE)
_SHARP = SiamMask(ResNet(used_layers=(0, 1, 2, 3)), Adjust((256,), margin=4), DepthwiseRPN(), _COARSE, Refine())

# FEAR's settings file, smoothed as its paper says, and what docs/track.md shows to be worth more than nothing beyond
# it; and NanoTrack's three (penalty, window, learning rate of the size).
_FEAR = AnchorFreeConfig(
    exemplar_size=128, search_size=256, squeezed=True, context=0.2, search_context=2.0, penalty_k=0.062,
    window_influence=0.38, lr=0.765, smoothing="squared", min_side=3.0, half_pixel=False, channel_order="rgb",
    self_correction=True, unsure_below=0.12, score_scale=0.65, score_offset=-1.43, lost_threshold=0.4)
_FEAR_LONG = LongTermConfig(_FEAR, lost_search_size=512, confidence_low=0.4, confidence_high=0.8)
_FEAR_XS = SiamRPN(InvertedTrunk(projection=256, normalise=True, norm=None), PixelwiseHead(norm=None))
_NANO_V1 = AnchorFreeConfig(penalty_k=0.148, window_influence=0.462, lr=0.390)
_NANO_V2 = AnchorFreeConfig(penalty_k=0.150, window_influence=0.490, lr=0.385)
_NANO_V3 = AnchorFreeConfig(penalty_k=0.138, window_influence=0.455, lr=0.348)
_NANO_TRUNK = InvertedTrunk(MOBILENET_V3_SMALL[:-1], activation="hard_swish")  # of the first two versions
_SIX = (3,) * 6  # kernel sizes

# Those of siamrpn_small, and a score fitted by scripts/calibrate.py.
_SMALL_LONG = LongTermConfig(VerifiedConfig(SiamRPNConfig(
    search_size=287, penalty_k=0.1, window_influence=0.25, lr=0.25, temperature=2.159, self_correction=True,
    half_pixel=True, channel_order="rgb", score_scale=0.261, score_offset=8.255), sure=0.95, distance_scale=13.7576),
    confidence_low=0.5, confidence_high=0.95)

ZOO: dict[str, Entry] = {
    "siamfc_alexnet": Entry(SiamFCTracker(SiamFC(AlexNet())), "SiamFC, three scales, as siamfc-pytorch",
                            names=names.siamfc()),
    "siamrpn_upchannel": Entry(
        SiamRPNTracker(SiamRPN(AlexNet(PYSOT, Norm()), UpChannelRPN()), _ALEX),
        "SiamRPN with the head of its paper; nobody published settings, these are siamrpn_alex's",
        names=names.siamrpn_upchannel()),
    "siamrpn_alex": Entry(
        SiamRPNTracker(SiamRPN(AlexNet(PYSOT, Norm()), DepthwiseRPN()), _ALEX),
        "SiamRPN, AlexNet with a depthwise head, PySOT's siamrpn_alex_dwxcorr", names=names.siamrpn_alex()),
    "siamrpn_alex_otb": Entry(
        SiamRPNTracker(SiamRPN(AlexNet(PYSOT, Norm()), DepthwiseRPN()), _ALEX),
        "the same with its OTB settings, which PySOT published as equal ones", names=names.siamrpn_alex()),
    "siamrpn_mobilev2": Entry(
        SiamRPNTracker(SiamRPN(MobileNetV2(), MultiRPN(weighted=False), Adjust()), _MOBILE),
        "SiamRPN++ on MobileNetV2 x 1.4, PySOT's siamrpn_mobilev2_l234_dwxcorr", names=names.siamrpn_mobilev2()),
    "siamrpn_r50": Entry(
        SiamRPNTracker(SiamRPN(ResNet(), MultiRPN(), Adjust()), _R50),
        "SiamRPN++ on ResNet-50, PySOT's siamrpn_r50_l234_dwxcorr", names=names.siamrpn_r50()),
    "siamrpn_r50_otb": Entry(
        SiamRPNTracker(SiamRPN(ResNet(), MultiRPN(weighted=False), Adjust()), _R50_OTB),
        "SiamRPN++ on ResNet-50 for OTB, PySOT's siamrpn_r50_l234_dwxcorr_otb",
        names=names.siamrpn_r50(weighted=False)),
    "siamrpn_r50_lt": Entry(
        LongTermConfig().build(SiamRPN(ResNet(), MultiRPN(_LONG), Adjust(_LONG))),
        "SiamRPN++ on ResNet-50, long-term, PySOT's siamrpn_r50_l234_dwxcorr_lt", names=names.siamrpn_r50()),
    "siammask_base": Entry(_MASK_BASE.build(_BASE), "SiamMask with coarse masks, 63 px wide",
                           names=names.siammask(refined=False)),
    "siammask_sharp": Entry(_MASK_SHARP.build(_SHARP), "SiamMask with refined masks, 127 px wide; settings for VOT",
                            names=names.siammask()),
    "siammask_r50": Entry(_MASK_R50.build(_SHARP), "the same in PySOT, its siammask_r50_l3",
                          names=names.siammask_r50()),
    "nanotrack_v1": Entry(
        _NANO_V1.build(SiamRPN(_NANO_TRUNK, NanoTrackHead())),
        "NanoTrackV1, anchor-free on MobileNetV3-Small", names=names.nanotrack_v1()),
    "nanotrack_v2": Entry(
        _NANO_V2.build(SiamRPN(_NANO_TRUNK, NanoTrackHead(48, _SIX, _SIX, cls_width=96))),
        "NanoTrackV2, anchor-free on MobileNetV3-Small", names=names.nanotrack_v2()),
    "nanotrack_v3": Entry(
        _NANO_V3.build(SiamRPN(InvertedTrunk(MOBILENET_V3_SMALL, activation="hard_swish"), NanoTrackV3Head())),
        "NanoTrackV3, anchor-free on MobileNetV3-Small, as published", names=names.nanotrack_v3(),
        weights="nanotrack_v3.safetensors"),
    "fear_xs": Entry(_FEAR.build(_FEAR_XS), "FEAR-XS, anchor-free on FBNet-C, as published", names=names.fear_xs(),
                     weights="fear_xs.safetensors"),
    "fear_xs_lt": Entry(
        _FEAR_LONG.build(_FEAR_XS), "fear_xs, long-term: a larger search while the target is lost",
        weights="fear_xs.safetensors"),
    "fear_mask": Entry(
        None, "fear_xs with masks, drawn in crops round its boxes; trained by this project",
        weights="fear_mask.safetensors"),
    "siamfc": Entry(None, "SiamFC, three scales, as published", weights="siamfc.safetensors"),
    "siamrpn_small": Entry(
        None, "SiamRPN on an AlexNet, with the response of SiamFC beside its class; trained by this project",
        weights="siamrpn_small.safetensors"),
    "siamrpn_small_lt": Entry(
        _SMALL_LONG.build(SiamRPN(AlexNet(), SimilarityRPN(PixelwiseRPN()))),
        "siamrpn_small, long-term: what it finds must also resemble the given target",
        weights="siamrpn_small.safetensors"),
    "siammask_small": Entry(
        None, "siamrpn_small with masks, drawn round the boxes it proposes; trained by this project",
        weights="siammask_small.safetensors"),
}
DEFAULT = "fear_xs"


def load(source: str | Path, *, prepare: bool = True, tracker: Tracker | None = None,
         precision: Name | None = None) -> LoadedTracker:
    """A tracker with its weights.

    Args:
      source: a zoo name with weights in the package, a `.safetensors` file, or the folder of a training.
      tracker: net and settings, for weights of a net of your own: a file names classes of this package only.
        By default those of the file.
      prepare: bring the parameters into this platform's fastest form; False keeps them plain, for
        training further or inspection.
      precision: the net computes in "float32" or "bfloat16"; by default in what the file says, float32 for all of the
        package's own.
    Raises:
      ConfigError: an unknown precision.
      SourceError: no such name, file or folder.
      WeightsError: a file of another kind, or whose parameters do not fit its own settings.
    """
    path, name = locate(source)
    header = files.read_header(path)
    metadata, entry = header.metadata, ZOO.get(str(source))
    if tracker is None and entry is not None:
        tracker = entry.tracker
    if tracker is None:
        tracker = _tracker_of(metadata["config"], where=str(path))
    check_shapes(header.variables, wanted_variables(tracker, where=str(path)), where=str(path))
    if entry is None:
        check_step(tracker, header.variables, where=str(path))
    variables = files.load(path)[0]
    if precision is not None:
        tracker = dataclasses.replace(tracker, net=at_precision(tracker.net, precision))
    if prepare and has_form(tracker.net):
        sizes = tracker.config.exemplar_size, tracker.config.search_size
        net, variables = prepare_net(tracker.net, variables, shapes=tuple((1, size, size, 3) for size in sizes))
        tracker = dataclasses.replace(tracker, net=net)
    variables = jax.tree.map(jnp.asarray, variables)
    return LoadedTracker(tracker, variables, metadata["card"], name)


def _tracker_of(settings: str, *, where: str) -> Tracker:
    found = spec.loads(settings, where=where)
    if not (hasattr(found, "net") and hasattr(found, "init")):
        raise WeightsError(f"settings are of a {type(found).__name__}, not of a tracker", where,
                           "give a tracker's file; that of a backbone is a start for training (init_from)")
    return found


def save(path: str | Path, tracker: Tracker, variables: Params, *, card: str, licence: str, source_sha256: str = "",
         dtype: str = "float32") -> None:
    """Writes a tracker with plain (unprepared) variables as a weight file, see `files.save`."""
    files.save(path, variables, metadata_for(tracker, card=card, licence=licence,
                                             source_sha256=source_sha256), dtype=dtype)


def metadata_for(tracker: Tracker | Embedder, *, card: str, licence: str, source_sha256: str = "") -> dict[str, str]:
    """Metadata of a weight file."""
    return {
        "siamjax_version": VERSION, "model": type(tracker.net).__name__, "config": spec.dumps(tracker),
        "source_sha256": source_sha256, "channel_order": tracker.config.channel_order, "licence": licence,
        "card": card}


def wanted_variables(tracker: Tracker, *, where: str = "settings") -> Params:
    """Shapes of the variables dict of a tracker's net; nothing of it is computed.

    Raises:
      WeightsError: the settings, of the file `where`, are of parts that do not fit each other.
    """
    config = tracker.config

    def image(size):
        return jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)

    with traces.of_settings(where):
        shapes = jax.eval_shape(tracker.net.init, jax.random.key(0), image(config.exemplar_size),
                                image(config.search_size))
    return {kind: shapes[kind] for kind in ("params", "batch_stats") if kind in shapes}


def check_step(tracker: Tracker, variables: Params, *, where: str) -> None:
    """Refuses a tracker whose first frame and step would not run, or take more memory than any does.

    Args:
      tracker: from a file.
      variables: shapes of its plain variables.
      where: the file, for messages.
    Raises:
      WeightsError: its settings do not fit its net, or make arrays of more than `traces.MAX_ARRAY` bytes.
    """
    frame, box = jax.ShapeDtypeStruct((480, 640, 3), jnp.uint8), jax.ShapeDtypeStruct((4,), jnp.float32)
    with traces.of_settings(where):
        state = traces.bounded(tracker.init, variables, frame, box, where=where)
        moved, _ = traces.bounded(tracker.step, variables, state, frame, where=where)
        if jax.tree.map(lambda a: (a.shape, a.dtype), moved) != jax.tree.map(lambda a: (a.shape, a.dtype), state):
            raise WeightsError("the tracker's state changes its shape from frame to frame", where,
                               "use a file written by siamjax")


def check_shapes(variables: Any, wanted: Any, *, where: str) -> None:
    """Refuses a variables dict that is not of the wanted names and shapes.

    Raises:
      WeightsError: naming the first missing, unexpected or misshapen entries.
    """
    have = {key: tuple(value.shape) for key, value in traverse_util.flatten_dict(variables, sep="/").items()}
    want = {key: tuple(value.shape) for key, value in traverse_util.flatten_dict(wanted, sep="/").items()}
    if have != want:
        wrong = sorted(set(have.items()) ^ set(want.items()))[:6]
        raise WeightsError("parameters do not fit the settings of the file: "
                           + ", ".join(f"{state_dicts.shortened(key)} {shape}" for key, shape in wrong), where,
                           "give a file whose parameters and settings were written together")


def locate(source: str | Path) -> tuple[Path, str]:
    """The weight file and the name of a zoo name, file or training folder; raises as `load`."""
    if str(source) in ZOO:
        entry = ZOO[str(source)]
        if entry.weights is None:
            raise SourceError(f"{source} has no weights in the package", "model",
                              f"convert a published checkpoint: `siamjax convert FILE --model {source} --output F`")
        return asset(entry.weights), str(source)
    path = Path(source)
    if path.is_dir():
        if not (path / "weights.safetensors").is_file():
            raise SourceError("folder without weights.safetensors", str(path),
                              "give the output folder of a finished `siamjax train`")
        return path / "weights.safetensors", path.resolve().name  # also of `.` and `..`
    if not path.is_file():
        raise SourceError(f"no model or file of the name {str(source)!r}", "model",
                          f"use a file, or one of: {', '.join(ZOO)}")
    return path, path.stem
