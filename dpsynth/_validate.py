"""The only argument validators. Each names the argument, what was expected and what came."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

from dpsynth.errors import ConfigurationError

T = TypeVar("T", str, int)


def number(name: str, value: object) -> float:
    """Return `value` as a finite float, or say that it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not finite(value):
        raise ConfigurationError(f"Expected {name} to be a finite number, got {value!r}.")
    return float(value)


def finite(value: float) -> bool:
    """Whether `value` is a float, or an integer within the range of floats."""
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def positive(name: str, value: object) -> float:
    """Return `value` as a float that is finite and > 0."""
    checked = number(name, value)
    if checked <= 0:
        raise ConfigurationError(f"Expected {name} > 0, got {value!r}.")
    return checked


def non_negative(name: str, value: object) -> float:
    """Return `value` as a float that is finite and >= 0."""
    checked = number(name, value)
    if checked < 0:
        raise ConfigurationError(f"Expected {name} >= 0, got {value!r}.")
    return checked


def fraction(name: str, value: object) -> float:
    """Return `value` as a float strictly between 0 and 1."""
    checked = number(name, value)
    if not 0 < checked < 1:
        raise ConfigurationError(f"Expected 0 < {name} < 1, got {value!r}.")
    return checked


def count(name: str, value: object, *, least: int = 1) -> int:
    """Return `value` as an int that is at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"Expected {name} to be an integer >= {least}, got {value!r}.")
    return value


def one_of(name: str, value: T, allowed: Iterable[T]) -> T:
    """Return `value` if it is one of `allowed`."""
    choices = list(allowed)
    if value not in choices:
        raise ConfigurationError(f"Expected {name} to be one of {choices}, got {value!r}.")
    return value
