"""The face of a package: names that its modules hold, each loaded when it is first used.

A face imports its names under `if TYPE_CHECKING:`, where type checkers see them, and lists them in `__all__`; at run
time they are found by those same lines.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any


def face(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package, for its names and its modules."""
    def load(name: str) -> Any:
        if name in homes(package):
            module, original = homes(package)[name]
            found = getattr(importlib.import_module(module), original)
        elif name.startswith("_"):
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        else:
            try:  # a module of the package, such as `siamjax.errors`
                found = importlib.import_module(f"{package}.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"{package}.{name}":
                    raise
                raise AttributeError(f"module '{package}' has no attribute '{name}'") from error
        setattr(sys.modules[package], name, found)
        return found

    return load, lambda: sorted({*vars(sys.modules[package]), *homes(package)})


@functools.cache
def homes(package: str) -> dict[str, tuple[str, str]]:
    """Of each name that the face of a package imports, the module and what it is called there."""
    import ast

    loader: Any = sys.modules[package].__loader__
    checked = [node for node in ast.parse(loader.get_source(package)).body
               if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"]
    return {alias.asname or alias.name: (node.module or "", alias.name)
            for block in checked for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
