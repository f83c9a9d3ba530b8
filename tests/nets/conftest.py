"""Nets with the parameters of the golden values, and the golden arrays they are compared with."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from flax import traverse_util

from siamjax.weights import convert


@pytest.fixture(scope="session")
def filled(fill):
    """`filled(net, names, *sides)`: its variables as `fill` makes them, converted; `sides` of its images, pixels."""
    def make(net, names, *sides):
        images = [np.zeros((1, side, side, 3), np.float32) for side in sides]
        wanted = jax.eval_shape(net.init, jax.random.key(0), *images)
        wanted = {kind: wanted[kind] for kind in ("params", "batch_stats")}
        shapes = {path: leaf.shape for path, leaf in traverse_util.flatten_dict(wanted, sep="/").items()}
        theirs = {name: fill(name, _their_shape(shapes[path])) for name, path in names}
        return convert.convert(theirs, names, wanted, where="golden values")

    return make


def _their_shape(shape):
    return (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape


@pytest.fixture(scope="session")
def distance(golden):
    """`distance(file, name, array)`: relative L2 of NHWC `array` to the recorded values, which may be a part."""
    def measure(file, name, array):
        arrays = golden(file)
        if name in arrays:
            want, stride, shape = arrays[name].ravel(), 1, arrays[name].shape
        else:
            want, stride, shape = (arrays[f"{name}/{part}"] for part in ("sub", "stride", "shape"))
        got = np.asarray(array).transpose(0, 3, 1, 2)
        assert got.shape == tuple(shape), name
        got = got.reshape(-1)[::int(stride)]
        return np.linalg.norm(got - want) / np.linalg.norm(want)

    return measure
