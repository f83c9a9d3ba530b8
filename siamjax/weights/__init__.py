"""Weight files, and the zoo of names that have them."""

from typing import TYPE_CHECKING

from siamjax.faces import face

if TYPE_CHECKING:
    from siamjax.weights.published import convert
    from siamjax.weights.zoo import ZOO, load

__all__ = ["ZOO", "convert", "load"]

__getattr__, __dir__ = face(__name__)
