"""The tables of published names against the recorded checkpoints: every tensor, bit by bit."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest
from flax import traverse_util

from siamjax.errors import WeightsError
from siamjax.nets.resnet import ResNet18, ResNet34
from siamjax.weights import backbones, conversion, files, names, zoo

PUBLISHED = {
    "siamfc_alexnet": "siamfc", "siamrpn_alex": "siamrpn_alex_dwxcorr", "siamrpn_alex_otb": "siamrpn_alex_dwxcorr",
    "siamrpn_upchannel": "upchannel_alex", "siamrpn_mobilev2": "siamrpn_mobilev2_l234_dwxcorr",
    "siamrpn_r50": "siamrpn_r50_l234_dwxcorr", "siamrpn_r50_otb": "siamrpn_r50_l234_dwxcorr_otb",
    "siamrpn_r50_lt": "siamrpn_r50_l234_dwxcorr_lt", "siammask_base": "siammask_base",
    "siammask_sharp": "siammask_sharp", "siammask_r50": "siammask_r50_l3"}
LEGACY = dict(zip((0, 1, 4, 5, 8, 9, 11, 12, 14, 15), (f"layer{i}.{j}" for i in range(1, 6) for j in (0, 1))))


@functools.cache
def wanted(model):
    return zoo.wanted_variables(zoo.ZOO[model].tracker)


def checkpoint(golden, tag, value=None):
    """Tensors of the recorded names and shapes: random ones, each another; or all of one value, without memory."""
    recorded = golden("weights")
    tensors = {}
    for number, (key, shape) in enumerate(zip(recorded[f"{tag}/keys"], recorded[f"{tag}/shapes"])):
        sizes = [int(size) for size in str(shape).split("x")] if shape else []
        tensors[str(key)] = (np.random.default_rng(number).random(sizes, np.float32) if value is None
                             else np.broadcast_to(np.float32(value), sizes))
    return tensors


def by_second_alexnet(tensors):
    """The names of PySOT's `AlexNet` for those of its `AlexNetLegacy`."""
    def renamed(name):
        if not name.startswith("backbone.features."):
            return name
        number, leaf = name.removeprefix("backbone.features.").split(".")
        return f"backbone.{LEGACY[int(number)]}.{leaf}"

    return {renamed(name): value for name, value in tensors.items()}


def assert_bit_equal(variables, tensors, table):
    ours = traverse_util.flatten_dict(variables, sep="/")
    theirs = {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    assert len(ours) == len(theirs)
    paths = dict(table)
    for name, value in theirs.items():
        back = ours[paths[name]]
        back = back.transpose(3, 2, 0, 1) if back.ndim == 4 else back
        np.testing.assert_array_equal(back, value, err_msg=name)


# By default one of each kind of table, tensor for tensor; `test_nothing_but_the_model_itself_fits` has names and shapes
# of all.
TABLES = [model if model in ("siamfc_alexnet", "siamrpn_upchannel", "siamrpn_mobilev2", "siammask_r50")
          else pytest.param(model, marks=pytest.mark.slow) for model in PUBLISHED]


@pytest.mark.parametrize("model", TABLES)
def test_every_tensor_of_a_published_model_goes_to_its_place(golden, model):
    tensors, table = checkpoint(golden, PUBLISHED[model]), zoo.ZOO[model].names
    assert_bit_equal(conversion.convert(tensors, table, wanted(model), where="x.pth"), tensors, table)


@pytest.mark.parametrize("model", ["siamrpn_alex", "siamrpn_upchannel"])
def test_either_spelling_of_alexnet_gives_the_same(golden, model):
    table = zoo.ZOO[model].names
    first = checkpoint(golden, PUBLISHED[model])
    second = by_second_alexnet(first)
    backbone = {str(key) for key in golden("weights")["pysot_alexnet_backbone/keys"]}
    assert {name for name in second if name.startswith("backbone.")} == backbone
    assert conversion.overlap(second, table) == conversion.overlap(first, table) == 1
    both = [conversion.convert(tensors, table, wanted(model), where="x.pth") for tensors in (first, second)]
    jax.tree.map(np.testing.assert_array_equal, *both)
    with pytest.raises(WeightsError, match=r"features\.0\.weight or backbone\.layer1\.0\.weight"):
        conversion.convert({**first, **second}, table, wanted(model), where="x.pth")


@pytest.mark.parametrize(("tag", "make", "blocks"), [
    ("pysot_resnet18_backbone", ResNet18, (2, 2, 2, 2)),
    pytest.param("pysot_resnet34_backbone", ResNet34, (3, 4, 6, 3), marks=pytest.mark.slow)])
def test_small_resnets(golden, tag, make, blocks):
    tensors, table = checkpoint(golden, tag), names.resnet_backbone(blocks, bottleneck=False)
    variables = conversion.convert(tensors, table, backbones.wanted_variables(make()), where="x.pth")
    assert_bit_equal(variables, tensors, table)


@pytest.mark.parametrize("model", PUBLISHED)
def test_nothing_but_the_model_itself_fits(golden, model):
    """Models that differ in names overlap less; those that differ in widths alone have other shapes."""
    tensors, table = checkpoint(golden, PUBLISHED[model], value=0.5), zoo.ZOO[model].names
    for other, entry in zoo.ZOO.items():
        if other in PUBLISHED:
            same = (conversion.overlap(tensors, entry.names) == 1
                    and conversion.fits(tensors, entry.names, wanted(other)))
            assert same == (set(entry.names) == set(table) and wanted(other) == wanted(model)), other


@pytest.mark.parametrize("counters", ["with", pytest.param("without", marks=pytest.mark.slow)])
def test_a_training_snapshot_of_pysot_converts(golden, tmp_path, counters):
    torch = pytest.importorskip("torch")
    tensors = checkpoint(golden, "siamrpn_alex_dwxcorr")
    state = {f"module.{name}": torch.tensor(0) if name.endswith("num_batches_tracked") else torch.from_numpy(value)
             for name, value in tensors.items() if counters == "with" or not name.endswith("num_batches_tracked")}
    optimizer = torch.optim.SGD([torch.zeros(2, requires_grad=True)], lr=0.1, momentum=0.9).state_dict()
    torch.save({"epoch": 20, "state_dict": state, "optimizer": optimizer}, tmp_path / "checkpoint_e20.pth")
    read = files.read_state_dict(tmp_path / "checkpoint_e20.pth")
    table = zoo.ZOO["siamrpn_alex"].names
    assert_bit_equal(conversion.convert(read, table, wanted("siamrpn_alex"), where="x.pth"), tensors, table)


def test_half_precision_is_read_exactly(tmp_path):
    torch = pytest.importorskip("torch")
    values = torch.linspace(-3, 3, 7)
    torch.save({"half": values.half(), "brain": values.bfloat16(), "trained": values.requires_grad_()},
               tmp_path / "x.pth")
    read = files.read_state_dict(tmp_path / "x.pth")
    np.testing.assert_array_equal(read["brain"], np.float32([-3, -2, -1, 0, 1, 2, 3]))
    assert {value.dtype for value in read.values()} == {np.dtype(np.float32)}
