"""What a formula gives, worked out before any row is drawn: kind, bounds, texts, whether gaps may occur.

A formula that mixes kinds is refused here, as the rules are read. The bounds are those of interval
arithmetic: never too narrow, sometimes too wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NoReturn

from dpsynth.errors import ConfigurationError
from dpsynth.schema.formulas.syntax import Node

__all__ = ["EARLIEST", "LATEST", "Facts", "Kind", "facts_of"]

Kind = Literal["number", "truth", "text", "date", "free"]
_NAMES = {
    "number": "a number",
    "truth": "a truth value",
    "text": "a text",
    "date": "a date",
    "free": "free text",
}
_DAY = 86_400.0
EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0  # the years 1 to 9999, in seconds from 1970
_FINEST_FIRST = "smhDMY"


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known about a column or a formula without any row.

    Attributes:
        kind: Number, truth value, text from a list, date, or free text, which formulas cannot use.
        low: No number is below; for dates seconds from 1970.
        high: No number is above.
        gaps: Whether values may be missing.
        texts: All texts that can occur, for texts from a list.
        resolution: For dates: years (Y), months (M), days (D), hours, minutes or seconds.
    """

    kind: Kind
    low: float = -math.inf
    high: float = math.inf
    gaps: bool = False
    texts: tuple[str, ...] = ()
    resolution: str = "D"


def facts_of(node: Node, known: Mapping[str, Facts], *, where: str) -> Facts:
    """What the formula `node` gives.

    Args:
        node: A formula.
        known: The columns that it may use.
        where: What the formula belongs to, for messages.

    Raises:
        ConfigurationError: A column that is not known, or an operation on values that it does not fit.
    """
    return _Analysis(known, where).facts(node)


