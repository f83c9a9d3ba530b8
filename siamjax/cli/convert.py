"""`siamjax convert`: a published PyTorch checkpoint, npz archive or CoreML model to a weight file."""

from __future__ import annotations

from pathlib import Path

import tyro

from siamjax.weights import published


def convert(
    file: tyro.conf.Positional[Path],
    /,
    output: Path,
    model: str | None = None,
    backbone: str | None = None,
    licence: str = "that of the checkpoint's publisher",
    source: str = "",
) -> None:
    """Converts a published checkpoint; every name and shape is checked and nothing is left over.

    Args:
      file: PyTorch checkpoint (.pth, .pt), read as tensors only, nothing in it is executed; of FEAR-XS the CoreML model
        (.mlmodel) or the archive of arrays by structural names (.npz).
      output: weight file to write, .safetensors.
      model: zoo name it must be; by default recognised by its names.
      backbone: it is no tracker but a backbone trained on ImageNet, of this name; a training starts from the result.
      licence: licence of the checkpoint, for the file's metadata.
      source: where it was published, for the file's card.
    """
    found = published.convert(file, output, model=model, backbone=backbone, licence=licence, source=source)
    if isinstance(found, published.ConvertedBackbone):
        print(f"{file.name} is {found.name} for {found.channel_order} images: {found.tensors} tensors"
              + (f", without the layers {', '.join(found.left_out)}" if found.left_out else ""))
        print(f"start a training from it: siamjax train EXPERIMENT.py --set init_from={output}")
    else:
        print(f"{file.name} is {found.name}: {found.tensors} tensors converted, none left over")
        if found.alike:
            print(f"of the same parameters, with other settings: {', '.join(found.alike)} (choose with --model)")
    print(f"wrote {output}")
