"""Checkpoints of PyTorch as named arrays: the only reader of pickles.

Before PyTorch is asked, the pickle's own list of what it would call is read and held to what plain tensors are made
of, and every size that the file declares is added up. Nothing of a file that asks for more is executed.
"""

from __future__ import annotations

import contextlib
import math
import pickletools
import re
import warnings
import zipfile
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from siamjax.errors import WeightsError, one_line

MAX_BYTES = 2 << 30  # of parameters as float32, far above any tracker
MAX_PICKLE = 16 << 20  # bytes of names and shapes
MAX_ENTRIES = 100_000  # of a checkpoint, or of its archive
MAX_NESTED = 1000  # tuples within each other
SHOWN = 80  # characters of a name in a message

# What a training puts around a state dict. The first that is there is taken; averages come last, for a training that
# keeps both names the plain ones first.
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights", "params",
            "generator", "state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema", "params_ema")
# Of names, where all of them have one: DataParallel, torch.compile, and modules that hold the net.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "ema_model.", "ema.", "tracker.")
COUNTERS = ("num_batches_tracked", "_extra_state")

PLAIN = re.compile(
    r"(collections (OrderedDict|defaultdict)|_codecs encode|torch (Size|device|[a-z_0-9]*float[0-9_a-z]*|u?int[0-9]+"
    r"|long|short|half|double|bool|\w+Storage)|torch\._utils _rebuild_(tensor|tensor_v2|tensor_v3|parameter"
    r"|parameter_with_state)|torch\.(storage|cuda) \w+Storage|(builtins|__builtin__) (int|float|set|complex)"
    r"|numpy\._?core\.multiarray scalar|numpy dtype)")  # a training's best score as numpy had it
NO_PICKLES = (b"<", b"version https:/", b"{", b"[")  # pages, pointers and JSON that stand for a file
DO = "give the state dict of a published model"
KINDS = (  # of what else is called: what it makes, and what to do
    ("_rebuild_qtensor", "quantised tensors", "dequantise the model and save its state dict as float32"),
    ("_rebuild_sparse", "sparse tensors", "save the tensors as dense ones, `tensor.to_dense()`"),
    ("_rebuild_meta", "tensors without values (of the meta device)", "save the state dict of a model with its values"),
    ("_rebuild_nested", "nested tensors", DO),
    ("_rebuild_wrapper_subclass", "tensors of a class of their own", "save plain tensors, `tensor.data`"),
    ("_rebuild_from_type", "tensors of a class of their own", "save plain tensors, `tensor.data`"),
    ("torch.nn.modules", "a whole module of PyTorch", "save the module's state_dict() instead of the module"),
    ("numpy", "arrays of NumPy beside its tensors", "save a dict of tensors only, `torch.save(model.state_dict(), F)`"))


