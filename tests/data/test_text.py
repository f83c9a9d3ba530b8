"""Text files in the encodings that people's programs write."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamjax.data.text import decoded, read_json, read_text
from siamjax.errors import DataError

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_read(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("é ü 1,2\n".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "é ü 1,2\n"
    (tmp_path / "a.json").write_bytes(json.dumps({"é": 1}, ensure_ascii=False).encode(encoding))
    assert read_json(tmp_path / "a.json", do="mend it") == {"é": 1}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_of_either_order_has_its_mark(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("\ufeff1,2".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "1,2"


@given(st.binary(max_size=60))
def test_bytes_are_text_or_refused(data):
    try:
        assert isinstance(decoded(data), str)
    except ValueError:
        assert data[:2] in (b"\xff\xfe", b"\xfe\xff", b"\0\0", b"\xef\xbb")


@pytest.mark.parametrize(("data", "says"), [
    (b"[" * 100_000, "nested too deeply"), (b"{", "not JSON"), (b"\xff\xfe\x00", "not text"), (b"1" * 5000, "not JSON"),
    (None, "cannot be read")], ids=["deep", "cut", "half", "huge", "missing"])
def test_what_is_no_json_is_refused(tmp_path, data, says):
    if data is not None:
        (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(DataError, match=says) as caught:
        read_json(tmp_path / "a.json", do="mend it")
    assert caught.value.where.endswith("a.json")
