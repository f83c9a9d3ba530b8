"""`tf.train.Example` to bytes and back, without TensorFlow and without its protocol buffers.

A message of named lists: of bytes, of float32 or of int64. What is written is what protocol buffers make of it with
its names in order, so the same example gives the same bytes everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np

Value: TypeAlias = "list[bytes] | np.ndarray"  # an array of float32 or int64, of one axis

BYTES, FLOATS, INTEGERS = 1, 2, 3  # the fields of `tf.train.Feature`
LENGTH = 2  # the wire type of what has a stated length


def encode(example: Mapping[str, Value]) -> bytes:
    """The bytes of an example.

    Args:
      example: lists by name; arrays are of float32 or of integers.
    """
    entries = b"".join(_field(1, _field(1, name.encode("utf-8", "surrogateescape")) + _field(2, _feature(value)))
                       for name, value in sorted(example.items()))
    return _field(1, entries)


def decode(data: bytes) -> dict[str, Value]:
    """The example in bytes that `encode`, or anybody's protocol buffers, made; empty lists are lists of no bytes.

    Raises:
      ValueError: they are not one.
    """
    found: dict[str, Value] = {}
    try:
        for _, features in _fields(data):
            for _, entry in _fields(features):
                parts = dict(_fields(entry))
                name = parts[1].decode("utf-8", "surrogateescape")
                found[name] = _value(parts.get(2, b""))
    except (IndexError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError("the record is no tf.train.Example") from error
    return found


def _feature(value: Value) -> bytes:
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            return _field(FLOATS, _field(1, value.astype("<f4").tobytes()) if value.size else b"")
        return _field(INTEGERS, _field(1, b"".join(map(_varint, value.tolist()))) if value.size else b"")
    return _field(BYTES, b"".join(_field(1, one) for one in value))


def _value(feature: bytes) -> Value:
    for kind, content in _fields(feature):
        parts = [part for _, part in _fields(content)]
        if kind == BYTES:
            return parts
        packed = b"".join(parts)
        return np.frombuffer(packed, "<f4") if kind == FLOATS else _integers(packed)
    return []


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | LENGTH) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    value &= 2**64 - 1  # below nought: its complement, ten bytes long
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def _integers(packed: bytes) -> np.ndarray:
    """`[n]` int64 of varints one behind the other."""
    digits = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(digits < 128)
    if len(digits) and (not len(ends) or ends[-1] != len(digits) - 1):
        raise IndexError("a number is cut off")
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    places = np.arange(len(digits)) - np.repeat(starts, np.diff(np.append(starts, len(digits))))
    if len(digits) and places.max() > 9:
        raise IndexError("a number of more than 64 bits")
    shifted = (digits & np.uint8(127)).astype(np.uint64) << (7 * places).astype(np.uint64)
    return (np.add.reduceat(shifted, starts) if len(starts) else shifted).astype(np.int64)


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message, all of which are of a stated length."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        length, at = _read_varint(data, at)
        if tag & 7 != LENGTH or at + length > len(data):
            raise IndexError("a field is cut off, or of another kind")
        yield tag >> 3, data[at : at + length]
        at += length


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        digit = data[at]
        value |= (digit & 127) << shift
        at, shift = at + 1, shift + 7
        if digit < 128:
            return value, at
        if shift > 63:
            raise IndexError("a number of more than 64 bits")
