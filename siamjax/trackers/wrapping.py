"""What the settings and the states of wrappers share: those of another tracker as `inner`."""

from __future__ import annotations

from typing import Any

from siamjax.types import Array, Float, Tree


class Outer:
    """Settings of a wrapper; sizes and channel order of crops are those of the tracker within."""

    inner: Any

    @property
    def exemplar_size(self) -> int:
        """Side of the exemplar crop, pixels."""
        return self.inner.exemplar_size

    @property
    def search_size(self) -> int:
        """Side of the usual search crop, pixels."""
        return self.inner.search_size

    @property
    def squeezed(self) -> bool:
        """Whether crops have the box's aspect and are squeezed to a square."""
        return getattr(self.inner, "squeezed", False)

    @property
    def channel_order(self) -> str:
        """Order of channels the net was trained on."""
        return self.inner.channel_order


class OuterState:
    """State of a wrapper; masks, if any, are those of the tracker within."""

    inner: Tree

    @property
    def mask(self) -> Float[Array, "..."]:
        return self.inner.mask

    @property
    def affine(self) -> Float[Array, "..."]:
        return self.inner.affine

    @property
    def polygon(self) -> Float[Array, "..."]:
        return self.inner.polygon
