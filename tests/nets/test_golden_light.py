"""Every recorded stage of FEAR-XS and of NanoTrackV3, with their published parameters."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from siamjax.weights import convert, files, zoo
from siamjax.weights.prepare import prepare

BAR = 1e-5
FILES = {"fear_xs": "fear_xs_2022.npz", "nanotrack_v3": "nanotrackv3.pth"}


@pytest.fixture(scope="module")
def published(shared):
    """`published(name)`: the net of a zoo name with `lax` convolutions, and its published variables."""
    @functools.cache
    def load(name):
        if name.startswith("nanotrack"):
            pytest.importorskip("torch")
        path, tracker = shared / "weights" / FILES[name], zoo.ZOO[name].tracker
        tensors = files.read_state_dict(path)
        return tracker.net, convert.convert(tensors, zoo.ZOO[name].names, zoo.wanted_variables(tracker), where=path.name)

    return load