def read(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint by name, without what is wrapped around them; halves as float32.

    Args:
      path: file that is there.
    Raises:
      WeightsError: as `files.read_state_dict`.
    """
    with _refused(path):
        check_pickles(path)  # what no program could read is not put down to a missing PyTorch
        if not (is_pickle(path) or zipfile.is_zipfile(path)):
            raise ValueError("neither a pickle nor a whole zip archive")
    try:
        import torch
    except ImportError as error:
        raise WeightsError("PyTorch, which reads this file, is not installed", str(path),
                           "install it with `pip install 'siamjax[convert]'`") from error
    with _refused(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.serialization.safe_globals(_numbers()):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    named = unwrapped(loaded, where=str(path))
    check_total({name: tuple(value.shape) for name, value in named.items()}, str(path))
    return without_prefixes({name: _array(name, value, str(path)) for name, value in named.items()})


def is_pickle(path: str | Path) -> bool:
    """Whether a file begins as a pickle of protocol 2 or later does."""
    with open(path, "rb") as file:
        return file.read(1) == b"\x80"


@contextlib.contextmanager
def _refused(path: str | Path) -> Iterator[None]:
    """Makes one error of whatever a bad file causes: torch raises UnpicklingError, RuntimeError, EOFError, ..."""
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:
        reason = one_line(str(error).partition("\n")[0] or type(error).__name__, 160)
        raise WeightsError(f"not a checkpoint of tensors only, so nothing of it was run: {reason}", str(path),
                           f"{DO}, or fetch the file again if it was cut off") from error


def _numbers() -> list[Any]:
    """What PyTorch has to be told that makes a number of numpy's, by the names of old and of new releases."""
    scalar: Any = np.float64(0).__reduce__()[0]
    return [scalar, *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")), np.dtype,
            *(type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4"))]


def unwrapped(loaded: Any, *, where: str) -> dict[str, Any]:
    """The named tensors within what `torch.load` gave, without counters and plain numbers and texts.

    Wrappers are those of `WRAPPERS`, within each other too. Where a file has two of them, which one was taken is said
    in a warning.

    Raises:
      WeightsError: there are no named tensors, or something else among them.
    """
    for _ in range(len(WRAPPERS)):
        if not isinstance(loaded, dict):
            break
        inner = [key for key in WRAPPERS if isinstance(loaded.get(key), dict) and loaded[key]]
        if not inner:
            break
        if len(inner) > 1:
            warnings.warn(f"{where} holds {' and '.join(inner)}: '{inner[0]}' is taken", stacklevel=1)
        loaded = loaded[inner[0]]
    if not isinstance(loaded, dict) or not loaded:
        what = "nothing" if isinstance(loaded, dict) else f"a {type(loaded).__name__}, not named tensors"
        raise WeightsError(f"holds {what}", where, DO)
    tensors = {}
    for key, value in loaded.items():
        if isinstance(key, str) and key.endswith(COUNTERS):
            continue
        if isinstance(value, (bool, int, float, str)) or value is None:
            continue
        if not isinstance(key, str) or not hasattr(value, "is_sparse"):
            raise WeightsError(f"entry {shortened(str(key))!r} is a {type(value).__name__}, not a named tensor", where,
                               f"{DO}; wrappers that are known: {', '.join(WRAPPERS)}")
        tensors[key] = value
    if not tensors:
        raise WeightsError("holds no tensors", where, DO)
    return tensors


def without_prefixes(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Names without the `PREFIXES` that all of them have, one after the other."""
    while True:
        prefix = next((p for p in PREFIXES if all(key.startswith(p) and key != p for key in tensors)), None)
        if prefix is None or not tensors:
            return dict(tensors)
        tensors = {key[len(prefix):]: value for key, value in tensors.items()}


def check_total(shapes: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Raises WeightsError where tensors of these shapes are more than any tracker has."""
    total = sum(4 * math.prod(shape) for shape in shapes.values())
    if total > MAX_BYTES or len(shapes) > MAX_ENTRIES:
        raise WeightsError(f"declares {len(shapes)} tensors of {total >> 20} MB", where, "no tracker is that large")


def shortened(name: str) -> str:
    """A name from a file, as a message shows it."""
    return one_line(name, SHOWN)


def what_is_not_finite(value: np.ndarray) -> str:
    """"NaN", "infinity", or both, as an array has them."""
    return " and ".join(word for word, there in (("NaN", np.isnan(value).any()), ("infinity", np.isinf(value).any()))
                        if there)


def _array(name: str, value: Any, where: str) -> np.ndarray:
    """A tensor as numpy has it: floats as float32, whole numbers and truths as they are."""
    import torch

    kind = str(value.dtype).removeprefix("torch.")
    odd = ("quantised" if value.is_quantized else "without values" if value.is_meta else
           "sparse" if value.layout != torch.strided else "nested" if value.is_nested else
           "complex" if value.is_complex() else kind if value.element_size() < 2 and value.is_floating_point() else "")
    if odd:
        raise WeightsError(f"{shortened(name)} is {odd}, not a tensor of plain numbers", where,
                           "save the model's state dict with dense tensors of float32")
    value = value.detach().resolve_neg()
    return (value.float() if value.is_floating_point() else value).numpy()  # numpy has no bfloat16


def check_pickles(path: Path) -> None:
    """Looks at what a checkpoint's pickles would call and at the sizes its archive declares; runs nothing.

    Raises:
      WeightsError: it calls something else than what makes tensors, or is larger than any tracker; or it is of
        another format.
    """
    where = str(path)
    with open(path, "rb") as file:
        start = file.read(16)
        if start[:4] == b"PK\x03\x04":
            pickles = _archived(path)
        elif start.startswith(NO_PICKLES):
            raise WeightsError(f"a text that begins with {start[:12]!r}, not a checkpoint", where,
                               "fetch the file itself: a download gave a page, or Git LFS a pointer, in its place")
        elif start[8:9] == b"{":
            raise WeightsError("a safetensors file", where,
                               "it needs no conversion if siamjax wrote it; else give the checkpoint of PyTorch")
        else:
            file.seek(0)
            pickles = (stream for stream in (file,))
        with contextlib.closing(pickles):
            for stream in pickles:
                odd = sorted(called.replace(" ", ".") for called in _called(stream, where)
                             if not PLAIN.fullmatch(called))
                if odd:
                    _refuse(odd, where)


def _refuse(called: list[str], where: str) -> None:
    """Says what a pickle holds that calls such things."""
    kind, do = next(((kind, do) for part, kind, do in KINDS for name in called if part in name),
                    (f"a call of {shortened(called[0])}", DO))
    raise WeightsError(f"not a checkpoint of tensors only, so nothing of it was run: it holds {kind}", where, do)


def _archived(path: Path) -> Generator[BinaryIO, None, None]:
    """The pickles of a checkpoint's archive, whose sizes have been bounded."""
    where = str(path)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        inside = [entry.filename for entry in entries]
        if any("/code/" in name or name.endswith("constants.pkl") for name in inside):
            raise WeightsError("a program of TorchScript, not a state dict", where,
                               "load it in PyTorch and save its state_dict()")
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
            raise WeightsError("a packed archive, which PyTorch does not write", where,
                               "unpack it first, or give the .pth file that torch.save wrote")
        if sum(entry.file_size for entry in entries) > MAX_BYTES or len(entries) > MAX_ENTRIES:
            raise WeightsError(f"an archive of {len(entries)} entries of "
                               f"{sum(entry.file_size for entry in entries) >> 20} MB", where,
                               "no tracker is that large")
        pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
        if not pickles:
            raise WeightsError("an archive without a checkpoint of PyTorch", where, DO)
        for entry in pickles:
            if entry.file_size > MAX_PICKLE:
                raise WeightsError(f"names and shapes of {entry.file_size >> 20} MB", where, "no tracker is that large")
            with archive.open(entry) as stream:
                yield stream  # type: ignore[misc]


def _called(stream: BinaryIO, where: str) -> set[str]:
    """`module name` of all that the pickles at the start of a stream would look up; PyTorch's first format has five."""
    found: set[str] = set()
    for number in range(5):
        nesting, begin, texts = _Nesting(), stream.tell(), ["", ""]
        try:
            for code, argument, position in pickletools.genops(stream):
                if code.name in ("GLOBAL", "INST"):
                    found.add(str(argument))
                elif code.name == "STACK_GLOBAL":  # of a later protocol, whose names are two texts
                    found.add(" ".join(texts[-2:]))
                elif isinstance(argument, str):
                    texts.append(argument)
                if nesting.after(code, argument) > MAX_NESTED or (position or 0) - begin > MAX_PICKLE:
                    raise WeightsError("names and shapes of many megabytes, or nested thousands of times", where, DO)
        except WeightsError:
            raise
        except Exception as error:  # ValueError, struct.error, UnicodeDecodeError, ... of a damaged pickle
            if number:  # behind the pickles come the raw numbers
                break
            reason = one_line(str(error), 120) if isinstance(error, ValueError) else "a damaged pickle"
            raise WeightsError(f"not a checkpoint of tensors only, so nothing of it was run: {reason}", where,
                               f"{DO}, or fetch the file again if it was cut off") from error
    return found


class _Nesting:
    """How deep the tuples of a pickle lie in each other: Python hashes a tuple by recursion without a bound."""

    def __init__(self):
        self.stack: list[int] = []
        self.memo: dict[Any, int] = {}

    def after(self, code: Any, argument: Any) -> int:
        """Depth of what lies on the stack after one more opcode."""
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
        elif code.name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo.get(argument, 0))
        else:
            before, taken = list(code.stack_before), [0]
            if pickletools.markobject in before:
                while self.stack[-1] >= 0:
                    taken.append(self.stack.pop())
                self.stack.pop()
                before = before[:before.index(pickletools.markobject)]
            taken += [self.stack.pop() for _ in before]
            made = max(taken) + code.name.startswith("TUPLE")
            self.stack += [-1 if kind is pickletools.markobject else made for kind in code.stack_after]
        return self.stack[-1] if self.stack else 0
