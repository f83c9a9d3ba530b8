"""Stages, branches, maps and masks of SiamMask's two nets and of PySOT's, plain and prepared."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from siamjax.nets.layers import max_pool
from siamjax.nets.mask_heads import Refine
from siamjax.nets.necks import Adjust
from siamjax.nets.resnet import ResNet50
from siamjax.nets.rpn_heads import DepthwiseBranch, DepthwiseRPN
from siamjax.nets.siammask import SiamMask
from siamjax.weights import names
from siamjax.weights.prepare import prepare

BAR = 1e-5


def siammask(refined, lowering="lax"):
    return SiamMask(
        ResNet50(used_layers=(0, 1, 2, 3) if refined else (3,), lowering=lowering),
        Adjust((256,), margin=4, lowering=lowering), DepthwiseRPN(lowering=lowering),
        DepthwiseBranch(256, 63 * 63, lowering=lowering), Refine(lowering=lowering) if refined else None)


# Refined, names, exemplar and search image, what their mask branch and neck were recorded as.
CASES = {
    "siammask_base": (False, names.siammask(refined=False), "tennis", "rpn_model", "mask_model.mask",
                      ("z_tennis/zf", "x255_tennis/features.downsample")),
    "siammask_sharp": (True, names.siammask(), "tennis", "rpn_model", "mask_model.mask",
                       ("z_tennis/zf", "x255_tennis/features.downsample")),
    "siammask_r50_l3": (True, names.siammask_r50(), "bag", "rpn_head", "mask_head",
                        ("z_bag/neck", "x255_bag/neck")),
}
COARSE_CELLS = {"siammask_base": ((12, 13), (0, 24)), "siammask_sharp": ((12, 13), (0, 24)),
                "siammask_r50_l3": ((12, 13),)}
REFINED_CELLS = ((12, 13), (0, 24), (24, 3))  # (row, column): one inside and two whose windows leave the search


def image(golden, name):
    return golden("inputs")[name][None].astype(np.float32)


def parts(net, exemplar, search, cells):
    """Class and box maps, the coarse masks of all cells and the masks of some, by the path a tracker takes."""
    cls, loc, cues = net.detect(net.embed_exemplar(exemplar), search)
    masks = [net.mask_at(cues, np.array([cell])) for cell in cells]
    return cls, loc, cues.correlation, net.mask.read_out(cues.correlation), masks


def tracked(net, exemplar, search, cells):
    """`parts` without the coarse masks, which a prepared net with a refinement has dropped."""
    cls, loc, cues = net.detect(net.embed_exemplar(exemplar), search)
    return cls, loc, [net.mask_at(cues, np.array([cell])) for cell in cells]


def by_anchor(maps, kinds):
    """NCHW maps as recorded, `[B, N, kinds]`."""
    return maps.reshape(len(maps), kinds, -1).transpose(0, 2, 1)


def relative(ours, want):
    assert ours.shape == want.shape
    return np.linalg.norm(ours - want) / np.linalg.norm(want)


def maps_and_masks(golden, name, search, refined, cls, loc, masks):
    """Relative L2 of what a tracker sees; asserts that the best anchor is the same."""
    recorded = golden("heads")
    want = {kind: by_anchor(recorded[f"{name}/{search}/{kind}"], kinds) for kind, kinds in (("cls", 2), ("loc", 4))}
    assert np.argmax(cls[0, :, 1] - cls[0, :, 0]) == np.argmax(want["cls"][0, :, 1] - want["cls"][0, :, 0])
    measured = {"cls": relative(cls, want["cls"]), "loc": relative(loc, want["loc"])}
    kind, cells = ("refined", REFINED_CELLS) if refined else ("mask", COARSE_CELLS[name])
    for (row, column), mask in zip(cells, masks, strict=True):
        want = recorded[f"{name}/{search}/{kind}_{row}_{column}"]
        step = -(-mask.shape[1] // len(want))  # every pixel was recorded, or every second
        measured[f"{kind}_{row}_{column}"] = relative(np.asarray(mask)[0, ::step, ::step], want)
    return measured


@pytest.mark.parametrize("name", ["siammask_sharp", *(pytest.param(name, marks=pytest.mark.slow)
                                                      for name in ("siammask_base", "siammask_r50_l3"))])
def test_every_recorded_part_equals_the_reference(golden, filled, distance, name):
    refined, table, picture, rpn, branch, necks = CASES[name]
    net, search = siammask(refined), f"x255_{picture}"
    cells = REFINED_CELLS if refined else COARSE_CELLS[name]
    (cls, loc, correlation, coarse, masks), kept = jax.jit(
        lambda variables, *images: net.apply(variables, *images, cells, method=parts, capture_intermediates=True,
                                             mutable=["intermediates"]))(
        filled(net, table, 127, 255), image(golden, f"z_{picture}"), image(golden, search))
    kept = kept["intermediates"]
    measured = maps_and_masks(golden, name, search, refined, cls, loc, masks)
    for recorded, value in zip(necks, kept["neck"]["__call__"], strict=True):  # of the exemplar and the search
        measured[recorded] = distance("heads", f"{name}/{recorded}", value)
    for theirs, module in ((f"{rpn}.cls", kept["head"]["cls"]), (f"{rpn}.loc", kept["head"]["loc"]),
                           (branch, kept["mask"])):
        for recorded, part in (("conv_kernel", "exemplar"), ("conv_search", "search")):
            value = jax.nn.relu(module[part]["__call__"][0])
            measured[f"{theirs}.{recorded}"] = distance("heads", f"{name}/{search}/{theirs}.{recorded}", value)
    measured["mask"] = distance("heads", f"{name}/{search}/mask", coarse)
    for row, column in COARSE_CELLS[name]:
        want = golden("heads")[f"{name}/{search}/mask_{row}_{column}"]
        measured[f"mask_{row}_{column}"] = relative(np.asarray(coarse)[0, row, column].reshape(63, 63), want)
    if refined:
        feature = "corr_feature" if name == "siammask_sharp" else "mask_corr_feature"
        measured[feature] = distance("heads", f"{name}/{search}/{feature}", correlation)
    assert {part: value for part, value in measured.items() if not value <= BAR} == {}


@pytest.mark.slow  # by default the neck and the refined masks of `test_every_recorded_part` stand on these stages
@pytest.mark.parametrize("name", ["siammask_base", "siammask_sharp"])
def test_stages_of_siammasks_own_resnet_equal_the_reference(golden, filled, distance, name):
    """Its adjust layers are left out: the net is cut at what its backbone returns."""
    refined, table, *_ = CASES[name]
    net = siammask(refined)
    backbone = net.backbone.clone(used_layers=(0, 1, 2, 3))
    variables = {kind: tree["backbone"] for kind, tree in filled(net, table, 127, 255).items()}
    run = jax.jit(functools.partial(backbone.apply, capture_intermediates=True, mutable=["intermediates"]))
    for picture in ("z_bag", "x255_bag"):
        levels, kept = run(variables, image(golden, picture))
        want = {"maxpool": max_pool(levels[0], 3, 2, padding=1), "layer1": levels[1], "layer2": levels[2],
                "layer3.0": kept["intermediates"]["layer3"]["block0"]["__call__"][0], "layer3": levels[3]}
        returned = (0, 1, 2, 3) if refined else (2, 3, 3)
        want |= {f"out[{i}]": levels[layer] for i, layer in enumerate(returned)}
        measured = {stage: distance("backbones", f"{name}/{picture}/{stage}", value) for stage, value in want.items()}
        assert {stage: value for stage, value in measured.items() if not value <= BAR} == {}


@pytest.mark.slow  # by default test_siammask.py: the mask of a cell is its own of the map of all
def test_the_training_path_refines_all_cells_as_the_reference(golden, filled):
    """A search of 143 px: the neck cuts its 17 cells to 9, and nothing is padded."""
    _, table, *_ = CASES["siammask_sharp"]
    net = siammask(refined=True)
    search = image(golden, "x255_tennis")[:, 56:199, 56:199]
    _, _, masks = jax.jit(net.apply)(filled(net, table, 127, 143), image(golden, "z_tennis"), search)
    assert masks.shape == (1, 3, 3, 127 * 127)
    recorded = golden("heads")
    rows = np.asarray(masks).reshape(9, 127, 127)  # y-major
    want, stride = (recorded[f"siammask_sharp/x143_tennis/refined_all/{part}"] for part in ("sub", "stride"))
    assert relative(rows.reshape(-1)[::int(stride)], want) <= BAR
    assert relative(rows[4], recorded["siammask_sharp/x143_tennis/refined_pos4"]) <= BAR


@pytest.mark.slow  # by default those of a narrow net: test_siammask.py
@pytest.mark.parametrize("name", ["siammask_base", "siammask_sharp"])
def test_prepared_nets_equal_the_reference(golden, filled, name):
    """BatchNorm folded, the forms of a CPU, and no coarse mask where there is a refined one."""
    refined, table, picture, *_ = CASES[name]
    net = siammask(refined, lowering="fast")
    prepared, params = prepare(net, filled(net, table, 127, 255), platform="cpu")
    cells = REFINED_CELLS if refined else COARSE_CELLS[name]
    cls, loc, masks = jax.jit(lambda params, *images: prepared.apply(params, *images, cells, method=tracked))(
        params, image(golden, f"z_{picture}"), image(golden, f"x255_{picture}"))
    measured = maps_and_masks(golden, name, f"x255_{picture}", refined, cls, loc, masks)
    assert {part: value for part, value in measured.items() if not value <= BAR} == {}
