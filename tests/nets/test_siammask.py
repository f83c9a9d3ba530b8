"""SiamMask's net: what one cell's mask takes, that it is the mask of all cells' maps, and how it begins."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from hypothesis import given, settings
from hypothesis import strategies as st

from siamjax.nets.mask_heads import Refine, nearest, take_windows
from siamjax.nets.necks import Adjust
from siamjax.nets.resnet import ResNet50
from siamjax.nets.rpn_heads import DepthwiseBranch, DepthwiseRPN
from siamjax.nets.siammask import SiamMask
from siamjax.precision import FAST, PARITY
from siamjax.weights import spec
from siamjax.weights.prepare import prepare

LAX = {"lowering": "lax"}


def siammask(refined, *, width=2, blocks=(1, 1, 1, 1), hidden=4, widths=(4, 4, 2), precision=PARITY):
    """A narrow net."""
    kind = {"precision": precision, **LAX}
    return SiamMask(
        ResNet50(blocks=blocks, width=width, used_layers=(0, 1, 2, 3) if refined else (3,), **kind),
        Adjust((hidden,), margin=4, **kind), DepthwiseRPN(hidden, **kind), DepthwiseBranch(hidden, 63 * 63, **kind),
        Refine(widths, **kind) if refined else None)


def images(batch, search):
    rng = np.random.default_rng(0)
    return [rng.uniform(0, 255, (batch, side, side, 3)).astype(np.float32) for side in (127, search)]


@functools.cache
def variables_of(refined):
    """Of the narrow net, for searches of any size."""
    return jax.jit(siammask(refined).init)(jax.random.key(0), *images(1, 143))


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def masks_at(net, exemplar, search, cells):
    """The masks of each `[B, 2]` of `cells`, as a tracker takes them."""
    _, _, cues = net.detect(net.embed_exemplar(exemplar), search)
    return [net.mask_at(cues, cell) for cell in cells]


@pytest.mark.parametrize(("refined", "parameters"), [(False, 18_816_735), (True, 21_482_052)])
def test_parameters_are_those_of_the_published_nets(refined, parameters):
    net = siammask(refined, width=64, blocks=(3, 4, 6), hidden=256, widths=(32, 16, 4))
    params = jax.eval_shape(net.init, jax.random.key(0), *images(1, 143))["params"]
    assert count(params) == parameters
    assert count(params["mask"]) == 2_266_753
    if refined:
        assert count(params["refine"]) == 2_665_317


@pytest.mark.parametrize(("refined", "search", "grid", "pixels"), [
    (False, 255, 25, 63 * 63), (False, 143, 3, 63 * 63), (True, 143, 3, 127 * 127), (True, 255, 25, 127 * 127)])
def test_training_gives_the_mask_of_every_cell(refined, search, grid, pixels):
    shapes = jax.eval_shape(lambda key, *crops: siammask(refined).init_with_output(key, *crops)[0],
                            jax.random.key(0), *images(2, search))
    anchors = 5 * grid * grid
    assert [out.shape for out in shapes] == [(2, anchors, 2), (2, anchors, 4), (2, grid, grid, pixels)]
    assert all(out.dtype == jnp.float32 for out in shapes)


# The neck cuts the features of 143 px, so only those of 167 px are padded.
@pytest.mark.parametrize(("refined", "search"), [
    (True, 167), *(pytest.param(*case, marks=pytest.mark.slow) for case in ((False, 143), (False, 167), (True, 143)))])
def test_a_cells_mask_is_its_own_of_the_map_of_all(refined, search):
    net, variables, crops = siammask(refined), variables_of(refined), images(2, search)
    _, _, every = jax.jit(net.apply)(variables, *crops)
    grid = every.shape[1]
    cells = np.int32([[[0, 0], [grid - 1, 1]], [[1, grid - 1], [grid // 2, 0]]])  # another cell in each sample
    found = jax.jit(lambda v, *crops: net.apply(v, *crops, cells, method=masks_at))(variables, *crops)
    for chosen, masks in zip(cells, found, strict=True):
        for sample, (row, column) in enumerate(chosen):
            want = every[sample, row, column].reshape(masks.shape[1:])
            assert np.ptp(want) > 0
            np.testing.assert_allclose(masks[sample], want, rtol=1e-5, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("refined", [False, True])
def test_tracking_pays_for_one_cell(refined):
    """Operations of `mask_at` do not grow with the map: 25 x 25 cells cost what 3 x 3 do."""
    net = siammask(refined)
    variables = variables_of(refined)

    def operations(search):
        _, _, cues = jax.eval_shape(
            lambda v, z, x: net.apply(v, z, x, method=lambda n, z, x: n.detect(n.embed_exemplar(z), x)),
            variables, *images(1, search))
        step = jax.jit(lambda v, cues, cell: net.apply(v, cues, cell, method="mask_at"))
        analysis = step.lower(variables, cues, jax.ShapeDtypeStruct((1, 2), np.int32)).cost_analysis()
        return analysis["flops"]

    assert operations(255) < 1.05 * operations(143)


@settings(max_examples=8)  # each is a program
@given(data=st.data(), side=st.integers(1, 5), stride=st.integers(1, 3), grid=st.integers(1, 4))
def test_windows_are_those_of_the_padded_features(data, side, stride, grid):
    covered = side + stride * (grid - 1)
    before = data.draw(st.integers(0, (covered - 1) // 2))
    width = covered - 2 * before
    x = np.random.default_rng(0).standard_normal((1, width, width, 2)).astype(np.float32)
    row, column = (data.draw(st.integers(0, grid - 1)) for _ in range(2))
    got = take_windows(x, np.int32([[[row, column]]]), side=side, grid=grid, stride=stride, before=before)
    assert got.shape == (1, 1, side, side, 2)
    for i in range(side):
        for j in range(side):
            y, x_ = row * stride + i - before, column * stride + j - before
            inside = 0 <= y < width and 0 <= x_ < width
            np.testing.assert_array_equal(got[0, 0, i, j], x[0, y, x_] if inside else [0, 0])


def test_a_cut_neck_and_a_padded_window_mean_the_same_place():
    """Uncut, cell (4, 4) is the first whose windows lie within the features; cut by 4 it is the first of all."""
    net, rng = Refine((4, 4, 2), **LAX), np.random.default_rng(0)
    correlation = rng.standard_normal((1, 25, 25, 3)).astype(np.float32)
    levels = tuple(rng.standard_normal((1, side, side, 2)).astype(np.float32) for side in (31, 63, 125))
    cells = np.int32([[[0, 0], [16, 3], [5, 16]]])
    uncut, variables = jax.jit(lambda key: net.init_with_output(key, correlation, levels, cells + 4))(jax.random.key(0))
    cut = jax.jit(net.apply)(variables, correlation[:, 4:-4, 4:-4], levels, cells)
    np.testing.assert_allclose(uncut, cut, rtol=1e-5, atol=1e-5)
    other = jax.jit(net.apply)(variables, correlation, levels, cells + 3)
    assert np.abs(other - uncut).max() > 0.1


@pytest.mark.parametrize(("small", "large"), [(15, 31), (31, 61), (61, 127), (3, 7)])
def test_upsampling_repeats_the_pixel_at_the_floor(small, large):
    x = np.arange(small * small, dtype=np.float32).reshape(1, small, small, 1)
    got = nearest(x, large)
    for i, j in ((0, 0), (large - 1, large - 1), (large // 2, large // 3), (1, large - 2)):
        assert got[0, i, j, 0] == x[0, i * small // large, j * small // large, 0]


def test_the_refinement_begins_as_published():
    """Kernels within sqrt(3 / fan-in), biases within sqrt(1 / fan-in), the spread within sqrt(1 / (32 * 225))."""
    net = Refine(**LAX)
    correlation = jnp.zeros((1, 3, 3, 256))
    levels = tuple(jnp.zeros((1, side, side, channels)) for side, channels in ((17, 512), (35, 256), (69, 64)))
    params = jax.jit(net.init)(jax.random.key(0), correlation, levels, jnp.zeros((1, 1, 2), jnp.int32))["params"]
    flat = traverse_util.flatten_dict(params, sep="/")
    for path, leaf in flat.items():
        kernel = flat[path.rsplit("/", 1)[0] + "/kernel"]
        if path.startswith("spread"):
            assert kernel.shape == (15, 15, 32, 256)
            bound = (32 * 225) ** -0.5
        else:
            bound = (3 if path.endswith("kernel") else 1) ** 0.5 * (9 * kernel.shape[2]) ** -0.5
        assert np.abs(leaf).max() <= bound, path
        if leaf.size > 1000:
            assert np.abs(leaf).max() > 0.98 * bound, path
            assert abs(leaf.mean()) < 0.1 * bound, path


def test_gradients_reach_all_but_the_coarse_mask():
    net = siammask(refined=True)
    variables, crops = variables_of(True), images(1, 143)

    def loss(params):
        return sum((out ** 2).mean() for out in net.apply({**variables, "params": params}, *crops))

    flat = traverse_util.flatten_dict(jax.jit(jax.grad(loss))(variables["params"]), sep="/")
    still = {path for path, gradient in flat.items() if not np.any(gradient)}
    assert {path for path in flat if path.startswith(("mask/mix", "mask/out"))} <= still
    # A narrow net at its start has a few ReLUs that no pixel passes.
    assert len({path for path in still if not path.startswith(("mask/mix", "mask/out"))}) <= 2
    assert {"refine/spread/kernel", "mask/exemplar/kernel", "mask/search/kernel"} <= set(flat) - still


@pytest.mark.parametrize("refined", [pytest.param(False, marks=pytest.mark.slow), True])
def test_prepared_nets_give_the_same_and_drop_the_coarse_mask_that_is_not_run(refined):
    net, crops = siammask(refined), images(1, 143)
    variables = variables_of(refined)
    prepared, params = prepare(net, variables)
    assert set(params["params"]["mask"]) == {"exemplar", "search"} | (set() if refined else {"mix", "out"})
    assert not any("norm" in path for path in traverse_util.flatten_dict(params, sep="/"))
    cells = np.int32([[[2, 1]]])
    plain, folded = (jax.jit(lambda v, n=n: n.apply(v, *crops, cells, method=masks_at)[0])(v)
                     for n, v in ((net, variables), (prepared, params)))
    np.testing.assert_allclose(folded, plain, atol=2e-5 * np.abs(plain).max())


@pytest.mark.parametrize("refined", [pytest.param(False, marks=pytest.mark.slow), True])
def test_half_precision_answers_in_single(refined):
    crops, cells = images(1, 143), np.int32([[[0, 2]]])
    half, single = (jax.jit(lambda v, p=p: siammask(refined, precision=p).apply(v, *crops, cells, method=masks_at)[0])(
        variables_of(refined)) for p in (FAST, PARITY))
    assert half.dtype == jnp.float32
    assert 0 < np.abs(half - single).max() < 0.1 * np.abs(single).max()  # bfloat16 did compute them


def test_a_backbone_of_one_level_needs_no_neck():
    """As an AlexNet does, whose exemplars are not cut."""
    net = SiamMask(ResNet50(width=2, blocks=(1, 1), used_layers=(2,), **LAX), None, DepthwiseRPN(4, **LAX),
                   DepthwiseBranch(4, 5 * 5, **LAX))
    crops = images(1, 255)
    cls, _, masks = jax.eval_shape(lambda key: net.init_with_output(key, *crops)[0], jax.random.key(0))
    assert masks.shape == (1, 17, 17, 25)
    assert cls.shape == (1, 5 * 17 * 17, 2)


def test_settings_survive_json():
    net = siammask(refined=True)
    assert spec.loads(spec.dumps(net), where="x") == net
