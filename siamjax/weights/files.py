"""Weight files: safetensors with metadata; and the only reader of pickles."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors
from flax import traverse_util
from safetensors import numpy as safetensors_numpy

from siamjax import outputs
from siamjax.errors import SourceError, WeightsError

METADATA = ("siamjax_version", "model", "config", "source_sha256", "channel_order", "licence", "card")
MAX_BYTES = 4 << 30  # far above any tracker; a size is bounded before it is read


def save(path: str | Path, variables: Mapping[str, Any], metadata: Mapping[str, str], *,
         dtype: str = "float32") -> None:
    """Writes a variables dict as safetensors, by a temporary name.

    Args:
      path: file to write, `.safetensors`.
      variables: `{"params": ..., "batch_stats": ...}` in linen layout.
      metadata: the entries of `METADATA`, all text.
      dtype: dtype of the floats in the file, `float32` or `float16`.
    Raises:
      WeightsError: entries of the metadata are missing.
      OutputError: the file cannot be written.
    """
    path = Path(path)
    missing = sorted(set(METADATA) - set(metadata))
    if missing:
        raise WeightsError(f"metadata lacks {', '.join(missing)}", str(path), "use weights.zoo.metadata_for")
    flat = traverse_util.flatten_dict(dict(variables), sep="/")
    # safetensors writes the buffer as it lies in memory, so a transposed array must be laid out first.
    arrays = {key: np.asarray(jax.device_get(value), dtype, order="C") for key, value in flat.items()}
    outputs.check_folder(path.parent)
    with outputs.whole_file(path, "wb") as file:
        file.write(safetensors_numpy.save(arrays, metadata=dict(metadata)))


def load(path: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Reads a weight file: the variables dict, floats as float32, and the metadata.

    Raises:
      SourceError: there is no such file.
      WeightsError: not safetensors, not written by siamjax, or with values that are not finite.
    """
    path = Path(path)
    _check_size(path)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise WeightsError("not a safetensors file", str(path),
                           f"give a file written by siamjax, or `siamjax convert {path.name}` first") from error
    missing = sorted(set(METADATA) - set(metadata))
    if missing:
        raise WeightsError(f"safetensors without siamjax's metadata ({', '.join(missing)})", str(path),
                           "give a file written by `siamjax convert` or `siamjax train`")
    for key, value in arrays.items():
        if value.dtype.kind != "f" or not np.isfinite(value).all():
            raise WeightsError(f"{key} holds values that are not finite numbers", str(path),
                               "write the file again from its source")
    flat = {tuple(key.split("/")): value.astype(np.float32) for key, value in arrays.items()}
    return traverse_util.unflatten_dict(flat), metadata


def digest(path: str | Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """A PyTorch checkpoint's tensors by name, with the usual wrappers taken off (SPEC 9).

    Reads with `weights_only=True`: a pickle that asks for anything but tensors is refused and nothing of it
    is executed.

    Raises:
      SourceError: there is no such file.
      WeightsError: not a checkpoint, or one that holds more than tensors; torch is missing.
    """
    path = Path(path)
    _check_size(path)
    try:
        import torch
    except ImportError as error:
        raise WeightsError("PyTorch, which reads this file, is not installed", str(path),
                           "install it with `pip install 'siamjax[convert]'`") from error
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError, ... of a bad file
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise WeightsError(f"not a checkpoint of tensors only, so nothing of it was run: {reason}", str(path),
                           "give the state dict of a published model") from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not loaded:
        raise WeightsError(f"holds a {type(loaded).__name__}, not named tensors", str(path),
                           "give the state dict of a published model")
    tensors = {}
    for key, value in loaded.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise WeightsError(f"entry {key!r} is not a named tensor", str(path),
                               "give the state dict of a published model")
        plain = value.detach().float() if value.is_floating_point() else value  # numpy has no bfloat16
        tensors[key.removeprefix("module.")] = plain.numpy()
    return tensors


def _check_size(path: Path) -> None:
    if not path.is_file():
        raise SourceError("no such file", str(path), "check the path")
    if path.stat().st_size > MAX_BYTES:
        raise WeightsError(f"file of {path.stat().st_size >> 20} MB", str(path), "no tracker is that large")


def pretty(metadata: Mapping[str, str]) -> str:
    """Metadata as lines to read."""
    shown = {key: value for key, value in metadata.items() if key not in ("config", "card")}
    return "\n".join([*(f"{key}: {value}" for key, value in shown.items()),
                      "config: " + json.dumps(json.loads(metadata["config"]), indent=2)])
