"""Arrays by address: how compiled searches reach many arrays through one.

Each array argument of a compiled call costs its check and unpacking, and a read-only or
memory-mapped one is another type to compile for. So searches take numbers only, some of
which are addresses. Whoever writes an address down keeps the array alive for the call.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic
from numba.np.arrayobj import np_cfarray

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


def _array_at(kind: Any) -> Any:
    @intrinsic
    def array_at(typing_context: Any, address: Any, shape: Any) -> Any:
        array = types.Array(kind, len(shape), "C")

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = builder.inttoptr(args[0], context.get_value_type(types.CPointer(kind)))
            return np_cfarray(
                context,
                builder,
                array(types.CPointer(kind), signature.args[1]),
                (pointer, args[1]),
            )

        return array(types.int64, shape), generate

    return array_at


# The array of a shape, a tuple, that begins at an address.
ints32_at, ints_at = _array_at(types.int32), _array_at(types.int64)
floats32_at, floats_at = _array_at(types.float32), _array_at(types.float64)

inlined = njit(forceinline=True, _nrt=False)  # type: ignore[call-overload]  # as in `scores`
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
