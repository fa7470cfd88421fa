from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest

from dpsynth.mechanisms._exact import gaussian_tail, laplace_tail

POINTS = [2.0**-41, 1e-9, 0.01, 0.5, 1.0, 1.7, 2.0, 3.9, 4.7, 6.0, 8.5, 11.0, 13.0, 18.0]


def gaussian_reference(point: float) -> mpmath.mpf:
    return mpmath.erfc(mpmath.mpf(point) / mpmath.sqrt(2))


def laplace_reference(point: float) -> mpmath.mpf:
    return mpmath.exp(-mpmath.mpf(point))


@pytest.mark.parametrize("bits", [64, 127, 191, 400])
@pytest.mark.parametrize(
    ("tail", "reference"), [(gaussian_tail, gaussian_reference), (laplace_tail, laplace_reference)]
)
def test_the_bounds_hold_the_truth_and_are_tight(tail, reference, bits: int) -> None:
    with mpmath.workprec(bits + 300):
        for point in POINTS:
            low, high = tail(Fraction(point), bits)
            assert low <= reference(point) * 2**bits <= high
            assert high - low <= 2


def test_the_bounds_of_the_series_enclose_at_low_precision() -> None:
    # Few working bits and a large argument: rounding is worst there. exp(30) by its two bounds.
    from dpsynth.mechanisms._exact import _series

    for work in (4, 8, 16):
        x = 30 << work
        low, high = _series(x, work, 1, 1, up=0), _series(x, work, 1, 1, up=1)
        assert low <= mpmath.exp(30) * 2**work <= high
        assert low < high


@pytest.mark.parametrize("tail", [gaussian_tail, laplace_tail])
def test_far_tails_are_bounded_without_summing(tail) -> None:
    assert tail(Fraction(10**30), 127) == (0, 1)
    # ... and a longer look resolves what a shorter one left open.
    assert tail(Fraction(16), 16)[0] == 0
    assert tail(Fraction(16), 300)[0] > 0
