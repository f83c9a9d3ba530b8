"""Checks of a net from a file by shapes alone: whether its parts fit, and how large its arrays would be."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax

from siamjax.errors import SiamjaxError, WeightsError, one_line
from siamjax.types import Tree

MAX_ARRAY = 256 << 20  # bytes of the largest array; that of the largest published tracker is 60 MB


@contextlib.contextmanager
def of_settings(where: str) -> Iterator[None]:
    """Makes one error of what JAX and Flax say of settings whose parts do not fit each other.

    Raises:
      WeightsError: whatever was raised inside, naming the file `where`.
    """
    try:
        yield
    except WeightsError:
        raise
    except SiamjaxError as error:
        raise WeightsError(f"{error.what} in the settings, {error.where}", where, error.do) from error
    except Exception as error:  # TypeError, AttributeError, IndexError, flax's and chex's own, ...
        raise WeightsError(f"its settings make no net: {one_line(str(error) or type(error).__name__, 200)}", where,
                           "use a file whose parameters and settings were written together") from error


def bounded(call: Callable[..., Tree], *shapes: Tree, where: str) -> Tree:
    """Shapes of what `call` gives, as `jax.eval_shape`, if no array on the way is larger than `MAX_ARRAY`.

    Raises:
      WeightsError: one is.
    """
    program, out = jax.make_jaxpr(call, return_shape=True)(*shapes)
    largest = max(_sizes(program.jaxpr), default=0)
    if largest > MAX_ARRAY:
        raise WeightsError(f"by its settings one array would take {largest >> 20} MB", where,
                           f"use a smaller search_size or upsampling: the most is {MAX_ARRAY >> 20} MB")
    return out


def _sizes(program: Any) -> Iterator[int]:
    """Bytes of every array that a program makes, inside its parts too."""
    for equation in program.eqns:
        for variable in equation.outvars:
            shape = getattr(variable.aval, "shape", ())
            yield math.prod(shape) * getattr(getattr(variable.aval, "dtype", None), "itemsize", 4)
        for part in jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")):
            inner = getattr(part, "jaxpr", part)
            if hasattr(inner, "eqns"):
                yield from _sizes(inner)
