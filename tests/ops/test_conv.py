"""Every form of a convolution against the plain one, its gradients, and what each platform compiles."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from siamjax.errors import ConfigError
from siamjax.ops import conv, winograd

BAR = {1: 3e-6, 3: 3e-6, 5: 6e-6, 11: 3e-6}  # of the largest output

#         height, width, channels, features, kernel size, other arguments of conv2d
CASES = {
    "1x1": (9, 7, 24, 16, 1, {}),
    "1x1 stride 2": (9, 8, 24, 16, 1, {"stride": 2}),
    "1x1 padded": (9, 8, 24, 16, 1, {"padding": 1}),
    "depthwise": (12, 9, 16, 16, 3, {"groups": 16, "padding": 1}),
    "depthwise stride 2": (13, 10, 16, 16, 3, {"groups": 16, "padding": 1, "stride": 2}),
    "depthwise dilation 4": (13, 12, 16, 16, 3, {"groups": 16, "padding": 4, "dilation": 4}),
    "depthwise stride and dilation": (14, 11, 16, 16, 3, {"groups": 16, "stride": 2, "dilation": 2}),
    "depthwise multiplier": (8, 9, 4, 8, 3, {"groups": 4}),
    "winograd 3x3 even": (10, 12, 32, 24, 3, {}),
    "winograd 3x3 odd": (9, 11, 32, 24, 3, {}),
    "winograd 3x3 padded": (8, 9, 40, 24, 3, {"padding": 1}),
    "winograd 3x3 one cell": (3, 3, 32, 8, 3, {}),
    "winograd 3x3 dilation 2": (9, 12, 32, 24, 3, {"padding": 2, "dilation": 2}),
    "winograd 3x3 dilation 4": (13, 11, 32, 24, 3, {"padding": 4, "dilation": 4}),
    "winograd 3x3 dilation 2, unpadded": (11, 10, 32, 24, 3, {"dilation": 2}),
    "winograd 5x5": (11, 10, 48, 32, 5, {}),
    "winograd 5x5 groups": (10, 11, 96, 48, 5, {"groups": 2, "padding": 2}),
    "winograd 3x3 groups": (8, 9, 64, 32, 3, {"groups": 2}),
    "3x3 stride 2": (10, 9, 32, 16, 3, {"stride": 2, "padding": 1}),
    "few channels": (9, 8, 4, 8, 3, {"padding": 1}),
    "stem": (43, 37, 3, 16, 11, {"stride": 2}),
    "stem padded": (30, 41, 3, 16, 11, {"stride": 2, "padding": 5}),
    "3x3 stem": (11, 13, 3, 16, 3, {"stride": 2}),
    "3x3 stem with a pixel over": (12, 10, 2, 16, 3, {"stride": 2}),
    "3x3 stem padded": (12, 9, 3, 16, 3, {"stride": 2, "padding": 1}),
}


def example(name):
    height, width, channels, features, size, options = CASES[name]
    rng = np.random.default_rng(len(name))
    fan_in = size * size * channels // options.get("groups", 1)
    x = np.maximum(rng.standard_normal((2, height, width, channels)), 0).astype(np.float32)
    kernel = rng.standard_normal((size, size, channels // options.get("groups", 1), features))
    return x, (kernel / np.sqrt(fan_in)).astype(np.float32), options


def relative(actual, expected):
    """Largest difference as a share of the largest expected value."""
    return np.abs(np.asarray(actual) - np.asarray(expected)).max() / np.abs(np.asarray(expected)).max()


@pytest.mark.parametrize("name", CASES)
def test_fast_equals_plain(name):
    x, kernel, options = example(name)
    plain, fast = (jax.jit(functools.partial(conv.conv2d, lowering=form, **options))(x, kernel)
                   for form in ("lax", "fast"))
    assert plain.shape == fast.shape
    assert relative(fast, plain) <= BAR[kernel.shape[0]]


# Of each form one, strided, dilated, padded or in groups.
OF_EACH_FORM = ("1x1 stride 2", "depthwise stride and dilation", "winograd 3x3 dilation 2, unpadded",
                "winograd 5x5 groups", "3x3 stride 2", "stem padded", "3x3 stem with a pixel over")


@pytest.mark.parametrize("name", [name if name in OF_EACH_FORM else pytest.param(name, marks=pytest.mark.slow)
                                  for name in CASES])
def test_gradients_of_fast_equal_those_of_plain(name):
    x, kernel, options = example(name)

    @functools.partial(jax.jit, static_argnums=0)
    def gradients(form):
        y, back = jax.vjp(functools.partial(conv.conv2d, lowering=form, **options), x, kernel)
        return back(jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape))

    for fast, plain in zip(gradients("fast"), gradients("lax")):
        assert fast.shape == plain.shape
        assert relative(fast, plain) <= 2 * BAR[kernel.shape[0]]  # gradients sum as many terms, of both signs


@pytest.mark.parametrize("name", ["winograd 5x5 groups", "winograd 3x3 dilation 2"])
def test_transformed_kernels_give_the_same(name):
    x, kernel, options = example(name)
    groups = np.split(kernel.astype(np.float64), options.get("groups", 1), axis=3)
    kernels = tuple(winograd.transform_kernel(group).astype(np.float32) for group in groups)
    rest = {key: value for key, value in options.items() if key != "groups"}
    assert relative(conv.conv2d_transformed(x, kernels, **rest),
                    conv.conv2d(x, kernel, lowering="lax", **options)) <= BAR[kernel.shape[0]]


@pytest.mark.parametrize("size", winograd.POINTS)
def test_winograd_matrices_are_an_exact_algorithm(size):
    output, kernel, inputs = winograd.transforms(size)
    rng = np.random.default_rng(size)
    g, d = rng.standard_normal(size), rng.standard_normal(size + 1)
    actual = output @ ((kernel @ g) * (inputs @ d))
    np.testing.assert_allclose(actual, np.correlate(d, g, "valid"), atol=1e-12)
    for matrix in (output, inputs):  # applied in float32: no coefficient may be rounded
        np.testing.assert_array_equal(matrix, matrix.astype(np.float32))


def test_other_dtypes_are_not_transformed():
    x, kernel, _ = example("winograd 3x3 even")
    x, kernel = (jnp.asarray(a, jnp.bfloat16) for a in (x, kernel))
    plain, fast = (conv.conv2d(x, kernel, lowering=form) for form in ("lax", "fast"))
    np.testing.assert_array_equal(fast, plain)


def test_a_cpu_compiles_only_the_fast_form_and_others_only_the_plain_one():
    x, kernel, _ = example("winograd 3x3 even")
    loss = jax.jit(jax.grad(lambda x, kernel: conv.conv2d(x, kernel).sum(), argnums=(0, 1)))
    forward = jax.jit(conv.conv2d)
    for function in (forward, loss):
        cpu, gpu = (function.trace(x, kernel).lower(lowering_platforms=(platform,)).as_text()
                    for platform in ("cpu", "cuda"))
        assert "stablehlo.convolution" not in cpu
        assert "stablehlo.dot_general" in cpu
        assert "stablehlo.convolution" in gpu
        assert "stablehlo.dot_general" not in gpu


@pytest.mark.parametrize("name", ["winograd 5x5", "stem"])
def test_lanes_of_a_vmap_join_the_batch(name):
    shape, size, options = ((24, 24, 48), 5, {}) if name == "winograd 5x5" else ((47, 47, 3), 11, {"stride": 2})
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 1, *shape)).astype(np.float32)
    kernel = rng.standard_normal((size, size, shape[2], 32)).astype(np.float32)
    fast = functools.partial(conv.conv2d, lowering="fast", **options)
    lanes = jax.jit(jax.vmap(fast, in_axes=(0, None))).lower(x, kernel).compile()
    batch = jax.jit(fast).lower(x[:, 0], kernel).compile()
    y = lanes(x, kernel)
    np.testing.assert_allclose(y[:, 0], batch(x[:, 0], kernel), rtol=1e-5, atol=1e-4)
    temporaries = [program.memory_analysis().temp_size_in_bytes for program in (lanes, batch)]
    assert temporaries[0] <= 1.1 * temporaries[1]
    each = jax.jit(jax.vmap(fast))(x[:2], np.stack([kernel, 2 * kernel]))  # a kernel a lane
    np.testing.assert_allclose(each, np.stack([y[0], 2 * y[1]]), rtol=1e-5, atol=1e-3)


def test_auto_works_under_vmap_and_grad():
    x, kernel, _ = example("winograd 3x3 odd")
    each = jax.jit(jax.vmap(lambda x: conv.conv2d(x[None], kernel)[0]))(x)
    np.testing.assert_allclose(each, conv.conv2d(x, kernel, lowering="lax"), atol=1e-5)
    per_sample = jax.jit(jax.vmap(jax.grad(lambda k, x: conv.conv2d(x[None], k).sum()), in_axes=(None, 0)))(kernel, x)
    total = jax.jit(jax.grad(lambda k: conv.conv2d(x, k, lowering="lax").sum()))(kernel)
    np.testing.assert_allclose(per_sample.sum(0), total, rtol=1e-4, atol=1e-3)


def test_plain_form_is_differentiable_forwards():
    x, kernel, _ = example("few channels")
    _, tangent = jax.jvp(lambda x: conv.conv2d(x, kernel, lowering="lax"), (x,), (x,))
    np.testing.assert_allclose(tangent, conv.conv2d(x, kernel, lowering="lax"), rtol=1e-6)


def test_an_unknown_lowering_is_refused():
    x, kernel, _ = example("few channels")
    with pytest.raises(ConfigError, match="quick"):
        conv.conv2d(x, kernel, lowering="quick")
