"""Words that the layers share: arrays, frames and batches of pairs."""

from __future__ import annotations

from collections.abc import Sequence

# An array with its axes beside it: `Float[Array, "B H W C"]`; docs/design.md lists the letters. To a type checker, and
# where the package runs, it is the array; the tests put jaxtyping's kinds in these places, which look at shapes.
from typing import Annotated as Bool
from typing import Annotated as Float
from typing import Annotated as Int
from typing import Annotated as Key
from typing import Annotated as Real
from typing import Annotated as UInt8
from typing import Any, TypeAlias

import jax
import numpy as np
from flax import struct

Array = jax.Array
ArrayLike = jax.Array | np.ndarray
# An array in a tree: NumPy's on the host, JAX's on a device, a tracer under `jit`; None where it is left out.
Leaf: TypeAlias = Any
Tree: TypeAlias = Any  # of arrays; what it is made of is its maker's affair
Params: TypeAlias = Tree  # the whole variables dict of a net: {"params", "batch_stats"}
Boxes: TypeAlias = "ArrayLike | Sequence[float] | Sequence[Boxes]"  # xywh, as a user writes them
Metrics = dict[str, Array]


@struct.dataclass
class Frame:
    """One decoded video frame, padded with zeros at the right and bottom to a bucket.

    Attributes:
      pixels: `[H, W, 3]` uint8 RGB.
      extent: `[2]` int32, the true `(height, width)`; pixels beyond it are never read.
      valid: `[]` bool, False where the frame could not be decoded (the tracker holds its last box).
    """

    pixels: Leaf
    extent: Leaf
    valid: Leaf


@struct.dataclass
class PairBatch:
    """Two context patches a sample, each centred on its object, and what is known of them.

    A patch shows the object's exemplar square (127 px wide in it) and as much around it as
    `S` allows; augmentation on the device cuts the network's exemplar and search crops from it.

    Attributes:
      exemplar: `[B, S, S, 3]` uint8 RGB patch around the target.
      search: `[B, S, S, 3]` uint8 RGB patch of another frame (or, for a negative pair, of another object).
      exemplar_box: `[B, 4]` float32 `xywh` of the target in `exemplar`, patch pixels.
      search_box: `[B, 4]` float32 `xywh` of the object in `search`, patch pixels.
      similar: `[B]` bool, True where both patches show the same object.
      index: `[B]` int32, index of the sample in the global stream: keys of augmentation fold it in.
      search_mask: `[B, S, S]` uint8, how much of each pixel of `search` is the target's, 0..255; None where the
        data is not asked for masks.
      masked: `[B]` bool, False where the target's mask is not known, or the search shows another object; None with
        `search_mask`.
      identity: `[B, 2]` int32, which object `exemplar` and `search` show: the same number for the same object; None
        where that is not known. From the pipeline: the number of its track.
    """

    exemplar: Leaf
    search: Leaf
    exemplar_box: Leaf
    search_box: Leaf
    similar: Leaf
    index: Leaf
    search_mask: Leaf = None
    masked: Leaf = None
    identity: Leaf = None


@struct.dataclass
class TrainPair:
    """The crops that a net trains on, cut from a `PairBatch` by the augmentation.

    Attributes:
      exemplar: `[B, h, h, 3]` float32 RGB 0..255.
      search: `[B, H, H, 3]` float32 RGB 0..255; another view of it (`ops.views`) where a net's second side takes one.
      exemplar_box, search_box: `[B, 4]` float32 `xywh` of the object, pixels of its crop.
      similar, index: as in `PairBatch`.
      key: `[B]` typed keys, for what an objective draws of each pair.
      mask: `[B, H, H]` float32, how much of each pixel of `search` is the target's, 0..1; None without masks.
      masked, identity: as in `PairBatch`.
    """

    exemplar: Leaf
    search: Leaf
    exemplar_box: Leaf
    search_box: Leaf
    similar: Leaf
    index: Leaf
    key: Leaf
    mask: Leaf = None
    masked: Leaf = None
    identity: Leaf = None
