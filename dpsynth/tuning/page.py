"""A page about one frontier: the picture, what the looking cost, and the table that stands behind it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from dpsynth.evaluation.report.page import page, section, table
from dpsynth.evaluation.report.svg import number
from dpsynth.tuning.knee import knee

if TYPE_CHECKING:
    from dpsynth.tuning.result import Band, Frontier, FrontierPoint

__all__ = ["frontier_page", "glance"]

_HEAD = (
    "method",
    "epsilon",
    "mu",
    "advantage",
    "metric",
    "band",
    "worst group",
    "smallest reliable group (rows)",
    "equivalent subsample",
    "seconds",
    "what it means",
)


def frontier_page(frontier: Frontier, *, title: str) -> str:
    """The page as text. It needs nothing but itself.

    Args:
        frontier: What was found.
        title: Of the table or the question.
    """
    banner = f"{frontier.mode}: {frontier.cost}. Who may see it: {frontier.disclosure}."
    knees = [
        f"<li>{escape(method)}: {escape(found.in_words())}</li>"
        for method in frontier.methods
        if (found := knee(frontier.of(method), frontier.metric)) is not None
    ]
    notes = "".join(f"<li>{escape(note)}</li>" for note in frontier.notes)
    body = [
        f'<div class="wide">{frontier.to_svg()}</div>',
        section("What the looking cost", f"<p>{escape(str(frontier.cost))}.</p>"),
        section("Where more epsilon stops paying", f"<ul>{''.join(knees)}</ul>" if knees else ""),
        section("What this picture leaves out", f"<ul>{notes}</ul>" if notes else ""),
        section("All points", _table(frontier)),
    ]
    open_to_all = frontier.disclosure.kind != "confidential" and frontier.cost.accounted
    return page(title, banner=banner, open_to_all=open_to_all, body=body)


def glance(frontier: Frontier) -> str:
    """What a notebook shows under the picture: a line for each epsilon, and what is left out."""
    points = {(point.method, point.epsilon): point for point in frontier.points}
    head = "".join(f"<th>{escape(name)}</th>" for name in ("epsilon", "best guess right", *frontier.methods))
    rows = []
    for epsilon in sorted({point.epsilon for point in frontier.points}):
        here = [points.get((method, epsilon)) for method in frontier.methods]
        guess = max(50 * (1 + point.advantage) for point in here if point is not None)
        cells = [f"{epsilon:g}", f"{guess:.3g} %", *(_cell(point, frontier.metric) for point in here)]
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    notes = "".join(f"<li>{escape(note)}</li>" for note in frontier.notes)
    more = (
        f"<details><summary>What this picture leaves out</summary><ul>{notes}</ul></details>" if notes else ""
    )
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f"<p>{escape(frontier.metric)}: median and band; <code>to_frame()</code> has all that is known of "
        f"each point.</p>{more}"
    )


def _cell(point: FrontierPoint | None, metric: str) -> str:
    if point is None:
        return "–"
    band = point.utility[metric]
    wide = f" ({number(band.low)} to {number(band.high)})" if band.low < band.high else ""
    return f"{number(band.median)}{wide}"


def _table(frontier: Frontier) -> str:
    rows = [_row(point, frontier.metric) for point in frontier.points]
    caption = f"{frontier.metric}: medians and bands of replicates; a dash is what is not known."
    return table(_HEAD, rows, caption=caption, numbers=(1, 2, 3, 4, 5, 6, 7, 8, 9))


def _row(point: FrontierPoint, metric: str) -> tuple[str, ...]:
    band = point.utility[metric]
    group: Band | None = point.worst_group
    return (
        escape(point.method),
        f"{point.epsilon:g}",
        number(point.mu),
        number(point.advantage),
        number(band.median),
        f"{number(band.low)} to {number(band.high)}",
        number(None if group is None else group.median),
        number(point.smallest_reliable_group),
        number(point.equivalent_subsample),
        number(point.seconds),
        escape(" ".join(part for part in (point.odds, point.note) if part)),
    )
