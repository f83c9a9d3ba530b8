"""Annotations say the axes of arrays, and tests hold calls to them; the package itself pays nothing for it."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shape_checks

from siamjax.nets.layers import ConvNorm
from siamjax.ops import boxes, losses, masks, xcorr
from siamjax.ops.anchors import AnchorConfig
from siamjax.trackers import postprocess

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path for layer in shape_checks.LAYERS for path in (ROOT / layer.replace(".", "/")).glob("*.py"))
ANY_SHAPE = {"over_axis", "taps", "add", "to_rgb8", "Stream.__call__", "Stream.add"}  # say so in words
BARE = re.compile(r"(?<![\w.\[])(?:np\.ndarray|Array|ArrayLike)\b|(?:tuple|list)\[(?:np\.ndarray|Array)")
looked_at = pytest.mark.skipif(not shape_checks.are_here(), reason="jaxtyping or beartype is not installed")


def ones(*shape):
    return jnp.ones(shape)


WRONG = {
    "channels that differ": lambda: xcorr.depthwise(ones(1, 2, 2, 3), ones(1, 4, 4, 5)),
    "an axis too few": lambda: xcorr.dense(ones(2, 2, 3), ones(1, 4, 4, 3)),
    "boxes of three numbers": lambda: boxes.iou(ones(5, 3), ones(5, 3)),
    "floats for booleans": lambda: losses.masked_mean(ones(4), ones(4)),
    "another count": lambda: losses.weighted_l1(ones(2, 6, 4), ones(2, 6, 4), ones(2, 5)),
    "an affine of another size": lambda: masks.render(ones(5, 5), ones(3, 3), (8, 8)),
    "a method's argument": lambda: AnchorConfig().proposals(ones(5, 5)),
    "one image without a batch": lambda: ConvNorm(2, 3).init(jax.random.key(0), ones(8, 8, 3)),
    "whole numbers for real ones": lambda: postprocess.log_odds(jnp.ones(4, jnp.int32)),
    "under jit": lambda: jax.jit(boxes.iou)(ones(5, 3), ones(5, 3)),
}


@looked_at
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_shape_is_refused_in_tests(kind):
    from jaxtyping import TypeCheckError

    with pytest.raises(TypeCheckError):
        WRONG[kind]()


@looked_at
def test_a_right_shape_is_not_refused():
    assert xcorr.depthwise(ones(1, 2, 2, 3), ones(4, 4, 4, 3)).shape == (4, 3, 3, 3)
    assert boxes.iou(np.ones((5, 4)), np.ones((1, 4))).shape == (5,)


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Those at the top of a module, and the methods of its classes."""
    for node in tree.body:
        for item in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(item, ast.FunctionDef) and (item.name == "__call__" or not item.name.startswith("_")):
                yield (item.name if item is node else f"{node.name}.{item.name}"), item


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_public_functions_say_the_axes_of_their_arrays(path):
    hints = [(name, ast.unparse(hint)) for name, node in functions(ast.parse(path.read_text()))
             for hint in (*(arg.annotation for arg in (*node.args.args, *node.args.kwonlyargs)), node.returns)
             if hint and name not in ANY_SHAPE]
    assert [(name, hint) for name, hint in hints if "Callable" not in hint and BARE.search(hint)] == []


def test_the_package_itself_neither_looks_nor_loads_what_does():
    code = inspect.cleandoc("""
        import sys, typing, jax
        from siamjax.ops import boxes
        from siamjax.trackers import siamrpn
        assert typing.get_type_hints(boxes.iou)["a"] is jax.Array
        assert not hasattr(boxes.iou, "__wrapped__")
        assert not {"jaxtyping", "beartype"} & set(sys.modules)
    """)
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
