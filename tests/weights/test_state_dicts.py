"""Checkpoints of PyTorch: every wrapper and prefix taken off, and every other kind of file one clear line."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from siamjax.errors import WeightsError
from siamjax.weights import files, state_dicts

torch = pytest.importorskip("torch")
PLAIN = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.arange(2.0)}


def read(tmp_path, content, **how):
    torch.save(content, tmp_path / "x.pth", **how)
    return files.read_state_dict(tmp_path / "x.pth")


def refused(path) -> str:
    with pytest.raises(WeightsError) as raised:
        files.read_state_dict(path)
    said = str(raised.value)
    assert said.isprintable()
    assert len(said) < 700
    return said


@pytest.mark.parametrize("wrapper", state_dicts.WRAPPERS)
def test_each_wrapper_is_taken_off(tmp_path, wrapper):
    found = read(tmp_path, {"epoch": 3, "best": 0.5, "arch": "x", wrapper: PLAIN, "optimizer": {"state": {}}})
    assert list(found) == list(PLAIN)


@pytest.mark.parametrize("prefix", [*state_dicts.PREFIXES, "module._orig_mod.", "model.module.net."])
def test_each_prefix_that_all_names_have_is_taken_off(tmp_path, prefix):
    found = read(tmp_path, {"model": {"state_dict": {prefix + name: value for name, value in PLAIN.items()}}})
    assert list(found) == list(PLAIN)


@pytest.mark.parametrize("prefix", state_dicts.PREFIXES)
def test_a_prefix_of_some_names_is_part_of_them(tmp_path, prefix):
    names = {prefix + "conv.weight", "conv.bias"}
    assert set(read(tmp_path, dict.fromkeys(names, torch.ones(2)))) == names


def test_of_two_wrappers_one_is_taken_and_named(tmp_path):
    with pytest.warns(UserWarning, match="holds model and ema: 'model' is taken"):
        found = read(tmp_path, {"ema": {"conv.weight": torch.zeros(1)}, "model": PLAIN})
    np.testing.assert_array_equal(found["conv.weight"], np.ones((2, 3)))


def test_what_is_no_parameter_is_left_out(tmp_path):
    found = read(tmp_path, {**PLAIN, "bn.num_batches_tracked": 7, "steps": 3, "name": "x", "none": None,
                            "norm.num_batches_tracked": torch.tensor(3), "head._extra_state": {"a": 1}})
    assert list(found) == list(PLAIN)


@pytest.mark.parametrize("how", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_floats_of_every_size_come_as_float32(tmp_path, dtype, how):
    found = read(tmp_path, {name: torch.nn.Parameter(value.to(getattr(torch, dtype)))
                            for name, value in PLAIN.items()}, **how)
    assert {value.dtype for value in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(found["conv.bias"], [0, 1])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "said"), [
    (lambda: {"a": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, "quantised tensors"),
    (lambda: {"a": torch.eye(3).to_sparse()}, "sparse tensors"),
    (lambda: {"a": torch.eye(3).to_sparse_csr()}, "sparse tensors"),
    (lambda: {"a": torch.ones(3, device="meta")}, "without values"),
    (lambda: {"a": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])}, "nested tensors"),
    (lambda: {"a": torch.ones(2, dtype=torch.complex64)}, "a is complex"),
    (lambda: {"a": torch.ones(2).to(torch.float8_e4m3fn)}, "a is float8_e4m3fn"),
    (lambda: torch.nn.Linear(2, 2), "a whole module"),
    (lambda: {"model": torch.nn.Linear(2, 2)}, "a whole module"),
    (lambda: {"a": np.ones(2)}, "arrays of NumPy"),
    (lambda: torch.ones(3), "a Tensor, not named tensors"),
    (lambda: [torch.ones(3)], "a list, not named tensors"),
    (dict, "holds nothing"),
    (lambda: {"epoch": 3}, "holds no tensors"),
    (lambda: {1: torch.ones(2)}, "entry '1'"),
    (lambda: {**PLAIN, "parts": {"conv": 3}}, "entry 'parts' is a dict"),
    (lambda: {"a": torch.ones(1).expand(100_000, 100_000)}, "38146 MB"),
    (lambda: {"a": torch.ones(1).half().expand(100_000, 100_000)}, "38146 MB")])
def test_checkpoints_of_other_things_say_what_they_hold(tmp_path, make, said):
    torch.save(make(), tmp_path / "x.pth")
    assert said in refused(tmp_path / "x.pth")


def number(n: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", n)


@pytest.mark.parametrize(("content", "said"), [
    (b"", "nothing of it was run"),
    (b"<!DOCTYPE html><html>404", "a text that begins with"),
    (b"version https://git-lfs.github.com/spec/v1\n", "a text that begins with"),
    (b"\x00" * 600, "nothing of it was run"),
    (b"cos\nsystem\n(S'true'\ntR.", "a call of os.system"),
    (b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.", "a call of builtins.eval"),
    (b"\x80\x02cbuiltins\nbytearray\n" + number(10**10) + b"\x85R.", "a call of builtins.bytearray"),
    (b"\x80\x02ctorch\nTensor\n" + number(10**10) + b"\x85R.", "a call of torch.Tensor"),
    (b"\x80\x02ctorch.hub\nload\n.", "a call of torch.hub.load"),
    (b"\x80\x02})" + b"\x85" * 300_000 + b"Ns.", "nested thousands of times"),
    (b"\x80\x02})" + b"N\x86" * 300_000 + b"Ns.", "nested thousands of times"),
    (pickle.dumps({"a": np.ones(3)}), "arrays of NumPy"),
    (struct.pack("<Q", 2) + b"{}", "a safetensors file")])
def test_files_of_other_formats_say_what_they_are(tmp_path, content, said):
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    assert said in refused(path)


def packed(path: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(("entries", "compression", "said"), [
    ({"readme.txt": b"hello"}, zipfile.ZIP_STORED, "an archive without a checkpoint"),
    ({"x/data.pkl": b"}." + bytes(1 << 20)}, zipfile.ZIP_DEFLATED, "a packed archive"),
    ({"x/data.pkl": b"}.", "x/data/0": bytes(1 << 20)}, zipfile.ZIP_BZIP2, "a packed archive"),
    ({"x/data.pkl": b"}.", "x/constants.pkl": b"N."}, zipfile.ZIP_STORED, "a program of TorchScript"),
    ({"x/data.pkl": b"}." + bytes(20 << 20)}, zipfile.ZIP_STORED, "names and shapes of 20 MB"),
    ({"x/data.pkl": b"cos\nsystem\n."}, zipfile.ZIP_STORED, "a call of os.system")])
def test_archives_of_other_kinds_say_what_they_are(tmp_path, entries, compression, said):
    assert said in refused(packed(tmp_path / "x.pth", entries, compression))


def test_a_name_with_escapes_of_a_terminal_is_one_line(tmp_path):
    torch.save({"a\x1b[31m\nb": {"c": 1}, "d": torch.ones(1)}, tmp_path / "x.pth")
    assert "entry 'a b'" in refused(tmp_path / "x.pth")


MEASURED = """
import sys
from pathlib import Path
from siamjax.errors import SiamjaxError
from siamjax.weights import files
for path in sys.argv[1:]:
    try:
        files.read_state_dict(path)
    except SiamjaxError as error:
        print(error)
# Not getrusage's maximum, which a process inherits from the one that started it.
status = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM")))
"""


def test_bombs_take_no_memory(tmp_path):
    deflated, expanded, asked = (tmp_path / name for name in ("deflated.pth", "expanded.pth", "asked.pth"))
    packed(deflated, {"x/data.pkl": b"}.", "x/data/0": bytes(64 << 20)}, zipfile.ZIP_DEFLATED)
    torch.save({str(i): torch.ones(1).half().expand(1 << 14, 1 << 14) for i in range(8)}, expanded)
    asked.write_bytes(b"\x80\x02cbuiltins\nbytearray\n" + number(10**10) + b"\x85R.")
    bombs = [str(path) for path in (deflated, expanded, asked)]
    done = subprocess.run([sys.executable, "-c", MEASURED, *bombs], capture_output=True, text=True, check=True)
    *said, peak = done.stdout.splitlines()
    assert len(said) == len(bombs)
    assert int(peak) < 1500, f"{peak} MB"
