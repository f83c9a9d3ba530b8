"""Parameter names, one table per published source: (theirs, ours) (SPEC 9)."""

from __future__ import annotations

Names = tuple[tuple[str, str], ...]

_NORM = (("weight", "params/{}/norm/scale"), ("bias", "params/{}/norm/bias"),
         ("running_mean", "batch_stats/{}/norm/mean"), ("running_var", "batch_stats/{}/norm/var"))


def _conv(theirs: str, ours: str) -> Names:
    return ((f"{theirs}.weight", f"params/{ours}/kernel"), (f"{theirs}.bias", f"params/{ours}/bias"))


def _norm(theirs: str, ours: str) -> Names:
    return tuple((f"{theirs}.{leaf}", path.format(ours)) for leaf, path in _NORM)


def siamfc(norms: int = 4) -> Names:
    """siamfc-pytorch: five convolutions, BatchNorm after the first `norms` (4 for V1 and V2, 5 for V3)."""
    names: Names = ()
    for i in range(1, 6):
        names += _conv(f"backbone.conv{i}.0", f"backbone/conv{i}")
        if i <= norms:
            names += _norm(f"backbone.conv{i}.1", f"backbone/conv{i}")
    return names
