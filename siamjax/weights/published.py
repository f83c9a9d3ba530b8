"""Published checkpoints to weight files: which model it is, its tensors under our names, and where it came from."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from pathlib import Path

from flax import traverse_util

from siamjax.errors import ConfigError, WeightsError
from siamjax.outputs import check_folder
from siamjax.weights import backbones, conversion, files, sources, zoo
from siamjax.weights.state_dicts import shortened

RECOGNISED = 0.9  # share of common names from which a checkpoint is taken for a model's
LICENCE = "that of the checkpoint's publisher"


@dataclasses.dataclass(frozen=True)
class ConvertedTracker:
    """What was made of a tracker's checkpoint.

    Attributes:
      name: of the zoo.
      tensors: how many were converted.
      alike: other names of the zoo that have the same parameters, and other settings.
    """

    name: str
    tensors: int
    alike: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ConvertedBackbone:
    """What was made of a backbone's checkpoint.

    Attributes:
      name: of the backbone.
      tensors: how many were converted.
      channel_order: of the images that it takes, "rgb" or "bgr".
      left_out: layers of the checkpoint that the backbone has no use for.
    """

    name: str
    tensors: int
    channel_order: str
    left_out: tuple[str, ...] = ()


def convert(file: str | Path, output: str | Path, *, model: str | None = None, backbone: str | None = None,
            licence: str = LICENCE, source: str = "") -> ConvertedTracker | ConvertedBackbone:
    """Converts a published checkpoint; every name and shape is checked and nothing is left over.

    Args:
      file: PyTorch checkpoint (.pth, .pt), read as tensors only, nothing in it is executed; of FEAR-XS the CoreML model
        (.mlmodel) or the archive of arrays by structural names (.npz).
      output: weight file to write, .safetensors.
      model: zoo name it must be; by default recognised by its names.
      backbone: it is no tracker but a backbone trained on ImageNet, of this name; a training starts from the result.
      licence: of the checkpoint, for the file's metadata.
      source: where it was published, for the file's card.
    Raises:
      WeightsError: no checkpoint of a known model, or not of the one that was named.
      OutputError: the file cannot be written.
    """
    file, output = Path(file), Path(output)
    if output.suffix != ".safetensors":
        raise WeightsError(f"'{output.name}' is not a weight file's name", "--output",
                           "let it end in .safetensors")
    if model is not None and backbone is not None:
        raise ConfigError(f"model {model} and backbone {backbone}", "--model and --backbone", "give one of them")
    origin = f"converted from {file.name}" + (f", published by {source}" if source else "")
    if backbone is not None:
        return _convert_backbone(file, output, backbone, licence, origin)
    return _convert_tracker(file, output, model, licence, origin)


def _convert_tracker(file: Path, output: Path, model: str | None, licence: str, origin: str) -> ConvertedTracker:
    known = [name for name, entry in zoo.ZOO.items() if entry.names is not None]
    if model is not None:
        _check_known(model, known, "model")
    tensors = sources.read(file)
    name, *alike = recognise(tensors, where=str(file)) if model is None else (model,)
    entry = zoo.ZOO[name]
    assert entry.names is not None
    variables = conversion.convert(tensors, entry.names, zoo.wanted_variables(entry.tracker), where=str(file))
    check_folder(output.parent)
    zoo.save(output, entry.tracker, variables, card=f"{name}, {origin}", licence=licence,
             source_sha256=files.digest(file))
    return ConvertedTracker(name, _count(variables), tuple(alike))


def _convert_backbone(file: Path, output: Path, name: str, licence: str, origin: str) -> ConvertedBackbone:
    _check_known(name, backbones.BACKBONES, "backbone")
    tensors = files.read_state_dict(file)
    source, variables, left_out = backbones.convert_backbone(tensors, name, where=str(file))
    check_folder(output.parent)
    metadata = backbones.metadata_for(source, card=f"{name} backbone, {origin}", licence=licence,
                                      source_sha256=files.digest(file))
    files.save(output, variables, metadata)
    return ConvertedBackbone(name, _count(variables), source.channel_order, tuple(left_out))


def recognise(tensors, *, where: str) -> list[str]:
    """Zoo names of the models whose names and shapes the checkpoint has; they differ in settings only.

    Raises:
      WeightsError: no model's names are near.
    """
    likeness = {name: conversion.overlap(tensors, entry.names)
                for name, entry in zoo.ZOO.items() if entry.names is not None}
    best = max(likeness, key=likeness.__getitem__)
    if likeness[best] < RECOGNISED:
        backbone = backbones.recognised(tensors)
        some = ", ".join(map(shortened, sorted(tensors)[:4]))
        raise WeightsError(f"no known model has its names ({some}, ...); nearest is {best}, "
                           f"{likeness[best]:.0%} alike", where,
                           f"it is a backbone: add --backbone {backbone}" if backbone else
                           "name the model with --model to see what is missing")
    alike = [name for name, share in likeness.items() if share == likeness[best]]
    if len(alike) == 1:  # shapes take a second or two a model
        return alike
    return [name for name in alike if conversion.fits(
        tensors, zoo.ZOO[name].names or (), zoo.wanted_variables(zoo.ZOO[name].tracker))] or alike[:1]


def _check_known(name: str, known: Iterable[str], kind: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise WeightsError(f"there is no published {kind} '{name}'", f"--{kind}",
                           (f"did you mean {near[0]}? " if near else "") + f"known: {', '.join(known)}")


def _count(variables) -> int:
    return len(traverse_util.flatten_dict(variables))
