"""The golden arrays that nets are compared with."""

from __future__ import annotations

import numpy as np
import pytest


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