class _Analysis:
    def __init__(self, known: Mapping[str, Facts], where: str) -> None:
        self._known = known
        self._where = where

    def facts(self, node: Node) -> Facts:  # noqa: C901, PLR0911 - a table of cases
        if node.op == "column":
            return self._column(str(node.value))
        if node.op in ("number", "date"):
            value = float(node.value)  # type: ignore[arg-type]
            resolution = "D" if value % _DAY == 0 else "s"
            return Facts(
                kind="date" if node.op == "date" else "number", low=value, high=value, resolution=resolution
            )
        if node.op == "text":
            return Facts(kind="text", texts=(str(node.value),))
        if node.op == "truth":
            return Facts(kind="truth")
        parts = [self.facts(part) for part in node.parts]
        if node.op == "missing":
            return Facts(kind="truth")
        if node.op in _TRUTHS:
            return self._truth(node, parts)
        if node.op == "where":
            self._expect(node.op, parts[:1], "truth")
            return self._either(node.op, parts[1:], gaps=parts[0].gaps)
        if node.op in ("min", "max"):
            return self._extreme(node.op, parts)
        if node.op in ("year", "month", "weekday"):
            self._expect(node.op, parts, "date")
            low, high = {"year": (1.0, 9999.0), "month": (1.0, 12.0), "weekday": (0.0, 6.0)}[node.op]
            return Facts(kind="number", low=low, high=high, gaps=parts[0].gaps)
        if node.op == "add_months":
            return self._later(parts)
        if any(part.kind == "date" for part in parts):
            return self._calendar(node.op, parts)
        return self._number(node, parts)

    def _column(self, name: str) -> Facts:
        if name not in self._known:
            self._refuse(
                f"there is no column {name!r} before it; known are {list(self._known)}. Reorder the columns"
            )
        return self._known[name]

    def _truth(self, node: Node, parts: list[Facts]) -> Facts:
        gaps = any(part.gaps for part in parts)
        if node.op in ("and", "or", "not", "implies"):
            self._expect(node.op, parts, "truth")
            return Facts(kind="truth", gaps=gaps)
        if node.op == "in":
            choice = node.value[0] if isinstance(node.value, tuple) else 0.0
            kind: Kind = (
                "truth" if isinstance(choice, bool) else "text" if isinstance(choice, str) else "number"
            )
            self._expect(node.op, parts, kind)
            if kind == "text":
                self._texts(parts[0], node.value)  # type: ignore[arg-type]
            return Facts(kind="truth", gaps=gaps)
        left, right = parts
        self._expect(node.op, parts, left.kind)
        if left.kind in ("text", "truth") and node.op not in ("==", "!="):
            self._refuse(
                f"{_NAMES[left.kind]} has no order, so {node.op!r} cannot compare it; use == or 'in'"
            )
        for side, other, constant in ((left, right, node.parts[1]), (right, left, node.parts[0])):
            if side.kind == "text" and constant.op == "text" and other.texts:
                self._texts(side, other.texts)
        return Facts(kind="truth", gaps=gaps)

    def _texts(self, facts: Facts, wanted: Iterable[object]) -> None:
        """A text that a column never has is a slip of the pen."""
        strange = [text for text in wanted if text not in facts.texts]
        if strange:
            self._refuse(f"{strange} can never occur there; the values are {list(facts.texts)[:20]}")

    def _either(self, op: str, parts: list[Facts], *, gaps: bool) -> Facts:
        self._expect(op, parts, parts[0].kind)
        return Facts(
            kind=parts[0].kind,
            low=min(part.low for part in parts),
            high=max(part.high for part in parts),
            gaps=gaps or any(part.gaps for part in parts),
            texts=tuple(dict.fromkeys(text for part in parts for text in part.texts)),
            resolution=min((part.resolution for part in parts), key=_FINEST_FIRST.index),
        )

    def _extreme(self, op: str, parts: list[Facts]) -> Facts:
        if parts[0].kind not in ("number", "date"):
            self._refuse(f"{op}() works on numbers or dates")
        choose = min if op == "min" else max
        either = self._either(op, parts, gaps=False)
        return replace(either, low=choose(p.low for p in parts), high=choose(p.high for p in parts))

    def _calendar(self, op: str, parts: list[Facts]) -> Facts:
        """Date + days, date - days, date - date."""
        gaps = any(part.gaps for part in parts)
        kinds = [part.kind for part in parts]
        if op == "-" and kinds == ["date", "date"]:
            low, high = parts[0].low - parts[1].high, parts[0].high - parts[1].low
            return Facts(kind="number", low=low / _DAY, high=high / _DAY, gaps=gaps)
        if (
            kinds not in (["date", "number"], ["number", "date"])
            or op not in "+-"
            or (op, kinds[0]) == ("-", "number")
        ):
            self._refuse(
                f"{op!r} does not work on dates; a date takes + or - days, and two dates have a difference"
            )
        date, days = parts if kinds[0] == "date" else parts[::-1]
        low, high = (days.low, days.high) if op == "+" else (-days.high, -days.low)
        return self._dated(date, date.low + low * _DAY, date.high + high * _DAY, gaps=gaps)

    def _later(self, parts: list[Facts]) -> Facts:
        """A date so many months later: a month has 28 to 31 days."""
        self._expect("add_months", parts[:1], "date")
        self._expect("add_months", parts[1:], "number")
        date, months = parts
        low = date.low + (min(months.low * 28, months.low * 31) - 31) * _DAY
        high = date.high + (max(months.high * 28, months.high * 31) + 31) * _DAY
        return self._dated(date, low, high, gaps=date.gaps or months.gaps)

    def _dated(self, date: Facts, low: float, high: float, *, gaps: bool) -> Facts:
        """A date that is moved; one beyond the calendar is missing."""
        beyond = not EARLIEST <= low <= high <= LATEST
        return Facts(kind="date", low=low, high=high, gaps=gaps or beyond, resolution=date.resolution)

    def _number(self, node: Node, parts: list[Facts]) -> Facts:
        self._expect(node.op, parts, "number")
        low, high, partial = _INTERVALS[node.op](node, parts)
        low, high = (-math.inf if math.isnan(low) else low), (math.inf if math.isnan(high) else high)
        gaps = partial or any(part.gaps for part in parts) or not math.isfinite(high - low)
        return Facts(kind="number", low=low, high=high, gaps=gaps)

    def _expect(self, op: str, parts: list[Facts], kind: Kind) -> None:
        found = {part.kind for part in parts}
        if "free" in found:
            self._refuse("keys and free texts cannot be used in expressions, only in missing()")
        if found != {kind}:
            names = " and ".join(sorted(_NAMES[other] for other in found))
            self._refuse(f"{op!r} expects {_NAMES[kind]} here and got {names}")

    def _refuse(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{self._where}: the expression is refused: {message}.")


_TRUTHS = {"and", "or", "not", "implies", "in", "<", "<=", ">", ">=", "==", "!="}

Interval = tuple[float, float, bool]  # low, high, whether some values have no result


def _corners(parts: list[Facts], operate: Callable[[float, float], float]) -> tuple[float, float]:
    left, right = parts
    try:
        found = [operate(a, b) for a in (left.low, left.high) for b in (right.low, right.high)]
    except (OverflowError, ZeroDivisionError):
        return -math.inf, math.inf
    return (-math.inf, math.inf) if any(map(math.isnan, found)) else (min(found), max(found))


def _product(a: float, b: float) -> float:
    return 0.0 if 0.0 in (a, b) else a * b


def _without_zero(facts: Facts) -> bool:
    return facts.low > 0 or facts.high < 0


def _quotient(node: Node, parts: list[Facts]) -> Interval:
    if not _without_zero(parts[1]):
        return -math.inf, math.inf, True
    low, high = _corners(parts, lambda a, b: a / b)
    if node.op == "/":
        return low, high, False
    return _round(low, math.floor) - 1.0, _round(high, math.floor), False  # 1.0 // 0.1 is 9


def _rest(_node: Node, parts: list[Facts]) -> Interval:
    divisor = parts[1]
    if not _without_zero(divisor):
        return -math.inf, math.inf, True
    return (0.0, divisor.high, False) if divisor.low > 0 else (divisor.low, 0.0, False)


def _power(_node: Node, parts: list[Facts]) -> Interval:
    if parts[0].low < 0 or parts[1].low < 0:
        return -math.inf, math.inf, True
    low, high = _corners(parts, lambda a, b: a**b)
    return low, high, False


def _absolute(_node: Node, parts: list[Facts]) -> Interval:
    low, high = parts[0].low, parts[0].high
    return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high)), False


