"""What settings and states have in common that hold those of another tracker as `inner`."""

from __future__ import annotations

from typing import Any

from siamjax.types import Array, Tree


class Outer:
    """Settings round those of another tracker, whose crops theirs are."""

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
    def channel_order(self) -> str:
        """Order of channels the net was trained on."""
        return self.inner.channel_order


class OuterState:
    """A state round that of another tracker; of masks it holds what that one does."""

    inner: Tree

    @property
    def mask(self) -> Array:
        return self.inner.mask

    @property
    def affine(self) -> Array:
        return self.inner.affine

    @property
    def polygon(self) -> Array:
        return self.inner.polygon
