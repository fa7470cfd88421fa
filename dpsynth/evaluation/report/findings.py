"""What a careful reader would say first, in sentences: made from results, in a fixed order of weight."""

from __future__ import annotations

import math
from collections.abc import Callable

from dpsynth.evaluation.report.svg import number
from dpsynth.evaluation.results import Evaluation, Result

__all__ = ["findings"]

_NEAR, _FAR = 0.9, 0.6


def findings(evaluation: Evaluation) -> tuple[str, ...]:
    """Sentences on what matters; none about what was not measured."""
    known = {result.name: result for result in evaluation.results if math.isfinite(result.value)}
    found = []
    for name, tell in _TELLING.items():
        if name in known:
            sentence = tell(known[name])
            if sentence:
                found.append(sentence)
    weak = [result for result in known.values() if _is_weak(result) and result.name not in _TELLING]
    found += [_weak(result) for result in sorted(weak, key=lambda r: (r.achieved or 0.0, r.name))[:3]]
    return tuple(found)


def _is_weak(result: Result) -> bool:
    """Far from the ceiling, on a scale whose ends chance does not mix up."""
    achieved, ends = result.achieved, (result.floor or 0.0, result.ceiling or 0.0)
    apart = abs(ends[0] - ends[1]) > max(map(abs, ends)) / 2
    # Where independent columns are no bad case, the floor can be better than the ceiling, and is no floor.
    upright = result.better == "neither" or (ends[1] > ends[0]) == (result.better == "higher")
    return achieved is not None and apart and upright and achieved < _FAR


def _weak(result: Result) -> str:
    return (
        f"{result.title} is weak: {number(result.value)}, where a second real sample gets "
        f"{number(result.ceiling)} and independent columns get {number(result.floor)}."
    )


def _place(result: Result) -> str:
    achieved = result.achieved
    if achieved is None:
        return ""
    if achieved >= _NEAR:
        return "close to a second real sample"
    return "between a second real sample and independent columns" if achieved >= _FAR else "far from real"


def _pairs(result: Result) -> str:
    place = _place(result)
    if not result.parts:
        return f"Pairs of columns are {place}." if place else ""
    worst = result.parts[0]
    words = f" The worst pair is {' and '.join(worst.label)} ({number(worst.value)}"
    words += f"; a second real sample gets {number(worst.ceiling)})." if worst.ceiling is not None else ")."
    return f"Pairs of columns are {place or 'measured'}: mean distance {number(result.value)}.{words}"


def _equivalent(result: Result) -> str:
    return f"In pairs of columns the table looks like a random {result.value:.0%} subsample of the real rows."


def _spurious(result: Result) -> str:
    if result.value <= 0.01:
        return ""
    return (
        f"{result.value:.0%} of the pairs that are independent in real rows are associated in synthetic ones."
    )


def _lost(result: Result) -> str:
    if result.value <= 0.01:
        return ""
    return f"{result.value:.0%} of the associations of real rows are lost in synthetic ones."


def _utility(result: Result) -> str:
    if result.ceiling is None:
        return ""
    gap = result.ceiling - result.value
    return (
        f"{result.title}: {number(result.value)}, {number(abs(gap))} {'below' if gap > 0 else 'above'} "
        "a model that learned from real rows."
    )


def _ceiling(result: Result) -> str:
    return (
        "No attack that asks whether one person is in the data, known or unknown, can have an advantage "
        f"above {number(result.value)}: the guarantee says so."
    )


def _copies(result: Result) -> str:
    words = f"{result.value:.2%} of the synthetic rows equal a real row that the generator learned from"
    if result.ceiling is not None and math.isfinite(result.ceiling):
        words += f"; of real rows that it has never seen {result.ceiling:.2%} do"
    return words + "."


_TELLING: dict[str, Callable[[Result], str]] = {
    "certified_advantage": _ceiling,
    "equivalent_subsample": _equivalent,
    "tvd2": _pairs,
    "lost_rate": _lost,
    "spurious_rate": _spurious,
    "tstr_logistic": _utility,
    "tstr_gradient_boosting": _utility,
    "exact_match": _copies,
}
