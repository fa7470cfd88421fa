"""Lines over epsilon as an SVG, without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["lines"]

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 360, 60, 20, 210, 50
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94")
DASHES = ("", "7 5")


def lines(series: Mapping[str, Points], *, x: str, y: str) -> str:
    """A line for each of `series`; every second one is dashed and has the colour of the one before."""
    places = [place for points in series.values() for place, _ in points]
    low, high = math.log(min(places)), math.log(max(places))
    top = 1.05 * max(value for points in series.values() for _, value in points)

    def across(place: float) -> float:
        return LEFT + (math.log(place) - low) / max(high - low, 1e-9) * (WIDTH - LEFT - RIGHT)

    def down(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13" role="img" aria-label="{escape(y)} over {escape(x)}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#444"/>',
        _text(LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 12, x),
        f'<g transform="rotate(-90 16 {HEIGHT / 2})">{_text(16, HEIGHT / 2, y)}</g>',
    ]
    parts += [_text(across(place), HEIGHT - BOTTOM + 18, f"{place:g}") for place in sorted(set(places))]
    for step in range(math.floor(top * 10) + 1):
        parts.append(_text(LEFT - 22, down(step / 10) + 4, f"{step / 10:.1f}"))
        parts.append(f'<path d="M{LEFT} {down(step / 10):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
    for number, (label, points) in enumerate(series.items()):
        colour, dash = COLOURS[number // 2 % len(COLOURS)], DASHES[number % 2]
        style = f'fill="none" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}"'
        path = " ".join(f"{across(place):.1f},{down(value):.1f}" for place, value in points)
        parts.append(f'<polyline points="{path}" {style}/>')
        key, beside = TOP + 12 + 22 * number, WIDTH - RIGHT + 20
        parts.append(f'<path d="M{beside} {key}h30" {style}/>')
        parts.append(_text(beside + 38, key + 4, label, anchor="start"))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, text: str, *, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222">{escape(text)}</text>'
