"""Conversion of published checkpoints: nothing left over, everything checked."""

from __future__ import annotations

import functools
import os
import pickle

import jax
import numpy as np
import pytest
from flax import traverse_util

from siamjax.errors import SourceError, WeightsError
from siamjax.nets.alexnet import V1, V2, V3, AlexNet
from siamjax.nets.siamfc import SiamFC
from siamjax.weights import conversion, files, names, zoo

STAGES = {"siamfc": V1, "siamfc_AlexNetV2": V2, "siamfc_AlexNetV3": V3}


@functools.cache
def wanted(stages=V1):
    return jax.eval_shape(SiamFC(AlexNet(stages)).init, jax.random.key(0),
                          np.zeros((1, 127, 127, 3), np.float32), np.zeros((1, 255, 255, 3), np.float32))


def their_tensors(golden, fill, tag):
    g = golden("weights")
    return {key: fill(key, [int(n) for n in shape.split("x")] if shape else [])
            for key, shape in zip(map(str, g[f"{tag}/keys"]), map(str, g[f"{tag}/shapes"]))}


def converted(golden, fill, tag):
    stages = STAGES[tag]
    table = names.siamfc(norms=sum(stage.norm for stage in stages))
    return conversion.convert(their_tensors(golden, fill, tag), table, wanted(stages), where=tag)


@pytest.mark.parametrize("tag", STAGES)
def test_table_names_every_tensor(golden, fill, tag):
    ours = traverse_util.flatten_dict(converted(golden, fill, tag), sep="/")
    g = golden("weights")
    theirs = [key for key in map(str, g[f"{tag}/keys"]) if not key.endswith("num_batches_tracked")]
    assert len(ours) == len(theirs)
    sums = dict(zip(map(str, g[f"{tag}/keys"]), g[f"{tag}/sum"]))
    table = dict(names.siamfc(norms=sum(stage.norm for stage in STAGES[tag])))
    for name in theirs:
        np.testing.assert_allclose(ours[table[name]].sum(dtype=np.float64), sums[name], rtol=1e-6, atol=1e-6)


def stage_of(golden, net, image, stage):
    g = golden("backbones")
    prefix = f"{net}/{image}/{stage}"
    if f"{prefix}/sub" not in g:
        return g[prefix].ravel(), 1
    return g[f"{prefix}/sub"], int(g[f"{prefix}/stride"])


@pytest.mark.parametrize(("tag", "lowering", "image"), [
    ("siamfc", "lax", "x255_bag"), ("siamfc", "fast", "z_bag"), ("siamfc_AlexNetV3", "lax", "z_bag"),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in [
        ("siamfc", "lax", "z_bag"), ("siamfc", "fast", "x255_bag"), ("siamfc_AlexNetV3", "lax", "x255_bag"),
        ("siamfc_AlexNetV2", "lax", "z_bag"), ("siamfc_AlexNetV2", "lax", "x255_bag")])])
def test_stages_equal_the_reference(golden, fill, tag, image, lowering):
    net = SiamFC(AlexNet(STAGES[tag], lowering=lowering))
    variables = converted(golden, fill, tag)
    crop = golden("inputs")[image][None].astype(np.float32)  # BGR as recorded: the nets do not care
    _, kept = jax.jit(lambda v, x: net.apply(v, x, method="embed", mutable=["intermediates"]))(variables, crop)
    for number in range(1, 6):
        ours = kept["intermediates"]["backbone"][f"stage{number}"][0]
        want, stride = stage_of(golden, tag, image, f"conv{number}")
        got = np.asarray(ours).transpose(0, 3, 1, 2).reshape(-1)[::stride]
        assert np.linalg.norm(got - want) <= 1e-5 * np.linalg.norm(want), f"stage {number}"


@pytest.mark.parametrize("case", [
    "response_1x1", *(pytest.param(f"response_{case}", marks=pytest.mark.slow) for case in ("2x2", "kernel1_search3"))])
def test_responses_equal_the_reference(golden, fill, case):
    net, variables = SiamFC(AlexNet()), converted(golden, fill, "siamfc")
    inputs = golden("inputs")
    images = {"response_1x1": (["z_bag"], ["x255_bag"]),
              "response_2x2": (["z_bag", "z_tennis"], ["x255_bag", "x255_tennis"]),
              "response_kernel1_search3": (["z_bag"], ["x255_bag", "x255_bag", "x255_tennis"])}[case]
    z, x = (np.stack([inputs[key] for key in keys]).astype(np.float32) for keys in images)
    embed, correlate = (jax.jit(functools.partial(net.apply, method=method)) for method in ("embed", "correlate"))
    ours = correlate(variables, embed(variables, z), embed(variables, x))
    want = golden("heads")[f"siamfc/{case}"][:, 0]
    assert np.linalg.norm(ours - want) <= 1e-5 * np.linalg.norm(want)
    assert np.argmax(ours[0]) == np.argmax(want[0])


