"""Four virtual CPU devices, strict shapes and keys, and the reference folder, before JAX starts."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Tests compile far more than they compute, and LLVM's optimisations would take half of their time. The slow ones
# track whole sequences: run them with XLA_FLAGS=--xla_backend_optimization_level=3.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
os.environ["XLA_FLAGS"] += " --xla_force_host_platform_device_count=4"

import jax
import numpy as np
import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
import shape_checks

shape_checks.install()  # before anything of the package is imported

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

# A first example compiles for a second; and a failure must be the same on every machine.
settings.register_profile("siamjax", deadline=None, derandomize=True, max_examples=20)
settings.load_profile("siamjax")



def pytest_report_header():
    return None if shape_checks.are_here() else "shapes are not looked at: install jaxtyping and beartype (dev extra)"


@pytest.fixture
def no_shape_checks():
    """Gives functions what their annotations forbid, to see what users are told, who run without the checks."""
    if not shape_checks.are_here():
        yield
        return
    import jaxtyping

    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference values beside the project; tests that need it skip where it is missing."""
    if not SHARED.is_dir():
        pytest.skip("reference values (../shared) are not here")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared):
    """`golden("losses")`: the arrays of one reference file."""
    cache: dict[str, dict] = {}

    def read(name: str):
        if name not in cache:
            with np.load(shared / "golden" / f"{name}.npz") as arrays:
                cache[name] = dict(arrays)
        return cache[name]

    return read


@pytest.fixture(scope="session")
def golden_frame(shared):
    """`golden_frame("bag_00")`: one reference frame, RGB uint8."""
    from PIL import Image

    def read(name: str) -> np.ndarray:
        return np.asarray(Image.open(shared / "golden" / "frames" / f"{name}.png").convert("RGB"))

    return read


@pytest.fixture(scope="session")
def fill(shared):
    """The rule that made the parameters of the golden networks: `fill(key, shape)`."""
    spec = importlib.util.spec_from_file_location("golden_fill", shared / "golden" / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.fill


@pytest.fixture(scope="session")
def filled(fill):
    """`filled(net, names, *sides)`: its variables as `fill` makes them, converted; `sides` of its images, pixels."""
    from flax import traverse_util

    from siamjax.weights import conversion

    def make(net, names, *sides):
        images = [np.zeros((1, side, side, 3), np.float32) for side in sides]
        wanted = jax.eval_shape(net.init, jax.random.key(0), *images)
        wanted = {kind: wanted[kind] for kind in ("params", "batch_stats")}
        shapes = {path: leaf.shape for path, leaf in traverse_util.flatten_dict(wanted, sep="/").items()}
        first = {path: name for name, path in reversed(names)}  # of several spellings
        theirs = {name: fill(name, _their_shape(shapes[path])) for path, name in first.items()}
        return conversion.convert(theirs, names, wanted, where="golden values")

    return make


@pytest.fixture(scope="session")
def polygon_iou():
    """`polygon_iou(a, b)`: intersection over union of two convex polygons `[N, 2]`, exact."""
    def area(polygon):
        x, y = polygon.T
        return (np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2

    def clockwise(polygon):
        polygon = np.float64(polygon)
        return polygon if area(polygon) >= 0 else polygon[::-1]

    def iou(a, b) -> float:
        a, b = clockwise(a), clockwise(b)
        left = list(a)
        for start, end in zip(b, np.roll(b, -1, 0)):
            side = [(end - start)[0] * (p - start)[1] - (end - start)[1] * (p - start)[0] for p in left]
            kept = []
            for i, p in enumerate(left):
                if (side[i] >= 0) != (side[i - 1] >= 0):
                    kept.append(left[i - 1] + (p - left[i - 1]) * side[i - 1] / (side[i - 1] - side[i]))
                if side[i] >= 0:
                    kept.append(p)
            left = kept
        shared = area(np.array(left)) if left else 0.0
        return float(shared / (area(a) + area(b) - shared))

    return iou


def _their_shape(shape):
    return (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape
