"""Every recorded stage of FEAR-XS and of NanoTrackV3 with their published parameters, plain and prepared."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from siamjax.weights import conversion, sources, zoo
from siamjax.weights.prepare import prepare

BAR = 1e-5
FILES = {"fear_xs": ("fear_xs_2022.npz", "fear_xs"), "nanotrack_v3": ("nanotrackv3.pth", "nanotrackv3")}
NANO_BLOCKS = {"stage0": "backbone.features.0.2.hard_swish", "block0": "backbone.features.1.conv.5",
               **{f"block{i}": f"backbone.features.{i + 1}.conv.8" for i in range(1, 9)}}
# Ours and theirs; the tower's layers are numbered by all of their parts there.
NANO_HEAD = {
    "pixelwise/exemplar": "corr_pw_{0}.conv_kernel.1", "pixelwise/search": "corr_pw_{0}.conv_search.1",
    "narrow": "corr_pw_{0}.conv.4", "depthwise/exemplar": "corr_dw_{0}.conv_kernel.1",
    "depthwise/search": "corr_dw_{0}.conv_search.1", "mix": "down_{0}.0", "tower/layer0": "{1}_tower.4",
    "tower/layer2": "{1}_tower.14", "tower/layer5": "{1}_tower.29", "tower/out": "{2}.0"}


@pytest.fixture(scope="module")
def published(shared):
    """`published(name)`: the net of a zoo name, plain, and its published variables."""
    @functools.cache
    def load(name):
        if name.startswith("nanotrack"):
            pytest.importorskip("torch")
        path, entry = shared / "weights" / FILES[name][0], zoo.ZOO[name]
        wanted = zoo.wanted_variables(entry.tracker)
        variables = conversion.convert(sources.read(path), entry.names, wanted, where=path.name)
        net = entry.tracker.net
        return net.clone(backbone=net.backbone.clone(lowering="lax"), head=net.head.clone(lowering="lax")), variables

    return load


def kept_of(net, variables, *arguments, method=None):
    """Outputs, and those of every module and what was sown, by path; `[0]` is taken of each."""
    call = jax.jit(lambda v, *a: net.apply(v, *a, method=method, capture_intermediates=True, mutable=["intermediates"]))
    out, kept = call(variables, *arguments)
    flat = {}

    def walk(tree, path):
        for key, value in tree.items():
            if isinstance(value, dict):
                walk(value, (*path, key))
            else:
                flat["/".join((*path, key) if key != "__call__" else path)] = value[0]

    walk(kept["intermediates"], ())
    return out, flat


def distance(got, want):
    got = np.asarray(got).transpose(0, 3, 1, 2)
    assert got.shape == want.shape
    return np.linalg.norm(got - want) / np.linalg.norm(want)


def fear_images(recorded):
    return {"z": recorded["template_crop"][None].astype(np.float32),
            "x": recorded["search_crop"][None].astype(np.float32)}


def nano_images(recorded):
    return {which: recorded[f"{which}_crop"].transpose(0, 2, 3, 1) for which in ("z", "x")}


@pytest.mark.parametrize("which", ["z", "x"])
def test_stages_of_fbnet(golden, published, which):
    recorded = golden("fear_xs")
    net, variables = published("fear_xs")
    out, kept = kept_of(net, variables, fear_images(recorded)[which], method="features")
    stages = {"stem": kept["backbone/stage0"], "neck": out,
              **{f"blocks.{i}": kept[f"backbone/stage{i + 1}"] for i in range(16)}}
    stages = {name: value for name, value in stages.items() if f"{which}/{name}" in recorded}
    assert len(stages) == (18 if which == "z" else 16)
    for name, value in stages.items():
        assert distance(value, recorded[f"{which}/{name}"]) <= BAR, name


def test_stages_of_the_head_of_fear(golden, published):
    recorded = golden("fear_xs")
    net, variables = published("fear_xs")
    images = fear_images(recorded)
    (cls, loc), kept = kept_of(net, variables, images["z"], images["x"])
    for theirs, ours in (("cls", "cls"), ("reg", "loc")):
        assert distance(kept[f"head/{ours}/similarity"], recorded[f"{theirs}/correlation"]) <= BAR
        for their_part, part in (("encode", "encode"), ("fuse", "fuse"), ("tower.0", "tower0"), ("tower.1", "tower1")):
            # Theirs were recorded after the ReLU.
            value = np.maximum(kept[f"head/{ours}/{part}"], 0)
            assert distance(value, recorded[f"{theirs}/{their_part}"]) <= BAR, (theirs, their_part)
    assert not np.any(cls[..., 0])
    assert distance(np.asarray(cls[..., 1]).reshape(1, 16, 16, 1), recorded["cls/out"]) <= BAR
    assert distance(np.exp(loc).reshape(1, 16, 16, 4), recorded["reg/out"]) <= BAR


@pytest.mark.parametrize("which", ["z", "x"])
def test_stages_of_mobilenet_v3(golden, published, which):
    recorded = golden("nanotrackv3")
    net, variables = published("nanotrack_v3")
    out, kept = kept_of(net, variables, nano_images(recorded)[which], method="features")
    for ours, theirs in NANO_BLOCKS.items():
        # Theirs were recorded before the residual is added.
        value = kept[f"backbone/{ours}" if ours == "stage0" else f"backbone/{ours}/project"]
        assert distance(value, recorded[f"{which}/{theirs}"]) <= BAR, theirs
    if which == "z":
        assert distance(out, recorded["zf"]) <= BAR


def test_stages_of_the_head_of_nanotrack(golden, published):
    recorded = golden("nanotrackv3")
    net, variables = published("nanotrack_v3")
    images = nano_images(recorded)
    _, kept = kept_of(net, variables, images["z"], images["x"])
    for ours, words in (("cls", ("cls", "cls", "cls_logits")), ("loc", ("reg", "bbox", "bbox_pred"))):
        for part, theirs in NANO_HEAD.items():
            name = theirs.format(*words)
            assert distance(kept[f"head/{ours}/{part}"], recorded[f"x/ban_head.{name}"]) <= BAR, name


@pytest.mark.slow  # by default the prepared blocks of test_inverted.py, and narrow trackers in test_contracts.py
@pytest.mark.parametrize("name", FILES)
def test_prepared_outputs_equal_the_reference(golden, published, name):
    """What a CPU runs in tracking: products, shifted sums, BatchNorm folded."""
    recorded = golden(FILES[name][1])
    _, variables = published(name)
    net, prepared = prepare(zoo.ZOO[name].tracker.net, variables, platform="cpu")
    images = (fear_images if name == "fear_xs" else nano_images)(recorded)
    cls, loc = jax.jit(net.apply)(prepared, images["z"], images["x"])
    if name == "fear_xs":
        cls, loc, wanted = cls[..., 1:], np.exp(loc), ("cls/out", "reg/out")
    else:
        wanted = ("x/ban_head.cls_logits.0", "x/ban_head.bbox_pred.0")
    for value, theirs in zip((cls, loc), wanted):
        value = np.asarray(value)
        grid = round(value.shape[1] ** 0.5)
        assert distance(value.reshape(1, grid, grid, -1), recorded[theirs]) <= BAR
