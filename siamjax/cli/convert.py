"""`siamjax convert`: a published PyTorch checkpoint to a weight file."""

from __future__ import annotations

import difflib
from pathlib import Path

import tyro

from siamjax.errors import WeightsError
from siamjax.outputs import check_folder
from siamjax.weights import convert as conversion
from siamjax.weights import files, zoo

RECOGNISED = 0.9  # share of common names from which a checkpoint is taken for a model's


def convert(
    file: tyro.conf.Positional[Path],
    /,
    output: Path,
    model: str | None = None,
    licence: str = "that of the checkpoint's publisher",
    source: str = "",
) -> None:
    """Converts a published checkpoint; every name and shape is checked and nothing is left over.

    Args:
      file: PyTorch checkpoint (.pth, .pt); read as tensors only, nothing in it is executed.
      output: weight file to write, .safetensors.
      model: zoo name it must be; by default recognised by its names.
      licence: licence of the checkpoint, for the file's metadata.
      source: where it was published, for the file's card.
    """
    if output.suffix != ".safetensors":
        raise WeightsError(f"'{output.name}' is not a weight file's name", "--output",
                           "let it end in .safetensors")
    tensors = files.read_state_dict(file)
    name = model or recognise(tensors, where=str(file))
    entry = zoo.ZOO.get(name)
    if entry is None or entry.names is None:
        known = [key for key, value in zoo.ZOO.items() if value.names is not None]
        near = difflib.get_close_matches(name, known, n=1)
        raise WeightsError(f"there is no published model '{name}'", "--model",
                           (f"did you mean {near[0]}? " if near else "") + f"known: {', '.join(known)}")
    wanted = zoo.wanted_variables(entry.tracker)
    variables = conversion.convert(tensors, entry.names, wanted, where=str(file))
    check_folder(output.parent)
    card = f"{name}, converted from {file.name}" + (f", published by {source}" if source else "")
    zoo.save(output, entry.tracker, variables, card=card, licence=licence, source_sha256=files.digest(file))
    print(f"{file.name} is {name}: {len(entry.names)} tensors converted, none left over")
    print(f"wrote {output}")


def recognise(tensors, *, where: str) -> str:
    """Zoo name of the model whose names the checkpoint has.

    Raises:
      WeightsError: no model's names are near.
    """
    likeness = {name: conversion.overlap(tensors, entry.names)
                for name, entry in zoo.ZOO.items() if entry.names is not None}
    best = max(likeness, key=likeness.__getitem__)
    if likeness[best] < RECOGNISED:
        some = ", ".join(sorted(tensors)[:4])
        raise WeightsError(f"no known model has its names ({some}, ...); nearest is {best}, "
                           f"{likeness[best]:.0%} alike", where,
                           "name the model with --model to see what is missing")
    return best
