"""Holds arrays to the axes that annotations of the package give them, in the tests only.

To a type checker, and where the package runs, `Float[Array, "B H W C"]` is an `Array`. Here jaxtyping's kinds take
these places before the layers are imported, and its import hook has beartype look at every call. What is traced is
looked at once, what is compiled never. Processes that tests start run without.
"""

from __future__ import annotations

import importlib.util

LAYERS = ("siamjax.ops", "siamjax.nets", "siamjax.trackers")
KINDS = ("Bool", "Float", "Int", "Key", "Real", "UInt8")


def are_here() -> bool:
    """Whether the packages that look are installed; the `dev` extra has them."""
    return all(map(importlib.util.find_spec, ("jaxtyping", "beartype")))


def install() -> None:
    """Has every call looked at of the layers' functions that are imported from now on."""
    if not are_here():
        return
    import jaxtyping
    import numpy as np

    from siamjax import types

    for kind in KINDS:
        setattr(types, kind, getattr(jaxtyping, kind))
    types.ArrayLike = types.Array = types.Array | np.ndarray | np.generic  # tests give the host's arrays to functions
    jaxtyping.install_import_hook(LAYERS, "shape_checks.checked")


def checked(function):
    """`function`, whose arrays, in and out, must have the axes that it says; its other arguments may be anything.

    The fields of records are left aside: `vmap` and `jax.tree` rebuild them with leaves of any kind.
    """
    import beartype

    if function.__name__ == "__init__":
        return function
    function.__annotations__ = {name: hint for name, hint in function.__annotations__.items()
                                if any(f"{kind}[" in str(hint) for kind in KINDS)}
    return beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))(function)
