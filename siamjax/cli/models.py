"""`siamjax models`: the zoo with its cards."""

from __future__ import annotations

from pathlib import Path

import tyro

from siamjax.errors import one_line
from siamjax.weights import files, spec, zoo


def models(name: tyro.conf.Positional[str | None] = None, /) -> None:
    """Lists the zoo, or shows one model's card and settings.

    Args:
      name: zoo name or weight file to show in full.
    """
    if name is None:
        width = max(map(len, zoo.ZOO))
        for key, entry in zoo.ZOO.items():
            state = "in the package" if entry.weights else "weights by `siamjax convert`"
            default = ", the default" if key == zoo.DEFAULT else ""
            print(f"{key:{width}}  {entry.summary} ({state}{default})")
        print(f"\n`siamjax models NAME` shows a card, e.g. `siamjax models {zoo.DEFAULT}`")
        return
    entry = zoo.ZOO.get(name)
    if entry is not None and entry.weights is None:
        print(f"{name}: {entry.summary}\nno weights in the package; `siamjax convert FILE --model {name} "
              "--output F` makes them of a published checkpoint")
        return
    path = zoo.locate(name)[0]
    metadata = files.read_header(path).metadata
    if entry is not None:
        metadata["config"] = spec.dumps(entry.tracker)
    for line in metadata["card"].splitlines():
        print(one_line(line, len(line)))
    print()
    print(files.pretty(metadata, where=str(path)))
    print(f"file: {Path(path).stat().st_size / 1e6:.1f} MB")
