"""Published files that are not PyTorch's: CoreML models and npz archives, whole, damaged, and of another net."""

from __future__ import annotations

import contextlib
import io
import sys
import zipfile

import numpy as np
import pytest
from flax import traverse_util
from hypothesis import given
from hypothesis import strategies as st

from siamjax.cli.main import run
from siamjax.errors import SiamjaxError, WeightsError
from siamjax.weights import coreml, names, sources, zoo


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, value):
    """A field of a protocol buffer: a whole number, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def weights(values, single=False):
    return field(1, values.astype("<f4").tobytes()) if single else field(2, values.astype("<f2").tobytes())


def layer(name, kernel, bias=None, single=False):
    features, channels, height, width = kernel.shape
    groups = features if channels == 1 else 1
    inside = field(1, features) + field(2, channels) + field(10, groups) + field(20, varint(height) + varint(width))
    inside += field(90, weights(kernel, single))
    inside += b"" if bias is None else field(70, 1) + field(91, weights(bias, single))
    return field(1, field(1, name.encode()) + field(100, inside))


def model(*layers):
    return field(1, 4) + field(2, b"a description") + field(500, b"".join(layers))


def tensors():
    """FEAR-XS's tensors, random, by structural names."""
    shapes = traverse_util.flatten_dict(zoo.wanted_variables(zoo.ZOO["fear_xs"].tracker), sep="/")
    rng = np.random.default_rng(4)
    out = {}
    for theirs, ours in names.fear_xs():
        value = rng.integers(-8, 8, shapes[ours].shape).astype(np.float16)
        out[theirs] = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
    return out


@pytest.fixture(scope="module")
def fear():
    return tensors()


def as_coreml(fear, count=None):
    return model(*(layer(f"input.{i}", fear[f"{name}.weight"], fear.get(f"{name}.bias"))
                   for i, name in enumerate(names.FEAR_GRAPH[:count])))


@pytest.mark.parametrize("kind", ["mlmodel", pytest.param("npz", marks=pytest.mark.slow)])
def test_fear_converts_from_either_file(fear, tmp_path, capsys, kind):
    path, output = tmp_path / f"fear.{kind}", tmp_path / "fear.safetensors"
    if kind == "npz":
        np.savez(path, **fear)
    else:
        path.write_bytes(as_coreml(fear))
    assert run(["convert", str(path), "--output", str(output)]) == 0
    assert f"{path.name} is fear_xs: {len(fear)} tensors converted, none left over" in capsys.readouterr().out
    loaded = zoo.load(output, prepare=False)
    assert loaded.tracker == zoo.ZOO["fear_xs"].tracker
    kernel = loaded.params["params"]["head"]["loc"]["tower1"]["pointwise"]["kernel"]
    np.testing.assert_array_equal(kernel, fear["reg_tower.1.pointwise.weight"].transpose(2, 3, 1, 0))


def test_the_published_files_hold_one_set_of_weights(shared):
    arrays = sources.read(shared / "weights" / "fear_xs_2022.npz")
    graph = sources.read(shared / "weights" / "Tracker.mlmodel")
    assert arrays.keys() == graph.keys() == {theirs for theirs, _ in names.fear_xs()}
    for name, value in arrays.items():
        np.testing.assert_array_equal(value, graph[name], err_msg=name)


def test_shipped_weights_are_the_published_ones(shared):
    loaded = zoo.load("fear_xs", prepare=False)
    arrays = sources.read(shared / "weights" / "fear_xs_2022.npz")
    kernel = loaded.params["params"]["backbone"]["block3"]["depthwise"]["kernel"]
    np.testing.assert_array_equal(kernel, np.float32(arrays["blocks.3.depthwise.weight"].transpose(2, 3, 1, 0)))


def test_single_precision_is_read_too(tmp_path):
    kernel, bias = np.float32([[[[0.1, -2]]]]), np.float32([3.3])
    (tmp_path / "x.mlmodel").write_bytes(model(layer("a", kernel, bias, single=True)))
    (found,) = coreml.read_convolutions(tmp_path / "x.mlmodel")
    np.testing.assert_array_equal(found.kernel, kernel)
    np.testing.assert_array_equal(found.bias, bias)


def lacks(fear, *dropped):
    return {name: value for name, value in fear.items() if not name.startswith(dropped)}


