"""Bare memory for kernels: arrays at addresses, and prefetching.

A kernel gets one address, that of its ``State``, and finds everything else through it. Passing
arrays instead costs a third of the run time: each call to a helper counts references atomically.
"""

from typing import Annotated, Any, Protocol, TypeVar, get_type_hints

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import DTypeLike, NDArray

F8 = Annotated[float, "f8"]
I8 = Annotated[int, "i8"]
U8 = Annotated[int, "u8"]
U4 = Annotated[int, "u4"]
I4 = Annotated[int, "i4"]
U2 = Annotated[int, "u2"]
U1 = Annotated[int, "u1"]

Row = TypeVar("Row", covariant=True)


class Table(Protocol[Row]):
    """An array of structs (or of plain numbers) as a kernel sees it."""

    def __getitem__(self, index: int, /) -> Row: ...
    def __setitem__(self, index: int, value: Any, /) -> None: ...  # noqa: ANN401


def struct(cls: type, align: int = 1) -> np.dtype[np.void]:
    """Return the dtype whose fields are the annotations of ``cls``, in order, without gaps.

    Args:
        cls: a class of annotations like ``t_s: F8``; ``Annotated[…, "f8", 16]`` is a field of 16.
        align: pad the struct to a multiple of this many bytes.
    """
    fields: list[Any] = []
    for name, hint in get_type_hints(cls, include_extras=True).items():
        kind, *shape = hint.__metadata__
        fields.append((name, kind, tuple(shape)) if shape else (name, kind))
    dtype = np.dtype(fields)
    padding = -dtype.itemsize % align
    if padding:
        dtype = np.dtype([*fields, ("padding", "u1", (padding,))])
    return dtype


def address(array: NDArray[Any]) -> int:
    """Return where an array lies; the caller keeps it alive."""
    return array.ctypes.data


def reserve(length: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return zeroed memory that occupies pages only once they are touched."""
    return np.zeros(max(1, length), dtype=dtype)


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(_typing: Any, place: Any) -> Any:  # noqa: ANN401
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(place), generate


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(_typing: Any, place: Any) -> Any:  # noqa: ANN401
    """Ask for the cache line at an address, which will soon be read and written."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        pointer = builder.inttoptr(args[0], cgutils.voidptr_t)
        builder.call(function, [pointer, i32(1), i32(3), i32(1)])
        return _context.get_dummy_value()

    return types.none(place), generate


kernel = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""compiles a part of a kernel; dividing by zero gives inf, without a branch that bars vectors"""


@kernel
def table(place: int, length: int, dtype: Any) -> Any:  # noqa: ANN401
    """Return the array of ``length`` items at an address, without ownership."""
    return carray(_pointer(place), length, dtype)


def entry(signature: Any) -> Any:  # noqa: ANN401
    """Compile an entry point: eagerly, cached on disk, released from Python's lock."""
    return njit(signature, error_model="numpy", nogil=True, cache=True)
