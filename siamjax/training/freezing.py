"""What trains when: parameters that are frozen, for good or until an epoch."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager

from flax import linen as nn
from flax import traverse_util

from siamjax.types import Params


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of a training in which the same parameters train.

    Attributes:
      first_step: of the training, at which it begins.
      frozen: starts of the paths of parameters that do not train ("backbone/conv1").
      thawed: starts of paths within those that train all the same.
    """

    first_step: int = 0
    frozen: tuple[str, ...] = ()
    thawed: tuple[str, ...] = ()

    def freezes(self, path: str) -> bool:
        """Whether what lies at `path`, a parameter or a module, does not train."""
        return starts(path, self.frozen) and not starts(path, self.thawed)

    def split(self, params: Params) -> tuple[dict, dict]:
        """The leaves that train and those that are frozen, by path.

        The step differentiates by the first only: XLA never sees a gradient of the others.
        """
        flat = traverse_util.flatten_dict(params, sep="/")
        return ({k: v for k, v in flat.items() if not self.freezes(k)},
                {k: v for k, v in flat.items() if self.freezes(k)})

    def hold_norms(self) -> AbstractContextManager:
        """In it, BatchNorms that are frozen use and keep the statistics they have, in whatever mode they are called."""
        def intercept(call, args, kwargs, context):
            module = context.module
            if isinstance(module, nn.BatchNorm) and self.freezes("/".join(module.path)):
                # A module's fields are fixed, and BatchNorm refuses to be told twice; this one lives for the call.
                object.__setattr__(module, "use_running_average", True)
                kwargs = {name: value for name, value in kwargs.items() if name != "use_running_average"}
            return call(*args, **kwargs)

        return nn.intercept_methods(intercept)


def join(trained: dict, held: dict) -> Params:
    """What `split` took apart."""
    return traverse_util.unflatten_dict({**trained, **held}, sep="/")


def starts(path: str, beginnings: tuple[str, ...]) -> bool:
    """Whether `path` begins with one of `beginnings`, by whole names."""
    return any(path == start or path.startswith(f"{start}/") for start in beginnings)
