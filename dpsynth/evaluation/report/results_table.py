"""Results as rows of a table, each between its yardsticks, with its parts behind a fold."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dpsynth.evaluation.report.page import table
from dpsynth.evaluation.report.svg import bars, heat_map, number, scale
from dpsynth.evaluation.results import Part, Result

__all__ = ["parts_of", "results_table"]

_SHOWN_PARTS = 12
_MOST_COLUMNS = 50
_HEAD = ("What", "Value", "Floor to ceiling", "Floor", "Ceiling", "95 %", "How to read it")


def results_table(results: Sequence[Result], *, caption: str) -> str:
    """One line for each result; nothing if there are none."""
    if not results:
        return ""
    return table(_HEAD, (_line(result) for result in results), caption=caption, numbers=(1, 3, 4, 5))


def parts_of(result: Result) -> str:
    """The worst parts of a result as picture and table; nothing if it has none."""
    if not result.parts:
        return ""
    worst = result.parts[:_SHOWN_PARTS]
    lines = [
        (escape(", ".join(part.label)), number(part.value), number(part.ceiling), number(part.floor))
        for part in worst
    ]
    listed = table(
        ("Where", "Value", "Ceiling", "Floor"),
        lines,
        caption=f"{result.title}: the worst {len(worst)} of {len(result.parts)}",
        numbers=(1, 2, 3),
    )
    picture = _picture(result, worst)
    return f"<details><summary>{escape(result.title)}: where</summary>\n{picture}\n{listed}</details>"


def _line(result: Result) -> tuple[str, ...]:
    interval = "" if result.interval is None else " – ".join(number(end) for end in result.interval)
    return (
        escape(result.title),
        number(result.value),
        scale(result.value, result.floor, result.ceiling, title=result.title),
        number(result.floor),
        number(result.ceiling),
        interval,
        f'<span class="note">{escape(result.note)}</span>',
    )


def _picture(result: Result, worst: Sequence[Part]) -> str:
    pairs = {(part.label[0], part.label[1]): part.value for part in result.parts if len(part.label) == 2}
    names = list(dict.fromkeys(name for pair in sorted(pairs) for name in pair))
    if len(pairs) == len(result.parts) and 3 <= len(names) <= _MOST_COLUMNS:
        return heat_map(names, pairs, title=result.title)
    values = {", ".join(part.label): (part.value, part.ceiling) for part in worst}
    return bars(values, title=f"{result.title}; ticks show a second real sample")
