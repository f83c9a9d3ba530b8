"""Weight files: safetensors with metadata; published checkpoints are read by `state_dicts`."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors
from flax import traverse_util
from safetensors import numpy as safetensors_numpy

from siamjax import outputs
from siamjax.errors import SiamjaxError, SourceError, WeightsError, one_line
from siamjax.types import Params
from siamjax.weights import spec, state_dicts
from siamjax.weights.state_dicts import check_total, shortened, what_is_not_finite

METADATA = ("siamjax_version", "model", "config", "source_sha256", "channel_order", "licence", "card")
FLOATS = ("F32", "F16", "BF16", "F64")  # types of the tensors that are read
MAX_HEADER = 8 << 20  # bytes of names, shapes and metadata
MAX_DEPTH = 32  # modules within each other


def save(path: str | Path, variables: Params, metadata: Mapping[str, str], *,
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


@dataclasses.dataclass(frozen=True)
class Header:
    """What a weight file says of itself, before any of its tensors is read.

    Attributes:
      metadata: the entries of `METADATA`.
      variables: the variables dict as `jax.ShapeDtypeStruct`s.
    """

    metadata: dict[str, str]
    variables: Params


def read_header(path: str | Path) -> Header:
    """Names, shapes and metadata of a weight file.

    Raises:
      SourceError: there is no such file.
      WeightsError: not safetensors, not written by siamjax, or larger than any tracker.
    """
    path = Path(path)
    with _opened(path) as file:
        metadata = dict(file.metadata() or {})
        missing = sorted(set(METADATA) - set(metadata))
        if missing:
            raise WeightsError(f"safetensors without siamjax's metadata ({', '.join(missing)})", str(path),
                               "give a file written by `siamjax convert` or `siamjax train`")
        slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        for key, tensor in slices.items():
            if tensor.get_dtype() not in FLOATS:
                raise WeightsError(f"{shortened(key)} is of type {tensor.get_dtype()}, which holds no parameters",
                                   str(path), f"write the file with tensors of {', '.join(FLOATS)}")
        shapes = {key: jax.ShapeDtypeStruct(tuple(tensor.get_shape()), np.float32) for key, tensor in slices.items()}
    check_total({key: value.shape for key, value in shapes.items()}, str(path))
    return Header(metadata, _nested(shapes, str(path)))


def load(path: str | Path) -> tuple[Params, dict[str, str]]:
    """Reads a weight file: the variables dict, floats as float32, and the metadata.

    Raises:
      SourceError: there is no such file.
      WeightsError: as `read_header`, or for values that are not finite.
    """
    path = Path(path)
    header = read_header(path)
    with _opened(path) as file:
        arrays = {key: np.asarray(file.get_tensor(key)).astype(np.float32, copy=False)
                  for key in file.keys()}  # noqa: SIM118
    unfinite = {key: value for key, value in arrays.items() if not np.isfinite(value).all()}
    if unfinite:
        key, value = next(iter(unfinite.items()))
        raise WeightsError(f"{shortened(key)} holds {what_is_not_finite(value)}: numbers that are not finite"
                           + (f", as {len(unfinite) - 1} others do" if len(unfinite) > 1 else ""), str(path),
                           "the training diverged or the file is damaged: write it again from an earlier checkpoint")
    return _nested(arrays, str(path)), header.metadata


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file as safetensors, whose header has been bounded."""
    check_size(path)
    do = f"give a file written by siamjax, or `siamjax convert {path.name}` first"
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if MAX_HEADER < length <= path.stat().st_size:
            raise WeightsError(f"its header is of {length >> 20} MB, which describes no tracker", str(path), do)
        with safetensors.safe_open(path, framework="numpy") as file:
            yield file
    except (safetensors.SafetensorError, OSError, ValueError, OverflowError) as error:
        if isinstance(error, SiamjaxError):
            raise
        raise WeightsError(f"not a safetensors file: {one_line(str(error), 160)}", str(path), do) from error


def _nested(flat: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A tree of what stands under names like `params/backbone/conv1/kernel`."""
    paths = {tuple(key.split("/")): value for key, value in flat.items()}
    for path in paths:
        inside = next((path[:n] for n in range(1, len(path)) if path[:n] in paths), None)
        if inside or not all(path) or len(path) > MAX_DEPTH:
            name = shortened("/".join(path))
            said = (f"'{shortened('/'.join(inside))}' stands beside '{name}'" if inside else
                    f"'{name}' is no name of a parameter")
            raise WeightsError(said, where, "give a file written by siamjax")
    return traverse_util.unflatten_dict(paths)


def digest(path: str | Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """A PyTorch checkpoint's tensors by name, wrappers and prefixes taken off (`state_dicts`).

    A pickle that names anything but what tensors are made of is refused, and nothing of it is executed.

    Raises:
      SourceError: there is no such file.
      WeightsError: not a checkpoint, one that holds more than tensors, or larger than any tracker; torch is missing.
    """
    path = Path(path)
    check_size(path)
    return state_dicts.read(path)


def check_size(path: Path) -> None:
    """Raises SourceError where there is no such file, and WeightsError for one that is too large to be a tracker's."""
    if not path.is_file():
        raise SourceError("no such file", str(path), "check the path")
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", str(path), "check its permissions") from error
    if path.stat().st_size > state_dicts.MAX_BYTES:
        raise WeightsError(f"file of {path.stat().st_size >> 20} MB", str(path), "no tracker is that large")


def pretty(metadata: Mapping[str, str], *, where: str) -> str:
    """Metadata as lines to read; raises WeightsError where its settings are not JSON."""
    shown = {key: one_line(value) for key, value in metadata.items() if key not in ("config", "card")}
    return "\n".join([*(f"{key}: {value}" for key, value in shown.items()),
                      "config: " + json.dumps(spec.parse(metadata["config"], where=where), indent=2)])
