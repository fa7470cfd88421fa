from __future__ import annotations

import sys

import pytest

from dpsynth._compiled import Kernel, kernel


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
