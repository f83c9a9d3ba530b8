"""An npz of embeddings, and everything else that may have its name."""

from __future__ import annotations

import io
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.errors import DataError, SiamjaxError, SourceError
from siamjax.evaluation.files import archives, embeddings

GOOD = {"embeddings": np.float32([[1, 2], [3, 4]]), "files": np.array(["a.jpg", "é.jpg"]),
        **{name: np.array(name) for name in embeddings.FIELDS[2:]}}


def written(path: Path, **changes) -> Path:
    np.savez(path, **{name: value for name, value in {**GOOD, **changes}.items() if value is not None})
    return path


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_embeddings_of_every_layout_are_read(tmp_path, dtype, order):
    found = embeddings.read(written(tmp_path / "x.npz", embeddings=np.array(GOOD["embeddings"], dtype, order=order)))
    np.testing.assert_array_equal(found.embeddings, GOOD["embeddings"])
    assert found.embeddings.dtype == np.float32
    assert found.files.tolist() == ["a.jpg", "é.jpg"]


@pytest.mark.parametrize(("changes", "said"), [
    ({"side": None}, "no embeddings in it: side missing"),
    ({"embeddings": np.array([None, 1])}, "embeddings is of type object"),
    ({"files": np.array([{}, 1])}, "files is of type object"),
    ({"embeddings": np.zeros(2, "f4,i4")}, "embeddings is of type"),
    ({"embeddings": np.zeros((2, 2), complex)}, "embeddings is of type complex128"),
    ({"embeddings": np.zeros((2, 2), "M8[s]")}, "embeddings is of type datetime64"),
    ({"files": np.array([b"a", b"b"])}, "files is of type |S1"),
    ({"embeddings": np.zeros((2, 2), int)}, "do not fit together"),
    ({"embeddings": np.zeros((2, 2), bool)}, "do not fit together"),
    ({"embeddings": np.zeros(2, "f4")}, "do not fit together"),
    ({"embeddings": np.zeros((2, 2, 1), "f4")}, "do not fit together"),
    ({"embeddings": np.zeros((0, 2), "f4"), "files": np.zeros(0, "U1")}, "do not fit together"),
    ({"files": np.array("a")}, "do not fit together"),
    ({"files": np.array(["a"])}, "do not fit together"),
    ({"side": np.array(["first"])}, "do not fit together"),
    ({"side": np.array(3)}, "do not fit together"),
    ({"embeddings": np.full((2, 2), np.nan)}, "not finite"),
    ({"embeddings": np.full((2, 2), -np.inf)}, "not finite"),
    ({"embeddings": np.full((2, 2), 1e300)}, "not finite")])
def test_an_npz_that_holds_something_else_says_what(tmp_path, changes, said):
    with pytest.raises(DataError) as raised:
        embeddings.read(written(tmp_path / "x.npz", **changes))
    assert said in str(raised.value)


def test_text_of_no_characters_is_refused(tmp_path):
    strange = np.frombuffer(np.uint32([0x110000, 65]).tobytes(), "<U1")
    with pytest.raises(DataError, match="files is no text"):
        embeddings.read(written(tmp_path / "x.npz", files=strange))


def headed(shape: str, descr: str = "'<f4'", content: bytes = bytes(64)) -> bytes:
    """A `.npy` that declares what it likes."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + content


@pytest.mark.parametrize(("npy", "said"), [
    (headed("(100000, 100000)"), "declares 40000000000 bytes and has"),
    (headed("(4, -4)"), "declares"),
    (headed("(-4, -4)"), "declares"),
    (headed("(20, 2)", content=b"1"), "embeddings declares 160 bytes and has 129"),
    (headed("(2, 2)", content=b"1"), "embeddings is cut off"),
    (headed("(2, 2)", "'|V1000000000'"), "is of type |V1000000000"),
    (headed("(2, 2)", "'<U100000000'"), "declares 1600000000 bytes"),
    (headed("'x'"), "no embeddings in it"),
    (headed("(2, 2)", "'what'"), "no embeddings in it"),
    (b"\x93NUMPY\x09\x00", "no embeddings in it"),
    (b"", "no embeddings in it")])
def test_an_array_that_declares_what_it_has_not(tmp_path, npy, said):
    path = written(tmp_path / "x.npz", embeddings=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("embeddings.npy", npy)
    with pytest.raises(DataError) as raised:
        embeddings.read(path)
    assert said in str(raised.value)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = written(tmp_path / "x.npz", embeddings=None)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    packing = zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1)
    with packing as archive, archive.open("embeddings.npy", "w") as file:
        file.write(headed("(5, 16777216)", content=b""))
        for _ in range(20):
            file.write(bytes(16 << 20))
    with pytest.raises(DataError, match=r"320 MB packed into \d+ KB"):
        embeddings.read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_other_files(tmp_path):
    with pytest.raises(SourceError, match="no such file"):
        embeddings.read(tmp_path / "none.npz")
    for content in (b"", b"PK\x03\x04", b"<html>", bytes(100)):
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(DataError, match="no embeddings in it"):
            embeddings.read(tmp_path / "x.npz")


def damaged(whole: bytes, cut: int, changes: list[tuple[int, int]]) -> bytes:
    content = bytearray(whole[:max(0, len(whole) - cut)])
    for place, value in changes:
        if content:
            content[place % len(content)] = value
    return bytes(content)


def whole_npz() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **GOOD)
    return file.getvalue()


WHOLE = whole_npz()
DAMAGE = st.builds(damaged, st.just(WHOLE), st.integers(0, 5) | st.integers(0, len(WHOLE)),
                   st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=6))


@given(DAMAGE | st.binary(max_size=200))
def test_a_damaged_npz_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("npz", numbered=True) / "x.npz"
    path.write_bytes(content)
    try:
        held = archives.read_arrays(path, embeddings.FIELDS, what="embeddings", do="do")
        assert set(held) == set(embeddings.FIELDS)
        embeddings.read(path)
    except SiamjaxError:
        pass
