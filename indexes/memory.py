"""Arrays by address: how compiled searches reach many arrays through one.

Each array argument of a compiled call costs its check and unpacking, and a read-only or
memory-mapped one is another type to compile for. So searches take numbers only, some of
which are addresses. Whoever writes an address down keeps the array alive for the call.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import (  # type: ignore[attr-defined]  # it exports carray by name only
    carray,
    njit,
    types,
)
from numba.extending import intrinsic

__all__ = ["address_of", "floats32_at", "floats_at", "ints32_at", "ints_at", "prefetch"]


def address_of(array: npt.NDArray[Any]) -> int:
    """Where an array's first number lies.

    Raises
    ------
    ValueError
        If its numbers don't lie side by side.
    """
    if not array.flags.c_contiguous:
        raise ValueError("only an array whose numbers lie side by side has one address")
    address: int = array.__array_interface__["data"][0]
    return address


def _pointer_to(kind: Any) -> Any:
    @intrinsic
    def pointer(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64), generate

    return pointer


_int32_pointer = _pointer_to(types.int32)
_int64_pointer = _pointer_to(types.int64)
_float32_pointer = _pointer_to(types.float32)
_float64_pointer = _pointer_to(types.float64)

inlined = njit(forceinline=True)
LINE = 64  # bytes that come into the cache together


@intrinsic
def _prefetch_line(typing_context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        # To read, to be kept in all caches, as data.
        builder.call(function, [builder.inttoptr(args[0], pointer), flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@inlined
def prefetch(address, size):
    """Have some bytes brought into the cache, without waiting: it changes nothing but time."""
    for at in range(0, size, LINE):
        _prefetch_line(np.int64(address + at))  # type: ignore[call-arg]  # as compiled, it has one


@inlined
def ints32_at(address, shape):
    """The int32 array of a shape that begins at an address."""
    return carray(_int32_pointer(np.int64(address)), shape)


@inlined
def ints_at(address, shape):
    """The int64 array of a shape that begins at an address."""
    return carray(_int64_pointer(np.int64(address)), shape)


@inlined
def floats32_at(address, shape):
    """The float32 array of a shape that begins at an address."""
    return carray(_float32_pointer(np.int64(address)), shape)


@inlined
def floats_at(address, shape):
    """The float64 array of a shape that begins at an address."""
    return carray(_float64_pointer(np.int64(address)), shape)
