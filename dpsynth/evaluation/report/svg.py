"""Small pictures as inline SVG: no script, no fonts, no outside address. Beside each stands a table.

Colours are classes that the page's style defines for light and dark; the scale is blue to orange (Okabe and
Ito, 2008), which colour-blind readers tell apart, and every mark has a title for those who cannot see it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["bars", "grids", "heat_map", "number", "scale"]

_WIDTH = 180
_SHADES = 9


def number(value: float | None) -> str:
    """Four significant digits, or a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def scale(value: float, floor: float | None, ceiling: float | None, *, title: str) -> str:
    """Where a value lies between what independent columns get (left) and a second real sample (right)."""
    if floor is None or ceiling is None or not all(map(math.isfinite, (value, floor, ceiling))):
        return ""
    if math.isclose(floor, ceiling):
        return ""
    share = (value - floor) / (ceiling - floor)
    place = 10 + (_WIDTH - 20) * min(max(share, 0.0), 1.0)
    words = f"{title}: {number(value)}, floor {number(floor)}, ceiling {number(ceiling)}"
    return (
        f'<svg class="scale" role="img" viewBox="0 0 {_WIDTH} 22" width="{_WIDTH}" height="22">'
        f"<title>{escape(words)}</title>"
        f'<line class="rule" x1="10" y1="11" x2="{_WIDTH - 10}" y2="11"/>'
        f'<line class="tick" x1="10" y1="5" x2="10" y2="17"/>'
        f'<line class="tick" x1="{_WIDTH - 10}" y1="5" x2="{_WIDTH - 10}" y2="17"/>'
        f'<circle class="mark" cx="{place:.1f}" cy="11" r="5"/></svg>'
    )


def bars(values: Mapping[str, tuple[float, float | None]], *, title: str) -> str:
    """One horizontal bar for each name, with a tick where the ceiling is."""
    shown = {name: pair for name, pair in values.items() if math.isfinite(pair[0])}
    if not shown:
        return ""
    largest = max(
        [abs(value) for value, _ in shown.values()] + [abs(tick or 0) for _, tick in shown.values()]
    )
    unit, height = 300 / (largest or 1), 20 * len(shown)
    parts = [
        f'<svg class="bars" role="img" viewBox="0 0 520 {height}" width="520" height="{height}">',
        f"<title>{escape(title)}</title>",
    ]
    for index, (name, (value, tick)) in enumerate(shown.items()):
        top = 20 * index
        parts.append(
            f'<text x="195" y="{top + 14}" text-anchor="end">{escape(_short(name, 28))}</text>'
            f'<rect class="bar" x="200" y="{top + 4}" width="{max(unit * abs(value), 0.5):.1f}" height="12">'
            f"<title>{escape(name)}: {number(value)}</title></rect>"
        )
        if tick is not None and math.isfinite(tick):
            place = 200 + unit * abs(tick)
            parts.append(
                f'<line class="tick" x1="{place:.1f}" y1="{top + 2}" x2="{place:.1f}" y2="{top + 18}"/>'
            )
    return "".join(parts) + "</svg>"


def heat_map(names: Sequence[str], values: Mapping[tuple[str, str], float], *, title: str) -> str:
    """A triangle of pairs; darker is more."""
    size = max(8, min(22, 620 // max(len(names), 1)))
    left, height = 150, size * len(names) + 4
    width = left + size * len(names) + 4
    known = [value for value in values.values() if math.isfinite(value)]
    largest = max(known, default=0.0) or 1.0
    parts = [
        f'<svg class="heat" role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{escape(title)}: darker is more, up to {number(largest)}</title>",
    ]
    for row, name in enumerate(names):
        parts.append(
            f'<text x="{left - 5}" y="{size * row + size * 0.75:.0f}" text-anchor="end">'
            f"{escape(_short(name, 20))}</text>"
        )
        for column, other in enumerate(names[:row]):
            value = values.get((other, name), values.get((name, other), math.nan))
            if math.isfinite(value):
                shade = min(int(_SHADES * max(value, 0.0) / largest), _SHADES - 1)
                words = f"{escape(other)}, {escape(name)}: {number(value)}"
                parts.append(
                    f'<rect class="s{shade}" x="{left + size * column}" y="{size * row}" width="{size - 1}" '
                    f'height="{size - 1}"><title>{words}</title></rect>'
                )
    return "".join(parts) + "</svg>"


def grids(tables: Mapping[str, np.ndarray[Any, Any]], *, title: str) -> str:
    """Tables of counts side by side, on one scale; darker is more."""
    side, gap, top = 8, 24, 18
    arrays = {name: table / max(float(table.sum()), 1.0) for name, table in tables.items()}
    largest = max((float(table.max()) for table in arrays.values()), default=0.0) or 1.0
    rows = max((len(table) for table in arrays.values()), default=0)
    width = sum(side * table.shape[1] + gap for table in arrays.values())
    height = top + side * rows
    parts = [
        f'<svg class="grids" role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{escape(title)}</title>",
    ]
    start = 0
    for name, table in arrays.items():
        parts.append(f'<text x="{start}" y="12">{escape(name)}</text>')
        for (i, j), share in _occupied(table):
            shade = min(int(_SHADES * math.sqrt(share / largest)), _SHADES - 1)
            parts.append(
                f'<rect class="s{shade}" x="{start + side * j}" y="{top + side * (table.shape[0] - 1 - i)}" '
                f'width="{side}" height="{side}"/>'
            )
        start += side * table.shape[1] + gap
    return "".join(parts) + "</svg>"


def _occupied(table: np.ndarray[Any, Any]) -> list[tuple[tuple[int, int], float]]:
    places = zip(*table.nonzero(), strict=True)
    return [((int(i), int(j)), float(table[i, j])) for i, j in places]


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
