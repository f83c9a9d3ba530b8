"""Every recorded stage of PySOT's backbones, plain and prepared."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from flax import linen as nn

from siamjax.nets.alexnet import PYSOT, AlexNet
from siamjax.nets.layers import Norm
from siamjax.nets.mobilenet import MobileNetV2
from siamjax.nets.resnet import ResNet18, ResNet34, ResNet50
from siamjax.weights import names
from siamjax.weights.prepare import prepare


class Wrapped(nn.Module):
    """Gives a backbone the name it has in a tracker."""

    backbone: nn.Module

    def __call__(self, image):
        return self.backbone(image)


def alexnet(lowering="lax"):
    return AlexNet(PYSOT, Norm(), lowering=lowering)


def new_alexnet_first():
    return tuple(sorted(names.alexnet_backbone(), key=lambda pair: "features." in pair[0]))


# Net, its table, and the names of stages 1.. (AlexNet) or 0.. in the original.
CASES = {
    "pysot_alexnetlegacy": (alexnet, names.alexnet_backbone(),
                            ("features.3", "features.7", "features.10", "features.13", "features.15")),
    "pysot_alexnet": (alexnet, new_alexnet_first(),
                      ("layer1", "layer2", "layer3", "layer4", "layer5")),
    "pysot_mobilenetv2": (MobileNetV2, names.mobilenet_backbone(), tuple(f"layer{i}" for i in range(8))),
    "pysot_resnet18": (ResNet18, names.resnet_backbone((2, 2, 2, 2), False), ("", *(f"layer{i}" for i in range(1, 5)))),
    "pysot_resnet34": (ResNet34, names.resnet_backbone((3, 4, 6, 3), False), ("", *(f"layer{i}" for i in range(1, 5)))),
    "pysot_resnet50": (ResNet50, names.resnet_backbone((3, 4, 6, 3)), ("", *(f"layer{i}" for i in range(1, 5)))),
}


BAR = 1e-5


# By default one of each kind of block; test_golden_rpn_heads.py runs through ResNet50.
BY_DEFAULT = ("pysot_alexnet", "pysot_mobilenetv2", "pysot_resnet18")


@pytest.mark.parametrize("name", [name if name in BY_DEFAULT else pytest.param(name, marks=pytest.mark.slow)
                                  for name in CASES])
def test_stages_equal_the_reference(golden, filled, distance, name):
    make, table, stages = CASES[name]
    net = Wrapped(make(lowering="lax"))
    variables = filled(net, table, 127)
    first = 1 if "alexnet" in name else 0
    # z has all of the padding's reach in it; the search is the size that a tracker meets.
    for image in ("z_bag", "x287_bag" if "alexnet" in name else "x255_bag"):
        crop = golden("inputs")[image][None].astype(np.float32)  # BGR as recorded: the nets do not care
        out, kept = jax.jit(lambda v, x: net.apply(v, x, capture_intermediates=True, mutable=["intermediates"]))(
            variables, crop)
        kept = kept["intermediates"]["backbone"]
        measured = {stage: distance("backbones", f"{name}/{image}/{stage}", kept[f"stage{i}"][0])
                    for i, stage in enumerate(stages, start=first) if stage}
        if "resnet" in name:
            measured["bn1"] = distance("backbones", f"{name}/{image}/bn1", kept["conv1"]["__call__"][0])
            for i in (2, 3, 4):  # the first block of a dilated stage has a geometry of its own
                block = kept[f"layer{i}"]["block0"]["__call__"][0]
                measured[f"layer{i}.0"] = distance("backbones", f"{name}/{image}/layer{i}.0", block)
        for i, level in enumerate(out if isinstance(out, tuple) else ()):
            measured[f"out[{i}]"] = distance("backbones", f"{name}/{image}/out[{i}]", level)
        assert {stage: value for stage, value in measured.items() if value > BAR} == {}


@pytest.mark.parametrize("name", ["pysot_resnet18", *(pytest.param(name, marks=pytest.mark.slow)
                                                      for name in ("pysot_mobilenetv2", "pysot_resnet50"))])
def test_prepared_backbones_equal_the_reference(golden, filled, distance, name):
    """BatchNorm folded, and the forms of a CPU: products, Winograd with dilation, shifted depthwise."""
    make, table, _ = CASES[name]
    net = Wrapped(make(lowering="fast"))
    crop = golden("inputs")["z_bag"][None].astype(np.float32)
    prepared, params = prepare(net, filled(net, table, 127), shapes=(crop.shape,), platform="cpu")
    for i, level in enumerate(jax.jit(prepared.apply)(params, crop)):
        assert distance("backbones", f"{name}/z_bag/out[{i}]", level) <= BAR