def tiny():
    """A checkpoint of V1's names and shapes, zeros."""
    shapes = traverse_util.flatten_dict(wanted(), sep="/")
    tensors = {}
    for theirs, ours in names.siamfc():
        shape = shapes[ours].shape
        tensors[theirs] = np.zeros((shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape, np.float32)
    return tensors


@pytest.mark.parametrize(("change", "said"), [
    (lambda t: t.pop("backbone.conv3.0.weight"), "1 missing: backbone.conv3.0.weight"),
    (lambda t: t.update({"head.extra": np.zeros(3)}), "1 unexpected: head.extra"),
    (lambda t: t.update({"backbone.conv1.0.bias": np.zeros(7)}), r"backbone.conv1.0.bias \(7,\), not \(96,\)"),
])
def test_a_checkpoint_of_another_model_is_listed(change, said):
    tensors = tiny()
    change(tensors)
    with pytest.raises(WeightsError, match=said):
        conversion.convert(tensors, names.siamfc(), wanted(), where="x.pth")


@pytest.mark.parametrize(("value", "said"), [
    (np.full(96, np.nan), r"1 of its 26 tensors are not finite: backbone.conv1.0.bias \(NaN\)"),
    (np.full(96, -np.inf), r"backbone.conv1.0.bias \(infinity\)"),
    (np.array([np.nan] * 95 + [np.inf]), r"\(NaN and infinity\)"),
    (np.zeros(96, np.int8), r"1 of its 26 tensors are of whole numbers: backbone.conv1.0.bias \(int8\)"),
    (np.zeros(96, bool), r"whole numbers: backbone.conv1.0.bias \(bool\)")])
def test_values_that_are_no_parameters_are_not_called_another_model(value, said):
    with pytest.raises(WeightsError, match=said) as raised:
        conversion.convert(tiny() | {"backbone.conv1.0.bias": value}, names.siamfc(), wanted(), where="x.pth")
    assert "another model" not in str(raised.value)


def test_counters_are_left_out():
    tensors = tiny() | {"backbone.conv1.1.num_batches_tracked": np.int64(5)}
    assert conversion.convert(tensors, names.siamfc(), wanted(), where="x.pth")
    assert conversion.overlap(tensors, names.siamfc()) == 1.0


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_malicious_pickle_is_refused_and_nothing_executed(tmp_path, wrapped):
    torch = pytest.importorskip("torch")
    victim = tmp_path / "executed"
    path = tmp_path / "bad.pth"
    if wrapped:
        torch.save({"state_dict": {"backbone.conv1.0.weight": Malicious(victim)}}, path)
    else:
        path.write_bytes(pickle.dumps(Malicious(victim)))
    with pytest.raises(WeightsError, match=r"nothing of it was run: it holds a call of \w+\.mkdir"):
        files.read_state_dict(path)
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x04N."])
def test_other_files_are_no_checkpoints(tmp_path, content):
    pytest.importorskip("torch")
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError):
        files.read_state_dict(path)


def test_wrappers_are_taken_off(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "x.pth"
    torch.save({"epoch": 3, "state_dict": {"module.a": torch.ones(2)}}, path)
    assert list(files.read_state_dict(path)) == ["a"]
    with pytest.raises(SourceError):
        files.read_state_dict(tmp_path / "none.pth")


def test_published_weights_convert_and_come_back(shared, tmp_path):
    pytest.importorskip("torch")
    tensors = files.read_state_dict(shared / "weights" / "siamfc_alexnet_2016.pth")
    tracker = zoo.ZOO["siamfc_alexnet"].tracker
    variables = conversion.convert(tensors, names.siamfc(), zoo.wanted_variables(tracker), where="2016")
    zoo.save(tmp_path / "s.safetensors", tracker, variables, card="a card", licence="MIT")
    loaded = zoo.load(tmp_path / "s.safetensors", prepare=False)
    assert loaded.tracker == tracker
    assert (loaded.card, loaded.name) == ("a card", "s")
    np.testing.assert_array_equal(loaded.params["params"]["backbone"]["conv1"]["kernel"][..., 0],
                                  tensors["backbone.conv1.0.weight"][0].transpose(1, 2, 0))
