"""Narrow random trackers in weight files: SiamFC, and SiamMask."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from siamjax.nets.alexnet import AlexNet, Stage
from siamjax.nets.necks import Adjust
from siamjax.nets.rpn_heads import DepthwiseBranch, DepthwiseRPN
from siamjax.nets.siamfc import SiamFC
from siamjax.nets.siammask import SiamMask
from siamjax.trackers.siamfc import SiamFCConfig, SiamFCTracker
from siamjax.trackers.siammask import SiamMaskConfig
from siamjax.weights import zoo


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A weight file of a net small enough to compile at once."""
    tracker = SiamFCTracker(SiamFC(AlexNet((Stage(4, 11, 8, norm=False, relu=False),), lowering="lax")),
                            SiamFCConfig(num_scales=1))
    variables = tracker.net.init(jax.random.key(0), np.zeros((1, 127, 127, 3), np.float32),
                                 np.zeros((1, 255, 255, 3), np.float32))
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    zoo.save(path, tracker, variables, card="tiny", licence="Apache-2.0")
    return str(path)


@pytest.fixture(scope="session")
def mask_model(tmp_path_factory):
    """A weight file of a SiamMask with coarse masks, small enough to compile at once; its masks mean nothing."""
    lax = {"lowering": "lax"}
    trunk = AlexNet((Stage(4, 11, 8, norm=False, relu=False),), lowering="lax")
    net = SiamMask(trunk, Adjust((4,), **lax), DepthwiseRPN(4, **lax), DepthwiseBranch(4, 63 * 63, **lax))
    tracker = SiamMaskConfig(mask_size=63).build(net)
    variables = jax.jit(net.init)(jax.random.key(0), np.zeros((1, 127, 127, 3), np.float32),
                                  np.zeros((1, 255, 255, 3), np.float32))
    path = tmp_path_factory.mktemp("masks") / "tinymask.safetensors"
    zoo.save(path, tracker, variables, card="tiny", licence="Apache-2.0")
    return str(path)
