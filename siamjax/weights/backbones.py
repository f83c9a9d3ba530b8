"""Backbones trained on ImageNet, converted to weight files that a training can start from.

A converted file holds `backbone/...` alone, in the names of a tracker with this backbone; a training with
`init_from` takes it and draws the rest. Dilated and ordinary layout have the same parameters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from siamjax.errors import WeightsError
from siamjax.nets.alexnet import PYSOT, AlexNet
from siamjax.nets.layers import Norm
from siamjax.nets.mobilenet import MobileNetV2
from siamjax.nets.resnet import ResNet18, ResNet34, ResNet50
from siamjax.types import Params
from siamjax.weights import conversion, names, spec, zoo

Tensors = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Source:
    """One layout in which a backbone is published.

    Attributes:
      net: with the input that the parameters were trained for.
      names: table of its names.
      channel_order: of its input.
      unused: starts of the names of layers that trackers leave out.
      complete: adds what the layout lacks, and brings the rest into the shapes of `net`.
    """

    net: nn.Module
    names: names.Names
    channel_order: str = "bgr"
    unused: tuple[str, ...] = ()
    complete: Callable[[Tensors], Tensors] = dict


def centre_taps(tensors: Tensors) -> Tensors:
    """Each 1x1 downsampling of stages 2 to 4 as the 3x3 that has it in its centre: the same function."""
    def widened(name, kernel):
        small = name.endswith("downsample.0.weight") and not name.startswith("layer1.") and kernel.shape[2:] == (1, 1)
        return np.pad(kernel, ((0, 0), (0, 0), (1, 1), (1, 1))) if small else kernel

    return {name: widened(name, value) for name, value in tensors.items()}


def identity_expansion(tensors: Tensors) -> Tensors:
    """The expansion that PySOT's first block has and MobileNetV2's has not, as the identity.

    What comes in is the stem's ReLU6, which the expansion's own ReLU6 leaves alone. A BatchNorm of variance
    `1 - epsilon` divides by one.
    """
    if "features.0.0.weight" not in tensors:
        return tensors
    channels = tensors["features.0.0.weight"].shape[0]
    ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    expand = "features.1.conv.expand"
    return {**tensors, f"{expand}.0.weight": np.eye(channels, dtype=np.float32)[:, :, None, None],
            f"{expand}.1.weight": ones, f"{expand}.1.bias": zeros, f"{expand}.1.running_mean": zeros,
            f"{expand}.1.running_var": ones - np.float32(Norm().epsilon)}


def _resnet(make: Callable[..., nn.Module], blocks: tuple[int, ...], bottleneck: bool) -> tuple[Source, ...]:
    """PySOT's file, whose downsampling is 3x3, and torchvision's."""
    table = names.resnet_backbone(blocks, bottleneck, prefix="")
    return (Source(make(), table),
            Source(make(normalise=True), table, "rgb", unused=("fc.",), complete=centre_taps))


def _mobilenet() -> tuple[Source, ...]:
    """PySOT's file of width 1.4, and those of width 1 for ImageNet."""
    imagenet = tuple(Source(MobileNetV2(width=1.0, normalise=True), names.imagenet_mobilenet(nested), "rgb",
                            unused=("features.18.", "classifier."), complete=identity_expansion)
                     for nested in (False, True))
    return (Source(MobileNetV2(), names.mobilenet_backbone(prefix="")), *imagenet)


BACKBONES: dict[str, tuple[Source, ...]] = {
    "alexnet": (Source(AlexNet(PYSOT, Norm()), names.alexnet_backbone(prefix="")),),
    "mobilenetv2": _mobilenet(),
    "resnet18": _resnet(ResNet18, (2, 2, 2, 2), False),
    "resnet34": _resnet(ResNet34, (3, 4, 6, 3), False),
    "resnet50": _resnet(ResNet50, (3, 4, 6, 3), True),
}


def convert_backbone(tensors: Tensors, name: str, *, where: str) -> tuple[Source, Params, list[str]]:
    """A published backbone's tensors as a part of a tracker's variables.

    Args:
      tensors: the checkpoint by its own names.
      name: key of `BACKBONES`.
      where: the file, for messages.
    Returns:
      The layout the file has, `{"params": {"backbone": ...}, "batch_stats": {"backbone": ...}}`, and the layers
      of the file that were left out.
    Raises:
      WeightsError: as `conversion.convert`.
    """
    candidates = [(source, *_completed(tensors, source)) for source in BACKBONES[name]]
    alike = [conversion.overlap(kept, source.names) for source, kept, _ in candidates]
    nearest = [candidate for candidate, share in zip(candidates, alike) if share == max(alike)]
    source, kept, left_out = next(  # two layouts may differ in shapes only
        (found for found in nearest if conversion.fits(found[1], found[0].names, wanted_variables(found[0].net))),
        nearest[-1])
    return source, conversion.convert(kept, source.names, wanted_variables(source.net), where=where), left_out


def recognised(tensors: Tensors) -> str | None:
    """The backbone whose names a checkpoint has, None for none."""
    for name, sources in BACKBONES.items():
        if any(conversion.overlap(_completed(tensors, source)[0], source.names) == 1 for source in sources):
            return name
    return None


def wanted_variables(net: nn.Module) -> Params:
    """Shapes of the variables of a tracker's backbone."""
    shapes = jax.eval_shape(net.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 127, 127, 3), np.float32))
    return {kind: {"backbone": shapes[kind]} for kind in ("params", "batch_stats")}


def metadata_for(source: Source, *, card: str, licence: str, source_sha256: str) -> dict[str, str]:
    """Metadata of a backbone's weight file; its `config` is that of the backbone."""
    return {"siamjax_version": zoo.VERSION, "model": type(source.net).__name__, "config": spec.dumps(source.net),
            "source_sha256": source_sha256, "channel_order": source.channel_order, "licence": licence, "card": card}


def check_input(metadata: Mapping[str, str], backbone: Any, channel_order: str, *, where: str) -> None:
    """Refuses weights that were trained on images of another kind than a net is to see.

    Args:
      metadata: of the weight file, a tracker's or a backbone's.
      backbone: that is to take its parameters.
      channel_order: "rgb" or "bgr", of the images that this backbone will see.
      where: the file, for the message.
    Raises:
      WeightsError: for another order of channels, with ImageNet's normalisation on one side only, or if the
        file's settings cannot be read.
    """
    if metadata["channel_order"] != channel_order:
        raise WeightsError(f"the weights are for {metadata['channel_order']} images, and the net sees {channel_order}",
                           where, f"set the tracker's channel_order to {metadata['channel_order']}")
    theirs = _normalises(metadata["config"], where)
    if theirs != getattr(backbone, "normalise", False):
        raise WeightsError(f"the weights are for a backbone with normalise={theirs}", where,
                           f"give the net's backbone normalise={theirs}")


def _normalises(config: str, where: str) -> bool:
    """Whether the backbone of a file's settings has `normalise`; read as JSON, as a net may be the user's own."""
    settings = spec.parse(config, where=where)
    try:
        return bool(settings.get("net", {}).get("backbone", settings).get("normalise", False))
    except AttributeError as error:
        raise WeightsError("its settings cannot be read", where, "use a file written by siamjax") from error


def _completed(tensors: Tensors, source: Source) -> tuple[Tensors, list[str]]:
    """The tensors in the shapes of the source's net, and the layers among them that it has no use for."""
    used = {name: value for name, value in tensors.items() if not name.startswith(source.unused)}
    left_out = [start.removesuffix(".") for start in source.unused if any(name.startswith(start) for name in tensors)]
    return source.complete(used), left_out
