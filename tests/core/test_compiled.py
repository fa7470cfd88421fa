from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from dpsynth._compiled import Kernel, compiled, kernel


def by_formula(number: int) -> int:
    return number * (number - 1) // 2


def made() -> Kernel[[int], int]:
    @kernel(vectorised=by_formula)
    def by_loop(number: int) -> int:
        """Adds."""
        total = 0
        for i in range(number):
            total += i
        return total

    return by_loop


def test_a_kernel_is_compiled_when_it_is_worth_it_and_stays_so() -> None:
    total = made()
    assert total.__doc__ == "Adds."
    assert total.form(worthwhile=False) is by_formula
    compiled = total.form(worthwhile=True)
    assert compiled is not by_formula
    assert total.form(worthwhile=False) is compiled
    assert total(10) == compiled(10) == total.loop(10) == by_formula(10) == 45


def test_without_numba_a_kernel_is_its_numpy_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    total = made()
    assert total.form(worthwhile=True) is by_formula
    assert total(4) == 6


def test_the_numpy_form_runs_until_the_loop_is_worth_it() -> None:
    """A kernel that was only ever asked for little work has not loaded numba for it."""
    total = made()
    for _ in range(3):
        assert total.form(worthwhile=False)(5) == 10
    assert "fastest" not in vars(total)


def test_without_numba_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert compiled(by_formula) is None


def test_a_loop_that_cannot_be_cached_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder may hold the cache, or the loop has no file: numba says so with a RuntimeError."""
    numba = pytest.importorskip("numba")
    asked: list[bool] = []
    njit = numba.njit

    def strict(*, cache: bool = False, **options: Any) -> Any:
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available for file")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", strict)
    total = made()
    assert total(10) == 45
    assert asked == [True, False]
    assert total.fastest is not by_formula


def without_file(*lines: str) -> Any:
    """A function that no cache can hold."""
    scope: dict[str, Any] = {}
    exec("\n".join(lines), scope)  # noqa: S102
    return scope["loop"]


def test_numba_refuses_to_cache_what_has_no_file() -> None:
    """What the test above makes up does happen."""
    numba = pytest.importorskip("numba")
    lines = ("def loop(number):", " total = 0", " for i in range(number):", "  total += i", " return total")
    with pytest.raises(RuntimeError, match="cache"):
        numba.njit(cache=True)(without_file(*lines))
    found = compiled(without_file(*lines))
    assert found is not None
    assert found(10) == 45


def test_other_errors_of_numba_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba")
    njit = numba.njit

    def broken(*, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise TypeError("no such option")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", broken)
    with pytest.raises(TypeError, match="no such option"):
        compiled(by_formula)


def test_a_compiled_loop_divides_as_numpy_does() -> None:
    pytest.importorskip("numba")
    share = without_file("def loop(part, whole):", " return part / whole")
    found = compiled(share)
    assert found is not None
    assert found(1.0, 0.0) == float("inf")
    with pytest.raises(ZeroDivisionError):
        share(1.0, 0.0)


def test_the_package_is_imported_without_numba() -> None:
    code = (
        "import sys, dpsynth, dpsynth._compiled, dpsynth.graphical.polish; sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