def packed(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def promising(shape):
    """An archive whose one header promises an array of `shape`."""
    header, file = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("stem.weight.npy", header.getvalue())
    return file.getvalue()


def bomb():
    """A small archive that unpacks to 300 MB of zeros."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as entry:
        for _ in range(300):
            entry.write(bytes(1 << 20))
    return file.getvalue()


BAD = {
    "coreml of another net": (lambda fear: as_coreml(fear, 60), "60 convolutions, not the 67 of FEAR-XS"),
    "exemplar's half": (lambda fear: as_coreml(fear, 47), "the exemplar's half of FEAR-XS"),
    "coreml of other widths": (lambda fear: as_coreml({**fear, "stem.weight": fear["stem.weight"][:8],
                                                         "stem.bias": fear["stem.bias"][:8]}),
                               "2 misshapen: stem.weight (8, 3, 3, 3), not (16, 3, 3, 3)"),
    "coreml without a network": (lambda fear: field(1, 4) + field(2, b"text"), "without convolutions"),
    "truncated coreml": (lambda fear: as_coreml(fear)[:-100_000], "it ends within a field"),
    "quantised coreml": (lambda fear: model(field(1, field(1, b"q") + field(100, field(1, 1) + field(2, 1) + field(
        20, b"\1\1") + field(90, field(30, b"\0"))))), "neither in half nor in single precision"),
    "weights that are too few": (lambda fear: model(field(1, field(1, b"q") + field(100, field(1, 1 << 40) + field(
        2, 1) + field(20, b"\1\1") + field(90, field(2, b"\0\0"))))), "2 bytes of weights for a shape"),
    "half-converted npz": (lambda fear: packed(lacks(fear, "cls", "reg")), "nearest is fear_xs"),
    "npz without one layer": (lambda fear: packed(lacks(fear, "neck")), "2 missing: neck.bias, neck.weight"),
    "npz in linen layout": (lambda fear: packed({**fear, "neck.weight": fear["neck.weight"].transpose(2, 3, 1, 0)}),
                            "1 misshapen: neck.weight"),
    "npz with NaN": (lambda fear: packed({**fear, "neck.bias": fear["neck.bias"] * np.float16("nan")}),
                     "1 of its 132 tensors are not finite: neck.bias (NaN)"),
    "npz of objects": (lambda fear: packed({"a": np.array([{}], object)}), "not of numbers"),
    "npz that promises more": (lambda fear: promising((1 << 20, 1 << 20)), "bytes for an array of shape"),
    "npz that unpacks to much": (lambda fear: bomb(), "arrays of more than"),
    "truncated npz": (lambda fear: packed(fear)[:100_000], "not a checkpoint"),
    "npz of something else": (lambda fear: packed({"a": np.zeros(3)}), "no known model has its names")}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_one_clear_line(fear, tmp_path, capsys, kind):
    make, says = BAD[kind]
    (tmp_path / "x.bin").write_bytes(make(fear))
    assert run(["convert", str(tmp_path / "x.bin"), "--output", str(tmp_path / "o.safetensors")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert says in said
    assert [path.name for path in tmp_path.iterdir()] == ["x.bin"]


@pytest.mark.parametrize("content", [b"", b"\1\2", b"words\n", b"PK\3\4 cut off"])
def test_what_no_program_reads_is_not_put_down_to_a_missing_pytorch(tmp_path, monkeypatch, content):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"not a checkpoint|a text that begins") as error:
        sources.read(tmp_path / "x.pth")
    assert "PyTorch" not in str(error.value)


@pytest.mark.parametrize(("version", "other"), [
    (2, 3), *(pytest.param(*case, marks=pytest.mark.slow) for case in ((1, 2), (3, 1)))])
def test_a_nanotrack_file_is_recognised_and_not_taken_for_another_version(tmp_path, capsys, version, other):
    torch = pytest.importorskip("torch")
    entry = zoo.ZOO[f"nanotrack_v{version}"]
    shapes = traverse_util.flatten_dict(zoo.wanted_variables(entry.tracker), sep="/")
    state = {}
    for theirs, ours in entry.names:
        shape = (4,) if ours is None else shapes[ours].shape
        shape = (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape
        shape = shape[:2] if ".fc." in theirs and len(shape) == 4 else shape  # linear layers
        state[theirs] = torch.zeros(shape)
    path, output = tmp_path / "nano.pth", tmp_path / "o.safetensors"
    torch.save({"epoch": 1, "state_dict": state, "best": np.float64(0.5)}, path)
    assert run(["convert", str(path), "--output", str(output)]) == 0
    assert f"nano.pth is nanotrack_v{version}" in capsys.readouterr().out
    output.unlink()
    assert run(["convert", str(path), "--output", str(output), "--model", f"nanotrack_v{other}"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "the checkpoint is of another model" in said
    assert not output.exists()


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_coreml_reader(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "x.mlmodel"
    path.write_bytes(field(1, 4) + field(2, b"") + data)
    with contextlib.suppress(WeightsError):
        coreml.read_convolutions(path)


@given(st.data())
def test_no_flipped_byte_crashes_a_reader(tmp_path_factory, data):
    small = {"stem.weight": np.zeros((2, 3, 3, 3), np.float16), "stem.bias": np.zeros(2, np.float16)}
    whole = data.draw(st.sampled_from([model(layer("a", small["stem.weight"], small["stem.bias"])), packed(small)]))
    where = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path_factory.mktemp("fuzz") / "x"
    path.write_bytes(whole[:where] + data.draw(st.binary(min_size=1, max_size=3)) + whole[where + 1:])
    with contextlib.suppress(SiamjaxError):
        sources.read(path)
