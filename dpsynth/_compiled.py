"""Loops that numba compiles where it is installed, with a vectorised form of the same function elsewhere.

A kernel is written twice: as a plain loop, which is what numba compiles well, and in numpy. Both give the
same result to the last bit (a test holds them equal for every kernel), so that a model does not depend on
which of them ran. numba is imported at the first call, and what it compiled is cached on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, ParamSpec, TypeVar, cast

__all__ = ["Kernel", "kernel"]

ArgumentsT = ParamSpec("ArgumentsT")
ResultT = TypeVar("ResultT")


class Kernel(Generic[ArgumentsT, ResultT]):
    """A function with two forms.

    Attributes:
        loop: The form that numba compiles; slow, but right, as plain Python.
        vectorised: The numpy form.
    """

    def __init__(
        self, loop: Callable[ArgumentsT, ResultT], vectorised: Callable[ArgumentsT, ResultT]
    ) -> None:
        self.loop = loop
        self.vectorised = vectorised
        self.__doc__ = loop.__doc__

    def __call__(self, *args: ArgumentsT.args, **kwargs: ArgumentsT.kwargs) -> ResultT:
        return self.fastest(*args, **kwargs)

    @cached_property
    def fastest(self) -> Callable[ArgumentsT, ResultT]:
        """The compiled loop; the numpy form if there is no numba."""
        return compiled(self.loop) or self.vectorised

    def form(self, *, worthwhile: bool) -> Callable[ArgumentsT, ResultT]:
        """The compiled loop if the work is worth it, or if it is loaded already; else the numpy form.

        To import numba and load what it compiled takes about a second, to compile it the first time two.
        """
        return self.fastest if worthwhile or "fastest" in self.__dict__ else self.vectorised


def kernel(
    *, vectorised: Callable[ArgumentsT, ResultT]
) -> Callable[[Callable[ArgumentsT, ResultT]], Kernel[ArgumentsT, ResultT]]:
    """Declare the decorated loop and `vectorised` to be two forms of one function."""
    return lambda loop: Kernel(loop, vectorised)


def compiled(loop: Callable[ArgumentsT, ResultT]) -> Callable[ArgumentsT, ResultT] | None:
    """`loop`, compiled at its first call; None if numba is not there.

    The compiled function does not hold the interpreter's lock: two threads run it side by side.
    """
    try:
        import numba
    except ImportError:
        return None
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        made = numba.njit(cache=True, **options)(loop)
    except RuntimeError:  # no folder of this machine may hold the cache
        made = numba.njit(**options)(loop)
    return cast("Callable[ArgumentsT, ResultT]", made)
