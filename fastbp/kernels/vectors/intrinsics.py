"""A decorator for instructions on vectors and tiles: their code gets LLVM values, tuples as lists."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastbp.kernels.runtime.host import HAS_FMA
from fastbp.kernels.vectors.simd import I32, Vec, broadcast, call_intrinsic, first_mask, vector_of

INDEX = ir.IntType(64)


class Code:
    """What the code of one call is made with.

    Parameters
    ----------
    context, builder
        Numba's and llvmlite's.
    v : Vec
        The vectors' type, of arguments or of what pointers point to.
    """

    def __init__(self, context: Any, builder: Any, v: Vec) -> None:
        self.context, self.builder, self.v, self.lanes = context, builder, v, v.lanes
        self.bytes = v.dtype.bitwidth // 8

    def index(self, k: int) -> Any:
        """The number k as an offset."""
        return ir.Constant(INDEX, k)

    @property
    def zero(self) -> Any:
        """The vector of zeros."""
        return ir.Constant(self.context.get_value_type(self.v), None)

    def at(self, p: Any, offset: Any) -> Any:
        """The pointer `offset` numbers past p."""
        return self.builder.gep(p, [offset])

    def load(self, p: Any, offset: Any) -> Any:
        """The vector at p[offset], wherever it lies."""
        value = self.builder.load(self._address(p, offset))
        value.align = self.bytes
        return value

    def load_first(self, p: Any, offset: Any, n: Any) -> Any:
        """The first n lanes of the vector at p[offset], the others 0; nothing else is read."""
        vt, mask = self.context.get_value_type(self.v), first_mask(self.builder, self.lanes, n)
        address = self._address(p, offset)
        fnty = ir.FunctionType(vt, [address.type, I32, mask.type, vt])
        name = f"llvm.masked.load.v{self.lanes}f{self.v.dtype.bitwidth}.p0"
        fn = cgutils.get_or_insert_function(self.builder.module, fnty, name)
        return self.builder.call(fn, [address, I32(self.bytes), mask, self.zero])

    def _address(self, p: Any, offset: Any) -> Any:
        return self.builder.bitcast(self.at(p, offset), self.context.get_value_type(self.v).as_pointer())

    def vectors(self, p: Any, width: int) -> list[Any]:
        """The `width` vectors from p on."""
        return [self.load(p, self.index(q * self.lanes)) for q in range(width)]

    def store(self, p: Any, offset: Any, x: Any) -> None:
        """Write the vector x to p[offset], wherever it lies."""
        self.builder.store(x, self.builder.bitcast(self.at(p, offset), x.type.as_pointer())).align = self.bytes

    def repeated(self, p: Any, offset: Any) -> Any:
        """The number p[offset] in every lane."""
        return broadcast(self.builder, self.builder.load(self.at(p, offset)), self.lanes)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a * b + c, rounded once where the CPU has the instruction."""
        if HAS_FMA:
            return call_intrinsic(self.context, self.builder, "fma", self.v, [a, b, c])
        return self.builder.fadd(self.builder.fmul(a, b), c)


def vector_code(result: Callable[..., types.Type], *, literal: bool = False) -> Any:
    """Make an intrinsic of a function (code, *arguments) that emits instructions.

    Parameters
    ----------
    result : callable
        The Numba type of the result from those of the arguments.
    literal : bool
        Whether the last argument is a literal number; the function gets the number.
    """

    def decorate(emit: Callable[..., Any]) -> Any:
        names = ", ".join(list(inspect.signature(emit).parameters)[1:])

        def typed(kinds: tuple[Any, ...]) -> Any:
            taken = [_taken(kind) for kind in kinds]
            if literal:
                taken[-1] = kinds[-1]
            v = next(filter(None, map(_vector, kinds)))

            def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                values = [_unpacked(builder, kind, value) for kind, value in zip(kinds, args, strict=True)]
                if literal:
                    values[-1] = kinds[-1].literal_value
                made = emit(Code(context, builder, v), *values)
                if made is None:
                    return context.get_dummy_value()
                return context.make_tuple(builder, sig.return_type, made) if isinstance(made, list) else made

            return result(*kinds)(*taken), codegen

        return named_intrinsic(emit.__name__, emit.__doc__, names, typed, literal=literal)

    return decorate


def named_intrinsic(name: str, doc: str | None, names: str, typed: Callable[..., Any], *, literal: bool) -> Any:
    """Return the intrinsic of `typed`, from the types of arguments to a signature and code: Numba wants their names."""
    scope: dict[str, Any] = {"typed": typed}
    exec(f"def {name}(tyctx, {names}):\n    {doc!r}\n    return typed(({names},))", scope)
    return intrinsic(prefer_literal=literal)(scope[name])


def _vector(kind: Any) -> Vec | None:
    """The type of the vectors of an argument, or of those that it points to."""
    while isinstance(kind, types.BaseTuple):
        kind = kind[0] if len(kind) else types.none
    return kind if isinstance(kind, Vec) else vector_of(kind.dtype) if isinstance(kind, types.CPointer) else None


def _taken(kind: Any) -> Any:
    """The type that an argument is cast to."""
    return types.intp if isinstance(kind, types.Integer) else kind


def _unpacked(builder: Any, kind: Any, value: Any) -> Any:
    return cgutils.unpack_tuple(builder, value, len(kind)) if isinstance(kind, types.BaseTuple) else value
