"""Bare memory for kernels: arrays at addresses, and prefetching.

A kernel gets one address, that of its ``State``, and finds everything else through it. Passing
arrays instead costs a third of the run time: each call to a helper counts references atomically.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, TypeVar, cast, get_type_hints

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import DTypeLike, NDArray

F8 = Annotated[float, "f8"]
I8 = Annotated[int, "i8"]
U8 = Annotated[np.uint64, "u8"]
U4 = Annotated[np.uint32, "u4"]
I4 = Annotated[np.int32, "i4"]
I1 = Annotated[int, "i1"]

int64 = cast("type[int]", np.int64)
"""what kernels compute with; numba would take an int and an unsigned one for two floats"""

_numba: Any = numba  # its stubs leave out much of what it documents
_cgutils, _arrayobj = _numba.core.cgutils, _numba.np.arrayobj

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


def address(array: NDArray[Any]) -> np.uint64:
    """Return where an array lies; the caller keeps it alive."""
    return np.uint64(array.ctypes.data)


def reserve(length: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return zeroed memory that occupies pages only once they are touched."""
    return np.zeros(max(1, length), dtype=dtype)


@intrinsic
def _table(_typing: Any, place: Any, _length: Any, dtype: Any) -> Any:  # noqa: ANN401
    array = types.Array(dtype.dtype, 1, "C", aligned=False)

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        made = context.make_array(array)(context, builder)
        size = context.get_abi_sizeof(context.get_data_type(array.dtype))
        itemsize = context.get_constant(types.intp, size)
        _arrayobj.populate_array(
            made,
            data=builder.inttoptr(args[0], made.data.type),
            shape=[args[1]],
            strides=[itemsize],
            itemsize=itemsize,
            meminfo=None,
        )
        return made._getvalue()  # noqa: SLF001  (numba's name for it)

    return array(place, types.int64, dtype), generate


@intrinsic
def _prefetch(_typing: Any, place: Any) -> Any:  # noqa: ANN401

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        cgutils, ir = _cgutils, _cgutils.ir
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        pointer = builder.inttoptr(args[0], cgutils.voidptr_t)
        builder.call(function, [pointer, i32(1), i32(3), i32(1)])
        return _context.get_dummy_value()

    return types.none(place), generate


prefetch = cast("Callable[[np.uint64], None]", _prefetch)
"""asks for the cache line at an address, which will soon be read and written"""
table = cast("Callable[[np.uint64, int, DTypeLike], Any]", _table)
"""gives the array of so many items at an address, without ownership; built in place, because a
function would be compiled once for each type of its items"""

_Library: Any = _numba.core.codegen.JITCodeLibrary
_Compiler: Any = _numba.core.compiler.CompilerBase
_passes = _numba.core.compiler.DefaultPassBuilder


class _Part(_Library):  # type: ignore[misc]
    """Code of a part, which is optimised and translated within the entry points that it is part of.

    Numba would do both for each part as well, as if somebody called it from Python.
    """

    def _optimize_final_module(self) -> None:
        """Leave it to the entry point."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, _name: str) -> int:
        """Return 0: nobody calls it by address."""
        self._ensure_finalized()
        return 0

    @property
    def codegen(self) -> "_Part":
        """What only ``set_env`` is asked of."""
        return self

    def set_env(self, _name: str, _env: object) -> None:
        """Do nothing: an environment serves what kernels have none of, Python objects."""


class _PartCompiler(_Compiler):  # type: ignore[misc]
    def define_pipelines(self) -> list[Any]:
        """Return the ordinary pipeline, for a library that is a part."""
        state = self.state
        state.library = _Part(state.targetctx.codegen(), state.func_id.func_qualname)
        return [_passes.define_nopython_pipeline(state)]


_njit = _numba.njit
PART: Any = {
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": _PartCompiler,
}
"""how whatever is called from kernels only is compiled; x / 0 is inf"""
_OUTER = {"error_model": "numpy", "nogil": True, "cache": True}

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile a part of a kernel; x / 0 is inf, without a branch that bars vectors.

    Once for each type of its arguments: numba would compile it anew for each literal number.
    """
    compiled = _njit(**PART)(function)
    resolve = compiled.get_call_template

    def without_literals(args: Any, kws: Any) -> Any:  # noqa: ANN401
        return resolve(tuple(_numba.types.unliteral(arg) for arg in args), kws)

    compiled.get_call_template = without_literals
    return cast("Function", compiled)


def entry(signature: Any) -> Callable[[Function], Function]:  # noqa: ANN401
    """Compile an entry point: at import, cached on disk, outside of Python's lock."""
    return cast("Callable[[Function], Function]", _njit(signature, **_OUTER))


@dataclass(slots=True)
class Memory:
    """The arrays of one fleet, kept alive for the kernels that know their addresses."""

    fleet: NDArray[np.void]
    issuer: NDArray[np.void]
    wheel: NDArray[np.void]
    batches: NDArray[np.void]
    lanes: NDArray[np.void]
    shards: NDArray[np.void]
    records: NDArray[np.void]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    def hold(
        self, struct: NDArray[np.void], name: str, array: NDArray[Any], key: str | None = None
    ) -> None:
        """Keep an array, by the field's name or ``key``, and write its address into a struct."""
        self.arrays[key or name] = array
        struct[name] = address(array)
