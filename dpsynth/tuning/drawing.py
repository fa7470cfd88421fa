"""The picture of a frontier as one SVG document: no script, no fonts, no outside address.

Epsilon is on a log axis, and under each epsilon stands how often the best attacker is right. Each method has
a line of medians with its band, and a bar under the axis for its knee, a range and never a point. Mode and
cost are part of the picture, so that it cannot be shown without them. Colours are those of Okabe and Ito
(2008), and each method has a dash of its own for those who do not tell them apart. A method that comes with
the package has the same colour in every picture, whatever stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from dpsynth.evaluation.report.svg import number
from dpsynth.tuning.knee import knee

if TYPE_CHECKING:
    from dpsynth.tuning.result import Frontier, FrontierPoint

__all__ = ["COLOURS", "DASHES", "colours", "description", "labelled", "levels", "round_values", "svg"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_OWN = {
    "allpairs": "#0072b2",
    "mst": "#e69f00",
    "aim": "#009e73",
    "privbayes": "#cc79a7",
    "hybrid": "#d55e00",
    "independent": "#999999",
}
DASHES = ("", "7 3", "2 3", "9 3 2 3", "1 4", "12 4")
_WIDTH, _LEFT, _RIGHT, _TOP, _PLOT = 760, 66, 150, 74, 300
_CLOSE = 0.077  # of the axis: labels that are nearer than this are left out
_STYLE = (
    ".frontier{--ink:#1c2430;--soft:#5a6675;--paper:#fff;--line:#d7dde5;--warn:#b3420a;background:var(--paper);"
    "font:12px system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){.frontier{--ink:#e6ebf2;--soft:#a3afbe;--paper:#11161d;--line:#2b3440;"
    "--warn:#ff9a5c}}"
    ".frontier text{fill:var(--ink);font:12px system-ui,sans-serif}"
    ".frontier .soft{fill:var(--soft);font-size:11px}"
    ".frontier .head{font-size:14px;font-weight:600}.frontier .stamp{fill:var(--warn);font-weight:700}"
    ".frontier .axis{stroke:var(--line);stroke-width:1}"
    ".frontier .level{stroke:var(--soft);stroke-dasharray:4 4}"
    ".frontier .median{fill:none;stroke-width:2.5}.frontier .band{opacity:.22}"
    ".frontier .direct{fill:none;stroke:var(--ink);stroke-width:1.5;stroke-dasharray:1 3}"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Frame:
    """Where numbers lie on the picture."""

    first: float
    last: float
    low: float
    high: float

    def x(self, epsilon: float) -> float:
        if self.last <= self.first:
            return _LEFT + (_WIDTH - _LEFT - _RIGHT) / 2
        share = math.log(epsilon / self.first) / math.log(self.last / self.first)
        return _LEFT + 12 + share * (_WIDTH - _LEFT - _RIGHT - 24)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return _TOP + (1 - min(max(share, 0.0), 1.0)) * _PLOT

    def at(self, epsilon: float, value: float) -> str:
        return f"{self.x(epsilon):.1f},{self.y(value):.1f}"


def svg(frontier: Frontier) -> str:
    """The whole picture."""
    frame = _frame(frontier)
    height = _TOP + _PLOT + 62 + 15 * len(frontier.methods)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="frontier" role="img" '
        f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">',
        f"<title>{escape(_title(frontier))}</title><desc>{escape(description(frontier))}</desc>",
        f"<style>{_STYLE}</style>",
        *_head(frontier),
        *_axes(frontier, frame),
        *_levels(frontier, frame),
    ]
    for place, method in enumerate(frontier.methods):
        parts += _series(frontier, frame, place, method)
    parts += _direct(frontier, frame)
    return "".join(parts) + "</svg>"


def description(frontier: Frontier) -> str:
    """The picture in words, for those who cannot see it."""
    lines = [f"Mode {frontier.mode}: {frontier.cost}.", f"Disclosure: {frontier.disclosure}."]
    for method in frontier.methods:
        points = frontier.of(method)
        first, last = points[0], points[-1]
        found = knee(points, frontier.metric)
        lines.append(
            f"{method}: {frontier.metric} {number(first.utility[frontier.metric].median)} at epsilon = "
            f"{first.epsilon:g}, {number(last.utility[frontier.metric].median)} at epsilon = {last.epsilon:g}"
            + (f"; {found.in_words()}." if found else ".")
        )
    lines += [f"{name} {number(value)}." for name, value in levels(frontier).items()]
    return " ".join(lines)


def levels(frontier: Frontier) -> dict[str, float]:
    """Ceiling and floor of the metric, where they are known."""
    known = {"Ceiling": frontier.ceiling, "Floor": frontier.floor}
    found = {name: values.get(frontier.metric, math.nan) for name, values in known.items()}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def colours(methods: Sequence[str]) -> dict[str, str]:
    """A colour for each method: its own, or the next that no other here has; with many they repeat."""
    own = {method: _OWN[method] for method in methods if method in _OWN}
    others = [method for method in methods if method not in _OWN]
    free = [colour for colour in COLOURS if colour not in own.values()] or list(COLOURS)
    return own | {method: free[place % len(free)] for place, method in enumerate(others)}


def labelled(frontier: Frontier, *, apart: float = _CLOSE) -> list[FrontierPoint]:
    """For each epsilon that has room for a label the point of largest risk, by rising epsilon.

    Args:
        frontier: What is drawn.
        apart: Room of a label, as a share of the axis.
    """
    worst = sorted(frontier.points, key=lambda point: (point.epsilon, point.advantage))
    found = list({point.epsilon: point for point in worst}.values())  # of several methods the riskiest
    room = apart * math.log(found[-1].epsilon / found[0].epsilon)
    shown: list[FrontierPoint] = []
    for point in found:
        if not shown or math.log(point.epsilon / shown[-1].epsilon) >= room:
            shown.append(point)
    return shown


def _title(frontier: Frontier) -> str:
    return f"{frontier.metric} by epsilon ({frontier.mode})"


def _frame(frontier: Frontier) -> _Frame:
    bands = [point.utility[frontier.metric] for point in frontier.points]
    values = [one for band in bands for one in (band.low, band.high)] + [*levels(frontier).values()]
    values += [*_direct_values(frontier).values()]
    shown = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(shown), max(shown)
    room = 0.06 * (high - low) or 0.05
    epsilons = [point.epsilon for point in frontier.points]
    return _Frame(first=min(epsilons), last=max(epsilons), low=low - room, high=high + room)


def _head(frontier: Frontier) -> Iterator[str]:
    yield f'<text class="head" x="{_LEFT}" y="20">{escape(_title(frontier))}</text>'
    kind = "stamp" if not frontier.cost.accounted else "soft"
    yield f'<text class="{kind}" x="{_LEFT}" y="38">{escape(f"{frontier.mode}: {frontier.cost}")}</text>'
    kind = "stamp" if frontier.disclosure.kind == "confidential" else "soft"
    yield f'<text class="{kind}" x="{_LEFT}" y="54">Who may see it: {escape(str(frontier.disclosure))}</text>'


def _axes(frontier: Frontier, frame: _Frame) -> Iterator[str]:
    bottom, right = _TOP + _PLOT, _WIDTH - _RIGHT
    for value in round_values(frame.low, frame.high):
        y = frame.y(value)
        yield f'<line class="axis" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield f'<text class="soft" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.10g}</text>'
    for point in labelled(frontier):
        x = frame.x(point.epsilon)
        right_guesses = 50 * (1 + point.advantage)
        yield f'<line class="axis" x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 5}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{point.epsilon:.3g}</text>'
        yield (
            f'<text class="soft" x="{x:.1f}" y="{bottom + 32}" text-anchor="middle">{right_guesses:.3g} %'
            f"<title>{escape(point.odds)}</title></text>"
        )
    yield f'<text x="{right + 20}" y="{bottom + 18}">epsilon (log)</text>'
    yield f'<text class="soft" x="{right + 20}" y="{bottom + 32}">best guess right</text>'


def round_values(low: float, high: float) -> list[float]:
    """Three to eight round numbers between two ends."""
    widest = (high - low) / 3 * (1 + 1e-9)
    size = 10 ** math.floor(math.log10(widest))
    step = max(size * factor for factor in (1, 2, 5) if size * factor <= widest)
    return [place * step for place in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _levels(frontier: Frontier, frame: _Frame) -> Iterator[str]:
    for name, value in levels(frontier).items():
        y, right = frame.y(value), _WIDTH - _RIGHT
        yield f'<line class="level" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield f'<text class="soft" x="{right + 8}" y="{y + 4:.1f}">{name.lower()} {number(value)}</text>'


def _series(frontier: Frontier, frame: _Frame, place: int, method: str) -> Iterator[str]:
    points = [point for point in frontier.of(method) if math.isfinite(point.utility[frontier.metric].median)]
    colour, dash = colours(frontier.methods)[method], DASHES[place % len(DASHES)]
    bands = [(point, point.utility[frontier.metric]) for point in points]
    edge = [frame.at(point.epsilon, band.high) for point, band in bands]
    edge += [frame.at(point.epsilon, band.low) for point, band in reversed(bands)]
    yield f'<polygon class="band" fill="{colour}" points="{" ".join(edge)}"/>'
    middle = " ".join(frame.at(point.epsilon, band.median) for point, band in bands)
    yield f'<polyline class="median" stroke="{colour}" stroke-dasharray="{dash}" points="{middle}"/>'
    for point, band in bands:
        x, y = frame.x(point.epsilon), frame.y(band.median)
        title = f"<title>{_words(point, frontier)}</title>"
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}">{title}</circle>'
    y = _TOP + _PLOT + 52 + 15 * place
    yield f'<text x="{_WIDTH - _RIGHT + 8}" y="{y + 4}">{escape(_short(method))}</text>'
    yield (
        f'<line x1="{_WIDTH - 42}" y1="{y}" x2="{_WIDTH - 8}" y2="{y}" stroke="{colour}" stroke-width="2.5" '
        f'stroke-dasharray="{dash}"/>'
    )
    found = knee(points, frontier.metric)
    if found is not None:
        yield (
            f'<line x1="{frame.x(found.low):.1f}" y1="{y}" x2="{frame.x(found.high):.1f}" y2="{y}" '
            f'stroke="{colour}" stroke-width="6" stroke-linecap="round" opacity=".6">'
            f"<title>{escape(method)}: {escape(found.in_words())}</title></line>"
        )
        if place == 0:
            yield f'<text class="soft" x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">knee</text>'


def _direct(frontier: Frontier, frame: _Frame) -> Iterator[str]:
    values = _direct_values(frontier)
    if values:
        path = " ".join(frame.at(epsilon, value) for epsilon, value in sorted(values.items()))
        yield (
            f'<polyline class="direct" points="{path}"><title>A private model for this one question, '
            "without a table (diffprivlib)</title></polyline>"
        )
        first = min(values)
        x, y = frame.x(first) + 4, frame.y(values[first]) + 14
        yield f'<text class="soft" x="{x:.1f}" y="{y:.1f}">direct model</text>'


def _direct_values(frontier: Frontier) -> dict[float, float]:
    return dict(frontier.direct) if frontier.metric == "tstr" else {}


def _words(point: FrontierPoint, frontier: Frontier) -> str:
    band = point.utility[frontier.metric]
    alone = "one paid run" if band.low < band.high else "expected"
    runs = f"{point.replicates} runs" if point.replicates else alone
    return escape(
        f"{point.method}, epsilon = {point.epsilon:g}: {number(band.median)} "
        f"({number(band.low)} to {number(band.high)}, {runs})"
    )


def _short(text: str) -> str:
    return text if len(text) <= 14 else text[:13] + "…"
