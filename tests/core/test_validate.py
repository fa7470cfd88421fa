from __future__ import annotations

import math

import pytest

from dpsynth import _validate
from dpsynth.errors import ConfigurationError


@pytest.mark.parametrize("value", [True, "1", None, math.nan, math.inf, 10**400])
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="size to be a finite number"):
        _validate.number("size", value)


def test_each_check_names_the_argument_and_the_limit() -> None:
    for check, value, says in (
        (_validate.positive, 0, "size > 0"),
        (_validate.non_negative, -0.5, "size >= 0"),
        (_validate.fraction, 1, "0 < size < 1"),
        (_validate.fraction, 0, "0 < size < 1"),
        (_validate.count, 0, "integer >= 1"),
        (_validate.count, 1.0, "integer >= 1"),
        (_validate.count, True, "integer >= 1"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            check("size", value)
    with pytest.raises(ConfigurationError, match="one of"):
        _validate.one_of("mode", "c", ("a", "b"))


def test_what_fits_comes_back() -> None:
    assert _validate.positive("size", 2) == 2.0
    assert _validate.non_negative("size", 0) == 0.0
    assert _validate.fraction("size", 0.5) == 0.5
    assert _validate.count("size", 0, least=0) == 0
    assert _validate.one_of("mode", "a", ("a", "b")) == "a"
