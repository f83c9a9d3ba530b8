"""The convolutions of a CoreML neural network, read from its protocol buffer without CoreML.

Only what a published network's weights need is read: the layers, and of each convolution its kernel and bias in half or
single precision. Every length is checked against the bytes there are, and nothing nests deeper than these fields.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from siamjax.errors import WeightsError

MAX_BYTES = 256 << 20  # a hundred times the trackers there are
# Field numbers of Apple's Model.proto and NeuralNetwork.proto.
NETWORKS = (500, 303, 403)  # a neural network, as a classifier, as a regressor
LAYER, LAYER_NAME, CONVOLUTION = 1, 1, 100
FEATURES, CHANNELS, GROUPS, KERNEL_SIZE, WEIGHTS, BIAS = 1, 2, 10, 20, 90, 91
SINGLE, HALF = 1, 2  # of a WeightParams
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A layer's `name`, its `kernel` `[O, C/groups, h, w]`, and its `bias` `[O]` or None; float32."""

    name: str
    kernel: np.ndarray
    bias: np.ndarray | None


def looks_like(head: bytes) -> bool:
    """Whether a file that begins so may be a CoreML model: its first field is the version, its second a text."""
    return len(head) > 2 and head[0] == 1 << 3 | VARINT and 1 <= head[1] < 32 and head[2] == 2 << 3 | BYTES


def read_convolutions(path: str | Path) -> list[Convolution]:
    """The convolutions of a `.mlmodel` file's neural network, in their order.

    Raises:
      WeightsError: not such a file, damaged, or with weights that are quantised.
    """
    path = Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise WeightsError(f"file of {path.stat().st_size >> 20} MB", str(path), "no tracker is that large")
    try:
        data = memoryview(path.read_bytes())
        networks = [value for field, value in _fields(data) if field in NETWORKS and isinstance(value, memoryview)]
        layers = [value for network in networks for field, value in _fields(network)
                  if field == LAYER and isinstance(value, memoryview)]
        found = [convolution for layer in layers if (convolution := _convolution(layer)) is not None]
    except ValueError as error:
        raise WeightsError(f"not a CoreML model that can be read: {error}", str(path),
                           "give the published .mlmodel file, undamaged") from error
    if not found:
        raise WeightsError("a CoreML model without convolutions", str(path),
                           "give a neural network's .mlmodel file; ML programs (.mlpackage) are not read")
    return found


def _convolution(layer: memoryview) -> Convolution | None:
    """The convolution that a layer is, if it is one."""
    own = dict(_fields(layer))
    inside = own.get(CONVOLUTION)
    if not isinstance(inside, memoryview):
        return None
    fields = dict(_fields(inside))
    name = bytes(own.get(LAYER_NAME) or b"").decode("utf-8", "replace")  # type: ignore[arg-type]
    features, channels = (_number(fields.get(field, 0), name) for field in (FEATURES, CHANNELS))
    sizes = _sizes(fields.get(KERNEL_SIZE), name)
    if GROUPS in fields and _number(fields[GROUPS], name) > 1 and channels != 1:
        raise ValueError(f"layer {name!r} is grouped, not depthwise")
    kernel = _values(fields.get(WEIGHTS), (features, channels, *sizes), name)
    bias = None if BIAS not in fields else _values(fields[BIAS], (features,), name)
    return Convolution(name, kernel, bias)


def _sizes(value: int | memoryview | None, name: str) -> tuple[int, int]:
    if not isinstance(value, memoryview):
        raise ValueError(f"layer {name!r} has no kernel size")
    sizes, position = [], 0
    while position < len(value):
        size, position = _varint(value, position)
        sizes.append(size)
    if len(sizes) != 2:
        raise ValueError(f"layer {name!r} has a kernel of {len(sizes)} sides")
    return sizes[0], sizes[1]


def _values(value: int | memoryview | None, shape: tuple[int, ...], name: str) -> np.ndarray:
    """The numbers of a `WeightParams`, as many as the shape says."""
    if not isinstance(value, memoryview):
        raise ValueError(f"layer {name!r} lacks weights")
    fields = dict(_fields(value))
    for field, kind in ((HALF, "<f2"), (SINGLE, "<f4")):
        raw = fields.get(field)
        if isinstance(raw, memoryview) and len(raw):
            if len(raw) != math.prod(shape) * np.dtype(kind).itemsize:
                raise ValueError(f"layer {name!r} has {len(raw)} bytes of weights for a shape of {shape}")
            return np.frombuffer(raw, kind).reshape(shape).astype(np.float32)
    raise ValueError(f"layer {name!r} has weights neither in half nor in single precision")


def _number(value: int | memoryview, name: str) -> int:
    if not isinstance(value, int):
        raise ValueError(f"layer {name!r} has bytes where a number belongs")
    return value


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message; a repeated one comes again."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == VARINT:
            value, position = _varint(data, position)
            yield tag >> 3, value
            continue
        if kind == BYTES:
            length, position = _varint(data, position)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"a field of wire type {kind}")
        if length > len(data) - position:
            raise ValueError("it ends within a field")
        yield tag >> 3, data[position:position + length]
        position += length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """A whole number of up to 64 bits, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ValueError("it ends within a number")
        byte, position = data[position], position + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("a number of more than 64 bits")
