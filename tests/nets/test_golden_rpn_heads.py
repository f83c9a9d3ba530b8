"""Necks and heads of PySOT's trackers, each part of them and their class and box maps."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from siamjax.nets.alexnet import PYSOT, AlexNet
from siamjax.nets.layers import Norm
from siamjax.nets.mobilenet import MobileNetV2
from siamjax.nets.necks import Adjust
from siamjax.nets.resnet import ResNet50
from siamjax.nets.rpn_heads import DepthwiseRPN, MultiRPN, UpChannelRPN
from siamjax.nets.siamrpn import SiamRPN
from siamjax.weights import names
from siamjax.weights.prepare import prepare


def alexnet(head, lowering):
    return SiamRPN(AlexNet(PYSOT, Norm(), lowering=lowering), head(lowering=lowering))


def multi(backbone, lowering, weighted, widths=(256, 256, 256)):
    return SiamRPN(backbone(lowering=lowering), MultiRPN(widths, weighted, lowering=lowering),
                   Adjust(widths, lowering=lowering))


# Net by its lowering, its names, the search image, and how many parts of it were recorded.
CASES = {
    "siamrpn_alex_dwxcorr": (lambda low: alexnet(DepthwiseRPN, low), names.siamrpn_alex(), "x287_bag", 6),
    "upchannel_alex": (lambda low: alexnet(UpChannelRPN, low), names.siamrpn_upchannel(), "x287_bag", 4),
    "siamrpn_mobilev2_l234_dwxcorr": (
        lambda low: multi(MobileNetV2, low, False), names.siamrpn_mobilev2(), "x255_bag", 24),
    "siamrpn_r50_l234_dwxcorr": (lambda low: multi(ResNet50, low, True), names.siamrpn_r50(), "x255_bag", 24),
    "siamrpn_r50_l234_dwxcorr_otb": (
        lambda low: multi(ResNet50, low, False), names.siamrpn_r50(weighted=False), "x255_bag", 24),
    "siamrpn_r50_l234_dwxcorr_lt": (
        lambda low: multi(ResNet50, low, True, (128, 256, 512)), names.siamrpn_r50(), "x255_bag", 24),
}
# Recorded name of each part, and whether a ReLU comes before it was recorded.
DEPTHWISE_PARTS = {"exemplar": ("conv_kernel", True), "search": ("conv_search", True), "out": ("", False)}


def by_anchor(maps, kinds):
    """NCHW maps as recorded, `[B, N, kinds]`."""
    return maps.reshape(len(maps), kinds, -1).transpose(0, 2, 1)


def recorded_parts(head):
    """`(recorded name, value)` of each part of a head, by the outputs of its modules."""
    for i in range(3):
        if f"levels_{i}" in head:
            yield from _of_branches(head[f"levels_{i}"], f"rpn_head.rpn{i + 2}.")
    if "cls" in head:
        yield from _of_branches(head, "rpn_head.")
    for kind in ("cls", "loc"):
        for ours, theirs in (("exemplar", "template"), ("search", "search")):
            if f"{ours}_{kind}" in head:
                yield f"rpn_head.{theirs}_{kind}_conv", head[f"{ours}_{kind}"]["__call__"][0]


def _of_branches(level, prefix):
    for kind in ("cls", "loc"):
        for part, (recorded, relu) in DEPTHWISE_PARTS.items():
            value = level[kind][part]["__call__"][0]
            yield f"{prefix}{kind}.{recorded}".rstrip("."), jax.nn.relu(value) if relu else value


def images(golden, *names_of_images):
    return [golden("inputs")[name][None].astype(np.float32) for name in names_of_images]


def assert_proposals_equal(golden, name, search, proposals):
    for kind, ours, kinds in zip(("cls", "loc"), proposals, (2, 4)):
        want = by_anchor(golden("heads")[f"{name}/{search}/{kind}"], kinds)
        assert np.linalg.norm(ours - want) <= 1e-5 * np.linalg.norm(want), kind
        if kind == "cls":
            assert np.argmax(ours[0, :, 1] - ours[0, :, 0]) == np.argmax(want[0, :, 1] - want[0, :, 0])


# The heads of siamrpn_r50 on another backbone, in other widths, and without weights of its levels.
VARIANTS = ("siamrpn_mobilev2_l234_dwxcorr", "siamrpn_r50_l234_dwxcorr_otb", "siamrpn_r50_l234_dwxcorr_lt")


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in VARIANTS else name
                                  for name in CASES])
def test_necks_and_heads_equal_the_reference(golden, filled, distance, name):
    make, table, search, number_of_parts = CASES[name]
    net = make("lax")
    proposals, kept = jax.jit(functools.partial(net.apply, capture_intermediates=True, mutable=["intermediates"]))(
        filled(net, table, 127, 255), *images(golden, "z_bag", search))
    kept = kept["intermediates"]
    measured = {part: distance("heads", f"{name}/{search}/{part}", value)
                for part, value in recorded_parts(kept["head"])}
    if net.neck is not None:  # called with the exemplar first, see SiamRPN.__call__
        for image, levels in zip(("z_bag", search), kept["neck"]["__call__"], strict=True):
            measured |= {f"{image}/neck[{i}]": distance("heads", f"{name}/{image}/neck[{i}]", level)
                         for i, level in enumerate(levels)}
    assert len(measured) == number_of_parts
    assert {part: value for part, value in measured.items() if value > 1e-5} == {}
    assert_proposals_equal(golden, name, search, proposals)


@pytest.mark.parametrize("name", ["siamrpn_alex_dwxcorr", *(pytest.param(
    name, marks=pytest.mark.slow) for name in ("upchannel_alex", "siamrpn_mobilev2_l234_dwxcorr"))])
def test_prepared_nets_equal_the_reference(golden, filled, name):
    """BatchNorm folded and the forms of a CPU."""
    make, table, search, _ = CASES[name]
    net = make("fast")
    prepared, params = prepare(net, filled(net, table, 127, 255), platform="cpu")
    assert_proposals_equal(golden, name, search, jax.jit(prepared.apply)(params, *images(golden, "z_bag", search)))


def test_a_batch_of_two_keeps_its_pairs_apart(golden, filled):
    make, table, *_ = CASES["upchannel_alex"]
    net = make("lax")
    inputs = golden("inputs")
    z, x = (np.stack([inputs[name] for name in pair]).astype(np.float32)
            for pair in (("z_bag", "z_tennis"), ("x255_bag", "x255_tennis")))
    cls, loc = jax.jit(net.apply)(filled(net, table, 127, 255), z, x)
    for kind, ours, kinds in (("cls", cls, 2), ("loc", loc, 4)):
        want = by_anchor(golden("heads")[f"upchannel_alex/batch2_x255/{kind}"], kinds)
        assert np.linalg.norm(ours - want) <= 1e-5 * np.linalg.norm(want)