def _round(value: float, operate: Callable[[float], float]) -> float:
    return float(operate(value)) if math.isfinite(value) else value


def _stepwise(operate: Callable[[float], float]) -> Callable[[Node, list[Facts]], Interval]:
    return lambda _node, parts: (_round(parts[0].low, operate), _round(parts[0].high, operate), False)


def _rounded(node: Node, parts: list[Facts]) -> Interval:
    places = int(node.parts[1].value) if len(node.parts) == 2 else 0  # type: ignore[arg-type]
    low, high = (_round(end, lambda value: round(value, places)) for end in (parts[0].low, parts[0].high))
    half = 10.0**-places  # the last digit of numpy and Python may differ
    return low - half, high + half, False


def _root(_node: Node, parts: list[Facts]) -> Interval:
    return math.sqrt(max(parts[0].low, 0.0)), math.sqrt(max(parts[0].high, 0.0)), parts[0].low < 0


def _logarithm(_node: Node, parts: list[Facts]) -> Interval:
    low, high = (math.log(value) if value > 0 else -math.inf for value in (parts[0].low, parts[0].high))
    return low, high, parts[0].low <= 0


def _exponential(_node: Node, parts: list[Facts]) -> Interval:
    low, high = (math.exp(value) if value < 700 else math.inf for value in (parts[0].low, parts[0].high))
    return low, high, False


def _negative(_node: Node, parts: list[Facts]) -> Interval:
    return -parts[0].high, -parts[0].low, False


_INTERVALS: dict[str, Callable[[Node, list[Facts]], Interval]] = {
    "+": lambda _, parts: (parts[0].low + parts[1].low, parts[0].high + parts[1].high, False),
    "-": lambda _, parts: (parts[0].low - parts[1].high, parts[0].high - parts[1].low, False),
    "*": lambda _, parts: (*_corners(parts, _product), False),
    "/": _quotient,
    "//": _quotient,
    "%": _rest,
    "**": _power,
    "neg": _negative,
    "abs": _absolute,
    "ceil": _stepwise(math.ceil),
    "floor": _stepwise(math.floor),
    "round": _rounded,
    "sqrt": _root,
    "log": _logarithm,
    "exp": _exponential,
}
