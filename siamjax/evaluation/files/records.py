"""What makes a tracker's results what they are: written beside them, and compared before a run goes on."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np

from siamjax.trackers.base import LoadedTracker
from siamjax.weights import spec


def describe(loaded: LoadedTracker) -> dict[str, object]:
    """Weights, settings, code, versions and device of a tracker, as JSON."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(loaded.params):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return {
        "model": loaded.name,
        "weights_sha256": digest.hexdigest(),
        "tracker": spec.encode(loaded.tracker),
        "code_sha256": _code_digest(),
        "versions": versions(),
        "device": f"{jax.devices()[0].device_kind} ({jax.default_backend()}, {platform.machine()})",
    }


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    packages = ("siamjax", "jax", "jaxlib", "flax", "numpy", "pillow")
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


def _code_digest() -> str:
    """Digest of the code that results depend on: with other code an earlier run is another run."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for layer in ("ops", "nets", "trackers", "weights", "data"):
        for file in sorted((root / layer).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()
