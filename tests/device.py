"""A second device that needs no hardware: it computes on the CPU, refuses to mix and counts waits.

Tensors on it say `meta` when they are asked where they are, so code that tells devices apart takes the way of a GPU. An
operation between a tensor here and one elsewhere raises, as on a GPU; so does an index on the CPU, which a GPU would
accept at the price of a hidden copy. Numbers are those of torch on the CPU, to the bit.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

NAME = "meta"

# What makes the host wait for the device, by its name in torch's dispatcher: sizes or numbers come from the results.
_WAITING = {
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "unique_dim",
}
# These take a mask as an index, and look for its places first.
_INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}

# These look whether they succeeded, which `meta` skips and the dispatcher therefore does not see.
_CHECKED = {
    torch.linalg.cholesky,
    torch.linalg.eigh,
    torch.linalg.eigvalsh,
    torch.linalg.inv,
    torch.linalg.lstsq,
    torch.linalg.pinv,
    torch.linalg.solve,
    torch.linalg.svd,
}

_counts: Counter[str] = Counter()


class MixedDevices(RuntimeError):
    """An operation was given tensors here and tensors on the CPU."""


class Elsewhere(Tensor):
    """A tensor on the second device; `held` is what it has, on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor, requires_grad: bool = False) -> "Elsewhere":
        """Label a plain tensor."""
        tensor: Elsewhere = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME),
            requires_grad=requires_grad,
        )
        tensor.held = held
        return tensor

    def __repr__(self, *, tensor_contents: object = None) -> str:  # type: ignore[override]
        return f"Elsewhere({self.held!r})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Compute on what is held."""
        return _computed(func, args, kwargs or {})


class _Placing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tensors that are made here, by name of the device, become labelled ones."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Literals(TorchFunctionMode):
    """What never reaches the dispatcher: `torch.tensor` on `meta` forgets the numbers, subclasses give no lists."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in {torch.tensor, torch.as_tensor} and _is_here(kwargs.get("device")):
            del kwargs["device"]
            return func(*args, **kwargs).to(NAME)
        if func is Tensor.tolist and isinstance(args[0], Elsewhere):
            _counts["copy to the host"] += 1
            return args[0].held.tolist()
        if func in _CHECKED and isinstance(args[0], Elsewhere):
            _counts[func.__name__] += 1
        return func(*args, **kwargs)


@contextmanager
def second_device() -> Iterator[Counter[str]]:
    """Let the device be there, and count by kind what made the host wait since the block began.

    Yields:
        Number of synchronisations by the name of the operation; "upload" is the number of copies to the device, which
        is no synchronisation and which `waits` leaves out.
    """
    _counts.clear()
    with _Literals(), _Placing():  # type: ignore[no-untyped-call]
        yield _counts


def waits(counts: Mapping[str, float]) -> float:
    """How often the host had to wait for the device."""
    return sum(count for name, count in counts.items() if name != "upload")


def _is_here(device: torch.device | str | None) -> bool:
    return device is not None and torch.device(device).type == NAME


def _computed(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    name = func._schema.name.split("::")[1]
    given = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, Tensor)]
    here = [each for each in given if isinstance(each, Elsewhere)]
    kwargs = dict(kwargs)
    wanted = kwargs.get("device")
    if wanted is not None and _is_here(wanted):
        kwargs["device"] = torch.device("cpu")
    if not here and not _is_here(wanted):
        return func(*args, **kwargs)
    if name == "copy_":
        _count_copy(args[0], args[1])
    elif name == "_to_copy":
        if wanted is not None and here and not _is_here(wanted):
            _counts["copy to the host"] += 1
        elif not here:
            _counts["upload"] += 1
    else:
        _check(name, given, here)
        if name in _WAITING and not (name == "repeat_interleave" and kwargs.get("output_size") is not None):
            _counts[name] += 1
        elif name in _INDEXING and any(each is not None and each.dtype == torch.bool for each in args[1]):
            _counts["mask"] += 1
    result = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    if wanted is not None and not _is_here(wanted):
        return result
    return _labelled(args, kwargs, result)


def _check(name: str, given: Sequence[Tensor], here: Sequence[Tensor]) -> None:
    """A number on the CPU may meet anything; nothing else may."""
    strangers = [each for each in given if not isinstance(each, Elsewhere) and each.dim() > 0]
    if here and strangers:
        shapes = ", ".join(str(tuple(each.shape)) for each in strangers)
        raise MixedDevices(
            f"{name} has tensors on the second device and on the CPU, of shape {shapes}: move them there"
        )


def _count_copy(into: Tensor, source: Tensor) -> None:
    if isinstance(into, Elsewhere) != isinstance(source, Elsewhere):
        _counts["upload" if isinstance(into, Elsewhere) else "copy to the host"] += 1


def _held(value: Any) -> Any:
    return value.held if isinstance(value, Elsewhere) else value


def _labelled(args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Any:
    """What is returned, each tensor on the device; those written in place are the ones that were given."""
    known: dict[int, Tensor] = {
        id(each.held): each for each in tree_flatten((args, kwargs))[0] if isinstance(each, Elsewhere)
    }
    plain = {id(each): each for each in tree_flatten((args, kwargs))[0] if type(each) is Tensor}

    def label(value: Any) -> Any:
        if not isinstance(value, Tensor) or id(value) in plain:
            return value
        return known[id(value)] if id(value) in known else Elsewhere(value)

    return tree_map(label, result)
