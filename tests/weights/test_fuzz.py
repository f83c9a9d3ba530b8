"""Damaged and invented weight files are read or refused by the package's own errors, never anything else."""

from __future__ import annotations

import contextlib
import io
import json
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from siamjax.errors import SiamjaxError
from siamjax.weights import files

METADATA = dict.fromkeys(files.METADATA, "{}")
WEIGHTS = save({"params/a/kernel": np.zeros((2, 2), np.float32), "params/a/bias": np.zeros(2, np.float16)}, METADATA)
TYPES = ["F32", "F16", "BF16", "F64", "I64", "BOOL", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "C64", "X", 3]
MANY = settings(max_examples=100_000, suppress_health_check=list(HealthCheck))


def damaged(whole: bytes, cut: int, changes: list[tuple[int, int]]) -> bytes:
    content = bytearray(whole[:max(0, len(whole) - cut)])
    for place, value in changes:
        if content:
            content[place % len(content)] = value
    return bytes(content)


def damage(whole: bytes):
    """Cut off, bytes changed, or other bytes altogether."""
    return st.binary(max_size=64) | st.builds(
        damaged, st.just(whole), st.integers(0, 3) | st.integers(0, len(whole)),
        st.lists(st.tuples(st.integers(0, len(whole)), st.integers(0, 255)), max_size=5))


def headed(header, body: int) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(body)


NAMES = st.sampled_from(["params", "params/a", "params/a/b", "params//", "", "/", "é", "\x1b[1m", "batch_stats/x"])
SIZES = st.integers(-1, 9) | st.integers(0, 2**70)
TENSORS = st.fixed_dictionaries({"dtype": st.sampled_from(TYPES), "shape": st.lists(SIZES, max_size=3) | st.none(),
                                 "data_offsets": st.lists(SIZES, min_size=1, max_size=3)})
EMPTY = st.fixed_dictionaries({"dtype": st.sampled_from(TYPES), "shape": st.sampled_from([[0], [0, 2**62], [3, 0]]),
                               "data_offsets": st.just([0, 0])})
HEADERS = st.builds(lambda tensors, described, body: headed(
    {**tensors, **({"__metadata__": METADATA} if described else {})}, body),
    st.dictionaries(NAMES, TENSORS | EMPTY | st.integers(), max_size=3), st.booleans(), st.integers(0, 40))


def checkpoints() -> dict[str, bytes]:
    torch = pytest.importorskip("torch")
    tensors = {"state_dict": {"a.weight": torch.ones(2, 2), "a.bias": torch.ones(2).half()}, "epoch": 3}
    found = {}
    for name, zipped in (("archive", True), ("first format", False)):
        file = io.BytesIO()
        torch.save(tensors, file, _use_new_zipfile_serialization=zipped)
        found[name] = file.getvalue()
    return found


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "x.safetensors"


def loaded_or_refused(path, content: bytes) -> None:
    path.write_bytes(content)
    with contextlib.suppress(SiamjaxError):
        files.load(path)


def read_or_refused(path, content: bytes) -> None:
    path.write_bytes(content)
    with contextlib.suppress(SiamjaxError):
        files.read_state_dict(path)


@given(content=damage(WEIGHTS) | HEADERS)
def test_weight_files(path, content):
    loaded_or_refused(path, content)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["archive", "first format"])
def test_checkpoints(path, kind):
    whole = checkpoints()[kind]
    given(damage(whole))(lambda content: read_or_refused(path, content))()


@pytest.mark.slow
@MANY
@given(content=damage(WEIGHTS) | HEADERS)
def test_many_weight_files(path, content):
    loaded_or_refused(path, content)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["archive", "first format"])
def test_many_checkpoints(path, kind):
    whole = checkpoints()[kind]
    MANY(given(damage(whole))(lambda content: read_or_refused(path, content)))()
