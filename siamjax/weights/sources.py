"""Published files as named tensors: PyTorch checkpoints, npz archives of arrays, CoreML models."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from siamjax.errors import WeightsError, one_line
from siamjax.weights import coreml, files, names

MAX_ARRAYS = 256 << 20  # bytes of all arrays of an npz archive


def read(path: str | Path) -> Mapping[str, np.ndarray]:
    """The tensors of a published file by their names; its content tells what kind of file it is.

    Raises:
      SourceError: there is no such file.
      WeightsError: it is damaged, or of none of these kinds; a CoreML model of another network.
    """
    path = Path(path)
    files.check_size(path)
    with open(path, "rb") as file:
        head = file.read(16)
    if coreml.looks_like(head):
        return _by_graph(coreml.read_convolutions(path), str(path))
    if head.startswith(b"PK") and (arrays := _read_npz(path)) is not None:
        return arrays
    return files.read_state_dict(path)


def _by_graph(convolutions: list[coreml.Convolution], where: str) -> dict[str, np.ndarray]:
    """FEAR-XS's tensors by structural names: a CoreML file names results, its order says which layer gives them."""
    order, trunk = names.FEAR_GRAPH, names.FEAR_TRUNK
    if len(convolutions) == trunk:
        raise WeightsError(f"a CoreML model of {trunk} convolutions, as the exemplar's half of FEAR-XS has", where,
                           "give the tracking half, which holds the trunk and the heads (Tracker.mlmodel)")
    if len(convolutions) != len(order):
        raise WeightsError(f"a CoreML model of {len(convolutions)} convolutions, not the {len(order)} of FEAR-XS",
                           where, "give FEAR-XS's own file (Tracker.mlmodel or FEAR-XS-NoEmbs.mlmodel)")
    tensors = {}
    for name, convolution in zip(order, convolutions):
        tensors[f"{name}.weight"] = convolution.kernel
        if convolution.bias is not None:
            tensors[f"{name}.bias"] = convolution.bias
    return tensors


def _read_npz(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of an npz archive, None where the file is a zip of something else."""
    if not zipfile.is_zipfile(path):  # cut off, perhaps: what it was nobody can tell
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if not entries or not all(entry.filename.endswith(".npy") for entry in entries):
                return None
            if sum(entry.file_size for entry in entries) > MAX_ARRAYS:
                raise WeightsError(f"arrays of more than {MAX_ARRAYS >> 20} MB", str(path), "no tracker is that large")
            arrays = {}
            for entry in entries:
                with archive.open(entry) as file:
                    arrays[entry.filename.removesuffix(".npy")] = _read_array(file, entry.file_size)
            return arrays
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise WeightsError(f"a damaged npz archive: {one_line(str(error), 120)}", str(path),
                           "give the archive as it was published, arrays of numbers only") from error


def _read_array(file: IO[bytes], size: int) -> np.ndarray:
    """An array of numbers whose header promises no more than the file's `size` in bytes holds."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"npy format {version}")
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, turned, dtype = header(file, max_header_size=4096)
    if dtype.kind not in "fiu":
        raise ValueError(f"an array of {dtype}, not of numbers")
    if math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"{size} bytes for an array of shape {shape}")
    data = file.read(math.prod(shape) * dtype.itemsize)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if turned else "C")
